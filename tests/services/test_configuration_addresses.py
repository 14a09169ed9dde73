"""Listeners, external addresses, name servers, media addresses: what is wrong is said with a way out."""

import pytest

from softswitch.services.configuration_addresses import check_addresses
from softswitch.switch.settings import LEARN, Api, Media, Phone, Provisioning, Settings, Sip, Trunk

LISTEN = ("udp:10.0.0.1:5060", "udp:[::]:5060")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(sip=Sip(dns_servers=("ns.example:53",))), '"ns.example:53" is not address:port'),
        (Settings(sip=Sip(dns_servers=("192.0.2.1:0",))), "is not address:port"),
        (Settings(sip=Sip(listen=LISTEN, external_addresses={"udp:10.0.0.2:5060": "1.2.3.4"})), "is not in sip.listen"),
        (Settings(sip=Sip(listen=LISTEN, external_addresses={LISTEN[0]: "nowhere"})), "neither an address nor a host"),
        (Settings(trunks={"a": Trunk(address="sip:a.example", listener="udp:1.2.3.4:1")}), "is not in sip.listen"),
        (Settings(phones={"a": Phone(contact="sip:a@1.2.3.4", listener="x")}), "is not in sip.listen"),
        (Settings(sip=Sip(external_address=LEARN)), "nothing to learn from"),
        (Settings(api=Api(listen="127.0.0.1:5060")), "the port is that of sip.listen[1], tcp:0.0.0.0:5060"),
        (
            Settings(sip=Sip(listen=("tls:10.0.0.1:5061", "wss:10.0.0.1:5061"))),
            "that of sip.listen[0], tls:10.0.0.1:5061",
        ),
        (Settings(sip=Sip(listen=("udp:10.0.0.1:5060", "udp:0.0.0.0:5060"))), "that of sip.listen[0]"),
        (Settings(sip=Sip(listen=("wss:[::]:8443",)), provisioning=Provisioning(listen="[::1]:8443")), "wss:[::]:8443"),
        (Settings(provisioning=Provisioning(listen="127.0.0.1:8080")), "that of api.listen, tcp:127.0.0.1:8080"),
        (Settings(provisioning=Provisioning(listen="0.0.0.0:8080")), "that of api.listen, tcp:127.0.0.1:8080"),
        (Settings(media=Media(address=("0.0.0.0", "192.0.2.1"))), "an IPv4 and an IPv6 one"),
        (Settings(media=Media(address=())), "an IPv4 and an IPv6 one"),
        (Settings(media=Media(address=("0.0.0.0", "nowhere"))), '"nowhere" is not an IP address'),
        (Settings(media=Media(external_address="home.example")), "is not an IP address"),
    ],
)
def test_what_is_wrong(settings: Settings, said: str) -> None:
    (finding,) = check_addresses(settings)
    assert said in finding.message


def test_a_misspelt_listener_is_told_the_right_one() -> None:
    settings = Settings(
        sip=Sip(listen=LISTEN), trunks={"a": Trunk(address="sip:a.example", listener="udp:10.0.0.1:506")}
    )
    (finding,) = check_addresses(settings)
    assert (finding.path, finding.suggestion) == (("trunks", "a", "listener"), LISTEN[0])


def test_one_port_serves_both_protocols_and_several_addresses() -> None:
    listen = (
        "udp:0.0.0.0:5060",
        "udp:[::]:5060",
        "tcp:10.0.0.1:5060",
        "tcp:10.0.0.2:5060",
        "tcp:[::1]:5060",
        "ws:1.2.3.4:0",
    )
    assert list(check_addresses(Settings(sip=Sip(listen=listen), api=Api(listen="127.0.0.1:5060")))) == []


def test_what_is_right() -> None:
    settings = Settings(
        sip=Sip(
            listen=LISTEN,
            dns_servers=("192.0.2.53:53", "[2001:db8::53]:53"),
            external_address=LEARN,
            external_addresses={LISTEN[0]: "home.example.net", LISTEN[1]: LEARN},
        ),
        media=Media(address=("0.0.0.0", "::"), external_address=LEARN),
        trunks={"a": Trunk(address="sip:a.example", listener=LISTEN[0])},
    )
    assert list(check_addresses(settings)) == []
