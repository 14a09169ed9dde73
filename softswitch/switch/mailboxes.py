"""Mailboxes: which messages each `[voicemail.NAME]` has, which were heard, and who may listen.

The sound of a message is a recording like others and its keeper's; here is what a box knows of it. A message is new
until it has been heard to its end, or kept. State is saved, so lamps are right after a restart.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch import mailbox_lamp
from softswitch.switch.events import DeleteRecording, Save
from softswitch.switch.recording import box_of
from softswitch.switch.records import ForgottenMessage, SavedGreeting, SavedMessage, SavedRecording
from softswitch.switch.views import MailboxRow

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office


class Mailboxes:
    """All boxes."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._boxes: dict[str, dict[str, SavedMessage]] = {}  # messages by path, the oldest first
        self._greetings: dict[str, str] = {}

    def restore(self, messages: Iterable[SavedMessage], greetings: Iterable[SavedGreeting]) -> None:
        """What the store remembers."""
        for message in sorted(messages, key=lambda one: one.at):
            self._boxes.setdefault(message.box, {})[message.path] = message
        self._greetings = {greeting.box: greeting.path for greeting in greetings}

    # ------------------------------------------------------------------------------------------------------ messages

    def count(self, box: str) -> tuple[int, int]:
        """How many are new, and how many were heard."""
        messages = self._boxes.get(box, {})
        new = sum(1 for message in messages.values() if message.heard is None)
        return new, len(messages) - new

    def messages(self, box: str) -> list[SavedMessage]:
        """The new ones, then those that were heard; the oldest first."""
        return sorted(self._boxes.get(box, {}).values(), key=lambda one: (one.heard is not None, one.at))

    def left(self, row: SavedRecording, now: Instant) -> None:
        """A recording has ended; those that are no messages, or too short for one, are passed over."""
        box = box_of(row.path)
        settings = self._office.settings.voicemail.get(box) if box else None
        if settings is None or row.seconds < settings.min_seconds:
            return
        self._put(SavedMessage(row.path, box, row.call, row.caller, row.started, row.seconds, None), now)

    def heard(self, box: str, path: str, now: Instant) -> None:
        """Somebody has listened to it."""
        message = self._boxes.get(box, {}).get(path)
        if message is not None and message.heard is None:
            self._office.fact("voicemail.heard", now, message.call, box=box, path=path)
            self._put(replace(message, heard=now), now)

    def delete(self, box: str, path: str, by: str, now: Instant) -> bool:
        """Out of the box, and its recording too unless that is held; False when there was none."""
        message = self._boxes.get(box, {}).get(path)
        if message is None:
            return False
        self._office.fact("voicemail.deleted", now, message.call, box=box, path=path, by=by)
        self._office.outbox.append(DeleteRecording(path, by))
        self._take(box, path, now)
        return True

    def moved(self, path: str, to: str, now: Instant) -> None:
        """The recording has another name (it was converted), or is gone (`to` empty)."""
        box = box_of(path)
        message = self._boxes.get(box, {}).get(path)
        if message is None:
            return
        if not to:
            self._take(box, path, now)
            return
        kept = self._boxes[box]
        self._boxes[box] = {
            one.path: one for one in (replace(old, path=to) if old is message else old for old in kept.values())
        }
        self._office.outbox += (Save(ForgottenMessage(path)), Save(self._boxes[box][to]))

    def _put(self, message: SavedMessage, now: Instant) -> None:
        self._boxes.setdefault(message.box, {})[message.path] = message
        self._office.outbox.append(Save(message))
        self._changed(message.box, now)

    def _take(self, box: str, path: str, now: Instant) -> None:
        del self._boxes[box][path]
        self._office.outbox.append(Save(ForgottenMessage(path)))
        self._changed(box, now)

    def _changed(self, box: str, now: Instant) -> None:
        self._office.subscriptions.mailbox(box, now)
        mailbox_lamp.tell_unasked(self._office, box, now)

    def rows(self) -> list[MailboxRow]:
        """All boxes."""
        rows = []
        for name, box in self._office.settings.voicemail.items():
            new, old = self.count(name)
            phones = tuple(phone for phone, one in self._office.settings.phones.items() if one.mailbox == name)
            rows.append(
                MailboxRow(
                    name=name, number=box.number or "", new=new, old=old, own_greeting=name in self._greetings,
                    phones=phones, mail=box.mail or "",
                )
            )  # fmt: skip
        return rows

    # ---------------------------------------------------------------------------------------------------- the owner's

    def greeting(self, box: str) -> str:
        """What callers hear: the greeting that the owner spoke, else that of the settings."""
        return self._greetings.get(box) or self._office.settings.voicemail[box].greeting

    def greet(self, box: str, path: str, now: Instant) -> None:
        """Callers hear the sound file `path` from now on; empty: what the settings say."""
        if path:
            self._greetings[box] = path
        else:
            self._greetings.pop(box, None)
        self._office.outbox.append(Save(SavedGreeting(box, path)))
        self._office.fact("voicemail.greeting", now, box=box, own=bool(path))

    def box_of_number(self, number: str) -> str:
        """The box that somebody means who types `number`: a box's own number or name, or an extension's; or nothing."""
        settings = self._office.settings
        for name, box in settings.voicemail.items():
            if number and number in (box.number, name):
                return name
        phone = self._office.plan.extension(number)
        box_name = settings.phones[phone].mailbox if phone is not None else None
        return box_name if box_name is not None and box_name in settings.voicemail else ""

    def opens(self, box: str, call: "Call", pin: str, now: Instant) -> bool:
        """Whether `pin` is the box's. A box without a PIN opens to nobody; who types wrong ones too often is not
        listened to for a while."""
        settings = self._office.settings.voicemail.get(box)
        right = None if settings is None else settings.pin
        return self._office.pins.opens("" if settings is None else box, right, call, pin, now)
