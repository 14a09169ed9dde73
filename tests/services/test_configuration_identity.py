"""Settings of identity: every fault with its line."""

import time
from pathlib import Path

import pytest

from softswitch.services.configuration import check
from tests.stir_pki import issue

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
        ("stir = { sign = true }", "trunks.carrier.stir.sign: needs stir.key, or stir.signing_service"),
        ('stir = { verify = "mark" }', "trunks.carrier.stir.verify: needs stir.anchors"),
        ('stir = { verify = "maybe" }', "trunks.carrier.stir.verify"),
        ('[stir]\nkey = "none.key"', "6: stir.key: "),
        ('[stir]\ncertificate = "none.pem"\nkey = "none.key"', "7: stir.key: "),
        ('[stir]\nanchors = "config.toml"', "has no certificates (PEM)"),
        ('[stir]\nx5u = "ftp://x"', '"ftp://x" is no URL'),
        ('[stir]\nx5u = "http://x/y"', "by https only"),
        ('[stir]\nsigning_service = "https://x/"', "must not end in /"),
        ('[stir]\nallow_networks = ["all"]', '"all" is no network'),
        ('[stir]\ncrl = ["http://pa.test/crl"]', "stir.crl[0]: must be https, or a file"),
        ('[stir]\ncrl = ["gone.crl"]', "gone.crl cannot be read: No such file or directory"),
        ('[stir]\ncrl_issuers = "gone.pem"', "gone.pem cannot be read: No such file or directory"),
        ("[stir]\ncrl_required = true", "needs stir.crl"),
        ('[stir]\ncrl = ["https://pa.test/crl"]\ncrl_seconds = 5', "must be at least 60"),
        ("[stir]\ntimeout = 60", "must be 0.1 to 10"),
        ("[stir]\nmax_age = 0", "must be 1 or more"),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BASE + text + "\n", encoding="utf-8")
    found = [str(one).removeprefix(f"{path}:") for one in check(path)]
    assert any(fault in one for one in found), found


@pytest.mark.parametrize(("days", "said"), [((-9, -1), "has expired"), ((-1, 3), "expires in 2 days"), ((-1, 30), "")])
def test_a_certificate_of_ours_that_ends(tmp_path: Path, days: tuple[int, int], said: str) -> None:
    """A warning: calls go on, but others will not believe them."""
    issue("ours", at=time.time(), days=days).write(tmp_path, "ours")
    path = tmp_path / "config.toml"
    stir = '[stir]\nkey = "ours.key"\ncertificate = "ours.pem"\nx5u = "https://certs.test/ours.pem"\n'
    path.write_text(BASE + "stir = { sign = true }\n" + stir, encoding="utf-8")
    found = [fault for fault in check(path) if fault.key.startswith("stir")]
    assert [fault.severity for fault in found] == (["warning"] if said else [])
    assert all(said in str(fault) for fault in found)
