"""Which prompts, one after the other, say a number in a language.

The prompts' names are those of the catalogue (`prompts/catalogue.toml`): `number-5`, `number-2-feminine`, `number-40`,
`number-300`, `thousand-few`, `minute-many` … Plural categories are those of the Unicode CLDR (one, few, many).
Sentences are built so that numbers stand in the nominative: "Ваш номер в очереди: пять".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from softswitch.kernel.errors import LocalError

Gender: TypeAlias = Literal["masculine", "feminine", "neuter"]
Plural: TypeAlias = Literal["one", "few", "many"]

LARGEST: Final = 999_999
LANGUAGES: Final = ("en", "ru", "uk", "lt")


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a language's numbers depend on. `forms`: genders that have words of their own, and for which numbers.
    `thousand` and `minute` are the genders of those nouns. `one_thousand`: whether 1000 is said with its one.
    `keys`: the ending of the number prompts that follow "press"."""

    plural: Callable[[int], Plural]
    forms: dict[Gender, frozenset[int]]
    thousand: Gender = "masculine"
    minute: Gender = "masculine"
    one_thousand: bool = True
    keys: str = ""


def _plural_english(n: int) -> Plural:
    return "one" if n == 1 else "many"


def _plural_slavic(n: int) -> Plural:
    """1, 21, 31 … one; 2–4, 22–24 … few; 0, 5–20, 25–30 … many."""
    if 11 <= n % 100 <= 14:
        return "many"
    last = n % 10
    if last == 1:
        return "one"
    return "few" if 2 <= last <= 4 else "many"


def _plural_lithuanian(n: int) -> Plural:
    """1, 21, 31 … one; 2–9, 22–29 … few; 0, 10–20, 30, 40 … many."""
    last = n % 10
    if last == 0 or 11 <= n % 100 <= 19:
        return "many"
    return "one" if last == 1 else "few"


_SLAVIC_FORMS: Final[dict[Gender, frozenset[int]]] = {"feminine": frozenset({1, 2}), "neuter": frozenset({1})}
_SLAVIC: Final = Grammar(_plural_slavic, _SLAVIC_FORMS, thousand="feminine", minute="feminine")
_GRAMMARS: Final = {
    "en": Grammar(_plural_english, {}),
    "ru": _SLAVIC,
    "uk": _SLAVIC,
    "lt": Grammar(
        _plural_lithuanian,
        {"feminine": frozenset({1, 2, 4, 5, 6, 7, 8, 9})},
        minute="feminine",
        one_thousand=False,
        keys="-accusative",
    ),
}


def _grammar(language: str) -> Grammar:
    """That of the language's first subtag (`en-US` is `en`); languages that we do not know count as English does."""
    grammar = _GRAMMARS.get(language)
    if grammar is None:
        grammar = _GRAMMARS.get(language.partition("-")[0].lower(), _GRAMMARS["en"])
    return grammar


def say_number(n: int, language: str, gender: Gender = "masculine") -> tuple[str, ...]:
    """The cardinal number `n`, 0 to 999 999, agreeing with a noun of `gender`. Raises `LocalError` outside."""
    if not 0 <= n <= LARGEST:
        raise LocalError(f"cannot say {n}: numbers are spoken from 0 to {LARGEST}")
    grammar = _grammar(language)
    thousands, rest = divmod(n, 1000)
    if not thousands:
        return _below_thousand(rest, grammar, gender)
    head = () if thousands == 1 and not grammar.one_thousand else _below_thousand(thousands, grammar, grammar.thousand)
    tail = _below_thousand(rest, grammar, gender) if rest else ()
    return (*head, f"thousand-{grammar.plural(thousands)}", *tail)


def _below_thousand(n: int, grammar: Grammar, gender: Gender) -> tuple[str, ...]:
    """`n` of 0 to 999: hundreds, tens and ones; the last word carries the gender."""
    names: list[str] = []
    hundreds, rest = divmod(n, 100)
    if hundreds:
        names.append(f"number-{hundreds}00")
    if rest >= 20:
        names.append(f"number-{rest // 10}0")
        rest %= 10
    if rest or not names:
        ending = f"-{gender}" if rest in grammar.forms.get(gender, ()) else ""
        names.append(f"number-{rest}{ending}")
    return tuple(names)


def say_digits(digits: str, language: str) -> tuple[str, ...]:
    """One by one: `0`–`9`, `*`, `#`, `+`; spaces and hyphens are passed over. Raises `LocalError` on anything else."""
    del language  # digits that stand alone have one form in each of our languages
    names: list[str] = []
    for digit in digits:
        if digit in _SIGNS:
            names.append(_SIGNS[digit])
        elif digit in _DIGITS:
            names.append(f"number-{digit}")
        elif digit not in " -":
            raise LocalError(f'cannot say "{digit}" in "{digits}": only digits, *, # and + are spoken')
    return tuple(names)


_DIGITS: Final = frozenset("0123456789")
_SIGNS: Final = {"*": "star", "#": "hash", "+": "plus"}
_KEYS: Final = {"*": "key-star", "#": "key-hash"}


def say_key(keys: str, language: str) -> tuple[str, ...]:
    """What to press, after "… press": the same as digits, but in the case that the verb asks for (Lithuanian
    "spauskite vieną"). Raises `LocalError` on what is not on a telephone's keypad."""
    ending = _grammar(language).keys
    names: list[str] = []
    for key in keys:
        if key not in _DIGITS and key not in _KEYS:
            raise LocalError(f'cannot say the key "{key}": only 0–9, * and # are spoken')
        names.append(_KEYS.get(key) or f"number-{key}{ending}")
    return tuple(names)


def say_position(n: int, language: str) -> tuple[str, ...]:
    """The place in a queue, 1 being the next to be served."""
    if n <= 1:
        return ("you-are-next",)
    return ("your-position", *say_number(n, language))


def say_minutes(n: int, language: str) -> tuple[str, ...]:
    """A length of `n` minutes; 0 is "less than a minute"."""
    if n <= 0:
        return ("less-than-a-minute",)
    grammar = _grammar(language)
    return (*say_number(n, language, grammar.minute), f"minute-{grammar.plural(n)}")


def say_wait(seconds: float, language: str) -> tuple[str, ...]:
    """The estimated wait as people say it: whole minutes, from ten on in steps of five; rounded up."""
    step = 60 if seconds <= 600 else 300
    minutes = 0 if seconds < 60 else -int(-seconds // step) * step // 60
    return ("estimated-wait", *say_minutes(minutes, language))
