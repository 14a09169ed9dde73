"""Telephone numbers: normalising to E.164, patterns of dial plans, and shaping of what is dialled outward."""

import re
from typing import Final, Literal, TypeAlias

from softswitch.kernel.errors import LocalError

NumberForm: TypeAlias = Literal["as-is", "e164", "digits", "national"]

_SEPARATORS = str.maketrans("", "", " -.()/\u00a0")  # visual separators, RFC 3966 §5.1.1, and what people add
_MAX_DIGITS = 15  # ITU-T E.164 §6.2.1
_SHORT = 6  # numbers of up to that many digits are service numbers and extensions: 112, 1001
_MIN_NATIONAL = 7  # digits that must follow a bare country code before it is taken for one


def e164(number: str, country: str | None, national_prefix: str = "0", international_prefix: str = "00") -> str:
    """`number` in the form "+37061234567" where that can be told, else unchanged but for visual separators.

    `country` is the calling code of the place that the number was dialled in ("370" or "+370"); without it only
    numbers with "+" or the international prefix are changed. A number with the national prefix is national; a bare
    one is international if it starts with the country's code and is long enough, else national. Emergency and other
    short numbers, and names such as "anonymous", stay as they are.
    """
    plain = number.translate(_SEPARATORS)
    if plain.startswith("+"):
        return plain
    if not (plain.isascii() and plain.isdigit()) or len(plain) <= _SHORT:
        return plain if plain.isdigit() else number
    code = (country or "").lstrip("+")
    if international_prefix and plain.startswith(international_prefix):
        digits = plain[len(international_prefix) :]
    elif not code:
        return plain
    elif national_prefix and plain.startswith(national_prefix):
        digits = code + plain[len(national_prefix) :]
    elif plain.startswith(code) and len(plain) >= len(code) + _MIN_NATIONAL:
        digits = plain
    else:
        digits = code + plain
    if not 0 < len(digits) <= _MAX_DIGITS or digits[0] == "0":  # no calling code begins with 0
        return plain
    return "+" + digits


def written(number: str, form: NumberForm, country: str | None, national_prefix: str = "0") -> str:
    """A number as a carrier wants it: `e164` as "+37061234567", `digits` as "37061234567", `national` as "061234567"
    when it is of that `country` and `00`-international otherwise; `as-is` unchanged, as is what is no E.164 number."""
    if form == "as-is":
        return number
    full = e164(number, country, national_prefix)
    if not full.startswith("+") or form == "e164":
        return full
    code = "+" + (country or "").lstrip("+")
    if form == "national":
        return national_prefix + full[len(code) :] if len(code) > 1 and full.startswith(code) else "00" + full[1:]
    return full[1:]


def plain_number(text: str) -> str:
    """A number as people write it, without the marks between its digits; anything else unchanged."""
    plain = text.translate(_SEPARATORS)
    return plain if plain.removeprefix("+").isdigit() else text


def shape(number: str, strip: int = 0, prefix: str = "") -> str:
    """`number` without its first `strip` characters (a leading "+" is one of them) and with `prefix` before it."""
    return prefix + number[strip:]


class Pattern:
    """A dial pattern: `X` is a digit, `Z` 1–9, `N` 2–9, `[..]` one of a set (`[13-5*]`), `.` one or more of anything,
    a lone `*` everything, the empty number too. Every other character stands for itself.

    Raises `LocalError`, with the position counted from 1, on a pattern that cannot be read.
    """

    __slots__ = ("_match", "text")

    text: Final[str]

    def __init__(self, text: str) -> None:
        self.text = text
        self._match = re.compile(_regex(text), re.DOTALL).fullmatch

    def match(self, number: str) -> bool:
        """Whether the whole of `number` fits."""
        return self._match(number) is not None

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+"}


def _regex(text: str) -> str:
    if not text:
        raise LocalError("number pattern is empty; use * for every number")
    if text == "*":
        return ".*"
    parts: list[str] = []
    place = 0
    while place < len(text):
        character = text[place]
        if character == "[":
            end = text.find("]", place)
            if end < 0:
                raise LocalError(f"number pattern {text!r}, position {place + 1}: [ without ]")
            parts.append(_set(text, place + 1, end))
            place = end
        elif character == "]":
            raise LocalError(f"number pattern {text!r}, position {place + 1}: ] without [")
        elif character.isspace() or not character.isprintable():
            raise LocalError(f"number pattern {text!r}, position {place + 1}: blanks are not dialled")
        elif character == "." and parts and parts[-1] == _CLASSES["."]:
            raise LocalError(f"number pattern {text!r}, position {place + 1}: a second . adds nothing")
        else:
            parts.append(_CLASSES.get(character) or re.escape(character))
        place += 1
    return "".join(parts)


def _set(text: str, start: int, end: int) -> str:
    """`text[start:end]`, the inside of the brackets, as a regular expression."""
    if start == end:
        raise LocalError(f"number pattern {text!r}, position {start}: [] is empty and fits nothing")
    members: list[str] = []
    place = start
    while place < end:
        first = text[place]
        if not (first.isascii() and (first.isalnum() or first in "*#+")):
            raise LocalError(f"number pattern {text!r}, position {place + 1}: {first!r} cannot stand in a set")
        if place + 1 < end and text[place + 1] == "-":
            last = text[place + 2] if place + 2 < end else ""
            if not (first.isdigit() and last.isascii() and last.isdigit()):
                raise LocalError(f"number pattern {text!r}, position {place + 2}: a range needs a digit on both sides")
            if last < first:
                raise LocalError(f"number pattern {text!r}, position {place + 1}: range {first}-{last} is backwards")
            members.append(f"{first}-{last}")
            place += 3
        else:
            members.append(re.escape(first))
            place += 1
    return f"[{''.join(members)}]"
