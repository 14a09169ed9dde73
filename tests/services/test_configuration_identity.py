"""Settings of identity: every fault with its line."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check

BASE = '[phones.1001]\npassword = "long-enough-1"\n[trunks.carrier]\naddress = "sip:198.51.100.10"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            'numbers = ["+370[1"]',
            "trunks.carrier.numbers[0]: number pattern '+370[1', position 5",
        ),
        ('number_form = "national"', "trunks.carrier.number_form: needs country"),
        ('trusted = false\nidentity = "remote-party-id"', "trunks.carrier.identity: never used"),
        ('diversion = "history"', "trunks.carrier.diversion"),
        ('[[routes]]\nto = "phone:1001"\ndiverted_from = "[]"', "routes[0].diverted_from: number pattern"),
        ('[codes]\nhide_caller_id = "*4"', "codes.login"),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BASE + text + "\n", encoding="utf-8")
    found = [str(one).removeprefix(f"{path}:") for one in check(path)]
    assert any(fault in one for one in found), found
