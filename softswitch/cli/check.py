"""`softswitch check`: every fault of a configuration file."""

from pathlib import Path

import click

from softswitch.cli.output import emit_json
from softswitch.cli.target import config_option, json_option, need_config


@click.command(short_help="Find every fault of the configuration.")
@config_option
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@json_option
@click.pass_context
def check(context: click.Context, config: Path | None, file: Path | None, strict: bool, as_json: bool) -> None:
    """Print every fault with file, line and key, and what may have been meant. Exit code 1 with an error."""
    from dataclasses import asdict

    from softswitch.services.configuration import check as check_file

    path = need_config(config or file)
    faults = check_file(path)
    errors = sum(fault.severity == "error" for fault in faults)
    warnings = len(faults) - errors
    if as_json:
        emit_json([asdict(fault) for fault in faults])
    else:
        for fault in faults:
            click.secho(str(fault), fg="red" if fault.severity == "error" else "yellow")
        counted = ", ".join(text for text in (_count(errors, "error"), _count(warnings, "warning")) if text)
        click.echo(f"{path}: {counted or 'good'}", err=bool(errors))
    context.exit(1 if errors or (strict and warnings) else 0)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}" if number else ""
