"""Who calls and is called: phones, agents, trunks, ring groups."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from softswitch.acd.model import AgentSettings
from softswitch.sip.numbers import NumberForm
from softswitch.sip.secure_media import Srtp
from softswitch.sip.session_terms import Reliable
from softswitch.switch.settings.common import STRICT, Target
from softswitch.switch.settings.provisioning import Device
from softswitch.switch.settings.stir import TrunkStir


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A device. With `password` (or `ha1`, digests as `softswitch` prints them) it registers; with `contact` it has a
    fixed address. `accept_from`: networks; of a phone with a password those from which it counts, of one without those
    from which calls are its own. `number` is its extension, the section's name unless given. Caller id to trunks:
    `caller_id`.

    `listener`: the entry of `sip.listen` that calls to `contact` leave by.

    `srtp`: `off`; `accept` what it offers; `optional`: our offers have keys too, beside plain RTP (RFC 8643);
    `required`. `webrtc`: a browser, so DTLS-SRTP and ICE and nothing else.

    `trusted`: a system of ours that is believed whom it asserts as caller (RFC 3325), and told hidden ones. `numbers`
    are its own, one of which it may prefer to show. `verstat`: it is told what callers' signatures proved.
    `connected_id`: it is told whom it reached.

    `reliable` and `session_expires`: as in `[sip]`. `redirect`: it may answer a call with the numbers where it is to be
    rung instead (302), which it could dial itself.

    `watched`: others may have a lamp for it. `listed`: it is in the directory by name, if it has a `name`. `mailbox`
    names its `[voicemail.NAME]`; a phone that does not ask for its messages' number by itself is told when it registers
    with `message_waiting = "always"`.

    `always`, `busy`, `no_answer`, `unavailable`: where its calls are forwarded. `call_waiting`: whether it is rung
    while in a call. `pickup_groups`: whose ringing calls it may take, and who may take its. `intercom`: whether other
    phones may have it answer by itself. What the phone sets with feature codes goes before these.

    `siprec`: the recording server that gets its calls.

    `fax`: `t38` passes faxes on by datagrams when both parties want that, `off` keeps them within the sound; unset, as
    in `[media]`.

    `device`: what it is, so that its settings can be written for it."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    password: str | None = field(default=None, repr=False)
    ha1: dict[str, str] = field(default_factory=dict, repr=False)
    contact: str | None = None
    name: str | None = None
    number: str | None = None
    caller_id: str | None = None
    numbers: tuple[str, ...] = ()
    trusted: bool = False
    hide_caller_id: bool = False
    reject_anonymous: bool = False
    connected_id: bool = True
    verstat: bool = False
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
    always: Target | None = None
    no_answer: Target | None = None
    busy: Target | None = None
    unavailable: Target | None = None
    dnd: bool = False
    call_waiting: bool = True
    pickup_groups: tuple[str, ...] = ()
    intercom: bool = False
    accept_from: tuple[str, ...] = ()
    redirect: bool = True
    reliable: Reliable | None = None
    session_expires: int | None = None
    watched: bool = True
    listed: bool = True
    mailbox: str | None = None
    message_waiting: Literal["subscribed", "always"] = "subscribed"
    cos: str | None = None
    listener: str | None = None
    siprec: str | None = None
    fax: Literal["t38", "off"] | None = None
    device: Device | None = None


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
    `answer` guesses whether a person or a machine has answered (`call.heard` in the ledger).

    `listener`: the entry of `sip.listen` that its calls leave by.

    `trusted`: unset, it is believed what it asserts of callers; true: it is also told hidden numbers that are not its
    own; false: neither. `numbers` are ours with this carrier. `number_form`: how callers' numbers are written.
    `diversion`: how it is told who passed a call on. `user_to_user`: RFC 7433 data is passed through.

    `reliable` and `session_expires`: as in `[sip]`. `redirect`: its redirections (302) to other numbers at its own
    address are followed.

    `siprec`: the recording server that gets its calls.

    `fax`: `t38` passes faxes on by datagrams when both parties want that, `off` keeps them within the sound; unset, as
    in `[media]`.

    `tls_subject`: its calls are recognised by a certificate for this host, and by nothing else. `verify`: its own is
    checked when we connect by TLS."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    address: str
    accept_from: tuple[str, ...] = ()
    tls_subject: str | None = None
    verify: bool = True
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    register: bool = False
    register_expires: int = 600
    domain: str | None = None
    caller_id: str | None = None
    pass_caller_id: bool = False
    identity: Literal["from", "p-asserted-identity", "both", "remote-party-id"] = "both"
    trusted: bool | None = None
    numbers: tuple[str, ...] = ()
    number_form: NumberForm = "as-is"
    diversion: Literal["none", "diversion", "history-info", "both"] = "none"
    user_to_user: bool = False
    stir: TrunkStir = field(default_factory=TrunkStir)
    country: str | None = None
    national_prefix: str = "0"
    international_prefix: str = "00"
    strip: int = 0
    prefix: str = ""
    max_calls: int = 0
    options_seconds: float = 30.0
    timeout_seconds: float = 4.0
    backup: str | None = None
    listener: str | None = None
    codecs: tuple[str, ...] | None = None
    packet_ms: int | None = None
    passthrough: bool | None = None
    video: bool | None = None
    srtp: Srtp = "off"
    dtmf: Literal["auto", "rfc4733", "info", "inband"] = "auto"
    detect: tuple[Literal["tones", "answer"], ...] = ()
    reliable: Reliable | None = None
    session_expires: int | None = None
    redirect: bool = False
    siprec: str | None = None
    fax: Literal["t38", "off"] | None = None
    cos: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RingGroup:
    """`all` rings every member at once; `in-order` one after the other, each for `ring_seconds`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    members: tuple[Target, ...]
    mode: Literal["all", "in-order"] = "all"
    ring_seconds: float = 20.0
    no_answer: Target | None = None
