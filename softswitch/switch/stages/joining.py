"""INVITE with Join (RFC 3911): its party comes into a call beside the two who talk, and all three hear each other.

Who may: the same phone or person, the same carrier, as with Replaces; and a supervisor who may barge in on the agent of
that call, who is then with the agent as by any other way. A dialog with a conference leads into the conference, by its
own rules. The INVITE is a call of its own until its party is brought into the other one.
"""

from typing import TYPE_CHECKING

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.named_dialogs import join_of
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.secured import downgrades
from softswitch.switch.stages.conferring import ConferenceStage
from softswitch.switch.stages.replacing import bring_in, dialog
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.supervising import SuperviseStage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.stages.transferring import Transfer
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class JoinStage(Stage):
    """A new call whose INVITE had Join."""

    label = "joining"

    def __init__(self, call: "Call", request: Request) -> None:
        super().__init__(call)
        self._request = request

    def enter(self, now: Instant) -> None:
        try:
            _join(self.call, self._request, now)
        except PeerError as error:
            self.call.facts.reason = str(error)
            self.call.refuse(now, error.status)


class OwnThird(Transfer):
    """A third party who is `beside` one of the two, being the same person at another phone: it came by itself, nobody
    passes anything on, and it goes on in the place of that one."""

    def __init__(self, talk: TalkStage, third: Leg, beside: Leg) -> None:
        super().__init__(talk, Ringing(third.peer), third.peer, "join", third.peer)
        self.third = third
        self._beside = beside
        talk.call.check_audible(third)

    def start(self, now: Instant) -> None:
        """All three hear each other."""
        self._talk.transfer = self
        self.join(now)
        self._talk.rearm()

    def inherit(self, now: Instant) -> bool:
        """The callee has hung up."""
        third, call, talk = self.third, self._call, self._talk
        if third is None or self._beside is not talk.callee:
            self.stop("call-ended", now)  # the caller is left, with two phones
            return False
        talk.transfer = self.third = None
        call.office.fact("conference.ended", now, call.id, why="first-left")
        if talk.agent:
            talk.talk_on()
            third.belong(call.id, f"agent:{talk.agent}")
        at = talk.at if talk.agent else third.peer
        call.join(third, at, record=False, music=talk.music, agent=talk.agent, now=now)
        return True

    def complete(self, now: Instant) -> None:
        """By order: the callee leaves."""
        if not self.inherit(now):
            self._call.end(now, by="callee", reason="callee left")

    def _cancelled(self, why: str, now: Instant) -> None:
        """There was no transfer."""


def _join(own: "Call", request: Request, now: Instant) -> None:
    """Do what the INVITE that began the call `own` wants. Raises `PeerError` with the status that refuses it (§4);
    nothing has changed then."""
    wanted, office = join_of(request.headers), own.office
    leg, state = dialog(office, wanted.call_id, wanted.to_tag, wanted.from_tag)
    if state == "incoming":
        raise PeerError("it is not our call that rings there", status=481)
    other = office.calls.get(leg.owner)
    if other is None:
        raise PeerError("the call is over", status=603)
    stage = other.stage
    same = own.source == leg.peer or office.directory.same_party(own.source, leg.peer)
    if not same and not _may_barge(own, stage):
        raise PeerError(f"{own.source} may not join the call of {leg.peer}", status=403)
    if isinstance(stage, ConferenceStage):
        own.go(f"conference:{stage.at}", now)
        return
    if state != "confirmed" or not isinstance(stage, TalkStage) or leg not in (other.leg, stage.callee):
        raise PeerError("nobody talks there", status=488)
    if not same:
        own.move(SuperviseStage(own, stage.agent, office.directory.seat(own.source), "barge", follow=False), now)
        return
    if stage.transfer is not None:
        raise PeerError("three are in the call already", status=488)
    silent = next((party for party in stage.parties() if not party.audible), None)
    if silent is not None:
        raise PeerError(f"the codec of {silent.peer} only passes through", status=488)
    _be_third(own, other, stage, leg, now)


def _may_barge(own: "Call", stage: Stage) -> bool:
    """Whether the caller is a supervisor who may speak into that talk of an agent."""
    office, phone = own.office, own.office.directory.seat(own.source)
    if not phone or not isinstance(stage, TalkStage) or not stage.agent:
        return False
    if office.supervision.talk_of(stage.agent) is not stage:
        return False
    return "barge" in office.supervision.allowed(phone, stage.agent, stage)


def _be_third(own: "Call", other: "Call", talk: TalkStage, leg: Leg, now: Instant) -> None:
    if downgrades((own, other), (own.leg, *talk.parties())):
        raise PeerError("a sips call goes on by TLS only", status=480)
    new = bring_in(own, other, leg, now)
    if new is None:
        return
    own.office.fact("call.joined", now, other.id, by=own.source, party=leg.peer, invite=own.id)
    if leg is other.leg and not talk.agent:
        talk.swap(now)  # a call ends with its caller: that is the one who has no other phone in it
    OwnThird(talk, new, leg).start(now)
    other.rearm()
