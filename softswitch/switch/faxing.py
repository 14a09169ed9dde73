"""Fax by datagrams (ITU-T T.38). Within a call a party asks by re-INVITE to go on with images in place of sound; the
other is asked, and when it agrees, their datagrams pass from one to the other as they are. Whoever refuses, the call
goes on with sound: then the machines send their tones in it (G.711).

A call may also begin with images (`call/streams.py` relays them), and have nothing else: `Faxes.alone`.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.call.streams import Stream
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip import fax_media
from softswitch.sip.events import OfferAnswered, OfferRejected, OfferWithdrawn, Output, RefreshDue, Reinvited
from softswitch.sip.fax_media import Image
from softswitch.sip.session_body import session_description
from softswitch.switch.stages.talking import TalkStage
from softswitch.wire.control import Edge, LegSpec, UpdateLeg
from softswitch.wire.sdp import Media

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

_Offers: TypeAlias = Reinvited | OfferAnswered | OfferRejected | OfferWithdrawn | RefreshDue
_HOLD = "fax"  # who keeps a recording paused


class State(StrEnum):
    """The far party is asked; images pass; the party that asked took it back while the far one was asked; sound
    again."""

    ASKED = "asked"
    RELAYED = "relayed"
    WITHDRAWN = "withdrawn"
    OVER = "over"


class Faxes:
    """`by_session`: those of both parties, by SIP session. `alone`: calls that have images and no sound, since when."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self.by_session: dict[int, Fax] = {}
        self.alone: dict[str, Instant] = {}

    def asked(self, leg: Leg, call: "Call", event: Reinvited, now: Instant) -> bool:
        """Whether their re-INVITE is about a fax; it is then seen to."""
        offer = event.request.body
        if b"m=image" not in offer:
            return False
        sound = False
        try:
            sound = fax_media.has_sound(offer)
            image = fax_media.image_in(offer)
            if image is None or (leg.description.images and (sound or leg.description.silent)):
                return False
            if leg.far is not None and leg.far.description.silent and not sound:
                return False  # images are what the other has
            far = self._far(leg, call)
            fax = Fax(self, call, leg, far)
            self._office.drive(fax.begin(image, offer, now))
        except (PeerError, NoPort) as error:
            if sound:
                return False  # with port 0 for the image
            status = error.status if isinstance(error, PeerError) else 503
            self._office.drive(self._office.ua.reject_offer(leg.session, status, now))
            self._office.fact("fax.refused", now, call.id, by=leg.peer, status=status, why=str(error))
        return True

    def take(self, event: Output, now: Instant) -> bool:
        """Whether the event was about the offers of a fax."""
        fax = self.by_session.get(getattr(event, "session", 0))
        if fax is None or not isinstance(event, _Offers):
            return False
        return fax.receive(event, now)

    def between(self, call: "Call", parties: tuple[Leg, ...], two: tuple[Leg, ...], now: Instant) -> None:
        """The talk of `parties` is one of these two now, or of others than two; a fax of others is over."""
        for fax in tuple(self.by_session.values()):
            if fax.call is call and set(fax.parties) != set(two):
                fax.end(now)
        silent = [leg for leg in parties if leg.description.silent]
        if len(two) == len(silent) == 2:
            self._begin_alone(call, two, now)
            return
        self._end_alone(call, now)
        for leg in silent:  # those whom it is with, or ourselves, have something to say
            if leg.up:
                self._office.drive(leg.sound_again(now))

    def left(self, call: "Call", staying: Collection[Leg], now: Instant) -> None:
        """The talk is over; these have not been hung up on."""
        for fax in tuple(self.by_session.values()):
            if fax.call is call:
                fax.end(now, staying)
        self._end_alone(call, now)

    def _begin_alone(self, call: "Call", two: tuple[Leg, ...], now: Instant) -> None:
        call.recording.pause(now, by=two[0].peer, reason="fax", hold=_HOLD)
        if call.id not in self.alone:
            self.alone[call.id] = now
            self._office.fact("fax.started", now, call.id, by=two[0].peer, to=two[1].peer)

    def _end_alone(self, call: "Call", now: Instant) -> None:
        since = self.alone.pop(call.id, None)
        if since is not None:
            call.recording.resume(now, by=call.leg.peer, reason="fax", hold=_HOLD)
            self._office.fact("fax.ended", now, call.id, seconds=round(now - since, 3))

    def _far(self, leg: Leg, call: "Call") -> Leg:
        """Whom a party may fax with. Raises `PeerError` (488)."""
        stage = call.stage
        if not isinstance(stage, TalkStage) or stage.agent or stage.watchers or stage.transfer is not None:
            raise PeerError("no fax here: only two parties of a plain call have one", status=488)
        far = stage.callee if leg is call.leg else call.leg
        for party in (leg, far):
            if fax_media.KIND not in party.policy.further:
                raise PeerError(f"{party.peer} faxes within the sound only", status=488)
            said = party.description
            if not party.up or party.negotiated is None:
                raise PeerError(f"{party.peer} has not answered", status=488)
            if party.negotiated.security is not None or party.policy.srtp == "required" or party.policy.webrtc:
                raise PeerError(f"{party.peer} is secured, and UDPTL is not", status=488)
            if said.reoffered or said.pending:
                raise PeerError("an offer is open", status=491)
        return far


class Fax:
    """One fax of a call: `near` asked for it."""

    def __init__(self, faxes: Faxes, call: "Call", near: Leg, far: Leg) -> None:
        self.call = call
        self.state = State.ASKED
        self._faxes = faxes
        self._office = call.office
        self._near, self._far = near, far
        self._streams: dict[Leg, Stream] = {}
        self._said: dict[Leg, bytes] = {}
        self._spoke: dict[Leg, LegSpec] = {}
        self._offer = b""
        self._image: Image | None = None
        self._version = 0
        self._since: Instant = 0.0

    @property
    def parties(self) -> tuple[Leg, Leg]:
        """Who faxes with whom."""
        return self._near, self._far

    def begin(self, image: Image, offer: bytes, now: Instant) -> list[Output]:
        """Ask the far party. Raises `NoPort`."""
        fabric = self._office.fabric
        self._image, self._offer = image, offer
        for leg in (self._near, self._far):
            try:
                port = fabric.take(leg.worker)
            except NoPort:
                self._close()
                raise
            self._streams[leg] = Stream(fax_media.KIND, fabric.new_id(), port)
        far = self._far
        said = far.description
        self._said[far] = fax_media.offer(said.sdp, said.set_aside(), self._section(image.media, far))
        for leg in (self._near, self._far):
            self._faxes.by_session[leg.session] = self
        return self._office.ua.reinvite(far.session, self._said[far], now)

    def receive(self, event: _Offers, now: Instant) -> bool:
        """False: it is for those who see to sound."""
        leg = self._near if event.session == self._near.session else self._far
        match event:
            case OfferAnswered() if leg is self._far and self.state is not State.RELAYED:
                self._agreed(session_description(event.response), now)
            case OfferRejected() if leg is self._far and self.state is not State.RELAYED:
                self._refused(event.status, now)
            case OfferWithdrawn() if self.state is State.ASKED:
                self.state = State.WITHDRAWN
            case RefreshDue() if self.state is State.RELAYED:
                self._office.drive(self._office.ua.reinvite(leg.session, self._said[leg], now))
            case Reinvited() if self.state is State.RELAYED:
                return self._again(leg, event.request.body, now)
        return True

    def end(self, now: Instant, staying: Collection[Leg] | None = None) -> None:
        """Sound again: who is still there is asked for it (all, unless told who stays)."""
        if self.state is State.OVER:
            return
        was, self.state = self.state, State.OVER
        self._close()
        if was is State.ASKED:
            self._office.drive(self._office.ua.reject_offer(self._near.session, 488, now))
        if was is State.RELAYED:
            self.call.recording.resume(now, by=self._near.peer, reason="fax", hold=_HOLD)
            self._office.fact("fax.ended", now, self.call.id, seconds=round(now - self._since, 3))
        for leg in (self._near, self._far):
            if not leg.over and leg in self._said and (staying is None or leg in staying):
                self._office.drive(leg.sound_again(now))

    # ---------------------------------------------------------------------------------------------------------- within

    def _agreed(self, body: bytes, now: Instant) -> None:
        """The far party has answered."""
        try:
            image = fax_media.image_in(body) if body else None
        except PeerError:
            image = None
        if image is None or self._image is None or self.state is State.WITHDRAWN:
            self.end(now)
            return
        near, said = self._near, self._near.description
        sdp = fax_media.answer(
            self._offer, said.sdp, said.set_aside(), self._image.place, self._section(image.media, near)
        )
        self._said[near] = sdp
        self._open(near, self._image.media)
        self._open(self._far, image.media)
        one, other = (self._streams[leg].id for leg in (near, self._far))
        self._office.fabric.connect(near.worker, Edge(one, other), Edge(other, one))
        self.state, self._since = State.RELAYED, now
        for leg in (near, self._far):
            self._hush(leg)
        self._office.drive(self._office.ua.accept_offer(near.session, sdp, now))
        self.call.recording.pause(now, by=near.peer, reason="fax", hold=_HOLD)
        self._office.fact("fax.started", now, self.call.id, by=near.peer, to=self._far.peer)

    def _refused(self, status: int, now: Instant) -> None:
        """The far party goes on with sound, as before."""
        withdrawn = self.state is State.WITHDRAWN
        self.state = State.OVER
        self._close()
        if not withdrawn:
            self._office.drive(self._office.ua.reject_offer(self._near.session, 488, now))
        why = f"{self._far.peer} refuses"
        self._office.fact("fax.refused", now, self.call.id, by=self._near.peer, status=status, why=why)

    def _again(self, leg: Leg, offer: bytes, now: Instant) -> bool:
        """A later offer while images pass: as it stands, from another address, or sound."""
        ua = self._office.ua
        if not offer:
            self._office.drive(ua.accept_offer(leg.session, self._said[leg], now))
            return True
        try:
            image = fax_media.image_in(offer)
            both = leg.description.images and fax_media.has_sound(offer)  # as at the start
        except PeerError as error:
            self._office.drive(ua.reject_offer(leg.session, error.status, now))
            return True
        if image is not None and not both:
            self._open(leg, image.media)
            said = leg.description
            theirs = self._said[leg]
            section = theirs[theirs.index(b"m=image") :].partition(b"\r\nm=")[0].decode().removesuffix("\r\n") + "\r\n"
            self._said[leg] = fax_media.answer(offer, said.sdp, said.set_aside(), image.place, section)
            self._office.drive(ua.accept_offer(leg.session, self._said[leg], now))
            return True
        self._said.pop(leg)  # it asks for sound itself; the other is asked
        self.end(now)
        return False

    def _section(self, model: Media, leg: Leg) -> str:
        port = self._streams[leg].port
        assert port is not None
        return fax_media.section(model, port.number)

    def _open(self, leg: Leg, media: Media) -> None:
        stream, fabric = self._streams[leg], self._office.fabric
        spec = leg.at_home(fax_media.spec_of(media, leg.policy.latch))
        if not stream.opened and stream.port is not None:
            fabric.open_stream(stream, stream.port, spec)
            stream.opened = True
        elif stream.opened and spec != stream.spec:
            fabric.command(leg.worker, UpdateLeg(stream.id, spec))
        stream.spec = spec

    def _hush(self, leg: Leg) -> None:
        """No sound while images pass, and none is missed."""
        if leg.spec is not None and leg.opened:
            self._spoke[leg] = leg.spec
            leg.spec = msgspec.structs.replace(leg.spec, send=False, receive=False)
            self._office.fabric.command(leg.worker, UpdateLeg(leg.id, leg.spec))

    def _close(self) -> None:
        fabric = self._office.fabric
        for leg, spec in self._spoke.items():
            if leg.opened:
                leg.spec = spec
                fabric.command(leg.worker, UpdateLeg(leg.id, spec))
        self._spoke.clear()
        for stream in self._streams.values():
            port, stream.port = stream.port, None
            if port is not None and stream.opened:
                fabric.close_leg(stream.id, port)
            elif port is not None:
                fabric.give_back(port)
            stream.opened = False
        self._streams.clear()
        for leg in (self._near, self._far):
            if self._faxes.by_session.get(leg.session) is self:
                del self._faxes.by_session[leg.session]
