"""Agents when callers hang up: published values of Erlang A, and an independent solution of its chain."""

from dataclasses import replace
from fractions import Fraction
from math import exp

import pytest
from chain import answered_within, stationary

from softswitch.acd.staffing import abandonment, delay
from softswitch.acd.staffing.blocking import blocking
from softswitch.acd.staffing.figures import Demand


def test_published_comparison_with_and_without_abandonment():
    """Garnett, Mandelbaum, Reiman 2002, table 1: 50 agents, 48 calls a minute of 1 minute, patience 2 minutes:
    3.1 % abandon, average wait 3.7 s, 3 in the queue, agents 93 % busy; without abandonment 20.8 s, 17, 96 %."""
    demand = Demand(rate=48 / 60, handling=60, patience=120)
    found = abandonment.expected(demand, 50, 12.5)
    assert found.abandoned == pytest.approx(0.031, abs=5e-4)
    assert found.wait == pytest.approx(3.7, abs=0.05)
    assert found.queue == pytest.approx(3.0, abs=0.05)
    assert found.occupancy == pytest.approx(0.93, abs=5e-3)
    without = delay.expected(demand, 50, 20)
    assert without.asa == pytest.approx(20.8, abs=0.05)
    assert without.queue == pytest.approx(17, abs=0.4)
    assert without.occupancy == pytest.approx(0.96)


@pytest.mark.parametrize(
    ("rate", "mu", "theta", "agents"),
    [
        (Fraction(1), Fraction(1), Fraction(1), 1),
        (Fraction(9, 2), Fraction(1), Fraction(1, 2), 5),
        (Fraction(12), Fraction(1), Fraction(1, 3), 10),  # overloaded
        (Fraction(6), Fraction(1), Fraction(3), 8),
        (Fraction(3), Fraction(1), Fraction(1, 20), 3),
    ],
)
def test_every_figure_is_that_of_the_chain(rate, mu, theta, agents):
    states = agents + (100 if theta >= 1 else 260)
    pi = stationary(rate, mu, theta, agents, states)
    queue = sum((n - agents) * pi[n] for n in range(agents, states))
    demand = Demand(rate=float(rate), handling=float(1 / mu), patience=float(1 / theta))
    for within in (0.0, 0.3, 1.5):
        found = abandonment.expected(demand, agents, within)
        wanted = answered_within(rate, mu, theta, agents, states, within)
        assert found.service_level == pytest.approx(wanted, abs=1e-9)
    assert found.waits == pytest.approx(float(sum(pi[agents:])), rel=1e-9)
    assert found.queue == pytest.approx(float(queue), rel=1e-9)
    assert found.abandoned == pytest.approx(float(queue * theta / rate), rel=1e-9)
    served = sum(min(n, agents) * pi[n] for n in range(states))
    assert found.occupancy == pytest.approx(float(served / agents), rel=1e-9)
    by_place, climb = 0, 0
    for k in range(1, 100):
        climb += 1 / (agents * mu + k * theta)
        by_place += pi[agents + k - 1] * agents * mu / (agents * mu + k * theta) * climb
    assert found.asa == pytest.approx(float(by_place / (1 - queue * theta / rate)), rel=1e-6)


def test_answered_in_the_end_is_whoever_did_not_hang_up():
    found = abandonment.expected(Demand(rate=2.0, handling=10.0, patience=15.0), 18, 1e6)
    assert found.service_level == pytest.approx(1.0 - found.abandoned, abs=1e-9)


def test_short_abandons_are_not_judged():
    """All abandons short: the share is that of the answered. A queue that always waits (1 agent, overload) hangs up
    within s about as a patience does: 1 - e^(-θs)."""
    plain = abandonment.expected(Demand(rate=2.0, handling=10.0, patience=15.0), 18, 20)
    judged = abandonment.expected(Demand(rate=2.0, handling=10.0, patience=15.0, short=5.0), 18, 20)
    never = abandonment.expected(Demand(rate=2.0, handling=10.0, patience=15.0, short=1e6), 18, 20)
    assert plain.service_level < judged.service_level < never.service_level
    assert never.service_level == pytest.approx(plain.service_level / (1.0 - plain.abandoned), rel=1e-9)
    crowd = Demand(rate=100.0, handling=1000.0, patience=100.0)
    whole = abandonment.expected(crowd, 1000, 1e6).service_level
    without = abandonment.expected(replace(crowd, short=5.0), 1000, 1e6).service_level
    assert 1.0 - whole / without == pytest.approx(1 - exp(-0.05), rel=1e-4)


def test_between_erlang_b_and_erlang_c():
    """No patience at all is Erlang B, endless patience Erlang C."""
    hasty = abandonment.expected(Demand(rate=1.0, handling=20.0, patience=0.0), 22, 20)
    assert hasty.abandoned == pytest.approx(blocking(22, 20.0))
    patient = abandonment.expected(Demand(rate=1.0, handling=20.0, patience=1e6), 22, 20)
    forever = delay.expected(Demand(rate=1.0, handling=20.0), 22, 20)
    assert patient.service_level == pytest.approx(forever.service_level, rel=1e-3)
    assert patient.asa == pytest.approx(forever.asa, rel=1e-3)


def test_thousands_of_agents_far_into_overload():
    """Fluid limit: with a = 1.44 c a share 1 - 1/1.44 hangs up after waiting -ln(1/1.44)/θ."""
    found = abandonment.expected(Demand(rate=12.0, handling=300.0, patience=2000.0), 2500, 20)
    assert found.abandoned == pytest.approx(1 - 2500 / 3600, rel=1e-6)
    assert found.asa == pytest.approx(2000 * 0.36464, rel=1e-3)
    assert found.service_level == pytest.approx(0.0, abs=1e-9)
    small = abandonment.expected(Demand(rate=0.001, handling=60.0, patience=90.0), 3, 20)
    assert small.service_level == pytest.approx(1.0, abs=1e-4)
    assert abandonment.expected(Demand(rate=1.0, handling=60.0, patience=90.0), 5000, 20).waits == 0.0


def test_nobody_at_work():
    found = abandonment.expected(Demand(rate=1.0, handling=60.0, patience=90.0), 0, 20)
    assert (found.service_level, found.abandoned, found.wait) == (0.0, 1.0, 90.0)
