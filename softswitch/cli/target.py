"""Which switch a command means: options, configuration file, run directory."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import click

from softswitch.cli.failures import OutOfReach
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client
    from softswitch.switch.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

ENVIRONMENT: Final = "SOFTSWITCH_CONFIG"
PLACES: Final = (Path("config.toml"), Path("/etc/softswitch/config.toml"))
_DATA_DIR: Final = Path("var")
_LOCAL_URL: Final = "http://127.0.0.1:8080"


def find_config(given: Path | None) -> Path | None:
    """The configuration file: as given, as `SOFTSWITCH_CONFIG` says, ./config.toml, /etc/softswitch/config.toml."""
    if given is not None:
        return given
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    return next((place for place in PLACES if place.is_file()), None)


def need_config(given: Path | None) -> Path:
    """The same; raises `LocalError` when there is none."""
    path = find_config(given)
    if path is None:
        places = ", ".join(str(place) for place in PLACES)
        raise LocalError(f"no configuration file: give one with --config, in ${ENVIRONMENT}, or at {places}")
    if not path.is_file():
        raise LocalError(f"{path}: there is no such configuration file")
    return path


def load_settings(path: Path) -> "Settings":
    """What can be read of the file, faults or not; its paths as the switch would see them."""
    from softswitch.services.configuration import read

    return read(path).settings


def config_option(command: Callable[P, R]) -> Callable[P, R]:
    """`--config/-c`, as `config`."""
    return click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"Configuration file.  [${ENVIRONMENT}, ./config.toml, /etc/softswitch/config.toml]",
    )(command)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """`--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Plain JSON, for programs.")(command)


@dataclass(frozen=True, slots=True)
class Where:
    config: Path | None
    url: str | None
    token: str | None


def switch_options(command: Callable[..., R]) -> Callable[..., R]:
    """Adds `--config`, `--url`, `--token`, as `where`."""

    @config_option
    @click.option("--url", envvar="SOFTSWITCH_URL", help="Address of the API.  [as the running switch says]")
    @click.option("--token", envvar="SOFTSWITCH_TOKEN", help="Bearer token of the API.")
    @wraps(command)
    def wrapped(*args: Any, config: Path | None, url: str | None, token: str | None, **kwargs: Any) -> R:
        return command(*args, where=Where(config, url, token), **kwargs)

    return wrapped


def needs_switch(command: "Callable[Concatenate[Client, P], R]") -> Callable[P, R]:
    """Adds `--config`, `--url`, `--token`; the command gets a `Client` for them first."""

    @switch_options
    @wraps(command)
    def wrapped(*args: Any, where: Where, **kwargs: Any) -> R:
        with connect(where) as client:
            return command(client, *args, **kwargs)

    return wrapped


def connect(where: Where) -> "Client":
    """A client for the switch that is meant. Raises `OutOfReach` when nothing says where it is."""
    from softswitch.cli.client import Client

    if where.url and where.token:
        return Client(where.url, where.token)
    path = find_config(where.config)
    if path is not None and not path.is_file():
        raise LocalError(f"{path}: there is no such configuration file")
    from softswitch.shell.run_dir import read_access

    data_dir = _DATA_DIR if path is None else _data_dir(path)
    hint = f"start it with `softswitch run --config {path or 'FILE'}`, or give --config or --url and --token of another"
    access = read_access(data_dir)
    if access is None and where.token is None:
        raise OutOfReach(f"no switch runs on {data_dir.absolute()}, or it belongs to another user; {hint}")
    url = where.url or (access.url if access else _LOCAL_URL)
    token = where.token or (access.token if access else "")
    return Client(url, token, hint)


def _data_dir(path: Path) -> Path:
    """`server.data_dir`, without loading and checking everything: that takes half a second."""
    import tomllib

    try:
        server = tomllib.loads(path.read_text(encoding="utf-8")).get("server", {})
        return Path(server.get("data_dir", "var"))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise LocalError(f"{path}: {error}") from error
