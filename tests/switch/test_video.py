"""Video between two parties who both want it: relayed, with a port of its own, negotiated from end to end."""

from dataclasses import replace

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.sip.events import Reinvited
from softswitch.switch.events import MediaLost, Reported
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip
from softswitch.wire import control
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import Media, parse_sdp
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002", "1003")},
    agents={"anna": Agent(phone="1002", logged_in=True)},
    queues={"support": QueueSettings(agents=("anna",), wrap_up=0.0)},
    routes=(Route(number="300", to="queue:support"),),
)
AUDIO = ("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000")
H264 = ("a=rtpmap:99 H264/90000", "a=fmtp:99 profile-level-id=42e01f;packetization-mode=1",
        "a=rtcp-fb:99 nack pli", "a=rtcp-fb:99 ccm fir")  # fmt: skip
VP8 = ("a=rtpmap:100 VP8/90000", "a=rtcp-fb:100 nack")


def video(*lines: str, formats: str = "99 100", port: int = 5000, proto: str = "RTP/AVPF") -> tuple[str, ...]:
    return (f"m=video {port} {proto} {formats}", *lines)


BOTH = video("b=AS:512", *H264, *VP8, "a=rtcp-mux", "a=rtcp:5009")


def description(host: str, *lines: str, version: int = 1) -> bytes:
    head = ("v=0", f"o=- 1 {version} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0")
    return "\r\n".join([*head, *lines, ""]).encode()


def two(settings: Settings = SETTINGS) -> tuple[Site, Party, Party]:
    site = Site(settings)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.to_answer = lambda offer: description(
        "192.0.2.11", *AUDIO, *video(*H264, "a=rtcp-mux", formats="99", port=6000)
    )
    return site, alice, bob


def sections(sdp: bytes) -> list[tuple[str, int]]:
    return [(media.kind, media.port) for media in parse_sdp(sdp).media]


def picture(sdp: bytes) -> Media:
    return next(media for media in parse_sdp(sdp).media if media.kind == "video")


def offered(party: Party) -> bytes:
    assert party.line.request is not None
    return party.line.request.body


def streams(site: Site) -> dict[str, LegSpec]:
    """The open video streams by the host that they go to."""
    return {spec.remote[0]: spec for spec in site.media.legs.values() if spec.transparent and spec.remote is not None}


def joined(site: Site) -> bool:
    """Whether both see each other."""
    ids = [id for id, spec in site.media.legs.items() if spec.transparent]
    return len(ids) == 2 and site.media.hears(ids[0]) == {ids[1]} and site.media.hears(ids[1]) == {ids[0]}


def test_a_video_call() -> None:
    """RFC 3264 §5, §6: what the caller offers is offered on with our port, what the callee takes is answered."""
    site, alice, bob = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    offer, answer = picture(offered(bob)), picture(line.sdp)
    assert offer.formats == ("99", "100")
    assert offer.fmtp(99) == "profile-level-id=42e01f;packetization-mode=1"
    assert [value for name, value in offer.attributes if name == "rtcp-fb"] == [
        "99 nack pli", "99 ccm fir", "100 nack",
    ]  # fmt: skip
    assert (offer.proto, offer.bandwidth, offer.get("rtcp-mux"), offer.get("rtcp")) == (
        "RTP/AVPF",
        ("AS:512",),
        "",
        None,
    )
    assert (answer.formats, answer.proto, answer.get("rtcp-mux")) == (("99",), "RTP/AVPF", "")
    ports = {media.port for sdp in (offered(bob), line.sdp) for media in parse_sdp(sdp).media}
    assert len(ports) == 4  # four streams, four ports of ours
    seen = streams(site)
    assert seen["192.0.2.10"].remote == seen["192.0.2.10"].remote_rtcp == ("192.0.2.10", 5000)
    assert seen["192.0.2.11"].remote == ("192.0.2.11", 6000)
    assert all(spec.send and spec.receive and spec.rtcp_mux for spec in seen.values())
    assert joined(site)
    alice.hang_up(line)
    site.nothing_left()


def test_the_order_of_the_lines_is_the_caller_s() -> None:
    """RFC 3264 §6: an answer has the offer's lines in the offer's order."""
    site, alice, bob = two()
    other = ("m=application 5002 UDP/BFCP *", "a=floorctrl:c-only")
    line = alice.call("1002", sdp=description("192.0.2.10", *BOTH, *other, *AUDIO, *video(port=5004, formats="34")))
    kinds = [(kind, port > 0) for kind, port in sections(line.sdp)]
    assert kinds == [("video", True), ("application", False), ("audio", True), ("video", False)]
    assert [kind for kind, _ in sections(offered(bob))] == ["audio", "video"]
    assert joined(site)
    alice.hang_up(line)
    site.nothing_left()


def test_a_phone_without_video_gives_port_0() -> None:
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO, *video(port=0))
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    assert line.state == "up"
    assert sections(line.sdp)[1] == ("video", 0)
    assert not streams(site)
    assert len(site.media.legs) == 2
    bob.hang_up(bob.line)
    site.nothing_left()


@pytest.mark.parametrize(
    "answer",
    [
        (),  # no line for it at all, against RFC 3264 §6
        video(*H264, formats="99", proto="RTP/AVP"),  # another transport than was offered
        video("a=rtpmap:99 VP9/90000", formats="99"),  # our number with another meaning
        video(formats="99"),  # a number without meaning
        ("m=video 6000 RTP/AVPF 99", "c=IN IP4 233.252.0.1", *H264),
        ("m=audio 6000 RTP/AVPF 99", *H264),
    ],
)
def test_an_answer_that_fits_nothing_is_a_call_without_video(answer: tuple[str, ...]) -> None:
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO, *answer)
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    assert line.state == "up"
    assert sections(line.sdp)[1] == ("video", 0)
    assert not joined(site)
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("where", ["media", "caller", "callee"])
def test_video_can_be_switched_off(where: str) -> None:
    settings = SETTINGS
    if where == "media":
        settings = replace(SETTINGS, media=replace(SETTINGS.media, video=False))
    else:
        name = {"caller": "1001", "callee": "1002"}[where]
        settings = replace(SETTINGS, phones=SETTINGS.phones | {name: Phone(password=PASSWORD, video=False)})
    site, alice, bob = two(settings)
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO)
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    assert [kind for kind, _ in sections(offered(bob))] == ["audio"]
    assert sections(line.sdp)[1] == ("video", 0)
    alice.hang_up(line)
    site.nothing_left()


def test_nobody_but_a_party_gets_video() -> None:
    """A queue answers with port 0, and the agent is offered none: there is nobody to see it."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO)
    line = alice.call("300", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    site.run(1.0)
    assert sections(line.sdp)[1] == ("video", 0)
    assert [kind for kind, _ in sections(offered(bob))] == ["audio"]
    alice.hang_up(line)
    site.nothing_left()


def test_directions_of_video_go_from_end_to_end() -> None:
    """RFC 3264 §6.1: a camera that only sends is answered recvonly, and nothing is sent to it."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description(
        "192.0.2.11", *AUDIO, *video(*H264, "a=recvonly", formats="99", port=6000)
    )
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *video(*H264, "a=sendonly", formats="99")))
    assert picture(offered(bob)).direction == "sendonly"
    assert picture(line.sdp).direction == "recvonly"
    assert (streams(site)["192.0.2.10"].send, streams(site)["192.0.2.10"].receive) == (False, True)
    assert (streams(site)["192.0.2.11"].send, streams(site)["192.0.2.11"].receive) == (True, False)
    alice.hang_up(line)
    site.nothing_left()


def test_early_video() -> None:
    """The 183 has it, the 200 changes nothing."""
    site, alice, bob = two()
    bob.on_invite = "ring"
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    bob.early(bob.line)
    early = line.sdp
    assert sections(early)[1][1]
    assert joined(site)
    bob.answer(bob.line)
    assert line.sdp == early
    assert joined(site)
    alice.hang_up(line)
    site.nothing_left()


def test_branches_that_lose_give_their_ports_back() -> None:
    settings = replace(SETTINGS, phones=SETTINGS.phones | {"1002": Phone(password=PASSWORD, busy="phone:1003")})
    site, alice, bob = two(settings)
    carol = site.phone("1003", "192.0.2.12")
    carol.to_answer = lambda offer: description("192.0.2.12", *AUDIO, *video(*VP8, formats="100", port=7000))
    bob.on_invite = 486
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    assert picture(line.sdp).formats == ("100",)
    assert set(streams(site)) == {"192.0.2.10", "192.0.2.12"}
    assert len(site.switch.office.fabric.workers[0].free) == 500 - 4
    alice.hang_up(line)
    site.nothing_left()


# ------------------------------------------------------------------------------------------------- within the call


def test_hold_stops_the_picture_and_resume_brings_it_back() -> None:
    """RFC 3264 §8.4; the other phone is not re-invited: its picture stands still."""
    site, alice, bob = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    alice.reoffer(line, description("192.0.2.10", *AUDIO, "a=sendonly", *BOTH, "a=inactive", version=2))
    assert not joined(site)
    assert not streams(site)["192.0.2.10"].send
    alice.reoffer(line, description("192.0.2.10", *AUDIO, *BOTH, version=3))
    assert joined(site)
    assert len(streams(site)) == 2
    bob.hang_up(bob.line)
    site.nothing_left()


def test_the_caller_takes_its_video_away_and_brings_it_back() -> None:
    """RFC 3264 §8.2: port 0 ends the stream, its line stays and can be used again."""
    site, alice, _ = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    alice.reoffer(line, description("192.0.2.10", *AUDIO, *video(port=0), version=2))
    assert set(streams(site)) == {"192.0.2.11"}
    call = next(iter(site.switch.calls.values()))
    assert sections(call.leg.sdp)[1] == ("video", 0)
    alice.reoffer(line, description("192.0.2.10", *AUDIO, *BOTH, version=3))
    assert joined(site)
    assert sections(call.leg.sdp)[1][1]
    alice.hang_up(line)
    site.nothing_left()


def test_the_callee_takes_its_video_away() -> None:
    site, alice, bob = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    bob.reoffer(bob.line, description("192.0.2.11", *AUDIO, *video(port=0), version=2))
    assert set(streams(site)) == {"192.0.2.10"}
    assert not joined(site)
    alice.hang_up(line)
    site.nothing_left()


def asked(party: Party, body: bytes | int = b"") -> list[bytes]:
    """The later offers that a party gets; it answers them `body` (a status: it refuses), else as it did before."""
    happened, offers, before = party._happened, [], party.to_answer

    def happens(event: object) -> None:
        if isinstance(event, Reinvited):
            offers.append(event.request.body)
            if isinstance(body, int):
                party.perform(party.ua.reject_offer(event.session, body, party.site.now))
                return
            party.to_answer = lambda offer: body or before(offer)
        happened(event)  # type: ignore[arg-type]

    party._happened = happens  # type: ignore[method-assign]
    return offers


WITH_VIDEO = description("192.0.2.11", *AUDIO, *video(*H264, "a=rtcp-mux", formats="99", port=6000), version=2)


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_video_that_one_side_adds_later(who: str) -> None:
    """RFC 4317 §4.1, RFC 3264 §8.1: the other one is asked by re-INVITE, and what it answers is answered."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO)
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO))
    one, other, its = (alice, bob, line) if who == "caller" else (bob, alice, bob.line)
    host = other.remote[0].encode()
    offers = asked(other, WITH_VIDEO.replace(b"192.0.2.11", host))
    one.reoffer(its, description(one.remote[0], *AUDIO, *BOTH, version=2))
    site.run(1.0)
    (offer,) = offers
    assert [kind for kind, _ in sections(offer)] == ["audio", "video"]
    assert picture(offer).formats == ("99", "100")
    answer = its.events[-1].response.body  # type: ignore[union-attr]
    assert [(kind, bool(port)) for kind, port in sections(answer)] == [("audio", True), ("video", True)]
    assert picture(answer).formats == ("99",)
    assert set(streams(site)) == {"192.0.2.10", "192.0.2.11"}
    assert joined(site)
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("answer", [b"", 488, 415, 500])
def test_video_that_one_side_adds_later_and_the_other_does_not_want(answer: bytes | int) -> None:
    """Port 0, the call goes on, and it is not asked again."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO, *([] if b"m=video" not in offer else video(port=0)))
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO))
    offers = asked(bob, answer)
    for version in (2, 3):
        alice.reoffer(line, description("192.0.2.10", *AUDIO, *BOTH, version=version))
        site.run(1.0)
        call = next(iter(site.switch.calls.values()))
        assert sections(call.leg.sdp)[1] == ("video", 0)
    assert len(offers) == 1
    assert not streams(site)
    assert len(site.switch.office.fabric.workers[0].free) == 500 - 2
    alice.hang_up(line)
    site.nothing_left()


def test_nobody_is_asked_for_video_by_a_hold_nor_without_leave() -> None:
    settings = replace(SETTINGS, phones=SETTINGS.phones | {"1002": Phone(password=PASSWORD, video=False)})
    for site, alice, bob in (two(), two(settings)):
        bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO)
        line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO))
        offers = asked(bob)
        hold = () if site.switch.office.settings is settings else ("a=sendonly",)
        alice.reoffer(line, description("192.0.2.10", *AUDIO, *hold, *BOTH, version=2))
        site.run(1.0)
        call = next(iter(site.switch.calls.values()))
        assert sections(call.leg.sdp)[1] == ("video", 0)
        assert not offers
        alice.hang_up(line)
        site.nothing_left()


@pytest.mark.parametrize("leaves", ["caller", "callee", "withdrawn"])
def test_who_leaves_while_the_other_is_asked_for_video(leaves: str) -> None:
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO)
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO))
    happened, waiting = bob._happened, []

    def think(event: object) -> None:
        if isinstance(event, Reinvited):
            waiting.append(event)
        else:
            happened(event)  # type: ignore[arg-type]

    bob._happened = think  # type: ignore[method-assign]
    alice.reoffer(line, description("192.0.2.10", *AUDIO, *BOTH, version=2))
    assert site.switch.office.added_streams.by_session
    if leaves == "withdrawn":
        site.switch.office.added_streams.withdrawn(next(iter(site.switch.calls.values())).leg.session)
        bob.perform(bob.ua.accept_offer(waiting[0].session, WITH_VIDEO, site.now))
        site.run(1.0)
        assert [kind for kind, port in sections(waiting[1].request.body) if port] == ["audio"]
    else:
        (alice if leaves == "caller" else bob).hang_up(line if leaves == "caller" else bob.line)
    alice.hang_up(line)
    site.run(40.0)
    assert not site.switch.office.added_streams.by_session
    site.nothing_left()


def test_a_party_that_asks_for_our_offer_gets_its_video_in_it() -> None:
    """RFC 3261 §14.2: a re-INVITE without a body; the lines keep their places (RFC 3264 §8)."""
    site, alice, bob = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *BOTH, *AUDIO))
    before = sections(line.sdp)
    call = next(iter(site.switch.calls.values()))
    alice.reoffer(line, b"")
    assert sections(call.leg.sdp) == before
    assert joined(site)
    bob.hang_up(bob.line)
    site.nothing_left()


def test_an_offer_that_is_refused_changes_no_video() -> None:
    """RFC 3261 §14.2: 488, and all stays as it is."""
    site, alice, _ = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    alice.reoffer(line, description("192.0.2.10", "m=audio 4000 RTP/AVP 3", *video(port=0), version=2))
    assert joined(site)
    alice.hang_up(line)
    site.nothing_left()


# ----------------------------------------------------------------------------------------------------- what goes wrong


def test_without_a_port_for_video_the_call_has_sound() -> None:
    site = Site(SETTINGS, slots=3)
    alice, bob = site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO, *video(*H264, formats="99", port=6000))
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    assert line.state == "up"
    assert not joined(site)
    alice.hang_up(line)
    site.nothing_left()


def test_media_that_cannot_open_the_video_leaves_the_call_its_sound() -> None:
    site, alice, _ = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    lost = next(id for id, spec in site.media.legs.items() if spec.transparent)
    del site.media.legs[lost], site.media.slot_of[lost]
    site.media.edges = {edge for edge in site.media.edges if lost not in edge[:2]}
    site.give(Reported(0, (control.Failed(lost, "OpenLeg", "slot 3 is not free"),)))
    assert line.state == "up"
    alice.hang_up(line)
    site.nothing_left()


def test_the_media_process_dies_with_its_video() -> None:
    site, alice, _ = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *BOTH))
    site.give(MediaLost(0))
    site.media = type(site.media)()
    assert line.state == "over"
    site.nothing_left()


def test_what_may_not_pass_does_not() -> None:
    """Keys, candidates, bundles and what no line of SDP should hold stay with their party."""
    bad = ("a=candidate:1 1 UDP 1 10.0.0.1 9 typ host", "a=ice-ufrag:x", "a=fingerprint:sha-256 AB", "a=setup:active",
           "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "a=mid:1", "a=fmtp:99 \x01\x02", "a=x-unknown:1")  # fmt: skip
    site, alice, bob = two()
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *video(*H264, *bad, formats="99")))
    kept = {name for name, _ in picture(offered(bob)).attributes}
    assert kept == {"rtpmap", "fmtp", "rtcp-fb"}
    assert "\x01" not in offered(bob).decode()
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("proto", ["RTP/SAVP", "UDP/TLS/RTP/SAVPF", "TCP/RTP/AVP"])
def test_other_transports_of_video_are_refused(proto: str) -> None:
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *AUDIO)
    line = alice.call("1002", sdp=description("192.0.2.10", *AUDIO, *video(*H264, formats="99", proto=proto)))
    assert sections(line.sdp)[1] == ("video", 0)
    assert [kind for kind, _ in sections(offered(bob))] == ["audio"]
    alice.hang_up(line)
    site.nothing_left()
