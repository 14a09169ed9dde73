"""Charts of reports, drawn by matplotlib, which is loaded here and nowhere else (no pyplot: nothing global)."""

import io
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from softswitch.acd.figures import Value
from softswitch.acd.reports import Charts, Report
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import LayoutEngine

INK: Final = "#22303C"
GRID: Final = "#DDE3E8"
BLUE: Final = "#1F5F99"
GREEN: Final = "#3C9D74"
RED: Final = "#C8503C"
AMBER: Final = "#D99A2B"
GREY: Final = "#9AA7B2"
_MOST_BARS: Final = 40
_TIME: Final = (
    ("at_work", GREEN, "Talk and wrap-up"),
    ("ready", "#9CC3E0", "Ready"),
    ("paused", AMBER, "Paused"),
    ("other", GREY, "Other (ringing, own calls, away)"),
)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STYLE: Final = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "softswitch",
}


def dashboard(found: Report, form: str) -> bytes:
    """All charts in one picture, `png` or `svg`. Raises `LocalError` without matplotlib."""
    from softswitch.cli.report import title

    figure_of, rc = _matplotlib()
    charts = _charts(found)
    with rc(_STYLE):
        ranked = _ranked(found)
        height = 0.6 + 0.26 * len(ranked) if ranked else 0.0
        figure = figure_of(figsize=(14, 9.6 + height), layout=_layout(), facecolor="white")
        figure.suptitle(title(found.question), x=0.012, ha="left", fontsize=15, fontweight="bold", color=INK)
        heights = [3.4, *([height] if ranked else []), 2.7, 2.7]
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        _volume(figure.add_subplot(grid[0, :]), charts, found)
        if ranked:
            _ranking(figure.add_subplot(grid[1, :]), ranked, found)
        _shares(figure.add_subplot(grid[-2, 0]), charts, found)
        _times(figure.add_subplot(grid[-2, 1]), charts, found)
        _waits(figure.add_subplot(grid[-1, 0]), charts)
        _arrivals(figure.add_subplot(grid[-1, 1]), charts)
        return _saved(figure, form)


def pictures(found: Report) -> list[tuple[str, str]]:
    """Each chart alone, as (name, SVG element)."""
    figure_of, rc = _matplotlib()
    charts = _charts(found)
    ranked = _ranked(found)
    wide = ("ranking", (12.4, 1.0 + 0.27 * len(ranked)), lambda axes: _ranking(axes, ranked, found))
    drawn: tuple[tuple[str, tuple[float, float], Callable[[Any], None]], ...] = (
        ("volume", (12.4, 3.6), lambda axes: _volume(axes, charts, found)),
        *((wide,) if ranked else ()),
        ("shares", (6.1, 3.1), lambda axes: _shares(axes, charts, found)),
        ("times", (6.1, 3.1), lambda axes: _times(axes, charts, found)),
        ("waits", (6.1, 3.1), lambda axes: _waits(axes, charts)),
        ("arrivals", (6.1, 3.1), lambda axes: _arrivals(axes, charts)),
    )
    found_pictures = []
    with rc(_STYLE):
        for name, size, draw in drawn:
            figure = figure_of(figsize=size, layout="constrained", facecolor="none")
            draw(figure.add_subplot())
            text = _saved(figure, "svg").decode()
            found_pictures.append((name, text[text.index("<svg") :]))
    return found_pictures


def _matplotlib() -> "tuple[Callable[..., Figure], Any]":
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LocalError("charts need the package matplotlib: pip install matplotlib") from error
    return Figure, rc_context


def _layout() -> "LayoutEngine":
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.14, wspace=0.03, hspace=0.04)


def _charts(found: Report) -> Charts:
    if found.charts is None:
        raise LocalError("the report came without what charts need")
    return found.charts


def _saved(figure: "Figure", form: str) -> bytes:
    stream = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else None  # the same report is the same file
    figure.savefig(stream, format=form, dpi=130, metadata=metadata)
    return stream.getvalue()


def _volume(axes: "Axes", charts: Charts, found: Report) -> None:
    places = range(len(charts.points))
    answered = [point.answered for point in charts.points]
    abandoned = [point.abandoned for point in charts.points]
    others = [max(0, point.offered - point.answered - point.abandoned) for point in charts.points]
    axes.bar(places, answered, 0.82, color=GREEN, label="Answered")
    axes.bar(places, abandoned, 0.82, bottom=answered, color=RED, label="Abandoned")
    if any(others):
        below = [one + two for one, two in zip(answered, abandoned, strict=True)]
        axes.bar(places, others, 0.82, bottom=below, color=GREY, label="Overflow and other")
    axes.set_ylabel("Calls")
    axes.set_ylim(0, 1.08 * max([1, *(point.offered for point in charts.points)]))
    axes.set_title("Calls and service level")
    _whole_numbers(axes)
    level = axes.twinx()
    level.plot(places, _numbers([point.service_level for point in charts.points]), color=BLUE, lw=2, marker="o",
               ms=3.5, label="Service level (right)")  # fmt: skip
    level.set_ylim(0, 104)
    level.yaxis.set_major_formatter("{x:.0f} %")
    level.spines[["left"]].set_visible(False)
    _frame(axes, charts, found)
    handles = [*axes.get_legend_handles_labels()[0], *level.get_legend_handles_labels()[0]]
    names = [*axes.get_legend_handles_labels()[1], *level.get_legend_handles_labels()[1]]
    _legend(axes, handles, names)


def _shares(axes: "Axes", charts: Charts, found: Report) -> None:
    places = range(len(charts.points))
    occupancy = _numbers([point.occupancy for point in charts.points])
    abandonment = _numbers([point.abandonment for point in charts.points])
    axes.plot(places, occupancy, color=BLUE, lw=2, marker="o", ms=3, label="Occupancy")
    axes.fill_between(places, occupancy, color=BLUE, alpha=0.08, lw=0)
    axes.plot(places, abandonment, color=RED, lw=2, marker="o", ms=3, label="Abandonment")
    axes.set_ylim(0, 104)
    axes.yaxis.set_major_formatter("{x:.0f} %")
    axes.set_title("Occupancy and abandonment")
    _frame(axes, charts, found)
    _legend(axes)


def _times(axes: "Axes", charts: Charts, found: Report) -> None:
    from matplotlib.ticker import MaxNLocator

    places = range(len(charts.points))
    axes.plot(
        places, _numbers([point.aht for point in charts.points]), color=AMBER, lw=2, marker="o", ms=3, label="AHT"
    )
    axes.plot(places, _numbers([point.asa for point in charts.points]), color=BLUE, lw=2, marker="o", ms=3, label="ASA")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 1.2, 2, 3, 6, 10]))
    axes.yaxis.set_major_formatter(_clock)
    axes.set_title("Handling time and speed of answer")
    _frame(axes, charts, found)
    _legend(axes)


def _ranked(found: Report) -> list[dict[str, Value]]:
    """The rows that are compared with each other, the first at the top; none when they are intervals, too."""
    if found.question.kind not in ("queues", "skills", "agents") or found.question.interval is not None:
        return []
    return list(found.rows[:_MOST_BARS])


def _ranking(axes: "Axes", rows: list[dict[str, Value]], found: Report) -> None:
    """Queues by their service level, agents by what they did with their time."""
    places = range(len(rows), 0, -1)
    axes.set_yticks(list(places), [str(row[found.columns[0].name]) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["left"]].set_visible(False)
    axes.set_ylim(0.4, len(rows) + 0.6)
    if found.question.kind == "agents":
        left = [0.0] * len(rows)
        for name, colour, label in _TIME:
            hours = [_hours(row, name) for row in rows]
            axes.barh(places, hours, 0.72, left=left, color=colour, label=label)
            left = [one + two for one, two in zip(left, hours, strict=True)]
        axes.set_title("Time of agents (hours)")
        _legend(axes)
        return
    levels = [_number(row.get("service_level")) for row in rows]
    colours = [GREEN if level >= 80 else AMBER if level >= 60 else RED for level in levels]
    axes.barh(places, levels, 0.72, color=colours)
    for place, level in zip(places, levels, strict=True):
        axes.text(level + 0.6, place, f"{level:.1f} %", va="center", fontsize=8.5)
    axes.set_xlim(0, 108)
    axes.xaxis.set_major_formatter("{x:.0f} %")
    axes.set_title(f"Service level by {found.question.kind[:-1]}")


def _hours(row: dict[str, Value], name: str) -> float:
    if name == "other":
        return max(0.0, _hours(row, "logged_in") - sum(_hours(row, part) for part in ("at_work", "ready", "paused")))
    return _number(row.get(name)) / 3600.0


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _waits(axes: "Axes", charts: Charts) -> None:
    counts = charts.waits or (0,) * (len(charts.wait_steps) + 1)
    names = [
        f"{step}" if step % 60 else f"{step // 60}m" if step < 3600 else f"{step // 3600}h"
        for step in charts.wait_steps
    ]
    names.append(">")
    total = sum(counts)
    axes.bar(range(len(counts)), counts, 0.86, color=BLUE)
    axes.set_xticks(range(len(counts)), names, fontsize=7.5)
    axes.set_xlabel("answered within seconds (m: minutes, h: hours)")
    axes.set_ylabel("Calls")
    axes.set_title("How long callers waited")
    _whole_numbers(axes)
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    if total:
        sums = axes.twinx()
        running, shares = 0, []
        for count in counts:
            running += count
            shares.append(100.0 * running / total)
        sums.plot(range(len(counts)), shares, color=AMBER, lw=1.8)
        sums.set_ylim(0, 104)
        sums.yaxis.set_major_formatter("{x:.0f} %")
        sums.spines[["left"]].set_visible(False)


def _arrivals(axes: "Axes", charts: Charts) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("calls", ("#F4F7FA", "#9CC3E0", BLUE, "#0E2F52"))
    colours = shades.with_extremes(bad="#FFFFFF")
    values = [_numbers(list(day)) for day in charts.arrivals]
    image = axes.imshow(values, aspect="auto", cmap=colours, vmin=0)
    axes.set_yticks(range(7), _DAYS)
    axes.set_xticks(range(0, 24, 2), [f"{hour:02d}" for hour in range(0, 24, 2)])
    axes.set_title("Arrivals: mean calls by weekday and hour")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks([hour - 0.5 for hour in range(1, 24)], minor=True)
    axes.set_yticks([day - 0.5 for day in range(1, 7)], minor=True)
    axes.grid(which="minor", color="white", lw=1.6)
    axes.tick_params(which="minor", length=0)
    assert axes.figure is not None
    bar = axes.figure.colorbar(image, ax=axes, pad=0.015, aspect=18)
    bar.outline.set_visible(False)


def _frame(axes: "Axes", charts: Charts, found: Report) -> None:
    axes.grid(axis="y", color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(-0.6, max(0.6, len(charts.points) - 0.4))
    zone = ZoneInfo(found.question.timezone)
    starts = [datetime.fromtimestamp(point.start, zone) for point in charts.points]
    most = 14 if axes.get_window_extent().width > 7 * 100 else 7
    dates = [place for place, start in enumerate(starts) if place == 0 or start.date() != starts[place - 1].date()]
    if len(dates) > 2:
        places = dates[:: max(1, -(-len(dates) // most))]
        labels = [f"{starts[place]:%d %b}" for place in places]
    else:
        places = list(range(0, len(starts), max(1, -(-len(starts) // most))))
        labels = [f"{starts[place]:%H:%M}" for place in places]
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", length=0)


def _legend(axes: "Axes", *what: Any) -> None:
    axes.legend(
        *what, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=9, borderaxespad=0.3
    )


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _clock(seconds: float, _place: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _numbers(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
