"""An IPv6 phone talks with an IPv4 one and with an IPv4 carrier: each by the listener that fits, sound both ways."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softswitch.wire.sdp import parse_sdp
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import sdp
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, running_switch

SIX, FOUR, OTHER = "::1", "127.0.0.2", "127.0.0.3"
TONES = {SIX: 700.0, FOUR: 1100.0, OTHER: 1300.0}
pytestmark = pytest.mark.interop


class User:
    """Signals and speaks at one address."""

    def __init__(self, name: str, host: str, port: int, switch: tuple[str, int]) -> None:
        self.host = host
        self.sip = SipUser(name, host, port, switch)
        self.rtp = RtpPeer(TONES[host], free_port(host=host), host)

    def body(self) -> bytes:
        address = f"IP6 {self.host}" if ":" in self.host else f"IP4 {self.host}"
        text = sdp(port=self.rtp.port).replace("IP[local_ip_type] [local_ip]", address)
        return text.replace("IP[media_ip_type] [media_ip]", address).replace("\n", "\r\n").encode() + b"\r\n"

    def sends_to(self, description: bytes) -> None:
        media = parse_sdp(description).media[0]
        assert media.connection is not None
        assert (":" in media.connection) == (":" in self.host), "each is told an address of its own family"
        self.rtp.redirect((media.connection, media.port))

    def close(self) -> None:
        self.sip.close()
        self.rtp.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[SwitchProcess, User, User, User]]:
    ports = {host: free_port(host=host) for host in TONES}
    tables = f"""
[phones.1006]
contact = "sip:1006@[{SIX}]:{ports[SIX]}"
[phones.1004]
contact = "sip:1004@{FOUR}:{ports[FOUR]}"
[trunks.carrier]
address = "sip:{OTHER}:{ports[OTHER]}"
options_seconds = 0
listener = "udp:127.0.0.1:LISTEN"
[[routes]]
from = "phone:*"
number = "0."
to = "trunk:carrier"
"""
    try:
        six = free_port(host=SIX)
    except OSError:
        pytest.skip("this machine has no ::1")

    def base(text: str) -> str:
        port = text.split('listen = ["udp:127.0.0.1:')[1].split('"')[0]
        listeners = f'"udp:[::1]:{six}", "udp:127.0.0.4:{port}", "udp:127.0.0.1:{port}"'
        text = text.replace(f'"udp:127.0.0.1:{port}"', listeners)
        text = text.replace('address = "127.0.0.1"', 'address = ["127.0.0.1", "::1"]')
        return text + tables.replace("LISTEN", port)

    with running_switch(tmp_path, "", base=base) as switch:
        users = [
            User(name, host, ports[host], (SIX, six) if host == SIX else (switch.host, switch.port))
            for name, host in (("1006", SIX), ("1004", FOUR), ("carrier", OTHER))
        ]
        yield switch, users[0], users[1], users[2]
        for user in users:
            user.close()
        switch.calls_over()
        switch.no_faults()


def talk(caller: User, callee: User, number: str) -> None:
    offers: list[bytes] = []

    def take() -> None:
        offers.append(callee.sip.wait())
        callee.sip.answer(callee.body())

    thread = threading.Thread(target=take)
    thread.start()
    caller.sends_to(caller.sip.call(number, caller.body()))
    thread.join()
    callee.sends_to(offers[0])
    for hearer, speaker in ((caller, callee), (callee, caller)):
        hearer.rtp.hears(TONES[speaker.host])
    caller.sip.hang_up()
    callee.sip.hung_up()


def test_six_and_four_talk(site: tuple[SwitchProcess, User, User, User]) -> None:
    """Called and calling, phone and carrier; the carrier's calls leave by the listener that it names."""
    _, six, four, carrier = site
    talk(six, four, "1004")
    talk(four, six, "1006")
    talk(six, carrier, "0123")
