"""A leg: one party's SIP session and its stream in the media process, moved together.

The session lives in the user agent, the stream in the fabric; the leg knows which belong together, what was
negotiated and what the party hears. A port is taken when the first SDP is written and opened in the media process
when both sides of it are known, so a call that nobody answers costs media nothing.
"""

from enum import StrEnum

import msgspec

from softswitch.call.fabric import Fabric, NoPort, Port
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.events import Output
from softswitch.sip.offer_answer import Capabilities, Negotiated, accept, answer, first_common, make_offer
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.control import Edge, LegSpec, LegStats, SendDigits, UpdateLeg
from softswitch.wire.sip import Request, Response


class LegState(StrEnum):
    """As seen by people: nothing heard yet, ringing, ringing with sound, talking, on hold, gone."""

    TRYING = "trying"
    RINGING = "ringing"
    EARLY = "early"
    UP = "talking"
    HELD = "held"
    OVER = "ended"


class StreamPolicy(msgspec.Struct, frozen=True, gc=False):
    """What the configuration says about a party's stream. `address` is ours as the party sees it."""

    codecs: tuple[str, ...]
    address: str
    dtmf: str = "rfc4733"
    latch: str = "learn"
    silence: float = 0.0


class Leg:
    """`owner` is the call's id; `peer` who it is, as `phone:1001` or `trunk:carrier`; `id` is also its media id."""

    __slots__ = (
        "_capable",
        "_first_offered",
        "answered_at",
        "ended_at",
        "fabric",
        "hears",
        "held_at",
        "id",
        "negotiated",
        "offer",
        "opened",
        "owner",
        "peer",
        "pending",
        "policy",
        "port",
        "ring_at",
        "sdp",
        "sdp_version",
        "session",
        "sip_call_id",
        "spec",
        "state",
        "stats",
        "ua",
        "was_open",
        "worker",
    )

    def __init__(self, owner: str, peer: str, worker: int, policy: StreamPolicy, ua: UserAgent, fabric: Fabric) -> None:
        self.id = fabric.new_id()
        self.owner = owner
        self.peer = peer
        self.worker = worker
        self.policy = policy
        self.ua = ua
        self.fabric = fabric
        self.session = 0
        self.sip_call_id = ""
        self.state = LegState.TRYING
        self.port: Port | None = None
        self.opened = False
        self.was_open = False  # media owes us `LegClosed`
        self.spec: LegSpec | None = None
        self.negotiated: Negotiated | None = None
        self.offer: bytes = b""  # theirs, until we answer it
        self._first_offered = ""
        self._capable: Capabilities | None = None  # as long as the port is ours
        self.pending: bytes = b""  # ours in a 2xx, until the ACK answers it
        self.sdp: bytes = b""  # what we said last
        self.sdp_version = 0
        self.hears: frozenset[int] = frozenset()
        self.stats: LegStats | None = None
        self.ring_at: Instant | None = None
        self.answered_at: Instant | None = None
        self.ended_at: Instant | None = None
        self.held_at: Instant | None = None
        fabric.came(peer, owner)

    # ------------------------------------------------------------------------------------------------------ properties

    @property
    def up(self) -> bool:
        return self.state in (LegState.UP, LegState.HELD)

    @property
    def over(self) -> bool:
        return self.state is LegState.OVER

    @property
    def codec(self) -> str:
        return self.negotiated.codec if self.negotiated is not None else ""

    def first_offered(self) -> str:
        """The first codec of the caller's offer that its policy allows; empty without an offer.
        Raises `PeerError` (400, 488) when the offer is unusable."""
        if not self._first_offered and self.offer:
            self._first_offered = first_common(self.offer, self.policy.codecs).name
        return self._first_offered if self.offer else ""

    # -------------------------------------------------------------------------------------------------- as called (UAS)

    def invited(self, session: int, request: Request, offer: bytes) -> None:
        """An INVITE opened this leg. `offer` may be empty (delayed offer)."""
        self.session = session
        self.fabric.sessions[session] = self
        self.sip_call_id = request.call_id
        self.offer = offer
        self._first_offered = ""

    def ring(self, now: Instant, status: int = 180) -> list[Output]:
        if self.state is LegState.TRYING:
            self.state = LegState.RINGING
            self.ring_at = now
        return self.ua.ring(self.session, status, now)

    def play_early(self, now: Instant, prefer: str = "") -> list[Output]:
        """Open the stream before the answer: 183 with our SDP. Without their offer there is only 180.
        Raises `PeerError` (488) or `NoPort`."""
        if self.state is LegState.EARLY or self.up:
            return []
        if not self.offer and not self.sdp:
            return self.ring(now)
        sdp = self._answer_sdp(prefer)
        self.state = LegState.EARLY
        return self.ua.ring(self.session, 183, now, body=sdp)

    def take(self, now: Instant, prefer: str = "", headers: tuple[tuple[str, str], ...] = ()) -> list[Output]:
        """Answer the call: 200 with our answer, or with our offer when they made none.
        Raises `PeerError` (488) or `NoPort`."""
        if self.up:
            return []
        if self.offer or self.sdp:
            sdp = self._answer_sdp(prefer)
        else:
            sdp = self.pending = self._offer_sdp(prefer)
            self._open(LegSpec())  # others may listen from here on; the ACK tells what is sent
        self._answered(now)
        return self.ua.accept(self.session, sdp, now, headers=headers)

    def confirmed(self, body: bytes, now: Instant) -> bool | None:
        """ACK came; when our 2xx carried the offer, the ACK has their answer. Says of hold what `reinvited` says.
        Raises `PeerError` when the first answer of a delayed offer is missing or unusable; a later one that cannot
        be used changes nothing."""
        if not self.pending:
            return None
        offer, self.pending = self.pending, b""
        first = self.negotiated is None
        try:
            if not body:
                raise PeerError("no answer in the ACK to our offer", status=488)
            negotiated = accept(body, offer)
        except PeerError:
            if first:
                raise
            return None
        self._settle(negotiated)
        return self._hold_changed(negotiated.held_by_remote, now)

    # -------------------------------------------------------------------------------------------------- as caller (UAC)

    def prepare_offer(self, prefer: str = "") -> bytes:
        """Our offer for an INVITE. Raises `NoPort`."""
        return self._offer_sdp(prefer)

    def inviting(self, session: int, sip_call_id: str) -> None:
        self.session = session
        self.fabric.sessions[session] = self
        self.sip_call_id = sip_call_id

    def progressed(self, response: Response, body: bytes, now: Instant) -> bool:
        """18x to our INVITE; True when sound comes with it. An unusable early answer is ignored."""
        if self.state is LegState.TRYING:
            self.state = LegState.RINGING
            self.ring_at = now
        if not body:
            return False
        try:
            self._settle(accept(body, self.sdp))
        except PeerError:
            return False
        self.state = LegState.EARLY
        return True

    def accepted(self, body: bytes, now: Instant) -> None:
        """200 to our INVITE. Raises `PeerError` (488) when no usable answer came with it or before."""
        if body:
            self._settle(accept(body, self.sdp))
        elif self.negotiated is None:
            raise PeerError("no answer in the 200", status=488)
        self._answered(now)

    # -------------------------------------------------------------------------------------------------- during the call

    def reinvited(self, body: bytes, now: Instant) -> tuple[list[Output], bool | None]:
        """Their re-INVITE or UPDATE. Returns outputs and what it did: True put us on hold, False took us back, None
        neither. An offer that cannot be met is refused and nothing changes (RFC 3261 §14.2)."""
        if not body:
            # RFC 3261 §14.2: no offer means that they want ours; it is the stream as it stands.
            self.pending = self._reoffer()
            return self.ua.accept_offer(self.session, self.sdp, now), None
        try:
            sdp, negotiated = answer(
                body,
                self._capabilities(),
                self.id,
                self.sdp_version + 1,
                prefer=self.codec,
                previous=self.sdp,
            )
        except PeerError as error:
            return self.ua.reject_offer(self.session, error.status, now), None
        self._said(sdp)
        self._settle(negotiated)
        return self.ua.accept_offer(self.session, sdp, now), self._hold_changed(negotiated.held_by_remote, now)

    def send_digits(self, digits: str, duration_ms: int = 160) -> None:
        if self.opened:
            self.fabric.command(self.worker, SendDigits(self.id, digits, duration_ms))

    def hear(self, *sources: int) -> None:
        """From now on the party hears exactly these sources (legs or players)."""
        wanted = frozenset(sources)
        if wanted == self.hears:
            return
        if self.opened:
            self._rewire(self.hears, wanted)
        self.hears = wanted

    # -------------------------------------------------------------------------------------------------------------- end

    def hang_up(self, now: Instant, status: int = 480, headers: tuple[tuple[str, str], ...] = ()) -> list[Output]:
        """End the party whatever its state: final response, CANCEL or BYE."""
        if self.over:
            return []
        outputs = self.ua.hang_up(self.session, now, headers, status) if self.session else []
        self.ended(now)
        return outputs

    def ended(self, now: Instant) -> None:
        """The session is over, whoever ended it: give back what it held."""
        if self.over:
            return
        self._hold_changed(False, now)
        self.state = LegState.OVER
        self.ended_at = now
        self.fabric.went(self.peer, self.owner)
        self.close_stream()

    def close_stream(self) -> None:
        if self.port is None:
            return
        if self.opened:
            self.fabric.close_leg(self.id, self.port)
        else:
            self.fabric.give_back(self.port)
        self.port = None
        self.opened = False

    def not_opened(self) -> None:
        """Media could not open the stream, or lost it: it will tell nothing more of it."""
        self.port = None
        self.opened = self.was_open = False

    # ---------------------------------------------------------------------------------------------------------- within

    def _capabilities(self) -> Capabilities:
        if self.port is None:
            self.port = self.fabric.take(self.worker)
            self._capable = None
        if self._capable is None:
            policy = self.policy
            self._capable = Capabilities(policy.codecs, policy.dtmf == "rfc4733", policy.address, self.port.number)
        return self._capable

    def _answer_sdp(self, prefer: str) -> bytes:
        if self.offer:
            sdp, negotiated = answer(self.offer, self._capabilities(), self.id, self.sdp_version, prefer=prefer)
            self.sdp = sdp
            self.offer = b""
            self._settle(negotiated)
        return self.sdp

    def _offer_sdp(self, prefer: str) -> bytes:
        self.sdp = make_offer(self._capabilities(), self.id, self.sdp_version, prefer=prefer)
        return self.sdp

    def _reoffer(self) -> bytes:
        sdp = make_offer(self._capabilities(), self.id, self.sdp_version + 1, prefer=self.codec, previous=self.sdp)
        self._said(sdp)
        return sdp

    def _said(self, sdp: bytes) -> None:
        if sdp != self.sdp:
            self.sdp_version += 1
            self.sdp = sdp

    def _settle(self, negotiated: Negotiated) -> None:
        self.negotiated = negotiated
        spec = negotiated.to_leg_spec(latch=self.policy.latch, silence=self.policy.silence)
        if not self.opened:
            self._open(spec)
        elif spec != self.spec:
            self.fabric.command(self.worker, UpdateLeg(self.id, spec))
        self.spec = spec

    def _open(self, spec: LegSpec) -> None:
        if self.port is None:
            raise NoPort("the leg has no port")
        self.fabric.open_leg(self, self.port, spec)
        self.opened = self.was_open = True
        self.spec = spec
        self._rewire(frozenset(), self.hears)

    def _rewire(self, old: frozenset[int], new: frozenset[int]) -> None:
        gone, come = old - new, new - old
        if gone:
            self.fabric.disconnect(self.worker, *(Edge(source, self.id) for source in gone))
        if come:
            self.fabric.connect(self.worker, *(Edge(source, self.id) for source in come))

    def _answered(self, now: Instant) -> None:
        self.state = LegState.UP
        self.answered_at = now
        agreed = self.negotiated
        if agreed is not None and agreed.held_by_remote and not agreed.direction_receive:
            self._hold_changed(True, now)  # neither speaks nor listens from the start

    def _hold_changed(self, held: bool, now: Instant) -> bool | None:
        if held and self.held_at is None and self.up:
            self.held_at = now
            self.state = LegState.HELD
            return True
        if not held and self.held_at is not None:
            self.held_at = None
            self.state = LegState.UP
            return False
        return None
