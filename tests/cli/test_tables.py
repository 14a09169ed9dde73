"""Tables as a person sees them: at 80 and 120 characters, and narrower."""

import contextlib
import io
import json

import pytest
from rich.console import Console

from softswitch.cli import output
from softswitch.cli.live import call_cells
from softswitch.cli.tables import Rows, drawn

COLUMNS = ("agent", "name", "phone", "state", "reason", ">for", "queues", ">calls", ">talk", ">occupied", "call")
ROWS: Rows = [
    ["alice", "alice", "1001", ("unreachable", "red"), "do not disturb", "0:04", "support", "2", "0:05", "1 %", ""],
    ["boris", "boris", "1002", ("ready", "green"), "", "12:20", "support", "12", "1:00:05", "91 %", ""],
    ["clara", "clara", "1003", ("talking", "cyan"), "", "0:02", "support", "1", "0:11", "30 %", "6b08c66cc130b77e2c"],
]


def shown(columns: tuple[str, ...], rows: Rows, width: int, title: str = "") -> list[str]:
    output = io.StringIO()
    Console(file=output, width=width).print(drawn(columns, rows, width, title))
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert all(len(line) <= width for line in lines)
    return lines


def test_a_call_on_hold_says_who_holds_it() -> None:
    row = dict.fromkeys(("id", "caller", "called", "at", "agent", "source"), "") | {"duration": 5.0, "legs": []}
    held = call_cells({**row, "state": "on hold", "held_by": ["phone:1001", "agent:bob"]})
    assert held[3] == ("on hold by phone:1001, agent:bob", "blue")
    assert call_cells({**row, "state": "talking", "held_by": ["phone:1001"]})[3] == ("talking", "cyan"), (
        "two others talk"
    )


def test_what_has_room_is_as_it_is() -> None:
    lines = shown(COLUMNS, ROWS, 120, "agents: 3")
    assert lines[0] == "agents: 3"
    assert lines[2].split() == [name.lstrip(">") for name in COLUMNS]
    assert "unreachable  do not disturb" in lines[4]
    assert lines[6].endswith("6b08c66cc130b77e2c")


def test_at_80_characters_no_state_is_cut() -> None:
    """The name says the same as the agent: it goes. The call's long id is folded."""
    text = "\n".join(shown(COLUMNS, ROWS, 80))
    assert "name" not in text
    for word in ("unreachable", "disturb", "occupied", "support", "12:20", "1:00:05"):
        assert word in text
    assert "6b08c66c" in text
    assert "6b08c66cc130b77e2c" not in text


def test_a_column_that_says_nothing_goes_only_when_there_is_no_room() -> None:
    rows = [["x" * 20, "", "y" * 20]]
    assert shown(("one", "empty", "two"), rows, 60)[1].split() == ["one", "empty", "two"]
    assert shown(("one", "empty", "two"), rows, 46)[1].split() == ["one", "two"]


@pytest.mark.parametrize("width", [24, 40, 60])
def test_what_cannot_be_a_table_is_a_list(width: int) -> None:
    lines = shown(COLUMNS, ROWS, width, "agents: 3")
    assert lines[:3] == ["agents: 3", "agent     alice", "phone     1001"]
    assert lines.count("") == 2, "between the three"
    assert "state     talking" in lines


def test_dates_are_not_folded() -> None:
    lines = shown(("started", "file"), [["2026-11-26 23:58:20", "p" * 50]], 26)
    assert any(line.startswith(" 2026-11-26") for line in lines)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_callers_name_gives_no_orders_to_a_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """ECMA-48 §5.2 and §5.3: escape sequences of C0 and C1, here the title of a window and a colour."""
    monkeypatch.setattr(output, "is_terminal", lambda: terminal)
    name = "Eve\x1b]0;gone\x07 \x9b31m\r\nMallory"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        output.emit_table(("caller",), [[(name, "red")]], nothing="")
        output.emit_pairs([("caller", name)])
        output.emit_json({"caller": name})
    assert text.getvalue().count("Mallory") == 3
    assert {sign for sign in text.getvalue() if not sign.isprintable()} <= {"\n"}
    document = text.getvalue()[text.getvalue().index("{") :]
    assert json.loads(document) == {"caller": name}, "programs get it as it is"
