"""Two switches, one the other's carrier; each has a certificate that the other checks (RFC 5922)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from softswitch.services.certificates import make_self_signed
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, running_switch
from tests.interop.test_next_hops_live import description

CALLER = "127.0.0.2"
pytestmark = pytest.mark.interop


def certificate(directory: Path, name: str) -> str:
    """Its `[tls]` section; the certificate is good for 127.0.0.1, too, by which the home switch calls."""
    public, secret = make_self_signed((f"{name}.test", "127.0.0.1"), 30, datetime.now(UTC))
    (directory / f"{name}.crt").write_bytes(public)
    (directory / f"{name}.key").write_bytes(secret)
    return f'[tls]\ncertificate = "{directory}/{name}.crt"\nkey = "{directory}/{name}.key"\n'


def swap(switch: SwitchProcess, old: str, new: str) -> None:
    """Change the configuration, and reload it."""
    file = switch.directory / "config.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    switch.api.post("/api/v1/reload").raise_for_status()


def test_each_knows_the_other_by_its_certificate(tmp_path: Path) -> None:
    port = free_port()
    home, carrier = certificate(tmp_path, "home"), certificate(tmp_path, "carrier")
    home += f'trusted = "{tmp_path}/home.crt"\n'
    carrier += f'client_ca = "{tmp_path}/home.crt"\n'
    homes = f"""
[phones.1001]
contact = "sip:1001@{CALLER}"
[trunks.carrier]
address = "sip:127.0.0.1:{port};transport=tls"
options_seconds = 0
country = "1"
[[routes]]
from = "phone:*"
number = "0."
to = "trunk:carrier"
"""
    carriers = """
[trunks.home]
address = "sip:127.0.0.99"
tls_subject = "home.test"
options_seconds = 0
country = "1"
[[routes]]
from = "trunk:home"
number = "0123"
to = "echo:"
"""

    def listening(text: str) -> str:
        return text.replace("listen = [", f'listen = ["tls:127.0.0.1:{port}", ', 1) + carrier

    with (
        running_switch(tmp_path / "carrier", carriers, base=listening) as there,
        running_switch(tmp_path / "home", homes, base=lambda text: text + home) as here,
    ):
        user = SipUser("1001", CALLER, free_port(host=CALLER), (here.host, here.port))
        try:
            # Nobody vouches for the carrier: no connection, no call.
            with pytest.raises(AssertionError, match="503"):
                user.call("0123", description(CALLER))
            assert here.status()["counters"]["tls_failures"] > 0
            assert there.status()["calls_total"] == 0

            swap(here, 'trusted = "' + f"{tmp_path}/home.crt", 'trusted = "' + f"{tmp_path}/carrier.crt")
            user.call("0123", description(CALLER))
            user.hang_up()
            for switch in (here, there):
                switch.calls_over()
            assert there.records(1)[0]["source"] == "trunk:home"

            # Another subject: no more a trunk, and the switch there asks a stranger for a password.
            swap(there, 'tls_subject = "home.test"', 'tls_subject = "other.test"')
            with pytest.raises(AssertionError):
                user.call("0123", description(CALLER))
            assert len(there.records(1)) == 1
        finally:
            user.close()
        for switch in (here, there):
            switch.calls_over()
            switch.no_faults()
