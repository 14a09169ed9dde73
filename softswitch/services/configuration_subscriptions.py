"""What the settings of lamps, messages and mailboxes mean."""

import re
from collections.abc import Iterator
from typing import Final

from softswitch.services.faults import Finding, closest
from softswitch.switch.settings import Settings

_HOUR: Final = 3600
_ADDRESS: Final = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+")
_LARGEST_MESSAGE: Final = 1300  # RFC 3428 §8


def check_subscriptions(settings: Settings) -> Iterator[Finding]:
    """Lifetimes that contradict each other, mailboxes that are none, PINs that nobody can type."""
    ours, messages = settings.subscriptions, settings.messages
    if not 1 <= ours.min_expires <= _HOUR:
        yield Finding(("subscriptions", "min_expires"), "must be 1 to 3600: RFC 6665 allows no more")
    if ours.max_expires < ours.min_expires:
        yield Finding(("subscriptions", "max_expires"), f"must be at least min_expires = {ours.min_expires}")
    if ours.interval > 10:
        yield Finding(("subscriptions", "interval"), "must be 0 to 10")
    if not 1 <= messages.max_bytes <= _LARGEST_MESSAGE:
        yield Finding(("messages", "max_bytes"), f"must be 1 to {_LARGEST_MESSAGE}: RFC 3428 allows no more")
    if messages.burst < 1:
        yield Finding(("messages", "burst"), "must be at least 1")
    for index, trunk in enumerate(messages.trunks):
        if trunk not in settings.trunks:
            yield Finding(("messages", "trunks", index), f'no trunk "{trunk}"', closest(trunk, settings.trunks))
    for name, phone in settings.phones.items():
        if phone.mailbox is not None and phone.mailbox not in settings.voicemail:
            match = closest(phone.mailbox, settings.voicemail)
            yield Finding(("phones", name, "mailbox"), f'no voicemail "{phone.mailbox}"', match)
        elif phone.mailbox is None and phone.message_waiting == "always":
            yield Finding(("phones", name, "message_waiting"), "the phone has no mailbox", "", "warning")
    if settings.mail.username and not settings.mail.password:
        yield Finding(("mail", "password"), "is missing: username alone logs nobody in")
    if settings.mail.password and settings.mail.security == "none":
        yield Finding(("mail", "security"), "the password would be sent in the clear", "starttls", "warning")
    numbers: dict[str, str] = {}
    for name, box in settings.voicemail.items():
        if box.pin is not None and not (box.pin.isdecimal() and box.pin.isascii() and 4 <= len(box.pin) <= 12):
            yield Finding(("voicemail", name, "pin"), "must be 4 to 12 digits")
        if box.ask_pin == "always" and box.pin is None:
            yield Finding(("voicemail", name, "ask_pin"), "there is no pin to ask for")
        if box.mail is not None and (not _ADDRESS.fullmatch(box.mail) or not box.mail.isascii()):
            yield Finding(("voicemail", name, "mail"), f'"{box.mail}" is no mail address')
        elif box.mail is not None and settings.mail.host is None:
            yield Finding(("voicemail", name, "mail"), "there is no mail.host to send it by")
        if box.mail_delete and box.mail is None:
            yield Finding(("voicemail", name, "mail_delete"), "there is no mail: every message would be lost")
        if box.number is not None:
            if not (box.number.isdecimal() and box.number.isascii()):
                yield Finding(("voicemail", name, "number"), "must be digits")
            elif box.number in numbers:
                yield Finding(("voicemail", name, "number"), f"is also that of voicemail.{numbers[box.number]}")
            numbers.setdefault(box.number, name)
