"""The notifier of SIP events (RFC 6665): subscriptions, their dialogs, and the NOTIFYs that go out in them.

A core like the others. The floor above admits a SUBSCRIBE and says what it watches; the notifier keeps the dialog, its
expiry and its pace. Each SUBSCRIBE makes a dialog of its own (§4.5.1: none is shared with a call), and none forks,
because we are where it ends. What is told is always the full state, so that a NOTIFY that is lost is made up for by
the next one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.deadlines import Deadlines
from softswitch.kernel.errors import PeerError
from softswitch.sip.dialog import Dialog, contact_value, uas_dialog
from softswitch.sip.events import Fields, Output, Requested, TxId
from softswitch.sip.flow import Addressing
from softswitch.sip.subscription import Package, Row, State, Subscription, What
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sip import Request, Response, Uri

# RFC 5057 §5.1: responses that end the usage; others only fail the one NOTIFY.
_USAGE_OVER = frozenset((404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lifetimes in seconds, subscriptions at most (of one subscriber, and of all), and the seconds between two NOTIFYs
    of one subscription. `min_expires` is never above an hour (RFC 6665 §4.2.1.1)."""

    min_expires: int = 60
    max_expires: int = 3600
    most_each: int = 200
    most: int = 20_000
    interval: Duration = 0.5


class Notifier:
    """All subscriptions of one user agent. `packages` by name; others get 489."""

    def __init__(
        self, ua: UserAgent, addressing: Addressing, packages: Iterable[Package], bounds: Bounds | None = None
    ) -> None:
        self.bounds = bounds or Bounds()
        self._ua = ua
        self._addressing = addressing
        self._packages: Mapping[str, Package] = {package.name: package for package in packages}
        self._allow_events = ", ".join(self._packages)
        self._by_dialog: dict[tuple[str, str, str], Subscription] = {}
        self._watching: dict[tuple[str, str], dict[Subscription, None]] = {}  # by package and resource
        self._of: dict[str, int] = {}  # how many a subscriber has
        self._out: dict[TxId, Subscription] = {}
        self._deadlines: Deadlines[Subscription] = Deadlines()
        self._outputs: list[Output] = []

    def __len__(self) -> int:
        return len(self._by_dialog)

    @property
    def allow_events(self) -> str:
        """The value of Allow-Events (§8.2.2)."""
        return self._allow_events

    def subscriptions(self) -> list[Subscription]:
        """Those that live."""
        return list(self._by_dialog.values())

    def watched(self, package: str, resource: str) -> bool:
        """Whether anybody watches that."""
        return (package, resource) in self._watching

    # ------------------------------------------------------------------------------------------------------ SUBSCRIBE

    def event_of(self, request: Request) -> tuple[Package | None, str]:
        """The package that a SUBSCRIBE names (None: unknown) and its id. Raises `PeerError` (400) without an Event,
        which a SUBSCRIBE must have (§4.1.2.1)."""
        values = request.headers.all("Event")
        if len(values) != 1:
            raise PeerError("one Event is needed", status=400)
        name, *params = (part.strip() for part in values[0].split(";"))
        found = dict(param.partition("=")[::2] for param in params)
        return self._packages.get(name), found.get("id", "")

    def find(self, request: Request) -> Subscription | None:
        """The subscription in whose dialog the request is, if it lives."""
        key = (request.call_id, request.to.tag or "", request.from_.tag or "")
        found = self._by_dialog.get(key)
        return found if found is not None and found.live else None

    def refuse(self, event: Requested, status: int, now: Instant, headers: Fields = ()) -> list[Output]:
        """A final failure; 489 names what there is (§4.2.1.1)."""
        if status == 489:
            headers = (*headers, ("Allow-Events", self._allow_events))
        return self._ua.respond(event.tx, status, now, headers=headers)

    def subscribe(
        self, event: Requested, package: Package, subscriber: str, resource: str, now: Instant
    ) -> list[Output]:
        """Take a new subscription: 200, and the state at once (§4.2.1.2). With Expires 0 it is only looked up."""
        request = event.request
        try:
            expires = self._expires(request, package)
            _check_accept(request, package)
            tag = self._ua.tag_of(event.tx)
            flow = event.flow
            contact = contact_value(flow, self._addressing.signalling(flow), request.uri.user or "")
            dialog = uas_dialog(request, tag, flow, contact)
            _, event_id = self.event_of(request)
        except PeerError as error:
            return self.refuse(event, error.status, now, self._hint(error.status))
        if len(self._by_dialog) >= self.bounds.most:
            return self.refuse(event, 503, now, (("Retry-After", "60"),))
        if self._of.get(subscriber, 0) >= self.bounds.most_each:
            return self.refuse(event, 403, now)
        subscription = Subscription(subscriber, resource, package, event_id, dialog)
        subscription.entity = str(Uri("sip", request.uri.user, None, request.uri.host))
        self._by_dialog[_key(dialog)] = subscription
        self._watching.setdefault((package.name, resource), {})[subscription] = None
        self._of[subscriber] = self._of.get(subscriber, 0) + 1
        return self._granted(event, subscription, expires, now)

    def refresh(self, event: Requested, subscription: Subscription, now: Instant) -> list[Output]:
        """SUBSCRIBE in the dialog of a subscription: a longer life, or with Expires 0 its end (§4.1.2.3)."""
        request, dialog = event.request, subscription.dialog
        try:
            package, event_id = self.event_of(request)
            if package is not subscription.package or event_id != subscription.event_id:
                raise PeerError("another event in this dialog", status=481)
            expires = self._expires(request, package)
            if not dialog.take_cseq(request.cseq.number):
                raise PeerError("CSeq is out of order", status=500)  # RFC 3261 §12.2.2
            dialog.refresh(request)
        except PeerError as error:
            return self.refuse(event, error.status, now, self._hint(error.status))
        dialog.flow = event.flow
        return self._granted(event, subscription, expires, now)

    def _granted(self, event: Requested, subscription: Subscription, expires: int, now: Instant) -> list[Output]:
        fields = (("Contact", subscription.dialog.contact), ("Expires", str(expires)))
        self._outputs += self._ua.respond(event.tx, 200, now, headers=fields)
        if expires:
            subscription.expires_at = now + expires
            self._step(subscription, What.REFRESHED, now)
        else:
            subscription.reason = "timeout"
            self._step(subscription, What.END, now)
        return self._take()

    def _expires(self, request: Request, package: Package) -> int:
        """§4.2.1.1: shorter than asked is ours to choose, longer is not; 423 when it is too short."""
        text = request.headers.get("Expires")
        if text is not None and not text.strip().isdigit():
            raise PeerError("Expires is no number", status=400)
        wanted = request.expires
        if wanted is None:
            wanted = package.default_expires
        if 0 < wanted < self.bounds.min_expires:
            raise PeerError("the lifetime is too short", status=423)
        return min(wanted, self.bounds.max_expires)

    def _hint(self, status: int) -> Fields:
        return (("Min-Expires", str(self.bounds.min_expires)),) if status == 423 else ()

    # -------------------------------------------------------------------------------------------------------- NOTIFY

    def changed(self, package: str, resource: str, now: Instant) -> list[Output]:
        """The resource has another state: who watches it is told, as the pace allows."""
        for subscription in tuple(self._watching.get((package, resource), ())):
            self._step(subscription, What.CHANGED, now)
        return self._take()

    def end(self, subscriptions: Iterable[Subscription], reason: str, now: Instant) -> list[Output]:
        """End them from our side: `noresource`, `deactivated`, `rejected` … (§4.1.3)."""
        for subscription in subscriptions:
            if subscription.live:
                subscription.reason = reason
                self._step(subscription, What.END, now)
        return self._take()

    def answered(self, tx: TxId, response: Response | None, now: Instant) -> list[Output] | None:
        """`Responded` or `TimedOut` (without a response) came; None: it was no NOTIFY of ours."""
        subscription = self._out.pop(tx, None)
        if subscription is None:
            return None
        status = 408 if response is None else response.status
        self._step(subscription, What.GONE if status in _USAGE_OVER else What.ANSWERED, now)
        return self._take()

    def deadline(self) -> Instant | None:
        """When `wake` is due."""
        return self._deadlines.next()

    def wake(self, now: Instant) -> list[Output]:
        """Let those have their turn that wait for it, and end those whose time is over."""
        for subscription, _ in self._deadlines.due(now):
            if subscription.expires_at <= now:
                subscription.reason = "timeout"
                self._step(subscription, What.END, now)
            else:
                self._step(subscription, What.TURN, now)
        return self._take()

    def _step(self, subscription: Subscription, what: What, now: Instant) -> None:
        row = _ROWS.get((subscription.state, what))
        if row is None:
            return
        subscription.state, action = row
        if action is not None:
            action(self, subscription, now)
        if subscription.state is not State.OVER:
            self._arm(subscription)

    def _arm(self, subscription: Subscription) -> None:
        due = subscription.turn_at if subscription.state is State.DUE else inf
        due = min(due, subscription.expires_at) if subscription.live else inf
        if due == inf:
            self._deadlines.cancel(subscription)
        elif self._deadlines.get(subscription) != due:
            self._deadlines.set(subscription, due)

    def _wait(self, subscription: Subscription, now: Instant) -> None:
        subscription.turn_at = subscription.turn(self.bounds.interval, now)

    def _tell(self, subscription: Subscription, now: Instant) -> None:
        self._notify(subscription, f"active;expires={max(0, round(subscription.expires_at - now))}", now)

    def _tell_last(self, subscription: Subscription, now: Instant) -> None:
        self._notify(subscription, f"terminated;reason={subscription.reason}", now)

    def _notify(self, subscription: Subscription, state: str, now: Instant) -> None:
        subscription.version += 1
        subscription.last_told = now
        package, dialog = subscription.package, subscription.dialog
        fields = (("Event", subscription.event), ("Subscription-State", state))
        request = dialog.request("NOTIFY", fields, package.compose(subscription, now), package.content_type)
        tx, outputs = self._ua.request(request, dialog.next_flow(), now)
        self._out[tx] = subscription
        self._outputs += outputs

    def _forget(self, subscription: Subscription, now: Instant) -> None:
        self._deadlines.cancel(subscription)
        self._by_dialog.pop(_key(subscription.dialog), None)
        key = (subscription.package.name, subscription.resource)
        watching = self._watching[key]
        watching.pop(subscription, None)
        if not watching:
            del self._watching[key]
        left = self._of[subscription.subscriber] - 1
        if left:
            self._of[subscription.subscriber] = left
        else:
            del self._of[subscription.subscriber]

    def _take(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs


_ROWS: dict[tuple[State, What], Row] = {
    (State.QUIET, What.CHANGED): (State.DUE, Notifier._wait),
    (State.QUIET, What.REFRESHED): (State.TELLING, Notifier._tell),
    (State.QUIET, What.END): (State.ENDING, Notifier._tell_last),
    (State.DUE, What.TURN): (State.TELLING, Notifier._tell),
    (State.DUE, What.REFRESHED): (State.TELLING, Notifier._tell),
    (State.DUE, What.END): (State.ENDING, Notifier._tell_last),
    (State.TELLING, What.CHANGED): (State.STALE, None),
    (State.TELLING, What.REFRESHED): (State.STALE, None),
    (State.TELLING, What.ANSWERED): (State.QUIET, None),
    (State.TELLING, What.END): (State.LEAVING, None),
    (State.TELLING, What.GONE): (State.OVER, Notifier._forget),
    (State.STALE, What.REFRESHED): (State.STALE, None),
    (State.STALE, What.ANSWERED): (State.DUE, Notifier._wait),
    (State.STALE, What.END): (State.LEAVING, None),
    (State.STALE, What.GONE): (State.OVER, Notifier._forget),
    (State.LEAVING, What.ANSWERED): (State.ENDING, Notifier._tell_last),
    (State.LEAVING, What.GONE): (State.OVER, Notifier._forget),
    (State.ENDING, What.ANSWERED): (State.OVER, Notifier._forget),
    (State.ENDING, What.GONE): (State.OVER, Notifier._forget),
}


def _key(dialog: Dialog) -> tuple[str, str, str]:
    return dialog.call_id, dialog.local_tag, dialog.remote_tag


def _check_accept(request: Request, package: Package) -> None:
    """Raises `PeerError` (406) when the subscriber does not take the package's body (RFC 6665 §3.1.3)."""
    kind, _, _ = package.content_type.partition("/")
    accepted = {value.partition(";")[0].strip().lower() for value in request.headers.all("Accept")}
    if accepted and not accepted & {package.content_type, f"{kind}/*", "*/*"}:
        raise PeerError(f"{package.content_type} is not accepted", status=406)
