"""NOTIFY outside any subscription, as phones have come to know it: the number of messages, and `check-sync`."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Flow
from softswitch.sip.gruu import bare
from softswitch.wire.sip import Headers, NameAddr, Request, Uri

if TYPE_CHECKING:
    from softswitch.switch.office import Office


def contacts(office: "Office", phone: str, now: Instant, instance: str = "") -> list[tuple[Uri, Flow, tuple[str, ...]]]:
    """Where the phone is reached: its fixed address, or each binding; with `instance`, those of it (RFC 5627). URI,
    flow, and the routes on the way."""
    settings = office.settings.phones[phone]
    if settings.contact is not None and not instance:
        uri = Uri.parse(settings.contact)
        return [(uri, office.flow_to(uri), ())]
    return [
        (Uri.parse(binding.destination), binding.flow, tuple(binding.route))
        for binding in office.registrations.bindings(phone, now)
        if not instance or bare(binding.instance) == instance
    ]


def message_to(
    office: "Office", phone: str, method: str, uri: Uri, routes: tuple[str, ...], from_: NameAddr
) -> Request:
    """A request to one contact of a phone, without what the user agent fills in."""
    headers = Headers()
    for route in routes:
        headers.add("Route", route)
    number = office.settings.phones[phone].number or phone
    headers.add("From", str(from_))
    headers.add("To", str(NameAddr("", Uri("sip", number, None, office.settings.sip.domain))))
    return Request(method, uri, headers)


def notify(office: "Office", phone: str, event: str, now: Instant, body: bytes = b"", content_type: str = "") -> int:
    """To every contact of the phone; how many those are. Nobody waits for the answers."""
    found = contacts(office, phone, now)
    number = office.settings.phones[phone].number or phone
    us = NameAddr("", Uri("sip", number, None, office.settings.sip.domain))
    for uri, flow, routes in found:
        request = message_to(office, phone, "NOTIFY", uri, routes, us)
        host, port = office.addressing.signalling(flow)
        request.headers.add("Contact", str(NameAddr("", Uri("sip", number, None, host, port))))
        request.headers.add("Event", event)
        request.headers.add("Subscription-State", "active" if body else "terminated;reason=noresource")
        if body:
            request.headers.add("Content-Type", content_type)
            request.body = body
        _, outputs = office.ua.request(request, flow, now)
        office.drive(outputs)
    return len(found)
