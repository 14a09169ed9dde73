"""RFC 3264: offers, answers, and what they agree on."""

from dataclasses import replace

import pytest

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip.codec_table import CODECS
from softswitch.sip.offer_answer import Capabilities, accept, answer, make_offer
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import parse_sdp

OURS = Capabilities(("PCMA", "PCMU"), dtmf=True, address="198.51.100.2", port=20000)


def offer(
    media: str = "audio 40000 RTP/AVP 0 8 101",
    *attributes: str,
    connection: str = "IN IP4 192.0.2.1",
) -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", f"c={connection}", "t=0 0", f"m={media}"]
    lines += [f"a={line}" for line in ("rtpmap:101 telephone-event/8000", *attributes)]
    return "\r\n".join([*lines, ""]).encode()


def lines_of(description: bytes) -> list[str]:
    return description.decode().split("\r\n")


# ------------------------------------------------------------------------------------------------------- the offer


def test_an_offer_lists_every_codec_and_telephone_event() -> None:
    """RFC 3264 §5.1: formats in order of preference."""
    media = parse_sdp(make_offer(OURS, 77, 1)).media[0]
    assert media.formats == ("8", "0", "101")
    assert media.fmtp(101) == "0-16"
    assert (media.connection, media.port, media.direction, media.ptime) == ("198.51.100.2", 20000, "sendrecv", 20)
    assert media.get("rtcp") is None


def test_telephone_event_once_for_each_clock_rate() -> None:
    """RFC 4733 §2.5.1.1 by RFC 7587: events on an opus stream run on its 48 kHz clock."""
    maps = parse_sdp(make_offer(replace(OURS, codecs=("opus", "G722", "PCMA")), 1, 1)).media[0].rtpmaps()
    events = {entry.clock for entry in maps.values() if entry.encoding == "telephone-event"}
    assert events == {8000, 48000}
    assert maps[9].clock == 8000  # RFC 3551 §4.5.2
    assert maps[111].channels == 2


def test_preferred_codec_comes_first() -> None:
    media = parse_sdp(make_offer(OURS, 1, 1, prefer="PCMU")).media[0]
    assert media.formats[:2] == ("0", "8")


def test_no_events_without_dtmf() -> None:
    assert parse_sdp(make_offer(replace(OURS, dtmf=False), 1, 1)).media[0].formats == ("8", "0")


def test_an_odd_rtcp_port_is_told() -> None:
    """RFC 3605 §2.1."""
    assert parse_sdp(make_offer(replace(OURS, rtcp_port=30000), 1, 1)).media[0].get("rtcp") == "30000"
    assert parse_sdp(make_offer(replace(OURS, rtcp_port=20001), 1, 1)).media[0].get("rtcp") is None


def test_ipv6() -> None:
    text = make_offer(replace(OURS, address="2001:db8::2"), 1, 1).decode()
    assert "c=IN IP6 2001:db8::2\r\n" in text
    assert "o=- 1 1 IN IP6 2001:db8::2\r\n" in text


def test_a_codec_that_we_do_not_know_is_our_fault() -> None:
    for wrong in (("nonsense",), ()):
        with pytest.raises(LocalError):
            make_offer(replace(OURS, codecs=wrong), 1, 1)


def test_an_unchanged_offer_again_is_the_same_to_the_byte() -> None:
    """RFC 3264 §8: the version is counted up only when something changed."""
    first = make_offer(OURS, 7, 3)
    assert make_offer(OURS, 7, 9, previous=first) == first
    held = make_offer(OURS, 7, 1, hold=True, previous=first)
    assert parse_sdp(held).origin.version == "4"
    assert parse_sdp(held).media[0].direction == "sendonly"


def test_a_new_offer_keeps_refused_lines_and_payload_types() -> None:
    """RFC 3264 §8: as many m-lines as before; §8.3.2: a payload type keeps its codec."""
    theirs = (
        offer("audio 40000 RTP/SAVP 0")
        + b"m=audio 40002 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n"
        + b"m=video 40004 RTP/AVP 99\r\n"
    )
    caps = replace(OURS, codecs=("opus", "L16"))
    body, agreed = answer(theirs, caps, 5, 1)
    assert (agreed.codec, agreed.payload_type, agreed.event_type) == ("opus", 96, 97)
    again = parse_sdp(make_offer(caps, 5, 1, previous=body))
    assert [(media.kind, media.port) for media in again.media] == [("audio", 0), ("audio", 20000), ("video", 0)]
    maps = again.media[1].rtpmaps()
    assert [(payload, entry.encoding, entry.clock) for payload, entry in maps.items()] == [
        (96, "opus", 48000), (98, "L16", 16000), (97, "telephone-event", 48000), (102, "telephone-event", 16000),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ the answer


def test_the_answer_names_one_codec_by_their_order() -> None:
    """RFC 3264 §6.1: the answerer should keep the offer's order."""
    body, agreed = answer(offer(), OURS, 5, 1)
    media = parse_sdp(body).media[0]
    assert media.formats == ("0", "101")
    assert (agreed.codec, agreed.payload_type, agreed.event_type) == ("PCMU", 0, 101)
    assert (agreed.remote, agreed.remote_rtcp) == (("192.0.2.1", 40000), ("192.0.2.1", 40001))
    assert agreed.direction_send
    assert agreed.direction_receive
    assert not agreed.held_by_remote


def test_the_answer_by_our_order_and_by_preference() -> None:
    assert answer(offer(), OURS, 5, 1, order="ours")[1].codec == "PCMA"
    assert answer(offer(), OURS, 5, 1, prefer="PCMA")[1].codec == "PCMA"
    assert answer(offer(), OURS, 5, 1, prefer="opus")[1].codec == "PCMU"


def test_dynamic_payload_types_are_the_offerer_s() -> None:
    """RFC 3264 §6.1: the answer should use the same number for the same codec; names ignore case (RFC 4855 §3)."""
    theirs = offer("audio 40000 RTP/AVP 100 110", "rtpmap:100 OPUS/48000/2", "fmtp:100 stereo=1",
                   "rtpmap:110 telephone-event/48000")  # fmt: skip
    body, agreed = answer(theirs, replace(OURS, codecs=("opus",)), 5, 1)
    assert (agreed.codec, agreed.payload_type, agreed.event_type, agreed.fmtp) == ("opus", 100, 110, "stereo=1")
    assert agreed.to_leg_spec().event_clock == 0  # that of the sound
    assert parse_sdp(body).media[0].formats == ("100", "110")


def test_events_of_another_clock_are_better_than_none() -> None:
    """Phones offer telephone-event/8000 beside opus, against RFC 4733 §2.5.1.1."""
    theirs = offer("audio 40000 RTP/AVP 100 101", "rtpmap:100 opus/48000/2")
    agreed = answer(theirs, replace(OURS, codecs=("opus",)), 5, 1)[1]
    assert agreed.event_type == 101
    assert agreed.to_leg_spec().event_clock == 8000


def test_no_event_unless_both_have_it() -> None:
    assert answer(offer("audio 40000 RTP/AVP 0"), OURS, 5, 1)[1].event_type == -1
    assert answer(offer(), replace(OURS, dtmf=False), 5, 1)[1].event_type == -1


def test_a_payload_number_with_another_meaning_is_not_our_codec() -> None:
    """A dynamic mapping of a static number counts (RFC 3551 §6: rtpmap overrides)."""
    with pytest.raises(PeerError):
        answer(offer("audio 40000 RTP/AVP 8", "rtpmap:8 speex/16000"), OURS, 5, 1)


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (offer("audio 40000 RTP/AVP 18 97", "rtpmap:97 iLBC/8000"), "offered G729/8000, iLBC/8000; we have PCMA, PCMU"),
        (offer("audio 40000 RTP/SAVP 0"), "RTP/SAVP is offered, but SRTP is off"),
        (offer("audio 40000 UDP/TLS/RTP/SAVPF 0"), "UDP/TLS/RTP/SAVPF is offered, but SRTP is off"),
        (offer("video 40000 RTP/AVP 99"), "no audio line"),
        (offer("audio 0 RTP/AVP 0"), "port 0"),
        (offer("audio 40000 RTP/AVP 101"), "no codec in common"),
        (offer(connection="IN IP4 233.252.0.1"), "not a unicast address"),
        (offer(connection="IN IP4 255.255.255.255"), "not a unicast address"),
        (offer(connection="IN IP4 192.0.2.256"), "not a unicast address"),
        (offer(connection="IN IP6 ff02::1"), "not a unicast address"),
        (offer(connection="IN IP6 :::::"), "not a unicast address"),
    ],
)
def test_what_does_not_fit_is_488_with_the_reason(theirs: bytes, reason: str) -> None:
    """RFC 3261 §21.4.26."""
    with pytest.raises(PeerError, match=reason) as caught:
        answer(theirs, OURS, 5, 1)
    assert caught.value.status == 488


def test_a_refused_offer_of_thousands_is_told_in_a_line() -> None:
    maps = [f"rtpmap:{96 + number % 32} X{'x' * 50}{number}/8000" for number in range(2000)]
    formats = " ".join(str(96 + number % 32) for number in range(2000))
    with pytest.raises(PeerError, match="no codec in common") as caught:
        answer(offer(f"audio 40000 RTP/AVP {formats}", *maps), OURS, 5, 1)
    assert len(str(caught.value)) < 1000


def test_an_unreadable_offer_is_400() -> None:
    with pytest.raises(PeerError) as caught:
        answer(b"nonsense", OURS, 5, 1)
    assert caught.value.status == 400


def test_other_lines_are_refused_in_their_place() -> None:
    """RFC 3264 §6: for each m-line of the offer one in the answer, port 0 to refuse."""
    theirs = offer("audio 40000 RTP/SAVP 0") + b"m=audio 40002 RTP/AVP 8\r\nm=image 40004 udptl t38\r\n"
    media = parse_sdp(answer(theirs, OURS, 5, 1)[0]).media
    assert [(line.kind, line.port, line.proto) for line in media] == [
        ("audio", 0, "RTP/SAVP"), ("audio", 20000, "RTP/AVP"), ("image", 0, "udptl"),
    ]  # fmt: skip


def test_feedback_profile_is_answered_alike() -> None:
    """RFC 4585 §3.1: RTP/AVPF without feedback is RTP/AVP; the answer keeps the profile."""
    assert "m=audio 20000 RTP/AVPF 0 101" in lines_of(answer(offer("audio 40000 RTP/AVPF 0 101"), OURS, 5, 1)[0])


@pytest.mark.parametrize(
    ("theirs", "we_hold", "expected", "send", "receive", "held"),
    [
        ("sendrecv", False, "sendrecv", True, True, False),
        ("sendonly", False, "recvonly", False, True, True),
        ("recvonly", False, "sendonly", True, False, False),
        ("inactive", False, "inactive", False, False, True),
        ("sendrecv", True, "sendonly", True, False, False),
        ("sendonly", True, "inactive", False, False, True),
        ("recvonly", True, "sendonly", True, False, False),
        ("inactive", True, "inactive", False, False, True),
    ],
)
def test_directions(theirs: str, we_hold: bool, expected: str, send: bool, receive: bool, held: bool) -> None:
    """RFC 3264 §6.1 and §8.4: hold from either side."""
    body, agreed = answer(offer("audio 40000 RTP/AVP 0", theirs), OURS, 5, 1, hold=we_hold)
    assert parse_sdp(body).media[0].direction == expected
    assert (agreed.direction_send, agreed.direction_receive, agreed.held_by_remote) == (send, receive, held)


@pytest.mark.parametrize("connection", ["IN IP4 0.0.0.0", "IN IP6 ::"])
def test_hold_by_the_empty_address(connection: str) -> None:
    """RFC 3264 §8.4: the old form of hold must still be understood."""
    body, agreed = answer(offer(connection=connection), OURS, 5, 1)
    assert (agreed.remote, agreed.remote_rtcp, agreed.held_by_remote) == (None, None, True)
    assert not agreed.direction_send
    assert agreed.direction_receive
    assert parse_sdp(body).media[0].direction == "recvonly"


def test_a_host_name_waits_for_the_first_packet() -> None:
    """RFC 8866 §5.7 allows a name; we look up nothing, media learns the address from what it hears."""
    agreed = answer(offer(connection="IN IP4 phone.example.com"), OURS, 5, 1)[1]
    assert (agreed.remote, agreed.direction_send, agreed.held_by_remote) == (None, True, False)


def test_a_new_address_is_taken_over() -> None:
    """RFC 3264 §8.3.1."""
    first, _ = answer(offer(), OURS, 5, 1)
    body, agreed = answer(offer("audio 41000 RTP/AVP 0 101", connection="IN IP4 192.0.2.9"), OURS, 5, 1, previous=first)
    assert agreed.remote == ("192.0.2.9", 41000)
    assert body == first  # nothing of ours changed


def test_an_answer_that_changes_counts_up() -> None:
    first, _ = answer(offer(), OURS, 5, 1)
    body, _ = answer(offer("audio 40000 RTP/AVP 0 101", "sendonly"), OURS, 5, 1, previous=first)
    assert parse_sdp(body).origin.version == "2"
    back, _ = answer(offer(), OURS, 5, 1, previous=body)
    assert parse_sdp(back).origin.version == "3"


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("rtcp:50001", ("192.0.2.1", 50001)),
        ("rtcp:50001 IN IP4 192.0.2.7", ("192.0.2.7", 50001)),
        ("rtcp:50001 IN IP4 0.0.0.0", ("192.0.2.1", 50001)),
        ("rtcp:99999", ("192.0.2.1", 40001)),
        ("rtcp:soon", ("192.0.2.1", 40001)),
    ],
)
def test_rtcp_goes_where_the_attribute_says(attribute: str, expected: tuple[str, int]) -> None:
    """RFC 3605 §2.1."""
    assert answer(offer("audio 40000 RTP/AVP 0", attribute), OURS, 5, 1)[1].remote_rtcp == expected


def test_rtcp_mux_is_agreed_when_offered() -> None:
    """RFC 5761 §5.1.1."""
    theirs = offer("audio 40000 RTP/AVP 0", "rtcp-mux", "rtcp:50001")
    body, agreed = answer(theirs, OURS, 5, 1)
    assert agreed.rtcp_mux
    assert agreed.remote_rtcp == ("192.0.2.1", 40000)
    assert parse_sdp(body).media[0].get("rtcp-mux") == ""
    body, agreed = answer(theirs, replace(OURS, rtcp_mux=False), 5, 1)
    assert not agreed.rtcp_mux
    assert parse_sdp(body).media[0].get("rtcp-mux") is None


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [((), 20), (("ptime:30",), 30), (("ptime:60",), 20), (("maxptime:10",), 10), (("ptime:30", "maxptime:20"), 20),
     (("ptime:20.5",), 20), (("ptime:x",), 20)],
)  # fmt: skip
def test_packet_time(attributes: tuple[str, ...], expected: int) -> None:
    """RFC 8866 §6.4: ptime is a wish; §6.5: maxptime is a bound."""
    caps = replace(OURS, packet_times=(20, 10, 30))
    body, agreed = answer(offer("audio 40000 RTP/AVP 0", *attributes), caps, 5, 1)
    assert agreed.packet_ms == expected
    assert parse_sdp(body).media[0].ptime == expected


# -------------------------------------------------------------------------------------------- taking their answer


def test_their_answer_settles_our_offer() -> None:
    """RFC 3264 §7."""
    ours = make_offer(OURS, 5, 1)
    agreed = accept(offer("audio 40000 RTP/AVP 0 101"), ours)
    assert (agreed.codec, agreed.event_type, agreed.remote) == ("PCMU", 101, ("192.0.2.1", 40000))
    assert agreed.direction_send
    assert agreed.direction_receive


def test_two_of_us_understand_each_other() -> None:
    """Whatever one side offers and the other answers, both hold the same agreement."""
    for name in CODECS:
        caps = Capabilities((name,), True, "192.0.2.5", 6000)
        ours = make_offer(OURS if name in OURS.codecs else replace(OURS, codecs=("PCMU", name)), 1, 1)
        body, theirs = answer(ours, caps, 2, 1)
        agreed = accept(body, ours)
        assert (agreed.codec, agreed.payload_type, agreed.event_type) == (
            theirs.codec, theirs.payload_type, theirs.event_type,
        )  # fmt: skip
        assert agreed.format.name == name
        assert agreed.event_type >= 0


def test_our_hold_and_theirs() -> None:
    """RFC 3264 §6.1: an answer to sendonly is recvonly or inactive."""
    held = make_offer(OURS, 5, 1, hold=True)
    plain = accept(offer("audio 40000 RTP/AVP 0", "recvonly"), held)
    assert (plain.direction_send, plain.direction_receive, plain.held_by_remote) == (True, False, False)
    both = accept(offer("audio 40000 RTP/AVP 0", "inactive"), held)
    assert (both.direction_send, both.direction_receive, both.held_by_remote) == (False, False, True)
    careless = accept(offer("audio 40000 RTP/AVP 0"), held)  # answers sendrecv to sendonly, which is wrong
    assert (careless.direction_send, careless.direction_receive) == (True, False)


def test_rtcp_mux_only_if_we_offered_it() -> None:
    """RFC 5761 §5.1.1: an answer must not have it unless the offer did."""
    theirs = offer("audio 40000 RTP/AVP 0", "rtcp-mux")
    assert not accept(theirs, make_offer(OURS, 5, 1)).rtcp_mux
    assert accept(theirs, make_offer(replace(OURS, offer_rtcp_mux=True), 5, 1)).rtcp_mux


def test_the_answer_is_looked_up_in_our_place() -> None:
    body, _ = answer(offer("video 5000 RTP/AVP 99") + b"m=audio 40000 RTP/AVP 0\r\n", OURS, 5, 1)
    again = make_offer(OURS, 5, 2, previous=body)
    agreed = accept(offer("video 0 RTP/AVP 99") + b"m=audio 41000 RTP/AVP 8\r\n", again)
    assert (agreed.codec, agreed.remote) == ("PCMA", ("192.0.2.1", 41000))


@pytest.mark.parametrize(
    ("theirs", "status"),
    [
        (offer("audio 0 RTP/AVP 0"), 488),
        (offer("audio 40000 RTP/AVP 18"), 488),
        (offer("audio 40000 RTP/AVP 9"), 488),
        (offer("audio 40000 RTP/SAVP 0"), 488),
        (offer("image 40000 udptl t38"), 488),
        (b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n", 400),
        (b"", 400),
    ],
)
def test_an_answer_that_is_none(theirs: bytes, status: int) -> None:
    with pytest.raises(PeerError) as caught:
        accept(theirs, make_offer(OURS, 5, 1))
    assert caught.value.status == status


def test_telephone_event_that_we_did_not_offer_is_not_used() -> None:
    assert accept(offer(), make_offer(replace(OURS, dtmf=False), 5, 1)).event_type == -1


def test_the_leg_spec_says_the_same() -> None:
    agreed = answer(offer("audio 40000 RTP/AVP 0 101", "sendonly"), OURS, 5, 1)[1]
    assert agreed.to_leg_spec("signalled", 30.0) == LegSpec(
        codec="PCMU", payload_type=0, event_type=101, remote=("192.0.2.1", 40000), remote_rtcp=("192.0.2.1", 40001),
        send=False, receive=True, packet_ms=20, latch="signalled", rtcp_mux=False, silence=30.0,
        clock=8000,
    )  # fmt: skip


def test_media_decodes_what_the_table_calls_mixed() -> None:
    """Two floors that may not import each other hold the same list."""
    from softswitch.media import codecs as media

    mixed = {codec.name: codec for codec in CODECS.values() if codec.mixed}
    assert set(media.CODECS) | {"opus"} == set(mixed)
    assert all(media.CODECS[name].clock == mixed[name].clock for name in media.CODECS)
