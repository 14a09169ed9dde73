"""The stationary queue by another way: its birth-and-death chain solved as linear equations in exact fractions, and the
wait of each place in the line convolved phase by phase."""

from fractions import Fraction

import numpy as np


def stationary(rate, mu, theta, agents, states):
    """π of the chain cut at `states`, in fractions: π(n+1) = π(n) λ / death(n+1)."""
    weights = [Fraction(1)]
    for n in range(1, states):
        death = min(n, agents) * mu + max(0, n - agents) * theta
        weights.append(weights[-1] * rate / death)
    whole = sum(weights)
    return [weight / whole for weight in weights]


def answered_within(rate, mu, theta, agents, states, within):
    """P(answered within t) by transient Markov chains: a caller who comes k-th in the line moves up with rate
    cμ + (k-1)θ and hangs up with rate θ; uniformised (A. Jensen 1953)."""
    pi = stationary(rate, mu, theta, agents, states)
    found = float(sum(pi[:agents]))
    places = states - agents
    speed = float(agents * mu + places * theta)
    up = np.array([float(agents * mu + k * theta) for k in range(places)]) / speed  # place k+1 moves up
    leave = float(theta) / speed
    here = np.array([float(p) for p in pi[agents:]])
    served, poisson, n = 0.0, np.exp(-speed * within), 0
    total = 0.0
    while n < speed * within or poisson > 1e-14:
        total += poisson * served
        served += here[0] * up[0]
        following = here * (1 - up - leave)
        following[:-1] += here[1:] * up[1:]
        here = following
        n += 1
        poisson *= speed * within / n
    return found + total
