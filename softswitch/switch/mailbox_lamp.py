"""The lamp of a mailbox (RFC 3842): for phones that subscribe, and for those that are told when they register."""

from typing import TYPE_CHECKING, Final

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.switch.notices import notify
from softswitch.wire import message_summary
from softswitch.wire.sip import Uri

if TYPE_CHECKING:
    from softswitch.switch.office import Office

PACKAGE: Final = "message-summary"


def box_for(office: "Office", phone: str, number: str) -> str:
    """The box that `phone` asks about: its own, whichever of its names it uses. Raises `PeerError` (403, 404)."""
    box = office.settings.phones[phone].mailbox
    if box is None or box not in office.settings.voicemail:
        raise PeerError("the phone has no mailbox", status=404)
    own = number in ("", box, office.settings.codes.mailbox) or office.plan.extension(number) == phone
    if not own:
        raise PeerError("the mailbox of another", status=403)
    return box


def compose(office: "Office", box: str) -> bytes:
    """How many messages wait, and whom to call to hear them."""
    new, old = office.mailboxes.count(box)
    account = Uri("sip", office.settings.codes.mailbox or box, None, office.settings.sip.domain)
    return message_summary.message_summary(str(account), new, old)


def tell_unasked(office: "Office", box: str, now: Instant) -> None:
    """NOTIFY outside any dialog to the phones of that box whose settings say so: many light their lamp by it, and RFC
    3842 never asked for more."""
    for name, phone in office.settings.phones.items():
        if phone.mailbox == box and phone.message_waiting == "always":
            registered(office, name, now)


def registered(office: "Office", phone: str, now: Instant) -> None:
    """The phone has registered, or its box has changed."""
    settings = office.settings.phones.get(phone)
    if settings is None or settings.message_waiting != "always" or settings.mailbox not in office.settings.voicemail:
        return
    assert settings.mailbox is not None
    notify(office, phone, PACKAGE, now, compose(office, settings.mailbox), message_summary.TYPE)
