"""All INVITE sessions of one user agent: finding them, stepping them, closing them."""

from math import inf
from typing import Literal, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.sip import session_reliable, session_timer
from softswitch.sip.authentication import authorized, proof_of
from softswitch.sip.dialog import Dialog, contact_value, uac_dialog, uas_dialog
from softswitch.sip.digest import Credentials
from softswitch.sip.events import Fields, InDialog, InDialogAnswered, Invitation, Invited, Output, SessionClosed
from softswitch.sip.flow import Flow, Send
from softswitch.sip.provenance import Judge, familiar, heard_from
from softswitch.sip.screening import Refusal
from softswitch.sip.session import Offer, Phase, Role, Session, Turn, Unacknowledged, Verb, What
from softswitch.sip.session_body import SDP
from softswitch.sip.session_memory import SessionMemory, recall, standing
from softswitch.sip.session_offer import OFFERS, decline, receive_offer, receive_offer_response
from softswitch.sip.session_phases import PHASES
from softswitch.sip.session_terms import PLAIN, Terms, invite_fields, refusal_of
from softswitch.sip.session_uac import invite_input
from softswitch.sip.transaction import ClientTransaction, ServerTransaction
from softswitch.sip.transaction_layer import COOKIE, TransactionLayer
from softswitch.sip.via import via_value
from softswitch.wire.sip import Headers, Request, Response, Uri

DialogState: TypeAlias = Literal["incoming", "early", "confirmed", "over"]
_PARTING = (Phase.OVER, Phase.LEAVING, Phase.CANCELLING, Phase.CANCEL_HELD)


class SessionLayer:
    """Sessions over a transaction layer. Outputs go to the transaction layer's `out`."""

    __slots__ = ("_by_id", "_by_tag", "allow", "judge", "transactions")

    def __init__(self, transactions: TransactionLayer, allow: str, judge: Judge) -> None:
        self.transactions = transactions
        self.allow = allow
        self.judge = judge
        self._by_id: dict[int, Session] = {}
        self._by_tag: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def dialogs(self) -> int:
        """Dialogs that live, forks and early ones included."""
        alive = (one for one in self._by_id.values() if one.phase is not Phase.OVER)
        return sum((one.dialog is not None) + len(one.forks) + len(one.early) for one in alive)

    def get(self, number: int) -> Session | None:
        """The session, None when it is closed."""
        return self._by_id.get(number)

    def find(self, request: Request) -> Session | None:
        """The session whose dialog `request` names by its Call-ID and To tag (§12.2.2)."""
        session = self._by_tag.get(request.to.tag or "")
        return session if session is not None and session.call_id == request.call_id else None

    def dialog(self, call_id: str, local_tag: str, remote_tag: str) -> tuple[Session, DialogState] | None:
        """The dialog with that name, in whatever state."""
        session = self._by_tag.get(local_tag)
        if session is None or session.call_id != call_id:
            return None
        if session.dialog is not None:
            known = session.dialog.remote_tag == remote_tag
        elif session.request is None:
            return None
        elif session.uac:
            known = remote_tag in session.early
        else:
            known = session.request.from_.tag == remote_tag
        if not known:
            return None
        if session.phase in _PARTING:
            return session, "over"
        if session.phase in (Phase.INCOMING, Phase.ACCEPTING):
            return session, "incoming"
        return session, "early" if session.dialog is None else "confirmed"

    # --------------------------------------------------------------------------------------------------- beginnings

    def invite(self, invitation: Invitation, flow: Flow, now: Instant) -> Session:
        """A session at the UAC: INVITE goes out (§13.2.1)."""
        layer = self.transactions
        tag = token(layer.dice)
        call_id = invitation.call_id or token(layer.dice, 96)
        uri = _uri(invitation.uri)
        contact = contact_value(flow, layer.addressing.signalling(flow), invitation.contact_user, _scheme(uri))
        contact += invitation.feature
        session = self._new(uac=True, call_id=call_id, local_tag=tag, flow=flow, contact=contact)
        session.credentials = invitation.credentials
        session.terms = invitation.terms
        headers = Headers([("Route", route) for route in invitation.route])
        headers.extend(
            (
                ("Max-Forwards", str(invitation.max_forwards)),
                ("From", f"{invitation.from_};tag={tag}"),
                ("To", str(invitation.to)),
                ("Call-ID", call_id),
                ("CSeq", "1 INVITE"),
                ("Contact", contact),
                *invitation.headers,
            )
        )
        if "Allow" not in headers:
            headers.add("Allow", self.allow)
        headers.extend(invite_fields(invitation.terms))
        if invitation.body:
            headers.add("Content-Type", invitation.content_type)
        session.request = request = Request("INVITE", uri, headers, invitation.body)
        session.invite = self.start(session, request, flow, Role.INVITE, now)
        return session

    def invited(self, tx: ServerTransaction, request: Request, flow: Flow) -> None:
        """A session at the UAS. Raises `PeerError` without a Contact (§8.1.1.8)."""
        if not request.contacts:
            raise PeerError("INVITE without Contact")
        layer = self.transactions
        user = request.uri.user or ""
        session = self._new(
            uac=False,
            call_id=request.call_id,
            local_tag=token(layer.dice),
            flow=flow,
            contact=contact_value(flow, layer.addressing.signalling(flow), user, _scheme(request.uri)),
        )
        session.request, session.invite = request, tx
        self._own(session, tx)
        tx.to_tag = session.local_tag
        self.emit(Invited(session.id, request, flow))

    def adopt(self, session: Session, terms: Terms) -> Refusal | None:
        """Take the peer's INVITE on these terms; why not, if it cannot be. Raises `PeerError` (400)."""
        request = session.request
        if request is None or session.phase is not Phase.INCOMING:
            return None
        refusal = refusal_of(request, terms)
        if refusal is None:
            session.terms = terms
            session_reliable.prepared(self, session, request)
        return refusal

    def resume(self, memory: SessionMemory, credentials: Credentials | None, now: Instant) -> Session | None:
        """A session that another process has established; None when its dialog lives here, too.
        Raises `PeerError` when the memory is garbage."""
        here = self._by_tag.get(memory.local_tag)
        if here is not None and here.phase is not Phase.OVER:
            return None
        Uri.parse(memory.target)  # raises before anything is made
        session = self._new(
            uac=memory.uac,
            call_id=memory.call_id,
            local_tag=memory.local_tag,
            flow=standing(memory.flow),
            contact=memory.contact,
        )
        recall(session, memory, now)
        session.credentials = credentials
        if (timer := session.timer) is not None:
            self.transactions.deadlines.set(timer, min(timer.refresh_at, timer.expire_at))
        return session

    def _new(self, *, uac: bool, call_id: str, local_tag: str, flow: Flow, contact: str) -> Session:
        layer = self.transactions
        layer.serial += 1
        session = Session(layer.serial, uac=uac, call_id=call_id, local_tag=local_tag, flow=flow, contact=contact)
        self._by_id[session.id] = session
        self._by_tag[local_tag] = session
        return session

    # ----------------------------------------------------------------------------------------------------- stepping

    def step(self, session: Session, what: What, message: Request | Response | Verb | None, now: Instant) -> None:
        """Take the phase's row for `what`; an input without a row is ignored."""
        before = session.phase
        row = PHASES.get((before, what))
        if row is None:
            return
        session.phase, action = row
        if session.phase is Phase.OVER and session.offer is Offer.TO_CONFIRM:
            decline(self, session)
        if action is not None:
            action(self, session, message, now)
        if session.phase is Phase.OVER and before is not Phase.OVER:
            self._leave(session, now)

    def step_offer(self, session: Session, what: Turn, message: Request | Response | Verb | None, now: Instant) -> None:
        """Take the offer's row for `what`; then let a re-INVITE of ours go that waits for its turn."""
        row = OFFERS.get((session.offer, what))
        if row is None or not negotiable(session):
            return
        session.offer, action = row
        if action is not None:
            action(self, session, message, now)
        self.settle(session, now)

    def settle(self, session: Session, now: Instant) -> None:
        """Send what waits, when nobody's offer is open and the session is established, or its early dialog takes an
        UPDATE (RFC 3311 §5.1; the caller's only: a callee's early dialog may not be the one that wins)."""
        if session.offer is not Offer.STABLE:
            return
        if session.phase is not Phase.ESTABLISHED:
            session_reliable.go_on(self, session, now)
            updatable = session.phase is Phase.INCOMING and session.settled is not None and session.updates
            if not updatable or session.dialog is None or session.wanted is None or not session.wanted[0]:
                return
        if self.transactions.deadlines.get(session) is not None:
            session.offer = Offer.WAITING
        elif session.wanted is not None:
            self.step_offer(session, Turn.REINVITE, None, now)

    def wake(self, session: Session, now: Instant) -> None:
        """The time after a 491 has passed (§14.1)."""
        self.step_offer(session, Turn.RETRY, None, now)

    def wake_unacknowledged(self, answer: Unacknowledged, now: Instant) -> None:
        """Repeat a 2xx that nobody acknowledged, or give up (§13.3.1.4)."""
        layer = self.transactions
        if now >= answer.give_up_at:
            self.acknowledged(answer.session)
            self.step(answer.session, What.NO_ACK, None, now)
            return
        layer.resend(answer.tx)
        answer.interval = min(2 * answer.interval, layer.timers.t2)
        answer.repeat_at = now + answer.interval
        layer.deadlines.set(answer, min(answer.repeat_at, answer.give_up_at))

    def _leave(self, session: Session, now: Instant) -> None:
        """The session is over: nothing of it is repeated, and their open requests get 487 (§15.1.2)."""
        layer = self.transactions
        layer.deadlines.cancel(session)
        session_reliable.stop(self, session)
        session_timer.stop(self, session)
        self.acknowledged(session)
        session.wanted = None
        session.request = None
        session.early.clear()
        if session.answering is not None:
            session.pending[session.answering.id] = session.answering
            session.answering = None
        for tx in session.pending.values():
            layer.pending.pop(tx.id, None)
            self.respond(session, tx, 487, now)
        session.pending.clear()
        if session.reinvite is not None and session.reinvite.expire_at == inf:
            layer.expect_final(session.reinvite, now)
        session.reinvite = None
        self.collect(session)

    def release(self, session: Session) -> None:
        """A transaction of the session is gone."""
        session.live -= 1
        self.collect(session)

    def collect(self, session: Session) -> None:
        """Close the session when it is over and its last transaction gone."""
        if session.phase is Phase.OVER and session.live == 0 and self._by_id.pop(session.id, None) is not None:
            if self._by_tag.get(session.local_tag) is session:  # not one that was resumed since
                del self._by_tag[session.local_tag]
            session.invite = None
            self.emit(SessionClosed(session.id))

    # ----------------------------------------------------------------------------------------------- from the peer

    def receive(self, session: Session, tx: ServerTransaction, request: Request, flow: Flow, now: Instant) -> None:
        """A request within the session's dialog, not ACK or CANCEL (§12.2.2)."""
        layer = self.transactions
        tx.to_tag = session.local_tag
        dialog = self.dialog_of(session, request)
        if dialog is None:
            layer.respond(tx, Response.to_request(request, 481), now)
            return
        refusal = self._from_elsewhere(session, request, flow, now)
        if refusal is not None:
            self._refuse(tx, request, refusal, now)
            return
        self._own(session, tx)
        if not dialog.take_cseq(request.cseq.number):
            self.respond(session, tx, 500, now)
            return
        dialog.flow = flow
        method = request.method
        if method == "BYE":
            self.respond(session, tx, 200, now)
            if dialog is session.dialog or session.dialog is None:
                self.step(session, What.BYE, request, now)
        elif method == "PRACK":
            session_reliable.receive_prack(self, session, tx, request, now)
        elif session.phase in _PARTING or (session.dialog is not None and dialog is not session.dialog):
            self.respond(session, tx, 481, now)
        elif method in ("INVITE", "UPDATE"):
            receive_offer(self, session, dialog, tx, request, now)
        else:
            session.pending[tx.id] = layer.pending[tx.id] = tx
            self.emit(InDialog(session.id, tx.id, request))

    def _from_elsewhere(self, session: Session, request: Request, flow: Flow, now: Instant) -> Refusal | None:
        """What a request is refused with that does not come from where the dialog's peer is known to be."""
        if not familiar(session, flow):
            refusal = self.judge(session.id, request, flow, now)
            if refusal is not None:
                return refusal
            heard_from(session, flow)
        return None

    def _refuse(self, tx: ServerTransaction, request: Request, refusal: Refusal, now: Instant) -> None:
        """Nothing of the session moves, and nothing is left behind that could absorb what the peer itself sends."""
        response = Response.to_request(request, refusal.status, None, tx.to_tag)
        for name, value in refusal.headers:
            response.headers.add(name, value)
        self.transactions.respond(tx, response, now)
        self.transactions.forget(tx)

    def receive_ack(self, session: Session, request: Request, flow: Flow, now: Instant) -> None:
        """ACK for a 2xx of ours; it names the INVITE by its CSeq (§13.3.1.4). From elsewhere it may say nothing: it
        cannot be challenged (§22.1)."""
        answer = session.unacknowledged
        if answer is None or answer.cseq != request.cseq.number:
            return
        if session.dialog is not None and session.dialog.remote_tag != (request.from_.tag or ""):
            return
        if (answer.offered or request.body) and self._from_elsewhere(session, request, flow, now) is not None:
            return
        self.acknowledged(session)
        if answer.tx is session.invite:
            self.step(session, What.ACK, request, now)
        else:
            self.step_offer(session, Turn.ACKED, request, now)

    def may_cancel(self, session: Session, request: Request, flow: Flow, now: Instant) -> bool:
        """Whether a CANCEL comes from where the INVITE came from; it cannot be challenged (§22.1)."""
        return self._from_elsewhere(session, request, flow, now) is None

    def receive_cancel(self, session: Session, tx: ServerTransaction, request: Request, now: Instant) -> None:
        """CANCEL for one of the session's INVITEs, already answered with 200 (§9.2)."""
        if tx is session.invite:
            self.step(session, What.CANCEL, request, now)
        elif tx is session.answering:
            self.step_offer(session, Turn.WITHDRAWN, request, now)

    def receive_response(
        self, session: Session, tx: ClientTransaction, response: Response, flow: Flow, now: Instant
    ) -> None:
        """A response that the transaction passed up."""
        status = response.status
        heard_from(session, flow)  # who knows the branch got our request
        if status in (401, 407) and (tx.role == Role.BYE or session.phase not in _PARTING):
            again = authorized(tx, response, session.credentials, self.transactions.dice)
            if again is not None:
                self._retry(session, tx, again, now, 1)
                return
        match tx.role:
            case Role.INVITE:
                if flow.reliable:
                    session.flow = flow
                if 100 < status < 200 and not session_reliable.take(self, session, response, now):
                    return
                if status == 422 and session.phase in (Phase.CALLING, Phase.PROCEEDING):
                    longer = session_timer.longer_invite(tx, response)
                    if longer is not None:
                        self._retry(session, tx, longer, now)
                        return
                self.step(session, invite_input(status, tx.offered), response, now)
            case Role.REINVITE:
                receive_offer_response(self, session, tx, response, now)
            case Role.IN_DIALOG if status >= 200:
                self.answered_in_dialog(session, tx, status, response, now)
            case Role.REFRESH if status >= 200:
                session_timer.refreshed(self, session, tx, response, now)
            case _:
                pass

    def failed(self, session: Session, tx: ClientTransaction, *, timeout: bool, now: Instant) -> None:
        """The transaction ended without a final response."""
        match tx.role:
            case Role.INVITE:
                self.step(session, What.TIMEOUT if timeout else What.UNREACHABLE, None, now)
            case Role.REINVITE:
                if tx is session.reinvite and session.phase is not Phase.ESTABLISHED:
                    session.reinvite = None
                    self.step_offer(session, Turn.REFUSED, None, now)  # the INVITE's own end is awaited all the same
                elif tx is session.reinvite:
                    session.reinvite = None
                    self.step(session, What.LOST if timeout else What.BROKEN, None, now)
            case Role.REFRESH:
                self.step(session, What.LOST if timeout else What.BROKEN, None, now)
            case Role.IN_DIALOG:
                self.answered_in_dialog(session, tx, 408 if timeout else 503, None, now)
            case _:
                pass

    def answered_in_dialog(
        self, session: Session, tx: ClientTransaction, status: int, response: Response | None, now: Instant
    ) -> None:
        """The end of `send_in_dialog`. 481 and silence end the dialog too (§12.2.1.2)."""
        if session.phase in _PARTING:
            return
        self.emit(InDialogAnswered(session.id, tx.method, status, response))
        if status == 481:
            self.step(session, What.GONE, None, now)
        elif status == 408:
            self.step(session, What.LOST, None, now)
        elif response is None:
            self.step(session, What.BROKEN, None, now)

    def _retry(self, session: Session, tx: ClientTransaction, again: Request, now: Instant, tries: int = 0) -> None:
        """The same request in a new transaction: with credentials (§22.2), or what else the response asked for.
        `tries` counts those with credentials."""
        dialog = session.dialog or session.forks.get(again.to.tag or "")
        if dialog is not None:
            dialog.local_cseq = again.cseq.number
        # A large request began on UDP, and may switch to TCP again.
        flow = tx.flow if tx.fallback is None or tx.fallback.reliable else tx.fallback
        fresh = self.start(session, again, flow, tx.role, now)
        fresh.tries = tx.tries + tries
        fresh.proof = proof_of(again)
        if tx.role is Role.INVITE:
            session.invite, session.request = fresh, again
            session.early.clear()
            self.step(session, What.CHALLENGE, None, now)
        elif tx.role is Role.REINVITE:
            session.reinvite = fresh

    # ------------------------------------------------------------------------------------------------ what is sent

    def emit(self, event: Output) -> None:
        """An output for the floors above."""
        self.transactions.out.append(event)

    def start(self, session: Session, request: Request, flow: Flow, role: int, now: Instant) -> ClientTransaction:
        """A client transaction of the session."""
        session.live += 1
        return self.transactions.start(request, flow, session, role, now)

    def start_within(
        self, session: Session, dialog: Dialog, request: Request, role: int, now: Instant
    ) -> ClientTransaction:
        """A client transaction in `dialog`."""
        session.live += 1
        return self.transactions.start(request, dialog.next_flow(), session, role, now, dialog.other_flow())

    def _own(self, session: Session, tx: ServerTransaction) -> None:
        tx.owner = session
        session.live += 1

    def respond(
        self,
        session: Session,
        tx: ServerTransaction,
        status: int,
        now: Instant,
        reason: str | None = None,
        headers: Fields = (),
        body: bytes = b"",
    ) -> None:
        """A response with our tag, and our Contact and Allow where a dialog is made or refreshed (§12.1.1)."""
        request = tx.request
        if request is None:
            return
        response = Response.to_request(request, status, reason, None if status == 100 else session.local_tag)
        fields = response.headers
        if 100 < status < 300 and tx.method in ("INVITE", "UPDATE"):
            fields.add("Contact", session.contact)
            if status >= 200:
                fields.add("Allow", self.allow)
                if session.terms is not PLAIN:
                    fields.add("Supported", session.terms.supported)
        fields.extend(headers)
        if body:
            if "Content-Type" not in fields:
                fields.add("Content-Type", SDP)
            response.body = body
        self.transactions.respond(tx, response, now)

    def await_ack(self, session: Session, tx: ServerTransaction, request: Request, now: Instant) -> None:
        """A 2xx to the INVITE `request` went out: repeat it until its ACK comes, over any transport (§13.3.1.4)."""
        timers = self.transactions.timers
        cseq, offered = request.cseq.number, not request.body
        answer = Unacknowledged(session, tx, cseq, offered, timers.t1, now + timers.t1, now + timers.give_up)
        session.unacknowledged = answer
        self.transactions.deadlines.set(answer, answer.repeat_at)

    def acknowledged(self, session: Session) -> None:
        """No 2xx is repeated any more."""
        if session.unacknowledged is not None:
            self.transactions.deadlines.cancel(session.unacknowledged)
            session.unacknowledged.tx.data = None
            session.unacknowledged = None

    def acknowledge(self, dialog: Dialog, tx: ClientTransaction, cseq: int, body: bytes = b"") -> None:
        """ACK for a 2xx (§13.2.2.4), kept for when the 2xx comes again; with the INVITE's credentials (§22.1)."""
        layer = self.transactions
        request = dialog.request("ACK", body=body, content_type=SDP, number=cseq)
        request.headers.extend(tx.proof)
        flow = dialog.next_flow()
        branch = COOKIE + token(layer.dice)
        request.headers.prepend("Via", via_value(flow, layer.addressing.signalling(flow), branch))
        ack = Send(flow, request.to_bytes())
        tx.acks[dialog.remote_tag] = ack
        layer.out.append(ack)

    def bye(self, session: Session, dialog: Dialog, now: Instant) -> None:
        """BYE in `dialog` (§15.1.1)."""
        self.start_within(session, dialog, dialog.request("BYE", session.parting), Role.BYE, now)

    # ------------------------------------------------------------------------------------------------------ dialogs

    def dialog_of(self, session: Session, request: Request) -> Dialog | None:
        """The dialog of the session that `request` of the peer belongs to; makes early ones when first needed."""
        tag = request.from_.tag or ""
        dialog = session.dialog
        if dialog is not None:
            return dialog if dialog.remote_tag == tag else session.forks.get(tag)
        if session.request is None:
            return None
        if not session.uac:
            session.dialog = uas_dialog(session.request, session.local_tag, session.flow, session.contact)
            return session.dialog if session.dialog.remote_tag == tag else None
        return self.early_dialog(session, tag)

    def early_dialog(self, session: Session, tag: str) -> Dialog | None:
        """The UAC's early dialog with that remote tag; each fork has its own (§12.1)."""
        if session.request is None:
            return None
        if tag not in session.forks and (early := session.early.get(tag)) is not None:
            session.forks[tag] = uac_dialog(session.request, early, session.flow, session.contact)
        return session.forks.get(tag)


def negotiable(session: Session) -> bool:
    """Whether offers may be made: the session is established, or the first offer in its early dialog has been answered
    in a way that arrives for certain (RFC 3311 §5.1, RFC 6337 §3)."""
    if session.phase is Phase.ESTABLISHED:
        return True
    return session.settled is not None and session.phase in (Phase.INCOMING, Phase.ACCEPTING, Phase.PROCEEDING)


def _uri(uri: Uri | str) -> Uri:
    return Uri.parse(uri) if isinstance(uri, str) else uri


def _scheme(uri: Uri) -> str:
    return "sips" if uri.scheme == "sips" else "sip"
