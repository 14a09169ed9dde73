"""Charts of `staff`, drawn by matplotlib, which is loaded here and only when a chart is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.acd.staffing.requirement import Requirement
    from softswitch.acd.staffing.weekly import WeekInterval

_ENDINGS: Final = (".png", ".svg", ".pdf")


def figure(path: Path, rows: int = 1) -> Any:
    """An empty matplotlib figure with so many axes, for a file of that name. Raises `LocalError`."""
    if path.suffix.lower() not in _ENDINGS:
        raise LocalError(f"{path}: charts are drawn as {', '.join(_ENDINGS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LocalError("charts need matplotlib, which is not installed") from error
    drawn = Figure(figsize=(10, 3.6 * rows), layout="constrained")
    drawn.subplots(rows, 1, squeeze=False)
    return drawn


def save(drawn: Any, path: Path) -> None:
    """Write it; the file name's ending says how. Raises `LocalError`."""
    try:
        drawn.savefig(path, dpi=150)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}") from error


def draw_around(path: Path, found: "Requirement", counts: Sequence[int]) -> None:
    """Service level, abandonment and occupancy over the number of agents."""
    from softswitch.acd.staffing.requirement import expect

    drawn = figure(path)
    (axes,) = drawn.axes
    least, most = max(1, min(counts) - 6), max(counts) + 2
    agents = list(range(least, most + 1))
    figures = [expect(found.demand, count, found.target.within) for count in agents]
    axes.plot(agents, [100 * one.service_level for one in figures], "o-", label=f"in {found.target.within:g} s")
    axes.plot(agents, [100 * one.abandoned for one in figures], "s-", label="abandoned")
    axes.plot(agents, [100 * one.occupancy for one in figures], "^-", label="occupancy")
    if found.target.service_level is not None:
        axes.axhline(100 * found.target.service_level, color="grey", linestyle=":")
    axes.axvline(found.agents, color="grey", linestyle="--", label=f"{found.agents} agents")
    axes.set(xlabel="agents", ylabel="%", ylim=(0, 102), title=f"{found.demand.load:.1f} erlangs")
    axes.grid(alpha=0.3)
    axes.legend()
    save(drawn, path)


def draw_week(path: Path, queue: str, rows: "Sequence[tuple[WeekInterval, Requirement]]") -> None:
    """Agents required over the day, a line a day of the week; and the service level that they are expected to reach
    beside the one that was."""
    from softswitch.acd.staffing.weekly import DAYS

    drawn = figure(path, rows=2)
    above, below = drawn.axes
    for number, name in enumerate(DAYS):
        day = [(interval, requirement) for interval, requirement in rows if interval.day == number]
        if not day:
            continue
        hours = [interval.start / 60 for interval, _ in day]
        above.step(hours, [requirement.agents for _, requirement in day], where="post", label=name)
        line = below.plot(hours, [100 * requirement.expected.service_level for _, requirement in day], label=name)
        was = [100 * level if (level := one.seen.service_level) is not None else float("nan") for one, _ in day]
        below.plot(hours, was, ".", color=line[0].get_color())
    above.set(ylabel="agents at work", title=f"{queue}: agents required", xticks=range(0, 25, 2), xlim=(0, 24))
    below.set(
        *(),
        xlabel="hour",
        ylabel="service level, %",
        title="expected (lines) and as it was (points)",
        xticks=range(0, 25, 2),
        xlim=(0, 24),
        ylim=(0, 102),
    )
    for axes in drawn.axes:
        axes.grid(alpha=0.3)
        axes.legend(ncols=7, fontsize="small")
    save(drawn, path)
