"""What the settings of conferences and the directory mean."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from softswitch.call.speech import LANGUAGES
from softswitch.kernel.errors import LocalError
from softswitch.services.configuration_graph import targets_of
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.services.prompts import find_music
from softswitch.switch.settings import Conference, Settings
from softswitch.switch.targets import NAME, parse_target

_SHORT_PIN: Final = 4
_DIALLED: Final = frozenset("0123456789*#")


def check_conferences(settings: Settings) -> Iterator[Finding]:
    """Numbers that are somebody else's, PINs that nobody can type or that are one, phones that are not there,
    moderators whom all wait for and nobody can be."""
    numbers = {phone.number or name: f"phones.{name}" for name, phone in settings.phones.items()}
    for lot_name, lot in settings.parking.items():
        try:
            numbers |= dict.fromkeys(lot.numbers, f"parking.{lot_name}")
        except ValueError:
            continue  # told by its own check
    for name, room in settings.conferences.items():
        path: KeyPath = ("conferences", name)
        if NAME.fullmatch(name) is None:
            yield Finding(path, "not a name: letters, digits and _ . + - only")
        if room.number is not None:
            if not room.number or not _DIALLED.issuperset(room.number):
                yield Finding((*path, "number"), f'"{room.number}" cannot be dialled: digits, * and # only')
            elif room.number in numbers:
                yield Finding((*path, "number"), f'"{room.number}" is also the number of {numbers[room.number]}')
            numbers.setdefault(room.number, f"conferences.{name}")
        yield from _pins(path, room)
        if room.language is not None and room.language not in LANGUAGES:
            yield Finding((*path, "language"), f'no language "{room.language}": there are {", ".join(LANGUAGES)}')
        try:
            find_music(room.music, Path(settings.server.data_dir))
        except LocalError as error:
            yield Finding((*path, "music"), str(error))
        for key in ("moderators", "phones"):
            for index, phone in enumerate(getattr(room, key)):
                if phone not in settings.phones:
                    yield Finding((*path, key, index), f'no phone "{phone}"', closest(phone, settings.phones))
        if 0 < room.max_members < 2:
            yield Finding((*path, "max_members"), "must be 0 (no limit) or at least 2")
        if not (room.moderator_pin or room.moderators):
            for key in ("wait_for_moderator", "end_with_moderator"):
                if getattr(room, key):
                    yield Finding((*path, key), "nobody can be the moderator: set moderator_pin or moderators")
    led_to = set()
    for target_path, text in targets_of(settings):
        try:
            target = parse_target(text)
        except LocalError:
            continue
        if target.kind == "conference":
            led_to.add("*" if "{" in text else target.name)
        if target.kind == "directory" and target.name and target.name not in settings.groups:
            yield Finding(target_path, f'no group "{target.name}"', closest(target.name, settings.groups))
    for name, room in settings.conferences.items():
        if not (room.number or settings.hooks or led_to & {name, "*"}):
            yield Finding(("conferences", name), "has no number, and no route or menu leads here", severity="warning")


def _pins(path: KeyPath, room: Conference) -> Iterator[Finding]:
    for key in ("pin", "moderator_pin"):
        pin = getattr(room, key)
        if pin is None:
            continue
        if not (pin.isascii() and pin.isdigit()):
            yield Finding((*path, key), "must be digits")
        elif len(pin) > 20:
            yield Finding((*path, key), "must not be longer than 20 digits")
        elif len(pin) < _SHORT_PIN:
            yield Finding((*path, key), f"weak: shorter than {_SHORT_PIN} digits", severity="warning")
    if room.pin is not None and room.pin == room.moderator_pin:
        yield Finding((*path, "moderator_pin"), "is the same as pin: everybody would be a moderator")
