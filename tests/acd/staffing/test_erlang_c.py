"""Agents when callers wait for ever: published values of Erlang C."""

from fractions import Fraction

import pytest
from chain import stationary

from softswitch.acd.staffing import delay
from softswitch.acd.staffing.figures import Demand

# Agents, erlangs, P(wait): the common table of Erlang C, four decimals.
TABLE = [(1, 0.5, 0.5), (2, 1.0, 0.3333), (3, 2.0, 0.4444), (5, 4.0, 0.5541), (10, 8.0, 0.4092), (14, 10.0, 0.1741)]


@pytest.mark.parametrize(("agents", "load", "share"), TABLE)
def test_published_table(agents, load, share):
    assert delay.waiting(agents, load) == pytest.approx(share, abs=5e-5)


def test_the_textbook_call_centre():
    """100 calls in 30 minutes of 180 s, 14 agents: 88.8 % within 20 s, ASA 7.8 s, occupancy 71.4 %, 17.4 % wait."""
    found = delay.expected(Demand(rate=100 / 1800, handling=180), 14, 20)
    assert found.service_level == pytest.approx(0.888, abs=5e-4)
    assert found.asa == pytest.approx(7.8, abs=0.05)
    assert found.occupancy == pytest.approx(0.714, abs=5e-4)
    assert found.waits == pytest.approx(0.174, abs=5e-4)


@pytest.mark.parametrize(("agents", "load"), [(1, Fraction(9, 10)), (4, Fraction(3)), (12, Fraction(11))])
def test_the_formula_is_the_stationary_chain(agents, load):
    pi = stationary(load, Fraction(1), Fraction(0), agents, agents + 600)
    assert delay.waiting(agents, float(load)) == pytest.approx(float(sum(pi[agents:])), rel=1e-9)


def test_too_few_agents_let_the_queue_grow_for_ever():
    found = delay.expected(Demand(rate=1.0, handling=60.0), 60, 20)
    assert (found.service_level, found.asa, found.waits, found.occupancy) == (0.0, float("inf"), 1.0, 1.0)


def test_no_calls_need_nobody():
    found = delay.expected(Demand(rate=0.0, handling=60.0), 0, 20)
    assert (found.service_level, found.asa, found.waits) == (1.0, 0.0, 0.0)
