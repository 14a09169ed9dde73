"""The protocol between the control process and its media processes.

A media process listens on a Unix stream socket; the control process connects. Both directions carry frames: a
4-byte big-endian length and a MessagePack array of messages (each an array whose first item is its tag). Control
sends `Command`s, media answers with `Report`s. Nothing is acknowledged one by one: a command that cannot be carried
out is answered by `Failed`, and the inventory tells what lives.

Ids (`leg`, `player`, `recorder`, `room`) are one number space, chosen by control, never reused while media lives. A
`slot` is a pair of sockets (RTP on an even port, RTCP on the next) that media has bound ahead and told in
`Ready`/`Grown`; so control picks ports without asking.

The mix is a sparse matrix: an edge goes from a source (leg, player) to a sink (leg, or one channel of a recorder).
A room is both: a sink of those who speak in it and a source for those who hear it, whose own part is left out.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from softswitch.kernel.errors import PeerError
from softswitch.wire.leg_spec import DATAGRAMS as DATAGRAMS
from softswitch.wire.leg_spec import LISTEN_ANSWER as LISTEN_ANSWER
from softswitch.wire.leg_spec import LISTEN_DTMF as LISTEN_DTMF
from softswitch.wire.leg_spec import LISTEN_PROGRESS as LISTEN_PROGRESS
from softswitch.wire.leg_spec import LISTEN_SPEECH as LISTEN_SPEECH
from softswitch.wire.leg_spec import Dtls as Dtls
from softswitch.wire.leg_spec import LegSpec as LegSpec
from softswitch.wire.leg_spec import Other as Other
from softswitch.wire.leg_spec import Sdes as Sdes
from softswitch.wire.leg_spec import Security as Security

VERSION = 2
MAX_FRAME = 4 * 1024 * 1024


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Tagged by class name; positional on the wire, so fields are only ever added at the end, with a default."""


# ------------------------------------------------------------------------------------------- what is heard by whom


class Edge(msgspec.Struct, frozen=True, array_like=True):
    """`source` is heard by `sink` (for a recorder: on `channel`), multiplied by `gain` (1.0 is unity; 0 is no edge).
    Either end may be a room, not both."""

    source: int
    sink: int
    channel: int = 0
    gain: float = 1.0


class FileItem(msgspec.Struct, frozen=True, array_like=True, tag="file"):
    """A sound file: any rate and channel count that libsndfile reads; cached decoded."""

    path: str


class ToneItem(msgspec.Struct, frozen=True, array_like=True, tag="tone"):
    """Sine waves of `frequencies` Hz at `level` dBm0 each, on for `on` ms and off for `off` ms, `repeat` times."""

    frequencies: tuple[float, ...]
    on: int
    off: int = 0
    repeat: int = 1
    level: float = -13.0


class SilenceItem(msgspec.Struct, frozen=True, array_like=True, tag="silence"):
    """`ms` of silence."""

    ms: int


PlayItem: TypeAlias = FileItem | ToneItem | SilenceItem


# ------------------------------------------------------------------------------------------------ control to media


class Hello(_Message, frozen=True):
    """First frame of control. Media answers `Ready`, or `Failed` and closes when the versions do not fit."""

    version: int = VERSION


class OpenLeg(_Message, frozen=True):
    """Take `slot` for `leg`. Packets that were waiting in its sockets are thrown away."""

    leg: int
    slot: int
    spec: LegSpec


class UpdateLeg(_Message, frozen=True):
    """The negotiated stream changed (answer, re-INVITE, hold)."""

    leg: int
    spec: LegSpec


class CloseLeg(_Message, frozen=True):
    """End `leg`, its edges and its socket's use; answered by `LegClosed` with the last statistics."""

    leg: int


class Connect(_Message, frozen=True):
    """Add edges, or change the gain of edges that exist."""

    edges: tuple[Edge, ...]


class Disconnect(_Message, frozen=True):
    """Take edges away; gains are ignored, edges that do not exist are fine."""

    edges: tuple[Edge, ...]


class OpenRoom(_Message, frozen=True):
    """A conference, with nobody in it yet."""

    room: int


class JoinRoom(_Message, frozen=True):
    """`member` speaks in the room, `speak` times as loud, and hears all others, `hear` times as loud. Joining again
    changes the gains: muted is `speak` 0, deaf is `hear` 0. A player only speaks; a recorder only hears, on `channel`.
    The same as an edge to the room and one from it."""

    room: int
    member: int
    speak: float = 1.0
    hear: float = 1.0
    channel: int = 0


class LeaveRoom(_Message, frozen=True):
    """`member` neither speaks nor hears there any more."""

    room: int
    member: int
    channel: int = 0


class CloseRoom(_Message, frozen=True):
    """Everybody leaves and the room is gone; legs, players and recorders stay."""

    room: int


class Play(_Message, frozen=True):
    """Start a player: a source that plays `items` in turn, the whole list `loops` times (0 = for ever), then
    answers `PlayDone` and is gone."""

    player: int
    items: tuple[PlayItem, ...]
    loops: int = 1


class StopPlay(_Message, frozen=True):
    """End a player early; answered by `PlayDone` with cause `stopped`."""

    player: int


class Record(_Message, frozen=True):
    """Start a recorder: a sink of `channels` channels written to the WAV file at `path` (8 kHz, 16 bit). Its
    folder is made."""

    recorder: int
    path: str
    channels: int = 2


class PauseRecord(_Message, frozen=True):
    """From here on silence of the same length is written."""

    recorder: int


class ResumeRecord(_Message, frozen=True):
    """Write sound again."""

    recorder: int


class StopRecord(_Message, frozen=True):
    """Close the file; answered by `RecordDone`."""

    recorder: int


class SendDigits(_Message, frozen=True):
    """Send `digits` (0–9 * # A–D, `w` waits half a second) to the leg's peer: RFC 4733 if negotiated, else in band."""

    leg: int
    digits: str
    duration_ms: int = 160


class Grow(_Message, frozen=True):
    """Bind more slots if the port range allows; answered by `Grown`."""

    slots: int


class AskStats(_Message, frozen=True):
    """Ask for `WorkerStats`, and unless `process_only` for `LegStats` of these legs (none: of all)."""

    legs: tuple[int, ...] = ()
    process_only: bool = False


class AskInventory(_Message, frozen=True):
    """Ask what lives; answered by `Inventory`."""


class Shutdown(_Message, frozen=True):
    """Close recordings and end the process."""


Command: TypeAlias = (
    Hello
    | OpenLeg
    | UpdateLeg
    | CloseLeg
    | Connect
    | Disconnect
    | OpenRoom
    | JoinRoom
    | LeaveRoom
    | CloseRoom
    | Play
    | StopPlay
    | Record
    | PauseRecord
    | ResumeRecord
    | StopRecord
    | SendDigits
    | Grow
    | AskStats
    | AskInventory
    | Shutdown
)


# ------------------------------------------------------------------------------------------------ media to control


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """RTP is bound to `port`, RTCP to `port` + 1."""

    slot: int
    port: int


class Ready(_Message, frozen=True):
    """Answer to `Hello`: who and what media is. `free` are the slots that no leg holds; `why`: why this backend;
    `fingerprint`: that of the process's DTLS certificate, as the value of `a=fingerprint`."""

    version: int
    pid: int
    backend: str
    codecs: tuple[str, ...]
    free: tuple[Slot, ...]
    capacity: int
    why: str = ""
    fingerprint: str = ""


class Grown(_Message, frozen=True):
    """New slots; empty when the port range is used up."""

    slots: tuple[Slot, ...]


class Failed(_Message, frozen=True):
    """A command could not be carried out. `subject` is the id it was about (0: none); `what` the command's tag."""

    subject: int
    what: str
    reason: str


class Digit(_Message, frozen=True):
    """A key was pressed, reported once at its end (or after its third packet when the end is lost)."""

    leg: int
    digit: str
    duration_ms: int
    method: str = "rfc4733"


class LegLatched(_Message, frozen=True):
    """The peer's packets come from `remote`, which was not the signalled address."""

    leg: int
    remote: tuple[str, int]


class LegSilent(_Message, frozen=True):
    """No packet for `seconds`; said once until packets come again."""

    leg: int
    seconds: float


class LegHeard(_Message, frozen=True):
    """The leg's first packet has come, or the first one after `LegSilent`."""

    leg: int


class Heard(_Message, frozen=True):
    """A detector found `what`, `ms` after it began to listen; `detail` is for people.

    `LISTEN_PROGRESS`: `ringback`, `busy`, `congestion`, `dial-tone`, `unobtainable`, `information` (ITU-T E.180),
    `fax-calling` (T.30 CNG), `fax-answering` (CED). `LISTEN_ANSWER`: `human`, `machine` or `unsure`, once, and `beep`
    after the latter two. `LISTEN_SPEECH`: `dead-air`, once until somebody talks again.
    """

    leg: int
    what: str
    detail: str = ""
    ms: int = 0


class SpeechFacts(msgspec.Struct, frozen=True, array_like=True):
    """What a leg's party said, in seconds, but for `spurts` (times that talk began), `clipped` (samples at full scale)
    and the levels in dBm0: `level` of speech (−99 without any), `peak` of the loudest sample, `noise` at the end.
    `shared` are the seconds with another side, to which `overtalk` and `dead_air` belong."""

    heard: float
    talk: float
    overtalk: float
    dead_air: float
    shared: float
    spurts: int
    clipped: int
    level: float
    peak: float
    noise: float


class Secured(_Message, frozen=True):
    """The leg has its SRTP keys; `suite` by its name in RFC 4568."""

    leg: int
    suite: str


class SecurityFailed(_Message, frozen=True):
    """The leg will not get SRTP keys (wrong certificate, handshake refused, nobody came): it stays mute and deaf."""

    leg: int
    reason: str


class LegStats(_Message, frozen=True):
    """What went through a leg (RFC 3550 §6.4 terms). `round_trip_ms` is −1 while unknown.

    What we hear: of `expected` packets some were `lost`, and `late` ones came too late to be played; `concealed_ms` of
    sound were made up for them. `buffer_ms` is how long packets wait in the jitter buffer lately. `mos` is the
    conversational estimate of ITU-T G.107, `listening_mos` the one without the delay. What the peer hears, by its own
    reports: `remote_lost`, `remote_jitter_ms`, `remote_loss` (a share, in its last report), `remote_mos`. Estimates
    are 0 while nothing is known. `reports` counts the peer's RTCP datagrams, `bye` says that it took its leave.
    `speech` when `LISTEN_SPEECH` is on. `level` and `peak` are dBm0 of the last 20 ms when asked for (`AskStats`), of
    legs that are mixed, recorded or listened to; −100 is silence, or not known.
    """

    leg: int
    received: int
    received_bytes: int
    sent: int
    sent_bytes: int
    lost: int
    late: int
    duplicate: int
    rejected: int
    jitter_ms: float
    remote_lost: int
    remote_jitter_ms: float
    round_trip_ms: float
    mos: float
    speech: SpeechFacts | None = None
    expected: int = 0
    concealed_ms: int = 0
    max_jitter_ms: float = 0.0
    buffer_ms: float = 0.0
    buffer_mean_ms: float = 0.0
    burst_ratio: float = 1.0
    listening_mos: float = 0.0
    remote_loss: float = 0.0
    remote_mos: float = 0.0
    reports: int = 0
    bye: bool = False
    level: float = -100.0
    peak: float = -100.0


class LegClosed(_Message, frozen=True):
    """The leg is gone and its slot free again after its quarantine (a fresh `Grown` names it)."""

    leg: int
    stats: LegStats


class PlayDone(_Message, frozen=True):
    """`cause`: `end`, `stopped`, or `failed` (the file could not be read; `Failed` said why). `played_ms` of sound."""

    player: int
    cause: str
    played_ms: int


class RecordDone(_Message, frozen=True):
    """The file is closed. `cause`: `stopped`, or `failed` (disk full, not writable …; what was written stays valid)."""

    recorder: int
    path: str
    cause: str
    frames: int
    reason: str = ""


class WorkerStats(_Message, frozen=True):
    """The media process as a whole. `cpu` is process CPU seconds since start."""

    legs: int
    players: int
    recorders: int
    ticks: int
    late_ticks: int
    received: int
    sent: int
    dropped: int
    cpu: float


class Inventory(_Message, frozen=True):
    """What lives in this media process."""

    legs: tuple[int, ...]
    players: tuple[int, ...]
    recorders: tuple[int, ...]
    rooms: tuple[int, ...] = ()


Report: TypeAlias = (
    Ready
    | Grown
    | Failed
    | Digit
    | Heard
    | LegLatched
    | LegSilent
    | LegHeard
    | Secured
    | SecurityFailed
    | LegStats
    | LegClosed
    | PlayDone
    | RecordDone
    | WorkerStats
    | Inventory
)


# --------------------------------------------------------------------------------------------------------- framing

_encoder = msgspec.msgpack.Encoder()
_commands = msgspec.msgpack.Decoder(list[Command])
_reports = msgspec.msgpack.Decoder(list[Report])


def encode(messages: Sequence[Command | Report]) -> bytes:
    """One frame with all `messages`."""
    body = _encoder.encode(messages)
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Cuts a byte stream into frame bodies."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The bodies completed by `data`. Raises `PeerError` on a frame over `MAX_FRAME`."""
        self._buffer += data
        bodies = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > MAX_FRAME:
                raise PeerError(f"control frame of {length} bytes", status=0)
            if len(self._buffer) < 4 + length:
                break
            bodies.append(bytes(self._buffer[4 : 4 + length]))
            del self._buffer[: 4 + length]
        return bodies


def decode_commands(body: bytes) -> list[Command]:
    """Raises `PeerError` when `body` is not a list of commands."""
    try:
        return _commands.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PeerError(f"control frame: {error}", status=0) from error


def decode_reports(body: bytes) -> list[Report]:
    """Raises `PeerError` when `body` is not a list of reports."""
    try:
        return _reports.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PeerError(f"media frame: {error}", status=0) from error
