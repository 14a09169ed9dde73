"""Calls that a recording server gets (SIPREC): session, streams and metadata through talk, hold, transfer."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.sip.next_hop import Hop
from softswitch.switch.events import HopsLocated, RecordingCommand, TransferCommand
from softswitch.switch.settings import Agent, Phone, RecordingServer, Route, Settings, Sip, Trunk
from tests.switch.recording_server import RecordingServer as Server
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        "1001": Phone(password=PASSWORD, name="Alice's desk"),
        "1002": Phone(password=PASSWORD, name="Bob & Co"),
    },
    agents={"alice": Agent(phone="1001", name="Alice", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=("alice",), record=False, siprec="main")},
    siprec={"main": RecordingServer(address="sip:srs@192.0.2.80")},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
)
CALLER = "sip:+37061234567@pbx.test"
ALICE, BOB = "sip:1001@pbx.test", "sip:1002@pbx.test"


def talking(settings: Settings = SETTINGS) -> tuple[Site, Server, Party, Party, Line]:
    """The carrier's caller talks with alice."""
    site = Site(settings)
    server = Server(site)
    alice, carrier = site.phone("1001", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(1.0)
    return site, server, alice, carrier, line


def facts(site: Site, *kinds: str) -> list[Fact]:
    return [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind in kinds]


def fed(site: Site, server: Server) -> dict[str, set[int]]:
    """Which legs each stream to the server hears, by its label; streams that are not sent hear nobody."""
    ports = {7000: "1", 7002: "2"}
    streams = {
        ports[spec.remote[1]]: leg for leg, spec in site.media.legs.items()
        if spec.remote is not None and spec.remote[0] == server.remote[0] and spec.send
    }  # fmt: skip
    return {label: site.media.hears(leg) for label, leg in streams.items()}


def legs(site: Site) -> tuple[int, ...]:
    """The call's own, and its others'."""
    (call,) = site.switch.calls.values()
    return (call.leg.id, *(leg.id for leg in call.stage.legs()))


def test_a_call_of_the_queue_is_sent_with_both_voices_apart() -> None:
    """RFC 7866 §6.1.1, §7.1, §9.1: one INVITE that requires siprec, two labelled lines that only send."""
    site, server, _, carrier, line = talking()
    request = server.line.request
    assert request is not None
    assert request.headers.get("Require") == "siprec"
    (offer,) = server.offers
    assert [(media.direction, media.get("label")) for media in offer] == [("sendonly", "1"), ("sendonly", "2")]
    (said,) = server.documents
    assert said.mode == "complete"
    assert said.sends == {CALLER: ["1"], ALICE: ["2"]}
    assert said.hears == {CALLER: ["2"], ALICE: ["1"]}
    assert said.names[ALICE] == "Alice"
    caller, alice = legs(site)
    assert fed(site, server) == {"1": {caller}, "2": {alice}}
    assert all(
        not site.media.legs[leg].receive
        for leg in site.media.legs
        if site.media.legs[leg].remote == ("192.0.2.80", 7000)
    )
    (started,) = facts(site, "siprec.started")
    assert (started.data["server"], started.data["streams"]) == ("main", 2)
    site.run(9.0)
    carrier.hang_up(line)
    assert server.line.state == "over"
    (ended,) = facts(site, "siprec.ended")
    assert ended.data["seconds"] == pytest.approx(10.0, abs=0.1)
    site.nothing_left()


def test_a_recording_server_is_no_stranger() -> None:
    """Nor are the addresses that its name stands for: its answers pass the gate like a carrier's."""
    named = replace(SETTINGS, siprec={"main": RecordingServer(address="sip:srs.example.com")})
    for settings in (SETTINGS, named):
        site = Site(settings)
        if settings is named:
            assert not site.switch.desk.knows("192.0.2.80", site.now)
            site.give(HopsLocated("siprec:main", (Hop("udp", "192.0.2.80", 5060),)))
        assert site.switch.desk.knows("192.0.2.80", site.now)
        assert not site.switch.desk.knows("192.0.2.99", site.now)


def test_the_parties_are_not_asked_for_anything() -> None:
    """What they say and hear is what it would be without a recording server."""
    site, _, alice, carrier, line = talking()
    bare, _, its_alice, _, its_line = talking(
        replace(SETTINGS, siprec={}, queues={"support": replace(SETTINGS.queues["support"], siprec=None)})
    )
    assert [len(alice.line.events), len(line.events)] == [len(its_alice.line.events), len(its_line.events)]
    caller, agent = legs(site)
    assert site.media.hears(caller) == {agent}
    assert site.media.hears(agent) == {caller}
    assert len(bare.media.legs) == 2
    carrier.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("how", ["phone", "trunk", "all", "route says no"])
def test_which_calls(how: str) -> None:
    settings = replace(
        SETTINGS,
        queues={"support": QueueSettings(agents=("alice",))},
        phones={**SETTINGS.phones, "1001": replace(SETTINGS.phones["1001"], siprec="main" if how == "phone" else None)},
        trunks={"carrier": replace(SETTINGS.trunks["carrier"], siprec="main" if how == "trunk" else None)},
        siprec={"main": RecordingServer(address="sip:srs@192.0.2.80", all=how in ("all", "route says no"))},
        routes=(replace(SETTINGS.routes[0], record=False if how == "route says no" else None),),
    )
    site, server, _, carrier, line = talking(settings)
    assert bool(server.lines) is (how != "route says no")
    carrier.hang_up(line)
    site.nothing_left()


def test_hold_is_told_and_resumed() -> None:
    site, server, alice, carrier, line = talking()
    alice.hold(alice.line)
    site.run(1.0)
    assert server.documents[-1].mode == "partial"
    assert server.now() == {CALLER: (["1"], []), ALICE: ([], [])}
    alice.resume(alice.line)
    site.run(1.0)
    assert server.now() == {CALLER: (["1"], ["2"]), ALICE: (["2"], ["1"])}
    carrier.hang_up(line)
    site.nothing_left()


def test_what_changes_while_a_change_is_told_is_told_next() -> None:
    """One re-INVITE at a time, and nothing is lost between them."""
    site, server, alice, carrier, line = talking()
    happened, waiting = server._happened, []

    def think(event: object) -> None:
        if type(event).__name__ == "Reinvited":
            waiting.append(event)
        else:
            happened(event)  # type: ignore[arg-type]

    server._happened = think  # type: ignore[method-assign]
    alice.hold(alice.line)
    site.run(1.0)
    alice.resume(alice.line)
    site.run(1.0)
    assert len(waiting) == 1
    server._happened = happened  # type: ignore[method-assign]
    server._happened(waiting[0])
    site.run(1.0)
    assert [document.mode for document in server.documents] == ["complete", "partial", "partial"]
    assert server.now() == {CALLER: (["1"], ["2"]), ALICE: (["2"], ["1"])}
    carrier.hang_up(line)
    site.nothing_left()


def test_pause_is_inactive_and_silent_at_once() -> None:
    """RFC 7866 §7.1.1.1: the client pauses by a=inactive."""
    site, server, _, carrier, line = talking()
    (id,) = site.switch.calls
    site.give(RecordingCommand(id, "pause", "boss", "card number"))
    streams = [
        leg for leg, spec in site.media.legs.items() if spec.remote is not None and spec.remote[1] in (7000, 7002)
    ]
    assert [site.media.hears(leg) for leg in streams] == [set(), set()], "whatever the server answers"
    assert {media.direction for media in server.offers[-1]} == {"inactive"}
    site.run(1.0)
    site.give(RecordingCommand(id, "resume", "boss", ""))
    site.run(1.0)
    assert {media.direction for media in server.offers[-1]} == {"sendonly"}
    caller, alice = legs(site)
    assert fed(site, server) == {"1": {caller}, "2": {alice}}
    assert [fact.kind for fact in facts(site, "recording.paused", "recording.resumed")] == [
        "recording.paused",
        "recording.resumed",
    ]
    carrier.hang_up(line)
    site.nothing_left()


def test_a_transfer_stays_one_session() -> None:
    site, server, _, carrier, line = talking()
    bob = site.phone("1002", "192.0.2.11")
    (id,) = site.switch.calls
    site.give(TransferCommand(id, "blind", "phone:1002", "boss"))
    site.run(2.0)
    assert len(server.lines) == 1
    assert set(server.now()) == {CALLER, BOB}
    assert server.documents[-1].names[BOB] == "Bob & Co"
    assert ALICE in {aor for document in server.documents for aor in document.gone}
    caller, other = legs(site)
    assert fed(site, server) == {"1": {caller}, "2": {other}}
    bob.hang_up(bob.line)
    site.run(1.0)
    assert carrier.lines[line.session].state == "over"
    assert server.line.state == "over"
    site.nothing_left()


def test_a_consultation_is_heard_and_the_third_party_told() -> None:
    site, server, _, carrier, line = talking()
    bob = site.phone("1002", "192.0.2.11")
    (id,) = site.switch.calls
    site.give(TransferCommand(id, "consult", "phone:1002", "boss"))
    site.run(1.0)
    assert set(server.now()) == {CALLER, ALICE, BOB}
    caller, alice, third = legs(site)
    assert fed(site, server) == {"1": {caller}, "2": {alice, third}}
    assert server.now()[BOB] == (["2"], ["2"])
    bob.hang_up(bob.line)
    site.run(1.0)
    assert set(server.now()) == {CALLER, ALICE}
    carrier.hang_up(line)
    site.nothing_left()


def test_the_server_is_told_all_when_it_asks() -> None:
    """RFC 7866 §9.2: a snapshot request is answered by a complete document."""
    site, server, _, carrier, line = talking()
    one = server.ua._sessions.get(server.line.session)  # type: ignore[attr-defined]
    request = b"<requestsnapshot xmlns='urn:ietf:params:xml:ns:recording:1'/>"
    one.updates = True
    server.perform(
        server.ua.reinvite(
            server.line.session,
            request,
            site.now,
            (("Content-Type", "application/rs-metadata-request"), ("Content-Disposition", "recording-session")),
        )
    )
    site.run(1.0)
    assert [document.mode for document in server.documents] == ["complete", "complete"]
    carrier.hang_up(line)
    site.nothing_left()


def test_the_server_may_stop_a_stream_and_take_it_again() -> None:
    """RFC 7866 §7.2: inactive, then recvonly."""
    site, server, _, carrier, line = talking()
    first, second = server.offers[0]
    one = server.taken(0, first, direction="recvonly")
    other = server.taken(1, second, direction="recvonly")
    waits = server.taken(0, first, direction="inactive")
    server.reoffer(server.line, server.description(waits, other, version=5))
    assert set(fed(site, server)) == {"2"}
    server.reoffer(server.line, server.description(one, other, version=6))
    assert set(fed(site, server)) == {"1", "2"}
    server.reoffer(server.line, server.description("m=audio 0 RTP/AVP 8\r\n", other, version=7))
    assert set(fed(site, server)) == {"2"}
    carrier.hang_up(line)
    site.nothing_left()


def test_a_party_that_changes_its_codec_changes_nothing_for_the_server() -> None:
    site, server, alice, carrier, line = talking()
    before = len(server.offers)
    alice.resume(alice.line, version=4)
    site.run(1.0)
    assert len(server.offers) == before
    carrier.hang_up(line)
    site.nothing_left()


def test_srtp_when_it_is_wanted() -> None:
    settings = replace(SETTINGS, siprec={"main": RecordingServer(address="sip:srs@192.0.2.80", srtp="required")})
    site = Site(settings)
    server = Server(site)
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
    server.to_line = lambda place, media: server.taken(place, media) + key + "\r\n"
    site.phone("1001", "192.0.2.10")
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(1.0)
    assert {media.proto for media in server.offers[0]} == {"RTP/SAVP"}
    keys = [media.get("crypto") for media in server.offers[0]]
    assert keys[0] != keys[1], "a key for each stream"
    secured = [spec for spec in site.media.legs.values() if spec.security is not None]
    assert len(secured) == 2
    carrier.hang_up(line)
    site.nothing_left()


def test_a_call_that_comes_to_another_media_process_is_sent_from_there() -> None:
    """One call after the other in turn: the second is taken by the first one's process when it is picked up."""
    site = Site(SETTINGS, workers=2)
    server = Server(site)
    site.phone("1001", "192.0.2.10")
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(1.0)
    (call,) = site.switch.calls.values()
    other = 1 - call.leg.worker
    call.drive(call.leg.move_to(other, site.now))
    for leg in call.stage.legs():
        call.drive(leg.move_to(other, site.now))
    call.recording.follow(call.stage.legs(), site.now)
    site.run(1.0)
    sending = [
        [leg for leg, spec in process.legs.items() if spec.remote is not None and spec.remote[0] == "192.0.2.80"]
        for process in site.processes
    ]
    assert [len(some) for some in sending] == ([0, 2] if other else [2, 0])
    assert all(site.processes[other].hears(leg) for leg in sending[other])
    assert len({document.session for document in server.documents if document.session}) == 1
    assert [fact.kind for fact in facts(site, "siprec.started", "siprec.ended", "siprec.failed")] == [
        "siprec.started", "siprec.ended", "siprec.started",
    ]  # fmt: skip
    carrier.hang_up(line)
    site.nothing_left()
