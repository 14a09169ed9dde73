"""What the switch wants kept: call records, registrations, agents' states, recordings."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from softswitch.kernel.clock import Instant
from softswitch.switch.quality import Quality

HungUpBy: TypeAlias = Literal["", "caller", "callee", "switch"]
Outcome: TypeAlias = Literal[
    "answered", "abandoned", "busy", "no-answer", "failed", "rejected", "overflow", "interrupted"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What a party said: seconds of talk, of talk while the other side talked, and of silence on both sides after
    the limit; times that it began to talk; samples at full scale; level of its speech in dBm0 (−99: none)."""

    talk: float
    silence: float
    overtalk: float
    dead_air: float
    spurts: int
    clipped: int
    level: float


class LegRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One leg as it ended. `call_id` is the SIP Call-ID, `codec` the RTP name (empty: never negotiated). `jitter_ms`
    and `lost` are what we received (RFC 3550 §6.4.1), `mos` by ITU-T G.107 (0: no media), `status` the last final SIP
    status of its INVITE. `speech` is what the party said, where it was measured (see `wire.control.SpeechFacts`).
    `answered` and `ended` bound its life as a party; `talk` are the times (from, until) in which it spoke with the
    call's other side, not those in private with the agent only. `quality` has all
    figures of the stream, None when there was none. `srtp` is the suite of an encrypted stream. `reason` is the
    Reason (RFC 3326: a Q.850 cause, mostly) with which the party ended it or refused."""

    party: str
    call_id: str = ""
    remote: str = ""
    codec: str = ""
    status: int = 0
    received: int = 0
    sent: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float = -1.0
    mos: float = 0.0
    speech: Speech | None = None
    quality: Quality | None = None
    srtp: str = ""
    answered: Instant | None = None
    ended: Instant | None = None
    talk: tuple[tuple[Instant, Instant], ...] = ()
    reason: str = ""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a call. Instants are seconds since the epoch, lengths seconds. `source` is a target-like word
    (`trunk:carrier`, `phone:1001`), `destination` the final target. `answered` is when a person or machine of the far
    side answered, None if never. `wait_seconds` is time in queues, `ring_seconds` time ringing the one who answered
    (or was rung last), `talk_seconds` includes `hold_seconds`. `cause` is the SIP status that ended it (200: BYE).
    `collected` is what the menus collected, `recording` a path relative to the recordings directory. `outcome`
    `interrupted`: the switch itself broke down under it."""

    id: str
    started: Instant
    ended: Instant
    outcome: Outcome
    answered: Instant | None = None
    source: str = ""
    caller: str = ""
    called: str = ""
    destination: str = ""
    queue: str = ""
    agent: str = ""
    wait_seconds: float = 0.0
    ring_seconds: float = 0.0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    cause: int = 0
    reason: str = ""
    hung_up_by: HungUpBy = ""
    language: str = ""
    collected: dict[str, str] = {}
    recording: str = ""
    legs: tuple[LegRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedLiveCall:
    """A call that lives, as it was at `at`: `memory` is what is needed to go on with it or to end it properly
    (`switch/call_memory.py`); None: what the store has cannot be read."""

    id: str
    at: Instant
    memory: Any


@dataclass(frozen=True, slots=True)
class ForgottenLiveCall:
    """The call is over, and its record written."""

    id: str


@dataclass(frozen=True, slots=True)
class SavedBinding:
    """A registration (RFC 3261 §10.3) to be found again after a restart. `data` is any value that msgspec makes JSON
    of; it is read back as plain dicts and lists."""

    aor: str
    contact: str
    expires: Instant
    data: Any


@dataclass(frozen=True, slots=True)
class SavedMessage:
    """A message in a mailbox. `path` is its recording's, `at` when it was left, `heard` when somebody listened to it
    first (None: it is new)."""

    path: str
    box: str
    call: str
    caller: str
    at: Instant
    seconds: float
    heard: Instant | None = None


@dataclass(frozen=True, slots=True)
class ForgottenMessage:
    """The message is gone from its box, whether its recording is or not."""

    path: str


@dataclass(frozen=True, slots=True)
class SavedGreeting:
    """The greeting that a box's owner has spoken, a sound file; empty: none any more."""

    box: str
    path: str


@dataclass(frozen=True, slots=True)
class ForgottenBinding:
    """The registration is gone."""

    aor: str
    contact: str


@dataclass(frozen=True, slots=True)
class SavedAgent:
    """What an agent said last, at `at`. `phone`: where it sits, when not at its own."""

    name: str
    logged_in: bool
    paused: bool
    reason: str
    at: Instant
    phone: str = ""


@dataclass(frozen=True, slots=True)
class SavedPhone:
    """What a phone says of itself (`switch/phones.py`), as plain values; empty: as the settings say."""

    name: str
    data: Any
    at: Instant


@dataclass(frozen=True, slots=True)
class SavedSetting:
    """A setting that was changed while the switch ran: `path` as `queues.support.wrap_up`; it goes before the
    configuration file until it is taken back."""

    path: str
    value: object
    by: str
    at: Instant


@dataclass(frozen=True, slots=True)
class ForgottenSetting:
    """What the configuration file says counts again."""

    path: str


@dataclass(frozen=True, slots=True)
class SavedRecording:
    """A finished recording; `path` is relative to the recordings directory, `sha256` hexadecimal, empty until the
    keeper has looked at the file and put it into the chain. `fault` is why it ended before the call did, `held` who
    forbids its deletion and why, `deleted` when the file was deleted."""

    path: str
    call: str
    started: Instant
    seconds: float
    bytes: int
    sha256: str = ""
    queue: str = ""
    agent: str = ""
    caller: str = ""
    called: str = ""
    format: str = "wav"
    channels: int = 2
    fault: str = ""
    held: str = ""
    deleted: Instant | None = None
