"""Erlang C: calls wait for ever (M/M/c). A wait, once there is one, is exponential with rate (c - a)/handling.

(A. K. Erlang 1917; L. Kleinrock, Queueing Systems I, 1975, §3.5.)
"""

from math import exp, inf

from softswitch.acd.staffing.blocking import blocking
from softswitch.acd.staffing.figures import Demand, Expected
from softswitch.kernel.clock import Duration


def waiting(servers: int, load: float) -> float:
    """The share of calls that must wait, Erlang's C = cB / (c - a(1 - B)); 1 when the load is too much."""
    if load >= servers:
        return 1.0
    share = blocking(servers, load)
    return servers * share / (servers - load * (1.0 - share))


def expected(demand: Demand, agents: int, within: Duration) -> Expected:
    """The figures of `agents` whose callers do not hang up; `within`: the service level's seconds."""
    load = demand.load
    if load >= agents:
        nothing = load == 0
        return Expected(
            agents=agents,
            service_level=1.0 if nothing else 0.0,
            asa=0.0 if nothing else inf,
            wait=0.0 if nothing else inf,
            waits=0.0 if nothing else 1.0,
            abandoned=0.0,
            occupancy=0.0 if nothing else 1.0,
            queue=0.0 if nothing else inf,
        )
    share = waiting(agents, load)
    asa = share * demand.handling / (agents - load)
    late = share * exp(-(agents - load) * within / demand.handling) if demand.handling else 0.0
    return Expected(
        agents=agents,
        service_level=1.0 - late,
        asa=asa,
        wait=asa,
        waits=share,
        abandoned=0.0,
        occupancy=load / agents,
        queue=demand.rate * asa,
    )
