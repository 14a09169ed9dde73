"""Requests within a call that come from elsewhere than its party: they need a proof, or they move nothing."""

from collections.abc import Callable

import pytest

from softswitch.sip.digest import Credentials
from softswitch.sip.events import Ended
from softswitch.sip.flow import Flow, Send
from softswitch.sip.offer_answer import make_offer
from softswitch.switch.events import Arrived, Effect
from softswitch.switch.settings import Agent, Defence, Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Request, parse
from tests.switch.site import Line, Party, Site

STRANGER = ("198.51.100.66", 5060)


def settings(dialogs: str = "address", **trunk: object) -> Settings:
    return Settings(
        sip=Sip(domain="pbx.test"),
        defence=Defence(dialogs=dialogs),  # type: ignore[arg-type]
        phones={
            "1001": Phone(password="correct horse"),
            "1002": Phone(password="correct horse"),
            "gate": Phone(contact="sip:192.0.2.40:5060"),
        },
        agents={"ann": Agent(phone="1002")},
        trunks={
            "carrier": Trunk(
                address="sip:203.0.113.10", accept_from=("203.0.113.0/24",), options_seconds=0.0, **trunk,  # type: ignore[arg-type]
            )
        },
        routes=(
            Route(source="trunk:*", number="1001", to="phone:1001"),
            Route(source="phone:*", number="0.", to="trunk:carrier"),
            Route(source="phone:*", number="777", to="answer:"),
            Route(source="phone:*", number="7", to="agent:ann"),
        ),
    )  # fmt: skip


class Watched(Site):
    """Keeps what goes to the stranger."""

    def __init__(self, settings: Settings) -> None:
        self.told: list[bytes] = []
        super().__init__(settings)

    def effects(self, effects: list[Effect]) -> None:
        self.told += [one.data for one in effects if isinstance(one, Send) and one.flow.remote == STRANGER]
        super().effects(effects)


def of(party: Party, act: Callable[[], object]) -> list[Request]:
    """What the party would send, which is kept back instead."""
    kept: list[Request] = []

    def keep(outputs: list[object]) -> None:
        kept.extend(parse(one.data) for one in outputs if isinstance(one, Send))  # type: ignore[misc]

    real, party.perform = party.perform, keep  # type: ignore[assignment,method-assign]
    act()
    party.perform = real  # type: ignore[method-assign]
    return kept


def forged(site: Site, request: Request, remote: tuple[str, int] = STRANGER, transport: str = "udp") -> None:
    site.give(Arrived(parse(request.to_bytes()), Flow(transport, remote)))


def statuses(site: Watched) -> list[int]:
    return [int(data.split()[1]) for data in site.told]


def talking(site: Site) -> tuple[Party, Line, Party]:
    ann, bob = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    line = ann.call("1002")
    assert line.state == "up"
    return ann, line, bob


def streams(site: Site) -> list[object]:
    return [(leg, spec.remote) for leg, spec in site.media.legs.items()]


def test_a_strangers_reinvite_moves_no_sound() -> None:
    site = Watched(settings())
    ann, line, _ = talking(site)
    before = streams(site)
    ann.remote = STRANGER
    offer = make_offer(ann.caps(), 1, 2)
    ann.remote = ("192.0.2.11", 5060)
    assert STRANGER[0].encode() in offer
    [request] = of(ann, lambda: ann.reoffer(line, offer))
    forged(site, request)
    assert streams(site) == before
    assert statuses(site) == [401]


@pytest.mark.parametrize("method", ["BYE", "INFO", "REFER", "UPDATE", "MESSAGE", "INVITE"])
def test_whatever_a_stranger_sends_within_a_phones_call_is_challenged(method: str) -> None:
    """RFC 3261 §22: any request but ACK and CANCEL may be."""
    site = Watched(settings())
    ann, line, bob = talking(site)
    [request] = of(ann, lambda: ann.perform(ann.ua.send_in_dialog(line.session, method, site.now)))
    forged(site, request)
    assert statuses(site) == [401]
    assert bob.line.state == "up"
    held = site.switch.office.ua.counts()["requests"]
    forged(site, request)  # nothing is remembered of the first
    assert site.switch.office.ua.counts()["requests"] == held
    ann.hang_up(line)
    assert bob.line.state == "over"
    site.nothing_left()


def refused_with(site: Watched, credentials: Credentials) -> None:
    """A BYE from elsewhere with these ends nothing."""
    ann, line, bob = talking(site)
    session = ann.ua._sessions.get(line.session)
    assert session is not None
    session.credentials = credentials
    site.parties[STRANGER], ann.remote = ann, STRANGER
    ann.hang_up(line)
    assert statuses(site) == [401, 403]
    assert bob.line.state == "up"


def test_a_wrong_password_within_a_call_is_a_wrong_password() -> None:
    site = Watched(settings())
    refused_with(site, Credentials("1001", "guessed"))
    assert [one.event for one in site.security] == ["auth-failed"]


def test_another_phones_password_does_not_do() -> None:
    site = Watched(settings())
    refused_with(site, Credentials("1002", "correct horse"))
    assert [(one.event, one.account) for one in site.security] == [("stray", "phone:1001")]


def test_a_phone_that_roams_proves_itself_once() -> None:
    site = Watched(settings())
    ann, line, bob = talking(site)
    site.parties[STRANGER], ann.remote = ann, STRANGER  # from one network to another
    ann.reoffer(line, make_offer(ann.caps(), 1, 2))
    assert statuses(site) == [401, 200]
    ann.hang_up(line)
    assert statuses(site) == [401, 200, 200]
    assert bob.line.state == "over"
    assert not site.security
    site.nothing_left()


def test_media_is_told_where_a_party_speaks_from() -> None:
    """A source there is no stranger (`media/latch.py`); when the phone roams, so does that."""
    site = Site(settings())
    ann, line, bob = talking(site)
    assert {spec.host for spec in site.media.legs.values()} == {"192.0.2.11", "192.0.2.12"}
    site.parties[STRANGER], ann.remote = ann, STRANGER
    ann.reoffer(line, make_offer(ann.caps(), 1, 2))
    assert {spec.host for spec in site.media.legs.values()} == {STRANGER[0], "192.0.2.12"}
    bob.hang_up(bob.line)


def test_a_phone_that_registers_from_its_new_address_is_not_asked() -> None:
    site = Watched(settings())
    ann, line, bob = talking(site)
    site.parties[STRANGER], ann.remote = ann, STRANGER
    ann.register()
    site.told.clear()
    ann.hang_up(line)
    assert statuses(site) == [200]
    assert bob.line.state == "over"


def test_another_port_is_no_other_phone() -> None:
    """A NAT forgets its bindings."""
    site = Site(settings())
    ann, line, bob = talking(site)
    ann.remote = ("192.0.2.11", 61_234)
    site.parties[ann.remote] = ann
    ann.hang_up(line)
    assert bob.line.state == "over"


def test_the_called_phone_and_the_agent_are_known_by_their_own_addresses() -> None:
    site = Watched(settings())
    ann, bob = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    line = ann.call("7")
    assert line.state == "up"
    [bye] = of(bob, lambda: bob.hang_up(bob.line))
    forged(site, bye)
    assert statuses(site) == [401]
    assert line.state == "up"
    forged(site, bye, ("192.0.2.12", 9000))
    assert line.state == "over"


def test_a_phone_without_a_password_is_told_no() -> None:
    site = Watched(settings())
    gate = site.party("gate", "192.0.2.40")
    line = gate.call("777")
    assert line.state == "up"
    [bye] = of(gate, lambda: gate.hang_up(line))
    forged(site, bye)
    assert statuses(site) == [403]
    assert len(site.switch.calls) == 1
    assert [(one.event, one.source) for one in site.security] == [("stray", STRANGER[0])]


def carried(site: Site) -> tuple[Party, Line, Party]:
    site.phone("1001", "192.0.2.11")
    carrier = site.party("carrier", "203.0.113.10")
    line = carrier.call("1001")
    assert line.state == "up"
    return carrier, line, site.parties["192.0.2.11", 5060]


@pytest.mark.parametrize("host", ["203.0.113.10", "203.0.113.200"])
def test_a_carrier_may_send_from_any_address_that_is_its_own(host: str) -> None:
    site = Watched(settings())
    carrier, line, phone = carried(site)
    [bye] = of(carrier, lambda: carrier.hang_up(line))
    forged(site, bye, (host, 5080))
    assert phone.line.state == "over"


def test_who_is_not_the_carrier_cannot_end_its_call() -> None:
    site = Watched(settings())
    carrier, line, phone = carried(site)
    [bye] = of(carrier, lambda: carrier.hang_up(line))
    forged(site, bye)
    assert statuses(site) == [403]
    bye.headers.set("Via", f"{bye.headers.get('Via')}b")
    forged(site, bye, ("192.0.2.11", 5060))  # known, but not as the carrier
    assert phone.line.state == "up"
    bye.headers.set("Via", f"{bye.headers.get('Via')}c")
    forged(site, bye, carrier.remote)
    assert phone.line.state == "over"


def test_a_carrier_with_an_account_may_prove_it() -> None:
    site = Watched(settings(username="acct", password="s3cret-word"))
    carrier, line, phone = carried(site)
    session = carrier.ua._sessions.get(line.session)
    assert session is not None
    session.credentials = Credentials("acct", "s3cret-word")
    site.parties[STRANGER], carrier.remote = carrier, STRANGER
    carrier.hang_up(line)
    assert statuses(site) == [401, 200]
    assert phone.line.state == "over"


def test_a_carrier_may_send_from_where_its_contact_and_its_proxies_are() -> None:
    """RFC 3261 §12.2.1.1: without Record-Route the next request comes from the Contact's host."""
    site = Watched(settings())
    site.phone("1001", "192.0.2.11")
    carrier = site.party("carrier", "203.0.113.10")
    line = carrier.call("1001", headers=(("Record-Route", f"<sip:{STRANGER[0]};lr>"),))
    assert line.state == "up"
    [bye] = of(carrier, lambda: carrier.hang_up(line))
    forged(site, bye)
    assert statuses(site)[-1] == 200
    assert site.parties["192.0.2.11", 5060].line.state == "over"


def test_the_address_that_answered_is_the_carriers_too() -> None:
    """Not all carriers answer from where they were called."""
    site = Watched(settings())
    ann = site.phone("1001", "192.0.2.11")
    carrier = site.party("carrier", "203.0.113.10")
    carrier.on_invite = "ring"
    line = ann.call("0555")
    site.parties[STRANGER], carrier.remote = carrier, STRANGER
    carrier.answer(carrier.line)
    assert line.state == "up"
    carrier.hang_up(carrier.line)
    assert line.state == "over"


def test_a_stranger_cannot_cancel() -> None:
    """CANCEL cannot be challenged (§22.1)."""
    site = Watched(settings())
    ann, bob = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    bob.on_invite = "ring"
    line = ann.call("1002")
    [cancel] = of(ann, lambda: ann.hang_up(line))
    assert cancel.method == "CANCEL"
    forged(site, cancel)
    assert statuses(site) == [481]
    assert bob.line.state == "ringing"
    forged(site, cancel, ("192.0.2.11", 5062))
    assert bob.line.state == "over"
    site.nothing_left()


def test_a_strangers_ack_brings_no_answer() -> None:
    """Our 2xx made the offer: whoever answers it says where sound goes."""
    site = Watched(settings())
    ann = site.phone("1001", "192.0.2.11")
    acks: list[bytes] = []

    def lost(data: bytes) -> bool:
        if data.startswith(b"ACK") and b"application/sdp" in data and len(acks) < 1:
            acks.append(data)
            return True
        return False

    site.lost = lost
    line = ann.call("777", sdp=False)
    assert line.state == "up"
    stolen = parse(acks[0].replace(b"192.0.2.11", STRANGER[0].encode()))
    assert isinstance(stolen, Request)
    forged(site, stolen)
    assert not any(spec.remote and spec.remote[0] == STRANGER[0] for spec in site.media.legs.values())
    site.run(1.0)  # our 2xx comes again, and so does the ACK
    assert [spec.remote[0] for spec in site.media.legs.values() if spec.remote] == ["192.0.2.11"]
    assert not any(isinstance(event, Ended) for event in line.events)


def test_an_ack_that_says_nothing_may_come_from_anywhere() -> None:
    site = Watched(settings())
    ann = site.phone("1001", "192.0.2.11")
    site.lost = lambda data: data.startswith(b"ACK")
    line = ann.call("777")
    site.lost = lambda data: False
    session = ann.ua._sessions.get(line.session)
    assert session is not None
    assert session.dialog is not None
    ack = session.dialog.request("ACK", number=2)
    ack.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.11;branch=z9hG4bKack")
    forged(site, ack)
    site.run(40.0)
    assert line.state == "up"


def test_tls_is_never_answered_by_less() -> None:
    """A call by TLS takes nothing in the clear, not even from the same address: that can be forged."""
    site = Watched(settings())
    ann, line, _ = talking(site)
    office = site.switch.office
    [session] = [one for number, leg in office.fabric.sessions.items() if leg.peer == "phone:1001"
                 and (one := office.ua._sessions.get(number)) is not None]  # fmt: skip
    session.flow = Flow("tls", ("192.0.2.11", 40_000), 1, 3)
    [bye] = of(ann, lambda: ann.hang_up(line))
    forged(site, bye, ("192.0.2.11", 5060))
    assert len(site.switch.calls) == 1
    forged(site, bye, ("192.0.2.11", 40_000), "tls")
    assert not site.switch.calls


def test_who_wants_dialogs_as_the_rfc_has_them_may() -> None:
    site = Watched(settings("any"))
    ann, line, bob = talking(site)
    [bye] = of(ann, lambda: ann.hang_up(line))
    forged(site, bye)
    assert statuses(site) == [200]
    assert bob.line.state == "over"
