"""What `check` says of certificates and of peers that are known by them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.alarms import Alarms
from softswitch.services.certificate_watch import CertificateWatch
from softswitch.services.certificates import make_self_signed, read_certificate
from softswitch.services.configuration import check, load

NOW = datetime.now(UTC)
Write = Callable[..., Path]
LISTEN = '[sip]\ndomain = "pbx.test"\nlisten = ["tls:0.0.0.0:5061"]\n'
FILES = '[tls]\ncertificate = "own.crt"\nkey = "own.key"\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration, and beside it a certificate made so many days ago."""

    def write(
        text: str, *, name: str = "own", days: int = 90, ago: int = 0, hosts: tuple[str, ...] = ("pbx.test",)
    ) -> Path:
        public, secret = make_self_signed(hosts, days, NOW - timedelta(days=ago))
        (tmp_path / f"{name}.crt").write_bytes(public)
        (tmp_path / f"{name}.key").write_bytes(secret)
        (tmp_path / "config.toml").write_text(text)
        return tmp_path / "config.toml"

    return write


def faults(path: Path) -> list[str]:
    """Without the folders, which differ."""
    return [str(fault).replace(f"{path}:", "").replace(f"{path.parent}/", "") for fault in check(path)]


def test_good_files_are_found_beside_the_configuration(write: Write) -> None:
    path = write(LISTEN + FILES)
    assert faults(path) == []
    assert load(path).tls.certificate == str(path.parent / "own.crt")


def test_a_secure_listener_needs_a_certificate(write: Write) -> None:
    assert faults(write(LISTEN)) == [
        "3: sip.listen[0]: [tls] certificate is missing; `softswitch certificate` makes one to begin with"
    ]


def test_files_that_are_missing_or_of_another_kind(write: Write) -> None:
    path = write(LISTEN + FILES)
    (path.parent / "own.key").unlink()
    assert faults(path) == ["6: tls.key: own.key cannot be read: No such file or directory"]
    (path.parent / "own.key").write_text("no key")
    assert faults(path) == ["6: tls.key: own.key holds no private key in PEM"]
    (path.parent / "own.crt").write_text("no certificate")
    assert faults(path) == ["5: tls.certificate: own.crt holds no certificate in PEM"]
    (path.parent / "own.crt").unlink()
    (path.parent / "own.key").unlink()
    missing = "cannot be read: No such file or directory"
    assert faults(path) == [f"5: tls.certificate: own.crt {missing}", f"6: tls.key: own.key {missing}"]


def test_a_key_of_another_certificate(write: Write) -> None:
    write("", name="other")
    path = write(LISTEN + FILES.replace("own.key", "other.key"))
    assert faults(path) == ["6: tls.key: the key in other.key is not that of own.crt"]


def test_a_key_with_a_passphrase_asks_nobody(write: Write) -> None:
    from cryptography.hazmat.primitives import serialization

    path = write(LISTEN + FILES)
    key = serialization.load_pem_private_key((path.parent / "own.key").read_bytes(), None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (path.parent / "own.key").write_bytes(
        key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"secret"))
    )
    assert "needs a passphrase" in faults(path)[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"days": 90, "ago": 91}, "it is over since "),
        ({"days": 10}, "it ends on "),
        ({"ago": -3}, "it is good from "),
        (
            {"hosts": ("other.test", "*.pbx.test")},
            'it does not cover sip.domain "pbx.test", but other.test, *.pbx.test',
        ),
    ],
)
def test_certificates_that_peers_would_refuse_are_warned_of(
    write: Write, options: dict[str, object], words: str
) -> None:
    [fault] = faults(write(LISTEN + FILES, **options))
    assert fault.startswith(f"5: warning: tls.certificate: {words}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[tls]\nclient_ca = "nowhere.pem"', "2: tls.client_ca: nowhere.pem cannot be read: No such file or directory"),
        ('[tls]\ntrusted = "own.key"', "2: tls.trusted: own.key holds no certificates in PEM"),
        (
            "[provisioning]\nrequire_client = true",
            "2: provisioning.require_client: needs client_ca in [tls]: whose certificates are good?",
        ),
        ("[tls]\nrequire_client = true", "2: tls.require_client: needs client_ca: whose certificates are good?"),
        ('[tls]\nkey = "own.key"', "2: tls.key: needs a certificate"),
        (
            '[websocket]\norigins = ["https://desk.test/"]',
            (
                '2: websocket.origins[0]: "https://desk.test/" is not an origin, as in "https://desk.example.com"; '
                'did you mean "https://desk.test"?'
            ),
        ),
        (
            '[trunks.a]\naddress = "sip:a.test;transport=udp"\ntls_subject = "a.test"\ncountry = "1"',
            "3: trunks.a.tls_subject: needs tls.client_ca: otherwise nobody is asked for a certificate",
        ),
        (
            '[trunks.a]\naddress = "sip/a.test"\ncountry = "1"',
            '2: trunks.a.address: "sip/a.test" is not a SIP URI, as in "sip:198.51.100.10:5060"',
        ),
        (
            '[trunks.a]\naddress = "sip:a.test;transport=wss"\ncountry = "1"',
            '2: trunks.a.address: "wss" is not a transport that we can call by: udp, tcp, tls',
        ),
    ],
)
def test_settings_that_mean_nothing(write: Write, text: str, fault: str) -> None:
    assert faults(write(text + "\n")) == [fault]


def test_a_carrier_that_is_not_verified_is_warned_of(write: Write) -> None:
    text = FILES + '[sip]\ndomain = "pbx.test"\n[trunks.a]\naddress = "sips:a.test"\nverify = false\ncountry = "1"\n'
    first, second = faults(write(text))[-2:]
    assert first.startswith("7: warning: trunks.a.address: there is no listener tls:")
    assert second.startswith("8: warning: trunks.a.verify: whoever answers there is believed")


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (("pbx.test",), "PBX.test.", True),
        (("*.pbx.test",), "a.pbx.test", True),
        (("*.pbx.test",), "a.b.pbx.test", False),
        (("*.pbx.test",), "pbx.test", False),
        (("192.0.2.1",), "192.0.2.1", True),
    ],
)
def test_which_hosts_a_certificate_covers(write: Write, names: tuple[str, ...], host: str, covered: bool) -> None:
    """RFC 6125 §6.4.3."""
    path = write("", hosts=names)
    assert read_certificate(str(path.parent / "own.crt")).covers(host) is covered


def test_an_alarm_stands_until_there_is_a_better_one(write: Write) -> None:
    said: list[tuple[str, str]] = []
    alarms = Alarms(lambda level, event, fields: said.append((level, event)))
    watch = CertificateWatch(alarms, lambda level, event, fields: said.append((level, event)))
    path = str(write("", days=5).parent / "own.crt")
    watch.look(read_certificate(path), 14, 1000.0)
    watch.look(read_certificate(path), 14, 1005.0)
    assert [alarm.name for alarm in alarms.active()] == ["certificate"]
    write("", days=90)
    watch.look(read_certificate(path), 14, 1010.0)
    assert alarms.active() == []
    assert said == [
        ("info", "tls.certificate"),
        ("error", "alarm"),
        ("info", "tls.certificate"),
        ("info", "alarm is over"),
    ]


def test_no_certificate_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot be read"):
        read_certificate(str(tmp_path / "none.crt"))
