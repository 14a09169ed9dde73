"""Pictures of those who wait: callers with a line, and call-backs without one."""

from typing import TYPE_CHECKING

from softswitch.acd.estimate import Estimate
from softswitch.acd.stats import QueueTotals
from softswitch.kernel.clock import Instant
from softswitch.switch.views import CallbackRow, WaitingRow

if TYPE_CHECKING:
    from softswitch.switch.office import Office

UNKNOWN = -1.0


def waiting_rows(office: "Office", queue: str, now: Instant) -> list[WaitingRow]:
    """Who waits in the queue, in order."""
    engine = office.engine
    rows = []
    for view in engine.waiting(queue, now):
        seconds, low, high = figures(engine.estimated(view.call, now))
        rows.append(
            WaitingRow(
                call="" if view.callback else view.call,
                callback=view.callback,
                queue=queue,
                caller=view.caller,
                position=view.position,
                waited=view.waited,
                ringing=view.ringing,
                estimate=seconds,
                estimate_low=low,
                estimate_high=high,
            )
        )
    return rows


def callback_rows(office: "Office", now: Instant) -> list[CallbackRow]:
    """Call-backs to come, in the order of their places."""
    rows = []
    for view in office.engine.callbacks(now):
        seconds, _, _ = figures(office.engine.estimated(view.call, now))
        rows.append(
            CallbackRow(
                id=view.callback,
                queue=view.queue,
                number=view.number,
                state=view.state,
                position=view.position,
                asked=view.asked,
                by=view.by,
                expires=view.expires,
                attempts=view.attempts,
                due=view.due,
                estimate=seconds,
                call=view.call if view.call in office.calls else "",
            )
        )
    return rows


def callback_refusal(office: "Office", queue: str, number: str) -> str:
    """Why that number cannot be called back from the queue; empty when it can."""
    settings = office.settings.queues.get(queue)
    if settings is None:
        return f"no queue {queue}"
    if settings.callback is None:
        return f"queue {queue} calls nobody back: it has no callback settings"
    if office.callbacks.way(queue, number, own=True) is None:
        return f"{number} may not be called: see callback of queue {queue}"
    return ""


def figures(estimate: Estimate | None) -> tuple[float, float, float]:
    """Seconds and the interval; −1 when nothing can be said."""
    if estimate is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    return round(estimate.seconds, 1), round(estimate.low, 1), round(estimate.high, 1)


def estimates(estimate: Estimate | None, totals: QueueTotals) -> dict[str, float]:
    """The queue's estimate now, and how good those of today were."""
    seconds, low, high = figures(estimate)
    error, held = totals.mean_estimate_error, totals.estimate_held
    return {
        "estimate": seconds,
        "estimate_low": low,
        "estimate_high": high,
        "estimate_error": UNKNOWN if error is None else round(error, 1),
        "estimate_bias": round(totals.estimate_bias or 0.0, 1),
        "estimate_held": UNKNOWN if held is None else round(100.0 * held, 1),
    }
