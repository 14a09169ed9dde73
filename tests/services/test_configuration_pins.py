"""`check` and PINs that are easily guessed."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check
from softswitch.services.configuration_pins import easy

TRUNK = '[trunks.t]\naddress = "sip:192.0.2.1"\ncountry = "1"\n'
WAYS = {
    "route": '[[routes]]\nfrom = "trunk:t"\nnumber = "1"\nto = "conference:a"\n',
    "any": '[[routes]]\nfrom = "any"\nnumber = "1"\nto = "conference:a"\n',
    "menu": (
        '[[routes]]\nfrom = "trunk:*"\nnumber = "1"\nto = "ivr:m"\n'
        '[ivr.m]\nprompt = "welcome"\nkeys = { 1 = "conference:a" }\n'
    ),
    "variable": '[[routes]]\nfrom = "trunk:*"\nnumber = "1"\nto = "conference:{called}"\n',
    "forwarded": (
        '[[routes]]\nfrom = "trunk:*"\nnumber = "1"\nto = "phone:1"\n'
        '[phones.1]\npassword = "correct horse"\nalways = "conference:a"\n'
    ),
}


def told(folder: Path, text: str) -> list[str]:
    path = folder / "c.toml"
    path.write_text(text)
    return [str(fault) for fault in check(path) if "pin: " in str(fault)]


@pytest.mark.parametrize("way", WAYS)
def test_a_short_pin_where_strangers_come(tmp_path: Path, way: str) -> None:
    [fault] = told(tmp_path, f'{TRUNK}{WAYS[way]}[conferences.a]\nnumber = "600"\npin = "7306"\n')
    assert "warning: conferences.a.pin: short: calls from trunks can come here" in fault
    assert not told(tmp_path, f'{TRUNK}{WAYS[way]}[conferences.a]\nnumber = "600"\npin = "730614"\n')


def test_a_short_pin_of_the_house_is_nobody_elses_matter(tmp_path: Path) -> None:
    inside = '[[routes]]\nfrom = "phone:*"\nnumber = "1"\nto = "conference:a"\n'
    assert not told(tmp_path, f'{TRUNK}{inside}[conferences.a]\nnumber = "600"\npin = "7306"\n')


@pytest.mark.parametrize(
    "pin", ["1234", "4321", "0000", "1212", "2580", "1984", "123456", "987654", "343434", "11111111"]
)
def test_what_everybody_tries_first(tmp_path: Path, pin: str) -> None:
    assert easy(pin)
    for section in ("conferences", "voicemail"):
        [fault] = told(tmp_path, f'[{section}.a]\nnumber = "600"\npin = "{pin}"\n')
        assert f"warning: {section}.a.pin: weak: everybody tries this one first" in fault


def test_the_rooms_own_number_is_no_secret(tmp_path: Path) -> None:
    [fault] = told(tmp_path, '[conferences.a]\nnumber = "730614"\nmoderator_pin = "730614"\n')
    assert "conferences.a.moderator_pin: weak" in fault


@pytest.mark.parametrize("pin", ["7306", "730614", "2104", "90219", "13579"])
def test_what_is_none_of_these(pin: str) -> None:
    assert not easy(pin)
