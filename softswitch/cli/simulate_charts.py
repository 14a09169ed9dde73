"""The day of a simulation as a chart: calls, service level and abandonment by half-hour, a line a policy and queue.
Drawn by matplotlib, which is loaded here and only when a chart is asked for."""

import io
from typing import TYPE_CHECKING

from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.acd.simulation.figures import Figures
    from softswitch.cli.simulate import Simulated


def draw(result: "Simulated", figures: "list[Figures]", form: str) -> bytes:
    """The picture, `png` or `svg`. Raises `LocalError` without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LocalError("charts need matplotlib, which is not installed") from error
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "softswitch", "font.size": 9.5}):
        drawn = Figure(figsize=(11, 8), layout="constrained")
        calls, level, gone = drawn.subplots(3, 1, sharex=True)
        for number, (name, of_policy) in enumerate(zip(result.names, figures, strict=True)):
            for place, queue in enumerate(sorted({interval.queue for interval in of_policy.intervals})):
                day = [interval for interval in of_policy.intervals if interval.queue == queue]
                hours = [interval.start / 3600 for interval in day]
                label = queue if len(figures) == 1 else f"{queue}, {name}"
                style = {"label": label, "color": f"C{place % 10}", "linestyle": "-" if number == 0 else "--"}
                if number == 0:
                    calls.step(hours, [interval.calls for interval in day], where="post", **style)
                level.plot(hours, [_percent(interval.service_level) for interval in day], **style)
                gone.plot(hours, [_percent(interval.abandoned) for interval in day], **style)
        calls.set(ylabel="calls in half an hour", ylim=(0, None))
        level.set(ylabel="service level, %", ylim=(0, 102))
        gone.set(ylabel="abandoned, %", xlabel="hour", xlim=(0, 24), xticks=range(0, 25, 2), ylim=(0, None))
        for axes in (calls, level, gone):
            axes.grid(alpha=0.3)
        level.legend(fontsize="small", ncols=2)
        out = io.BytesIO()
        drawn.savefig(out, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    return out.getvalue()


def _percent(value: float | None) -> float:
    return float("nan") if value is None else 100 * value
