"""The transaction layer: matching (RFC 3261 §17.1.3, §17.2.3), Via, timers, and what a failed flow means.

The layer appends to `out`; the user agent hands that up. `released` collects the owners of transactions that are
gone; `pending` are the requests that the floor above still owes a response, by their number. Deadlines live in the
heap that the layer shares with the sessions.
"""

from math import inf
from random import Random
from typing import Any

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.deadlines import Deadlines
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.sip.events import Output
from softswitch.sip.flow import Addressing, Flow, Send
from softswitch.sip.timers import Timers
from softswitch.sip.transaction import (
    ClientTransaction,
    Input,
    ServerTransaction,
    State,
    Transaction,
    response_input,
)
from softswitch.sip.transaction_client import INVITE_CLIENT, NON_INVITE_CLIENT
from softswitch.sip.transaction_server import INVITE_SERVER, NON_INVITE_SERVER
from softswitch.sip.via import response_flow, sent_by_flow, via_value
from softswitch.wire.sip import Request, Response

COOKIE = "z9hG4bK"  # RFC 3261 §8.1.1.7
LARGE = 1300  # bytes, RFC 3261 §18.1.1
LARGEST = 65_507  # bytes that a datagram over IPv4 carries
_NO_TCP: Duration = 300.0  # seconds for which a peer that took no connection is not tried by TCP again
_KEPT = 4096


MOST_SERVERS = 100_000  # 3 kB each; a transaction over UDP is kept for 32 s (Timers H and J)


class TransactionLayer:
    """All transactions of one user agent."""

    __slots__ = (
        "_by_flow",
        "_clients",
        "_merge",
        "_no_tcp",
        "_servers",
        "addressing",
        "deadlines",
        "dice",
        "out",
        "pending",
        "released",
        "serial",
        "timers",
    )

    def __init__(self, addressing: Addressing, dice: Random, timers: Timers) -> None:
        self.addressing = addressing
        self.dice = dice
        self.timers = timers
        self.deadlines: Deadlines[object] = Deadlines()
        self.out: list[Output] = []
        self.released: list[Any] = []
        self.pending: dict[int, ServerTransaction] = {}
        self.serial = 0
        self._clients: dict[object, ClientTransaction] = {}
        self._servers: dict[object, ServerTransaction] = {}
        self._no_tcp: dict[tuple[str, int], Instant] = {}
        self._merge: dict[object, ServerTransaction] = {}
        self._by_flow: dict[Flow, set[Transaction]] = {}

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    # ---------------------------------------------------------------------------------------------- client side

    def start(
        self, request: Request, flow: Flow, owner: Any, role: int, now: Instant, fallback: Flow | None = None
    ) -> ClientTransaction:
        """Send `request` (without Via of ours) in a new transaction; by `fallback` when `flow` fails at once."""
        branch = COOKIE + token(self.dice)
        invite = request.method == "INVITE"
        tx = ClientTransaction(INVITE_CLIENT if invite else NON_INVITE_CLIENT, (branch, request.method), request, flow)
        tx.role = role
        tx.owner = owner
        tx.fallback = fallback
        self._dispatch(tx, branch, now)
        return tx

    def start_cancel(self, invite: ClientTransaction, cancel: Request, now: Instant) -> None:
        """Send `cancel`, which carries the INVITE's branch; nobody waits for its response (§9.1)."""
        tx = ClientTransaction(NON_INVITE_CLIENT, (invite.sent.via.branch, "CANCEL"), cancel, invite.flow)
        self._clients[tx.key] = tx
        tx.data = Send(tx.flow, cancel.to_bytes())
        self._begin(tx, now)

    def _dispatch(self, tx: ClientTransaction, branch: str, now: Instant) -> None:
        """Put the Via on top and send; a large request takes TCP where that is possible (§18.1.1)."""
        request, flow = tx.sent, tx.flow
        headers = request.headers
        headers.prepend("Via", via_value(flow, self.addressing.signalling(flow), branch))
        data = request.to_bytes()
        if len(data) > LARGE and (other := self._by_tcp(flow, len(data), now)) is not None:
            tx.fallback, tx.flow = flow, other
            data = self._with_via(request, other, branch)
        self._clients[tx.key] = tx
        tx.data = Send(tx.flow, data)
        self._begin(tx, now)
        if len(data) > LARGEST and not tx.flow.reliable:
            self._fits_nowhere(tx, now)

    def _by_tcp(self, flow: Flow, size: int, now: Instant) -> Flow | None:
        """Where a large request goes instead of `flow`, if that is UDP and the peer is not known to take no TCP."""
        if flow.reliable or (size <= LARGEST and self._no_tcp.get(flow.remote, 0.0) > now):
            return None
        return self.addressing.reliable(flow)

    def _fits_nowhere(self, tx: ClientTransaction, now: Instant) -> None:
        """No datagram holds it: it ends like one that nobody answered, but at once."""
        self.out.pop()
        tx.data = None
        tx.repeat_at, tx.expire_at = inf, now
        self._arm(tx)

    def _with_via(self, request: Request, flow: Flow, branch: str) -> bytes:
        """The request's bytes with the only Via replaced by one for `flow`."""
        request.headers.set("Via", via_value(flow, self.addressing.signalling(flow), branch))
        return request.to_bytes()

    def _begin(self, tx: ClientTransaction, now: Instant) -> None:
        """Send for the first time; Timers A and B, or E and F."""
        self.resend(tx)
        timers = self.timers
        tx.interval = timers.t1
        tx.expire_at = now + timers.give_up
        if tx.flow.reliable:
            tx.repeat_at = inf
            self._by_flow.setdefault(tx.flow, set()).add(tx)
        else:
            tx.repeat_at = now + timers.t1
        self._arm(tx)

    def receive_response(self, response: Response, now: Instant) -> ClientTransaction | None:
        """The transaction whose user must hear of `response`; None: stray (§18.1.2), or absorbed."""
        tx = self._clients.get((response.via.branch, response.cseq.method))
        if tx is None or len(response.headers.all("Via")) != 1:  # §8.1.3.3
            return None
        status = response.status
        what = Input.R2XX if 200 <= status < 300 else Input.R1XX if status < 200 else Input.R3XX_6XX
        return tx if self.step(tx, what, response, now) else None

    def expect_final(self, tx: ClientTransaction, now: Instant) -> None:
        """After CANCEL the INVITE has 64*T1 for its final response (§9.1)."""
        tx.expire_at = now + self.timers.give_up
        self._arm(tx)

    # ---------------------------------------------------------------------------------------------- server side

    def receive_request(self, request: Request, flow: Flow, now: Instant) -> ServerTransaction | None:
        """A new transaction for `request` (not ACK), or None when it is a retransmission, already answered. Raises
        `PeerError` (503) when there are too many for one more that belongs to no dialog."""
        key = server_key(request, request.method)
        tx = self._servers.get(key)
        if tx is not None:
            self.step(tx, Input.REQUEST, None, now)
            return None
        if len(self._servers) >= MOST_SERVERS and request.to.tag is None and request.method != "CANCEL":
            raise PeerError("too many transactions", status=503)
        request.stamp(flow.remote[0], flow.remote[1])
        self.serial += 1
        machine = INVITE_SERVER if request.method == "INVITE" else NON_INVITE_SERVER
        tx = ServerTransaction(machine, key, request, response_flow(request.via, flow), self.serial)
        self._servers[key] = tx
        if machine is INVITE_SERVER:
            tx.repeat_at = now + self.timers.trying
        else:
            tx.expire_at = now + self.timers.give_up
        if flow.reliable:
            self._by_flow.setdefault(tx.flow, set()).add(tx)
        self._arm(tx)
        return tx

    def receive_ack(self, request: Request, now: Instant) -> bool:
        """Whether the ACK belonged to an INVITE transaction with a failure (§17.2.1); if not, it is for a 2xx."""
        tx = self._servers.get(server_key(request, "INVITE"))
        return tx is not None and not self.step(tx, Input.ACK, None, now)

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE transaction that `cancel` means (§9.2)."""
        return self._servers.get(server_key(cancel, "INVITE"))

    def server_of(self, request: Request) -> ServerTransaction | None:
        """The transaction of `request` itself."""
        return self._servers.get(server_key(request, request.method))

    def merged(self, tx: ServerTransaction, request: Request) -> bool:
        """Whether `request`, which carries no To tag, came before by another way (§8.2.2.2). Remembers it if not."""
        cseq = request.cseq
        key = (request.from_.tag, request.call_id, cseq.number, cseq.method)
        if key in self._merge:
            return True
        self._merge[key] = tx
        tx.merge_key = key
        return False

    def respond(self, tx: ServerTransaction, response: Response, now: Instant) -> None:
        """Send `response`; after the final one only a repeated 2xx to INVITE still goes out."""
        self.step(tx, response_input(response.status), response, now)

    # --------------------------------------------------------------------------------------------------- common

    def resend(self, tx: Transaction) -> None:
        """Once more the bytes that the transaction sent last."""
        if tx.data is not None:
            self.out.append(tx.data)

    def linger(self, tx: Transaction, duration: Duration, now: Instant) -> None:
        """Soak up retransmissions for `duration`, which is zero over a reliable transport."""
        tx.repeat_at = inf
        if tx.flow.reliable:
            tx.state = State.TERMINATED
        else:
            tx.expire_at = now + duration

    def step(self, tx: Transaction, what: Input, response: Response | None, now: Instant) -> bool:
        """Take the row for `what`; whether the user must be told."""
        row = tx.machine.rows.get((tx.state, what))
        if row is None:
            return False
        tx.state, action, tell = row
        if action is None:  # then no deadline moves; rows of timers have an action or end the transaction
            if tx.state is State.TERMINATED:
                self.forget(tx)
            return tell
        before = tx.repeat_at if tx.repeat_at < tx.expire_at else tx.expire_at
        action(self, tx, response, now)
        if tx.state is State.TERMINATED:
            self.forget(tx)
        elif before <= now or before != (tx.repeat_at if tx.repeat_at < tx.expire_at else tx.expire_at):
            self._arm(tx)
        return tell

    def wake(self, tx: Transaction, now: Instant) -> Input | None:
        """A deadline of `tx` passed; the input that the user must hear of, if any."""
        what = tx.due_input(now)
        return what if what is not None and self.step(tx, what, None, now) else None

    def flow_failed(self, flow: Flow, now: Instant) -> list[ClientTransaction]:
        """The transport gave up on `flow`: try the other way where there is one (§18.1.1, §18.2.2). Returns the
        client transactions that have failed for good."""
        failed = []
        if flow.reliable:
            # Requests went out by connection 0 when the connection had yet to be made.
            unmade = Flow(flow.transport, flow.remote, flow.listener)
            hit = self._by_flow.pop(flow, set()) | self._by_flow.pop(unmade, set())
        else:
            hit = {tx for tx in self._clients.values() if tx.flow == flow}
        for tx in sorted(hit, key=lambda one: str(one.key)):
            if isinstance(tx, ServerTransaction):
                if self.step(tx, Input.TRANSPORT_ERROR, None, now):
                    self._answer_elsewhere(tx)
            elif isinstance(tx, ClientTransaction):
                if tx.fallback is not None and tx.state in (State.CALLING, State.TRYING):
                    tx.flow, tx.fallback = tx.fallback, None
                    if len(self._no_tcp) >= _KEPT:
                        self._no_tcp.clear()
                    self._no_tcp[tx.flow.remote] = now + _NO_TCP
                    tx.data = Send(tx.flow, self._with_via(tx.sent, tx.flow, tx.sent.via.branch or ""))
                    self._begin(tx, now)
                    if len(tx.data.data) > LARGEST:
                        self._fits_nowhere(tx, now)
                elif self.step(tx, Input.TRANSPORT_ERROR, None, now):
                    failed.append(tx)
        return failed

    def _answer_elsewhere(self, tx: ServerTransaction) -> None:
        """§18.2.2: the connection is gone, so the response goes to the sent-by address by a new one."""
        if tx.flow.connection == 0:
            return
        tx.flow = sent_by_flow(tx.flow, tx.reply_port)
        self._by_flow.setdefault(tx.flow, set()).add(tx)
        if tx.data is not None:
            tx.data = Send(tx.flow, tx.data.data)
            self.out.append(tx.data)

    def forget(self, tx: Transaction) -> None:
        """Drop the transaction and tell its owner by `released`."""
        tx.state = State.TERMINATED
        self.deadlines.cancel(tx)
        if isinstance(tx, ServerTransaction):
            self._servers.pop(tx.key, None)
            self.pending.pop(tx.id, None)
            if tx.merge_key is not None:
                self._merge.pop(tx.merge_key, None)
        else:
            self._clients.pop(tx.key, None)
        if tx.flow.reliable:
            on_flow = self._by_flow.get(tx.flow)
            if on_flow is not None:
                on_flow.discard(tx)
                if not on_flow:
                    del self._by_flow[tx.flow]
        if tx.owner is not None:
            self.released.append(tx.owner)

    def _arm(self, tx: Transaction) -> None:
        at = tx.repeat_at if tx.repeat_at < tx.expire_at else tx.expire_at
        if at == inf:
            self.deadlines.cancel(tx)
        else:
            self.deadlines.set(tx, at)


def server_key(request: Request, method: str) -> object:
    """What tells server transactions apart (§17.2.3); `method` is INVITE for an ACK or CANCEL that seeks one. The
    number is there for peers that use a branch again after 401 (pyVoIP)."""
    via = request.via
    if via.unique:
        return (via.branch, via.host, via.port, request.cseq.number, method)
    # RFC 2543 peers; the To tag is left out, since an ACK has one where its INVITE has none, and so is what of the Via
    # we write ourselves: received and rport
    sent_by = (via.host, via.port, via.branch)
    return (str(request.uri), request.from_.tag, request.call_id, request.cseq.number, sent_by, method)
