"""The services of RFC 5359. Who does something in the middle of a call is a person of ours with more lines than one;
the others are SIPp. What a proxy or a server does there, and what most phones do for themselves, the switch does.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import sipp
from tests.interop.floor import Person, steady_music
from tests.interop.flows import HOSTS, TONES, Flows, field_of, received, tables
from tests.interop.scenario import Scenario
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SwitchProcess, dict[str, int]]]:
    sipp.need("sipp")
    ports = {name: free_port(host=host) for name, host in HOSTS.items()}
    extra = f"""
[phones.1021]
contact = "sip:always@{HOSTS["dan"]}:{ports["dan"]}"
always = "phone:1003"
[phones.1022]
contact = "sip:busy@{HOSTS["dan"]}:{ports["dan"]}"
busy = "phone:1003"
[phones.1023]
contact = "sip:away@{HOSTS["dan"]}:{ports["dan"]}"
no_answer = "phone:1003"
ring_seconds = 1
[groups.findme]
members = ["phone:1001", "phone:1002"]
mode = "in-order"
ring_seconds = 1
[parking.office]
slots = "701-703"
[codes.in_call]
who = "phones"
[guards]
cos = "staff"
[classes.staff]
may_not_call = ["900X."]
[lists.unwanted]
numbers = ["+15559999"]
[[routes]]
from = "trunk:trunk"
number = "5000"
callers = "unwanted"
to = "hangup:603"
[[routes]]
from = "trunk:trunk"
number = "5000"
to = "group:findme"
[[routes]]
from = "phone:*"
number = "9."
to = "trunk:trunk"
strip = 1
"""
    directory = tmp_path_factory.mktemp("rfc5359")
    steady_music(directory, "hold")
    with running_switch(directory, tables(ports, extra)) as switch:
        switch.expected.append("alarm")  # that calls out were refused
        yield switch, ports


@pytest.fixture
def flows(site: tuple[SwitchProcess, dict[str, int]], tmp_path: Path) -> Iterator[Flows]:
    made = Flows(*site, tmp_path)
    made.switch.hang_all_up()
    try:
        yield made
        made.switch.calls_over()
        made.switch.no_faults()
    finally:
        made.close()


def calling(flows: Flows, name: str) -> Scenario:
    """Calls, is answered, and is hung up on."""
    return Scenario().invite(flows.body(name)).progress().answered().ack().receive("BYE").ok()


def answering(flows: Flows, name: str) -> Scenario:
    """Rings, answers, and is hung up on."""
    rings = Scenario().called().reply(180, "Ringing").reply(200, "OK", flows.body(name))
    return rings.receive("ACK").receive("BYE").ok()


def alice_and_bob(flows: Flows) -> tuple[sipp.Sipp, Person]:
    """They talk: alice is SIPp, and bob will do something."""
    bob = flows.person("bob")
    alice = flows.calls("alice", calling(flows, "alice"), "1002")
    bob.take()
    flows.speaks("alice", alice)
    return alice, bob


@pytest.mark.flow("RFC 5359 §2.1", "call hold")
def test_2_1_hold(flows: Flows) -> None:
    alice, bob = alice_and_bob(flows)
    flows.hear(alice="b", bob="a")
    assert bob.sip.ask("INVITE", body=bob.body(2, "sendonly")) == 200
    flows.hear(alice="m", bob="")
    assert bob.sip.ask("INVITE", body=bob.body(3)) == 200
    flows.hear(alice="b", bob="a")
    bob.sip.hang_up()
    flows.well(alice)


@pytest.mark.flow("RFC 5359 §2.2", "consultation hold")
def test_2_2_consultation_hold(flows: Flows) -> None:
    """bob holds alice, asks carol, and comes back."""
    alice, bob = alice_and_bob(flows)
    assert bob.sip.ask("INVITE", body=bob.body(2, "sendonly")) == 200
    second = flows.join(bob.another_line(), "bob2")
    carol = flows.waits("carol", answering(flows, "carol"))
    second.call("1003")
    flows.speaks("carol", carol)
    flows.hear(alice="m", bob2="c", carol="b")
    second.sip.hang_up()
    assert bob.sip.ask("INVITE", body=bob.body(3)) == 200
    flows.hear(alice="b", bob="a")
    bob.sip.hang_up()
    flows.well(alice, carol)


@pytest.mark.flow("RFC 5359 §2.3", "music on hold")
def test_2_3_music_on_hold(flows: Flows) -> None:
    """The caller holds (`inactive`, too): the switch plays, and sends the called phone no re-INVITE for it."""
    alice = flows.person("alice")
    bob = flows.waits("bob", answering(flows, "bob"))
    alice.call("1002")
    flows.speaks("bob", bob)
    for version, direction in ((2, "sendonly"), (3, "inactive")):
        assert alice.sip.ask("INVITE", body=alice.body(version, direction)) == 200
        flows.hear(bob="m")
    assert alice.sip.ask("INVITE", body=alice.body(4)) == 200
    flows.hear(bob="a", alice="b")
    alice.sip.hang_up()
    flows.well(bob)
    assert len(received(bob, "INVITE")) == 1


@pytest.mark.flow("RFC 5359 §2.4", "transfer, unattended")
def test_2_4_unattended_transfer(flows: Flows) -> None:
    alice, bob = alice_and_bob(flows)
    carol = flows.waits("carol", answering(flows, "carol"))
    assert bob.sip.ask("REFER", "Refer-To: <sip:1003@pbx.test>") == 202
    told = [bob.sip.asked("NOTIFY") for _ in range(3)]
    assert [request.body.split()[1] for request in told] == [b"100", b"180", b"200"]
    assert str(told[-1].headers.get("Subscription-State")).startswith("terminated")
    bob.sip.hung_up()
    flows.speaks("carol", carol)
    flows.hear(alice="c", carol="a")
    end(flows, alice, carol)


@pytest.mark.flow("RFC 5359 §2.5", "transfer, attended")
def test_2_5_attended_transfer(flows: Flows) -> None:
    alice, bob = alice_and_bob(flows)
    assert bob.sip.ask("INVITE", body=bob.body(2, "sendonly")) == 200
    second = flows.join(bob.another_line(), "bob2")
    carol = flows.waits("carol", answering(flows, "carol"))
    second.call("1003")
    flows.speaks("carol", carol)
    flows.hear(alice="m", bob2="c", carol="b")
    replaces = second.sip.replaces().replace(";", "%3B").replace("=", "%3D")
    assert bob.sip.ask("REFER", f"Refer-To: <sip:1003@pbx.test?Replaces={replaces}>") == 202
    bob.sip.hung_up()
    second.sip.hung_up()
    flows.hear(alice="c", carol="a")
    assert len(received(carol, "INVITE")) == 1, "her call is the same"
    end(flows, alice, carol)


@pytest.mark.flow("RFC 5359 §2.6", "transfer, instant messaging")
def test_2_6_instant_message(flows: Flows) -> None:
    """bob writes alice whom to call; she calls carol."""
    inbox = flows.waits("alice", Scenario().receive("MESSAGE").ok())
    bob = flows.calls("bob", Scenario().message("Please call sip:1003@pbx.test").receive(200), "1001")
    flows.well(inbox, bob)
    (message,) = received(inbox, "MESSAGE")
    assert "text/plain" in field_of(message, "Content-Type")
    assert "1002" in field_of(message, "From")
    number = message.strip().rpartition("sip:")[2].partition("@")[0]
    carol = flows.waits("carol", answering(flows, "carol"))
    alice = flows.calls("alice", Scenario().invite().progress().answered().ack().pause(100).bye(), number)
    flows.well(alice, carol)


@pytest.mark.flow("RFC 5359 §2.7", "call forwarding unconditional")
def test_2_7_forwarded_always(flows: Flows) -> None:
    forwarded(flows, "1021")


@pytest.mark.flow("RFC 5359 §2.8", "call forwarding, busy")
def test_2_8_forwarded_when_busy(flows: Flows) -> None:
    dan = flows.waits("dan", Scenario().called().reply(486, "Busy Here").receive("ACK"))
    forwarded(flows, "1022")
    flows.well(dan)


@pytest.mark.flow("RFC 5359 §2.9", "call forwarding, no answer")
def test_2_9_forwarded_without_an_answer(flows: Flows) -> None:
    dan = flows.waits("dan", cancelled())
    forwarded(flows, "1023")
    flows.well(dan)


@pytest.mark.flow("RFC 5359 §2.10", "3-way conference, third party is added")
def test_2_10_a_third_party_is_added(flows: Flows) -> None:
    """bob's keys `*6` 1003 `#`."""
    alice, bob = alice_and_bob(flows)
    carol = flows.waits("carol", answering(flows, "carol"))
    bob.keys("*61003#")
    flows.speaks("carol", carol)
    wait_until("carol's answer", lambda: received(carol, "ACK"))
    flows.hear(alice="bc", bob="ac", carol="ab")
    bob.sip.hang_up()
    flows.hear(alice="c", carol="a")
    end(flows, alice, carol)


@pytest.mark.flow("RFC 5359 §2.11", "3-way conference, third party joins")
def test_2_11_a_third_party_joins(flows: Flows) -> None:
    """Who comes is somebody at another line of bob's; in the switch a stranger may not (RFC 3911 §4: 603 or 403)."""
    alice, bob = alice_and_bob(flows)
    dialog = bob.sip.replaces()
    stranger = Scenario().invite(headers=f"Join: {dialog}\n").receive(100, optional=True).receive(403)
    flows.well(flows.calls("carol", stranger.ack(failure=True), "1002"))
    second = flows.join(bob.another_line(TONES["dan"]), "dan")
    second.call("1002", f"Join: {dialog}")
    flows.hear(alice="bd", bob="ad", dan="ab")
    bob.sip.hang_up()
    flows.hear(alice="d", dan="a")
    second.sip.hang_up()
    flows.well(alice)


@pytest.mark.flow("RFC 5359 §2.12", "find-me")
def test_2_12_find_me(flows: Flows) -> None:
    """One phone after the other."""
    alice = flows.waits("alice", cancelled())
    bob = flows.waits("bob", answering(flows, "bob"))
    trunk = flows.calls("trunk", Scenario().invite().progress().answered().ack().pause(100).bye(), "5000")
    flows.well(trunk, alice, bob)


@pytest.mark.flow("RFC 5359 §2.13", "call management, incoming call screening")
def test_2_13_incoming_screening(flows: Flows) -> None:
    """Who is on the list is declined."""
    caller = Scenario().invite().progress().receive(603).ack(failure=True)
    flows.well(flows.calls("trunk", caller, "5000", **{"from": "+15559999"}))


@pytest.mark.flow("RFC 5359 §2.14", "call management, outgoing call screening")
def test_2_14_outgoing_screening(flows: Flows) -> None:
    """What its class may not call the phone is told; other numbers go out."""
    refused = Scenario().invite().receive(100, optional=True).receive(403).ack(failure=True)
    flows.well(flows.calls("alice", refused, "99001234"))
    trunk = flows.waits("trunk", answering(flows, "trunk"))
    alice = flows.calls("alice", Scenario().invite().progress().answered().ack().pause(100).bye(), "9100")
    flows.well(alice, trunk)


@pytest.mark.flow("RFC 5359 §2.15", "call park")
def test_2_15_park(flows: Flows) -> None:
    """bob parks alice by REFER; carol dials the place."""
    alice, bob = alice_and_bob(flows)
    assert bob.sip.ask("REFER", "Refer-To: <sip:702@pbx.test>") == 202
    bob.sip.hung_up()
    flows.hear(alice="m")
    carol = flows.person("carol")
    carol.call("702")
    flows.hear(alice="c", carol="a")
    carol.sip.hang_up()
    flows.well(alice)


@pytest.mark.flow("RFC 5359 §2.16", "call pickup")
def test_2_16_pickup(flows: Flows) -> None:
    """It rings at bob's; carol dials `**1002`."""
    bob = flows.waits("bob", cancelled())
    alice = flows.calls("alice", calling(flows, "alice"), "1002")
    wait_until("ringing", lambda: received(alice, "SIP/2.0 180"))
    carol = flows.person("carol")
    carol.call("**1002")
    flows.speaks("alice", alice)
    flows.hear(alice="c", carol="a")
    carol.sip.hang_up()
    flows.well(alice, bob)


@pytest.mark.flow("RFC 5359 §2.17", "automatic redial")
def test_2_17_automatic_redial(flows: Flows) -> None:
    """alice is told when bob's call ends (RFC 4235), and calls him then."""
    carol = flows.waits("carol", answering(flows, "carol"))
    bob = flows.person("bob")
    bob.call("1003")
    watch = Scenario().subscribe("1001", "1002").receive(200).notified(2)
    alice = flows.calls("alice", watch, "1002")
    wait_until("the first NOTIFY", lambda: received(alice, "NOTIFY"))
    bob.sip.hang_up()
    flows.well(alice, carol)
    busy, free = received(alice, "NOTIFY")
    assert "<state>confirmed</state>" in busy
    assert "<state>terminated</state>" in free or "<dialog " not in free
    second = flows.calls("alice", calling(flows, "alice"), "1002")
    line = flows.join(bob.another_line(), "bob2")
    line.take()
    line.sip.hang_up()
    flows.well(second)


@pytest.mark.flow("RFC 5359 §2.18", "click to dial")
def test_2_18_click_to_dial(flows: Flows) -> None:
    """A program orders that alice calls bob: her phone rings first, then his."""
    alice = flows.waits("alice", answering(flows, "alice"))
    bob = flows.person("bob")
    made = flows.switch.api.post("/api/v1/calls", json={"from": "1001", "to": "1002"})
    assert made.status_code == 202, made.text
    bob.take()
    flows.speaks("alice", alice)
    flows.hear(alice="b", bob="a")
    assert bob.sip.invite is not None
    assert "1001" in str(bob.sip.invite.headers.get("From"))
    bob.sip.hang_up()
    flows.well(alice)


def cancelled() -> Scenario:
    """Rings until it is cancelled."""
    return (
        Scenario()
        .called()
        .reply(180, "Ringing")
        .receive("CANCEL")
        .ok()
        .reply_to_invite(487, "Request Terminated")
        .receive("ACK")
    )


def forwarded(flows: Flows, number: str) -> None:
    """alice calls it, carol answers; both hear each other, and carol's phone is told whose call it was."""
    carol = flows.waits("carol", answering(flows, "carol"))
    alice = flows.calls(
        "alice", Scenario().invite(flows.body("alice")).progress().answered().ack().until_told().bye(), number
    )
    flows.speaks("carol", carol)
    flows.speaks("alice", alice)
    flows.hear(alice="c", carol="a")
    alice.go_on()
    flows.well(alice, carol)
    (invite,) = received(carol, "INVITE")
    assert "1001" in field_of(invite, "From")
    assert number in field_of(invite, "Diversion")


def end(flows: Flows, *running: sipp.Sipp) -> None:
    """By order: neither of the two hangs up by itself."""
    for row in flows.switch.get("calls")["items"]:
        flows.switch.api.delete(f"/api/v1/calls/{row['id']}")
    flows.well(*running)
