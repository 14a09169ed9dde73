"""MESSAGE (RFC 3428): text from phone to phone, passed on at once or not at all. Nothing of it is kept or logged."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.digest import Credentials
from softswitch.sip.events import Fields, InDialog, InDialogAnswered, Requested, TxId
from softswitch.sip.flow import Flow
from softswitch.switch.admission import Challenge, Refusal
from softswitch.switch.notices import contacts, message_to
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import parse_target
from softswitch.wire.sip import NameAddr, Request, Response, Uri
from softswitch.wire.sip.uri import escaped_user

if TYPE_CHECKING:
    from softswitch.call.leg import Leg
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

_PASSED_ON = ("Content-Type", "Content-Disposition", "Content-Language", "Date", "Subject")


@dataclass(slots=True)
class _Delivery:
    """A message on its way to the contacts of whom it is for. `tx`: the sender's request."""

    tx: TxId
    left: set[TxId] = field(default_factory=set)
    worst: int = 0
    done: bool = False


class Messages:
    """One for the whole switch."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._sent: dict[TxId, _Delivery] = {}
        self._within: dict[int, deque[TxId]] = {}  # senders' requests, by the session that they were passed on in
        self._allowance: dict[str, tuple[float, Instant]] = {}  # by phone: messages that it may send now, as of then

    def __len__(self) -> int:
        return len(self._sent) + sum(map(len, self._within.values()))

    # -------------------------------------------------------------------------------------------------- outside calls

    def outside(self, event: Requested, now: Instant) -> None:
        """From a phone, to the number in the Request-URI."""
        office, request = self._office, event.request
        if not office.settings.messages.enabled:
            self._answer(event.tx, 405, now)
            return
        ruling = office.admission.caller(request, event.flow, now)
        if isinstance(ruling, Challenge):
            self._answer(event.tx, 401, now, ruling.headers)
            return
        if isinstance(ruling, Refusal) or ruling.kind != "phone":
            self._answer(event.tx, ruling.status if isinstance(ruling, Refusal) else 403, now)
            return
        try:
            self._check(ruling.name, request, now)
            found = self._addressees(ruling.name, request, now)
        except PeerError as error:
            office.log("info", "MESSAGE refused", phone=ruling.name, status=error.status, reason=str(error))
            self._answer(event.tx, error.status, now, (("Retry-After", "2"),) if error.status == 480 else ())
            return
        delivery = _Delivery(event.tx)
        for sent, flow, credentials in found:
            tx, outputs = office.ua.request(sent, flow, now, credentials)
            delivery.left.add(tx)
            self._sent[tx] = delivery
            office.drive(outputs)

    def answered(self, tx: TxId, response: Response | None, now: Instant) -> bool:
        """Whether that was a message of ours: the first who takes it is enough, else the last refusal counts."""
        delivery = self._sent.pop(tx, None)
        if delivery is None:
            return False
        delivery.left.discard(tx)
        status = 408 if response is None else response.status
        if delivery.done:
            return True
        if 200 <= status < 300:
            delivery.done = True
            self._answer(delivery.tx, 200, now)
        else:
            delivery.worst = max(delivery.worst, status if status not in (401, 407) else 403)
            if not delivery.left:
                self._answer(delivery.tx, delivery.worst, now)
        return True

    def _addressees(self, phone: str, request: Request, now: Instant) -> list[tuple[Request, Flow, Credentials | None]]:
        """The requests to send. Raises `PeerError` 404, 403, 480."""
        office = self._office
        number, meant = office.registrations.meant(request.uri, now)
        text = office.directory.dialled(phone, number, now)
        target = None if text is None else parse_target(text)
        settings = office.settings
        if target is None or target.kind not in ("phone", "agent", "trunk"):
            raise PeerError(f"{number} takes no messages", status=404)
        if target.kind == "trunk":
            if target.name not in settings.messages.trunks:
                raise PeerError(f"messages do not leave by trunk {target.name}", status=403)
            if why := office.guards.refuses_text(target.name, target.number or number, phone, now):
                raise PeerError(why, status=403)
            return [self._by_trunk(phone, target.name, target.number or number, request, now)]
        names = (target.name,) if target.kind == "phone" else settings.agents[target.name].devices
        own = settings.phones[phone]
        from_ = NameAddr(own.name or "", Uri("sip", own.number or phone, None, settings.sip.domain))
        found: list[tuple[Request, Flow, Credentials | None]] = [
            (self._like(request, message_to(office, name, "MESSAGE", uri, routes, from_)), flow, None)
            for name in names
            for uri, flow, routes in contacts(office, name, now, "" if meant is None else meant[1])
        ]
        if not found:
            raise PeerError(f"{number} is not registered", status=480)
        return found

    def _by_trunk(
        self, phone: str, name: str, number: str, request: Request, now: Instant
    ) -> tuple[Request, Flow, Credentials | None]:
        office = self._office
        trunk, own = office.settings.trunks[name], office.settings.phones[phone]
        address = Uri.parse(trunk.address)
        domain = trunk.domain or address.host
        flows = office.trunks.flows(name, now)
        if not flows:
            raise PeerError(f"trunk {name} is down", status=503)
        flow, routes = office.trunks.way(name, flows[0])
        dialled = escaped_user(trunk.prefix + number[trunk.strip :])
        sent = Request("MESSAGE", Uri(address.scheme, dialled, None, address.host, address.port, address.params))
        for route in routes:
            sent.headers.add("Route", route)
        shown = own.caller_id or trunk.caller_id or trunk.username or "anonymous"
        sent.headers.add("From", str(NameAddr("", Uri("sip", escaped_user(shown), None, domain))))
        sent.headers.add("To", str(NameAddr("", Uri("sip", dialled, None, domain))))
        known = trunk.username and trunk.password
        credentials = Credentials(trunk.username or "", trunk.password or "") if known else None
        return self._like(request, sent), flow, credentials

    def _like(self, request: Request, sent: Request) -> Request:
        for name, value in _fields(request):
            sent.headers.add(name, value)
        sent.body = request.body
        return sent

    # --------------------------------------------------------------------------------------------------- within calls

    def within(self, event: InDialog, leg: "Leg | None", call: "Call | None", now: Instant) -> None:
        """In the dialog of a call: to whom the sender talks with."""
        office = self._office
        stage = None if call is None else call.stage
        if leg is None or call is None or not isinstance(stage, TalkStage) or not office.settings.messages.enabled:
            self._answer(event.tx, 403, now)
            return
        far = stage.callee if leg is call.leg else call.leg
        try:
            self._check(leg.peer, event.request, now)
            if far.peer.startswith("trunk:") and far.peer.removeprefix("trunk:") not in office.settings.messages.trunks:
                raise PeerError("messages do not leave by this trunk", status=403)
        except PeerError as error:
            self._answer(event.tx, error.status, now)
            return
        content_type = event.request.headers.get("Content-Type") or "text/plain"
        fields = tuple(pair for pair in _fields(event.request) if pair[0] != "Content-Type")
        self._within.setdefault(far.session, deque()).append(event.tx)
        office.drive(
            office.ua.send_in_dialog(far.session, "MESSAGE", now, event.request.body, content_type, fields)
        )  # fmt: skip

    def answered_within(self, event: InDialogAnswered, now: Instant) -> None:
        """The final response to what was passed on within a call."""
        waiting = self._within.get(event.session)
        if event.method != "MESSAGE" or not waiting:
            return
        tx = waiting.popleft()
        if not waiting:
            del self._within[event.session]
        self._answer(tx, 200 if event.status < 300 else event.status, now)

    def closed(self, session: int) -> None:
        """The session is over: nobody answers any more."""
        self._within.pop(session, None)

    # ------------------------------------------------------------------------------------------------------------ both

    def _check(self, sender: str, request: Request, now: Instant) -> None:
        """Raises `PeerError` 413 (RFC 3428 §8: no more than 1300 bytes), 415, and 480 for one who sends too many."""
        settings = self._office.settings.messages
        if len(request.body) > settings.max_bytes:
            raise PeerError("the message is too large", status=413)
        if request.content_type is None and request.body:
            raise PeerError("a body without a Content-Type", status=415)
        left, since = self._allowance.get(sender, (float(settings.burst), now))
        left = min(float(settings.burst), left + (now - since) * settings.per_minute / 60.0)
        if left < 1.0:
            raise PeerError("too many messages", status=480)
        self._allowance[sender] = (left - 1.0, now)

    def _answer(self, tx: TxId, status: int, now: Instant, headers: Fields = ()) -> None:
        self._office.drive(self._office.ua.respond(tx, status, now, headers=headers))


def _fields(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name in _PASSED_ON if (value := request.headers.get(name)) is not None]
