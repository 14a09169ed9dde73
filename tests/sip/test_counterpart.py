"""What to offer to one party for a bridge with another; formats and their identity."""

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.sip.codec_table import CODECS, Format, match, our_formats
from softswitch.sip.counterpart import SWITCH, Counterpart, counterpart_of, offered_formats
from softswitch.sip.offer_answer import formats_in

OURS = ("PCMA", "PCMU", "G722", "opus")


def row(name: str) -> Format:
    return our_formats((name,))[0]


def names(formats: tuple[Format, ...]) -> list[str]:
    return [format.name for format in formats]


AMR_OCTETS = Format("AMR", 8000, 96, 1, "octet-align=1; mode-set=7")
AMR_BITS = Format("AMR", 8000, 97, 1, "mode-set=0,2")


def test_without_a_far_party_we_offer_what_we_decode() -> None:
    """G.729 would be accepted and then be silent."""
    assert names(offered_formats(("G729", "PCMA", "opus"), SWITCH)) == ["PCMA", "opus"]


def test_shared_codecs_come_first_in_the_far_party_s_order() -> None:
    far = Counterpart((row("opus"), row("PCMU")))
    assert names(offered_formats(OURS, far)) == ["opus", "PCMU", "PCMA", "G722"]


def test_a_far_party_that_cannot_be_mixed_is_met_in_its_own_codecs_only() -> None:
    far = Counterpart((row("G729"),), mixed=False, through=True)
    assert names(offered_formats(OURS, far)) == ["G729"]
    assert offered_formats(OURS, far, through=False) == ()
    assert names(offered_formats((*OURS, "G729"), far, through=False)) == ["G729"]  # it is named there


def test_what_is_foreign_comes_last_and_keeps_number_and_parameters() -> None:
    own = Format("X-own", 48000, 120, 2, "a=b;c")
    far = Counterpart((own, row("PCMA")), through=True)
    offered = offered_formats(OURS, far)
    assert offered[-1] == own
    assert names(offered) == ["PCMA", "PCMU", "G722", "opus", "X-own/48000"]


@pytest.mark.parametrize(
    ("encoding", "fmtp"), [("X own", ""), ("X\x01", ""), ("X", "a\x7f"), ("X" * 41, ""), ("X", "a" * 241)]
)
def test_what_is_not_a_token_goes_no_further(encoding: str, fmtp: str) -> None:
    """RFC 8866 §9: what one phone writes is not what another must bear."""
    far = Counterpart((Format(encoding, 8000, 96, 1, fmtp), row("PCMA")), through=True)
    assert names(offered_formats(OURS, far)) == list(OURS)


def test_a_hundred_foreign_codecs_do_not_fill_our_offer() -> None:
    many = tuple(Format(f"X{n}", 8000, 96 + n % 30) for n in range(100))
    assert len(offered_formats(OURS, Counterpart(many, through=True))) == len(OURS) + 12


@pytest.mark.parametrize(
    ("known", "policy", "passthrough", "through", "expected"),
    [
        (("PCMA", "G729"), OURS, True, True, (["PCMA", "G729"], True, True)),
        (("PCMA", "G729"), OURS, True, False, (["PCMA"], True, False)),  # we have something to say in this call
        (("PCMA", "G729"), OURS, False, True, (["PCMA"], True, True)),
        (("G729",), OURS, True, False, (["G729"], False, True)),  # there is nothing else
        (("G729",), OURS, False, True, ([], False, True)),
        (("G729",), (*OURS, "G729"), False, True, (["G729"], False, True)),
        (("L16", "G729"), OURS, True, True, (["G729"], False, True)),  # we know it, the configuration does not want it
    ],
)
def test_what_a_caller_brings_to_a_bridge(
    known: tuple[str, ...],
    policy: tuple[str, ...],
    passthrough: bool,
    through: bool,
    expected: tuple[list[str], bool, bool],
) -> None:
    far = counterpart_of(tuple(row(name) for name in known), policy, passthrough=passthrough, through=through)
    assert (names(far.formats), far.mixed, far.through) == expected


def test_the_format_that_an_answer_means() -> None:
    """By number and name; then by what makes streams differ; then by name. RFC 4855 §3: names ignore case."""
    both = (AMR_OCTETS, AMR_BITS)
    assert match(Format("amr", 8000, 97), both) == AMR_BITS
    assert match(Format("AMR", 8000, 100, 1, "octet-align=1"), both) == AMR_OCTETS
    assert match(Format("AMR", 8000, 100), both) == AMR_BITS
    assert match(Format("AMR", 16000, 97), both) is None


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (Format("G729", 8000, 18, 1, "annexb=no"), Format("G729", 8000, 96), True),  # a wish of the receiver
        (Format("iLBC", 8000, 97), Format("iLBC", 8000, 97, 1, "mode=30"), True),  # RFC 3952 §5: the default
        (Format("iLBC", 8000, 97), Format("iLBC", 8000, 97, 1, "mode=20"), False),
        (AMR_OCTETS, AMR_BITS, False),
        (AMR_BITS, Format("AMR", 8000, 97, 1, "octet-align=0;crc=0"), True),
    ],
)
def test_what_makes_streams_of_one_name_differ(one: Format, other: Format, alike: bool) -> None:
    assert (one.identity == other.identity) is alike


def test_what_is_no_codec_is_none() -> None:
    """Events, comfort noise and wrappings stand beside a codec."""
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    sdp = (
        f"{head}m=audio 4000 RTP/AVP 13 96 97 101 8\r\na=rtpmap:96 red/8000\r\na=fmtp:96 8/8\r\n"
        "a=rtpmap:97 CN/16000\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
    assert names(formats_in(sdp.encode())) == ["PCMA"]


def test_names_of_the_table() -> None:
    """One name, one row; what RFC 3551 fixes is fixed."""
    assert [CODECS[name].payload_type for name in ("PCMU", "GSM", "G723", "PCMA", "G722", "G729")] == [
        0,
        3,
        4,
        8,
        9,
        18,
    ]
    assert all(set(codec.packet_times) <= {10, 20, 30, 40, 50, 60} for codec in CODECS.values())
    with pytest.raises(LocalError):
        our_formats(("PCMB",))
