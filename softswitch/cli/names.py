"""Names of the configuration, for the shell's completion."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

from softswitch.cli.target import find_config, load_settings
from softswitch.kernel.errors import LocalError

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def phones_and_agents(
    context: click.Context, parameter: click.Parameter | click.Command, incomplete: str
) -> list[CompletionItem]:
    """Completes by phones, and by agents as `agent:NAME`."""
    kind, colon, name = incomplete.partition(":")
    found = [] if colon else _found(context, "phones", incomplete)
    if colon and kind == "agent":
        found += _found(context, "agents", name, "agent:")
    elif not colon and "agent:".startswith(incomplete):
        found += _found(context, "agents", "", "agent:")
    return found


def names_of(table: str) -> Completer:
    """Completes by the names in that table (`phones`, `agents` …); by none while the file cannot be read."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _found(context, table, incomplete)

    return complete


def _found(context: click.Context, table: str, incomplete: str, kind: str = "") -> list[CompletionItem]:
    path = find_config(context.params.get("config"))
    if path is None or not path.is_file():
        return []
    with suppress(LocalError):
        found: dict[str, object] = getattr(load_settings(path), table)
        return [
            CompletionItem(kind + name, help=getattr(one, "name", None))
            for name, one in found.items()
            if name.startswith(incomplete)
        ]
    return []
