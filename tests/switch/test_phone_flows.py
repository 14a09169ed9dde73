"""A phone with two flows (RFC 5626 §5.3): rung by one at a time, by the other when the first is dead."""

import pytest

from softswitch.switch.events import FlowFailed
from softswitch.switch.settings import Phone, Settings, Sip
from softswitch.wire.sip import Headers, Request, Uri, parse
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"), phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)}
)


def register_flow(party: Party, number: int) -> None:
    headers = Headers()
    headers.add("From", f"<sip:{party.name}@pbx.test>")
    headers.add("To", f"<sip:{party.name}@pbx.test>")
    headers.add("Contact", f'<sip:1001@10.0.0.7>;reg-id={number};+sip.instance="<urn:uuid:1>"')
    headers.add("Supported", "outbound")
    request = Request("REGISTER", Uri.parse("sip:pbx.test"), headers)
    _, outputs = party.ua.request(request, party.flow, party.site.now, party.credentials)
    party.perform(outputs)
    party.site.settle()


@pytest.fixture
def site() -> Site:
    return Site(SETTINGS)


def two_flows(site: Site) -> tuple[Party, Party, Party]:
    """The first flow is the fresher one."""
    second, first = (site.party("1001", "203.0.113.5", port, PASSWORD) for port in (40002, 40001))
    register_flow(second, 2)
    site.run(1.0)
    register_flow(first, 1)
    return site.phone("1002", "192.0.2.11"), first, second


def test_only_one_flow_rings(site: Site) -> None:
    bob, first, second = two_flows(site)
    first.on_invite = "ring"
    line = bob.call("1001")
    site.run(10.0)
    assert first.line.state == "ringing"
    assert not second.lines
    assert first.line.request is not None
    assert str(first.line.request.uri) == "sip:1001@10.0.0.7"
    bob.hang_up(line)
    site.run(1.0)
    site.nothing_left()


@pytest.mark.parametrize("how", ["430", "silent", "refused"])
def test_a_dead_flow_hands_the_call_to_the_other(site: Site, how: str) -> None:
    bob, first, second = two_flows(site)
    if how == "430":
        first.on_invite = 430
    else:
        del site.parties[first.remote]
    line = bob.call("1001")
    if how == "refused":
        binding = site.switch.office.registrations.bindings("1001", site.now)[0]
        site.give(FlowFailed(binding.flow))
    site.run(4.5)
    assert line.state == "up"
    assert second.line.state == "up"
    bob.hang_up(line)
    site.run(2.0)
    site.nothing_left()


def test_both_flows_dead_is_unavailable(site: Site) -> None:
    bob, first, second = two_flows(site)
    first.on_invite = second.on_invite = 430
    line = bob.call("1001")
    assert line.state == "over"
    assert line.status in (430, 480)
    del site.parties[first.remote], site.parties[second.remote]
    line = bob.call("1001")
    site.run(40.0)
    assert line.state == "over"
    site.nothing_left()


def test_what_the_callee_says_is_not_a_dead_flow(site: Site) -> None:
    bob, first, second = two_flows(site)
    first.on_invite = 486
    assert bob.call("1001").status == 486
    assert not second.lines
    site.nothing_left()


def test_the_answer_says_what_we_need_of_the_phone(site: Site) -> None:
    """RFC 5626 §5.4: only of one that can do it."""
    answers: list[str] = []

    def watch(data: bytes) -> bool:
        message = parse(data)
        if not isinstance(message, Request) and message.cseq.method == "REGISTER" and message.status == 200:
            answers.append(f"{message.headers.get('Require')} {message.headers.get('Flow-Timer')}")
        return False

    site.lost = watch
    two_flows(site)
    assert answers[:2] == ["outbound 120", "outbound 120"]
    assert answers[2] == "None None"


def test_crlf_instead_of_options() -> None:
    """`keep_alive_by`: for phones that answer OPTIONS badly."""
    site = Site(Settings(sip=Sip(domain="pbx.test", keep_alive_by="crlf"), phones={"1001": Phone(password=PASSWORD)}))
    phone = site.party("1001", "203.0.113.5", 40001, PASSWORD)
    sent: list[bytes] = []

    def watch(data: bytes) -> bool:
        sent.append(data)
        return not data.strip()

    site.lost = watch
    headers = Headers()
    for name, value in (("From", "<sip:1001@pbx.test>"), ("To", "<sip:1001@pbx.test>")):
        headers.add(name, value)
    headers.add("Contact", "<sip:1001@10.0.0.7>")
    _, outputs = phone.ua.request(
        Request("REGISTER", Uri.parse("sip:pbx.test"), headers), phone.flow, site.now, phone.credentials
    )
    phone.perform(outputs)
    site.settle()
    site.run(65.0)
    assert sent.count(b"\r\n\r\n") == 2
    assert not [data for data in sent if data.startswith(b"OPTIONS")]
