"""`softswitch provision`: what phones are told; as files, as an address, as a QR code."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.target import config_option, find_config, json_option, load_settings, need_config
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.services.provisioning.site import ProvisioningSite


def _phones(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Phones with a device, for completion."""
    from softswitch.services.provisioning.account import provisioned

    path = find_config(context.params.get("config"))
    if path is None or not path.is_file():
        return []
    return [CompletionItem(name) for name in provisioned(load_settings(path)) if name.startswith(incomplete)]


def _site(config: Path | None) -> "ProvisioningSite":
    from softswitch.services.provisioning.site import ProvisioningSite

    settings = load_settings(need_config(config))
    return ProvisioningSite(settings, Path(settings.server.data_dir))


@click.group(short_help="Configuration files for phones: write, show, QR code.")
def provision() -> None:
    """Configure desk phones and softphones from the configuration: [phones.NAME] device = { … }.

    Files hold passwords. They are served by HTTPS when [provisioning] listen is set, each at an address with a secret
    of its device.
    """


@provision.command("list")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """Every device, and when it fetched its file last."""
    from softswitch.services.provisioning.account import provisioned

    site = _site(config)
    known = site.secrets.all()
    rows: list[dict[str, Any]] = []
    for name, phone in provisioned(site.settings).items():
        device, secret = phone.device, known.get(name)
        assert device is not None
        rows.append(
            {
                "phone": name,
                "model": device.model,
                "mac": device.mac or "",
                "fetched": secret.fetched if secret and secret.fetched else None,
                "source": secret.source if secret else "",
                "agent": secret.agent if secret else "",
            }
        )
    if as_json:
        emit_json(rows)
        return
    shown = ("phone", "model", "mac", "source", "agent")
    cells = [[_when(row["fetched"]), *(row[key] for key in shown)] for row in rows]
    nothing = 'no phone has a device: [phones.NAME] device = { model = "yealink", mac = "…" }'
    emit_table(("fetched", "phone", "model", "mac", "from", "program"), cells, nothing=nothing)


@provision.command(short_help="Write the files of all devices, or of each PHONE.")
@click.argument("phones", nargs=-1, metavar="[PHONE]...", shell_complete=_phones)
@click.option("--out", "-o", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder.")
@config_option
@json_option
def write(phones: tuple[str, ...], out: Path, config: Path | None, as_json: bool) -> None:
    """Write the files of all devices, or of each PHONE, for a web server or a USB stick of your own.

    They can be read by you alone.
    """
    from softswitch.services.provisioning.account import provisioned
    from softswitch.services.provisioning.secrets import private

    site = _site(config)
    names = phones or tuple(provisioned(site.settings))
    if not names:
        raise LocalError('no phone has a device: give one, as in device = { model = "yealink", mac = "…" }')
    files = [(name, site.file(name)) for name in names]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for _, file in files:
            with open(out / file.name, "w", encoding="utf-8", opener=private) as handle:
                handle.write(file.text)
    except OSError as error:
        raise LocalError(f"{error.filename}: {error.strerror}") from error
    rows = [{"phone": name, "file": str(out / file.name)} for name, file in files]
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        click.echo(f"{row['phone']}: {row['file']}")


@provision.command()
@click.argument("phone", shell_complete=_phones)
@config_option
def show(phone: str, config: Path | None) -> None:
    """Print the file of PHONE, passwords and all."""
    click.echo(_site(config).file(phone).text, nl=False)


@provision.command(short_help="The address to enter in PHONE.")
@click.argument("phone", shell_complete=_phones)
@config_option
@json_option
def url(phone: str, config: Path | None, as_json: bool) -> None:
    """The address to enter in PHONE (or as DHCP option 66 or 160 for it alone). Whoever has it has the password."""
    address = _site(config).url(phone)
    if as_json:
        emit_json({"phone": phone, "url": address})
    else:
        click.echo(address)


@provision.command(short_help="A QR code for PHONE.")
@click.argument("phone", shell_complete=_phones)
@click.option("--out", "-o", type=click.Path(path_type=Path, dir_okay=False), help="PNG or SVG file.  [the terminal]")
@config_option
def qr(phone: str, out: Path | None, config: Path | None) -> None:
    """A QR code for PHONE: its address when files are served, else its file (baresip: the account)."""
    import segno

    from softswitch.services.provisioning.secrets import private

    site = _site(config)
    text = site.url(phone) if site.settings.provisioning.listen else site.file(phone).text
    try:
        code = segno.make(text, error="m", micro=False)
    except segno.DataOverflowError:
        raise LocalError("the file is too long for a QR code: serve it, with [provisioning] listen") from None
    if out is None:
        code.terminal(compact=True)
        return
    if out.suffix.lower() not in (".png", ".svg"):
        raise LocalError(f"{out}: must end with .png or .svg")
    try:
        with open(out, "wb", opener=private) as file:
            code.save(file, kind=out.suffix[1:].lower(), scale=8)
    except OSError as error:
        raise LocalError(f"{out}: {error.strerror}") from error
    click.echo(str(out))


@provision.command(short_help="New secrets for each PHONE.")
@click.argument("phones", nargs=-1, required=True, metavar="PHONE...", shell_complete=_phones)
@config_option
@json_option
def renew(phones: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """New secrets for each PHONE: its old address leads nowhere from now on (lost device, copied QR code).

    Change the phone's password, too: the old one may be known.
    """
    site = _site(config)
    for phone in phones:
        site.account(phone)
    for phone in phones:
        site.secrets.renew(phone)
    served = site.settings.provisioning.listen is not None
    rows = [{"phone": phone, "url": site.url(phone) if served else None} for phone in phones]
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        click.echo(f"{row['phone']}: {row['url'] or 'renewed'}")


def _when(seconds: float | None) -> str:
    return "never" if seconds is None else f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
