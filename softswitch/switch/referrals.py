"""REFER (RFC 3515) from a phone in a call: blind transfer (RFC 5589 §6) and attended transfer with Replaces (§7).

We are both ends of every dialog, so the referred call is made here, and the phone is told by NOTIFY what became of it.
A phone may be referred only where it could have dialled itself; a carrier may refer nobody.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from softswitch.acd.model import TalkEnded, TalkMoved
from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.events import Fields, InDialog
from softswitch.sip.replaces import Replaces
from softswitch.switch.secured import downgrades, passes_on
from softswitch.switch.stages import transferring
from softswitch.switch.stages.replacing import dialog
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import parse_target
from softswitch.switch.transfers import RINGS
from softswitch.wire.sip import NameAddr
from softswitch.wire.sip.grammar import unescape
from softswitch.wire.sip.reasons import reason as phrase

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

Told: TypeAlias = Callable[[int, Instant], None]
_SECONDS = 180
_NO_DIALOG = 481


class Referral:
    """The subscription that a REFER begins (RFC 3515 §2.4.4). It ends with the first final status."""

    def __init__(self, office: "Office", leg: Leg, event: str) -> None:
        self._office = office
        self._leg = leg
        self._event = event
        self._over = False

    def tell(self, status: int, now: Instant) -> None:
        """What became of the referred call, as a message fragment (RFC 3420)."""
        if self._over:
            return
        self._over = status >= 200
        state = "terminated;reason=noresource" if self._over else f"active;expires={_SECONDS}"
        fields = (("Event", self._event), ("Subscription-State", state))
        body = f"SIP/2.0 {status} {phrase(status)}\r\n".encode()
        self._office.drive(
            self._leg.ua.send_in_dialog(
                self._leg.session, "NOTIFY", now, body, "message/sipfrag;version=2.0", fields
            )
        )  # fmt: skip


def refer(office: "Office", event: InDialog, leg: Leg | None, call: "Call | None", now: Instant) -> None:
    """Answer a REFER and do what it asks."""
    try:
        target, other = _wanted(office, event, leg, call, now)
    except PeerError as error:
        why = str(error)
        office.log("info", "REFER refused", peer="" if leg is None else leg.peer, status=error.status, reason=why)
        if error.status == _NO_DIALOG and leg is not None and call is not None:
            # As the answer to REFER it would mean the dialog of the REFER itself (RFC 3261 §12.2.1.2).
            _accept(office, event, leg, call, now)(error.status, now)
            return
        office.drive(office.ua.respond(event.tx, error.status, now))
        return
    assert leg is not None
    assert call is not None
    talk = call.stage
    assert isinstance(talk, TalkStage)
    told = _accept(office, event, leg, call, now)
    if leg is call.leg:
        talk.swap(now)
    call.referred_by = event.request.headers.get("Referred-By") or ""
    _pass_on(call, talk, other, target, leg.peer, told, now)
    call.referred_by = ""


def _pass_on(
    call: "Call", talk: TalkStage, other: tuple["Call", Leg] | None, target: str, by: str, told: Told, now: Instant
) -> None:
    if other is not None:
        _attended(call, talk, other, target, told, now)
    elif parse_target(target).kind in RINGS:
        transferring.order(talk, "refer", now, target=target, by=by, told=told)
    else:
        told(200, now)
        transferring.blind(talk, target, by, now)


def _wanted(
    office: "Office", event: InDialog, leg: Leg | None, call: "Call | None", now: Instant
) -> tuple[str, tuple["Call", Leg] | None]:
    """The target, and for an attended transfer the other call with the phone's leg in it. Raises `PeerError` with the
    status that refuses."""
    values = event.request.headers.all("Refer-To")
    if len(values) != 1:
        raise PeerError("one Refer-To is needed", status=400)  # RFC 3515 §2.1
    uri = NameAddr.parse(values[0]).uri
    if referrer := event.request.headers.get("Referred-By"):
        NameAddr.parse(referrer)  # RFC 3892 §2.1: it is passed on as it is
    if uri.scheme not in ("sip", "tel"):
        raise PeerError(f"refers to {uri.scheme}:", status=416)
    if uri.params.get("method", "INVITE") != "INVITE":
        raise PeerError("refers to another method", status=403)
    phone = "" if leg is None else office.directory.seat(leg.peer)
    talk = None if call is None else call.stage
    if leg is None or call is None or not phone:
        raise PeerError("only phones may refer", status=403)
    if not isinstance(talk, TalkStage) or leg not in (call.leg, talk.callee):
        raise PeerError("nobody talks with it", status=403)
    if leg is call.leg and talk.agent:
        raise PeerError("the call is the agent's", status=403)
    if talk.transfer is not None:
        raise PeerError("a transfer is under way already", status=491)
    replaces = next((value for name, value in uri.headers.items() if name.lower() == "replaces"), "")
    if replaces:
        staying = talk.callee if leg is call.leg else call.leg
        return _replaced(office, unescape(replaces), leg.peer, call, staying)
    target = office.directory.dialled(phone, uri.username, now)
    if target is None:
        raise PeerError(f"{uri} leads nowhere", status=404)
    if why := office.parked.refusal(parse_target(target)):
        raise PeerError(why, status=486)
    if parse_target(target).kind == "phone" and _rings_the_same(office, target, call, talk):
        raise PeerError(f"{target} is in this call", status=482)
    return target, None


def _rings_the_same(office: "Office", target: str, call: "Call", talk: TalkStage) -> bool:
    """Whether the call would be passed on to one of the two who are in it."""
    return any(office.directory.seat(leg.peer) == target.partition(":")[2] for leg in (call.leg, talk.callee))


def _replaced(
    office: "Office", replaces: str, peer: str, call: "Call", staying: Leg
) -> tuple[str, tuple["Call", Leg] | None]:
    """RFC 3891 §3, for a dialog that we hold ourselves: the phone's own consultation call. `staying` is who is to talk
    with the consulted party."""
    wanted = Replaces.parse(replaces)
    try:
        leg, _ = dialog(office, wanted.call_id, wanted.to_tag, wanted.from_tag)
    except PeerError as error:
        raise PeerError(str(error), status=_NO_DIALOG) from error
    other = office.calls.get(leg.owner)
    if other is not None and other is not call and office.directory.same_party(leg.peer, peer):
        if isinstance(other.stage, TalkStage) and other.stage.transfer is None:
            third = other.stage.callee if leg is other.leg else other.leg
            if downgrades((call, other), (staying, third)):
                raise PeerError(f"{staying.peer} and {third.peer} may be joined by TLS only", status=480)
            return other.stage.at, (other, leg)
        if downgrades((call, other), (staying,)):
            raise PeerError(f"{staying.peer} may be joined by TLS only", status=480)
        if leg is other.leg and other.facts.destination.partition(":")[0] in RINGS:
            # RFC 5589 §7.5: the consulted party still rings; it is rung for the other call instead.
            return other.facts.destination, (other, leg)
    raise PeerError(f"no dialog {wanted.call_id} of this phone", status=_NO_DIALOG)


def _accept(office: "Office", event: InDialog, leg: Leg, call: "Call", now: Instant) -> Told:
    """202, or 200 when no subscription is wanted (RFC 4488 §4); what is to be told the phone goes there."""
    fields: Fields = ()
    if (event.request.headers.get("Refer-Sub") or "").strip().lower() == "false":
        fields = (("Refer-Sub", "false"),)
        office.drive(office.ua.respond(event.tx, 200, now, headers=fields))
        return lambda status, now: None
    office.drive(office.ua.respond(event.tx, 202, now))
    # RFC 3515 §2.4.6: all but the first REFER of a dialog are told apart by their CSeq.
    event_name = f"refer;id={event.request.cseq.number}" if leg in call.referred else "refer"
    call.referred.add(leg)
    referral = Referral(office, leg, event_name)
    referral.tell(100, now)
    return referral.tell


def _attended(call: "Call", talk: TalkStage, other: tuple["Call", Leg], target: str, told: Told, now: Instant) -> None:
    consultation, leg = other
    passes_on(consultation, call)
    stage = consultation.stage
    if not isinstance(stage, TalkStage):
        consultation.end(now, by="switch", reason="transferred while it rang")
        transferring.order(talk, "refer", now, target=target, by=leg.peer, told=told)
        return
    office = call.office
    office.fact("transfer.started", now, call.id, verb="attended", target=target, by=leg.peer, agent=talk.agent)
    if leg is not consultation.leg:
        stage.swap(now)
    third = stage.callee
    try:
        office.drive(third.move_to(call.leg.worker, now))
    except NoPort as error:
        office.fact("transfer.failed", now, call.id, target=target, status=503, how=str(error))
        told(503, now)
        return
    agent = stage.agent if leg is consultation.leg else ""
    recorded = bool(agent) and consultation.recording.running
    stage.give_up_callee(now)
    if agent:
        stage.talk_on()
    consultation.end(now, by="switch", reason=f"transferred to call {call.id}")
    third.belong(call.id)
    told(200, now)
    call.transferred(target, talk.agent, now)
    if agent:
        call.facts.queue = consultation.facts.queue
    call.join(third, target, record=recorded, music=talk.music, agent=agent, now=now)
    if agent:  # an agent of a queue was consulted: that conversation goes on here
        joined = isinstance(call.stage, TalkStage)
        office.acd(TalkMoved(consultation.id, agent, call.id) if joined else TalkEnded(consultation.id, agent), now)
