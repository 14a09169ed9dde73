"""The demo's live view: queues, agents, calls, load and the last lines of news."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from softswitch.demo.watch import Row, Snapshot

_NEWS: Final = 30
_FIXED: Final = 18  # lines of frames, headings and hints
_COLOURS: Final = {
    "ready": "green",
    "talking": "cyan",
    "offered": "yellow",
    "wrap-up": "magenta",
    "paused": "red",
    "logged-out": "dim",
    "unreachable": "red",
    "queued": "yellow",
    "menu": "blue",
    "up": "green",
    "down": "red",
}


class Load:
    """Rates between two snapshots."""

    def __init__(self) -> None:
        self._last: tuple[float, Snapshot] | None = None

    def text(self, snapshot: Snapshot) -> str:
        """`control 12 %  media-0 8 %  · 140 SIP messages/s`."""
        now = time.monotonic()
        last, self._last = self._last, (now, snapshot)
        if last is None or now <= last[0]:
            return ""
        seconds = now - last[0]
        parts = [
            f"{name} {100 * (used - last[1].cpu.get(name, used)) / seconds:.0f} %"
            for name, used in sorted(snapshot.cpu.items())
        ]
        messages = _messages(snapshot.status) - _messages(last[1].status)
        return f"CPU {'  '.join(parts)} · {messages / seconds:.0f} SIP messages/s"


class Lines:
    """Without a terminal: one line for each piece of news, and a summary now and then."""

    def __init__(self, every: float = 5.0) -> None:
        self._begun = time.monotonic()
        self._every = every
        self._told = self._begun
        self._load = Load()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def say(self, line: str) -> None:
        """A piece of news."""
        print(f"{time.monotonic() - self._begun:7.1f} s  {line}", flush=True)

    def show(self, snapshot: Snapshot) -> None:
        """The state of things, when it is time."""
        if time.monotonic() - self._told < self._every:
            return
        self._told = time.monotonic()
        queues = ", ".join(f"{queue['name']} waiting {queue['waiting']}" for queue in snapshot.queues)
        talking = sum(agent["state"] == "talking" for agent in snapshot.agents)
        load = self._load.text(snapshot)  # nothing, the first time
        self.say(f"-- calls {snapshot.status['calls']}, {queues}, agents talking {talking}{load and f'; {load}'}")


class Screen:
    """On a terminal: tables that live."""

    def __init__(self, console: Console, title: str, hints: Sequence[str]) -> None:
        self._news: deque[str] = deque(maxlen=_NEWS)
        self._begun = time.monotonic()
        self._title = title
        self._hints = hints
        self._load = Load()
        self._live = Live(console=console, screen=True, refresh_per_second=4)
        self._load_text = ""

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """A piece of news."""
        self._news.append(f"{time.monotonic() - self._begun:6.1f} s  {line}")

    def show(self, snapshot: Snapshot) -> None:
        """Draw anew."""
        self._load_text = self._load.text(snapshot) or self._load_text
        status = snapshot.status
        head = Text(
            f"{status['calls']} calls now, {status['calls_total']} so far, {status['waiting']} waiting · "
            f"trunk {', '.join(trunk['health'] for trunk in snapshot.trunks)} · {self._load_text}"
        )
        tables = Table.grid(expand=True)
        tables.add_column(ratio=1)
        tables.add_column(ratio=1)
        tables.add_row(_panel("Queues", _queues(snapshot.queues)), _panel("Agents", _agents(snapshot.agents)))
        lines = self._live.console.height - max(len(snapshot.agents), len(snapshot.queues)) - _FIXED
        room = max(2, lines // 2)
        parts = (
            Text("\n".join(self._hints), style="dim"),
            head,
            tables,
            _panel("Calls", _calls(snapshot.calls[-room:])),
            _panel("News", Text("\n".join(tuple(self._news)[-room:]))),
        )
        self._live.update(Panel(Group(*parts), title=self._title))


def _messages(status: Row) -> int:
    return int(status["counters"]["messages_in"]) + int(status["counters"]["messages_out"])


def _panel(title: str, inside: Table | Text) -> Panel:
    return Panel(inside, title=title, title_align="left", border_style="dim")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, expand=True)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _queues(rows: Sequence[Row]) -> Table:
    table = _table("queue", "wait", "long", "ready", "done", "lost", "level")
    for row in rows:
        level = "" if row["service_level"] < 0 else f"{row['service_level']:.0f} %"
        waiting = Text(str(row["waiting"]), style="yellow" if row["waiting"] else "")
        figures = (f"{row['longest_wait']:.0f} s", row["ready"], row["answered"], row["abandoned"], level)
        table.add_row(row["name"], waiting, *(str(value) for value in figures))
    return table


def _agents(rows: Sequence[Row]) -> Table:
    table = _table("agent", "state", "since", "calls")
    now = time.time()
    for row in rows:
        state = Text(row["state"], style=_COLOURS.get(row["state"], ""))
        table.add_row(row["name"], state, f"{max(0.0, now - row['since']):.0f} s", str(row["calls_today"]))
    return table


def _calls(rows: Sequence[Row]) -> Table:
    table = _table("caller", "state", "at", "agent", "lasts", "codec")
    for row in rows:
        state = Text(row["state"], style=_COLOURS.get(row["state"], ""))
        codecs = "/".join(leg["codec"] for leg in row["legs"] if leg["codec"])
        table.add_row(row["caller"], state, row["at"], row["agent"], f"{row['duration']:.0f} s", codecs)
    return table
