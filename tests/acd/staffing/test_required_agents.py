"""The fewest agents that keep a promise, and what must be on the roster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.acd.staffing.figures import Demand
from softswitch.acd.staffing.requirement import Target, expect, require, scheduled
from softswitch.kernel.errors import LocalError


def test_the_textbook_call_centre_needs_fourteen():
    """100 calls in 30 minutes of 180 s, 80 % within 20 s: 14 agents; with 30 % shrinkage 20 on the roster."""
    found = require(Demand(rate=100 / 1800, handling=180), Target(), 0.3)
    assert (found.agents, found.scheduled) == (14, 20)


@given(
    rate=st.floats(0.001, 3.0),
    handling=st.floats(10.0, 900.0),
    patience=st.one_of(st.none(), st.floats(5.0, 3600.0)),
    level=st.floats(0.1, 0.99),
    within=st.floats(0.0, 120.0),
)
def test_one_agent_fewer_breaks_the_promise(rate, handling, patience, level, within):
    demand = Demand(rate=rate, handling=handling, patience=patience)
    target = Target(service_level=level, within=within)
    found = require(demand, target)
    assert target.met(found.expected)
    assert found.agents == 0 or not target.met(expect(demand, found.agents - 1, within))


@pytest.mark.parametrize(
    "target",
    [
        Target(service_level=None, asa=10.0),
        Target(service_level=None, abandoned=0.02),
        Target(service_level=None, occupancy=0.8),
        Target(service_level=0.9, within=10, asa=5.0, abandoned=0.01, occupancy=0.85),
    ],
)
def test_other_promises(target):
    demand = Demand(rate=0.5, handling=200.0, patience=100.0)
    found = require(demand, target)
    assert target.met(found.expected)
    assert not target.met(expect(demand, found.agents - 1, target.within))


def test_no_calls_no_agents():
    assert require(Demand(rate=0.0, handling=200.0), Target()).agents == 0


@pytest.mark.parametrize(
    ("target", "shrinkage"),
    [
        (Target(service_level=1.0), 0.0),
        (Target(service_level=None, occupancy=0.0), 0.0),
        (Target(service_level=None, abandoned=0.0), 0.0),
        (Target(service_level=None, asa=0.0), 0.0),
        (Target(), 1.0),
    ],
)
def test_promises_that_nobody_keeps(target, shrinkage):
    with pytest.raises(LocalError):
        require(Demand(rate=0.5, handling=200.0), target, shrinkage)


def test_shrinkage_is_a_share_of_the_roster():
    assert [scheduled(70, 0.3), scheduled(71, 0.3), scheduled(5, 0.0)] == [100, 102, 5]
