"""`directory:`: names spelled on the keys, read out, chosen."""

from dataclasses import replace

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.switch.settings import Phone, RingGroup, Route
from tests.switch.meeting import SETTINGS, Meeting
from tests.switch.site import Line

GROUP = replace(
    SETTINGS,
    groups={"sales": RingGroup(members=("phone:1001", "phone:1002"))},
    routes=(Route(number="412", to="directory:sales"), *SETTINGS.routes),
)


def site_with(settings: object = SETTINGS) -> Meeting:
    site = Meeting(settings)  # type: ignore[arg-type]

    def prompt(name: str, language: str) -> str:
        if "/names/" in name and not name.endswith("/1002.wav"):
            raise LocalError("not there")
        return f"{language}/{name}"

    site.switch.office._find_prompt = prompt
    return site


def ask(site: Meeting, keys: str, number: str = "200") -> Line:
    line = site.carrier.call(number)
    assert site.said() == ("directory-spell",)
    site.key(site.carrier, keys)
    return line


def test_the_only_one_of_that_name_is_rung_by_one() -> None:
    """Žukauskas, who has said his name."""
    site = site_with()
    line = ask(site, "985#")
    assert site.said() == ("var/names/1002.wav", "directory-press", "number-1", "directory-again")
    site.key(site.carrier, "1")
    assert site.phones[1].line.state == "up"
    site.carrier.hang_up(line)
    site.nothing_left()


def test_several_are_read_out_with_keys() -> None:
    """Smith and Smythe, by a pause in place of the hash key."""
    site = site_with()
    line = ask(site, "76")
    site.run(4.5)
    first = ("directory-extension", *(f"number-{digit}" for digit in "1001"), "directory-press", "number-1")
    second = ("directory-extension", *(f"number-{digit}" for digit in "1004"), "directory-press", "number-2")
    assert site.said() == (*first, *second, "directory-again"), "in the order of names"
    site.key(site.carrier, "2")
    assert [phone.name for phone in site.phones if phone.lines] == ["1004"]
    site.carrier.hang_up(line)
    site.nothing_left()


def test_cyrillic_names_are_spelled_as_phones_print_them() -> None:
    site = site_with()
    line = ask(site, "4522#")  # Кова…
    assert "number-3" in site.said()
    site.key(site.carrier, "1")
    assert site.phones[2].line.state == "up"
    site.carrier.hang_up(line)
    site.nothing_left()


def test_nobody_of_that_name_three_times_is_a_goodbye() -> None:
    site = site_with()
    line = ask(site, "555#")
    assert site.said() == ("directory-nobody", "directory-spell")
    site.key(site.carrier, "01#")
    site.key(site.carrier, "#")
    assert site.said() == ("directory-nobody", "voicemail-goodbye")
    site.prompt_ends()
    assert line.state == "over"
    site.nothing_left()


def test_silence_is_a_goodbye_in_the_end() -> None:
    site = site_with()
    line = ask(site, "")
    for _ in range(4):
        site.prompt_ends()
        site.run(4.5)
    assert line.state == "over"
    line = ask(site, "985#")
    for _ in range(4):
        site.prompt_ends()
        site.run(4.5)
    assert line.state == "over"
    site.nothing_left()


def test_too_many_are_not_read_out() -> None:
    crowd = {f"20{n:02}": Phone(password="correct horse", name=f"Ann {n}") for n in range(9)}
    site = site_with(replace(SETTINGS, phones=SETTINGS.phones | crowd))
    line = ask(site, "266#")
    assert site.said() == ("directory-too-many", "directory-spell")
    site.carrier.hang_up(line)
    site.nothing_left()


def test_star_begins_anew_and_other_keys_are_no_choice() -> None:
    site = site_with()
    line = ask(site, "76*985#")
    assert site.said()[0] == "var/names/1002.wav"
    site.key(site.carrier, "7")
    assert site.said() == ("invalid-choice", "directory-spell")
    site.key(site.carrier, "985#*")
    assert site.said() == ("directory-spell",)
    site.carrier.hang_up(line)
    site.nothing_left()


def test_who_is_not_listed_or_has_no_name_is_not_found() -> None:
    phones = {**SETTINGS.phones, "1002": replace(SETTINGS.phones["1002"], listed=False)}
    site = site_with(replace(SETTINGS, phones=phones))
    line = ask(site, "985#")
    assert site.said() == ("directory-nobody", "directory-spell")
    site.carrier.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize(("keys", "found"), [("985#", True), ("4522#", False)])
def test_a_group_of_its_own(keys: str, found: bool) -> None:
    site = site_with(GROUP)
    line = ask(site, keys, "412")
    assert (site.said()[0] == "var/names/1002.wav") is found
    assert site.facts("directory.asked")[0].data == {"directory": "sales", "keys": keys[:-1], "found": int(found)}
    site.carrier.hang_up(line)
    site.nothing_left()


def test_a_caller_who_hangs_up_anywhere_leaves_nothing() -> None:
    site = site_with()
    for keys in ("", "9", "985#", "555#", "985#*"):
        line = ask(site, keys)
        site.carrier.hang_up(line)
    site.nothing_left()
