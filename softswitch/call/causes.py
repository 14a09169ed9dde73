"""Why a call failed or ended: SIP statuses, Q.850 causes, and which of several failures is told on.

Sources: RFC 3398 §8.2.6.1 (status to cause), RFC 3326 (Reason), RFC 3261 §16.7 (the best response), RFC 6432
(Reason in responses).
"""

from collections.abc import Iterable

BUSY = frozenset({486, 600})
UNAVAILABLE = frozenset({404, 408, 410, 480, 484, 500, 502, 503, 504, 604})
# What a fail-over trunk may cure: the far side is out of order, not the callee (RFC 3263 §4.3 and carriers' practice).
FAIL_OVER = frozenset({408, 500, 502, 503, 504, 580})

# What a tone on the line stands for, as a final status (RFC 3398 §7.2.4.1 by the causes of ITU-T Q.850).
TONES = {"busy": 486, "congestion": 503, "information": 404, "unobtainable": 404}

_TO_CAUSE = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
    415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
    487: 31, 488: 88, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1,
    606: 88,
}  # fmt: skip

_CAUSE_TEXT = {
    1: "Unallocated number", 16: "Normal call clearing", 17: "User busy", 18: "No user responding",
    19: "No answer from user", 20: "Subscriber absent", 21: "Call rejected", 22: "Number changed",
    25: "Exchange routing error", 28: "Invalid number format", 31: "Normal, unspecified", 34: "No circuit available",
    38: "Network out of order", 41: "Temporary failure", 63: "Service or option not available",
    79: "Service or option not implemented", 88: "Incompatible destination", 102: "Recovery on timer expiry",
    127: "Interworking, unspecified",
}  # fmt: skip


def q850(status: int) -> int:
    """The ISDN cause that stands for a final SIP status; 16 for success."""
    if status < 300:
        return 16
    return _TO_CAUSE.get(status, 31)


COMPLETED_ELSEWHERE = ("Reason", 'SIP;cause=200;text="Call completed elsewhere"')  # RFC 3326 §3.1: no missed call


def reason_header(status: int, cause: int | None = None) -> tuple[str, str]:
    """A `Reason` header (RFC 3326) that carries the Q.850 cause of `status`, or the given one."""
    code = q850(status) if cause is None else cause
    return "Reason", f'Q.850;cause={code};text="{_CAUSE_TEXT.get(code, "Normal, unspecified")}"'


def kind(status: int) -> str:
    """How people call this failure: `busy`, `no-answer`, `rejected`, `unavailable` or `failed`."""
    if status in BUSY:
        return "busy"
    if status == 487:
        return "no-answer"
    if status in (403, 603, 401, 407):
        return "rejected"
    if status in UNAVAILABLE or status < 400:  # a redirection that we do not follow: not to be had there
        return "unavailable"
    return "failed"


def told(status: int) -> int:
    """What the caller is told when the callee's side said `status`. A challenge or a redirection means nothing to the
    caller, whom we ask for no password there; 487 would say that the caller had given up."""
    if status in (401, 407):
        return 403
    return 480 if status < 400 or status == 487 else status


def best(statuses: Iterable[int]) -> int:
    """The failure told to the caller when every branch failed (RFC 3261 §16.7 step 6): a 6xx first, then the lowest
    class; within 4xx what says most about the callee (busy, declined) before what says little (no answer, gone)."""
    order = {486: 0, 603: 0, 404: 2, 480: 3, 487: 4, 408: 4}
    found = [status for status in statuses if status >= 300]
    if not found:
        return 480
    return min(found, key=lambda status: (status < 600, status // 100, order.get(status, 1), status))
