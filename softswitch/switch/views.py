"""What people and programs see of a running switch: plain values, the rows of `softswitch calls` and of the API.
Times are epoch seconds (UTC), durations seconds."""

from dataclasses import dataclass, field

from softswitch.switch.quality import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class LegView:
    """`state`: trying, ringing, early, talking, held (this party holds the call), ended. `quality` as media told it
    last, some seconds ago; None before that. `srtp` is the suite of an encrypted stream that has its keys."""

    peer: str
    state: str
    sip_call_id: str
    codec: str
    media_port: int
    worker: int
    quality: Quality | None = None
    srtp: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """`state`: where the call is: routing, menu, queued, ringing, talking, on hold, parked, playing, ended. `held_by`
    are the parties who hold it; it is on hold when not even two others are left to talk. `at` names the place
    (menu, queue, target). `supervisors`: who is with it and how, as `phone:1009 whisper`. `ordered_by`: the API token
    that had it begun."""

    id: str
    state: str
    at: str
    source: str
    caller: str
    called: str
    started: float
    answered: float | None
    duration: float
    queue: str
    agent: str
    recording: str
    legs: tuple[LegView, ...]
    recording_paused: bool = False
    recording_server: str = ""  # that gets the call now, or is asked to
    supervisors: tuple[str, ...] = ()
    ordered_by: str = ""
    held_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRow:
    """A mailbox: how many messages are `new`, and how many were heard. `own_greeting`: its owner has spoken one.
    `phones` are those that it belongs to."""

    name: str
    number: str
    new: int
    old: int
    own_greeting: bool
    phones: tuple[str, ...]
    mail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRow:
    """`forward`: by kind (always, busy, no_answer, unavailable) where calls go. `said`: what of this the phone, or
    somebody for it, has set over the configuration."""

    name: str
    number: str
    display: str
    reachable: bool
    calls: int
    dnd: bool
    call_waiting: bool
    forward: dict[str, str]
    said: dict[str, str | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceMemberRow:
    """`call` names it in orders. `muted` by itself, or `silenced` by somebody; `level` in dBm0 as media told last (−100
    is nothing), which makes it `talking` or not."""

    call: str
    party: str
    number: str
    name: str
    moderator: bool
    muted: bool
    silenced: bool
    held: bool
    talking: bool
    level: float
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceRow:
    """`waiting`: all hear music until a moderator comes. `recording`: the file of the mix below the recordings
    directory. `ringing`: how many were invited and have not answered."""

    name: str
    since: float
    worker: int
    locked: bool
    waiting: bool
    recording: str
    ringing: int
    members: tuple[ConferenceMemberRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """`state` is the ACD's; `since` when it began. Of today: calls, talk, time logged in and paused; `occupancy` and
    `utilisation` in percent and `handling_seconds` (AHT) are −1 before there is anything to judge by. `available`: may
    be offered a call now, with `conversations` of `capacity`."""

    name: str
    display: str
    phone: str
    state: str
    reason: str
    since: float
    queues: tuple[str, ...]
    calls_today: int
    talk_seconds: float
    call: str = ""
    occupancy: float = -1.0
    utilisation: float = -1.0
    handling_seconds: float = -1.0
    logged_in_seconds: float = 0.0
    paused_seconds: float = 0.0
    conversations: int = 0
    capacity: int = 1
    available: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """Counts since the day began (server's time zone). Shares in percent: `service_level` by the queue's definition,
    `abandonment` without short abandons, `repeat_rate`, `occupancy` of the queue's agents; −1 before there is anything
    to judge by. Means in seconds: `average_wait` (ASA), `average_handling` (AHT), `average_abandoned_wait`.
    `callbacks` wait now without a line; `resumed` callers came back after a drop. `estimate`: seconds that a caller who
    comes now would wait if no agent is free, with its interval (−1: nothing can be said); of those that were given
    today, `estimate_error` is how far off they were and `estimate_bias` how much too short, mean seconds,
    `estimate_held` the percentage that the interval held (it is made for 80). `open`: takes calls now, neither shut
    nor outside its hours."""

    name: str
    waiting: int
    longest_wait: float
    ready: int
    talking: int
    logged_in: int
    offered: int
    answered: int
    abandoned: int
    overflowed: int
    service_level: float
    average_wait: float
    abandonment: float = -1.0
    short_abandoned: int = 0
    average_handling: float = -1.0
    average_abandoned_wait: float = -1.0
    repeat_rate: float = -1.0
    occupancy: float = -1.0
    callbacks: int = 0
    resumed: int = 0
    estimate: float = -1.0
    estimate_low: float = -1.0
    estimate_high: float = -1.0
    estimate_error: float = -1.0
    estimate_bias: float = 0.0
    estimate_held: float = -1.0
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """A place in a queue: a caller's (`call`), or a call-back's without a line (`callback`). `position` 1 is next;
    `ringing` are the agents whose phones ring. `estimate`: seconds still to wait, and the interval that is meant to
    hold four times out of five; −1 when nothing can be said."""

    call: str
    callback: str
    queue: str
    caller: str
    position: int
    waited: float
    ringing: tuple[str, ...]
    estimate: float
    estimate_low: float
    estimate_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRow:
    """A call-back to come. `state`: waiting, offered, calling, or paused until `due`. `position` is its place in the
    queue, 0 when it has none now; `attempts` those in vain; `call` the one that tries it now."""

    id: str
    queue: str
    number: str
    state: str
    position: int
    asked: float
    by: str
    expires: float
    attempts: int
    due: float | None
    estimate: float
    call: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRow:
    """A source that is not listened to `until` then, after so many wrong passwords, for `account`; empty: for any."""

    address: str
    account: str
    until: float
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvariantRow:
    """What the ACD's watchdog looks after every ten seconds; `repaired`: how often it was broken today, and mended."""

    name: str
    text: str
    repaired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkRow:
    """`health`: up, down, unknown (no OPTIONS). `registration`: none, trying, registered, failed."""

    name: str
    address: str
    health: str
    registration: str
    calls: int
    max_calls: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRow:
    phone: str
    contact: str
    source: str
    user_agent: str
    expires_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    """`running`: questions under way. `resting`: seconds that it is still left alone. `failed` counts by cause."""

    name: str
    url: str
    running: int
    answered: int
    failed: dict[str, int]
    resting: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A media process. `slots_free` of `slots`: each leg takes one. `backend_why`: why it is that one."""

    worker: int
    pid: int
    backend: str
    backend_why: str
    up: bool
    legs: int
    slots_free: int
    late_ticks: int
    ticks: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryView:
    """What became of the calls of a control process that died, at `at`: gone on with, ended; `waiting`: not decided."""

    at: float
    adopted: int
    ended: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The switch in one glance. `live` counts what must be zero when no call is up: sessions, transactions, timers …"""

    name: str
    version: str
    started: float
    draining: bool
    calls: int
    waiting: int
    agents_ready: int
    agents_logged_in: int
    registrations: int
    trunks_up: int
    trunks: int
    calls_total: int
    calls_failed: int
    workers: tuple[WorkerRow, ...]
    live: dict[str, int] = field(default_factory=dict)
    timezone: str = "UTC"
    recovery: RecoveryView | None = None  # None: the last control process ended in order, or without calls
