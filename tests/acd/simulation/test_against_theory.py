"""The simulated M/M/c agrees with Erlang C and M/M/c+M with Erlang A, within confidence intervals of 99.9 % (a seed's
luck fails one figure in a thousand; the seed was taken as it came)."""

import pytest

from softswitch.acd.model import AgentSettings, QueueSettings
from softswitch.acd.simulation.figures import figures
from softswitch.acd.simulation.load import Behaviour, Load, QueueLoad
from softswitch.acd.simulation.outcome import Outcome
from softswitch.acd.simulation.run import run_stretch, stretches
from softswitch.acd.simulation.site import Site
from softswitch.acd.simulation.times import Times
from softswitch.acd.staffing.figures import Demand
from softswitch.acd.staffing.requirement import expect


def simulated(agents, calls, talk, patience, replications, **settings):
    names = tuple(f"agent{number}" for number in range(agents))
    queue = QueueSettings(agents=names, short_abandon=0.0, **settings)
    site = Site(queues={"support": queue}, agents=dict.fromkeys(names, AgentSettings()))
    load = Load(
        queues={"support": QueueLoad(calls=calls, talk=talk, patience=patience)},
        agents=Behaviour(pick_up=Times(distribution="constant")),
    )
    found = []
    for replication in range(replications):
        outcome = Outcome()
        for stretch in stretches(load, 1, 1, replication, warm_up=3 * 3600.0):
            outcome.add(run_stretch(site, stretch))
        assert outcome.all_calls.waiting == 0, "every call has one outcome"
        assert not outcome.sums.ignored
        assert not outcome.sums.repaired
        found.append(outcome)
    return figures(found, {}, 1, 0.999)


def agrees(found, agents, calls, talk, patience):
    wanted = expect(Demand(rate=calls / 3600, handling=talk, patience=patience), agents, 20)
    queue, everybody = found.queues["support"], found.everybody
    assert queue["service_level"].holds(wanted.service_level), (queue["service_level"], wanted)
    assert queue["asa"].holds(wanted.asa), (queue["asa"], wanted)
    assert queue["abandoned"].holds(wanted.abandoned), (queue["abandoned"], wanted)
    assert everybody["occupancy"].holds(wanted.occupancy), (everybody["occupancy"], wanted)
    return queue


@pytest.mark.parametrize(("agents", "calls", "talk"), [(3, 35, 200), (10, 125, 200)])
def test_callers_who_wait_for_ever_are_erlang_c(agents, calls, talk):
    found = simulated(agents, calls, talk, None, replications=16)
    queue = agrees(found, agents, calls, talk, None)
    assert queue["abandoned"].mean == 0
    assert queue["service_level"].half < 0.1


@pytest.mark.parametrize(
    ("agents", "calls", "talk", "patience"),
    [(5, 90, 200, 60), (10, 200, 200, 90)],  # the second is overloaded
)
def test_callers_who_hang_up_are_erlang_a(agents, calls, talk, patience):
    found = simulated(agents, calls, talk, patience, replications=10)
    queue = agrees(found, agents, calls, talk, patience)
    assert queue["service_level"].half < 0.04


def test_the_strategy_does_not_matter_where_all_agents_are_alike():
    found = simulated(5, 90, 200, 60, replications=6, strategy="random")
    agrees(found, 5, 90, 200, 60)
