"""The SIP user agent: transactions, dialogs and INVITE sessions behind one door (RFC 3261 §8, §12 to §17).

A core like the others: `receive` and the verbs take `now` and return outputs, `deadline` says when to call `wake`.
"""

from collections.abc import Iterable
from random import Random

from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.kernel.printable import printable
from softswitch.sip import session_reliable, session_timer
from softswitch.sip.authentication import authorized
from softswitch.sip.digest import Credentials
from softswitch.sip.events import (
    DialogIds,
    Fields,
    InDialogAnswered,
    Invitation,
    Output,
    Requested,
    Responded,
    SessionId,
    TimedOut,
    TxId,
)
from softswitch.sip.flow import Addressing, Flow, Send
from softswitch.sip.provenance import Judge, anywhere
from softswitch.sip.screening import Refusal, hops_used_up, screen
from softswitch.sip.session import Phase, Reliable, Role, Session, SessionTimer, Turn, Unacknowledged, Verb, What
from softswitch.sip.session_body import SDP, session_description
from softswitch.sip.session_layer import DialogState, SessionLayer
from softswitch.sip.session_memory import SessionMemory, remembered
from softswitch.sip.session_terms import Terms
from softswitch.sip.timers import Timers
from softswitch.sip.transaction import ClientTransaction, Input, ServerTransaction, Transaction
from softswitch.sip.transaction_layer import TransactionLayer
from softswitch.sip.via import response_flow
from softswitch.wire.sip import BadMessage, Request, Response

_CALLS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "REGISTER", "REFER")
ALLOW = (*_CALLS, "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE")
_CHALLENGES = (401, 407)
_TIMEOUTS = (Input.TIMER_B, Input.TIMER_F)


class _Exchange:
    """A request of ours outside dialogs, over all its tries."""

    __slots__ = ("credentials", "flow", "id")

    def __init__(self, number: int, flow: Flow, credentials: Credentials | None) -> None:
        self.id = number
        self.flow = flow
        self.credentials = credentials


class UserAgent:
    """`allow`: methods that may come up (in Allow in that order); others get 405. `supported`: option tags that
    requests may require; others get 420. `dice` makes tags, branches and Call-IDs. `judge` is asked about requests
    within dialogs that come from elsewhere than the dialog's peer (`provenance`)."""

    __slots__ = ("_allow", "_allow_value", "_exchanges", "_layer", "_sessions", "_supported")

    def __init__(
        self,
        addressing: Addressing,
        dice: Random,
        timers: Timers | None = None,
        allow: Iterable[str] = ALLOW,
        supported: Iterable[str] = (),
        judge: Judge = anywhere,
    ) -> None:
        methods = tuple(allow)
        self._layer = TransactionLayer(addressing, dice, timers or Timers())
        self._sessions = SessionLayer(self._layer, ", ".join(methods), judge)
        self._allow = frozenset(methods)
        self._allow_value = ", ".join(methods)
        self._supported = frozenset(option.lower() for option in supported)
        self._exchanges: set[int] = set()

    # ------------------------------------------------------------------------------------------------------- inputs

    def receive(self, message: Request | Response, flow: Flow, now: Instant) -> list[Output]:
        """A parsed message came by `flow`. What is wrong with a request is answered, a bad response is dropped."""
        try:
            if isinstance(message, Request):
                self._receive_request(message, flow, now)
            else:
                self._receive_response(message, flow, now)
        except PeerError as error:
            if isinstance(message, Request) and message.method != "ACK":
                self._refuse(message, flow, error.status, str(error), now)
        return self._take()

    def receive_bad(self, error: BadMessage, flow: Flow, now: Instant) -> list[Output]:
        """A request that could not be parsed: answered without a transaction as far as it can be read."""
        if error.partial is None or error.status == 0:
            return []
        try:
            return [_stateless(error.partial, flow, error.status, str(error), token(self._layer.dice))]
        except PeerError:
            return []

    def flow_failed(self, flow: Flow, now: Instant) -> list[Output]:
        """The transport gave up on `flow`."""
        for tx in self._layer.flow_failed(flow, now):
            self._failed(tx, timeout=False, now=now)
        return self._take()

    def deadline(self) -> Instant | None:
        """When `wake` is due."""
        return self._layer.deadlines.next()

    def wake(self, now: Instant) -> list[Output]:
        """Let every timer fire that is due."""
        layer = self._layer
        for key, _ in layer.deadlines.due(now):
            if isinstance(key, Transaction):
                what = layer.wake(key, now)
                if what in _TIMEOUTS and isinstance(key, ClientTransaction):
                    self._failed(key, timeout=True, now=now)
            elif isinstance(key, Unacknowledged):
                self._sessions.wake_unacknowledged(key, now)
            elif isinstance(key, Session):
                self._sessions.wake(key, now)
            elif isinstance(key, Reliable):
                session_reliable.wake(self._sessions, key, now)
            elif isinstance(key, SessionTimer):
                session_timer.wake(self._sessions, key, now)
        return self._take()

    def counts(self) -> dict[str, int]:
        """How many transactions, dialogs, sessions, requests and timers live."""
        return {
            "transactions": len(self._layer),
            "dialogs": self._sessions.dialogs,
            "sessions": len(self._sessions),
            "requests": len(self._exchanges) + len(self._layer.pending),
            "timers": len(self._layer.deadlines),
        }

    # ----------------------------------------------------------------------------------------------- outside dialogs

    def request(
        self, request: Request, flow: Flow, now: Instant, credentials: Credentials | None = None
    ) -> tuple[TxId, list[Output]]:
        """Send a request outside dialogs. Via is added; Call-ID, CSeq, the From tag and Max-Forwards are filled in
        when missing. 401 and 407 are answered once with `credentials`, each time with the next CSeq.

        Raises `PeerError` when `request` has no To or From.
        """
        request = request.copy()
        headers, dice = request.headers, self._layer.dice
        if "Max-Forwards" not in headers:
            headers.add("Max-Forwards", "70")
        if request.from_.tag is None:
            headers.set("From", str(request.from_.with_tag(token(dice))))
        if "To" not in headers:
            raise PeerError("a request needs a To")
        if "Call-ID" not in headers:
            headers.add("Call-ID", token(dice, 96))
        if "CSeq" not in headers:
            headers.add("CSeq", f"1 {request.method}")
        self._layer.serial += 1
        exchange = _Exchange(self._layer.serial, flow, credentials)
        self._exchanges.add(exchange.id)
        self._layer.start(request, flow, exchange, Role.REQUEST, now)
        return exchange.id, self._take()

    def respond(
        self,
        tx: TxId,
        status: int,
        now: Instant,
        reason: str | None = None,
        headers: Fields = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> list[Output]:
        """Answer a request that came up as `Requested` or `InDialog`."""
        transaction = self._layer.pending.get(tx)
        if transaction is None or transaction.request is None:
            return []
        owner = transaction.owner
        response = Response.to_request(transaction.request, status, reason, self._to_tag(transaction, status))
        response.headers.extend(headers)
        if body:
            response.headers.set("Content-Type", content_type or SDP)
            response.body = body
        if status >= 200:
            del self._layer.pending[tx]
            if isinstance(owner, Session):
                owner.pending.pop(tx, None)
        self._layer.respond(transaction, response, now)
        if status in _CHALLENGES and owner is None:
            self._layer.forget(transaction)  # §26.3.2.4: challenge statelessly
        return self._take()

    def tag_of(self, tx: TxId) -> str:
        """The To tag that our responses to a request have which came up as `Requested` and is not answered yet."""
        transaction = self._layer.pending.get(tx)
        return "" if transaction is None else self._to_tag(transaction, 200) or ""

    def dialog_of(self, session: SessionId) -> DialogIds | None:
        """What tells the session's dialog from others; None when it is over."""
        one = self._sessions.get(session)
        if one is None:
            return None
        if one.dialog is not None:
            return DialogIds(one.call_id, one.dialog.local_tag, one.dialog.remote_tag, one.uac)
        theirs = next(iter(one.early), "") if one.uac or one.request is None else one.request.from_.tag or ""
        return DialogIds(one.call_id, one.local_tag, theirs, one.uac)

    # ----------------------------------------------------------------------------------------------------- sessions

    def invite(self, invitation: Invitation, flow: Flow, now: Instant) -> tuple[SessionId, list[Output]]:
        """Call somebody."""
        session = self._sessions.invite(invitation, flow, now)
        return session.id, self._take()

    def memory(self, session: SessionId) -> SessionMemory | None:
        """What another process needs to go on with the session; None unless it is established."""
        one = self._sessions.get(session)
        return None if one is None else remembered(one)

    def resume(self, memory: SessionMemory, credentials: Credentials | None, now: Instant) -> SessionId | None:
        """Go on with a session of another process, which is as any that is established from here on; None when this
        one has it already. Raises `PeerError` when the memory is garbage."""
        one = self._sessions.resume(memory, credentials, now)
        return None if one is None else one.id

    def reroute(self, session: SessionId, flow: Flow) -> None:
        """The peer is reached by `flow` from here on: it has shown itself there."""
        one = self._sessions.get(session)
        if one is not None and one.dialog is not None:
            one.dialog.flow = one.flow = flow

    def adopt(self, session: SessionId, terms: Terms) -> Refusal | None:
        """The terms on which an `Invited` is taken, before anything else is done with it. Returns what it must be
        rejected with, None if it can be taken. Raises `PeerError` (400) when what it says of them is garbage."""
        one = self._sessions.get(session)
        return None if one is None else self._sessions.adopt(one, terms)

    def must_offer(self, session: SessionId) -> bool:
        """Whether the next `ring` must carry our offer (RFC 3261 §13.2.1): its answer comes as `Confirmed`."""
        one = self._sessions.get(session)
        return one is not None and session_reliable.must_offer(one)

    def ring(
        self, session: SessionId, status: int, now: Instant, body: bytes = b"", headers: Fields = ()
    ) -> list[Output]:
        """A provisional response (180 to 183) to an `Invited`."""
        return self._verb(session, What.RING, Verb(status, None, headers, body), now)

    def accept(self, session: SessionId, body: bytes, now: Instant, headers: Fields = ()) -> list[Output]:
        """200 to an `Invited`, repeated until its ACK comes as `Confirmed`. `body` is the answer, or the offer when
        the INVITE had none. It waits while a reliable response with SDP is not acknowledged."""
        one = self._sessions.get(session)
        later = one is not None and session_reliable.holds_answer(one)
        return self._verb(session, What.ACCEPT_LATER if later else What.ACCEPT, Verb(200, None, headers, body), now)

    def reject(
        self, session: SessionId, status: int, now: Instant, reason: str | None = None, headers: Fields = ()
    ) -> list[Output]:
        """A final failure to an `Invited`."""
        return self._verb(session, What.REJECT, Verb(status, reason, headers), now)

    def confirm(self, session: SessionId, body: bytes, now: Instant) -> list[Output]:
        """ACK with the answer, after `Accepted` or `OfferAnswered` brought the offer."""
        one = self._sessions.get(session)
        if one is not None:
            verb = Verb(body=body)
            if one.phase is Phase.CONFIRMING:
                self._sessions.step(one, What.CONFIRM, verb, now)
            else:
                self._sessions.step_offer(one, Turn.CONFIRM, verb, now)
        return self._take()

    def hang_up(self, session: SessionId, now: Instant, headers: Fields = (), status: int = 480) -> list[Output]:
        """End the session whatever its state: CANCEL, BYE, or the final response `status`."""
        one = self._sessions.get(session)
        if one is not None:
            one.parting = headers
        return self._verb(session, What.HANG_UP, Verb(status, None, headers), now)

    def dialog(self, call_id: str, local_tag: str, remote_tag: str) -> tuple[SessionId, DialogState] | None:
        """The session with that dialog. `incoming`: it rings here; `early`: our INVITE rings there."""
        found = self._sessions.dialog(call_id, local_tag, remote_tag)
        return None if found is None else (found[0].id, found[1])

    def unheard(self, session: SessionId) -> bool:
        """Whether our INVITE drew no response at all so far, not even 100: the way there may be dead."""
        one = self._sessions.get(session)
        return one is not None and one.phase is Phase.CALLING

    def way(self, session: SessionId) -> Flow | None:
        """The flow that the session's INVITE took, or its dialog takes."""
        one = self._sessions.get(session)
        return None if one is None else one.flow

    def host(self, session: SessionId) -> str:
        """The address that the peer's messages come from, as far as is known; empty when the session is over."""
        one = self._sessions.get(session)
        return "" if one is None else (one.flow if one.dialog is None else one.dialog.flow).remote[0]

    def reinvite(self, session: SessionId, body: bytes, now: Instant, headers: Fields = ()) -> list[Output]:
        """Offer anew within the session; without a body the peer is asked for an offer. Waits while another offer is
        open or the session not established; a later `reinvite` takes the place of one that still waits. A
        Content-Type among `headers` is that of a body with more in it than SDP."""
        one = self._sessions.get(session)
        if one is not None and one.phase is not Phase.OVER:
            one.wanted = (body, headers)
            self._sessions.settle(one, now)
        return self._take()

    def accept_offer(self, session: SessionId, body: bytes, now: Instant, headers: Fields = ()) -> list[Output]:
        """200 to a `Reinvited`."""
        one = self._sessions.get(session)
        if one is not None and one.answering is not None:
            turn = Turn.ACCEPT_INVITE if one.answering.method == "INVITE" else Turn.ACCEPT_UPDATE
            self._sessions.step_offer(one, turn, Verb(200, None, headers, body), now)
        return self._take()

    def reject_offer(self, session: SessionId, status: int, now: Instant, headers: Fields = ()) -> list[Output]:
        """A final failure to a `Reinvited`: the session stays as it was."""
        one = self._sessions.get(session)
        if one is not None:
            self._sessions.step_offer(one, Turn.REJECT, Verb(status, None, headers), now)
        return self._take()

    def send_in_dialog(
        self,
        session: SessionId,
        method: str,
        now: Instant,
        body: bytes = b"",
        content_type: str = "",
        headers: Fields = (),
    ) -> list[Output]:
        """INFO, NOTIFY, REFER … within the session; its final response comes as `InDialogAnswered`."""
        one = self._sessions.get(session)
        if one is None or one.phase is Phase.OVER:
            return []
        dialog = one.dialog
        if dialog is None:
            return [InDialogAnswered(session, method, 481, None)]
        request = dialog.request(method, headers, body, content_type)
        self._sessions.start_within(one, dialog, request, Role.IN_DIALOG, now)
        return self._take()

    def update(self, session: SessionId, now: Instant, headers: Fields) -> list[Output]:
        """UPDATE without an offer where the peer takes it, nothing elsewhere: what we have to say of ourselves has
        changed (RFC 4916). It refreshes the session's timer as any does (RFC 4028 §7.4)."""
        one = self._sessions.get(session)
        if one is None or one.phase is not Phase.ESTABLISHED or one.dialog is None or not one.updates:
            return []
        request = one.dialog.request("UPDATE", (*session_timer.again(one), *headers))
        self._sessions.start_within(one, one.dialog, request, Role.REFRESH, now)
        return self._take()

    def _verb(self, session: SessionId, what: What, verb: Verb, now: Instant) -> list[Output]:
        one = self._sessions.get(session)
        if one is not None:
            self._sessions.step(one, what, verb, now)
        return self._take()

    # ----------------------------------------------------------------------------------------------------- requests

    def _receive_request(self, request: Request, flow: Flow, now: Instant) -> None:
        layer, sessions = self._layer, self._sessions
        method = request.method
        if method == "ACK":
            if not layer.receive_ack(request, now) and (session := sessions.find(request)) is not None:
                sessions.receive_ack(session, request, flow, now)
            return
        tx = layer.receive_request(request, flow, now)
        if tx is None:
            return
        if method == "CANCEL":
            self._cancel(tx, request, flow, now)
            return
        refusal = screen(request, self._allow, self._allow_value, self._supported, flow.transport)
        if refusal is not None:
            self._answer(tx, request, refusal.status, now, headers=refusal.headers)
        elif request.to.tag is not None:
            session = sessions.find(request)
            if session is None:
                if method == "SUBSCRIBE":  # its dialog is the notifier's
                    layer.pending[tx.id] = tx
                    layer.out.append(Requested(tx.id, request, flow))
                else:
                    self._answer(tx, request, 481, now)
                return
            _single_body(request)
            sessions.receive(session, tx, request, flow, now)
        elif layer.merged(tx, request):
            self._answer(tx, request, 482, now)
        elif hops_used_up(request):
            self._answer(tx, request, 483, now)
        elif method == "INVITE":
            _single_body(request)
            sessions.invited(tx, request, flow)
        elif method in ("BYE", "UPDATE", "INFO", "PRACK"):
            self._answer(tx, request, 481, now)  # they only mean something in a dialog
        else:
            layer.pending[tx.id] = tx
            layer.out.append(Requested(tx.id, request, flow))

    def _cancel(self, tx: ServerTransaction, request: Request, flow: Flow, now: Instant) -> None:
        """§9.2: 200 for the CANCEL whenever its INVITE is known, whatever comes of it."""
        invite = self._layer.invite_of(request)
        owner = None if invite is None else invite.owner
        if invite is None:
            self._answer(tx, request, 481, now)
            return
        if isinstance(owner, Session) and not self._sessions.may_cancel(owner, request, flow, now):
            self._answer(tx, request, 481, now)
            self._layer.forget(tx)  # the caller's own has the same branch
            return
        tx.to_tag = invite.to_tag
        self._answer(tx, request, 200, now)
        if isinstance(owner, Session):
            self._sessions.receive_cancel(owner, invite, request, now)

    def _answer(
        self,
        tx: ServerTransaction,
        request: Request,
        status: int,
        now: Instant,
        reason: str | None = None,
        headers: Fields = (),
    ) -> None:
        response = Response.to_request(request, status, reason, self._to_tag(tx, status))
        response.headers.extend(headers)
        self._layer.respond(tx, response, now)

    def _to_tag(self, tx: ServerTransaction, status: int) -> str | None:
        """Our tag for the transaction; 100 has none (§8.2.6.2)."""
        if status == 100:
            return None
        if not tx.to_tag:
            tx.to_tag = token(self._layer.dice)
        return tx.to_tag

    def _refuse(self, request: Request, flow: Flow, status: int, reason: str, now: Instant) -> None:
        """A request turned out to be malformed when it was looked at."""
        if status == 0:
            return
        try:
            tx = self._layer.server_of(request)
            if tx is not None:
                self._answer(tx, request, status, now, _phrase(reason))
            else:
                self._layer.out.append(_stateless(request, flow, status, reason, token(self._layer.dice)))
        except PeerError:
            return

    # ---------------------------------------------------------------------------------------------------- responses

    def _receive_response(self, response: Response, flow: Flow, now: Instant) -> None:
        tx = self._layer.receive_response(response, now)
        if tx is None:
            return
        owner = tx.owner
        if isinstance(owner, Session):
            self._sessions.receive_response(owner, tx, response, flow, now)
        elif isinstance(owner, _Exchange) and response.status >= 200:
            if response.status in _CHALLENGES:
                again = authorized(tx, response, owner.credentials, self._layer.dice)
                if again is not None:
                    fresh = self._layer.start(again, owner.flow, owner, Role.REQUEST, now)
                    fresh.tries = tx.tries + 1
                    return
            self._exchanges.discard(owner.id)
            self._layer.out.append(Responded(owner.id, response))

    def _failed(self, tx: ClientTransaction, *, timeout: bool, now: Instant) -> None:
        owner = tx.owner
        if isinstance(owner, Session):
            self._sessions.failed(owner, tx, timeout=timeout, now=now)
        elif isinstance(owner, _Exchange) and owner.id in self._exchanges:
            self._exchanges.discard(owner.id)
            self._layer.out.append(TimedOut(owner.id))

    def _take(self) -> list[Output]:
        """What has gathered; sessions whose transactions are gone close here."""
        layer = self._layer
        if layer.released:
            released, layer.released = layer.released, []
            for owner in released:
                if isinstance(owner, Session):
                    self._sessions.release(owner)
        out, layer.out = layer.out, []
        return out


def _stateless(request: Request, flow: Flow, status: int, reason: str, tag: str) -> Send:
    """A response without a transaction. Raises `PeerError` when there is no readable Via."""
    request.stamp(*flow.remote)
    response = Response.to_request(request, status, _phrase(reason), tag)
    if status == 503:
        response.headers.set("Retry-After", "30")  # §21.5.4; Timer J has taken many away by then
    return Send(response_flow(request.via, flow), response.to_bytes())


def _phrase(text: str) -> str:
    """A reason phrase: one printable line (§7.2)."""
    return printable(text, "?")[:120]


def _single_body(request: Request) -> None:
    """Cut a multipart body down to its SDP part."""
    if request.body and (request.content_type or "").startswith("multipart/"):
        description = session_description(request)
        if description:
            request.body = description
            request.headers.set("Content-Type", SDP)
