"""Tables for terminals: no word is cut. What is too wide loses its columns that say nothing, then folds what is long,
and at last becomes a list of names and values for each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from softswitch.kernel.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

Cell: TypeAlias = "str | tuple[str, str]"  # text, or text and style
Rows: TypeAlias = Sequence[Sequence[Cell]]

UNPRINTABLE: Final = "\ufffd"  # stands for a sign that does not print
_FOLDED: Final = 8  # characters to which identifiers, numbers and paths are folded at most
_WORD: Final = 11  # characters of a word that is not folded: a date, a state
_GAPS: Final = (2, 1)  # characters between two columns; the edges take one each


def text_of(cell: Cell) -> str:
    """Without style, and without what would give orders to a terminal: callers choose their names."""
    return printable(cell if isinstance(cell, str) else cell[0], UNPRINTABLE)


def style_of(cell: Cell) -> str:
    """What rich calls it; empty: none."""
    return "" if isinstance(cell, str) else cell[1]


@dataclass(slots=True)
class _Column:
    """`least` and `most`: characters that it needs, and that it can use."""

    name: str
    right: bool
    cells: list[Cell]
    least: int
    most: int
    width: int = 0


def drawn(columns: Sequence[str], rows: Rows, width: int, title: str = "") -> "RenderableType":
    """A table for a terminal of `width` characters. Columns whose name begins with `>` are set to the right."""
    made = [_column(name, [row[place] for row in rows]) for place, name in enumerate(columns)]
    if not _fits(made, width, _GAPS[0], natural=True):
        made = [column for before, column in zip([None, *made], made, strict=False) if _says(column, before)]
    gap = next((gap for gap in _GAPS if _fits(made, width, gap)), 0)
    if not gap:
        return _listed(made, len(rows), title)
    _share(made, width, gap)
    return _table(made, len(rows), title, gap)


def _column(written: str, cells: list[Cell]) -> _Column:
    name, right = written.lstrip(">"), written.startswith(">")
    widest = max((len(text_of(cell)) for cell in cells), default=0)
    whole = [size for cell in cells for size in map(len, text_of(cell).split()) if size <= _WORD]
    least = widest if right else min(widest, max(_FOLDED, *whole, 0))
    return _Column(name, right, cells, max(least, *map(len, name.split())), max(len(name), widest))


def _says(column: _Column, before: _Column | None) -> bool:
    """Whether it says something, and something else than the one before."""
    return before is None or (any(map(text_of, column.cells)) and column.cells != before.cells)


def _fits(columns: Sequence[_Column], width: int, gap: int, *, natural: bool = False) -> bool:
    return sum((column.most if natural else column.least) + gap for column in columns) + 2 - gap <= width


def _share(columns: Sequence[_Column], width: int, gap: int) -> None:
    """Room that is left goes first to those who want little of it."""
    spare = width - 2 + gap - sum(column.least + gap for column in columns)
    for column in sorted(columns, key=lambda column: column.most - column.least):
        more = min(spare, column.most - column.least)
        column.width = column.least + more
        spare -= more


def _table(columns: Sequence[_Column], rows: int, title: str, gap: int) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False, padding=(0, gap - 1, 0, 0)
    )
    for column in columns:
        side = "right" if column.right else "left"
        table.add_column(column.name, justify=side, overflow="fold", width=column.width)  # type: ignore[arg-type]  # a literal
    for row in range(rows):
        table.add_row(*(Text(text_of(column.cells[row]), style=style_of(column.cells[row])) for column in columns))
    return table


def _listed(columns: Sequence[_Column], rows: int, title: str) -> "RenderableType":
    from rich.text import Text

    width = max(len(column.name) for column in columns)
    text = Text(f"{title}\n" if title else "")
    for row in range(rows):
        text.append("\n" if row else "")
        for column in columns:
            if shown := text_of(column.cells[row]):
                text.append(f"{column.name:<{width}}  ", style="dim")
                text.append(f"{shown}\n", style=style_of(column.cells[row]))
    text.rstrip()
    return text
