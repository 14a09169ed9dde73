"""Design section 5: priority is seconds of head start; one total order over all queues an agent serves."""

from acd_shift import START, Shift, only

from softswitch.acd.model import Offer, QueueSettings


def test_first_come_first_served() -> None:
    shift = Shift("alice", ready=False)
    for number in range(5):
        shift.call(f"c{number}")
        shift.after(1)
    assert shift.order() == ["c0", "c1", "c2", "c3", "c4"]


def test_a_head_start_overtakes_those_who_came_within_it_and_nobody_else() -> None:
    shift = Shift(ready=False)
    shift.call("long-waiting")
    shift.after(100)
    shift.call("recent")
    shift.after(10)
    shift.call("gold", head_start=60.0)
    assert shift.order() == ["long-waiting", "gold", "recent"]
    assert [view.position for view in shift.engine.waiting("support", shift.now)] == [1, 2, 3]


def test_an_older_arrival_keeps_its_place() -> None:
    """A transfer back to the queue, or a call-back, does not start again at the end."""
    shift = Shift(ready=False)
    shift.call("c1")
    shift.after(50)
    shift.call("back", arrived=START - 10)
    assert shift.order() == ["back", "c1"]
    (view, _) = shift.engine.waiting("support", shift.now)
    assert view.waited == 0.0


def test_an_arrival_in_the_future_gains_nothing_and_costs_nothing() -> None:
    shift = Shift(ready=False)
    shift.call("c1", arrived=START + 1000)
    shift.after(1)
    shift.call("c2")
    assert shift.order() == ["c1", "c2"]


def test_an_agent_of_several_queues_takes_the_lowest_rank_of_all() -> None:
    """Complaint: a weight blocks other queues (Asterisk #108, #1637, #1691)."""
    queues = {
        "gold": QueueSettings(agents=("alice", "bob"), priority=30.0),
        "plain": QueueSettings(agents=("alice",)),
    }
    shift = Shift("alice", "bob", queues=queues)
    for call in ("t1", "t2"):
        shift.call(call, "gold")
    for agent in ("alice", "bob"):
        shift.answer(agent)
    shift.call("p1", "plain")
    shift.after(20)
    shift.call("g1", "gold")  # 20 s later with 30 s of head start
    shift.after(20)
    shift.call("g2", "gold")  # 40 s later: behind p1
    order = []
    talking = {fact.agent: fact.call for fact in shift.facts if fact.kind == "queue.answered"}
    call = talking["alice"]
    for _ in range(3):
        (offer,) = only(shift.end(call, "alice"), Offer)
        order.append(offer.call)
        shift.answer("alice")
        call = offer.call
    assert order == ["g1", "p1", "g2"]


def test_queues_with_the_same_agents_share_one_order() -> None:
    queues = {name: QueueSettings(agents=("alice",)) for name in ("a", "b", "c")}
    shift = Shift("alice", queues=queues)
    shift.call("busy", "a")
    shift.answer("alice")
    for call, queue in (("1", "c"), ("2", "a"), ("3", "b"), ("4", "c")):
        shift.after(1)
        shift.call(call, queue)
    order, call = [], "busy"
    for _ in range(4):
        (offer,) = only(shift.end(call, "alice"), Offer)
        shift.answer("alice")
        call = offer.call
        order.append(call)
    assert order == ["1", "2", "3", "4"]


def test_agents_who_come_together_serve_in_order_of_rank() -> None:
    shift = Shift("alice", "bob", "carol", ready=True)
    for agent in ("alice", "bob", "carol"):
        shift.pause(agent)
    for call in ("c1", "c2", "c3", "c4"):
        shift.call(call)
    for agent in ("carol", "alice", "bob"):
        shift.ready(agent)
    assert {agent: offer.call for agent, offer in shift.ringing.items()} == {"carol": "c1", "alice": "c2", "bob": "c3"}


def test_agents_freed_in_one_late_step_all_get_the_calls_that_waited_longest() -> None:
    queues = {
        "left": QueueSettings(agents=("alice", "bob"), wrap_up=10.0),
        "right": QueueSettings(agents=("alice", "bob", "carol"), wrap_up=10.0),
    }
    shift = Shift("alice", "bob", "carol", queues=queues)
    shift.call("t0", "left")
    shift.call("t1", "left")
    shift.call("t2", "right")
    talks = {agent: offer.call for agent, offer in shift.ringing.items()}
    for agent in talks:
        shift.answer(agent)
    for agent, call in talks.items():
        shift.end(call, agent)
    for call, queue in (("c1", "right"), ("c2", "right"), ("c3", "left"), ("c4", "left")):
        shift.after(1)
        shift.call(call, queue)
    shift.now += 60
    effects = shift.take(shift.engine.wake(shift.now))
    offers = only(effects, Offer)
    assert [offer.call for offer in offers] == ["c1", "c2", "c3"]
    assert len({offer.agent for offer in offers}) == 3
