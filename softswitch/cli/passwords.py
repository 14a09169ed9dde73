"""Secrets for the configuration that are no secrets when it is read: digests of passwords, hashes of tokens."""

import secrets
from hashlib import sha256
from pathlib import Path
from re import fullmatch
from typing import TYPE_CHECKING

import click

from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json
from softswitch.cli.target import config_option, json_option, load_settings, need_config
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.switch.settings import Settings

_LENGTH = 20  # of a password that we make


@click.command(short_help="A phone's password as digests, for the configuration.")
@click.argument("phone", shell_complete=names_of("phones"))
@click.option("--make", is_flag=True, help="Make a password, and print it.")
@config_option
@json_option
def password(phone: str, make: bool, config: Path | None, as_json: bool) -> None:
    """Ask for the password of PHONE and print `ha1`, which the configuration may hold in its place.

    A digest serves the user name and the realm (`sip.domain`) that it was made for, and no others.
    """
    from softswitch.sip.digest import ALGORITHMS, ha1

    realm = _settings(config).sip.domain
    if make:
        chosen = secrets.token_urlsafe(_LENGTH)[:_LENGTH]
    else:
        chosen = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if not chosen or chosen == phone:
        raise LocalError("the password must not be empty, nor the user name")
    digests = {name: ha1(phone, realm, chosen, name) for name in ALGORITHMS}
    if as_json:
        emit_json({"phone": phone, "realm": realm, "ha1": digests, **({"password": chosen} if make else {})})
        return
    if make:
        click.echo(f"password: {chosen}", err=True)
    inner = ", ".join(f'{name} = "{value}"' for name, value in digests.items())
    click.echo(f"[phones.{phone}]  # realm {realm}\nha1 = {{ {inner} }}")


@click.command(short_help="A token for the API, and its hash for the configuration.")
@click.argument("name")
@click.option("--role", type=click.Choice(("read", "supervise", "operate", "admin")), default="read", show_default=True)
@json_option
def token(name: str, role: str, as_json: bool) -> None:
    """Make a token called NAME. It is shown once; the configuration needs its hash only."""
    if not fullmatch(r"[A-Za-z0-9_-]+", name):
        raise LocalError(f'"{name}": a name has letters, digits, "-" and "_"')
    made = secrets.token_urlsafe(32)
    digest = sha256(made.encode()).hexdigest()
    if as_json:
        emit_json({"name": name, "role": role, "token": made, "sha256": digest})
        return
    click.echo(f"token: {made}", err=True)
    click.echo(f'[api.tokens.{name}]\nsha256 = "{digest}"\nrole = "{role}"')


def _settings(config: Path | None) -> "Settings":
    return load_settings(need_config(config))
