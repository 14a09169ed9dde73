"""Every kind of transfer, to everybody, during a recorded queue call: audio both ways, one recording, right accounting.

| letter | who |
|---|---|
| c, a | the carrier's caller and alice, the agent, who talk in the queue's call |
| t, b, z | a phone, another agent (also by a queue of his), somebody behind a trunk: to whom the call is passed on |
| i | an internal phone, which calls the queue itself |
| m | music |
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.interop.floor import Person, steady_music
from tests.interop.showing import OURS
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until
from tests.interop.talks import CLOSE, HOSTS, Talks, tables

pytestmark = pytest.mark.interop


@dataclass(frozen=True, slots=True)
class To:
    """Where the call goes: who answers, what a phone dials for it, what an order names, whose agent, which queue."""

    person: str
    number: str
    target: str
    agent: str = ""
    queue: str = ""


TARGETS = {
    "phone": To("third", "1003", "phone:1003"),
    "agent": To("bob", "1002", "agent:bob", agent="bob"),
    "queue": To("bob", "7002", "queue:sales", agent="bob", queue="sales"),
    "trunk": To("zoe", "9100", "trunk:outside/100"),
}


def refer_blind(talks: Talks, to: To, other: Person) -> None:
    """RFC 5589 §6.1: REFER, and the phone waits for the BYE."""
    assert talks.alice.sip.ask("REFER", f"Refer-To: <sip:{to.number}@pbx.test>") == 202
    other.take()
    talks.alice.sip.hung_up()


def refer_attended(talks: Talks, to: To, other: Person) -> None:
    """RFC 5589 §7: hold, a second call, REFER with Replaces. What is said in the second call is not the caller's."""
    alice = talks.alice
    assert alice.sip.ask("INVITE", body=alice.body(2, "sendonly")) == 200
    second = talks.second_line(alice)
    second.dial(to.number)
    other.take()
    second.answered()
    talks.hear(caller="m", alice2=other.name[0], **{other.name: "a"})
    assert alice.sip.ask("REFER", _with_replaces(to, second)) == 202
    alice.sip.hung_up()
    second.sip.hung_up()


def refer_ringing(talks: Talks, to: To, other: Person) -> None:
    """RFC 5589 §7.5: the consulted party still rings. It is rung anew for the caller."""
    second = talks.second_line(talks.alice)
    second.dial(to.number)
    other.sip.wait()
    second.sip.progressed(180)
    assert talks.alice.sip.ask("REFER", _with_replaces(to, second)) == 202
    other.sip.asked("CANCEL")
    other.sip.refuse(487)
    assert second.sip.answered().status >= 400
    other.take()
    talks.alice.sip.hung_up()


def keys_blind(talks: Talks, to: To, other: Person) -> None:
    talks.alice.keys(f"*1{to.number}#")
    other.take()
    talks.alice.sip.hung_up()


def keys_consult(talks: Talks, to: To, other: Person) -> None:
    talks.alice.keys(f"*2{to.number}#")
    other.take()
    talks.told("transfer.consulting")
    talks.hear(caller="m", alice=other.name[0], right=f"a{other.name[0]}", **{other.name: "a"})
    talks.alice.keys("*3")
    talks.alice.sip.hung_up()


def keys_three_way(talks: Talks, to: To, other: Person) -> None:
    """All three talk; then alice hangs up."""
    talks.alice.keys(f"*2{to.number}#")
    other.take()
    talks.told("transfer.consulting")
    talks.alice.keys("*5")
    talks.told("conference.started")
    letter = other.name[0]
    talks.hear(caller=f"a{letter}", alice=f"c{letter}", right=f"a{letter}", **{other.name: "ac"})
    talks.alice.sip.hang_up()


def order_blind(talks: Talks, to: To, other: Person) -> None:
    talks.order("blind", to.target)
    other.take()
    talks.alice.sip.hung_up()


def order_consult(talks: Talks, to: To, other: Person) -> None:
    talks.order("consult", to.target)
    other.take()
    talks.told("transfer.consulting")
    talks.hear(caller="m", alice=other.name[0], right=f"a{other.name[0]}", **{other.name: "a"})
    talks.order("complete")
    talks.alice.sip.hung_up()


KINDS: dict[str, Callable[[Talks, To, Person], None]] = {
    "REFER, blind": refer_blind,
    "REFER, attended": refer_attended,
    "REFER, attended, while it rings": refer_ringing,
    "keys, blind": keys_blind,
    "keys, consultation": keys_consult,
    "keys, three-way": keys_three_way,
    "order, blind": order_blind,
    "order, consultation": order_consult,
}
RING = "a queue answers at once: nothing rings that could be replaced"
CONSULT = "one consults who can be rung; a queue may play music for long"
LEFT_OUT = {
    ("REFER, attended, while it rings", "queue"): RING,
    ("keys, consultation", "queue"): CONSULT,
    ("keys, three-way", "queue"): CONSULT,
    ("order, consultation", "queue"): CONSULT,
}


def _with_replaces(to: To, line: Person) -> str:
    replaces = line.sip.replaces().replace(";", "%3B").replace("=", "%3D").replace("@", "%40")
    return f"Refer-To: <sip:{to.number}@pbx.test?Replaces={replaces}>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SwitchProcess, dict[str, int]]]:
    ports = {name: free_port(host=host) for name, host in HOSTS.items()}
    directory = tmp_path_factory.mktemp("talks")
    steady_music(directory, "steady", "hold")
    with running_switch(directory, tables(ports)) as switch:
        yield switch, ports


@pytest.fixture
def talks(site: tuple[SwitchProcess, dict[str, int]]) -> Iterator[Talks]:
    """Nobody talks and both agents are free, before and after."""
    switch, ports = site
    switch.hang_all_up()
    made = Talks(switch, ports)
    try:
        wait_until("the agents", lambda: made.state("alice") == made.state("bob") == "ready")
        yield made
        switch.calls_over()
        wait_until("the agents", lambda: made.state("alice") == made.state("bob") == "ready")
        switch.no_faults()
    finally:
        made.close()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        pytest.param(kind, target, marks=pytest.mark.shows(peer=OURS, feature=f"queue's call passed on: {kind}"))
        for kind in KINDS
        for target in TARGETS
        if (kind, target) not in LEFT_OUT
    ],
)
def test_the_agent_passes_it_on(talks: Talks, kind: str, target: str) -> None:
    to = TARGETS[target]
    other = talks.people[to.person]
    talks.begin()
    talks.hear(caller="a", alice="c", right="a")
    KINDS[kind](talks, to, other)
    left = time.time()
    wait_until("alice is free", lambda: talks.state("alice") == "ready")
    talks.hear(caller=other.name[0], right=other.name[0], **{other.name: "c"})
    if to.agent:
        assert talks.state(to.agent) == "talking"
    talks.caller.sip.hang_up()
    other.sip.hung_up()
    ended = time.time()

    talks.recording()
    record = talks.record()
    assert record["outcome"] == "answered"
    assert record["queue"] == (to.queue or "support")
    assert record["agent"] == (to.agent or "alice")
    assert [kind for kind in talks.kinds("transfer.") if kind != "transfer.consulting"] == [
        "transfer.started",
        "transfer.completed",
    ]
    totals = talks.totals(*talks.all_calls())
    alice = totals.agent("alice")
    assert (alice.answered, alice.talks, alice.transferred) == (1, 1, 1)
    assert alice.talk == pytest.approx(left - talks.answered, abs=CLOSE)
    if to.agent:
        bob = totals.agent(to.agent)
        assert (bob.talks, bob.transferred) == (1, 0)
        since = other.took if (kind, target) == ("REFER, attended", "queue") else left  # his talk began with alice
        assert bob.talk == pytest.approx(ended - since, abs=CLOSE)
    assert sum(totals.queue(name).answered for name in ("support", "sales")) == (2 if to.queue else 1)
    told = {leg["party"]: leg["talk"] for leg in record["legs"]}
    assert len(told) == 3
    assert told["agent:alice"][-1][1] <= left + CLOSE


def test_every_combination_is_tested_or_has_its_reason() -> None:
    assert all(kind in KINDS and target in TARGETS and why for (kind, target), why in LEFT_OUT.items())


@pytest.mark.parametrize("kind", ["REFER, attended, while it rings", "keys, consultation", "order, consultation"])
def test_what_is_left_out_is_refused(talks: Talks, kind: str) -> None:
    """And the talk goes on."""
    to = TARGETS["queue"]
    talks.begin()
    match kind:
        case "keys, consultation":
            talks.alice.keys(f"*2{to.number}#")
        case "order, consultation":
            order = {"verb": "consult", "target": to.target}
            assert talks.switch.api.post(f"/api/v1/calls/{talks.call}/transfer", json=order).status_code == 422
        case _:
            second = talks.second_line(talks.alice)
            talks.switch.api.post("/api/v1/agents/bob/pause")
            second.call(to.number)
            if (status := talks.alice.sip.ask("REFER", _with_replaces(to, second))) == 202:
                told = [talks.alice.sip.asked("NOTIFY").body for _ in range(2)]
                status = int(told[-1].split()[1])
            assert status == 481
            second.sip.hang_up()
            talks.switch.api.post("/api/v1/agents/bob/ready")
    talks.hear(caller="a", alice="c", right="a")
    talks.caller.sip.hang_up()
    talks.alice.sip.hung_up()
    assert "transfer.completed" not in talks.kinds("transfer.")
    talks.recording()


def test_the_caller_is_an_internal_phone_and_may_not_refer(talks: Talks) -> None:
    """The call is the agent's: 403, and both talk on."""
    talks.begin(talks.inner, "7001")
    assert talks.inner.sip.ask("REFER", "Refer-To: <sip:1003@pbx.test>") == 403
    talks.hear(inner="a", alice="i", left="i", right="a")
    talks.inner.sip.hang_up()
    talks.alice.sip.hung_up()
    talks.recording()
    assert not talks.kinds("transfer.")
    assert talks.totals().agent("alice").talks == 1


@pytest.mark.parametrize("target", ["phone", "trunk"])
def test_an_internal_callers_talk_is_passed_on(talks: Talks, target: str) -> None:
    """The agent passes on a colleague's call like any other."""
    to = TARGETS[target]
    other = talks.people[to.person]
    talks.begin(talks.inner, "7001")
    talks.hear(inner="a", alice="i", left="i", right="a")
    refer_blind(talks, to, other)
    talks.hear(inner=other.name[0], left="i", right=other.name[0], **{other.name: "i"})
    talks.inner.sip.hang_up()
    other.sip.hung_up()
    talks.recording()
    assert talks.totals().agent("alice").transferred == 1


@pytest.mark.shows(peer=OURS, feature="queue's call passed on: INVITE with Replaces")
@pytest.mark.parametrize("side", ["agent", "caller", "internal caller"])
def test_a_party_goes_on_at_another_line(talks: Talks, side: str) -> None:
    """RFC 3891: an INVITE from a further line of the same party takes the place of the first, on either side of the
    call. Nobody else may: for the other kinds' targets a call is passed on by who has it."""
    who = {"agent": talks.alice, "caller": talks.caller, "internal caller": talks.inner}[side]
    caller = talks.inner if side == "internal caller" else talks.caller
    letter = caller.name[0]
    talks.begin(caller, "7001" if side == "internal caller" else "2000")
    talks.hear(alice=letter, left=letter, right="a", **{caller.name: "a"})
    stranger = talks.third.sip
    stranger.dial("7001", talks.third.body(), (f"Replaces: {who.sip.replaces()}",))
    assert stranger.answered().status == 403
    second = talks.second_line(who)
    second.call("7001", f"Replaces: {who.sip.replaces()}", "Require: replaces")
    who.sip.hung_up()
    other = caller if side == "agent" else talks.alice
    talks.hear(left=letter, right="a", **{f"{who.name}2": other.name[0], other.name: who.name[0]})
    assert talks.state("alice") == "talking"
    second.sip.hang_up()
    other.sip.hung_up()
    ended = time.time()
    talks.recording()
    assert len(talks.record()["legs"]) == 3
    totals = talks.totals()
    assert totals.queue("support").answered == 1
    alice = totals.agent("alice")
    assert (alice.answered, alice.talk) == (1, pytest.approx(ended - talks.answered, abs=CLOSE))
    assert (alice.talks, alice.transferred) == (1, 0), "it is her conversation, whatever line it is on"


def test_a_phone_consults_the_queue_and_leaves_its_caller_there(talks: Talks) -> None:
    """From the caller's side: an internal phone has somebody of the carrier's on the line, calls the queue, talks with
    alice, and joins the two by REFER with Replaces. The queue records: what alice and the caller say, too."""
    inner = talks.inner
    talks.caller.dial("1004")
    inner.take()
    talks.caller.answered()
    assert inner.sip.ask("INVITE", body=inner.body(2, "sendonly")) == 200
    second = talks.second_line(inner)
    talks.begin(second, "7001")
    talks.hear(caller="m", alice="i", inner2="a", left="i", right="a")
    assert inner.sip.ask("REFER", _with_replaces(To("alice", "7001", ""), second)) == 202
    inner.sip.hung_up()
    second.sip.hung_up()
    talks.hear(caller="a", alice="c", left="c", right="a")
    assert talks.state("alice") == "talking"
    talks.caller.sip.hang_up()
    talks.alice.sip.hung_up()
    ended = time.time()
    talks.switch.records(2, since=talks.begun)
    calls = talks.all_calls()
    (before,) = (call for call in calls if call == talks.call)
    (after,) = (call for call in calls if call != talks.call)
    alice = talks.totals(before, after).agent("alice")
    assert (alice.answered, alice.talks, alice.transferred) == (1, 1, 0)
    assert alice.talk == pytest.approx(ended - talks.answered, abs=CLOSE)
    private, talks.moments = talks.moments[:1], talks.moments[1:]
    talks.recording(after)
    talks.moments = private
    talks.recording(before)
    assert talks.record(after)["agent"] == "alice"
    assert talks.record(after)["queue"] == "support"
