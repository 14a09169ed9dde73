"""INVITE with Replaces (RFC 3891): its party takes the place of another in a call, which goes on as one call.

Who may: the same phone or person, the same carrier; and a phone may take a call that rings at another one of its pickup
groups. The INVITE is a call of its own until its party is brought into the other one.
"""

from typing import TYPE_CHECKING

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.named_dialogs import replaces_of
from softswitch.switch.dialog_names import DialogName
from softswitch.switch.pickup import pick_up, within_reach
from softswitch.switch.secured import downgrades, passes_on
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office


class ReplaceStage(Stage):
    """A new call whose INVITE had Replaces."""

    label = "replacing"

    def __init__(self, call: "Call", request: Request) -> None:
        super().__init__(call)
        self._request = request

    def enter(self, now: Instant) -> None:
        try:
            replace(self.call, self._request, now)
        except PeerError as error:
            self.call.facts.reason = str(error)
            self.call.refuse(now, error.status)


def replace(own: "Call", request: Request, now: Instant) -> None:
    """Do what the INVITE that began the call `own` wants. Raises `PeerError` with the status that refuses it; nothing
    has changed then."""
    leg, early = _wanted(own, request)
    office = own.office
    other = office.calls.get(leg.owner)
    if other is None:
        raise PeerError("the call is over", status=603)  # RFC 3891 §3
    stage, at = other.stage, own.source
    if early:
        if not isinstance(stage, DialStage) or leg not in stage.legs():
            _pick_up_offer(own, other, leg, now)
            return
        new = bring_in(own, other, other.leg, now)
        if new is not None:
            office.fact("call.picked_up", now, other.id, by=at, at_phone=leg.peer, pickup=own.id)
            stage.taken(new, at, now)
            other.rearm()
        return
    if not isinstance(stage, TalkStage) or stage.transfer is not None or leg not in (other.leg, stage.callee):
        raise PeerError("its place in the call cannot be taken now", status=488)
    caller = leg is other.leg
    new = bring_in(own, other, stage.callee if caller else other.leg, now)
    if new is None:
        return
    office.fact("call.replaced", now, other.id, by=at, party=leg.peer, invite=own.id)
    if caller:
        stage.replace_caller(new, now)
        return
    if stage.agent:  # the same person at another line: the conversation goes on, nobody passed it on
        stage.talk_on()
        new.belong(other.id, f"agent:{stage.agent}")
        other.join(new, stage.at, record=False, music=stage.music, agent=stage.agent, now=now)
        return
    office.fact("transfer.started", now, other.id, verb="replaces", target=at, by=leg.peer, agent=stage.agent)
    other.transferred(at, stage.agent, now)
    other.join(new, at, record=False, music=stage.music, now=now)


def dialog(office: "Office", call_id: str, local_tag: str, remote_tag: str) -> tuple[Leg, str]:
    """The leg whose dialog that is, by its own name or the one that lamps tell, and how far it is. Raises `PeerError`:
    481 for none, 603 for one that is over."""
    named = office.dialog_names.leg(office.fabric.sessions, DialogName(call_id, local_tag, remote_tag))
    ids = None if named is None else office.ua.dialog_of(named.session)
    if ids is not None:
        call_id, local_tag, remote_tag = ids.call_id, ids.local_tag, ids.remote_tag
    found = office.ua.dialog(call_id, local_tag, remote_tag)
    if found is None:
        raise PeerError(f"no dialog {call_id} with these tags", status=481)
    session, state = found
    leg = office.fabric.sessions.get(session)
    if state == "over" or leg is None or leg.over:
        raise PeerError(f"dialog {call_id} is over", status=603)
    return leg, state


def _wanted(own: "Call", request: Request) -> tuple[Leg, bool]:
    """The leg to be replaced, and whether it only rings."""
    wanted = replaces_of(request.headers)
    office = own.office
    leg, state = dialog(office, wanted.call_id, wanted.to_tag, wanted.from_tag)
    if state == "incoming":
        raise PeerError("it is not our call that rings there", status=481)  # RFC 3891 §3
    if not _may(office, own.source, leg.peer, early=state == "early"):
        raise PeerError(f"{own.source} may not take the place of {leg.peer}", status=403)
    if wanted.early_only and state == "confirmed":
        raise PeerError("it has been answered", status=486)
    return leg, state == "early"


def _pick_up_offer(own: "Call", other: "Call", leg: Leg, now: Instant) -> None:
    """It rings for a queue: for agents only, to whom the ACD can give it. Raises `PeerError` (403)."""
    office = own.office
    phone = office.directory.seat(own.source)
    ringing = within_reach(office, phone, office.directory.seat(leg.peer), now) if phone else None
    if ringing is None or ringing.call is not other:
        raise PeerError("it rings for somebody else in a queue, or for a transfer", status=403)
    pick_up(own, ringing, phone, now)


def _may(office: "Office", source: str, peer: str, *, early: bool) -> bool:
    if source == peer or office.directory.same_party(source, peer):
        return True
    phones = office.settings.phones
    kind, _, name = source.partition(":")
    taker, rung = phones.get(name) if kind == "phone" else None, phones.get(office.directory.seat(peer))
    if not early or taker is None or rung is None:
        return False
    return not set(taker.pickup_groups).isdisjoint(rung.pickup_groups)


def bring_in(own: "Call", other: "Call", like: Leg, now: Instant) -> Leg | None:
    """Answer the party of `own` as it fits `like`, and bring it into `other`. None when that failed; `own` has then
    ended, and `other` goes on as it was."""
    if downgrades((own, other), (own.leg, like)):
        own.refuse(now, 480)
        return None
    try:
        own.drive(own.leg.move_to(other.leg.worker, now))
    except NoPort as error:
        own.fail(error, now)
        return None
    if not own.answer(now, like=like):
        return None
    own.served(now, f"call:{other.id}")
    passes_on(own, other)
    leg = own.give_leg(other.id)
    own.end(now, by="switch", reason=f"its party is in call {other.id}")
    return leg
