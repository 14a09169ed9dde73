"""The settings of a switch as plain values: what the configuration file says, after checking.

Field names are the configuration's keys. `services/configuration` reads TOML into these classes (pydantic validates
the annotations, unknown keys are errors) and finds the line of every fault. Times are seconds. Targets are strings
`kind:name`, parsed by `switch/targets.py`.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from softswitch.acd.model import DEFAULT_ACD, AcdSettings, AgentSettings, QueueSettings
from softswitch.sip.secure_media import Srtp
from softswitch.switch.routing_settings import Hook, NumberList

STRICT = {"extra": "forbid"}

Target: TypeAlias = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    name: str = "softswitch"
    data_dir: str = "var"
    database: str = field(default="sqlite", repr=False)  # may hold a password
    language: str = "en"
    timezone: str = "UTC"
    tones: str = "eu"
    max_calls: int = 5000
    drain_seconds: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sip:
    """`domain` is the digest realm and the host of our addresses of record. `reject_unknown`: INVITEs from nobody we
    know get 403; False drops them in silence. `registration` bounds: RFC 3261 §10.2.8 and 423. `digest_algorithms` are
    offered in this order; MD5 alone by default, because baresip 1.0 and SIPp give up on a challenge that names another
    (RFC 8760 asks them to skip it)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    domain: str = "softswitch.local"
    listen: tuple[str, ...] = ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    external_address: str | None = None
    local_networks: tuple[str, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")
    user_agent: str = "softswitch"
    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 600
    max_contacts: int = 5
    nonce_seconds: int = 300
    digest_algorithms: tuple[Literal["MD5", "SHA-256", "SHA-512-256"], ...] = ("MD5",)
    keep_alive: float = 30.0
    max_forwards: int = 70
    ring_seconds: float = 60.0
    invite_seconds: float = 180.0
    max_message: int = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """`ports` is inclusive. `codecs` are names of `sip.codec_table.CODECS`. `packet_ms`: audio in a packet of ours when
    the peer has no wish. `passthrough`: parties may agree on codecs that we do not decode. `video`: they may agree on
    video. `align`: a caller who was answered before is asked for the codec of whom it talks with. `latch`: see
    `wire.control.LegSpec`. `silence`: hang up a talking call after that long without RTP from a side that should send
    (0 = never). `speech_facts`: of which calls talk, silence, overtalk and levels are measured (decoding what is only
    passed on costs more than measuring it). `dead_air`: seconds of silence on both sides of such a call until the
    ledger is told (0 = never)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    address: str = "0.0.0.0"
    external_address: str | None = None
    ports: tuple[int, int] = (20000, 39999)
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    packet_ms: int = 20
    passthrough: bool = True
    video: bool = True
    align: bool = False
    workers: int | Literal["auto"] = "auto"
    backend: Literal["auto", "epoll", "uring"] = "auto"
    latch: Literal["learn", "signalled"] = "learn"
    silence: float = 300.0
    speech_facts: Literal["none", "recorded", "all"] = "recorded"
    dead_air: float = 10.0
    tick_ms: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    listen: str = "127.0.0.1:8080"
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json", "auto"] = "auto"
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A device. With `password` (or `ha1`, digests as `softswitch` prints them) it registers; with `contact` it has a
    fixed address. `number` is its extension, the section's name unless given. Caller id to trunks: `caller_id`.

    `srtp`: `off`; `accept` what it offers; `optional`: our offers have keys too, beside plain RTP (RFC 8643);
    `required`. `webrtc`: a browser, so DTLS-SRTP and ICE and nothing else."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    password: str | None = field(default=None, repr=False)
    ha1: dict[str, str] = field(default_factory=dict, repr=False)
    contact: str | None = None
    name: str | None = None
    number: str | None = None
    caller_id: str | None = None
    max_calls: int = 4
    ring_seconds: float | None = None
    language: str | None = None
    codecs: tuple[str, ...] | None = None
    packet_ms: int | None = None
    passthrough: bool | None = None
    video: bool | None = None
    srtp: Srtp = "accept"
    webrtc: bool = False
    dtmf: Literal["auto", "rfc4733", "info", "inband"] = "auto"
    no_answer: Target | None = None
    busy: Target | None = None
    unavailable: Target | None = None
    accept_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent(AgentSettings):
    """A person who serves queues from a phone, and from further `phones`: all ring `together`, or each `in-turn` for
    its part of the ring time. `logged_in`: state at the first start; afterwards it is remembered. What the engine must
    know of it is in `AgentSettings`. `number` is dialled after the code to log in at any phone, then `*` or `#` and
    the `pin`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    phone: str
    phones: tuple[str, ...] = ()
    ring: Literal["together", "in-turn"] = "together"
    name: str | None = None
    logged_in: bool = False
    pin: str | None = field(default=None, repr=False)
    number: str | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        """All its phones, the first one first."""
        return tuple(dict.fromkeys((self.phone, *self.phones)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A carrier. `caller_id` replaces the caller's number outward unless `pass_caller_id`; `identity` chooses the
    header that carries it. `strip`/`prefix` shape the called number; `country`/`national_prefix` turn what comes in
    into E.164. `backup`: the trunk tried next when this one is down or refuses with 5xx/timeout. `detect`: `tones` ends
    calls whose line says busy, congestion or no such number (gateways to analogue lines tell it in no other way);
    `answer` guesses whether a person or a machine has answered (`call.heard` in the ledger)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    address: str
    accept_from: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    register: bool = False
    register_expires: int = 600
    domain: str | None = None
    caller_id: str | None = None
    pass_caller_id: bool = False
    identity: Literal["from", "p-asserted-identity", "both"] = "both"
    country: str | None = None
    national_prefix: str = "0"
    international_prefix: str = "00"
    strip: int = 0
    prefix: str = ""
    max_calls: int = 0
    options_seconds: float = 30.0
    timeout_seconds: float = 4.0
    backup: str | None = None
    codecs: tuple[str, ...] | None = None
    packet_ms: int | None = None
    passthrough: bool | None = None
    video: bool | None = None
    srtp: Srtp = "off"
    dtmf: Literal["auto", "rfc4733", "info", "inband"] = "auto"
    detect: tuple[Literal["tones", "answer"], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RingGroup:
    """`all` rings every member at once; `in-order` one after the other, each for `ring_seconds`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    members: tuple[Target, ...]
    mode: Literal["all", "in-order"] = "all"
    ring_seconds: float = 20.0
    no_answer: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Digits that the menu asks for; kept as `variable`, handed to the agent's side (header and event). `secret`: a
    card number or the like; a running recording is paused meanwhile, ledger and call record get stars. `lookup`: the
    digits are the id of a customer, whose call it is from here on; `not_found` is for digits that are nobody's."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    variable: str
    min: int = 1
    max: int = 20
    end_key: str = "#"
    secret: bool = False
    lookup: Literal["customers"] | None = None
    not_found: Target | None = None
    next: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Recording notice: `prompt`, then `key` agrees (others and silence do not record). No key: a notice only."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    prompt: str = "recording-notice"
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """One `[ivr.NAME]`. `prompt` and friends are catalogue names, or sound files by path. `hours` names `[hours.NAME]`;
    outside them the call goes to `closed`. `languages` maps keys to language codes: they are offered first."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    prompt: str | tuple[str, ...]
    keys: dict[str, Target] = field(default_factory=dict)
    collect: Collect | None = None
    timeout: float = 5.0
    digit_timeout: float = 3.0
    repeat: int = 2
    invalid_prompt: str = "invalid-choice"
    timeout_prompt: str | None = None
    on_timeout: Target | None = None
    on_invalid: Target | None = None
    hours: str | None = None
    closed: Target | None = None
    language: str | None = None
    languages: dict[str, str] = field(default_factory=dict)
    language_prompt: str = "choose-language"
    consent: Consent | None = None
    barge_in: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Voicemail:
    """One `[voicemail.NAME]`. `greeting` is a prompt. A message lasts `max_seconds` at most, and ends by `end_key`, by
    hang-up, or after `silence` seconds without a word (0: not). `notify`: a command that is run for each message of at
    least `min_seconds`; it is told of it by the environment (see `docs/callers.md`)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    greeting: str = "voicemail-greeting"
    max_seconds: float = 180.0
    min_seconds: float = 2.0
    beep: bool = True
    silence: float = 8.0
    end_key: str = "#"
    language: str | None = None
    notify: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Opening hours: `mon-fri = "09:00-18:00"`, several spans by comma; `holidays` are dates `YYYY-MM-DD` or
    yearly `MM-DD`. `timezone` is an IANA name, the server's unless given."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    open: dict[str, str]
    holidays: tuple[str, ...] = ()
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The first route that fits decides. `source` (the file says `from`): `trunk:NAME`, `phone:NAME`, `trunk:*`,
    `phone:*` or `any`. `number`: an exact number, or a pattern where `X` is a digit, `Z` 1–9, `N` 2–9, `[..]` a set,
    `.` one or more of anything, `*` alone all. `caller`: a pattern, and `callers` a `[lists.NAME]`, for the number of
    who calls; with both it must fit both. Hours as in menus. `hook` is asked before the call goes on to `to`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    source: str = "any"
    number: str = "*"
    to: Target = ""
    record: bool | None = None
    strip: int = 0
    prefix: str = ""
    hours: str | None = None
    closed: Target | None = None
    caller_id: str | None = None
    language: str | None = None
    caller: str | None = None
    callers: str | None = None
    hook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InCall:
    """Keys that an agent presses during a call; empty switches one off. After `blind`, `consult` and `join` comes a
    number, then `#` or a pause of `digit_timeout`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    blind: str = "*1"
    consult: str = "*2"
    complete: str = "*3"
    cancel: str = "*4"
    three_way: str = "*5"
    join: str = "*6"
    pause_recording: str = "*7"
    resume_recording: str = "*8"
    record: str = "*9"
    digit_timeout: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Feature codes dialled from a phone; empty switches one off. After `supervise` and `supervise_on` (which stays
    with the agent call after call) comes the agent's number. `in_call`: keys during a call; none without it."""

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
    in_call: InCall | None = None


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
    `min_free_gb`: with less room on the disk no new recording is begun (0: until it is full)."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    directory: str = "recordings"
    template: str = "{date}/{call}.wav"
    calls: Literal["none", "queue", "all"] = "queue"
    channels: Literal[1, 2] = 2
    format: Literal["wav", "flac", "opus", "mp3"] = "wav"
    keep_days: float = 0.0
    min_free_gb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyQuestion:
    """`csat`: one key, 1 to 5. `nps`: 0 to 10 (`*` is 10). `digits`: up to `max` keys. `voice`: a message of up to
    `seconds`. `prompt`: `survey-KIND` unless given. `name`: in the ledger, the kind unless given."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    kind: Literal["csat", "nps", "digits", "voice"]
    prompt: str | None = None
    name: str = ""
    max: int = 4
    seconds: float = 60.0

    @property
    def spoken(self) -> str:
        """The prompt."""
        return self.prompt or f"survey-{self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One `[surveys.NAME]`. `share`: percent of callers who are asked; `min_talk`: seconds of conversation below which
    nobody is. `timeout`: seconds for the first key, `digit_timeout` for the next; `repeat`: times that a question is
    asked again. `language`: whatever the caller speaks."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    questions: tuple[SurveyQuestion, ...]
    intro: str | None = "survey-intro"
    thanks: str = "survey-thanks"
    share: float = 100.0
    min_talk: float = 0.0
    timeout: float = 6.0
    digit_timeout: float = 3.0
    repeat: int = 1
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """First-call resolution: a caller who was served and comes back within `fcr_days`, to the same queue or (`any`) to
    any, was not helped at once."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    fcr_days: float = 7.0
    fcr_scope: Literal["queue", "any"] = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    server: Server = Server()
    sip: Sip = Sip()
    media: Media = Media()
    api: Api = Api()
    log: Log = Log()
    recording: Recording = Recording()
    codes: Codes = Codes()
    acd: AcdSettings = DEFAULT_ACD
    statistics: Statistics = Statistics()
    transfers: Transfers = Transfers()
    phones: dict[str, Phone] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    trunks: dict[str, Trunk] = field(default_factory=dict)
    queues: dict[str, QueueSettings] = field(default_factory=dict)
    groups: dict[str, RingGroup] = field(default_factory=dict)
    ivr: dict[str, Menu] = field(default_factory=dict)
    surveys: dict[str, Survey] = field(default_factory=dict)
    voicemail: dict[str, Voicemail] = field(default_factory=dict)
    hours: dict[str, Hours] = field(default_factory=dict)
    supervisors: dict[str, Supervisor] = field(default_factory=dict)
    lists: dict[str, NumberList] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
