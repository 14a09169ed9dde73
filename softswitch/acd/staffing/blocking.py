"""Erlang B: calls that find every trunk busy are lost (M/M/c/c).

The recursion B(0) = 1, B(c) = aB(c-1) / (c + aB(c-1)) keeps every number between 0 and 1, so that thousands of trunks
cost neither digits nor range (A. K. Erlang 1917; ITU-T E.501 §3; DLMF 8.4.12 ties it to the incomplete gamma function).
"""

from typing import Final

MOST: Final = 1_000_000  # trunks or agents that a search goes up to

_ROUNDS: Final = 200  # of the fixed point with retries; it gains a digit every round or two


def blocking(servers: int, load: float) -> float:
    """The share of calls that find all `servers` busy, Erlang's B. Raises `ValueError` for a negative argument."""
    if servers < 0 or load < 0:
        raise ValueError("servers and load are not negative")
    share = 1.0
    for server in range(1, servers + 1):
        share = load * share / (server + load * share)
    return share


def blocking_with_retries(servers: int, load: float, retry: float) -> tuple[float, float]:
    """Extended Erlang B: a share `retry` (0-1) of blocked attempts tries again, and adds to the load. Returns the share
    of attempts that are blocked and the load with the retries in it: a = load + retry · a · B(a)."""
    if not 0 <= retry <= 1:
        raise ValueError("retry is a share, 0 to 1")
    offered = load
    share = blocking(servers, offered)
    if retry == 0 or load == 0:
        return share, offered
    if retry == 1 and load >= servers:
        return 1.0, float("inf")  # nobody gives up, and there is more than can be carried
    low, high = load, max(load, 1.0)
    while high < load + retry * high * blocking(servers, high):
        high *= 2
    for _ in range(_ROUNDS):
        offered = (low + high) / 2
        if offered in (low, high):
            break
        if offered < load + retry * offered * blocking(servers, offered):
            low = offered
        else:
            high = offered
    return blocking(servers, offered), offered


def trunks_for(load: float, most: float, retry: float = 0.0) -> int:
    """The fewest trunks that block no larger share of attempts than `most` (0 < most < 1)."""
    if not 0 < most < 1:
        raise ValueError("the share that may be blocked is between 0 and 1")
    if retry == 0:
        share, trunks = 1.0, 0
        while share > most:
            trunks += 1
            share = load * share / (trunks + load * share)
        return trunks
    high = trunks_for(load, most)
    while blocking_with_retries(high, load, retry)[0] > most:
        high = high + max(1, high // 8)
    low = trunks_for(load, most) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if blocking_with_retries(middle, load, retry)[0] > most:
            low = middle
        else:
            high = middle
    return high
