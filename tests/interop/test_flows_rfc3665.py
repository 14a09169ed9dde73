"""The basic call flows of RFC 3665, as far as a registrar and B2BUA is in them. What two proxies do there the switch
does alone: each side of a call is a dialog of its own, with our Via and Contact.

Not here: §3.1 and §3.5 (no server between the two, a firewall that rewrites bodies)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import sipp
from tests.interop.conftest import PASSWORD
from tests.interop.floor import steady_music
from tests.interop.flows import HOSTS, Flows, field_of, received, tables
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SwitchProcess, dict[str, int]]]:
    sipp.need("sipp")
    ports = {name: free_port(host=host) for name, host in HOSTS.items()}
    routes = f"""
[trunks.first]
address = "sip:{HOSTS["dan"]}:{free_port(host=HOSTS["dan"])}"
options_seconds = 0
backup = "trunk"
[[routes]]
from = "phone:*"
number = "9."
to = "trunk:first"
strip = 1
"""
    directory = tmp_path_factory.mktemp("rfc3665")
    steady_music(directory, "hold")
    with running_switch(directory, tables(ports, routes)) as switch:
        yield switch, ports


@pytest.fixture
def flows(site: tuple[SwitchProcess, dict[str, int]], tmp_path: Path) -> Iterator[Flows]:
    made = Flows(*site, tmp_path)
    try:
        yield made
        made.switch.calls_over()
        made.switch.no_faults()
    finally:
        made.close()


def ringing() -> Scenario:
    return Scenario().called().reply(180, "Ringing")


def twice(contact: str, expires: int = 300, password: str = PASSWORD) -> Scenario:
    """REGISTER, the challenge, and REGISTER with credentials."""
    first = Scenario().register("1010", contact=contact, expires=expires).receive(401)
    return first.register("1010", password, contact=contact, expires=expires)


@pytest.mark.flow("RFC 3665 §2.1", "successful new registration")
def test_2_1_new_registration(flows: Flows) -> None:
    """401 with a challenge, 200 with the binding and its time."""
    (challenge, ok) = flows.register(twice("<sip:dan@client.pbx.test>").receive(200))
    assert field_of(challenge, "WWW-Authenticate").startswith("Digest ")
    assert 'realm="pbx.test"' in field_of(challenge, "WWW-Authenticate")
    assert "sip:dan@client.pbx.test" in field_of(ok, "Contact")
    assert "expires=300" in field_of(ok, "Contact")
    assert "tag=" in field_of(ok, "To")
    assert len(flows.contacts()) == 1


@pytest.mark.flow("RFC 3665 §2.2", "update of contact list")
def test_2_2_update_of_the_contact_list(flows: Flows) -> None:
    """A second contact is added; the 200 has both."""
    flows.register(twice("<sip:dan@client.pbx.test>").receive(200))
    ok = flows.register(twice("<sip:dan@home.pbx.test>").receive(200))[-1]
    assert "sip:dan@client.pbx.test" in ok
    assert "sip:dan@home.pbx.test" in ok


@pytest.mark.flow("RFC 3665 §2.3", "request for current contact list")
def test_2_3_current_contacts(flows: Flows) -> None:
    """A REGISTER without Contact changes nothing and is told all."""
    flows.register(twice("<sip:dan@client.pbx.test>").receive(200))
    before = flows.contacts()
    ok = flows.register(twice("none").receive(200))[-1]
    assert "sip:dan@client.pbx.test" in field_of(ok, "Contact")
    assert flows.contacts() == before


@pytest.mark.flow("RFC 3665 §2.4", "cancellation of registration")
def test_2_4_cancellation(flows: Flows) -> None:
    """`Contact: *` with Expires 0 takes all bindings back."""
    flows.register(twice("<sip:dan@client.pbx.test>").receive(200))
    ok = flows.register(twice("*", expires=0).receive(200))[-1]
    assert not field_of(ok, "Contact")
    assert not flows.contacts()


@pytest.mark.flow("RFC 3665 §2.5", "unsuccessful registration")
def test_2_5_unsuccessful(flows: Flows) -> None:
    """A wrong password: 403, where a phone with none is challenged; and no binding."""
    answers = flows.register(twice("<sip:dan@client.pbx.test>", password="wrong").receive(403))
    assert [bool(field_of(answer, "WWW-Authenticate")) for answer in answers] == [True, False]
    assert not flows.contacts()


@pytest.mark.flow("RFC 3665 §3.2", "session establishment through two proxies")
def test_3_2_session(flows: Flows) -> None:
    """100, 180, 200, ACK, sound both ways, BYE."""
    answers = ringing().pause(100).reply(200, "OK", flows.body("bob")).receive("ACK")
    bob = flows.waits("bob", answers.receive("BYE").ok())
    caller = Scenario().invite(flows.body("alice")).receive(100, optional=True).receive(180)
    alice = flows.calls("alice", caller.answered().ack().until_told().bye(), "1002")
    flows.speaks("bob", bob)
    flows.speaks("alice", alice)
    flows.hear(alice="b", bob="a")
    alice.go_on()
    flows.well(alice, bob)
    ring, answer = received(alice, "SIP/2.0 180")[0], received(alice, "SIP/2.0 200")[0]
    assert field_of(ring, "To") == field_of(answer, "To")
    invite = received(bob, "INVITE")[0]
    assert invite.lower().count("\nvia:") == 1, "a dialog of our own: nobody else's Via"
    assert int(field_of(invite, "Max-Forwards")) == 69
    assert field_of(received(alice, "SIP/2.0 200")[-1], "CSeq") == "2 BYE"


@pytest.mark.flow("RFC 3665 §3.3", "session with proxy authentication")
def test_3_3_authentication(flows: Flows) -> None:
    """A phone that registers is challenged for its call, too."""
    flows.register(twice(f"<sip:1010@{HOSTS['dan']}:{flows.ports['dan']}>").receive(200))
    bob = flows.waits("bob", ringing().reply(200, "OK", sdp()).receive("ACK").receive("BYE").ok())
    first = Scenario().invite().receive(100, optional=True).receive(401).ack(failure=True)
    signed = first.invite(headers=f"[authentication username=1010 password={PASSWORD}]\n")
    dan = flows.calls("dan", signed.progress().answered().ack().pause(100).bye(), "1002")
    flows.well(dan, bob)
    assert "Digest" in field_of(received(dan, "SIP/2.0 401")[0], "WWW-Authenticate")
    assert "1010" in field_of(received(bob, "INVITE")[0], "From")
    flows.register(twice("*", expires=0).receive(200))


@pytest.mark.flow("RFC 3665 §3.4", "session with proxy failure")
def test_3_4_the_first_way_fails(flows: Flows) -> None:
    """The first trunk's machine is not there: the call goes by the second."""
    trunk = flows.waits("trunk", ringing().reply(200, "OK", sdp()).receive("ACK").receive("BYE").ok())
    alice = flows.calls("alice", Scenario().invite().progress().answered().ack().pause(100).bye(), "9100")
    flows.well(alice, trunk)


@pytest.mark.flow("RFC 3665 §3.6", "session via redirect, with SDP in ACK")
def test_3_6_redirect(flows: Flows) -> None:
    """bob's phone answers 302: carol is rung. The caller offers nothing; the 200 has the offer, the ACK the answer."""
    contact = f"Contact: <sip:1003@{flows.address}>\n"
    bob = flows.waits("bob", Scenario().called().reply(302, "Moved Temporarily", contact=contact).receive("ACK"))
    carol = flows.waits("carol", ringing().reply(200, "OK", flows.body("carol")).receive("ACK").receive("BYE").ok())
    alice = flows.calls(
        "alice", Scenario().invite(None).progress().answered().ack(flows.body("alice")).until_told().bye(), "1002"
    )
    flows.speaks("carol", carol)
    flows.speaks("alice", alice)
    flows.hear(alice="c", carol="a")
    alice.go_on()
    flows.well(alice, bob, carol)
    assert "m=audio" in received(alice, "SIP/2.0 200")[0]


@pytest.mark.flow("RFC 3665 §3.7", "session with re-INVITE (IP address change)")
def test_3_7_address_change(flows: Flows) -> None:
    """The called side's stream moves to another address in the middle of the call."""
    moved = flows.body("dan").replace("[media_ip]", HOSTS["dan"]).replace("sipp 1 1", "sipp 1 2")
    answers = ringing().reply(200, "OK", flows.body("bob")).receive("ACK").until_told().reinvite(moved)
    bob = flows.waits("bob", answers.receive("BYE").ok())
    alice = flows.calls(
        "alice", Scenario().invite(flows.body("alice")).progress().answered().ack().until_told().bye(), "1002"
    )
    flows.speaks("bob", bob)
    flows.speaks("alice", alice)
    flows.hear(alice="b", bob="a", dan="")
    bob.go_on()
    wait_until("the answer to the re-INVITE", lambda: received(bob, "SIP/2.0 200"))
    flows.speaks("dan", bob, "SIP/2.0 200")
    flows.voices["bob"].silent = True
    flows.hear(alice="d", dan="a", bob="")
    alice.go_on()
    flows.well(alice, bob)


@pytest.mark.flow("RFC 3665 §3.8", "unsuccessful, no answer")
def test_3_8_no_answer(flows: Flows) -> None:
    """The caller gives up: CANCEL gets 200, the INVITE 487, on both sides."""
    hung_up = Scenario().called().reply(180, "Ringing").receive("CANCEL").ok()
    bob = flows.waits("bob", hung_up.reply_to_invite(487, "Request Terminated").receive("ACK"))
    caller = Scenario().invite().receive(100, optional=True).receive(180).pause(300).cancel()
    alice = flows.calls("alice", caller.receive(200).receive(487).ack(failure=True), "1002")
    flows.well(alice, bob)


@pytest.mark.flow("RFC 3665 §3.9", "unsuccessful, busy")
def test_3_9_busy(flows: Flows) -> None:
    bob = flows.waits("bob", Scenario().called().reply(486, "Busy Here").receive("ACK"))
    alice = flows.calls("alice", Scenario().invite().progress().receive(486).ack(failure=True), "1002")
    flows.well(alice, bob)


@pytest.mark.flow("RFC 3665 §3.10", "unsuccessful, no response from user agent")
def test_3_10_no_response(flows: Flows) -> None:
    """bob's phone says nothing: the INVITE is sent again and again, until his time to ring is over."""
    with flows.mute("bob") as bob:
        alice = flows.calls("alice", Scenario().invite().progress().receive(480).ack(failure=True), "1002")
        flows.well(alice)
        sent = [bob.recv(65536) for _ in range(3)]
    assert all(data.startswith(b"INVITE") for data in sent)
    assert len(set(sent)) == 1


@pytest.mark.flow("RFC 3665 §3.11", "unsuccessful, temporarily unavailable")
def test_3_11_temporarily_unavailable(flows: Flows) -> None:
    bob = flows.waits("bob", ringing().reply(480, "Temporarily Unavailable").receive("ACK"))
    alice = flows.calls("alice", Scenario().invite().progress().receive(480).ack(failure=True), "1002")
    flows.well(alice, bob)
