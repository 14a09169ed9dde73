"""Skills with proficiency, rings that open with time, and the sticky agent: who may get a call, and when."""

from random import Random

from acd_shift import Shift, only

from softswitch.acd import pools
from softswitch.acd.engine import Engine
from softswitch.acd.model import (
    AgentLogin,
    AgentSettings,
    CallerLeft,
    CallQueued,
    DeviceReachable,
    Offer,
    QueueSettings,
    Reconfigured,
    Ring,
)

SKILLS = {
    "alice": AgentSettings(skills={"english": 90, "billing": 60}),
    "boris": AgentSettings(skills={"english": 50, "russian": 100}),
    "clara": AgentSettings(skills={"english": 70}),
}


def shift_of(agents: dict[str, AgentSettings] = SKILLS, **settings: object) -> Shift:
    """One queue, `support`, of all these agents, who are all ready."""
    return Shift(*agents, queues={"support": QueueSettings(agents=tuple(agents), **settings)}, agents=agents)  # type: ignore[arg-type]


def queued(shift: Shift, call: str, **needs: int) -> list[str]:
    """Queue a call that needs these skills; whose phones ring then."""
    shift.do(CallQueued(call, "support", needs=tuple(sorted(needs.items()))))
    return sorted(shift.ringing)


def test_a_call_goes_only_to_agents_with_the_skill_at_that_proficiency() -> None:
    shift = shift_of()
    assert queued(shift, "c1", english=80) == ["alice"]
    assert queued(shift, "c2", russian=1) == ["alice", "boris"]
    assert queued(shift, "c3", english=80) == ["alice", "boris"]
    shift.answer("alice")
    shift.end("c1", "alice")
    assert shift.ringing["alice"].call == "c3"


def test_the_needs_of_the_queue_hold_beside_those_of_the_call_the_larger_one_counts() -> None:
    shift = shift_of(needs={"english": 60})
    assert queued(shift, "c1", russian=50) == []
    assert queued(shift, "c2", english=80) == ["alice"]
    assert queued(shift, "c3", english=10) == ["alice", "clara"]


def test_a_free_agent_gets_the_call_that_came_first_of_all_that_it_can_serve() -> None:
    shift = shift_of()
    for agent in SKILLS:
        shift.pause(agent)
    for number, needs in enumerate(({"english": 80}, {"english": 40}, {"billing": 50}, {"russian": 1})):
        queued(shift, f"c{number}", **needs)
        shift.after(1)
    shift.ready("boris")
    assert shift.ringing["boris"].call == "c1"
    shift.ready("alice")
    assert shift.ringing["alice"].call == "c0"
    shift.ready("clara")
    assert "clara" not in shift.ringing


def test_rings_open_with_time_and_the_call_keeps_its_place() -> None:
    rings = (
        Ring(skills={"english": 80}),
        Ring(after=30, skills={"english": 60}),
        Ring(after=60, skills={"english": 0}),
    )
    shift = shift_of(rings=rings, ring_seconds=300.0)
    shift.pause("alice")
    assert queued(shift, "c1") == []
    shift.after(29.9)
    assert queued(shift, "c2") == []
    shift.after(0.2)
    assert shift.ringing["clara"].call == "c1"
    shift.after(29.9)
    assert "boris" not in shift.ringing or shift.ringing["boris"].call == "c2"
    opened = [fact for fact in shift.facts if fact.kind == "ring.opened" and fact.call == "c1"]
    assert [(fact.data["ring"], round(float(str(fact.data["waited"])))) for fact in opened] == [(1, 30), (2, 60)]
    assert shift.order() == ["c1", "c2"]


def test_a_ring_that_opens_later_does_not_cost_the_call_its_rank() -> None:
    """A call of the wider ring stands before one that came later and has always been for everybody."""
    shift = shift_of(rings=(Ring(agents=("alice",)), Ring(after=30, agents=("alice", "boris"))))
    for agent in SKILLS:
        shift.pause(agent)
    queued(shift, "first")
    shift.after(1)
    queued(shift, "second")
    shift.after(60)
    shift.ready("boris")
    assert shift.ringing["boris"].call == "first"


def test_a_first_ring_that_comes_late_is_preceded_by_the_queues_own_agents() -> None:
    queue = QueueSettings(agents=("alice",), rings=(Ring(after=20, agents=("boris",)),))
    shift = Shift(*SKILLS, queues={"support": queue}, agents=SKILLS)
    shift.pause("alice")
    assert queued(shift, "c1") == []
    shift.after(21)
    assert list(shift.ringing) == ["boris"]


def test_a_ring_that_opens_while_a_phone_rings_takes_nothing_from_it() -> None:
    rings = (Ring(agents=("alice",)), Ring(after=10, agents=("boris",)))
    shift = shift_of(rings=rings, ring_seconds=15.0)
    assert queued(shift, "c1") == ["alice"]
    shift.after(12)
    assert list(shift.ringing) == ["alice"]
    shift.after(4)
    assert list(shift.ringing) == ["boris"]


def test_a_sticky_agent_keeps_the_call_for_some_seconds_then_the_others_get_it() -> None:
    shift = shift_of(sticky_seconds=20.0)
    shift.pause("alice")
    shift.do(CallQueued("c1", "support", sticky="alice"))
    assert not shift.ringing
    shift.after(19)
    assert not shift.ringing
    shift.after(2)
    assert shift.ringing


def test_a_sticky_agent_who_is_free_in_time_gets_the_call() -> None:
    shift = shift_of(sticky_seconds=20.0)
    shift.pause("alice")
    shift.do(CallQueued("c1", "support", sticky="alice"))
    shift.after(10)
    shift.ready("alice")
    assert shift.ringing["alice"].call == "c1"


def test_nobody_waits_for_a_sticky_agent_who_is_not_there() -> None:
    shift = shift_of(sticky_seconds=20.0)
    shift.logout("alice")
    for call, agent in (("c1", "alice"), ("c2", "nobody")):
        shift.do(CallQueued(call, "support", sticky=agent))
    assert {offer.call for offer in shift.ringing.values()} == {"c1", "c2"}


def test_a_sticky_agent_who_logs_out_lets_the_call_go_at_once() -> None:
    shift = shift_of(sticky_seconds=600.0)
    shift.pause("alice")
    shift.do(CallQueued("c1", "support", sticky="alice"))
    shift.logout("alice")
    assert [offer.call for offer in shift.ringing.values()] == ["c1"]


def test_a_sticky_agent_who_no_longer_serves_the_queue_lets_the_call_go() -> None:
    shift = shift_of(sticky_seconds=600.0)
    shift.pause("alice")
    shift.do(CallQueued("c1", "support", sticky="alice"))
    shift.do(Reconfigured({"support": QueueSettings(agents=("boris", "clara"), sticky_seconds=600.0)}, SKILLS))
    assert [offer.call for offer in shift.ringing.values()] == ["c1"]
    assert "alice" not in shift.ringing


def test_new_skills_hold_at_once_for_those_who_wait() -> None:
    shift = shift_of()
    assert queued(shift, "c1", latvian=50) == []
    queues = {"support": QueueSettings(agents=tuple(SKILLS))}
    shift.do(Reconfigured(queues, SKILLS | {"clara": AgentSettings(skills={"latvian": 60})}))
    assert shift.ringing["clara"].call == "c1"


def test_new_rings_hold_at_once_for_those_who_wait() -> None:
    shift = shift_of(rings=(Ring(agents=("alice",)), Ring(after=600, agents=("boris",))))
    shift.pause("alice")
    queued(shift, "c1")
    shift.after(50)
    rings = (Ring(agents=("alice",)), Ring(after=45, agents=("boris",)))
    shift.do(Reconfigured({"support": QueueSettings(agents=tuple(SKILLS), rings=rings)}, SKILLS))
    assert shift.ringing["boris"].call == "c1"


def test_pools_without_calls_are_forgotten() -> None:
    agents = {"alice": AgentSettings(skills={f"skill{number}": 1 for number in range(3000)})}
    shift = shift_of(agents)
    shift.pause("alice")
    state = shift.engine._state
    for number in range(3 * pools.KEEP_EMPTY):
        shift.engine.receive(CallQueued("c1", "support", needs=((f"skill{number}", 1),)), shift.now)
        shift.engine.receive(CallerLeft("c1"), shift.now)
    assert len(state.pools) <= pools.KEEP_EMPTY + 2
    assert len(state.agents["alice"].pools) == len(state.pools)
    assert len(state.queues["support"].classes) <= pools.KEEP_EMPTY + 2
    assert shift.engine.check(shift.now) == []


def test_many_classes_of_needs_over_many_agents_find_the_right_one() -> None:
    """More agents than a small pool looks through: each class keeps an index of its own."""
    dice = Random(3)
    agents = {
        f"a{number:03d}": AgentSettings(
            skills={skill: dice.randrange(101) for skill in "abcdef" if dice.random() < 0.7}
        )
        for number in range(300)
    }
    engine = Engine({"support": QueueSettings(agents=tuple(agents), ring_seconds=0.0)}, agents, 0.0, Random(1))
    for name in agents:
        engine.receive(DeviceReachable(name, True), 1.0)
        engine.receive(AgentLogin(name), 1.0)
    for number in range(250):
        needs = tuple((skill, dice.randrange(90)) for skill in sorted(dice.sample("abcdef", 2)))
        effects = engine.receive(CallQueued(f"c{number}", "support", needs=needs), 2.0 + number)
        for offer in only(effects, Offer):
            assert all(agents[offer.agent].skills.get(skill, 0) >= least for skill, least in needs)
        free = [name for name in agents if engine.agent_view(name, 2.0).available]  # type: ignore[union-attr]
        able = [name for name in free if all(agents[name].skills.get(skill, 0) >= least for skill, least in needs)]
        assert only(effects, Offer) or not able
    assert engine.check(300.0) == []
