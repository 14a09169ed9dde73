"""Conferences: who is in which room, who may speak, what all of them hear.

A room is there while somebody is in it, in the media process of who came first. Its members are calls whose stage is
`ConferenceStage`; what the room decides about them it does to their stages. A name without `[conferences.NAME]` is a
room without rules.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from softswitch.call.leg import Leg
from softswitch.call.speech import say_number
from softswitch.kernel.clock import Instant, is_due
from softswitch.kernel.errors import PeerError
from softswitch.switch.events import RemoveFile
from softswitch.switch.recording import RunningRecording
from softswitch.switch.settings import Conference
from softswitch.wire.control import CloseRoom, Edge, FileItem, JoinRoom, LeaveRoom, OpenRoom, PlayItem, Record, ToneItem

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office
    from softswitch.switch.stages.conferring import ConferenceStage

PLAIN: Final = Conference(announce="none", idle_timeout=0.0)  # of a name that the settings do not have
OWNER: Final = "conference:"  # before the name, of players that a room hears
FOLDER: Final = "conferences/"  # of recordings
EVERYBODY: Final = "all"
_CAME: Final = (ToneItem((660.0,), 120, 20, level=-19.0), ToneItem((880.0,), 160, level=-19.0))
_LEFT: Final = (ToneItem((880.0,), 120, 20, level=-19.0), ToneItem((660.0,), 160, level=-19.0))
_LOUDEST: Final = 4.0
_STEP: Final = 1.4125  # 3 dB
_QUIET: Final = -45.0  # dBm0 of the last 20 ms above which somebody is said to talk


@dataclass(slots=True, eq=False)
class Member:
    """`muted`: by its own wish (or as it came); `silenced`: by a moderator or an operator, who alone can lift it.
    `name`: a sound file, which is thrown away in the end when it is `spoken` for this conference."""

    stage: "ConferenceStage"
    call: "Call"
    leg: Leg
    moderator: bool
    since: Instant
    muted: bool = False
    silenced: bool = False
    volume: float = 1.0
    name: str = ""
    spoken: bool = False
    recorder: int = 0

    @property
    def speak(self) -> float:
        """How loud the others hear it; who holds the call says nothing in the room."""
        return 0.0 if self.muted or self.silenced or self.leg.held_at is not None else 1.0

    @property
    def file(self) -> str:
        """What is to be thrown away after it."""
        return self.name if self.spoken else ""

    @property
    def talks(self) -> bool:
        """Whether it was heard when media looked last."""
        return bool(self.speak) and self.level > _QUIET

    @property
    def level(self) -> float:
        """dBm0, as media told last."""
        return -100.0 if self.leg.figures is None else self.leg.figures.level


@dataclass(slots=True, eq=False)
class Room:
    """`members` by call, in order of coming. `begun`: the moderator whom all wait for has come, or nobody waits.
    `alone_until`: when it ends unless somebody comes. `sayings` are what all hear one after the other, each with a
    file to be thrown away after it; `unsaid` are such files of which nothing more is said. `ringing`: calls that were
    invited and have not answered."""

    name: str
    id: int
    worker: int
    rules: Conference
    language: str
    opened: Instant
    call: str
    begun: bool
    members: dict[str, Member] = field(default_factory=dict)
    locked: bool = False
    ending: bool = False
    recorder: int = 0
    path: str = ""
    came: int = 0
    player: int = 0
    sayings: deque[tuple[tuple[PlayItem, ...], str]] = field(default_factory=deque)
    unsaid: list[str] = field(default_factory=list)
    alone_until: Instant | None = None
    ringing: set[str] = field(default_factory=set)

    @property
    def moderated(self) -> bool:
        return any(member.moderator for member in self.members.values())


class Conferences:
    """The rooms that somebody is in, by name."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self.by_name: dict[str, Room] = {}
        # Files of names that go when media is done with them: by recorder or player, with the media process.
        self.discarded: dict[int, tuple[int, tuple[str, ...]]] = {}

    def rules(self, name: str) -> Conference:
        """As the settings have it."""
        return self._office.settings.conferences.get(name, PLAIN)

    def place(self, name: str, worker: int) -> int:
        """The media process of the conference: `worker`, if it is new."""
        found = self.by_name.get(name)
        return worker if found is None else found.worker

    def refusal(self, name: str, *, moderator: bool = False) -> str:
        """Why nobody can come in now (`full`, `locked`); empty when one can. Moderators open what is locked."""
        room = self.by_name.get(name)
        if room is None:
            return ""
        if room.rules.max_members and len(room.members) >= room.rules.max_members:
            return "full"
        return "locked" if room.locked and not moderator else ""

    # ----------------------------------------------------------------------------------------------- coming and going

    def join(self, name: str, member: Member, now: Instant) -> Room:
        """The member, whose leg is in the conference's media process, comes in; the first one opens the room."""
        room = self.by_name.get(name) or self._open(name, member, now)
        rules, call = room.rules, member.call
        member.muted = rules.muted and not member.moderator
        others = len(room.members)
        room.ringing.discard(call.id)
        room.members[call.id] = member
        if room.begun and not others:
            self._record(room, now)
        if member.moderator and not room.begun:
            self._begin(room, now)
        elif room.begun:
            self._let_in(room, member, now)
        if others and rules.announce != "none":
            self._announce(room, member, "conference-joined", _CAME)
        self._look(room, now)
        return room

    def part(self, room: Room, call: str, now: Instant) -> None:
        """A member goes; the last one closes the room."""
        member = room.members.pop(call, None)
        if member is None:
            return
        fabric = self._office.fabric
        if room.begun:
            fabric.command(room.worker, LeaveRoom(room.id, member.leg.id))
        if member.recorder:
            fabric.stop_record(room.worker, member.recorder)
        if not room.members:
            self._close(room, member.file, now)
            return
        if room.rules.announce != "none":
            self._announce(room, member, "conference-left", _LEFT, member.file)
        else:
            self._not_said(room, member.file)
        if member.moderator and room.rules.end_with_moderator and not room.moderated:
            self.end(room, now, by=member.leg.peer, why="the moderator left")
            return
        self._look(room, now)

    def end(self, room: Room, now: Instant, *, by: str, why: str) -> None:
        """All are told that it is over, and hung up."""
        if room.ending:
            return
        room.ending = True
        self._office.fact("conference.over", now, room.call, conference=room.name, by=by, why=why)
        for member in tuple(room.members.values()):
            member.call.play_and_end("conference-ended", now, reason=why)

    def wake(self, room: Room, now: Instant) -> bool:
        """Whether the room has ended because nobody came."""
        if room.alone_until is None or not is_due(room.alone_until, now):
            return False
        self.end(room, now, by="switch", why="nobody else came")
        return True

    def _open(self, name: str, first: Member, now: Instant) -> Room:
        fabric, rules, call = self._office.fabric, self.rules(name), first.call
        room = Room(
            name, fabric.new_id(), first.leg.worker, rules, rules.language or call.language, now, call.id,
            begun=not rules.wait_for_moderator,
        )  # fmt: skip
        self.by_name[name] = room
        fabric.command(room.worker, OpenRoom(room.id))
        return room

    def _begin(self, room: Room, now: Instant) -> None:
        """The moderator is there: who heard music until now hears the others."""
        room.begun = True
        self._record(room, now)
        for member in room.members.values():
            member.call.silence()
            member.leg.hear()
            self._let_in(room, member, now)
        self._office.fact("conference.begun", now, room.call, conference=room.name, members=len(room.members))

    def _let_in(self, room: Room, member: Member, now: Instant) -> None:
        self.tune(room, member)
        if room.recorder and room.rules.record == "members":
            room.came += 1
            path = f"{room.path.removesuffix('.wav')}-{room.came}-{member.call.id}.wav"
            member.recorder = self._start_recording(room, member.call, path, now)
            if member.recorder:
                self._office.fabric.connect(room.worker, Edge(member.leg.id, member.recorder, 0))

    def _close(self, room: Room, last: str, now: Instant) -> None:
        """`last`: the name that who left last has said."""
        office = self._office
        fabric = office.fabric
        del self.by_name[room.name]
        files = tuple(file for file in (*(saying[1] for saying in room.sayings), *room.unsaid, last) if file)
        room.sayings.clear()
        room.unsaid.clear()
        if room.player:
            if files:
                self.discarded[room.player] = (room.worker, files)  # media may be reading one of them
            fabric.stop_play(room.worker, room.player)
            room.player = 0
        else:
            for file in files:
                self.forget_name(file)
        if room.recorder:
            fabric.stop_record(room.worker, room.recorder)
        fabric.command(room.worker, CloseRoom(room.id))
        for id in tuple(room.ringing):
            if (call := office.calls.get(id)) is not None and call.stage.label == "ringing":
                call.end(now, by="switch", reason="the conference is over")
        room.ringing.clear()

    def _look(self, room: Room, now: Instant) -> None:
        """Whether somebody is alone, or waits for a moderator, and how long that may last."""
        waits = room.rules.idle_timeout and (len(room.members) < 2 or not room.begun)
        if waits and room.alone_until is None:
            room.alone_until = now + room.rules.idle_timeout
        elif not waits:
            room.alone_until = None
        for member in room.members.values():
            member.stage.look()

    # --------------------------------------------------------------------------------------------- who speaks and hears

    def tune(self, room: Room, member: Member) -> None:
        """Media is told how loud the member is heard and hears."""
        if room.begun:
            self._office.fabric.command(room.worker, JoinRoom(room.id, member.leg.id, member.speak, member.volume))

    def mute(self, room: Room, member: Member, muted: bool, now: Instant) -> None:
        """By its own wish."""
        if member.muted is not muted:
            member.muted = muted
            self._muted(room, member, muted, member.leg.peer, now)

    def silence(self, room: Room, member: Member, silenced: bool, by: str, now: Instant) -> None:
        """By somebody who may; who is let speak again is not muted either."""
        changed = member.silenced is not silenced or (not silenced and member.muted)
        member.silenced = silenced
        if not silenced:
            member.muted = False
        if changed:
            self._muted(room, member, silenced, by, now)

    def silence_all(self, room: Room, silenced: bool, by: str, now: Instant) -> None:
        """All but the moderators."""
        for member in room.members.values():
            if not member.moderator:
                self.silence(room, member, silenced, by, now)
        self.say(room, "conference-muted" if silenced else "conference-unmuted")

    def volume(self, room: Room, member: Member, louder: bool) -> None:
        """A step of 3 dB for what the member hears."""
        member.volume = min(max(member.volume * (_STEP if louder else 1 / _STEP), 1 / _LOUDEST), _LOUDEST)
        self.tune(room, member)

    def lock(self, room: Room, locked: bool, by: str, now: Instant) -> None:
        """Nobody but moderators comes in any more, or all do again."""
        if room.locked is not locked:
            room.locked = locked
            kind = "conference.locked" if locked else "conference.unlocked"
            self._office.fact(kind, now, room.call, conference=room.name, by=by)
            self.say(room, "conference-locked" if locked else "conference-unlocked")

    def eject(self, room: Room, member: Member, by: str, now: Instant) -> None:
        """The member is told, and hung up."""
        call = member.call
        self._office.fact("conference.ejected", now, call.id, conference=room.name, party=member.leg.peer, by=by)
        call.play_and_end("conference-ejected", now, reason="ejected from the conference")

    def last_of(self, room: Room) -> Member | None:
        """Who came last and is no moderator."""
        return next((one for one in reversed(room.members.values()) if not one.moderator), None)

    def members(self, name: str, who: str) -> tuple[Room, list[Member]]:
        """The members of a conference that `who` means: a call's id, a party (`phone:1001`), a caller's number, or
        `all` who are no moderators. Raises `PeerError` 404."""
        room = self.by_name.get(name)
        if room is None:
            raise PeerError(f"nobody is in a conference {name}", status=404)
        if who == EVERYBODY:
            return room, [member for member in room.members.values() if not member.moderator]
        found = [one for one in room.members.values() if who in (one.call.id, one.leg.peer, shown(one))]
        found = found or [one for one in room.members.values() if one.leg.peer == f"phone:{who}"]
        if not found:
            raise PeerError(f"{who} is not in conference {name}", status=404)
        return room, found

    def _muted(self, room: Room, member: Member, muted: bool, by: str, now: Instant) -> None:
        self.tune(room, member)
        kind = "conference.muted" if muted else "conference.unmuted"
        self._office.fact(kind, now, member.call.id, conference=room.name, party=member.leg.peer, by=by)

    # ------------------------------------------------------------------------------------------- what all of them hear

    def say(self, room: Room, *names: str) -> None:
        """Prompts for all members."""
        self._say(room, self._office.prompts(names, room.language))

    def count(self, room: Room, language: str) -> tuple[str, ...]:
        """The prompts that tell how many there are."""
        return ("conference-members", *say_number(len(room.members), language))

    def played(self, name: str, player: int) -> None:
        """What all of them heard has come to its end."""
        room = self.by_name.get(name)
        if room is None or room.player != player:
            return
        room.player = 0
        self.forget_name(room.sayings.popleft()[1])
        self._next(room)

    def _announce(self, room: Room, member: Member, prompt: str, tone: tuple[PlayItem, ...], discard: str = "") -> None:
        items = tone
        if room.rules.announce == "name" and member.name:
            items = (FileItem(member.name), *self._office.prompts((prompt,), room.language))
        self._say(room, items, discard)

    def _say(self, room: Room, items: tuple[PlayItem, ...], discard: str = "") -> None:
        if room.begun and not room.ending:
            room.sayings.append((items, discard))
            if not room.player:
                self._next(room)
        else:
            self._not_said(room, discard)

    def _not_said(self, room: Room, file: str) -> None:
        """Media may be reading the file while something is said."""
        if room.player and file:
            room.unsaid.append(file)
        else:
            self.forget_name(file)

    def _next(self, room: Room) -> None:
        while room.sayings and not room.sayings[0][0]:  # its prompts are missing, which was logged
            self.forget_name(room.sayings.popleft()[1])
        if room.sayings:
            fabric = self._office.fabric
            room.player = fabric.play(room.worker, room.sayings[0][0], owner=f"{OWNER}{room.name}")
            fabric.command(room.worker, JoinRoom(room.id, room.player, 1.0, 0.0))

    def throw_away(self, recorder: int, worker: int, path: str) -> None:
        """A name that is being spoken will not be heard: its file goes when media has closed it."""
        self.discarded[recorder] = (worker, (path,))
        self._office.fabric.stop_record(worker, recorder)

    def closed(self, user: int) -> bool:
        """Media is done with a recorder or a player; whether files were waiting for that."""
        found = self.discarded.pop(user, None)
        for file in () if found is None else found[1]:
            self.forget_name(file)
        return found is not None

    def lost(self, worker: int) -> None:
        """The media process is gone, and uses no file any more."""
        for user, (where, _) in tuple(self.discarded.items()):
            if where == worker:
                self.closed(user)

    def forget_name(self, file: str) -> None:
        """Throw away a name that somebody has said; empty: there is none."""
        if file:
            self._office.outbox.append(RemoveFile(file))

    # ------------------------------------------------------------------------------------------------------- recording

    def _record(self, room: Room, now: Instant) -> None:
        if room.rules.record == "none":
            return
        call = next(iter(room.members.values())).call
        zone = ZoneInfo(self._office.settings.server.timezone)
        moment = datetime.fromtimestamp(now, zone).strftime("%Y-%m-%d-%H%M%S")
        room.path = f"{FOLDER}{room.name}/{moment}-{call.id}.wav"
        room.recorder = self._start_recording(room, call, room.path, now)
        if room.recorder:
            self._office.fabric.command(room.worker, JoinRoom(room.id, room.recorder, 0.0, 1.0))

    def _start_recording(self, room: Room, call: "Call", path: str, now: Instant) -> int:
        """The recorder; 0 when nothing can be recorded."""
        office = self._office
        if refusal := office.recording_refusal:
            office.fact("recording.skipped", now, call.id, reason=refusal)
            office.log("error", "conference is not recorded", conference=room.name, reason=refusal)
            return 0
        recorder = office.fabric.new_id()
        office.fabric.record(room.worker, Record(recorder, f"{office.settings.recording.directory}/{path}", 1))
        office.recordings[recorder] = RunningRecording(
            call=call.id, path=path, started=now, worker=room.worker, channels=1,
            caller=call.caller, called=f"{OWNER}{room.name}",
        )  # fmt: skip
        office.fact(
            "recording.started", now, call.id, path=path, channels=1, queue="", agent="", caller=call.caller,
            called=f"{OWNER}{room.name}",
        )  # fmt: skip
        return recorder

    def legs(self, worker: int) -> list[int]:
        """The members' legs in that media process."""
        rooms = (room for room in self.by_name.values() if room.worker == worker)
        return [member.leg.id for room in rooms for member in room.members.values()]


def shown(member: Member) -> str:
    """The number of who is there: the caller's, or of who was invited the one that was called."""
    call = member.call
    return call.number if call.called.startswith(OWNER) else call.caller
