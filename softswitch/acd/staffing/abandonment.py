"""Erlang A: a caller waits no longer than its patience, which is exponential (M/M/c+M).

Who waits, who abandons and for how long come from the stationary distribution of the birth-and-death chain; the
distribution of the wait in closed form, from incomplete gamma functions. (C. Palm, Research on telephone traffic
carried by full availability groups, Tele 1, 1957; O. Garnett, A. Mandelbaum, M. Reiman, Designing a call center with
impatient customers, M&SOM 4, 2002; A. Mandelbaum, S. Zeltyn, Service engineering in action: the Palm/Erlang-A queue,
2007.)
"""

from math import exp
from typing import Final

from softswitch.acd.staffing import delay
from softswitch.acd.staffing.blocking import blocking
from softswitch.acd.staffing.figures import Demand, Expected
from softswitch.acd.staffing.gamma import log_lower
from softswitch.kernel.clock import Duration

_NEGLIGIBLE: Final = 1e-18  # of the largest term
_PATIENT: Final = 1e5  # patience in handling times: beyond, Erlang C says the same to five digits


def expected(demand: Demand, agents: int, within: Duration) -> Expected:
    """The figures of `agents`; `within`: the service level's seconds. Without `patience` this is Erlang C."""
    rate, load, patience = demand.rate, demand.load, demand.patience
    if patience is None or load == 0 or patience > _PATIENT * demand.handling:
        return delay.expected(demand, agents, within)
    if agents == 0 or patience <= 0:
        return _nobody(demand, agents)
    waits, abandoned, answered_wait = _stationary(rate, 1.0 / demand.handling, 1.0 / patience, agents)
    served = 1.0 - abandoned
    by_then = _Wait(rate, 1.0 / demand.handling, 1.0 / patience, agents)
    in_time = (1.0 - waits) + waits * by_then.served(within)
    short = waits * by_then.abandoned(demand.short) if demand.short > 0 else 0.0
    wait = abandoned * patience  # P(abandon) = θ E[W] for exponential patience
    return Expected(
        agents=agents,
        service_level=min(1.0, in_time / (1.0 - short)) if short < 1.0 else 0.0,
        asa=answered_wait / served if served else 0.0,
        wait=wait,
        waits=waits,
        abandoned=abandoned,
        occupancy=load * served / agents,
        queue=rate * wait,
    )


def _nobody(demand: Demand, agents: int) -> Expected:
    """Nobody answers: all abandon; or nobody waits at all: who does not find an agent is gone (Erlang B)."""
    patience = demand.patience or 0.0
    lost = blocking(agents, demand.load)
    short = lost * (1.0 - exp(-demand.short / patience)) if patience > 0 else lost * (demand.short > 0)
    return Expected(
        agents=agents,
        service_level=(1.0 - lost) / (1.0 - short) if short < 1.0 else 0.0,
        asa=0.0,
        wait=lost * patience,
        waits=lost,
        abandoned=lost,
        occupancy=demand.load * (1.0 - lost) / agents if agents else 0.0,
        queue=demand.rate * lost * patience,
    )


def _stationary(rate: float, mu: float, theta: float, agents: int) -> tuple[float, float, float]:
    """P(wait), P(abandon) and E[wait; answered].

    States above c, in units of state c: x(k) = Π λ/(cμ + iθ), i = 1…k; those up to c sum to 1/B(c). In overload x(k)
    grows to a peak far outside of a float's range, so everything is in units of the peak. A caller who comes k-th in
    the line is answered with probability cμ/(cμ + kθ), and then waits Σ 1/(cμ + iθ), i = 1…k, on average."""
    capacity = agents * mu
    peak = max(0, int((rate - capacity) / theta))
    terms = {peak: 1.0}
    term, k = 1.0, peak
    while term > _NEGLIGIBLE and k > 0:
        term *= (capacity + k * theta) / rate
        k -= 1
        terms[k] = term
    lowest = k
    term, k = 1.0, peak
    while term > _NEGLIGIBLE:
        k += 1
        term *= rate / (capacity + k * theta)
        terms[k] = term
    at_c = terms.get(0, 0.0)  # negligible when the descent from the peak stopped above it
    share = blocking(agents, rate / mu)
    free = at_c * (1.0 / share - 1.0) if share > 0 else float("inf")  # states below c
    if free == float("inf"):
        return 0.0, 0.0, 0.0
    delay_so_far = sum(1.0 / (capacity + i * theta) for i in range(1, lowest + 1))
    busy = lost = waited = 0.0
    for state in range(lowest, k + 1):  # a caller who finds `state` waiting is the next place in the line
        x = terms[state]
        rate_out = capacity + (state + 1) * theta
        delay_so_far += 1.0 / rate_out
        busy += x
        lost += x * (state + 1) * theta / rate_out
        waited += x * capacity / rate_out * delay_so_far
    everything = free + busy
    return busy / everything, lost / everything, waited / everything


class _Wait:
    """Of callers who have to wait: the share that by a time has been served, or has hung up.

    The offered wait has a density in proportion to w(x) = exp(λ(1 - e^(-θx))/θ - cμx) (F. Baccelli, G. Hebuterne, On
    queues with impatient customers, 1981). With A = cμ/θ, X = λ/θ and y = Xe^(-θt):
    ∫₀ᵗ e^(-θx) w = [γ(A+1, X) - γ(A+1, y)] / X · K and ∫₀ᵗ w = [γ(A, X) - γ(A, y)] · K."""

    def __init__(self, rate: float, mu: float, theta: float, agents: int) -> None:
        self._theta = theta
        self._a = agents * mu / theta
        self._x = rate / theta
        self._whole = log_lower(self._a, self._x)
        self._above = exp(log_lower(self._a + 1.0, self._x) - self._whole) / self._x

    def served(self, by: Duration) -> float:
        """Answered within `by`."""
        rest = log_lower(self._a + 1.0, self._x * exp(-self._theta * by))
        return max(0.0, self._above - exp(rest - self._whole) / self._x)

    def abandoned(self, by: Duration) -> float:
        """Hung up within `by`: ∫₀ᵗ θe^(-θu) P(V > u) du, by parts."""
        late = exp(log_lower(self._a, self._x * exp(-self._theta * by)) - self._whole)
        return max(0.0, 1.0 - exp(-self._theta * by) * late - self.served(by))
