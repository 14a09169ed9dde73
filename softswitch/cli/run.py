"""`softswitch run`."""

from pathlib import Path

import click

from softswitch.cli.target import config_option, need_config


@click.command(short_help="Start the switch.")
@config_option
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.pass_context
def run(context: click.Context, config: Path | None, file: Path | None) -> None:
    """Start the switch and stay until it ends.

    Configuration, database, addresses and ports are checked first; with a fault nothing starts. SIGTERM lets calls
    end (twice: at once), SIGHUP reads the configuration again.
    """
    from softswitch.shell.supervisor import run as supervise

    context.exit(supervise(need_config(config or file)))
