"""Presence of phones (RFC 3856): what a phone has published (RFC 3903), and what we see of it ourselves."""

from typing import TYPE_CHECKING, Final

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip.event_states import EventStates
from softswitch.sip.events import Fields, Requested
from softswitch.sip.subscription import Subscription
from softswitch.wire import pidf
from softswitch.wire.pidf import Presence

if TYPE_CHECKING:
    from softswitch.switch.office import Office

PACKAGE: Final = "presence"
_LARGEST: Final = 8192  # octets of a published document


class Presences:
    """By phone."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self.published: EventStates[Presence] = EventStates(office.dice)

    def state(self, phone: str, talking: bool, now: Instant) -> Presence:
        """Closed when it cannot be rung; else what it said itself. That it is on the phone, or not to be disturbed, we
        know better."""
        if not self._office.registrations.reachable(phone, now):
            return Presence("closed")
        said = self.published.state(phone)
        if said is not None and said.basic == "closed":
            return said
        if self._office.phones.dnd(phone):
            return Presence("open", "Do not disturb", "busy")
        if talking:
            return Presence("open", "" if said is None else said.note, "on-the-phone")
        return said or Presence("open")

    def compose(self, subscription: Subscription, talking: bool, now: Instant) -> bytes:
        return pidf.pidf(subscription.entity, self.state(subscription.resource.partition(":")[2], talking, now))

    def publish(self, event: Requested, phone: str, now: Instant) -> bool:
        """Answer the PUBLISH of a phone about itself; whether something is other than before."""
        request, states = event.request, self.published
        try:
            body = self._body(event)
            tag = states.known(phone, request)
            expires = states.expires(request)
            if body is None and not tag:
                raise PeerError("nothing to publish", status=400)  # RFC 3903 §6 step 5
        except PeerError as error:
            self._answer(event, error.status, now, self._hint(error.status))
            return False
        fresh = states.publish(phone, tag, body, expires, now)
        self._answer(event, 200, now, (("SIP-ETag", fresh), ("Expires", str(expires))))
        return body is not None or not expires

    def _body(self, event: Requested) -> Presence | None:
        request = event.request
        if not request.body:
            return None
        if request.content_type != pidf.TYPE:
            raise PeerError("no presence document", status=415)
        if len(request.body) > _LARGEST:
            raise PeerError("the document is too large", status=413)
        return pidf.read(request.body)

    def _hint(self, status: int) -> Fields:
        if status == 415:
            return (("Accept", pidf.TYPE),)
        return (("Min-Expires", str(self.published.bounds[0])),) if status == 423 else ()

    def _answer(self, event: Requested, status: int, now: Instant, headers: Fields) -> None:
        self._office.drive(self._office.ua.respond(event.tx, status, now, headers=headers))
