"""`softswitch certificate`: a self-signed one, so that TLS works within a minute."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from softswitch.cli.output import emit_json
from softswitch.cli.target import config_option, find_config, json_option
from softswitch.kernel.errors import LocalError

_DAYS: Final = 825  # more is refused by Apple's systems, authorities of one's own included


@click.command(short_help="Make a self-signed certificate.")
@click.argument("names", nargs=-1)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Where to; else beside the configuration."
)
@click.option("--days", type=click.IntRange(1, 3650), default=_DAYS, show_default=True, help="How long it is good.")
@click.option("--force", is_flag=True, help="Overwrite the files.")
@config_option
@json_option
def certificate(
    names: tuple[str, ...], out: Path | None, days: int, force: bool, config: Path | None, as_json: bool
) -> None:
    """Make tls.crt and tls.key for NAMES (hosts, IP addresses). Without any: for sip.domain, the listeners' addresses
    and sip.external_address of the configuration. Phones must be told to trust tls.crt, or not to check."""
    from softswitch.services.certificates import make_self_signed

    path = find_config(config)
    names = names or _names(path)
    directory = out or (path.absolute().parent if path is not None else Path.cwd())
    crt, key = directory / "tls.crt", directory / "tls.key"
    for file in (crt, key):
        if file.exists() and not force:
            raise LocalError(f"{file} is there already; --force overwrites it")
    public, secret = make_self_signed(names, days, datetime.now(UTC))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(key, secret, 0o600)
        _write(crt, public, 0o644)
    except OSError as error:
        raise LocalError(f"cannot write to {directory}: {error.strerror}") from error
    if as_json:
        emit_json({"certificate": str(crt), "key": str(key), "names": names, "days": days})
        return
    click.echo(f"{crt} and {key}, for {', '.join(names)}, good for {days} days. In the configuration:\n")
    click.echo(f'[tls]\ncertificate = "{_shown(crt, path)}"\nkey = "{_shown(key, path)}"\n')
    click.echo('and in sip.listen "tls:0.0.0.0:5061", "wss:0.0.0.0:8443".')
    click.echo("A running switch takes a new certificate by softswitch reload, new listeners by a restart.")


def _names(path: Path | None) -> tuple[str, ...]:
    """What clients will look for."""
    from softswitch.services.configuration import read
    from softswitch.shell.endpoint import parse_endpoint
    from softswitch.switch.settings import Settings

    settings = Settings() if path is None else read(path).settings
    names = [settings.sip.domain]
    for text in settings.sip.listen:
        host = parse_endpoint(text).host
        if host not in ("0.0.0.0", "::"):
            names.append(host)
    if settings.sip.external_address is not None:
        names.append(settings.sip.external_address)
    return tuple(dict.fromkeys(names))


def _write(file: Path, data: bytes, mode: int) -> None:
    """Never readable by others for a moment, never half there: a running switch may reload."""
    beside = file.with_name(f"{file.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    beside.replace(file)


def _shown(file: Path, config: Path | None) -> str:
    """As the configuration would name it."""
    if config is not None and file.parent == config.absolute().parent:
        return file.name
    return str(file.absolute())
