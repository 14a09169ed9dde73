"""Random days with recording servers of all tempers: beside what must hold on any day, each session begun has ended,
none is left, and what they get are voices of the call and nobody else's."""

import os
from collections import Counter
from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.switch.recording_session import State
from softswitch.switch.settings import RecordingServer
from softswitch.switch.stages.talking import TalkStage
from softswitch.wire.sdp import Media
from tests.switch import test_random_days as days
from tests.switch.recording_server import RecordingServer as Server
from tests.switch.site import Line

SETTINGS = replace(
    days.SETTINGS,
    siprec={
        "main": RecordingServer(address="sip:srs@192.0.2.80", backup="spare", all=True, retry_seconds=5.0),
        "spare": RecordingServer(address="sip:srs@192.0.2.81", timeout_seconds=1.0, answer_seconds=2.0),
    },
)  # fmt: skip


IMAGE = ("m=image 5002 udptl t38\r\na=T38FaxVersion:0",) * 3 + ("m=audio 4000 RTP/AVP 8",)


class Day(days.Day):
    """The servers move, too."""

    def __init__(self, seed: int, slots: int) -> None:
        super().__init__(seed, slots)
        self.servers = [Server(self.site, f"192.0.2.8{n}") for n in (0, 1)]
        for server in self.servers:
            server.to_line = lambda place, media, server=server: self.line_of(server, place, media)
        more = [self.temper, self.leave, self.change, self.late, self.fax]
        self.actions += more * 12

    def line_of(self, server: Server, place: int, media: Media) -> str:
        way = self.dice.choice(("", "", "", "", "inactive", "0"))
        return "m=audio 0 RTP/AVP 8\r\n" if way == "0" else server.taken(place, media, direction=way)

    def temper(self) -> None:
        tempers: tuple[str | int, ...] = ("answer",) * 6 + ("ring", "silent", 503, 488, 420)
        self.dice.choice(self.servers).on_invite = self.dice.choice(tempers)

    def sessions(self, state: str) -> list[tuple[Server, Line]]:
        return [(server, line) for server in self.servers for line in server.lines.values() if line.state == state]

    def leave(self) -> None:
        if found := self.sessions("up"):
            server, line = self.dice.choice(found)
            server.hang_up(line)

    def late(self) -> None:
        if found := self.sessions("ringing"):
            server, line = self.dice.choice(found)
            server.answer(line)

    def change(self) -> None:
        """It takes the lines otherwise."""
        if found := self.sessions("up"):
            server, line = self.dice.choice(found)
            self.version += 1
            offer = server.offers[-1]
            lines = [self.line_of(server, place, media) for place, media in enumerate(offer)]
            server.reoffer(line, self.dice.choice((b"", server.description(*lines, version=self.version))))

    def fax(self) -> None:
        """A party of a talk asks for an image, or for sound again."""
        if found := self.lines("up"):
            party, line = self.dice.choice(found)
            party.reoffer(line, self.describe(party, (self.dice.choice(IMAGE),)))

    def check(self) -> None:
        super().check()
        office = self.site.switch.office
        sessions = set(office.recording_servers.by_session.values())
        for fax in office.faxes.by_session.values():
            stage = fax.call.stage
            assert isinstance(stage, TalkStage)
            assert set(fax.parties) == {fax.call.leg, stage.callee}
        live = [call for call in self.site.switch.calls.values() if call.recording._session is not None]
        assert sessions == {
            call.recording._session
            for call in live
            if call.recording._session is not None and call.recording._session.state in (State.CALLING, State.RECORDING)
        }
        for call in live:
            session = call.recording._session
            assert session is not None
            own = {leg.id for leg in (call.leg, *call.stage.legs(), *(one.leg for one in call.watchers))}
            for stream in session._streams:
                heard = self.site.media.hears(stream.id)
                assert heard <= own, (call.stage.label, heard - own)
                assert not (heard and call.recording.paused)

    def ends(self) -> None:
        super().ends()
        assert not self.site.switch.office.recording_servers.by_session
        assert not self.site.switch.office.faxes.by_session
        kinds = Counter(fact.kind for fact in self.site.saved if isinstance(fact, Fact))
        assert kinds["fax.started"] == kinds["fax.ended"]
        facts = [fact for fact in self.site.saved if isinstance(fact, Fact)]
        counts = Counter((fact.call, fact.kind) for fact in facts if fact.kind.startswith("siprec."))
        for call, kind in tuple(counts):
            if kind == "siprec.started":
                assert counts[call, "siprec.ended"] == counts[call, kind]


FIRST = int(os.environ.get("RANDOM_DAYS_FROM", "0"))
LAST = int(os.environ.get("RANDOM_DAYS_TO", "8"))


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_whatever_recording_servers_do(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(days, "SETTINGS", SETTINGS)
    day = Day(1000 + seed, slots=(500, 9, 500)[seed % 3])
    for _ in range(days.STEPS):
        day.step()
    day.ends()
