"""Members come, type, press keys, hold, vanish; operators order; media is lost: whatever happens in whatever order,
who is in a room is what the room and media say, and nothing is left."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softswitch.kernel.errors import LocalError
from softswitch.switch.events import ConferenceCommand, MediaLost, Reported
from softswitch.switch.stages.conferring import ConferenceStage
from softswitch.wire.control import RecordDone
from tests.switch.meeting import Meeting, moderated
from tests.switch.site import Line, MediaProcess, Party

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(0, 3), st.sampled_from(("1234#", "9876#"))),
        st.tuples(st.just("come"), st.integers(0, 4), st.sampled_from(("", "1234#", "9876#", "1#", "12"))),
        st.tuples(st.just("key"), st.integers(0, 4), st.sampled_from(("#", "*", "1", "1234#", "9876#"))),
        st.tuples(st.just("key"), st.integers(0, 4), st.sampled_from([f"*{key}" for key in "123456789"])),
        st.tuples(st.sampled_from(("go", "hold", "resume")), st.integers(0, 4), st.just("")),
        st.tuples(st.just("answer"), st.integers(0, 3), st.just("")),
        st.tuples(st.just("invite"), st.integers(0, 3), st.sampled_from(("ring", "answer", "busy"))),
        st.tuples(st.just("say"), st.integers(0, 3), st.sampled_from(("#", ""))),
        st.tuples(st.sampled_from(("talk", "gather")), st.integers(0, 3), st.just("")),
        st.tuples(st.just("order"), st.just(0), st.sampled_from(("mute", "unmute", "kick", "lock", "unlock", "end"))),
        st.tuples(st.sampled_from(("prompts", "lost", "disk")), st.integers(0, 1), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from((1, 7, 70)), st.just("")),
    ),
    min_size=8,
    max_size=30,
)
RULES = st.fixed_dictionaries(
    {
        "announce": st.sampled_from(("none", "tone", "name")),
        "wait_for_moderator": st.booleans(),
        "end_with_moderator": st.booleans(),
        "record": st.sampled_from(("none", "mix", "members")),
        "max_members": st.sampled_from((0, 2, 3)),
        "muted": st.booleans(),
        "idle_timeout": st.sampled_from((0.0, 60.0)),
    }
)


class Evening:
    """One random run."""

    def __init__(self, rules: dict[str, object]) -> None:
        self.site = Meeting(moderated(**rules), workers=2)
        self.site.switch.office._find_prompt = _prompt
        self.parties: list[Party] = [*self.site.phones, self.site.carrier]

    def line(self, party: Party) -> Line | None:
        return next((line for line in party.lines.values() if line.state in ("calling", "ringing", "up")), None)

    def step(self, what: str, number: int, how: str) -> None:
        site, party = self.site, self.parties[number] if number < 5 else self.parties[0]
        line = self.line(party)
        match what:
            case "come" if line is None:
                site.come(party)
                self.press(party, how)
            case "key":
                self.press(party, how)
            case "go" if line is not None:
                party.hang_up(line) if line.state != "ringing" else party.reject(line, 486)
            case "hold" if line is not None and line.state == "up":
                party.hold(line)
            case "resume" if line is not None and line.state == "up":
                party.resume(line)
            case "answer" if line is not None and line.state == "ringing":
                party.answer(line)
            case "invite":
                party.on_invite = 486 if how == "busy" else how
                site.give(ConferenceCommand("board", "invite", number=f"100{number + 1}", phone="1001"))
            case "talk" if line is None:
                self.parties[(number + 1) % 4].on_invite = "answer"
                party.call(f"100{(number + 1) % 4 + 1}")
            case "gather":
                for id in tuple(site.switch.calls):
                    site.give(ConferenceCommand("board", "gather", id))
            case "order":
                member = "all" if how in ("mute", "unmute", "kick") else ""
                site.give(ConferenceCommand("board", how, member))  # type: ignore[arg-type]  # a literal
            case "say":
                self.prompts()
                self.prompts()
                self.press(party, how)
            case "prompts":
                self.prompts()
            case "lost":
                self.lose(number)
            case "disk":
                self.full_disk()
            case "wait":
                site.run(float(number))

    def press(self, party: Party, keys: str) -> None:
        peer = "trunk:carrier" if party is self.site.carrier else f"phone:{party.name}"
        for digit in keys:
            legs = self.site.switch.office.fabric.legs.values()
            leg = next((leg for leg in legs if leg.peer == peer and not leg.over), None)
            if leg is not None:
                self.site.press(leg.id, digit)

    def prompts(self) -> None:
        for number, process in enumerate(self.site.processes):
            for player, play in list(process.players.items()):
                if play.loops and player in process.players:
                    self.site.give(Reported(number, (process.finish(player),)))

    def lose(self, number: int) -> None:
        """The process is gone, and a new one begins."""
        site = self.site
        site.processes[number] = MediaProcess()
        site.give(MediaLost(number))
        site.give(Reported(number, (site.processes[number].ready(),)))

    def full_disk(self) -> None:
        for number, process in enumerate(self.site.processes):
            for recorder, path in list(process.recorders.items()):
                del process.recorders[recorder]
                process._leave_rooms(recorder)
                process.edges = {edge for edge in process.edges if edge[1] != recorder}
                self.site.give(Reported(number, (RecordDone(recorder, path, "failed", 100, "disk full"),)))

    def check(self) -> None:
        """Calls, rooms and media agree."""
        office = self.site.switch.office
        there = {call.id for call in office.calls.values() if isinstance(call.stage, ConferenceStage)}
        rooms = office.conferences.by_name.values()
        assert {id for room in rooms for id in room.members} == there
        assert sum(len(process.rooms) for process in self.site.processes) == len(rooms)
        for room in rooms:
            assert room.members, "a room without members"
            assert not room.ending
            members = self.site.processes[room.worker].rooms[room.id]
            legs = {member.leg.id: (member.speak, member.volume) for member in room.members.values()}
            assert {id: gains for id, gains in members.items() if id in legs} == (legs if room.begun else {})
            assert set(members) - set(legs) <= {room.player, room.recorder}
            limit = room.rules.max_members
            assert not limit or len(room.members) <= limit

    def close(self) -> None:
        for party in self.parties:
            while (line := self.line(party)) is not None:
                party.hang_up(line) if line.state != "ringing" else party.reject(line, 486)
        self.check()
        office = self.site.switch.office
        assert not office.conferences.by_name
        assert not office.conferences.discarded
        assert not office.dictations
        assert sorted(self.site.removed) == sorted(self.site.spoken), "names that somebody has said"
        self.site.nothing_left()


def _prompt(name: str, language: str) -> str:
    if "/names/" in name:
        raise LocalError("not there")
    return f"{language}/{name}"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=RULES, steps=STEPS)
def test_whatever_happens_nothing_is_left(rules: dict[str, object], steps: list[tuple[str, int, str]]) -> None:
    evening = Evening(rules)
    for what, number, how in steps:
        evening.step(what, number, how)
        evening.check()
    evening.close()
