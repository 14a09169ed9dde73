"""The phase table of an INVITE session: (phase, what) → (next phase, action). An input without a row is ignored."""

from collections.abc import Callable
from typing import TypeAlias

from softswitch.sip import session_reliable as reliable
from softswitch.sip import session_timer as timer
from softswitch.sip import session_uac as uac
from softswitch.sip import session_uas as uas
from softswitch.sip.session import Phase, What

Action: TypeAlias = Callable[..., None]
PhaseRow: TypeAlias = tuple[Phase, Action | None]

PHASES: dict[tuple[Phase, What], PhaseRow] = {
    # UAC: RFC 3261 §13.2, §9.1
    (Phase.CALLING, What.TRYING): (Phase.PROCEEDING, None),
    (Phase.CALLING, What.PROVISIONAL): (Phase.PROCEEDING, uac.progress),
    (Phase.CALLING, What.SUCCESS): (Phase.ESTABLISHED, uac.accepted),
    (Phase.CALLING, What.SUCCESS_WITH_OFFER): (Phase.CONFIRMING, uac.accepted_with_offer),
    (Phase.CALLING, What.CHALLENGE): (Phase.CALLING, None),
    (Phase.CALLING, What.FAILURE): (Phase.OVER, uac.rejected),
    (Phase.CALLING, What.TIMEOUT): (Phase.OVER, uac.timed_out),
    (Phase.CALLING, What.UNREACHABLE): (Phase.OVER, uac.unreachable),
    (Phase.CALLING, What.HANG_UP): (Phase.CANCEL_HELD, None),
    (Phase.PROCEEDING, What.PROVISIONAL): (Phase.PROCEEDING, uac.progress),
    (Phase.PROCEEDING, What.SUCCESS): (Phase.ESTABLISHED, uac.accepted),
    (Phase.PROCEEDING, What.SUCCESS_WITH_OFFER): (Phase.CONFIRMING, uac.accepted_with_offer),
    (Phase.PROCEEDING, What.CHALLENGE): (Phase.CALLING, None),
    (Phase.PROCEEDING, What.FAILURE): (Phase.OVER, uac.rejected),
    (Phase.PROCEEDING, What.HANG_UP): (Phase.CANCELLING, uac.cancel),
    (Phase.PROCEEDING, What.BYE): (Phase.CANCELLING, uac.ended_early),
    (Phase.CANCEL_HELD, What.TRYING): (Phase.CANCELLING, uac.cancel),
    (Phase.CANCEL_HELD, What.PROVISIONAL): (Phase.CANCELLING, uac.cancel),
    (Phase.CANCEL_HELD, What.SUCCESS): (Phase.OVER, uac.acknowledge_and_leave),
    (Phase.CANCEL_HELD, What.SUCCESS_WITH_OFFER): (Phase.OVER, uac.acknowledge_and_leave),
    (Phase.CANCEL_HELD, What.FAILURE): (Phase.OVER, None),
    (Phase.CANCEL_HELD, What.TIMEOUT): (Phase.OVER, None),
    (Phase.CANCEL_HELD, What.UNREACHABLE): (Phase.OVER, None),
    (Phase.CANCELLING, What.SUCCESS): (Phase.OVER, uac.acknowledge_and_leave),
    (Phase.CANCELLING, What.SUCCESS_WITH_OFFER): (Phase.OVER, uac.acknowledge_and_leave),
    (Phase.CANCELLING, What.FAILURE): (Phase.OVER, None),
    (Phase.CANCELLING, What.TIMEOUT): (Phase.OVER, None),
    (Phase.CONFIRMING, What.SUCCESS_WITH_OFFER): (Phase.CONFIRMING, uac.again),
    (Phase.CONFIRMING, What.CONFIRM): (Phase.ESTABLISHED, uac.confirm),
    (Phase.CONFIRMING, What.HANG_UP): (Phase.OVER, uac.decline_offer_and_leave),
    (Phase.CONFIRMING, What.BYE): (Phase.OVER, uac.acknowledge_ended),
    # UAS: §13.3, §9.2
    (Phase.INCOMING, What.RING): (Phase.INCOMING, uas.ring),
    (Phase.INCOMING, What.ACCEPT): (Phase.ANSWERED, uas.accept),
    (Phase.INCOMING, What.ACCEPT_LATER): (Phase.ACCEPTING, reliable.accept_later),
    (Phase.INCOMING, What.NO_PRACK): (Phase.OVER, reliable.not_acknowledged),
    (Phase.INCOMING, What.REJECT): (Phase.OVER, uas.refuse),
    (Phase.INCOMING, What.HANG_UP): (Phase.OVER, uas.refuse),
    (Phase.INCOMING, What.CANCEL): (Phase.OVER, uas.cancelled),
    (Phase.INCOMING, What.BYE): (Phase.OVER, uas.ended_unanswered),
    (Phase.ACCEPTING, What.PRACKED): (Phase.ANSWERED, uas.accept),
    (Phase.ACCEPTING, What.NO_PRACK): (Phase.OVER, reliable.not_acknowledged),
    (Phase.ACCEPTING, What.HANG_UP): (Phase.OVER, uas.refuse),
    (Phase.ACCEPTING, What.CANCEL): (Phase.OVER, uas.cancelled),
    (Phase.ACCEPTING, What.BYE): (Phase.OVER, uas.ended_unanswered),
    (Phase.ANSWERED, What.ACK): (Phase.ESTABLISHED, uas.confirmed),
    (Phase.ANSWERED, What.HANG_UP): (Phase.LEAVING, None),
    (Phase.ANSWERED, What.BYE): (Phase.OVER, uas.ended),
    (Phase.ANSWERED, What.NO_ACK): (Phase.OVER, uas.not_acknowledged),
    (Phase.ANSWERED, What.GONE): (Phase.OVER, uas.gone),
    (Phase.ANSWERED, What.LOST): (Phase.OVER, uas.lost),
    (Phase.ANSWERED, What.BROKEN): (Phase.OVER, uas.broken),
    (Phase.LEAVING, What.ACK): (Phase.OVER, uas.leave),
    (Phase.LEAVING, What.BYE): (Phase.OVER, None),
    (Phase.LEAVING, What.NO_ACK): (Phase.OVER, uas.leave),
    # both: §14, §15
    (Phase.ESTABLISHED, What.SUCCESS): (Phase.ESTABLISHED, uac.again),
    (Phase.ESTABLISHED, What.SUCCESS_WITH_OFFER): (Phase.ESTABLISHED, uac.again),
    (Phase.ESTABLISHED, What.HANG_UP): (Phase.OVER, uas.leave),
    (Phase.ESTABLISHED, What.BYE): (Phase.OVER, uas.ended),
    (Phase.ESTABLISHED, What.NO_ACK): (Phase.OVER, uas.not_acknowledged),
    (Phase.ESTABLISHED, What.EXPIRED): (Phase.OVER, timer.expired),
    (Phase.ESTABLISHED, What.GONE): (Phase.OVER, uas.gone),
    (Phase.ESTABLISHED, What.LOST): (Phase.OVER, uas.lost),
    (Phase.ESTABLISHED, What.BROKEN): (Phase.OVER, uas.broken),
    (Phase.OVER, What.SUCCESS): (Phase.OVER, uac.again),
    (Phase.OVER, What.SUCCESS_WITH_OFFER): (Phase.OVER, uac.again),
}
