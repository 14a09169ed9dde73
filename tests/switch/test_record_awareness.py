"""Parties that know of recording (RFC 7866 §6): they are told that they are recorded, and what they wish counts."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.switch.events import RecordingCommand
from softswitch.switch.settings import Recording, Settings
from softswitch.wire import control
from softswitch.wire.sdp import parse_sdp
from tests.switch.recording_server import RecordingServer as Server
from tests.switch.site import Line, Party, Site
from tests.switch.test_siprec import SETTINGS, fed

FILE = replace(
    SETTINGS, siprec={}, queues={"support": replace(SETTINGS.queues["support"], siprec=None, record=True)},
    recording=Recording(directory="/recordings"),
)  # fmt: skip
AWARE = (("Supported", "record-aware"),)


def wishing(wish: str, version: int = 1) -> bytes:
    head = f"v=0\r\no=- 1 {version} IN IP4 198.51.100.10\r\ns=-\r\nc=IN IP4 198.51.100.10\r\nt=0 0\r\n"
    wished = f"a=recordpref:{wish}\r\n" if wish else ""
    return f"{head}m=audio 4000 RTP/AVP 8\r\n{wished}".encode()


def talking(
    settings: Settings, headers: tuple[tuple[str, str], ...] = AWARE, sdp: bool | bytes = True
) -> tuple[Site, Party, Line, list[str | None]]:
    """The carrier's caller talks with alice; what it is told of recording by later offers gathers in the list."""
    site = Site(settings)
    Server(site)
    site.phone("1001", "192.0.2.10")
    carrier = site.party("+37061234567", "198.51.100.10")
    told: list[str | None] = []
    sound = carrier.to_answer

    def answer(offer: bytes) -> bytes:
        told.append(parse_sdp(offer).media[0].get("record"))
        return sound(offer)

    carrier.to_answer = answer
    line = carrier.call("100", headers=headers, sdp=sdp)
    site.run(1.0)
    return site, carrier, line, told


def silences(site: Site) -> list[str]:
    kinds = ("recording.paused", "recording.resumed")
    return [fact.kind for fact in site.saved if isinstance(fact, Fact) and fact.kind in kinds]


@pytest.mark.parametrize("settings", [SETTINGS, FILE], ids=["server", "file"])
def test_a_party_that_can_show_it_is_told(settings: Settings) -> None:
    """RFC 7866 §6.2: on, paused, on again."""
    site, carrier, line, told = talking(settings)
    assert told == ["on"]
    (id,) = site.switch.calls
    site.give(RecordingCommand(id, "pause", "boss", "card"))
    site.run(1.0)
    site.give(RecordingCommand(id, "resume", "boss", ""))
    site.run(1.0)
    assert told == ["on", "paused", "on"]
    carrier.hang_up(line)
    site.nothing_left()


def test_nobody_else_is_asked_for_anything() -> None:
    site, carrier, line, told = talking(SETTINGS, headers=())
    assert told == []
    carrier.hang_up(line)
    site.nothing_left()


def test_nobody_is_told_of_what_does_not_run() -> None:
    bare = replace(FILE, queues={"support": replace(FILE.queues["support"], record=False)})
    site, carrier, line, told = talking(bare)
    assert told == []
    carrier.hang_up(line)
    site.nothing_left()


def test_indication_can_be_switched_off() -> None:
    site, carrier, line, told = talking(replace(SETTINGS, recording=Recording(indicate=False)))
    assert told == []
    carrier.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("wish", ["off", "pause"])
def test_who_does_not_want_it_is_not_recorded(wish: str) -> None:
    """RFC 7866 §6.3: from the first moment, until it changes its mind."""
    site, carrier, line, told = talking(SETTINGS, sdp=wishing(wish))
    server = site.parties["192.0.2.80", 5060]
    assert isinstance(server, Server)
    assert all(not voices for voices in fed(site, server).values())
    assert {media.direction for media in server.offers[-1]} == {"inactive"}
    assert silences(site) == ["recording.paused"]
    carrier.reoffer(line, wishing("on", 2))
    site.run(1.0)
    assert silences(site) == ["recording.paused", "recording.resumed"]
    assert all(fed(site, server).values())
    assert told[-1] == "on"
    carrier.hang_up(line)
    site.nothing_left()


def test_the_wish_counts_for_files_too_and_can_be_left_out_of_account() -> None:
    for recordpref, expected in ((True, ["recording.paused"]), (False, [])):
        settings = replace(FILE, recording=Recording(directory="/recordings", recordpref=recordpref))
        site, carrier, line, _ = talking(settings, sdp=wishing("off"))
        paused: list[control.Command] = []
        assert silences(site) == expected, paused
        carrier.hang_up(line)
        site.nothing_left()


def test_an_order_does_not_overrule_the_wish() -> None:
    site, carrier, line, _ = talking(SETTINGS, sdp=wishing("off"))
    server = site.parties["192.0.2.80", 5060]
    assert isinstance(server, Server)
    (id,) = site.switch.calls
    site.give(RecordingCommand(id, "pause", "boss", ""))
    site.give(RecordingCommand(id, "resume", "boss", ""))
    site.run(1.0)
    assert all(not voices for voices in fed(site, server).values())
    carrier.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("wish", ["", " ", "nonsense", "\xff", "nopreference"])
def test_other_words_mean_nothing(wish: str) -> None:
    site, carrier, line, _ = talking(SETTINGS, sdp=wishing("on") + f"a=recordpref:{wish}\r\n".encode("latin-1"))
    assert silences(site) == []
    carrier.hang_up(line)
    site.nothing_left()
