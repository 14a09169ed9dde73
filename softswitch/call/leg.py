"""A leg: one party's SIP session and its stream in the media process, moved together.

The session lives in the user agent, the stream in the fabric; the leg knows which belong together, what was
negotiated (`description`) and what the party hears. A port is opened in the media process when both sides of it are
known, so a call that nobody answers costs media nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from softswitch.call.description import Description
from softswitch.call.fabric import Fabric, NoPort, Port
from softswitch.call.stream_policy import StreamPolicy
from softswitch.call.streams import Streams
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.codec_table import match
from softswitch.sip.counterpart import SWITCH, Counterpart
from softswitch.sip.events import Output
from softswitch.sip.offer_answer import Negotiated
from softswitch.sip.user_agent import UserAgent
from softswitch.wire import info
from softswitch.wire.control import (
    LISTEN_ANSWER,
    LISTEN_DTMF,
    LISTEN_SPEECH,
    Edge,
    LegSpec,
    LegStats,
    SendDigits,
    UpdateLeg,
)
from softswitch.wire.dtmf import WAIT, Once
from softswitch.wire.sdp import Media
from softswitch.wire.sip import Request, Response

_NOTHING: Final[frozenset[int]] = frozenset()  # each one made anew takes 216 bytes


class LegState(StrEnum):
    """As seen by people: nothing heard yet, ringing, ringing with sound, talking, on hold, gone."""

    TRYING = "trying"
    RINGING = "ringing"
    EARLY = "early"
    UP = "talking"
    HELD = "held"
    OVER = "ended"


class Leg:
    """`owner` is the call's id; `peer` who it is, as `phone:1001` or `trunk:carrier`; `id` is also its media id."""

    __slots__ = (
        "_keys", "_keys_by_us", "_keys_in_media", "_state", "answered_at", "description", "ended_at", "fabric", "far",
        "figures", "hears", "held_at", "id", "opened", "owner", "peer", "policy", "record_aware", "recordpref",
        "ring_at", "said", "session", "sip_call_id", "spec", "stats", "suite", "ua", "was_open", "wishes", "worker",
    )  # fmt: skip

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
        self.description = Description(self.id, worker, policy, fabric)
        self.opened = False
        self.was_open = False  # media owes us `LegClosed`
        self.spec: LegSpec | None = None
        self.far: Leg | None = None  # the party that it is bridged with
        self.hears = _NOTHING
        self.figures: LegStats | None = None  # what media told last while it lives
        self.stats: LegStats | None = None  # its last word
        self.wishes = policy.detect & ~LISTEN_ANSWER  # what media listens for besides keys: LISTEN_…
        self._keys = Once()
        self._keys_in_media = False
        self._keys_by_us = False
        self.suite = ""  # of SRTP, once there are keys
        self.ring_at: Instant | None = None
        self.answered_at: Instant | None = None
        self.ended_at: Instant | None = None
        self.said = ""  # the Reason with which the party left
        self.record_aware = False  # it can show whether it is recorded (RFC 7866 §6.2)
        self.recordpref = ""  # whether it wants to be (§6.3)
        self.held_at: Instant | None = None
        fabric.came(peer, owner)

    def recall(self, id: int, spec: LegSpec | None, hears: frozenset[int], wishes: int) -> None:
        """Go on with the stream that another control process has opened."""
        self.id, self.spec, self.hears, self.wishes = id, spec, hears, wishes
        self._keys_by_us = spec is not None and not spec.keys and self.policy.dtmf != "info"

    # ------------------------------------------------------------------------------------------------------ properties

    @property
    def state(self) -> LegState:
        """Who watches legs is told of each new one."""
        return self._state

    @state.setter
    def state(self, state: LegState) -> None:
        self._state = state
        fabric = self.fabric
        fabric.touched[self.owner] = None
        if fabric.moved is not None:
            fabric.moved[self] = None

    @property
    def up(self) -> bool:
        return self._state in (LegState.UP, LegState.HELD)  # read often: the property costs 130 ns

    @property
    def over(self) -> bool:
        return self._state is LegState.OVER

    @property
    def negotiated(self) -> Negotiated | None:
        """What was agreed last."""
        return self.description.negotiated

    @property
    def codec(self) -> str:
        return self.negotiated.codec if self.negotiated is not None else ""

    @property
    def sdp(self) -> bytes:
        """What we said last."""
        return self.description.sdp

    @property
    def port(self) -> Port | None:
        return self.description.port

    @property
    def streams(self) -> Streams | None:
        """Those beside the sound."""
        return self.description.streams

    def check_offer(self) -> None:
        """Whether the caller's offer can be met at all, before anybody is rung. Raises `PeerError` (400, 488)."""
        self.description.check_offer()

    @property
    def audible(self) -> bool:
        """Whether we can decode what the party sends, and play to it."""
        return self.negotiated is None or self.negotiated.format.mixed

    def counterpart(self, through: bool) -> Counterpart:
        """What another party should be offered, to be bridged with this one: see `Description.counterpart`."""
        return self.description.counterpart(through)

    def further_offered(self) -> Mapping[str, Media]:
        """The sections beside the sound that another party should be offered, by kind."""
        return self.description.further_offered()

    # -------------------------------------------------------------------------------------------------- as called (UAS)

    def invited(self, session: int, request: Request, offer: bytes) -> None:
        """An INVITE opened this leg. `offer` may be empty (delayed offer)."""
        self.session = session
        self.fabric.sessions[session] = self
        self.sip_call_id = request.call_id
        self.description.received(offer)
        self._prefers(offer)

    def ring(self, now: Instant, status: int = 180, headers: tuple[tuple[str, str], ...] = ()) -> list[Output]:
        if self.state is LegState.TRYING:
            self.state = LegState.RINGING
            self.ring_at = now
        body = b""
        if self.ua.must_offer(self.session) and not self.sdp:
            body = self.description.pending = self.prepare_offer()
            self._open(self.at_home(LegSpec()))  # the PRACK tells what is sent
        return self.ua.ring(self.session, status, now, body=body, headers=headers)

    def play_early(self, now: Instant, like: "Leg | None" = None) -> list[Output]:
        """Open the stream before the answer: 183 with our SDP. Without their offer there is only 180. `like`: the party
        that is heard, whose codec is taken if it can be.
        Raises `PeerError` (488) or `NoPort`."""
        if self.state is LegState.EARLY or self.up:
            return []
        if not self.description.offer and not self.sdp:
            return self.ring(now)
        sdp = self._answer_sdp(like)
        self.state = LegState.EARLY
        return self.ua.ring(self.session, 183, now, body=sdp)

    def take(self, now: Instant, like: "Leg | None" = None, headers: tuple[tuple[str, str], ...] = ()) -> list[Output]:
        """Answer the call: 200 with our answer, or with our offer when they made none. `like`: see `play_early`.
        Raises `PeerError` (488) or `NoPort`."""
        if self.up:
            return []
        if self.description.offer or self.sdp:
            sdp = self._answer_sdp(like)
        else:
            far = SWITCH if like is None else like.counterpart(True)
            sdp = self.description.pending = self.prepare_offer(far)
            self._open(self.at_home(LegSpec()))  # others may listen from here on; the ACK tells what is sent
        self._answered(now)
        return self.ua.accept(self.session, sdp, now, headers=headers)

    def confirmed(self, body: bytes, now: Instant) -> bool | None:
        """ACK came; when our 2xx carried the offer, the ACK has their answer. Says of hold what `reinvited` says.
        Raises `PeerError` when the first answer of a delayed offer is missing or unusable; a later one that cannot
        be used changes nothing."""
        said = self.description
        if not said.pending:
            return None
        offer, said.pending = said.pending, b""
        first = self.negotiated is None
        try:
            if not body:
                raise PeerError("no answer in the ACK to our offer", status=488)
            negotiated = said.accepted(body, offer)
        except PeerError:
            if first:
                raise
            return None
        self._settle(negotiated)
        return self._hold_agreed(negotiated, now)

    # -------------------------------------------------------------------------------------------------- as caller (UAC)

    def prepare_offer(self, far: Counterpart = SWITCH, further: Mapping[str, Media] | None = None) -> bytes:
        """Our offer for an INVITE, made for a bridge with `far`, who also offers the sections `further`.
        Raises `NoPort`, and `PeerError` (488) when nothing fits `far`."""
        return self.description.first_offer(far, further)

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
            self._settle(self.description.accepted(body, self.sdp))
        except PeerError:
            return False
        self.description.early[response.to.tag or ""] = body
        self.state = LegState.EARLY
        return True

    def answer_of(self, response: Response) -> bytes:
        """Their answer in a 2xx, or what that fork said early, when another one has been heard since (RFC 3261
        §13.2.2.4: each To tag is a dialog with a description of its own)."""
        early = self.description.early
        return response.body or (early.get(response.to.tag or "", b"") if len(early) > 1 else b"")

    def accepted(self, body: bytes, now: Instant) -> None:
        """200 to our INVITE. Raises `PeerError` (488) when no usable answer came with it or before."""
        self.listen(self.policy.detect & LISTEN_ANSWER)
        self._prefers(body)
        if body:
            self._settle(self.description.accepted(body, self.sdp))
        elif self.negotiated is None and not self.description.silent:
            raise PeerError("no answer in the 200", status=488)
        self._answered(now)

    # -------------------------------------------------------------------------------------------------- during the call

    def reinvited(self, body: bytes, now: Instant) -> tuple[list[Output], bool | None]:
        """Their re-INVITE or UPDATE. Returns outputs and what it did: True put us on hold, False took us back, None
        neither. An offer that cannot be met is refused and nothing changes (RFC 3261 §14.2)."""
        if not body:
            # RFC 3261 §14.2: no offer means that they want ours; it is the stream as it stands.
            self.description.pending = self.description.same_again()
            return self.ua.accept_offer(self.session, self.sdp, now), None
        try:
            far = None if self.far is None else self.far.description
            sdp, negotiated = self.description.later_answer(body, far)
        except PeerError as error:
            return self.ua.reject_offer(self.session, error.status, now), None
        self.description.said(sdp)
        self._prefers(body)
        self._settle(negotiated)
        return self.ua.accept_offer(self.session, sdp, now), self._hold_changed(
            negotiated is not None and negotiated.held_by_remote, now
        )

    def fall_back(self, now: Instant) -> list[Output] | None:
        """We have something to say to the party, in whose codec we cannot: a re-INVITE offers those of its own that
        we know, None if there are none. Nothing changes until `reanswered`."""
        far = self.description.spoken()
        return self._offer_again(far, now) if far.formats else None

    def align(self, now: Instant) -> list[Output]:
        """Both have sound in codecs of their own: if this party's offer had the far one's, a re-INVITE asks for it, or
        an UPDATE while it rings."""
        ours, theirs = self.negotiated, None if self.far is None else self.far.negotiated
        sounds = self.up or self.state is LegState.EARLY
        if ours is None or theirs is None or not sounds or ours.format.same(theirs.format):
            return []
        if match(theirs.format, self.description.spoken().formats) is None:
            return []
        return self._offer_again(Counterpart((theirs.format,), theirs.format.mixed), now)

    def _offer_again(self, far: Counterpart, now: Instant) -> list[Output]:
        self.description.reoffered = offer = self.description.later_offer(far)
        return self.ua.reinvite(self.session, offer, now)

    def indicate(self, word: str, now: Instant) -> list[Output]:
        """Tell the party that it is recorded, `on`, `paused` or `off`, if it can show it and has not been told."""
        said = self.description
        if not self.record_aware or not self.up or self.negotiated is None or (said.recorded or "off") == word:
            return []
        said.say_recorded(word)
        return [] if said.reoffered or said.pending else self._offer_again(said.as_said(), now)

    def sound_again(self, now: Instant) -> list[Output]:
        """After a fax: a re-INVITE with the sound as it was, or what the far party has in place of images that were all
        there was; unless one is under way."""
        said = self.description
        if said.reoffered or said.pending:
            return []
        if not said.silent:
            return [] if self.negotiated is None else self._offer_again(said.as_said(), now)
        far = None if self.far is None else self.far.negotiated
        wanted = SWITCH if far is None else Counterpart((far.format,), far.format.mixed)
        images = self.far is not None and self.far.description.images
        said.reoffered = offer = said.later_offer(wanted, images=images)  # without them they end once it is answered
        return self.ua.reinvite(self.session, offer, now)

    def add_streams(self, wanted: Mapping[str, Media], now: Instant) -> list[Output] | None:
        """A re-INVITE asks for these sections, too, if the party may have them; None: it is not asked. What it refuses
        ends with its answer."""
        said = self.description
        if not self.up or self.negotiated is None or said.reoffered or said.pending or self.held_at is not None:
            return None
        if not said.add_streams(wanted):
            return None
        return self._offer_again(said.as_said(), now)

    def without_added(self, now: Instant) -> list[Output]:
        """Nobody wants the video any more."""
        said = self.description
        if said.streams is None or "video" not in said.streams.by_kind or said.reoffered or said.pending:
            return []
        said.streams.end("video")
        return self._offer_again(said.as_said(), now)

    def refresh(self, now: Instant) -> list[Output]:
        """The session is due (RFC 4028 §7.4): a re-INVITE with what we said last, which changes nothing."""
        said = self.description
        if said.reoffered or said.pending:
            return []  # a re-INVITE that is under way refreshes, too
        said.reoffered = said.sdp
        return self.ua.reinvite(self.session, said.sdp, now)

    def reanswered(self, body: bytes, now: Instant) -> None:
        """2xx to our re-INVITE. An answer that cannot be used changes nothing, nor does a refusal (no answer)."""
        said = self.description
        offer, said.reoffered = said.reoffered, b""
        if not offer or not body:
            said.forget_unanswered()
            return
        try:
            negotiated = said.accepted(body, offer)
        except PeerError:
            said.forget_unanswered()
            return
        said.said(offer)
        self._settle(negotiated)

    def send_digits(self, digits: str, now: Instant, duration_ms: int = 160) -> list[Output]:
        """Normalised digits to the party, in the way that it wants: by INFO (a wait is left out), else by media."""
        if self.policy.dtmf == "info":
            if not self.up:
                return []
            outputs: list[Output] = []
            for digit in digits.replace(WAIT, ""):
                body = info.build(digit, duration_ms)
                outputs += self.ua.send_in_dialog(self.session, "INFO", now, body, info.RELAY)
            return outputs
        if self.opened:
            self.fabric.command(self.worker, SendDigits(self.id, digits, duration_ms))
        return []

    def pressed(self, digit: str, method: str, now: Instant, duration_ms: int) -> bool:
        """A key of the party came by `method`; False when it was told already in another way. Who sends keys with
        the sound needs no INFO beside them."""
        new = self._keys.new(digit, method, now, duration_ms)
        if method != "info":
            self._keys_in_media = True
            return new
        return new and not self._keys_in_media

    def listen(self, wishes: int) -> None:
        """From now on media listens for these, too (LISTEN_…)."""
        if wishes | self.wishes == self.wishes:
            return
        self.wishes |= wishes
        if self.opened and self.spec is not None:
            self.spec = self._listened(self.spec)
            self.fabric.command(self.worker, UpdateLeg(self.id, self.spec))

    def take_keys(self, ours: bool) -> None:
        """Whether keys of others reach the party by us (`send_digits`), who look at them first, or within media."""
        if ours is not self._keys_by_us:
            self._keys_by_us = ours
            if self.opened and self.spec is not None and self.policy.dtmf != "info":
                self.spec = self._listened(self.spec)
                self.fabric.command(self.worker, UpdateLeg(self.id, self.spec))

    def watch(self, far: "Leg | None", *, now: bool = True) -> None:
        """The party is bridged with `far`, and unless one holds the other they are sent each other's video."""
        self.far = far
        if self.streams is not None:
            self.streams.watch(far.streams if far is not None and now else None)

    def hear(self, *sources: int) -> None:
        """From now on the party hears exactly these sources (legs or players)."""
        wanted = frozenset(sources)
        if wanted == self.hears:
            return
        if self.opened:
            self._rewire(self.hears, wanted)
        self.hears = wanted

    def belong(self, owner: str, peer: str = "") -> None:
        """The party is in another call from now on, or known by another name."""
        self.fabric.went(self.peer, self.owner)
        self.owner, self.peer = owner, peer or self.peer
        self.fabric.came(self.peer, self.owner)
        self.state = self._state

    def move_to(self, worker: int, now: Instant) -> list[Output]:
        """The stream goes on in another media process: a re-INVITE tells the new port (RFC 3264 §8.3.1). Raises
        `NoPort` when there is none, or when the leg cannot be moved now."""
        if worker == self.worker:
            return []
        said = self.description
        if self.port is None and not self.sdp:  # nothing was promised yet
            self.worker = worker
            said.elsewhere(worker)
            return []
        if not self.up or self.negotiated is None or said.pending or said.reoffered or self.streams is not None:
            raise NoPort(f"{self.peer} cannot be moved to media process {worker} now")
        port, far = self.fabric.take(worker), said.as_said()
        self.close_stream()
        self.id, self.worker, self.hears = self.fabric.new_id(), worker, _NOTHING
        said.moved(self.id, worker, port)
        self._open(self._listened(LegSpec()))  # others may listen from here on; the answer tells what is sent
        return self._offer_again(far, now)

    @property
    def adrift(self) -> bool:
        """The party was moved, and has not agreed to it."""
        return self.opened and self.spec is not None and not self.spec.codec and self.negotiated is not None

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
        self.far = None
        self.fabric.went(self.peer, self.owner)
        self.close_stream()

    def close_stream(self) -> None:
        if self.streams is not None:
            self.streams.close()
        if self.port is None:
            return
        if self.opened:
            self.fabric.close_leg(self.id, self.port)
        else:
            self.fabric.give_back(self.port)
        self.description.port = None
        self.opened = False

    def forget(self) -> None:
        """Its record is written: until the last timer of its session is gone (32 s), only its name and state are asked
        for, and at 600 calls a second 40,000 such legs wait for that."""
        if self.over:
            self.spec, self.hears = None, _NOTHING
            self.description.forget()

    def not_opened(self) -> None:
        """Media could not open the stream, or lost it: it will tell nothing more of it."""
        self.description.port = None
        self.opened = self.was_open = False

    # ---------------------------------------------------------------------------------------------------------- within

    def _prefers(self, body: bytes) -> None:
        """What their description says of recording (RFC 7866 §6.3)."""
        if b"a=recordpref:" in body:
            self.recordpref = body.partition(b"a=recordpref:")[2][:16].split()[0].decode("ascii", "replace").lower()

    def _answer_sdp(self, like: "Leg | None") -> bytes:
        agreed = None if like is None else like.negotiated
        if self.description.offer:
            negotiated = self.description.first_answer(
                None if agreed is None else agreed.format, None if like is None else like.streams
            )
            self._settle(negotiated)
        return self.sdp

    def _settle(self, negotiated: Negotiated | None) -> None:
        self.description.negotiated = negotiated
        if negotiated is None:
            spec = self.at_home(LegSpec())  # images alone; who is bridged with it may have sound, and sound may come
        else:
            spec = self._listened(negotiated.to_leg_spec(latch=self.policy.latch, silence=self.policy.silence))
        if not self.opened:
            self._open(spec)
        elif spec != self.spec:
            self.fabric.command(self.worker, UpdateLeg(self.id, spec))
        self.spec = spec

    def _listened(self, spec: LegSpec) -> LegSpec:
        dtmf, wishes = self.policy.dtmf, self.wishes
        if dtmf == "inband" or (dtmf == "auto" and spec.event_type < 0):
            wishes |= LISTEN_DTMF
        dead_air = self.policy.dead_air if wishes & LISTEN_SPEECH else 0.0
        keys = dtmf != "info" and not self._keys_by_us
        return msgspec.structs.replace(self.at_home(spec), listen=wishes, dead_air=dead_air, keys=keys)

    def at_home(self, spec: LegSpec) -> LegSpec:
        """The same of a party whose SIP messages come from there."""
        return msgspec.structs.replace(spec, host=self.ua.host(self.session))

    def _open(self, spec: LegSpec) -> None:
        if self.port is None:
            raise NoPort("the leg has no port")
        self.fabric.open_leg(self, self.port, spec)
        self.opened = self.was_open = True
        self.spec = spec
        self._rewire(_NOTHING, self.hears)

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

    def _hold_agreed(self, negotiated: Negotiated | None, now: Instant) -> bool | None:
        return self._hold_changed(negotiated is not None and negotiated.held_by_remote, now)

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
