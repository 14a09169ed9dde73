"""One call on its way to a recording server (RFC 7866): the caller's voice in one stream, all others' in the other.

The streams are sinks of the mix, as a recorder is; the server is no party of the call. Whatever it does, the parties
hear nothing of it, unless the configuration wants calls to end that are not recorded.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from operator import ne
from typing import TYPE_CHECKING, Any

import msgspec

from softswitch.call.fabric import NoPort, Port
from softswitch.call.leg import Leg
from softswitch.call.stream_policy import packet_times_from
from softswitch.call.streams import Stream
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.sip import recorded_streams
from softswitch.sip.events import (
    Accepted,
    Confirmed,
    Ended,
    InDialog,
    Invitation,
    OfferAnswered,
    OfferRejected,
    Output,
    Progressed,
    RefreshDue,
    Reinvited,
    Rejected,
)
from softswitch.sip.offer_answer import Capabilities, Negotiated
from softswitch.sip.session_body import SDP, session_description
from softswitch.sip.session_terms import Terms
from softswitch.switch.recorded_parties import RecordedParties
from softswitch.switch.siprec import RecordingServers, Way
from softswitch.wire.control import Edge, UpdateLeg
from softswitch.wire.multipart import multipart
from softswitch.wire.rs_metadata import CONTENT_TYPE, REQUEST_TYPE
from softswitch.wire.sip import NameAddr, Uri

if TYPE_CHECKING:
    from softswitch.switch.call import Call

LABELS = ("1", "2")  # of the caller's voice and of all others'
_HEADERS = (("Require", "siprec"), ("Accept", f"{SDP}, {REQUEST_TYPE}"))


class State(StrEnum):
    """Asking a server, sending to it, waiting to ask again, and not any more."""

    CALLING = "calling"
    RECORDING = "recording"
    WAITING = "waiting"
    OVER = "over"


class _Sent(Stream):
    """One of the streams to the server: to media a leg that only sends. `broken` is called when media loses it."""

    __slots__ = ("agreed", "broken", "caps")

    def __init__(self, id: int, port: Port, caps: Capabilities, broken: Callable[[], None]) -> None:
        super().__init__("audio", id, port)
        self.caps = caps
        self.agreed: Negotiated | None = None
        self.broken = broken

    def not_opened(self) -> None:
        super().not_opened()
        self.broken()


class RecordingSession:
    """`name` is the server that the call was to go to; `state` is where it is."""

    def __init__(self, servers: RecordingServers, call: "Call", name: str, caller: int, *, paused: bool) -> None:
        self.name = name
        self.state = State.WAITING
        self._servers = servers
        self._call = call
        self._office = call.office
        self._first = call.office.settings.siprec[name]
        self._caller = caller  # which stream has the voice of the call's own party
        self._paused = paused
        self._ways: list[Way] = []
        self._way: Way | None = None
        self._session = 0
        self._worker = 0
        self._streams: tuple[_Sent, ...] = ()
        self._edges: frozenset[Edge] = frozenset()
        self._origin = 0
        self._version = 0
        self._sdp = b""
        self._since: Instant | None = None  # it has taken the call
        self._heard_until: Instant = 0.0
        self._others: tuple[Leg, ...] = ()
        self._parties = RecordedParties(call, tuple(self._new_id() for _ in LABELS), self._new_id(), self._new_id)
        self._open = False  # a re-INVITE of ours is not answered
        self._stale = False  # what it said has changed since
        self._lost = False
        self._on: dict[type, Callable[[Any, Instant], None]] = {
            Progressed: self._progressed,
            Accepted: self._accepted,
            Rejected: self._rejected,
            Reinvited: self._reinvited,
            Confirmed: self._confirmed,
            OfferAnswered: self._offer_answered,
            OfferRejected: self._offer_rejected,
            RefreshDue: lambda event, now: self._tell(now, always=True),
            InDialog: self._asked,
            Ended: self._ended,
        }

    @property
    def server(self) -> str:
        """The server that has the call, or is asked to take it; empty: none."""
        at_work = self.state in (State.CALLING, State.RECORDING)
        return self._way.name if self._way is not None and at_work else ""

    # ---------------------------------------------------------------------------------------------- what the call says

    def begin(self, others: Iterable[Leg], now: Instant) -> None:
        """Ask the server, and its backups after it."""
        self._others = tuple(others)
        self._parties.now(self._sounding(), now)
        self._ways = self._servers.ways(self.name, now)
        self._next(now)

    def follow(self, others: Iterable[Leg], now: Instant) -> None:
        """These talk beside the call's own party from now on."""
        if self.state is State.OVER:
            return
        self._others = tuple(others)
        changed = self._parties.now(self._sounding(), now)
        if self.state in (State.CALLING, State.RECORDING) and self._call.leg.worker != self._worker:
            self._close(now)  # the streams cannot come along to another media process
            self.begin(self._others, now)
            return
        self._wire()
        if changed:
            self._tell(now)

    def swap(self) -> None:
        """The call goes on with the other party, whose stream stays what it was."""
        self._caller = 1 - self._caller

    def pause(self, paused: bool, now: Instant) -> None:
        """Nothing is sent from here on, or again: the lines are `inactive` meanwhile (§7.1.1.1)."""
        if paused is not self._paused:
            self._paused = paused
            self._wire()
            self._tell(now)

    def stop(self, now: Instant) -> None:
        """The call, or its talk, is over."""
        if self.state is not State.OVER:
            self._close(now)
            self.state = State.OVER

    # ------------------------------------------------------------------------------------------- what the server says

    def receive(self, event: Output, now: Instant) -> None:
        handle = self._on.get(type(event))
        if handle is not None:
            handle(event, now)

    def wake(self, now: Instant) -> None:
        if self._lost:
            self._fail(0, "media could not send to it", now)
        elif self.state is State.WAITING:
            self._ways = self._servers.ways(self.name, now)
            self._next(now)
        elif self.state is State.CALLING and self._way is not None:
            if not self._office.ua.unheard(self._session) and now < self._heard_until:
                self._servers.deadlines.set(self, self._heard_until)
            else:
                self._fail(408, "no answer", now)

    def _progressed(self, event: Progressed, now: Instant) -> None:
        if self.state is State.CALLING:
            self._servers.deadlines.set(self, self._heard_until)

    def _accepted(self, event: Accepted, now: Instant) -> None:
        body = session_description(event.response)
        self._servers.deadlines.cancel(self)
        self.state = State.RECORDING
        self._call.touch()
        self._parties.told()
        self._take_answer(body, now)
        if self.state is not State.RECORDING or self._way is None:
            return
        self._since = now
        self._servers.well(self._way, now)
        taken = sum(stream.agreed is not None for stream in self._streams)
        self._office.fact(
            "siprec.started", now, self._call.id, server=self._way.name, session=self._parties.session.id, streams=taken
        )
        if taken < len(self._streams):
            self._office.log("warning", "recording server takes one side only", call=self._call.id, server=self.name)
        self._tell(now)  # what has changed since it was asked

    def _rejected(self, event: Rejected, now: Instant) -> None:
        self._forget()
        self._fail(event.status, "" if event.response is None else event.response.reason, now)

    def _ended(self, event: Ended, now: Instant) -> None:
        self._forget()
        words = "it hung up" if event.cause == "bye" else f"its dialog ended: {event.cause}"
        self._fail(0, words, now)

    def _reinvited(self, event: Reinvited, now: Instant) -> None:
        """It takes lines, leaves them, wants them later (§7.2), or wants to know everything (§9.2)."""
        ua, request = self._office.ua, event.request
        kind = (request.content_type or "").partition(";")[0].strip()
        if not request.body or kind == REQUEST_TYPE:
            offers = request.method == "INVITE"  # without SDP it asks for our offer (RFC 3261 §14.2)
            self._office.drive(ua.accept_offer(self._session, self._sdp if offers else b"", now))
            if kind == REQUEST_TYPE:
                self._parties.forget_told()
                self._tell(now, always=True)
            return
        before = [stream.agreed for stream in self._streams]
        try:
            sdp, agreed = recorded_streams.answered(
                request.body, self._lines(), before, self._origin, self._version + 1, paused=self._paused
            )
        except PeerError as error:
            self._office.drive(ua.reject_offer(self._session, error.status, now))
            return
        self._version += 1
        self._sdp = sdp
        self._office.drive(ua.accept_offer(self._session, sdp, now))
        self._settle(agreed, now)

    def _confirmed(self, event: Confirmed, now: Instant) -> None:
        if event.body:
            self._take_answer(event.body, now)

    def _offer_answered(self, event: OfferAnswered, now: Instant) -> None:
        self._open = False
        self._parties.told()
        if body := session_description(event.response):
            self._take_answer(body, now)
        if self._stale and self.state is State.RECORDING:
            self._tell(now)

    def _offer_rejected(self, event: OfferRejected, now: Instant) -> None:
        """What it was told before stands; the next time it is told everything."""
        self._open = False
        self._parties.forget_told()
        self._office.log(
            "warning",
            "recording server refuses what changed",
            call=self._call.id,
            server=self.name,
            status=event.status,
        )
        if self._stale:
            self._tell(now)

    def _asked(self, event: InDialog, now: Instant) -> None:
        self._office.drive(self._office.ua.respond(event.tx, 200 if event.request.method == "OPTIONS" else 501, now))

    # --------------------------------------------------------------------------------------------------- asking servers

    def _next(self, now: Instant) -> None:
        while self._ways:
            if self._invite(self._ways.pop(0), now):
                return
        self.state = State.WAITING
        if self._first.on_failure == "end":
            self.state = State.OVER
            self._call.end(now, 503, by="switch", reason="no recording server takes the call")
        elif self._first.retry_seconds > 0:
            self._servers.deadlines.set(self, now + self._first.retry_seconds)

    def _invite(self, way: Way, now: Instant) -> bool:
        office = self._office
        server = office.settings.siprec[way.name]
        self._way, self._version, self._open, self._stale, self._lost = way, 0, False, False, False
        try:
            self._take_ports(way, server.srtp, server.codecs)
            self._origin = self._streams[0].id
            self._sdp = recorded_streams.offer(self._lines(), self._origin, 0, paused=self._paused)
        except (NoPort, PeerError) as error:
            self._fail_now(0, str(error), now)
            return False
        sip = office.settings.sip
        self._parties.forget_told()
        kind, body = self._body()
        expires = sip.session_expires if server.session_expires is None else server.session_expires
        invitation = Invitation(
            uri=way.uri,
            from_=NameAddr("", Uri("sip", "recording", None, sip.domain)),
            to=NameAddr("", Uri(way.uri.scheme, way.uri.user, None, way.uri.host, way.uri.port)),
            body=body,
            content_type=kind,
            headers=(*_HEADERS, ("X-Call-Id", self._call.id)),
            contact_user="recording",
            call_id=token(office.dice, 96),
            terms=Terms(sip.reliable, expires, sip.min_session_expires),
            feature=";+sip.src",
        )
        self.state = State.CALLING
        self._session, outputs = office.ua.invite(invitation, way.flow, now)
        self._servers.by_session[self._session] = self
        self._heard_until = now + server.answer_seconds
        self._servers.deadlines.set(self, now + min(server.timeout_seconds, server.answer_seconds))
        office.drive(outputs)
        return True

    def _take_ports(self, way: Way, srtp: Any, codecs: tuple[str, ...]) -> None:
        fabric, call = self._office.fabric, self._call
        self._worker = call.leg.worker
        usable = tuple(name for name in codecs if name not in fabric.undecoded) or codecs
        address = self._office.addressing.media(way.flow.remote[0])
        spoken = self._spoken()
        streams: list[_Sent] = []
        for format in spoken:
            try:
                port = fabric.take(self._worker)
            except NoPort:
                for stream in streams:
                    if stream.port is not None:
                        fabric.give_back(stream.port)
                raise
            id = fabric.new_id()
            ordered = tuple(sorted(usable, key=partial(ne, format)))
            caps = Capabilities(
                ordered, False, address, port.number, packet_times=packet_times_from(20), through=False,
                means=fabric.means(id, self._worker, srtp, False),
            )  # fmt: skip
            streams.append(_Sent(id, port, caps, self._media_lost))
        self._streams = tuple(streams)

    def _spoken(self) -> list[str]:
        """The codec of each stream's party: the same one costs no transcoding."""
        agreed = [self._call.leg.negotiated, self._others[0].negotiated if self._others else None]
        names = ["" if one is None else one.format.name for one in agreed]
        return names if self._caller == 0 else names[::-1]

    def _fail(self, status: int, reason: str, now: Instant) -> None:
        """The next one, if there is one that has not failed just now."""
        was = self.state
        failed = self._way
        self._fail_now(status, reason, now)
        if was is State.RECORDING and failed is not None:
            self._ways = [way for way in self._servers.ways(self.name, now) if way.name != failed.name]
        self._next(now)

    def _fail_now(self, status: int, reason: str, now: Instant) -> None:
        way = self._way
        if way is not None:
            words = f"{status} {reason}".strip() if status else reason
            self._servers.failed(way, words, now)
            self._office.log(
                "error", "call is not recorded by server", call=self._call.id, server=way.name, reason=words
            )
            self._office.fact("siprec.failed", now, self._call.id, server=way.name, status=status, reason=reason)
        self._close(now)
        self.state = State.WAITING

    def _close(self, now: Instant) -> None:
        """Leave the server, if there is one, and give back what was for it."""
        office = self._office
        if self._session:
            office.drive(office.ua.hang_up(self._session, now))
        if self._since is not None and self._way is not None:
            seconds = round(now - self._since, 3)
            office.fact("siprec.ended", now, self._call.id, server=self._way.name, seconds=seconds)
        self._since = None
        self._forget()
        self._servers.deadlines.cancel(self)
        streams, self._streams, self._edges = self._streams, (), frozenset()
        for stream in streams:
            port, stream.port = stream.port, None
            if port is not None and stream.opened:
                office.fabric.close_leg(stream.id, port)
            elif port is not None:
                office.fabric.give_back(port)
            stream.opened = False

    @property
    def sip_session(self) -> int:
        """The SIP session with the server; 0: none."""
        return self._session

    def _forget(self) -> None:
        self._servers.by_session.pop(self._session, None)
        self._session = 0

    def _media_lost(self) -> None:
        """Media could not open a stream, or lost it: there is nobody here to tell the time, so it is told next."""
        if self._streams:
            self._lost = True
            self._servers.deadlines.set(self, 0.0)

    # ---------------------------------------------------------------------------------------------------- what is said

    def _tell(self, now: Instant, *, always: bool = False) -> None:
        """A re-INVITE with what has changed; one at a time, so that nothing is lost."""
        if self.state is not State.RECORDING:
            return
        if self._open:
            self._stale = True
            return
        self._stale = False
        sdp = recorded_streams.offer(self._lines(), self._origin, self._version, paused=self._paused)
        if sdp != self._sdp:
            self._version += 1
            self._sdp = recorded_streams.offer(self._lines(), self._origin, self._version, paused=self._paused)
        elif not always and not self._parties.untold:
            return
        kind, body = self._body()
        self._open = True
        self._office.drive(self._office.ua.reinvite(self._session, body, now, (("Content-Type", kind),)))

    def _body(self) -> tuple[str, bytes]:
        metadata = self._parties.document()
        return multipart(((SDP, "", self._sdp), (CONTENT_TYPE, "recording-session", metadata)))

    def _lines(self) -> list[tuple[str, Capabilities]]:
        return [(label, stream.caps) for label, stream in zip(LABELS, self._streams, strict=True)]

    # ------------------------------------------------------------------------------------------------------------ sound

    def _take_answer(self, body: bytes, now: Instant) -> None:
        try:
            agreed = recorded_streams.accepted(body, self._lines(), self._origin, self._version)
        except PeerError as error:
            self._fail(488, str(error), now)
        else:
            self._settle(agreed, now)

    def _settle(self, agreed: list[Negotiated | None], now: Instant) -> None:
        """The streams go on as agreed."""
        if not any(agreed):
            self._fail(488, "it takes no stream", now)
            return
        fabric = self._office.fabric
        for stream, one in zip(self._streams, agreed, strict=True):
            stream.agreed = one
            if one is not None:
                spec = msgspec.structs.replace(one.to_leg_spec("signalled"), keys=False)
            elif stream.spec is not None:
                spec = msgspec.structs.replace(stream.spec, send=False)
            else:
                continue
            if not stream.opened and stream.port is not None:
                fabric.open_stream(stream, stream.port, spec)
                stream.opened = True
            elif stream.opened and spec != stream.spec:
                fabric.command(self._worker, UpdateLeg(stream.id, spec))
            stream.spec = spec
        self._wire()

    def _sounding(self) -> list[tuple[Leg, int]]:
        """Who talks, and in which stream."""
        return [(self._call.leg, self._caller), *((leg, 1 - self._caller) for leg in self._others)]

    def _wire(self) -> None:
        """Each voice into its stream; none while paused."""
        edges: frozenset[Edge] = frozenset()
        if self.state is State.RECORDING and not self._paused:
            edges = frozenset(
                Edge(leg.id, self._streams[place].id)
                for leg, place in self._sounding()
                if leg.opened and self._streams[place].opened
            )
        fabric = self._office.fabric
        if gone := self._edges - edges:
            fabric.disconnect(self._worker, *gone)
        if come := edges - self._edges:
            fabric.connect(self._worker, *sorted(come, key=lambda edge: edge.sink))
        self._edges = edges

    def _new_id(self) -> str:
        """An identifier of RFC 7865 §6.10."""
        return b64encode(self._office.dice.getrandbits(128).to_bytes(16, "big")).decode()
