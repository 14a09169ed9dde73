"""Calls to a GRUU reach that phone of the account, and no other (RFC 5627 §5.2)."""

from collections.abc import Callable

import pytest

from softswitch.sip.events import Invitation, Requested, SipEvent
from softswitch.sip.offer_answer import make_offer
from softswitch.switch.settings import Phone, Route, Settings, Sip, Trunk
from softswitch.wire.sip import Headers, NameAddr, Request, Uri
from tests.switch.site import Line, Party, Site
from tests.switch.test_refer import refer
from tests.switch.watcher import Watcher

Hear = Callable[[SipEvent], None]

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        "1001": Phone(password=PASSWORD),
        "ann": Phone(password=PASSWORD, number="1002"),
        "lobby": Phone(contact="sip:192.0.2.99"),
    },
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    routes=(Route(source="trunk:carrier", number="1002", to="phone:ann"),),
)


class Instance(Party):
    """One of a person's phones."""

    def __init__(self, site: Site, name: str, host: str, instance: str) -> None:
        super().__init__(site, name, host, 5060, PASSWORD)
        self.instance = instance
        self.public = self.temporary = ""
        self.ask()

    def ask(self, expires: int = 600) -> None:
        headers = Headers()
        headers.add("From", f"<sip:{self.name}@pbx.test>")
        headers.add("To", f"<sip:{self.name}@pbx.test>")
        contact = f'<sip:{self.name}@{self.remote[0]}>;+sip.instance="<{self.instance}>"'
        headers.add("Contact", contact)
        headers.add("Supported", "gruu")
        headers.add("Require", "gruu")
        headers.add("Expires", str(expires))
        request = Request("REGISTER", Uri.parse("sip:pbx.test"), headers)
        _, outputs = self.ua.request(request, self.flow, self.site.now, self.credentials)
        answers: list[object] = []
        happened, self._happened = self._happened, lambda event: answers.append(event)  # type: ignore[method-assign]
        self.perform(outputs)
        self.site.settle()
        self._happened = happened  # type: ignore[method-assign]
        response = answers[-1].response  # type: ignore[attr-defined]
        assert response.status == 200
        for value in response.headers.all("Contact"):
            params = NameAddr.parse(value).params
            if self.instance in (params.get("+sip.instance") or ""):
                self.public, self.temporary = ((params[name] or "").strip('"') for name in ("pub-gruu", "temp-gruu"))


@pytest.fixture
def site() -> Site:
    return Site(SETTINGS)


def two_phones(site: Site) -> tuple[Party, Instance, Instance, Party]:
    caller = site.phone("1001", "192.0.2.10")
    desk = Instance(site, "ann", "192.0.2.21", "urn:uuid:desk")
    mobile = Instance(site, "ann", "192.0.2.22", "urn:uuid:mobile")
    return caller, desk, mobile, site.party("+37061234567", "198.51.100.10")


def dial(party: Party, uri: str) -> Line:
    offer = make_offer(party.caps(), 1, 1)
    invitation = Invitation(
        uri, f"<sip:{party.name}@pbx.test>", f"<{uri}>", body=offer, credentials=party.credentials,
        contact_user=party.name, terms=party.terms,
    )  # fmt: skip
    session, outputs = party.ua.invite(invitation, party.flow, party.site.now)
    line = party.lines[session] = Line(session, "calling", offer=offer)
    party.perform(outputs)
    party.site.settle()
    return line


@pytest.mark.parametrize("kind", ["public", "temporary"])
@pytest.mark.parametrize("source", ["phone", "trunk"])
def test_one_of_two_phones_rings(site: Site, kind: str, source: str) -> None:
    caller, desk, mobile, carrier = two_phones(site)
    who = caller if source == "phone" else carrier
    line = dial(who, getattr(mobile, kind))
    assert (line.state, mobile.line.state) == ("up", "up")
    assert not desk.lines
    who.hang_up(line)
    plain = dial(who, "sip:1002@pbx.test")
    assert len(desk.lines) == 1, "the number rings both"
    who.hang_up(plain)
    site.nothing_left()


def test_what_stands_for_nobody(site: Site) -> None:
    """§5.2: 404 for no GRUU of ours, 480 for a phone that is not there now."""
    caller, desk, mobile, _ = two_phones(site)
    for uri, status in (
        ("sip:tgruu.0000@pbx.test;gr", 404),
        ("sip:1002@pbx.test;gr", 404),
        ("sip:9999@pbx.test;gr=urn:uuid:desk", 404),
        ("sip:1002@pbx.test;gr=urn:uuid:nothing", 480),
        ("sip:lobby@pbx.test;gr=urn:uuid:nothing", 480),
    ):
        assert dial(caller, uri).status == status, uri
    old = mobile.temporary
    mobile.ask(expires=0)
    assert dial(caller, mobile.public).status == 480
    assert dial(caller, old).status == 404
    assert not desk.lines
    site.nothing_left()


def test_a_call_is_referred_to_one_of_two_phones(site: Site) -> None:
    """The GRUU in Refer-To means that phone, also one of the account that is in the call."""
    caller, desk, mobile, _ = two_phones(site)
    line = dial(caller, desk.public)
    assert desk.line.state == "up"
    assert refer(desk, desk.line, f"<{mobile.public}>") == 202
    assert (line.state, desk.line.state, mobile.line.state) == ("up", "over", "up")
    assert len(desk.lines) == 1
    assert refer(mobile, mobile.line, "<sip:1002@pbx.test;gr=>") in (400, 404)
    caller.hang_up(line)
    site.nothing_left()


def test_a_message_to_one_of_two_phones(site: Site) -> None:
    """RFC 3428 by a GRUU: that phone alone has it; nobody's is 404, who is not there 480."""
    _, desk, mobile, _ = two_phones(site)
    writer = Watcher(site, "1001", "192.0.2.10")
    before = len(desk.responses), len(mobile.responses)
    got: list[str] = []
    for phone in (desk, mobile):
        happened = phone._happened

        def hear(event: SipEvent, phone: Instance = phone, happened: Hear = happened) -> None:
            if isinstance(event, Requested) and event.request.method == "MESSAGE":
                got.append(phone.instance)
            happened(event)

        phone._happened = hear  # type: ignore[method-assign]
    for uri, status in (
        (mobile.temporary, 200),
        (desk.public, 200),
        ("sip:tgruu.00@pbx.test;gr", 404),
        ("sip:1002@pbx.test;gr=urn:uuid:nothing", 480),
    ):
        headers = Headers((("From", "<sip:1001@pbx.test>;tag=m"), ("To", f"<{uri}>"), ("Content-Type", "text/plain")))
        request = Request("MESSAGE", Uri.parse(uri), headers, b"hello")
        writer.perform(writer.ua.request(request, writer.flow, site.now, writer.credentials)[1])
        site.settle()
        assert writer.replies[-1].status == status, uri
    assert got == ["urn:uuid:mobile", "urn:uuid:desk"]
    assert before == (len(desk.responses), len(mobile.responses))
    site.nothing_left()


def test_the_next_call_of_the_same_line_is_for_all_again(site: Site) -> None:
    """What was meant by a GRUU does not outlast the talk: a blind transfer back rings both."""
    caller, desk, mobile, _ = two_phones(site)
    line = dial(caller, desk.public)
    mobile.on_invite = desk.on_invite = "ring"
    assert refer(caller, line, "<sip:1001@pbx.test>") == 482
    (call,) = site.switch.calls.values()
    assert call.instance is None
    caller.hang_up(line)
    site.nothing_left()
