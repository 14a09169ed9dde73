"""Numbers as they are spoken: the words that come out, language by language, against the grammars."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.call.speech import (
    LANGUAGES,
    LARGEST,
    say_digits,
    say_key,
    say_minutes,
    say_number,
    say_position,
    say_wait,
)
from softswitch.kernel.errors import LocalError
from softswitch.services.shipped import data_path

CATALOGUE = tomllib.loads((data_path("prompts") / "catalogue.toml").read_text(encoding="utf-8"))
TEXTS = {**CATALOGUE["phrases"], **CATALOGUE["numbers"]}


def words(names: tuple[str, ...], language: str) -> str:
    """What the prompts say, read from the catalogue; a name that the language lacks is a KeyError."""
    return " ".join(TEXTS[name][language] for name in names)


@pytest.mark.parametrize(
    ("n", "spoken"),
    [
        (0, "zero"),
        (1, "one"),
        (11, "eleven"),
        (20, "twenty"),
        (21, "twenty one"),
        (100, "one hundred"),
        (101, "one hundred one"),
        (1000, "one thousand"),
        (2000, "two thousand"),
        (21000, "twenty one thousand"),
        (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
    ],
)
def test_english_numbers(n: int, spoken: str) -> None:
    assert words(say_number(n, "en"), "en") == spoken


@pytest.mark.parametrize(
    ("n", "spoken"),
    [
        (0, "ноль"),
        (1, "один"),
        (2, "два"),
        (11, "одиннадцать"),
        (12, "двенадцать"),
        (21, "двадцать один"),
        (22, "двадцать два"),
        (101, "сто один"),
        (111, "сто одиннадцать"),
        (340, "триста сорок"),
        (1000, "одна тысяча"),
        (2000, "две тысячи"),
        (5000, "пять тысяч"),
        (11000, "одиннадцать тысяч"),
        (12012, "двенадцать тысяч двенадцать"),
        (21000, "двадцать одна тысяча"),
        (102_301, "сто две тысячи триста один"),
        (111_000, "сто одиннадцать тысяч"),
    ],
)
def test_russian_numbers(n: int, spoken: str) -> None:
    """Thousands are feminine; 11–14 take the genitive plural."""
    assert words(say_number(n, "ru"), "ru") == spoken


@pytest.mark.parametrize(
    ("n", "spoken"),
    [
        (0, "нуль"),
        (1, "один"),
        (2, "два"),
        (11, "одинадцять"),
        (12, "дванадцять"),
        (21, "двадцять один"),
        (22, "двадцять два"),
        (90, "дев'яносто"),
        (101, "сто один"),
        (111, "сто одинадцять"),
        (1000, "одна тисяча"),
        (2000, "дві тисячі"),
        (5000, "п'ять тисяч"),
        (14000, "чотирнадцять тисяч"),
        (21000, "двадцять одна тисяча"),
        (42_002, "сорок дві тисячі два"),
    ],
)
def test_ukrainian_numbers(n: int, spoken: str) -> None:
    assert words(say_number(n, "uk"), "uk") == spoken


@pytest.mark.parametrize(
    ("n", "spoken"),
    [
        (0, "nulis"),
        (1, "vienas"),
        (2, "du"),
        (11, "vienuolika"),
        (12, "dvylika"),
        (21, "dvidešimt vienas"),
        (22, "dvidešimt du"),
        (101, "šimtas vienas"),
        (111, "šimtas vienuolika"),
        (300, "trys šimtai"),
        (1000, "tūkstantis"),
        (1001, "tūkstantis vienas"),
        (2000, "du tūkstančiai"),
        (9000, "devyni tūkstančiai"),
        (10_000, "dešimt tūkstančių"),
        (12_000, "dvylika tūkstančių"),
        (21_000, "dvidešimt vienas tūkstantis"),
        (22_000, "dvidešimt du tūkstančiai"),
        (100_000, "šimtas tūkstančių"),
        (111_000, "šimtas vienuolika tūkstančių"),
    ],
)
def test_lithuanian_numbers(n: int, spoken: str) -> None:
    """One of 1, 21 …; nominative plural of 2–9, 22–29 …; genitive plural of 10–20, 30 …"""
    assert words(say_number(n, "lt"), "lt") == spoken


@pytest.mark.parametrize(
    ("language", "n", "gender", "spoken"),
    [
        ("ru", 1, "feminine", "одна"),
        ("ru", 1, "neuter", "одно"),
        ("ru", 2, "neuter", "два"),
        ("ru", 22, "feminine", "двадцать две"),
        ("ru", 12, "feminine", "двенадцать"),
        ("ru", 1001, "feminine", "одна тысяча одна"),
        ("uk", 31, "neuter", "тридцять одне"),
        ("uk", 102, "feminine", "сто дві"),
        ("lt", 3, "feminine", "trys"),
        ("lt", 25, "feminine", "dvidešimt penkios"),
        ("lt", 2002, "feminine", "du tūkstančiai dvi"),
        ("en", 2, "feminine", "two"),
    ],
)
def test_numbers_agree_with_their_noun(language: str, n: int, gender: str, spoken: str) -> None:
    assert words(say_number(n, language, gender), language) == spoken  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "n", "spoken"),
    [
        ("en", 0, "less than a minute"),
        ("en", 1, "one minute"),
        ("en", 21, "twenty one minutes"),
        ("ru", 1, "одна минута"),
        ("ru", 2, "две минуты"),
        ("ru", 4, "четыре минуты"),
        ("ru", 5, "пять минут"),
        ("ru", 11, "одиннадцать минут"),
        ("ru", 14, "четырнадцать минут"),
        ("ru", 21, "двадцать одна минута"),
        ("ru", 111, "сто одиннадцать минут"),
        ("uk", 1, "одна хвилина"),
        ("uk", 3, "три хвилини"),
        ("uk", 12, "дванадцять хвилин"),
        ("uk", 22, "двадцять дві хвилини"),
        ("lt", 1, "viena minutė"),
        ("lt", 2, "dvi minutės"),
        ("lt", 9, "devynios minutės"),
        ("lt", 10, "dešimt minučių"),
        ("lt", 11, "vienuolika minučių"),
        ("lt", 21, "dvidešimt viena minutė"),
        ("lt", 25, "dvidešimt penkios minutės"),
        ("lt", 30, "trisdešimt minučių"),
    ],
)
def test_minutes_take_the_right_plural(language: str, n: int, spoken: str) -> None:
    """Unicode CLDR plural rules: one, few, many."""
    assert words(say_minutes(n, language), language) == spoken


def test_positions_are_spoken_without_case_or_gender_trouble() -> None:
    assert words(say_position(1, "ru"), "ru") == "Ваш звонок первый в очереди."
    assert words(say_position(5, "ru"), "ru") == "Ваш номер в очереди: пять"
    assert words(say_position(21, "uk"), "uk") == "Ваш номер у черзі: двадцять один"
    assert words(say_position(3, "lt"), "lt") == "Jūsų numeris eilėje: trys"
    assert words(say_position(3, "en"), "en") == "Your position in the queue is three"
    assert say_position(0, "en") == ("you-are-next",)


def test_a_wait_is_rounded_up_to_minutes() -> None:
    assert say_wait(59.9, "en") == ("estimated-wait", "less-than-a-minute")
    assert say_wait(60, "en") == ("estimated-wait", "number-1", "minute-one")
    assert say_wait(61, "ru") == ("estimated-wait", "number-2-feminine", "minute-few")


def test_digits_are_spoken_one_by_one() -> None:
    assert words(say_digits("+370 12-0*#", "lt"), "lt").startswith("plius trys septyni nulis vienas du nulis")
    assert words(say_digits("105", "ru"), "ru") == "один ноль пять"
    with pytest.raises(LocalError, match="12a"):
        say_digits("12a", "en")


def test_a_key_stands_in_the_case_that_press_asks_for() -> None:
    assert words(("choose-language", *say_key("1", "lt")), "lt").endswith("spauskite vieną")
    assert words(("choose-language", *say_key("2", "uk")), "uk").endswith("натисніть два")
    assert words(say_key("*#", "ru"), "ru") == "звёздочку решётку"
    with pytest.raises(LocalError):
        say_key("+", "en")


def test_unknown_languages_count_as_english_does() -> None:
    assert say_number(21, "en-GB") == say_number(21, "en") == say_number(21, "pl")
    assert say_number(1000, "lt-LT") == ("thousand-one",)


@given(st.integers(0, LARGEST), st.sampled_from(LANGUAGES), st.sampled_from(["masculine", "feminine", "neuter"]))
def test_every_number_has_its_prompts(n: int, language: str, gender: str) -> None:
    assert words(say_number(n, language, gender), language)  # type: ignore[arg-type]
    assert words(say_minutes(n, language), language)


@pytest.mark.parametrize("n", [-1, LARGEST + 1])
def test_numbers_outside_are_refused(n: int) -> None:
    with pytest.raises(LocalError, match="from 0 to 999999"):
        say_number(n, "en")
