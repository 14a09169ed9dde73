"""How results are printed: JSON, coloured tables on a terminal, plain columns elsewhere."""

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from softswitch.cli.tables import Cell, Rows, drawn, style_of, text_of

_COLOURS: Final = {
    "ready": "green",
    "talking": "cyan",
    "offered": "yellow",
    "ringing": "yellow",
    "wrap-up": "magenta",
    "resting": "magenta",
    "busy": "magenta",
    "paused": "red",
    "unreachable": "red",
    "logged-out": "dim",
    "menu": "blue",
    "queued": "yellow",
    "parked": "blue",
    "on hold": "blue",
    "holds": "blue",
    "up": "green",
    "down": "bold red",
    "registered": "green",
    "failed": "bold red",
    "answered": "green",
    "abandoned": "yellow",
    "rejected": "red",
    "interrupted": "red",
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
    "error": "bold red",
    "warning": "yellow",
}
_REFRESH: Final = 1.0
_C1: Final = re.compile("[\x7f-\x9f]")  # DEL among them


def state(text: str) -> Cell:
    """A state in its colour."""
    return (text, _COLOURS.get(text, ""))


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()


def emit_json(value: Any) -> None:
    """`value` on standard output."""
    click.echo(json_text(value, indent=2 if is_terminal() else None))


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as JSON that gives no orders to a terminal: JSON itself escapes C0 only (RFC 8259 §7)."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _C1.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def emit_table(columns: Sequence[str], rows: Rows, *, nothing: str, title: str = "") -> None:
    """A table, or the sentence `nothing`. Columns whose name begins with `>` are set to the right."""
    if not rows:
        click.echo(nothing)
    elif is_terminal():
        from rich.console import Console

        console = Console()
        console.print(drawn(columns, rows, console.width, title))
    else:
        if title:
            click.echo(title)
        click.echo(plain_table(columns, rows))


def emit_pairs(pairs: Sequence[tuple[str, Cell]]) -> None:
    """Names and values, one pair a line."""
    width = max(len(name) for name, _ in pairs)
    if not is_terminal():
        for name, value in pairs:
            click.echo(f"{name:<{width}}  {text_of(value)}".rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for name, value in pairs:
        line = Text(f"{name:<{width}}  ", style="dim")
        line.append(text_of(value), style=style_of(value))
        console.print(line)


def watch(columns: Sequence[str], look: Callable[[], Rows], *, title: str) -> None:
    """The same table, drawn anew every second until Ctrl-C. Raises `UsageError` without a terminal."""
    if not is_terminal():
        raise click.UsageError("--watch needs a terminal")
    from rich.live import Live

    with Live(refresh_per_second=4) as live:
        try:
            while True:
                rows = look()
                live.update(drawn(columns, rows, live.console.width, f"{title}: {len(rows)}"))
                time.sleep(_REFRESH)
        except KeyboardInterrupt:
            return


def plain_table(columns: Sequence[str], rows: Rows) -> str:
    """Aligned columns, two spaces apart, without colours."""
    lines = [[column.lstrip(">") for column in columns], *([text_of(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    right = [column.startswith(">") for column in columns]
    return "\n".join(
        "  ".join(
            f"{text:>{width}}" if to_right else f"{text:<{width}}"
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )
