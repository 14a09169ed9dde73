"""Numbers: ITU-T E.164 normalising, dial patterns as the settings describe them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import LocalError
from softswitch.sip.numbers import Pattern, e164, shape


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("+37061234567", "+37061234567"),
        ("+370 612 34-567", "+37061234567"),
        ("0037061234567", "+37061234567"),
        ("061234567", "+37061234567"),
        ("37061234567", "+37061234567"),
        ("61234567", "+37061234567"),
        ("(8-5) 123.45.67", "+37085123 4567".replace(" ", "")),
        ("00442079460123", "+442079460123"),
        ("112", "112"),
        ("1001", "1001"),
        ("anonymous", "anonymous"),
        ("J.R. Ewing", "J.R. Ewing"),
        ("", ""),
        ("3706123", "+3703706123"),  # too short for country code and number: national
        ("00", "00"),
        ("000000000", "000000000"),  # no calling code begins with 0
        ("00123456789012345678", "00123456789012345678"),  # more than 15 digits is no E.164 number
        ("٣٤٥٦٧٨٩٠", "٣٤٥٦٧٨٩٠"),  # digits of another script are not dialled
    ],
)
def test_e164_from_what_a_lithuanian_trunk_sends(dialled: str, expected: str) -> None:
    """ITU-T E.164 §6: country code and national number, at most 15 digits."""
    assert e164(dialled, "370") == expected


def test_country_with_plus_is_the_same() -> None:
    assert e164("061234567", "+370") == e164("061234567", "370")


def test_north_american_plan() -> None:
    """National prefix 1 and international prefix 011."""
    assert e164("2025550123", "1", "1", "011") == "+12025550123"
    assert e164("12025550123", "1", "1", "011") == "+12025550123"
    assert e164("01137061234567", "1", "1", "011") == "+37061234567"


def test_italy_keeps_its_leading_zero() -> None:
    """Without a national prefix the zero belongs to the number."""
    assert e164("0612345678", "39", "") == "+390612345678"


def test_without_country_only_international_forms_change() -> None:
    assert e164("061234567", None) == "061234567"
    assert e164("0037061234567", None) == "+37061234567"


@given(st.text(max_size=24), st.sampled_from([None, "370", "1", "+44"]))
def test_e164_is_stable(number: str, country: str | None) -> None:
    """What has become "+…" does not change again."""
    once = e164(number, country)
    if once.startswith("+"):
        assert e164(once, country) == once


def test_shape_strips_and_prefixes() -> None:
    assert shape("+37061234567", 1) == "37061234567"
    assert shape("90061234567", 1, "00") == "000061234567"
    assert shape("1", 5, "x") == "x"


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("1001", ["1001"], ["100", "10011", "x1001", ""]),
        ("1XXX", ["1000", "1999"], ["100", "10000", "1a00"]),
        ("ZX", ["10", "99"], ["01"]),
        ("NX", ["20"], ["10", "00"]),
        ("0[13-5*]", ["01", "03", "05", "0*"], ["02", "06", "0-"]),
        ("00.", ["001", "00+x"], ["00", "0"]),
        ("*", ["", "1", "lobby", "+1*#"], []),
        ("*45", ["*45"], ["145", "45", "**45"]),
        ("+1555XXXX", ["+15550100"], ["15550100"]),
        ("lobby", ["lobby"], ["lobb", "Lobby"]),
        ("#.", ["#1"], ["#"]),
        ("a|b", ["a|b"], ["a", "b"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], misses: list[str]) -> None:
    """X a digit, Z 1–9, N 2–9, [..] a set, `.` one or more of anything, `*` alone all."""
    compiled = Pattern(pattern)
    assert [number for number in fits if not compiled.match(number)] == []
    assert [number for number in misses if compiled.match(number)] == []


def test_x_fits_ascii_digits_only() -> None:
    assert not Pattern("X").match("٣")


def test_a_line_end_is_not_overlooked() -> None:
    assert not Pattern("1001").match("1001\n")


@pytest.mark.parametrize(
    ("pattern", "position"),
    [("", None), ("12[3", 3), ("12]", 3), ("1[]", 2), ("1[5-3]", 3), ("1[5-]", 4), ("1 2", 2), ("[a-f]", 3), ("1..", 3),
     ("[1[2]", 3), ("1[^2]", 3)],
)  # fmt: skip
def test_a_bad_pattern_names_the_position(pattern: str, position: int | None) -> None:
    with pytest.raises(LocalError) as caught:
        Pattern(pattern)
    if position is not None:
        assert f"position {position}:" in str(caught.value)


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_a_pattern_or_a_local_error(pattern: str, number: str) -> None:
    try:
        compiled = Pattern(pattern)
    except LocalError:
        return
    assert compiled.match(number) in (True, False)
