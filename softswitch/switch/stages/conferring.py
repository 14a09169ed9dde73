"""`conference:NAME`: everybody who is sent there hears the others. The room is there while somebody is in it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softswitch.call.fabric import Fabric, NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.switch.stages.stage import Stage
from softswitch.wire.control import CloseRoom, JoinRoom, LeaveRoom, OpenRoom

if TYPE_CHECKING:
    from softswitch.switch.call import Call


@dataclass(slots=True)
class Conference:
    """A room of the media process `worker`. `members` are media ids."""

    room: int
    worker: int
    members: set[int] = field(default_factory=set)


class Conferences:
    """Those that somebody is in, by name."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.by_name: dict[str, Conference] = {}

    def place(self, name: str, worker: int) -> int:
        """The media process of the conference: `worker`, if it is new."""
        found = self.by_name.get(name)
        return worker if found is None else found.worker

    def join(self, name: str, leg: Leg) -> None:
        """The leg, which is in the conference's media process, comes in; the first one opens the room."""
        found = self.by_name.get(name)
        if found is None:
            found = self.by_name[name] = Conference(self._fabric.new_id(), leg.worker)
            self._fabric.command(found.worker, OpenRoom(found.room))
        found.members.add(leg.id)
        self.hear(name, leg)

    def hear(self, name: str, leg: Leg) -> None:
        """Who holds the call says nothing in the room."""
        found = self.by_name[name]
        self._fabric.command(found.worker, JoinRoom(found.room, leg.id, speak=0.0 if leg.held_at is not None else 1.0))

    def part(self, name: str, leg: int) -> None:
        """The leg goes; the last one closes the room."""
        found = self.by_name.get(name)
        if found is None or leg not in found.members:
            return
        found.members.discard(leg)
        self._fabric.command(found.worker, LeaveRoom(found.room, leg))
        if not found.members:
            self._fabric.command(found.worker, CloseRoom(found.room))
            del self.by_name[name]


class ConferenceStage(Stage):
    """One party in the conference `at`."""

    label = "talking"

    def __init__(self, call: "Call", name: str) -> None:
        super().__init__(call, name)
        self._member = 0

    def enter(self, now: Instant) -> None:
        call, rooms = self.call, self.call.office.conferences
        try:
            worker = rooms.place(self.at, call.leg.worker)
            if worker != call.leg.worker:
                call.recording.stop(now)  # a recorder cannot come along
            call.drive(call.leg.move_to(worker, now))
        except NoPort as error:
            call.fail(error, now)
            return
        if not call.answer(now):
            return
        call.served(now, f"conference:{self.at}")
        call.check_audible(call.leg)
        self._member = call.leg.id
        rooms.join(self.at, call.leg)
        members = len(rooms.by_name[self.at].members)
        call.office.fact("conference.joined", now, call.id, conference=self.at, party=call.leg.peer, members=members)
        call.talking((call.leg,), now)

    def leave(self, now: Instant) -> None:
        if self._member:
            self.call.office.conferences.part(self.at, self._member)
            self.call.office.fact("conference.left", now, self.call.id, conference=self.at, party=self.call.leg.peer)
            self.call.talking((), now)
            self._member = 0

    def on_hold(self, leg: Leg, held: bool, now: Instant) -> None:
        if self._member:
            self.call.office.conferences.hear(self.at, leg)
