"""A real NAT (nftables, ports drawn at random): a phone behind it, and the switch behind it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from softswitch.wire.sdp import parse_sdp
from softswitch.wire.sip import Request
from tests.interop.network import PRIVATE, PUBLIC, ROUTER, Network, inside, network, why_not
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import sdp
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

NEAR = "127.0.0.2"
TONES = {NEAR: 700.0, PRIVATE: 1100.0, PUBLIC: 1300.0}
PASSWORD = "correct horse"
pytestmark = [pytest.mark.interop, pytest.mark.skipif(bool(reason := why_not()), reason=f"NAT: {reason}")]


class User:
    """Signals and speaks at one address of this thread's namespace. It speaks to whom it hears, else as told."""

    def __init__(self, name: str, host: str, port: int, switch: tuple[str, int]) -> None:
        self.host = host
        self.sip = SipUser(name, host, port, switch)
        self.rtp = RtpPeer(TONES[host], free_port(host=host), host)

    def body(self) -> bytes:
        text = sdp(port=self.rtp.port).replace("IP[local_ip_type] [local_ip]", f"IP4 {self.host}")
        return text.replace("IP[media_ip_type] [media_ip]", f"IP4 {self.host}").replace("\n", "\r\n").encode() + b"\r\n"

    def close(self) -> None:
        self.sip.close()
        self.rtp.close()


@pytest.fixture
def net() -> Iterator[Network]:
    with network() as made:
        yield made


def talk(caller: User, callee: User, number: str, latching: User | None = None) -> tuple[Request, bytes]:
    """The call, heard both ways; the callee's INVITE and the caller's answer. Who is latching sends to where sound
    comes from, as carriers do with customers behind NAT, and not to where the description says."""

    def take() -> None:
        callee.sip.wait()
        callee.sip.answer(callee.body())

    thread = threading.Thread(target=take)
    thread.start()
    answer = caller.sip.call(number, caller.body())
    thread.join()
    invite = callee.sip.invite
    assert invite is not None
    for user, description in ((caller, answer), (callee, invite.body)):
        media = parse_sdp(description).media[0]
        if user is latching:
            continue
        user.rtp.redirect((media.connection or "", media.port))
    for hearer, speaker in ((caller, callee), (callee, caller)):
        hearer.rtp.hears(TONES[speaker.host])
    return invite, answer


def test_a_phone_behind_a_nat(net: Network, tmp_path: Path) -> None:
    """Registered with its private address: rung at the NAT's, with its own Contact as Request-URI; sound by latching,
    and a keep-alive that reaches it."""
    with inside(net.world):
        port = free_port(host=NEAR)
        tables = f'[phones.1001]\npassword = "{PASSWORD}"\n[phones.1002]\ncontact = "sip:1002@{NEAR}:{port}"\n'

        def base(text: str) -> str:
            text = text.replace(
                'listen = ["udp:127.0.0.1:', f'keep_alive = 2\nlisten = ["udp:{PUBLIC}:SIP", "udp:127.0.0.1:'
            )
            sip = text.split('"udp:127.0.0.1:')[1].split('"')[0]
            return text.replace(":SIP", f":{sip}").replace('address = "127.0.0.1"', 'address = "0.0.0.0"')

        with running_switch(tmp_path, tables, base=base) as switch:
            near = User("1002", NEAR, port, (switch.host, switch.port))
            with inside(net.home):
                phone = User("1001", PRIVATE, free_port(host=PRIVATE), (PUBLIC, switch.port))
            try:
                phone.sip.register("pbx.test", PASSWORD)
                (row,) = switch.get("registrations")["items"]
                assert ROUTER in row["source"]
                assert PRIVATE in row["contact"]
                phone.sip.asked("OPTIONS")
                invite, _ = talk(near, phone, "1001")
                assert invite.uri.host == PRIVATE
                near.sip.hang_up()
                phone.sip.hung_up()
                over(switch)
            finally:
                near.close()
                phone.close()


def test_the_switch_behind_a_nat_learns_its_address(net: Network, tmp_path: Path) -> None:
    """`external_address = "learn"`: what the carrier saw of OPTIONS stands in Contact and SDP for the carrier; the
    phone in the house is told the address in the house."""
    with inside(net.world):
        carrier_port = free_port(host=PUBLIC)
    with inside(net.home):
        port = free_port(host=NEAR)
        tables = f"""
[phones.1002]
contact = "sip:1002@{NEAR}:{port}"
[trunks.carrier]
address = "sip:{PUBLIC}:{carrier_port}"
options_seconds = 5
[[routes]]
from = "phone:*"
number = "0."
to = "trunk:carrier"
"""

        def base(text: str) -> str:
            text = text.replace(
                'listen = ["udp:127.0.0.1:',
                f'external_address = "learn"\nlisten = ["udp:{PRIVATE}:SIP", "udp:127.0.0.1:',
            )
            sip = text.split('"udp:127.0.0.1:')[1].split('"')[0]
            return text.replace(":SIP", f":{sip}").replace('address = "127.0.0.1"', 'address = "0.0.0.0"')

        with inside(net.world):
            carrier = User("carrier", PUBLIC, carrier_port, (ROUTER, 9))
        try:
            with running_switch(tmp_path, tables, base=base) as switch:
                near = User("1002", NEAR, port, (switch.host, switch.port))
                try:
                    wait_until("the address", lambda: "external address learned" in switch.log.read_text())
                    (line,) = (row for row in switch.log_lines() if row["event"] == "external address learned")
                    invite, answer = talk(near, carrier, "0123", latching=carrier)
                    (contact,) = invite.contacts
                    assert (contact.uri.host, contact.uri.port) == (ROUTER, line["port"])
                    assert parse_sdp(invite.body).media[0].connection == ROUTER
                    assert parse_sdp(answer).media[0].connection == "127.0.0.1"
                    carrier.sip.switch = (ROUTER, line["port"])
                    carrier.sip.hang_up()
                    near.sip.hung_up()
                    over(switch)
                finally:
                    near.close()
        finally:
            carrier.close()


def over(switch: SwitchProcess) -> None:
    switch.calls_over()
    switch.no_faults()
