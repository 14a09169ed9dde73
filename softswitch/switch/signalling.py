"""What the user agent says, brought to calls, registrations and trunks; and how a new call is let in."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.sip.events import (
    Accepted,
    Cancelled,
    Confirmed,
    Ended,
    InDialog,
    InDialogAnswered,
    Invited,
    OfferAnswered,
    OfferRejected,
    OfferWithdrawn,
    Output,
    Progressed,
    RefreshDue,
    Reinvited,
    Rejected,
    Requested,
    Responded,
    SessionClosed,
    TimedOut,
)
from softswitch.sip.flow import Flow
from softswitch.sip.registration import seconds
from softswitch.sip.session_body import media_host
from softswitch.sip.session_terms import knows_recording
from softswitch.switch.admission import Challenge, Refusal
from softswitch.switch.call import Call
from softswitch.switch.identity import calling_party, shown, take
from softswitch.switch.requests import Requests
from softswitch.switch.routing import routed
from softswitch.switch.stages.codes import code_stage, without_pin
from softswitch.switch.stages.joining import JoinStage
from softswitch.switch.stages.replacing import ReplaceStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.verifying import verifying
from softswitch.switch.targets import Target
from softswitch.wire.sip import Request, Response

if TYPE_CHECKING:
    from softswitch.switch.switch import Switch


class Signalling:
    """One for the whole switch."""

    def __init__(self, switch: "Switch") -> None:
        self._switch = switch
        self._office = switch.office
        self._requests = Requests(switch, self.find)
        self._on: dict[type, Callable[[Any, Instant], None]] = {
            Invited: self._invited,
            Progressed: self._progressed,
            Accepted: self._accepted,
            Rejected: self._rejected,
            Cancelled: self._cancelled,
            Confirmed: self._confirmed,
            Reinvited: self._reinvited,
            RefreshDue: self._refresh,
            OfferWithdrawn: self._offer_withdrawn,
            OfferAnswered: self._offer_answered,
            OfferRejected: self._offer_rejected,
            Ended: self._ended,
            InDialog: self._requests.within,
            InDialogAnswered: self._requests.messages.answered_within,
            Requested: self._requests.outside,
            Responded: self._responded,
            TimedOut: self._timed_out,
            SessionClosed: self._session_closed,
        }

    def handle(self, output: Output, now: Instant) -> None:
        servers = self._office.recording_servers
        if servers.by_session and servers.take(output, now):
            return
        faxes = self._office.faxes
        if faxes.by_session and faxes.take(output, now):
            return
        self._on[type(output)](output, now)

    # ------------------------------------------------------------------------------------------------------ new calls

    def _invited(self, event: Invited, now: Instant) -> None:
        office, request = self._office, event.request
        ruling = office.admission.caller(request, event.flow, now)
        if isinstance(ruling, Challenge):
            self._refuse(event.session, 401, now, headers=ruling.headers)
            return
        if isinstance(ruling, Refusal):
            office.log("warning", "call refused", source=event.flow.remote[0], status=ruling.status, reason=ruling.why)
            self._refuse(event.session, ruling.status, now)
            return
        try:
            refusal = office.ua.adopt(event.session, office.directory.terms(ruling))
        except PeerError as error:
            self._refuse(event.session, error.status, now)
            return
        if refusal is not None:
            self._refuse(event.session, refusal.status, now, headers=refusal.headers)
            return
        full = self._full(ruling) or self._switch.full()
        if full:
            office.log("warning", "call refused", peer=str(ruling), status=503, reason=full)
            self._refuse(event.session, 503, now, headers=(("Retry-After", "5"),))
            return
        self._admit(event, ruling, now)

    def _admit(self, event: Invited, source: Target, now: Instant) -> None:
        office, request = self._office, event.request
        try:
            worker = office.fabric.pick()
        except NoPort as error:
            office.log("error", "call refused", peer=str(source), status=503, reason=str(error))
            self._refuse(event.session, 503, now, headers=(("Retry-After", "5"),))
            return
        remote_host = media_host(request.body, event.flow.remote[0])
        directory = office.directory
        if source.kind == "trunk":
            stream = directory.trunk_stream(source.name, remote_host)
        else:
            stream = directory.phone_stream(source.name, remote_host)
        try:
            who = calling_party(office, source, request)
            number, meant = office.registrations.meant(request.uri, now)
        except PeerError as error:
            office.log("warning", "call refused", peer=str(source), status=error.status, reason=str(error))
            self._refuse(event.session, error.status, now)
            return
        id = f"{int(now):x}{token(office.dice, 40)}"
        leg = Leg(id, str(source), worker, stream, office.ua, office.fabric)
        leg.invited(event.session, request, request.body)
        leg.record_aware = knows_recording(request)
        if source.kind == "trunk" and office.trunks.by_contact_user(number) is not None:
            number = request.to.uri.number  # carriers call the contact that we registered; To has the number
        language = office.settings.server.language
        if source.kind == "phone":
            language = office.settings.phones[source.name].language or language
            number, hidden = shown(office, source.name, number, who.hidden)
            who = who._replace(hidden=hidden)
        hops = request.max_forwards
        called = without_pin(office.settings.codes, number) if source.kind == "phone" else number
        call = Call(
            id, office, leg, source=str(source), caller=who.number, caller_name=who.name, called=called,
            language=language, max_forwards=office.settings.sip.max_forwards if hops is None else hops, now=now,
        )  # fmt: skip
        take(call, who)
        call.instance = meant
        call.secured = request.uri.scheme == "sips"
        office.fact("call.started", now, id, source=str(source), caller=call.caller, called=called)
        try:
            leg.check_offer()
        except PeerError as error:
            call.facts.reason = str(error)
            self._switch.begin(call, f"hangup:{error.status}", now)
            return
        if source.kind == "trunk" and office.settings.trunks[source.name].stir.verify != "off":
            stage = verifying(call, request, lambda at: self._go_on(call, source, number, request, at), now)
            self._switch.enter(call, stage, now)
            return
        first = self._route(call, source, number, request, now)
        if isinstance(first, str):
            self._switch.begin(call, first, now)
        else:
            self._switch.enter(call, first, now)

    def _go_on(self, call: Call, source: Target, number: str, request: Request, now: Instant) -> None:
        """It has waited for a verdict."""
        first = self._route(call, source, number, request, now)
        if isinstance(first, str):
            call.go(first, now)
        else:
            call.move(first, now)

    def _route(self, call: Call, source: Target, number: str, request: Request, now: Instant) -> str | Stage:
        """Where a new call goes first: a target, or a stage that no target names."""
        office = self._office
        if "Replaces" in request.headers:
            return ReplaceStage(call, request)
        if "Join" in request.headers:
            return JoinStage(call, request)
        code = code_stage(call, office.settings.codes, source, number)
        if code is not None:
            return code
        if source.kind == "phone" and number and number == office.settings.codes.echo:
            return "echo:"
        return routed(call, source, number, now)

    def _full(self, source: Target) -> str:
        """Why no more calls are taken from there now; empty when they are."""
        settings = self._office.settings
        if source.kind == "trunk":
            limit = settings.trunks[source.name].max_calls
            if limit and self._office.fabric.parties[str(source)] >= limit:
                return f"trunks.{source.name}.max_calls = {limit} is reached"
        return ""

    def _refuse(self, session: int, status: int, now: Instant, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._office.drive(self._office.ua.reject(session, status, now, headers=headers))

    # -------------------------------------------------------------------------------------------------- legs of calls

    def find(self, session: int) -> tuple[Leg | None, Call | None]:
        """The leg of a session that is not over, and its call."""
        leg = self._office.fabric.sessions.get(session)
        if leg is None or leg.over:
            return None, None
        return leg, self._switch.call_of(leg)

    def _progressed(self, event: Progressed, now: Instant) -> None:
        leg, call = self.find(event.session)
        if leg is not None and call is not None:
            call.stage.on_progress(leg, event.response, event.response.body, now)
            call.rearm()

    def _accepted(self, event: Accepted, now: Instant) -> None:
        leg, call = self.find(event.session)
        self._trunk_answered(leg, self._office.ua.way(event.session), 200, now)
        if leg is not None and leg.peer.startswith("trunk:") and call is not None:
            self._office.guards.answered(leg, call)
        if leg is not None and call is not None:
            leg.record_aware = knows_recording(event.response)
            call.stage.on_accepted(leg, leg.answer_of(event.response), now)
            call.rearm()

    def _rejected(self, event: Rejected, now: Instant) -> None:
        leg, call = self.find(event.session)
        if event.response is None:
            self._trunk_answered(leg, event.flow, 408 if event.status == 408 else 0, now)
        else:
            wait = event.response.headers.get("Retry-After") if event.status == 503 else None
            self._trunk_answered(leg, event.flow, event.status if event.status == 503 else 200, now, seconds(wait))
        if leg is not None and call is not None:
            if event.response is not None and "Reason" in event.response.headers:
                leg.said = ", ".join(event.response.headers.all("Reason"))
            call.stage.on_rejected(leg, event.status, event.response, now)
            call.rearm()

    def _trunk_answered(self, leg: Leg | None, flow: Flow | None, status: int, now: Instant, wait: float = 0.0) -> None:
        """What a call says of the health of the host that it went to."""
        if leg is not None and flow is not None and leg.peer.startswith("trunk:"):
            self._office.trunks.observed(leg.peer.removeprefix("trunk:"), flow.remote, status, now, wait)

    def _cancelled(self, event: Cancelled, now: Instant) -> None:
        leg, call = self.find(event.session)
        if leg is not None and call is not None:
            call.facts.outcome = "abandoned"
            call.facts.cause = 487
            leg.said = event.request.headers.get("Reason") or ""
            leg.ended(now)
            call.end(now, 487, by="caller", reason="caller gave up", header=event.request.headers.get("Reason") or "")

    def _confirmed(self, event: Confirmed, now: Instant) -> None:
        leg, call = self.find(event.session)
        if leg is None or call is None:
            return
        try:
            changed = leg.confirmed(event.body, now)
        except (PeerError, NoPort) as error:
            call.fail(error, now)
            return
        if changed is not None:
            call.stage.on_hold(leg, changed, now)

    def _reinvited(self, event: Reinvited, now: Instant) -> None:
        leg, call = self.find(event.session)
        if leg is None or call is None:
            return
        if self._office.faxes.asked(leg, call, event, now):
            return
        if not self._office.added_streams.asked(leg, call, event.request.body, now):
            self._renegotiate(leg, call, event.request.body, now)

    def _renegotiate(self, leg: Leg, call: Call, offer: bytes, now: Instant) -> None:
        outputs, changed = leg.reinvited(offer, now)
        self._office.drive(outputs)
        call.stage.on_renegotiated(leg, now)
        if changed is not None:
            call.stage.on_hold(leg, changed, now)

    def _offer_withdrawn(self, event: OfferWithdrawn, now: Instant) -> None:
        self._office.added_streams.withdrawn(event.session)

    def _streams_added(self, session: int, now: Instant) -> None:
        """Who was asked for further streams has answered, or is gone."""
        if self._office.added_streams.by_session:
            added = self._office.added_streams.taken(session, now)
            leg, call = self.find(added.leg.session) if added is not None else (None, None)
            if added is not None and leg is not None and call is not None:
                self._renegotiate(leg, call, added.offer, now)

    def _offer_answered(self, event: OfferAnswered, now: Instant) -> None:
        self._reanswered(event.session, event.response.body, now)

    def _offer_rejected(self, event: OfferRejected, now: Instant) -> None:
        self._reanswered(event.session, b"", now)

    def _refresh(self, event: RefreshDue, now: Instant) -> None:
        leg, _ = self.find(event.session)
        if leg is not None:
            self._office.drive(leg.refresh(now))

    def _reanswered(self, session: int, body: bytes, now: Instant) -> None:
        """A party whose stream was to go on in another media process, and who does not agree, would hear nothing."""
        leg, call = self.find(session)
        if leg is None or call is None:
            return
        was_silent = leg.description.silent
        leg.reanswered(body, now)
        if was_silent is not leg.description.silent:
            call.stage.on_renegotiated(leg, now)  # the other may have gone back to images meanwhile
        self._streams_added(session, now)
        if leg.adrift:
            self._office.log("warning", "stream could not be moved, hanging up", call=call.id, peer=leg.peer)
            if leg is call.leg:
                call.end(now, by="switch", reason="stream could not be moved")
            else:
                self._office.drive(leg.hang_up(now))
                call.stage.on_gone(leg, now)

    def _ended(self, event: Ended, now: Instant) -> None:
        leg, call = self.find(event.session)
        if leg is None or call is None:
            return
        reason = (event.request.headers.get("Reason") or "") if event.request is not None else ""
        leg.said = reason
        leg.ended(now)
        self._streams_added(event.session, now)
        if leg is call.leg:
            words = "caller hung up" if event.cause == "bye" else f"caller's dialog ended: {event.cause}"
            call.end(now, 487, by="caller", reason=words, header=reason)
        else:
            call.stage.on_gone(leg, now, reason)

    def _session_closed(self, event: SessionClosed, now: Instant) -> None:
        self._office.fabric.sessions.pop(event.session, None)
        self._streams_added(event.session, now)
        self._requests.messages.closed(event.session)

    # -------------------------------------------------------------------------------------------------- our requests

    def _responded(self, event: Responded, now: Instant) -> None:
        if not self._office.trunks.responded(event.tx, event.response, now) and not self._told(
            event.tx, event.response, now
        ):
            self._office.registrations.answered(event.tx)

    def _timed_out(self, event: TimedOut, now: Instant) -> None:
        if not self._office.trunks.timed_out(event.tx, now) and not self._told(event.tx, None, now):
            self._office.registrations.answered(event.tx)

    def _told(self, tx: int, response: Response | None, now: Instant) -> bool:
        """Whether a NOTIFY, a MESSAGE, or OPTIONS of a recording server was answered."""
        office, messages = self._office, self._requests.messages
        return (
            office.subscriptions.answered(tx, response, now)
            or messages.answered(tx, response, now)
            or office.recording_servers.health.answered(tx, response, now)
        )
