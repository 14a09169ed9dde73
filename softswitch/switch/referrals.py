"""REFER (RFC 3515) from a phone in a call: blind transfer (RFC 5589 §6) and attended transfer with Replaces (§7).

We are both ends of every dialog, so the referred call is made here, and the phone is told by NOTIFY what became of it.
A phone may be referred only where it could have dialled itself; a carrier may refer nobody. A REFER outside of the
call's dialog says by Target-Dialog which call it is about (RFC 4538); its sender proves to be a party of that call like
any caller, and is told in the dialog that the REFER makes.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from softswitch.acd.model import TalkEnded, TalkMoved
from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.dialog import contact_value, uas_dialog
from softswitch.sip.events import Fields, InDialog, Requested
from softswitch.sip.named_dialogs import Replaces, target_dialog_of
from softswitch.switch.admission import Challenge, Refusal
from softswitch.switch.secured import downgrades, passes_on
from softswitch.switch.stages import transferring
from softswitch.switch.stages.replacing import dialog as replaced_dialog
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import parse_target
from softswitch.switch.transfers import RINGS
from softswitch.wire.sip import NameAddr, Request
from softswitch.wire.sip.grammar import unescape
from softswitch.wire.sip.reasons import reason as phrase

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

Told: TypeAlias = Callable[[int, Instant], None]
Notify: TypeAlias = Callable[[str, Fields, Instant], None]  # what of the call, Event and Subscription-State
_SECONDS = 180
_NO_DIALOG = 481
_FRAGMENT = "message/sipfrag;version=2.0"  # RFC 3420


class Referral:
    """The subscription that a REFER begins (RFC 3515 §2.4.4). It ends with the first final status."""

    def __init__(self, notify: Notify, event: str) -> None:
        self._notify = notify
        self._event = event
        self._over = False

    def tell(self, status: int, now: Instant) -> None:
        """What became of the referred call, as a message fragment."""
        if self._over:
            return
        self._over = status >= 200
        state = "terminated;reason=noresource" if self._over else f"active;expires={_SECONDS}"
        fields = (("Event", self._event), ("Subscription-State", state))
        self._notify(f"SIP/2.0 {status} {phrase(status)}\r\n", fields, now)


def refer(office: "Office", event: InDialog, leg: Leg | None, call: "Call | None", now: Instant) -> None:
    """Answer a REFER in a call's dialog and do what it asks."""

    def notify(fragment: str, fields: Fields, now: Instant) -> None:
        assert leg is not None
        assert call is not None
        call.referred.add(leg)
        body = fragment.encode()
        office.drive(leg.ua.send_in_dialog(leg.session, "NOTIFY", now, body, _FRAGMENT, fields))

    # RFC 3515 §2.4.6: all but the first REFER of a dialog are told apart by their CSeq.
    again = leg is not None and call is not None and leg in call.referred
    event_name = f"refer;id={event.request.cseq.number}" if again else "refer"
    _obey(office, event, leg, call, Referral(notify, event_name), now)


def refer_outside(office: "Office", event: Requested, now: Instant) -> None:
    """Answer a REFER outside of calls: it must be a party's of the one that Target-Dialog names (RFC 4538 §4). Nobody
    is referred who is in no call (RFC 3515 §2.4.2: local policy)."""
    if "Target-Dialog" not in event.request.headers:
        office.drive(office.ua.respond(event.tx, 403, now))
        return
    ruling = office.admission.caller(event.request, event.flow, now)
    if isinstance(ruling, Challenge | Refusal):
        status, fields = (401, ruling.headers) if isinstance(ruling, Challenge) else (ruling.status, ())
        office.drive(office.ua.respond(event.tx, status, now, headers=fields))
        return
    try:
        leg = _party(office, event.request, str(ruling))
        contact = contact_value(event.flow, office.addressing.signalling(event.flow), event.request.uri.user or "")
        dialog = uas_dialog(event.request, office.ua.tag_of(event.tx), event.flow, contact)
    except PeerError as error:
        office.log("info", "REFER refused", peer=str(ruling), status=error.status, reason=str(error))
        office.drive(office.ua.respond(event.tx, error.status, now))
        return

    def notify(fragment: str, fields: Fields, now: Instant) -> None:
        request = dialog.request("NOTIFY", fields, fragment.encode(), _FRAGMENT)
        _, outputs = office.ua.request(request, dialog.next_flow(), now)  # nobody waits for the answer
        office.drive(outputs)

    _obey(office, event, leg, office.calls.get(leg.owner), Referral(notify, "refer"), now, (("Contact", contact),))


def _party(office: "Office", request: Request, who: str) -> Leg:
    """The leg of the dialog that the request targets, if it is `who`'s. Raises `PeerError` 400, 403."""
    wanted = target_dialog_of(request.headers)
    for tags in ((wanted.local_tag, wanted.remote_tag), (wanted.remote_tag, wanted.local_tag)):
        with suppress(PeerError):
            leg, _ = replaced_dialog(office, wanted.call_id, *tags)
            if leg.peer == who or office.directory.same_party(leg.peer, who):
                return leg
    raise PeerError(f"{wanted.call_id} is no call of the sender's", status=403)


def _obey(
    office: "Office",
    event: InDialog | Requested,
    leg: Leg | None,
    call: "Call | None",
    referral: Referral,
    now: Instant,
    fields: Fields = (),
) -> None:
    """`fields` go with the answer that takes it."""
    try:
        target, other = _wanted(office, event, leg, call, now)
    except PeerError as error:
        why = str(error)
        office.log("info", "REFER refused", peer="" if leg is None else leg.peer, status=error.status, reason=why)
        if error.status == _NO_DIALOG and leg is not None and call is not None:
            # As the answer to REFER it would mean the dialog of the REFER itself (RFC 3261 §12.2.1.2).
            _accept(office, event, referral, now, fields)(error.status, now)
            return
        office.drive(office.ua.respond(event.tx, error.status, now))
        return
    assert leg is not None
    assert call is not None
    talk = call.stage
    assert isinstance(talk, TalkStage)
    told = _accept(office, event, referral, now, fields)
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
    office: "Office", event: InDialog | Requested, leg: Leg | None, call: "Call | None", now: Instant
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
    number, meant = office.registrations.meant(uri, now)
    target = office.directory.dialled(phone, number, now)
    if target is None:
        raise PeerError(f"{uri} leads nowhere", status=404)
    if why := office.parked.refusal(parse_target(target)):
        raise PeerError(why, status=486)
    if meant is None and parse_target(target).kind == "phone" and _rings_the_same(office, target, call, talk):
        raise PeerError(f"{target} is in this call", status=482)
    call.instance = meant
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
        leg, _ = replaced_dialog(office, wanted.call_id, wanted.to_tag, wanted.from_tag)
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


def _subscribes(request: Request) -> bool:
    """RFC 4488 §4."""
    return (request.headers.get("Refer-Sub") or "").strip().lower() != "false"


def _accept(office: "Office", event: InDialog | Requested, referral: Referral, now: Instant, fields: Fields) -> Told:
    """202, or 200 when no subscription is wanted; what is to be told the phone goes there."""
    if not _subscribes(event.request):
        office.drive(office.ua.respond(event.tx, 200, now, headers=(*fields, ("Refer-Sub", "false"))))
        return lambda status, now: None
    office.drive(office.ua.respond(event.tx, 202, now, headers=fields))
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
