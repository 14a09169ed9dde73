"""`fax`: whom T.38 is refused for."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check, load

PHONE = '[phones.1001]\npassword = "long-enough-1"\n'
TRUNK = '[trunks.carrier]\naddress = "sip:198.51.100.10"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [(PHONE + 'fax = "of"\n', 3), (TRUNK + 'fax = "audio"\n', 3), ("[media]\nfax = true\n", 2)],
)
def test_another_word_is_a_fault_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    faults = [str(found) for found in check(path)]
    assert any(f"config.toml:{line}:" in fault and "fax" in fault for fault in faults), faults


def test_the_site_s_word_and_a_party_s_own(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[media]\nfax = "off"\n' + PHONE + 'fax = "t38"\n' + TRUNK, encoding="utf-8")
    settings = load(path)
    assert settings.media.fax == "off"
    assert settings.phones["1001"].fax == "t38"
    assert settings.trunks["carrier"].fax is None
