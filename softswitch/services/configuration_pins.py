"""PINs that are too easily guessed."""

from collections.abc import Iterator
from typing import Final

from softswitch.services.configuration_graph import strangers_reach
from softswitch.services.faults import Finding
from softswitch.services.key_lines import KeyPath
from softswitch.switch.settings import Settings

_LONG_ENOUGH: Final = 6  # digits, where strangers may guess
_UP: Final = "01234567890123456789"
_COLUMNS: Final = ("2580", "0852", "1470", "0741", "3690", "0963", "147258369", "1379", "7913")  # of a keypad
_LEAST: Final = 4  # shorter ones are told as that


def check_pins(settings: Settings) -> Iterator[Finding]:
    """PINs that everybody tries first, and short ones of conferences that calls from trunks can come to."""
    reached = strangers_reach(settings)
    for name, room in settings.conferences.items():
        open_to_all = reached is None or ("conference", name) in reached
        for key, pin in (("pin", room.pin), ("moderator_pin", room.moderator_pin)):
            if pin:
                yield from _pin(("conferences", name, key), pin, {name, room.number or ""}, open_to_all)
    for name, box in settings.voicemail.items():
        if box.pin:
            yield from _pin(("voicemail", name, "pin"), box.pin, {name, box.number or ""}, False)


def _pin(path: KeyPath, pin: str, others: set[str], open_to_all: bool) -> Iterator[Finding]:
    if len(pin) < _LEAST or not pin.isdecimal():
        return
    if easy(pin) or pin in others:
        yield Finding(path, "weak: everybody tries this one first", severity="warning")
    elif open_to_all and len(pin) < _LONG_ENOUGH:
        why = f"short: calls from trunks can come here, and strangers guess; {_LONG_ENOUGH} digits or more"
        yield Finding(path, why, severity="warning")


def easy(pin: str) -> bool:
    """Whether it is one digit or a pair again and again, digits in a row, a line on the keypad, or a year."""
    again = any(pin == (pin[:size] * len(pin))[: len(pin)] for size in (1, 2))
    in_a_row = pin in _UP or pin[::-1] in _UP
    year = len(pin) == 4 and 1900 <= int(pin) <= 2100
    return again or in_a_row or pin in _COLUMNS or year
