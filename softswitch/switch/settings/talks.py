"""What may be done with a call: feature codes, transfers, supervision, recording."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from softswitch.switch.settings.common import STRICT
from softswitch.switch.settings.conferences import ConferenceKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class InCall:
    """Keys that are pressed during a call; empty switches one off. After `blind`, `consult` and `join` comes a
    number, then `#` or a pause of `digit_timeout`. `who`: `agents` alone, or all our `phones`; never who calls by a
    trunk."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    who: Literal["agents", "phones"] = "agents"
    blind: str = "*1"
    consult: str = "*2"
    complete: str = "*3"
    cancel: str = "*4"
    three_way: str = "*5"
    join: str = "*6"
    pause_recording: str = "*7"
    resume_recording: str = "*8"
    record: str = "*9"
    park: str = "*0"
    digit_timeout: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Feature codes dialled from a phone; empty switches one off. After `supervise` and `supervise_on` (which stays
    with the agent call after call) comes the agent's number, after `hide_caller_id` and `show_caller_id` the number to
    call, after `forward_…` the number that calls go to, after `pickup` and `intercom` an extension, after `park`, if
    anything, a slot. `mailbox` opens the phone's own mailbox, `any_mailbox` asks which. `record_name`: its owner says a
    name. `in_call`: keys during a call; none without it. `conference`: keys in conferences. See docs/features.md."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    login: str = "*45"
    logout: str = "*46"
    pause: str = "*47"
    ready: str = "*48"
    end_wrap_up: str = "*49"
    echo: str = "*43"
    pause_recording: str = "*41"
    resume_recording: str = "*42"
    supervise: str = "*50"
    supervise_on: str = "*51"
    hide_caller_id: str = "#31#"
    show_caller_id: str = "*31#"
    mailbox: str = "*97"
    any_mailbox: str = "*98"
    forward_always: str = "*72"
    forward_always_off: str = "*73"
    forward_busy: str = "*90"
    forward_busy_off: str = "*91"
    forward_no_answer: str = "*92"
    forward_no_answer_off: str = "*93"
    forward_unavailable: str = "*94"
    forward_unavailable_off: str = "*95"
    dnd_on: str = "*78"
    dnd_off: str = "*79"
    call_waiting_on: str = "*70"
    call_waiting_off: str = "*71"
    pickup: str = "**"
    pickup_group: str = "*8"
    park: str = "*85"
    intercom: str = "*80"
    last_caller: str = "*69"
    record_name: str = "*96"
    in_call: InCall | None = None
    conference: ConferenceKeys = field(default_factory=ConferenceKeys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfers:
    """`keep_place`: a call that goes back to a queue waits there as if it had waited since it first did. `leave_out`:
    it is not offered to the agent who passed it on, unless nobody else is there."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    keep_place: bool = True
    leave_out: bool = False


Supervising: TypeAlias = Literal["listen", "whisper", "barge", "take"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Who may listen to whom: from `phone`, to agents named in `agents` and to calls of `queues` (`*`: all), in these
    ways. Nobody else may."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    phone: str
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    may: tuple[Supervising, ...] = ("listen",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """`directory` relative to the data directory; `template` takes {date} {time} {call} {queue} {agent} {caller}
    {called}. `channels`: 2 keeps the caller left and the other side right, 1 mixes them. `format`: what a finished
    recording is converted to; its ending follows. `keep_days`: older recordings are deleted (0: never) unless held.
    `min_free_gb`: with less room on the disk no new recording is begun (0: until it is full).

    Of parties that know of recording (RFC 7866): `indicate`: they are told that they are recorded (§6.2);
    `recordpref`: the recording pauses while one of them does not want it (§6.3)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    directory: str = "recordings"
    template: str = "{date}/{call}.wav"
    calls: Literal["none", "queue", "all"] = "queue"
    channels: Literal[1, 2] = 2
    indicate: bool = True
    recordpref: bool = True
    format: Literal["wav", "flac", "opus", "mp3"] = "wav"
    keep_days: float = 0.0
    min_free_gb: float = 0.0
