"""RFC 8866: session descriptions, as read and as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import PeerError
from softswitch.wire.sdp import Media, Origin, RtpMap, SessionDescription, parse_sdp

PHONE = b"""v=0
o=alice 2890844526 2890844527 IN IP4 192.0.2.101
s=call
i=a description that nobody needs
c=IN IP4 192.0.2.101
b=AS:64
t=0 0
a=tool:phone 1.0
m=audio 49170 RTP/AVP 8 0 96 101
b=AS:80
a=rtpmap:8 PCMA/8000
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1; stereo=0
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=maxptime:60
a=rtcp-mux
a=sendonly
m=video 0 RTP/AVP 99
""".replace(b"\n", b"\r\n")


def description(*lines: str) -> bytes:
    return "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", *lines, ""]).encode()


def test_a_phone_s_offer_is_read_whole() -> None:
    """RFC 8866 §5: session part, media parts, and what falls from the one to the other."""
    session = parse_sdp(PHONE)
    assert session.origin == Origin("alice", "2890844526", "2890844527", "192.0.2.101")
    assert (session.name, session.connection, session.timing) == ("call", "192.0.2.101", "0 0")
    assert session.attributes == (("tool", "phone 1.0"),)
    audio, video = session.media
    assert (audio.kind, audio.port, audio.proto) == ("audio", 49170, "RTP/AVP")
    assert audio.formats == ("8", "0", "96", "101")
    assert audio.connection == "192.0.2.101"
    assert audio.direction == "sendonly"
    assert (audio.ptime, audio.maxptime) == (20, 60)
    assert audio.get("rtcp-mux") == ""
    assert audio.get("crypto") is None
    assert audio.bandwidth == ("AS:80",)
    assert video.port == 0


def test_rtpmaps_keep_the_order_of_preference_and_know_static_types() -> None:
    """RFC 8866 §5.14: formats are listed by preference; RFC 3551 §6 explains 0 without an rtpmap."""
    maps = parse_sdp(PHONE).media[0].rtpmaps()
    assert list(maps) == [8, 0, 96, 101]
    assert maps[0] == RtpMap("PCMU", 8000)
    assert maps[96] == RtpMap("opus", 48000, 2)
    assert maps[101] == RtpMap("telephone-event", 8000)


def test_fmtp_of_a_payload_type() -> None:
    """RFC 8866 §6.15."""
    audio = parse_sdp(PHONE).media[0]
    assert audio.fmtp(96) == "useinbandfec=1; stereo=0"
    assert audio.fmtp(10) == ""


def test_media_connection_and_direction_override_the_session_s() -> None:
    """RFC 8866 §5.7 and §6.7."""
    session = parse_sdp(
        description(
            "c=IN IP4 192.0.2.1", "t=0 0", "a=inactive", "m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1",
            "a=recvonly", "m=audio 4002 RTP/AVP 0",
        )
    )  # fmt: skip
    first, second = session.media
    assert (first.connection, first.direction) == ("2001:db8::1", "recvonly")
    assert (second.connection, second.direction) == ("192.0.2.1", "inactive")


def test_a_time_to_live_and_a_number_of_ports_are_cut_off() -> None:
    """RFC 8866 §5.7 and §5.14."""
    session = parse_sdp(description("c=IN IP4 233.252.0.1/127", "t=0 0", "m=audio 49170/2 RTP/AVP 31"))
    assert session.media[0].connection == "233.252.0.1"
    assert session.media[0].port == 49170


@pytest.mark.parametrize(
    "data",
    [
        PHONE.replace(b"\r\n", b"\n"),
        PHONE.replace(b"\r\n", b"\r"),
        PHONE.replace(b"\r\n", b" \t\r\n"),
        PHONE.replace(b"t=0 0\r\n", b""),
        PHONE.replace(b"\r\n", b"\r\n\r\n"),
        PHONE.removesuffix(b"\r\n"),
        PHONE.replace(b"b=AS:64", b"x=unheard of"),
    ],
    ids=["LF", "CR", "blanks", "no t=", "empty lines", "no last line end", "unknown letter"],
)
def test_vendors_quirks_change_nothing_for_the_audio(data: bytes) -> None:
    assert parse_sdp(data).media[0] == parse_sdp(PHONE).media[0]


def test_a_refused_line_needs_no_connection() -> None:
    """RFC 3264 §6: port 0 refuses; nothing else on that line matters."""
    session = parse_sdp(description("t=0 0", "m=audio 0 RTP/AVP 0", "m=audio 4000 RTP/AVP 0", "c=IN IP4 192.0.2.1"))
    assert [media.connection for media in session.media] == [None, "192.0.2.1"]


def test_a_missing_name_is_a_dash() -> None:
    """RFC 8866 §5.3: "-" for no meaningful name."""
    assert parse_sdp(PHONE.replace(b"s=call\r\n", b"")).name == "-"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        PHONE.replace(b"v=0", b"v=1"),
        PHONE.replace(b"v=0\r\n", b""),
        PHONE.replace(b"o=alice 2890844526", b"o=2890844526"),
        PHONE.replace(b"2890844527 IN", b"soon IN"),
        description("t=0 0", "m=audio 4000 RTP/AVP 0"),
        description("c=IN IP4", "t=0 0", "m=audio 4000 RTP/AVP 0"),
        description("c=IN IP5 192.0.2.1", "t=0 0", "m=audio 4000 RTP/AVP 0"),
        PHONE.replace(b"49170", b"65536"),
        PHONE.replace(b"49170", b"-1"),
        PHONE.replace(b"49170", b"9" * 5000),
        PHONE.replace(b"m=audio 49170 RTP/AVP 8 0 96 101", b"m=audio 49170 RTP/AVP"),
        PHONE.replace(b"a=ptime:20", b"ptime:20"),
        b"m=audio 1 RTP/AVP 0\r\n" + PHONE,
    ],
)
def test_what_cannot_be_acted_upon_is_400(data: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        parse_sdp(data)
    assert caught.value.status == 400


def test_a_broken_rtpmap_is_400_when_asked_for() -> None:
    for broken in ("96 opus", "96 opus/", "96 opus/48k", "96 /8000", "96 L16/" + "9" * 5000):
        media = parse_sdp(description("c=IN IP4 192.0.2.1", "m=audio 4000 RTP/AVP 96", f"a=rtpmap:{broken}")).media[0]
        with pytest.raises(PeerError):
            media.rtpmaps()


def test_formats_that_are_no_payload_types_are_left_out() -> None:
    """`m=image 4000 udptl t38` has no payload types."""
    media = parse_sdp(description("c=IN IP4 192.0.2.1", f"m=audio 4000 RTP/AVP t38 200 {'9' * 5000} 8")).media[0]
    assert list(media.rtpmaps()) == [8]


def test_written_in_the_order_of_the_rfc() -> None:
    """RFC 8866 §5: v o s c b t a, then m c b a."""
    text = parse_sdp(PHONE).to_bytes().decode()
    letters = [line[0] for line in text.split("\r\n")[:-1]]
    assert "".join(letters) == "voscbta" + "mbaaaaaaaaa" + "m"
    assert text.endswith("\r\n")


def test_what_is_written_is_read_back() -> None:
    session = parse_sdp(PHONE)
    assert parse_sdp(session.to_bytes()) == session


_TOKEN = st.text(st.characters(codec="ascii", categories=("Lu", "Ll", "Nd")), min_size=1, max_size=8)
_VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=0x7FF, exclude_categories=("Cc", "Zs")), max_size=12)
_ADDRESS = st.one_of(st.ip_addresses().map(str))
_ATTRIBUTE = st.tuples(_TOKEN.map(lambda text: "x" + text), st.one_of(st.none(), _VALUE))
_MEDIA = st.builds(
    Media,
    kind=_TOKEN,
    port=st.integers(1, 65535),
    proto=st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    formats=st.lists(_TOKEN, min_size=1, max_size=4).map(tuple),
    connection=_ADDRESS,
    direction=st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]),
    attributes=st.lists(_ATTRIBUTE, max_size=4).map(tuple),
)
_SESSION = st.builds(
    SessionDescription,
    origin=st.builds(
        Origin, _TOKEN, st.integers(0, 2**70).map(str), st.integers(0, 2**64).map(str), _ADDRESS
    ),
    name=_TOKEN,
    connection=st.one_of(st.none(), _ADDRESS),
    direction=st.sampled_from(["sendrecv", "inactive"]),
    attributes=st.lists(_ATTRIBUTE, max_size=3).map(tuple),
    media=st.lists(_MEDIA, max_size=3).map(tuple),
)  # fmt: skip


@given(_SESSION)
def test_round_trip(session: SessionDescription) -> None:
    assert parse_sdp(session.to_bytes()) == session


@given(st.binary(max_size=200), st.integers(0, len(PHONE)), st.integers(0, 40))
def test_garbage_gives_a_value_or_a_peer_error(noise: bytes, place: int, cut: int) -> None:
    try:
        session = parse_sdp(PHONE[:place] + noise + PHONE[place + cut :])
        for media in session.media:
            _ = media.rtpmaps(), media.ptime, media.fmtp(96)
    except PeerError:
        return
    assert parse_sdp(session.to_bytes()).origin == session.origin
