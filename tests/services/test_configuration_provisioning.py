"""`check` on devices and provisioning: the line, the key, the sentence."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check

BASE = '[sip]\ndomain = "pbx.example.com"\nlisten = ["udp:127.0.0.1:5060"]\n'
DEVICE = '[phones.1001]\npassword = "long-enough-1001"\ndevice = { model = "yealink", mac = "001565123456" }\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[provisioning]\nlisten = "0.0.0.0:8443"\n', 5, "needs a certificate"),
        ('[provisioning]\nlisten = "pbx:8443"\n', 5, "is not address:port"),
        ('[provisioning]\nurl = "http://pbx.example.com"\n', 5, "must begin with https://"),
        ('[provisioning]\nallow = ["10.0.0.1/8"]\n', 5, "host bits"),
        ("[provisioning]\nport = 0\n", 5, "1 to 65535"),
        ('[provisioning.brands.yealnk]\n"a" = 1\n', 4, "yealink"),
        (DEVICE.replace("001565123456", "0015"), 6, "hardware address"),
        (DEVICE.replace(', mac = "001565123456"', ""), 6, "give it one"),
        (DEVICE.replace("yealink", "polycom"), 6, "linphone"),
        (DEVICE + DEVICE.replace("[phones.1001]", "[phones.1002]"), 9, "the device of phones.1001, too"),
        (DEVICE.replace('password = "long-enough-1001"', f'ha1 = {{ MD5 = "{"0" * 32}" }}'), 6, "digest is not enough"),
        (DEVICE + "webrtc = true\n", 6, "is no browser"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BASE + text)
    found = [str(fault) for fault in check(path) if fault.line == line]
    assert any(words in fault for fault in found), check(path)


def test_a_good_one_has_no_faults(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(BASE + DEVICE)
    assert not [fault for fault in check(path) if "device" in fault.key or "provisioning" in fault.key]
