"""Video that one of two parties adds to their call: before it is answered, the other is asked by re-INVITE whether it
wants it, too (RFC 3264 §8.1 on both sides)."""

from typing import TYPE_CHECKING

import msgspec

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.talking import TalkStage

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office


class Added(msgspec.Struct):
    """`leg` waits for the answer to its `offer`, `far` was asked; `withdrawn`: it does no more (CANCEL)."""

    leg: Leg
    far: Leg
    offer: bytes
    withdrawn: bool = False


class AddedStreams:
    """`by_session`: what waits, by the SIP session of who was asked."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self.by_session: dict[int, Added] = {}

    def asked(self, leg: Leg, call: "Call", offer: bytes, now: Instant) -> bool:
        """Whether the other party is asked first; `taken` tells when it has answered."""
        stage, far = call.stage, leg.far
        if b"m=video" not in offer or far is None or not isinstance(stage, TalkStage):
            return False
        if stage.transfer is not None or far.held_at is not None or far.session in self._office.faxes.by_session:
            return False
        asking = far.add_streams(leg.description.new_streams(offer), now)
        if asking is None:
            return False
        self.by_session[far.session] = Added(leg, far, offer)
        self._office.drive(asking)
        return True

    def withdrawn(self, session: int) -> None:
        """Who has asked for them takes that back."""
        for added in self.by_session.values():
            if added.leg.session == session:
                added.withdrawn = True

    def taken(self, session: int, now: Instant) -> Added | None:
        """The party of that session has answered, or left: now the first offer can be answered, if it still stands."""
        added = self.by_session.pop(session, None)
        if added is None:
            return None
        if not added.withdrawn and not added.leg.over:
            return added
        if not added.far.over:
            self._office.drive(added.far.without_added(now))
        return None
