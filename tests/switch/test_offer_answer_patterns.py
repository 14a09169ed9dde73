"""Offers and answers as RFC 3264, RFC 4317 (its examples) and RFC 6337 have them, tried against a site: what the switch
answers, offers on, and makes of hold, late streams, odd lines and descriptions that change."""

from collections.abc import Sequence
from itertools import pairwise, permutations

import pytest

from softswitch.sip.events import OfferAnswered, OfferRejected, Reinvited
from softswitch.switch.settings import Media as MediaSettings
from softswitch.switch.settings import Phone, Settings, Sip
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import Media, parse_sdp
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", reliable="on", session_expires=0),
    media=MediaSettings(codecs=("PCMA", "PCMU", "G722", "opus")),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002")},
)
ALICE, BOB = "192.0.2.10", "192.0.2.11"
AUDIO = ("m=audio 49170 RTP/AVP 0 8 97", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:97 iLBC/8000")
VIDEO = ("m=video 51372 RTP/AVP 31 32", "a=rtpmap:31 H261/90000", "a=rtpmap:32 MPV/90000")
EVENTS = ("m=audio 49172 RTP/AVP 98", "a=rtpmap:98 telephone-event/8000", "a=sendonly")
DIRECTIONS = {  # RFC 3264 §6.1: what may be answered
    "sendrecv": ("sendrecv", "sendonly", "recvonly", "inactive"),
    "sendonly": ("recvonly", "inactive"),
    "recvonly": ("sendonly", "inactive"),
    "inactive": ("inactive",),
}


def description(host: str, *lines: str, version: int = 1, session: int = 2890844526, connection: str = "") -> bytes:
    network = "IP6" if ":" in host else "IP4"
    head = (
        "v=0",
        f"o=alice {session} {version} IN {network} {host}",
        "s=",
        f"c=IN {network} {connection or host}",
        "t=0 0",
    )
    return "\r\n".join([*head, *lines, ""]).encode()


def sound(direction: str = "sendrecv", port: int = 49170, formats: str = "0") -> tuple[str, ...]:
    return f"m=audio {port} RTP/AVP {formats}", f"a={direction}"


class Two:
    """Alice talks with Bob."""

    def __init__(self, offer: bytes = b"", answer: bytes = b"", settings: Settings = SETTINGS) -> None:
        self.site = Site(settings)
        self.alice, self.bob = self.site.phone("1001", ALICE), self.site.phone("1002", BOB)
        if answer:
            self.bob.to_answer = lambda offer: answer
        self.line = self.alice.call("1002", sdp=offer or description(ALICE, *sound()))
        self.site.run(1.0)

    def offers(self, party: Party, body: bytes) -> tuple[int, bytes]:
        """What the switch says to a re-INVITE."""
        line = self.line if party is self.alice else party.line
        party.reoffer(line, body)
        event = next(event for event in reversed(line.events) if isinstance(event, OfferAnswered | OfferRejected))
        if isinstance(event, OfferRejected):
            return event.status, b""
        if body:
            conforms(body, event.response.body)
        return 200, event.response.body

    def specs(self) -> tuple[LegSpec, LegSpec]:
        call = next(iter(self.site.switch.calls.values()))
        return self.site.media.legs[call.leg.id], self.site.media.legs[call.stage.legs()[0].id]

    def talking(self) -> list[bool]:
        """Who hears the other one: Alice, Bob."""
        call = next(iter(self.site.switch.calls.values()))
        ids = [call.leg.id, call.stage.legs()[0].id]
        return [self.site.media.hears(ids[0]) == {ids[1]}, self.site.media.hears(ids[1]) == {ids[0]}]

    def over(self) -> None:
        self.alice.hang_up(self.line)
        self.site.nothing_left()


def lines(sdp: bytes) -> list[tuple[str, bool]]:
    return [(media.kind, bool(media.port)) for media in parse_sdp(sdp).media]


def first(sdp: bytes) -> Media:
    return parse_sdp(sdp).media[0]


def conforms(offer: bytes, answer: bytes) -> None:
    """RFC 3264 §6: as many lines, of the same kinds and transports, in order; what was refused stays so; formats that
    were offered; a direction that fits."""
    theirs, ours = parse_sdp(offer).media, parse_sdp(answer).media
    assert [(media.kind, media.proto) for media in ours] == [(media.kind, media.proto) for media in theirs]
    for offered, answered in zip(theirs, ours, strict=True):
        assert set(answered.formats) <= set(offered.formats)
        if not offered.port:
            assert not answered.port
        if answered.port:
            assert answered.direction in DIRECTIONS[offered.direction]


# ---------------------------------------------------------------------------------- the first offer: RFC 4317 section 2


@pytest.mark.parametrize(
    ("offer", "taken", "formats"),
    [
        ((*AUDIO, *VIDEO), [True, False], "0"),  # §2.1: the callee has no video
        (AUDIO, [True], "0"),
        (("m=audio 49170 RTP/AVP 97 0", "a=rtpmap:97 iLBC/8000"), [True], "0"),  # §2.6
        ((*AUDIO, *EVENTS), [True, False], "0"),  # §2.4: one line of sound is enough
        (("m=audio 0 RTP/AVP 0", *AUDIO), [False, True], "0"),
        ((*VIDEO, *AUDIO), [False, True], "0"),
        (("m=application 5000 udp wb", *AUDIO, "m=message 5002 TCP/MSRP *"), [False, True, False], "0"),
        (("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", *AUDIO), [False, True], "0"),
        (("m=text 5004 RTP/AVP 99", "a=rtpmap:99 t140/1000", *AUDIO), [False, True], "0"),
        (("m=audio 49170 RTP/SAVP 0", "a=rtpmap:0 PCMU/8000", *AUDIO), [False, True], "0"),
        (("m=audio 49170 TCP/RTP/AVP 0", *AUDIO), [False, True], "0"),
        (("m=image 0 udptl t38", *AUDIO), [False, True], "0"),
        (("m=whiteboard 5000 x/y z", *AUDIO), [False, True], "0"),
    ],
)
def test_lines_of_the_first_offer(offer: Sequence[str], taken: list[bool], formats: str) -> None:
    """RFC 3264 §6: lines that are not taken keep their place with port 0."""
    offered = description(ALICE, *offer)
    two = Two(offered)
    assert two.line.state == "up"
    conforms(offered, two.line.sdp)
    assert [port for _, port in lines(two.line.sdp)] == taken
    chosen = next(media for media in parse_sdp(two.line.sdp).media if media.port)
    assert chosen.formats[0] == formats
    two.over()


ODD_LINES = [
    ("a=foo", "a=X-bar:baz qux", "a=T38FaxVersion:0", "a=:", "a="),
    ("b=AS:64", "b=TIAS:64000", "b=X-YZ:128", "b=CT:1000"),
    ("i=a talk", "k=prompt"),
    ("a=fmtp:0", "a=fmtp:101 0-15,66,70", "a=fmtp:999 what"),
    ("a=rtpmap:101 telephone-event/8000", "a=rtpmap:200 nothing/8000", "a=rtpmap:96 X/1/1"),
    ("a=rtcp:53020", "a=rtcp-mux", "a=rtcp-fb:* nack", "a=rtcp-xr:voip-metrics"),
    ("a=ptime:20", "a=ptime:0", "a=ptime:-1", "a=ptime:x", "a=maxptime:150", "a=minptime:10"),
    ("a=sendrecv", "a=sendrecv"),
    (
        "a=candidate:1 1 UDP 2130706431 192.0.2.10 49170 typ host",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:01234567890123456789",
    ),
    ("a=ssrc:1 cname:x", "a=msid:- -", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    ("a=silenceSupp:off - - - -", "a=gpmd:99 vbd=yes", "a=sqn:0", "a=cdsc:1 image udptl t38", "a=pcfg:1 t=1"),
    ("a=label:1", "a=content:main", "a=lang:en", "a=charset:UTF-8", "a=direction:active", "a=setup:actpass"),
]


@pytest.mark.parametrize("odd", ODD_LINES)
@pytest.mark.parametrize("where", ["session", "media"])
def test_attributes_that_nobody_knows(odd: tuple[str, ...], where: str) -> None:
    """RFC 8866 §5.13: an attribute that is not understood is ignored."""
    plain = description(ALICE, *AUDIO)
    offer = plain + "\r\n".join((*odd, "")).encode()
    if where == "session":
        offer = plain.replace(b"t=0 0\r\n", "\r\n".join(("t=0 0", *odd, "")).encode())
    two = Two(offer)
    assert (two.line.state, lines(two.line.sdp)) == ("up", [("audio", True)])
    conforms(offer, two.line.sdp)
    two.over()


@pytest.mark.parametrize(
    ("head", "remote"),
    [
        ((f"c=IN IP4 {ALICE}", "t=0 0"), ALICE),
        ((f"c=IN IP4 {ALICE}/127", "t=0 0"), ALICE),  # a TTL that only multicast has
        (("i=x", "u=http://x.test/", "e=a@x.test (A)", "p=+1 555", f"c=IN IP4 {ALICE}", "b=CT:5", "t=0 0",
          "r=7d 1h 0 25h", "z=2882844526 -1h", "k=clear:x", "a=tool:x"), ALICE),
        (("t=0 0", "t=2873397496 2873404696", f"c=IN IP4 {ALICE}"), ALICE),
    ],
)  # fmt: skip
def test_the_session_part(head: tuple[str, ...], remote: str) -> None:
    """RFC 8866 §5: all its lines, and what phones make of their order."""
    body = "\r\n".join(("v=0", f"o=- 1 1 IN IP4 {ALICE}", "s=Ã©t\xe9", *head, *AUDIO, "")).encode()
    two = Two(body)
    assert two.line.state == "up"
    assert two.specs()[0].remote == (remote, 49170)
    two.over()


@pytest.mark.parametrize("level", ["media", "both"])
def test_the_address_of_the_media_goes_before_the_session_s(level: str) -> None:
    """RFC 8866 §5.7."""
    session = () if level == "media" else ("c=IN IP4 192.0.2.99",)
    body = ("v=0", f"o=- 1 1 IN IP4 {ALICE}", "s=-", *session, "t=0 0", AUDIO[0], "c=IN IP4 192.0.2.77", *AUDIO[1:], "")
    two = Two("\r\n".join(body).encode())
    assert two.specs()[0].remote == ("192.0.2.77", 49170)
    two.over()


# -------------------------------------------------------------------------------------------- hold and resume (§8.4)


@pytest.mark.parametrize("word", ["sendonly", "inactive", "0.0.0.0"])
def test_hold_and_resume(word: str) -> None:
    """RFC 4317 §3.1, RFC 3264 §8.4, and hold in the manner of RFC 2543."""
    two = Two()
    line = sound(word) if word != "0.0.0.0" else sound()
    _, answer = two.offers(two.alice, description(ALICE, *line, version=2, connection="0.0.0.0" if "." in word else ""))
    assert first(answer).direction == ("inactive" if word == "inactive" else "recvonly")
    assert not two.specs()[0].send
    _, answer = two.offers(two.alice, description(ALICE, *sound(), version=3))
    assert first(answer).direction == "sendrecv"
    assert two.specs()[0].send
    assert two.talking() == [True, True]
    two.over()


ORDERS = [
    order
    for order in permutations(["alice", "bob", "alice back", "bob back"])
    if order.index("alice") < order.index("alice back") and order.index("bob") < order.index("bob back")
]


@pytest.mark.parametrize("order", ORDERS)
def test_both_hold_each_other(order: tuple[str, ...]) -> None:
    """In whatever order; in the end they talk."""
    two = Two()
    held: set[str] = set()
    for version, step in enumerate(order, 2):
        name, _, back = step.partition(" ")
        party, host = (two.alice, ALICE) if name == "alice" else (two.bob, BOB)
        _, answer = two.offers(party, description(host, *sound("sendrecv" if back else "sendonly"), version=version))
        assert first(answer).direction == ("sendrecv" if back else "recvonly")
        held = held - {name} if back else held | {name}
        assert [spec.send for spec in two.specs()] == ["alice" not in held, "bob" not in held]
    assert two.talking() == [True, True]
    two.over()


@pytest.mark.parametrize("ways", list(permutations(["sendrecv", "sendonly", "recvonly", "inactive"])))
def test_every_change_of_direction(ways: tuple[str, ...]) -> None:
    """RFC 3264 §6.1, §8.4."""
    two = Two()
    for version, way in enumerate((*ways, *reversed(ways), "sendrecv"), 2):
        assert two.offers(two.bob, description(BOB, *sound(way), version=version))[0] == 200
        spec = two.specs()[1]
        assert (spec.send, spec.receive) == (way in ("sendrecv", "recvonly"), way in ("sendrecv", "sendonly"))
    assert two.talking() == [True, True]
    two.over()


def test_a_phone_that_holds_is_asked_again() -> None:
    """RFC 4028 §7.4: what we said last (recvonly, to a phone that holds us) goes out as an offer; its sound still comes
    to us afterwards, and it may resume."""
    settings = Settings(
        sip=Sip(domain="pbx.test", session_expires=90, min_session_expires=90),
        media=SETTINGS.media,
        phones=SETTINGS.phones,
    )
    two = Two(settings=settings)
    two.offers(two.alice, description(ALICE, *sound("sendonly"), version=2))
    assert (two.specs()[0].send, two.specs()[0].receive) == (False, True)
    asked: list[bytes] = []

    def answer(offer: bytes) -> bytes:
        asked.append(offer)
        return description(ALICE, *sound("sendonly"), version=2)

    two.alice.to_answer = answer
    leg = next(iter(two.site.switch.calls.values())).leg
    two.site.switch.office.drive(leg.refresh(two.site.now))
    two.site.effects(two.site.switch.wake(two.site.now))
    two.site.run(1.0)
    assert [first(offer).direction for offer in asked] == ["recvonly"]
    assert (two.specs()[0].send, two.specs()[0].receive) == (False, True)
    two.offers(two.alice, description(ALICE, *sound(), version=3))
    assert two.talking() == [True, True]
    two.over()


# ------------------------------------------------------------------------------------ streams that come and go (§8.1-3)


def test_video_that_one_adds_later_is_refused_in_its_place_and_stays_there() -> None:
    """RFC 4317 §4.1, §4.2: what was added keeps its line for good (RFC 3264 §8.2)."""
    two = Two()
    status, answer = two.offers(two.alice, description(ALICE, *AUDIO, *VIDEO, version=2))
    assert (status, lines(answer)) == (200, [("audio", True), ("video", False)])
    status, answer = two.offers(two.alice, description(ALICE, *AUDIO, "m=video 0 RTP/AVP 31", version=3))
    assert lines(answer) == [("audio", True), ("video", False)]
    status, offer = two.offers(two.alice, b"")
    assert lines(offer) == [("audio", True), ("video", False)], "RFC 3264 §8: never fewer lines than before"
    two.alice.perform(two.alice.ua.confirm(two.line.session, description(ALICE, *AUDIO, version=4), two.site.now))
    two.site.settle()
    assert two.talking() == [True, True]
    two.over()


def test_the_sound_moves_to_another_line() -> None:
    """RFC 3264 §8.2, §8.1: the first line is given up, another one is added."""
    two = Two()
    status, answer = two.offers(two.alice, description(ALICE, "m=audio 0 RTP/AVP 0", *AUDIO, version=2))
    assert (status, [port for _, port in lines(answer)]) == (200, [False, True])
    assert two.talking() == [True, True]
    _, offer = two.offers(two.alice, b"")
    assert [port for _, port in lines(offer)] == [False, True]
    answer = description(ALICE, "m=audio 0 RTP/AVP 0", *AUDIO, version=3)
    two.alice.perform(two.alice.ua.confirm(two.line.session, answer, two.site.now))
    two.site.settle()
    assert two.specs()[0].codec == "PCMU"
    two.over()


def test_the_only_sound_given_up_is_refused_and_the_call_goes_on() -> None:
    """RFC 3261 §14.2."""
    two = Two()
    status, _ = two.offers(two.alice, description(ALICE, "m=audio 0 RTP/AVP 0", version=2))
    assert status == 488
    assert two.talking() == [True, True]
    two.over()


@pytest.mark.parametrize(("session", "version"), [(2890844526, 1), (2890844526, 0), (77, 1), (1, 9), (2**63, 2**64)])
def test_an_origin_that_does_not_count_as_it_should(session: int, version: int) -> None:
    """RFC 3264 §8 wants one more; phones send the same, less, or another session. What they say counts all the same."""
    two = Two()
    body = description(ALICE, *sound(port=49200), version=version, session=session)
    assert two.offers(two.alice, body)[0] == 200
    assert two.specs()[0].remote == (ALICE, 49200)
    two.over()


def test_our_own_version_rises_by_one_and_only_when_something_changed() -> None:
    """RFC 3264 §8, RFC 8866 §5.2."""
    two = Two()
    said = [two.line.sdp]
    for version, way in enumerate(("sendrecv", "sendonly", "sendonly", "sendrecv", "inactive"), 2):
        said.append(two.offers(two.alice, description(ALICE, *sound(way), version=version))[1])
    origins = [parse_sdp(sdp).origin for sdp in said]
    assert len({(origin.session_id, origin.address) for origin in origins}) == 1
    versions = [int(origin.version) for origin in origins]
    assert [b - a for a, b in pairwise(versions)] == [0, 1, 0, 1, 1]
    two.over()


@pytest.mark.parametrize("codec", ["8", "9", "97 0"])
def test_another_codec_by_re_invite(codec: str) -> None:
    """RFC 3264 §8.3.2."""
    two = Two()
    assert two.offers(two.alice, description(ALICE, *sound(formats=codec), version=2))[0] == 200
    assert two.specs()[0].codec == {"8": "PCMA", "9": "G722", "97 0": "PCMU"}[codec]
    assert two.talking() == [True, True]
    two.over()


# ------------------------------------------------------------------------------- offers that are made late: RFC 6337


@pytest.mark.parametrize("way", ["sendrecv", "sendonly"])
def test_a_re_invite_without_offer(way: str) -> None:
    """RFC 6337 §5.2.1, RFC 3261 §14.2: we offer all we have, and sound both ways, even to a phone that holds."""
    two = Two()
    if way == "sendonly":
        two.offers(two.alice, description(ALICE, *sound(way), version=2))
    _, offer = two.offers(two.alice, b"")
    assert first(offer).direction == "sendrecv"
    assert {"8", "0", "9"} <= set(first(offer).formats)
    two.alice.perform(two.alice.ua.confirm(two.line.session, description(ALICE, *sound(way), version=3), two.site.now))
    two.site.settle()
    assert two.specs()[0].send is (way == "sendrecv")
    two.offers(two.alice, description(ALICE, *sound(), version=4))
    assert two.talking() == [True, True]
    two.over()


def test_the_ack_s_answer_may_refuse_everything() -> None:
    """The call stays as it was."""
    two = Two()
    two.offers(two.alice, b"")
    answer = description(ALICE, "m=audio 0 RTP/AVP 0", version=2)
    two.alice.perform(two.alice.ua.confirm(two.line.session, answer, two.site.now))
    two.site.settle()
    assert two.talking() == [True, True]
    two.over()


def test_forks_ring_with_different_sounds() -> None:
    """A second 183 with another description: what is said last is what is heard; the 200 decides."""
    site = Site(SETTINGS)
    alice, bob = site.phone("1001", ALICE), site.phone("1002", BOB)
    bob.on_invite = "silent"
    line = alice.call("1002", sdp=description(ALICE, *sound()))
    for number, port in enumerate((6000, 6002), 1):
        bob.to_answer = lambda offer, port=port, number=number: description(  # type: ignore[misc]
            BOB, *sound(port=port), version=number
        )
        bob.early(bob.line)
        call = next(iter(site.switch.calls.values()))
        assert site.media.legs[call.stage.legs()[0].id].remote == (BOB, port)
    bob.to_answer = lambda offer: description(BOB, *sound(port=6004, formats="8"), version=3)
    bob.answer(bob.line)
    call = next(iter(site.switch.calls.values()))
    assert line.state == "up"
    spec = site.media.legs[call.stage.legs()[0].id]
    assert (spec.remote, spec.codec) == ((BOB, 6004), "PCMA")
    alice.hang_up(line)
    site.nothing_left()


# ----------------------------------------------------------------------------------------------- numbers and families


def test_each_side_has_its_own_numbers() -> None:
    """RFC 3264 §5.1: we send with the numbers that the receiver named."""
    offer = description(
        ALICE, "m=audio 49170 RTP/AVP 111 101", "a=rtpmap:111 opus/48000/2", "a=rtpmap:101 telephone-event/48000"
    )
    answer = description(
        BOB, "m=audio 4000 RTP/AVP 96 126", "a=rtpmap:96 opus/48000/2", "a=rtpmap:126 telephone-event/48000"
    )
    two = Two(offer, answer)
    alice, bob = two.specs()
    assert (alice.payload_type, alice.event_type, alice.codec) == (111, 101, "opus")
    assert (bob.payload_type, bob.event_type, bob.codec) == (96, 126, "opus")
    assert first(two.line.sdp).formats == ("111", "101")
    two.over()


def test_comfort_noise_is_no_codec() -> None:
    """RFC 3389: 13 is never chosen, alone or first."""
    two = Two(description(ALICE, "m=audio 49170 RTP/AVP 13 0 8", "a=rtpmap:13 CN/8000"))
    assert first(two.line.sdp).formats[0] == "0"
    two.over()
    site = Site(SETTINGS)
    alice = site.phone("1001", ALICE)
    site.phone("1002", BOB)
    line = alice.call("1002", sdp=description(ALICE, "m=audio 49170 RTP/AVP 13 101", *("a=rtpmap:13 CN/8000",)))
    site.run(1.0)
    assert (line.state, line.status) == ("over", 488)
    site.nothing_left()


def test_the_other_family() -> None:
    """RFC 6157: IPv6 sound of a phone that signals by IPv4, and IPv4 sound at the other end."""
    two = Two(description("2001:db8::10", *sound()))
    alice, bob = two.specs()
    assert alice.remote == ("2001:db8::10", 49170)
    assert bob.remote is not None
    assert bob.remote[0] == BOB
    assert two.offers(two.alice, description(ALICE, *sound(), version=2))[0] == 200
    assert two.specs()[0].remote == (ALICE, 49170)
    two.over()


# ------------------------------------------------------------------------------------------ answers that are not right


@pytest.mark.parametrize(
    "answer",
    [
        (*sound(), "m=video 5000 RTP/AVP 31"),  # a line that was not offered
        ("m=audio 4000 RTP/AVP 0 8 18 101", "a=rtpmap:101 telephone-event/8000"),
        ("m=audio 4000/2 RTP/AVP 0",),
        ("m=audio 4000 RTP/AVP 97 0", "a=rtpmap:97 X-what/8000"),
        ("m=audio 4000 RTP/AVP 0", "a=ptime:30", "a=rtcp-mux", "a=crypto:none"),
    ],
)
def test_a_careless_answer_does(answer: tuple[str, ...]) -> None:
    two = Two(answer=description(BOB, *answer))
    assert two.line.state == "up"
    assert two.specs()[1].codec == "PCMU"
    assert two.talking() == [True, True]
    two.over()


def test_a_re_invite_is_answered_by_media_only_once() -> None:
    """Bob is not bothered with what Alice changes: her offer ends with us."""
    two = Two()
    two.offers(two.alice, description(ALICE, *sound("sendonly"), version=2))
    assert not [event for event in two.bob.line.events if isinstance(event, Reinvited)]
    two.over()
