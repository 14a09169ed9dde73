"""What is wrong with conferences and the directory, with line and suggestion."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check

PHONES = '[phones.1001]\npassword = "long-enough-1"\n[phones.1002]\npassword = "long-enough-2"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[conferences."a b"]', "not a name: letters, digits and _ . + - only"),
        ("[conferences.a]", "has no number, and no route or menu leads here"),
        ('[conferences.a]\nnumber = "6oo"', 'number: "6oo" cannot be dialled: digits, * and # only'),
        ('[conferences.a]\nnumber = ""', "number:"),
        ('[conferences.a]\nnumber = "1001"', '"1001" is also the number of phones.1001'),
        ('[parking.p]\nslots = "600-610"\n[conferences.a]\nnumber = "605"', "is also the number of parking.p"),
        ('[conferences.a]\nnumber = "600"\n[conferences.b]\nnumber = "600"', "is also the number of conferences.a"),
        ('[conferences.a]\npin = "12a4"', "pin: must be digits"),
        ('[conferences.a]\npin = ""', "pin: must be digits"),
        ('[conferences.a]\npin = "123456789012345678901"', "pin: must not be longer than 20 digits"),
        ('[conferences.a]\npin = "12"', "pin: weak: shorter than 4 digits"),
        ('[conferences.a]\npin = "1234"\nmoderator_pin = "1234"', "everybody would be a moderator"),
        ('[conferences.a]\nmoderators = ["1003"]', 'no phone "1003"'),
        ('[conferences.a]\nphones = ["101"]', 'no phone "101"; did you mean "1001"?'),
        ("[conferences.a]\nmax_members = 1", "max_members: must be 0 (no limit) or at least 2"),
        ("[conferences.a]\nmax_members = -1", "max_members: must not be below 0"),
        ("[conferences.a]\nwait_for_moderator = true", "nobody can be the moderator"),
        ("[conferences.a]\nend_with_moderator = true", "nobody can be the moderator"),
        ('[conferences.a]\nlanguage = "de"', 'language: no language "de"'),
        ('[conferences.a]\nmusic = "jazz"', 'no music "jazz"'),
        ('[conferences.a]\nannounce = "bell"', "announce"),
        ('[conferences.a]\nrecord = "stereo"', "record"),
        ("[conferences.a]\npinn = 1", "pin"),
        ('[[routes]]\nnumber = "7"\nto = "directory:nowhere"', 'no group "nowhere"'),
        ('[[routes]]\nnumber = "7"\nto = "directry:"', "directory"),
        ('[codes.conference]\nmute = "*1x"', "cannot be dialled"),
        ('[codes.conference]\nmute = "*2"', "is also codes.conference.mute"),
        ('[codes.conference]\nmute = "*22"', "is never reached: codes.conference.count"),
        ("[codes.conference]\ndigit_timeout = 0.5", "digit_timeout: must be 1 to 30"),
        ('[codes]\nrecord_name = "*72"', '"*72"'),
    ],
)
def test_a_fault_is_named(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(PHONES + text + "\n", encoding="utf-8")
    assert any(fault in str(found) for found in check(path)), [str(found) for found in check(path)]


def test_a_complete_example_has_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        PHONES
        + '[conferences.board]\nnumber = "600"\npin = "730614"\nmoderator_pin = "902847"\nmoderators = ["1001"]\n'
        + 'max_members = 20\nwait_for_moderator = true\nend_with_moderator = true\nannounce = "name"\nmuted = true\n'
        + 'record = "members"\nlanguage = "lt"\nidle_timeout = 600\n[groups.sales]\nmembers = ["phone:1001"]\n'
        + '[[routes]]\nnumber = "601"\nto = "conference:plain"\n[[routes]]\nnumber = "411"\nto = "directory:"\n'
        + '[[routes]]\nnumber = "412"\nto = "directory:sales"\n[[routes]]\nnumber = "413"\nto = "group:sales"\n'
        + '[codes.conference]\nend = ""\n',
        encoding="utf-8",
    )
    assert [str(found) for found in check(path)] == []
