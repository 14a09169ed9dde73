"""The audio codecs that we know by name, and formats: codecs as they stand in a description.

We decode and encode the `mixed` ones: their parties can be played to, recorded, mixed and bridged with any other.
All others pass from one party to another as they are, whether a row knows them or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from softswitch.kernel.errors import LocalError
from softswitch.wire.sdp import RtpMap

EVENT = "telephone-event"
_EVENTS = "0-16"  # digits, *, #, A–D and flash (RFC 4733 §3.2)
_EVENT_PAYLOADS = {8000: 101, 16000: 102, 48000: 103}
_LAST_DYNAMIC = 127
PACKET_TIMES = (10, 20, 30, 40, 50, 60)
"""ms of audio that we put into a packet."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A row of the codec table: the name that the configuration uses, the encoding name of SDP, RTP clock in Hz,
    channels, the payload type that we offer (fixed by RFC 3551 below 96), format parameters that we offer.
    `packet_times`: ms that one packet may hold. `identity`: parameters that make streams of one name differ, with
    their defaults; others are wishes or bounds of one side."""

    name: str
    encoding: str
    clock: int
    channels: int
    payload_type: int
    fmtp: str = ""
    mixed: bool = False
    packet_times: tuple[int, ...] = PACKET_TIMES
    identity: tuple[tuple[str, str], ...] = ()


_AMR = (("octet-align", "0"), ("crc", "0"), ("robust-sorting", "0"), ("interleaving", ""))  # RFC 4867 §8.1
_OPUS = "maxplaybackrate=16000; sprop-maxcapturerate=16000; useinbandfec=1"  # RFC 7587 §6.1: call audio is wide-band

_TABLE = (
    Codec("PCMU", "PCMU", 8000, 1, 0, mixed=True),
    Codec("PCMA", "PCMA", 8000, 1, 8, mixed=True),
    Codec("G722", "G722", 8000, 1, 9, mixed=True),  # samples at 16000, but its clock is 8000 (RFC 3551 §4.5.2)
    Codec("opus", "opus", 48000, 2, 111, _OPUS, mixed=True),
    Codec("L16", "L16", 16000, 1, 98, mixed=True, packet_times=(10, 20, 30, 40)),  # 40 ms are 1280 octets
    Codec("L16/8000", "L16", 8000, 1, 99, mixed=True),
    Codec("G729", "G729", 8000, 1, 18, "annexb=no"),
    Codec("G723", "G723", 8000, 1, 4),
    Codec("GSM", "GSM", 8000, 1, 3),
    Codec("iLBC", "iLBC", 8000, 1, 97, "mode=20", identity=(("mode", "30"),)),
    Codec("G726-32", "G726-32", 8000, 1, 112),
    Codec("AMR", "AMR", 8000, 1, 104, identity=_AMR),
    Codec("AMR-WB", "AMR-WB", 16000, 1, 105, identity=_AMR),
    Codec("EVS", "EVS", 16000, 1, 106),
    Codec("Speex", "speex", 8000, 1, 107),
    Codec("Speex/16000", "speex", 16000, 1, 108),
)
CODECS: dict[str, Codec] = {codec.name: codec for codec in _TABLE}
_BY_ENCODING = {(codec.encoding.lower(), codec.clock, codec.channels): codec for codec in _TABLE}


class Format(msgspec.Struct, frozen=True):
    """A codec in a description: encoding name (spelt as in the table, if it is there), RTP clock in Hz, payload type,
    channels, parameters as given."""

    encoding: str
    clock: int
    payload_type: int
    channels: int = 1
    fmtp: str = ""

    @property
    def codec(self) -> Codec | None:
        """Its row, None for a codec that we have never heard of."""
        return _BY_ENCODING.get((self.encoding.lower(), self.clock, self.channels))

    @property
    def mixed(self) -> bool:
        """Whether we can decode and encode it."""
        codec = self.codec
        return codec is not None and codec.mixed

    @property
    def name(self) -> str:
        """As in the table, else as SDP writes it."""
        codec = self.codec
        return f"{self.encoding}/{self.clock}" if codec is None else codec.name

    @property
    def wire_name(self) -> str:
        """As `LegSpec` has it: the table's name for what is mixed, else the encoding name."""
        codec = self.codec
        return self.encoding if codec is None or not codec.mixed else codec.name

    @property
    def identity(self) -> str:
        """What must be equal, beside name and clock, for one side's stream to be the other's."""
        codec = self.codec
        if codec is None or not codec.identity:
            return ""
        given = dict(part.strip().lower().partition("=")[::2] for part in self.fmtp.split(";"))
        return ";".join(f"{key}={given.get(key, usual)}" for key, usual in codec.identity)

    def same(self, other: "Format") -> bool:
        """Whether both name one codec (RFC 4855 §3: names ignore case); parameters aside."""
        return (
            self.clock == other.clock
            and self.channels == other.channels
            and self.encoding.lower() == other.encoding.lower()
        )


def format_of(payload: int, entry: RtpMap, fmtp: str) -> Format:
    """What a peer's section says of one payload type."""
    codec = _BY_ENCODING.get((entry.encoding.lower(), entry.clock, entry.channels))
    return Format(entry.encoding if codec is None else codec.encoding, entry.clock, payload, entry.channels, fmtp)


@lru_cache(maxsize=256)
def our_formats(names: tuple[str, ...], prefer: str | None = None) -> tuple[Format, ...]:
    """The rows of `names`, `prefer` first if it is among them. Raises `LocalError` on a name that no row has."""
    formats: list[Format] = []
    for name in names:
        codec = CODECS.get(name)
        if codec is None:
            raise LocalError(f"unknown codec {name!r}; known are {', '.join(CODECS)}")
        row = Format(codec.encoding, codec.clock, codec.payload_type, codec.channels, codec.fmtp)
        formats.insert(0 if name == prefer else len(formats), row)
    return tuple(formats)


def match(wanted: Format, among: tuple[Format, ...]) -> Format | None:
    """The one of `among` that is `wanted`: by number and name first, then by what its parameters say, then by name."""
    if wanted in among:
        return wanted
    alike = [format for format in among if format.same(wanted)]
    for format in alike:
        if format.payload_type == wanted.payload_type:
            return format
    identity = wanted.identity
    return next((format for format in alike if format.identity == identity), alike[0] if alike else None)


def event_payload(maps: Mapping[int, RtpMap], clock: int) -> int:
    """telephone-event at the codec's clock (RFC 4733 §2.5.1.1), else any: phones offer 8000 beside opus."""
    chosen = -1
    for payload, entry in maps.items():
        if entry.encoding.lower() == EVENT:
            if entry.clock == clock:
                return payload
            if chosen < 0:
                chosen = payload
    return chosen


# --------------------------------------------------------------------------------------------------- putting it down

Taken = dict[tuple[str, int, int, str], int]
"""What payload types mean in a dialog: (encoding, clock, channels, parameters of what we cannot mix) → number."""


def taken_by(formats: tuple[Format, ...], maps: Mapping[int, RtpMap]) -> Taken:
    """The meanings that a description of ours gave (RFC 3264 §8.3.2: they stay)."""
    taken: Taken = {_key(format): format.payload_type for format in formats}
    for payload, entry in maps.items():
        if entry.encoding == EVENT:
            taken[EVENT, entry.clock, 1, ""] = payload
    return taken


def _key(format: Format) -> tuple[str, int, int, str]:
    return format.encoding.lower(), format.clock, format.channels, "" if format.mixed else format.fmtp


def _number_for(key: tuple[str, int, int, str], wanted: int, taken: Taken) -> int:
    """The number that `key` already has in this dialog, else `wanted`, else the first free dynamic one."""
    number = taken.get(key)
    if number is None:
        used = set(taken.values())
        number = wanted
        while number in used:
            number = number + 1 if 96 <= number < _LAST_DYNAMIC else 96
        taken[key] = number
    return number


def _lines_of(payload: int, format: Format, fmtp: str) -> list[str]:
    channels = f"/{format.channels}" if format.channels > 1 else ""
    lines = [f"a=rtpmap:{payload} {format.encoding}/{format.clock}{channels}"]
    if fmtp:
        lines.append(f"a=fmtp:{payload} {fmtp}")
    return lines


def _event_lines(payload: int, clock: int) -> str:
    return f"a=rtpmap:{payload} {EVENT}/{clock}\r\na=fmtp:{payload} {_EVENTS}"


def offer_lines(offered: tuple[Format, ...], dtmf: bool, mux: bool, taken: Taken) -> tuple[str, str]:
    """Formats and attributes of an offer; `taken` is added to. Raises `LocalError` without any format."""
    if not offered:
        raise LocalError("no codec to offer")
    numbers: list[str] = []
    attributes: list[str] = []
    for format in offered:
        payload = _number_for(_key(format), format.payload_type, taken)
        numbers.append(str(payload))
        attributes += _lines_of(payload, format, format.fmtp)
    clocks = dict.fromkeys(format.clock for format in offered)
    for clock in clocks if dtmf else ():  # one for each clock rate (RFC 4733 §2.5.1.1)
        payload = _number_for((EVENT, clock, 1, ""), _EVENT_PAYLOADS.get(clock, 100), taken)
        numbers.append(str(payload))
        attributes.append(_event_lines(payload, clock))
    if mux:
        attributes.append("a=rtcp-mux")
    return " ".join(numbers), "\r\n".join(attributes)


@lru_cache(maxsize=1024)
def answer_lines(chosen: Format, fmtp: str, event: int, event_clock: int, mux: bool) -> tuple[str, str]:
    """Formats and attributes of an answer; `fmtp` are the parameters that we say."""
    payload = chosen.payload_type
    numbers = str(payload)
    attributes = _lines_of(payload, chosen, fmtp)
    if event >= 0:
        numbers = f"{numbers} {event}"
        attributes.append(_event_lines(event, event_clock))
    if mux:
        attributes.append("a=rtcp-mux")
    return numbers, "\r\n".join(attributes)
