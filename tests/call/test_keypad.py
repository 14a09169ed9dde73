"""ITU-T E.161 §2 and ETSI ES 202 130: which keys spell a name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.call.keypad import keys_of, spells


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("abcdefghijklmnopqrstuvwxyz", "22233344455566677778889999"),
        ("абвгдежзийклмнопрстуфхцчшщъыьэюя", "22223333444455556666777788889999"),
        ("ё", "3"),
        ("ґєії", "2344"),
        ("ąčęėįšųūž", "223347889"),
        ("Žukauskas", "985287527"),
        ("O'Brien", "627436"),
        ("Strauß", "7872877"),
        ("Łódź", "5639"),
        ("1+2", ""),
    ],
)
def test_letters_stand_where_telephones_print_them(word: str, keys: str) -> None:
    assert keys_of(word) == keys


@pytest.mark.parametrize(
    ("typed", "there"),
    [("764", True), ("76484", True), ("266", True), ("26676484", True), ("76484266", True), ("20601", True),
     ("0", False), ("", False), ("484", False), ("765", False)],
)  # fmt: skip
def test_a_name_is_begun_with_any_of_its_words(typed: str, there: bool) -> None:
    """Smith, Ann; 0 and 1 have no letters."""
    assert spells(typed, "Ann Smith") is there


@given(st.text(max_size=40), st.text(alphabet="0123456789*#", max_size=20))
def test_no_name_breaks_it(name: str, typed: str) -> None:
    assert set(keys_of(name)) <= set("23456789")
    spells(typed, name)
    assert spells(keys_of(name), name) is bool(keys_of(name))
