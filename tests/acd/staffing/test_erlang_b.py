"""Trunks: the values of published Erlang B tables."""

from fractions import Fraction
from math import factorial

import pytest

from softswitch.acd.staffing.blocking import blocking, blocking_with_retries, trunks_for

# Lines, share blocked, offered erlangs: the common table of Erlang B (1 % and others), three decimals or fewer.
TABLE = [
    *[(1, 0.01, 0.0101), (2, 0.01, 0.153), (5, 0.01, 1.361), (10, 0.01, 4.461), (15, 0.01, 8.108), (20, 0.01, 12.03)],
    *[(30, 0.01, 20.34), (50, 0.01, 37.90), (100, 0.01, 84.06)],
    *[(5, 0.001, 0.762), (10, 0.001, 3.092), (20, 0.001, 9.412), (10, 0.05, 6.216), (20, 0.05, 15.25)],
]


@pytest.mark.parametrize(("lines", "share", "erlangs"), TABLE)
def test_published_table(lines, share, erlangs):
    """To the last digit that is printed."""
    half = 0.6 * 10 ** -len(str(erlangs).partition(".")[2])
    assert blocking(lines, erlangs - half) < share < blocking(lines, erlangs + half)


def test_a_published_problem_of_trunk_engineering():
    """33.333 erlangs with one call in a hundred lost need 45 lines."""
    assert trunks_for(100 / 3, 0.01) == 45


@pytest.mark.parametrize("load", [Fraction(1, 3), Fraction(5), Fraction(37, 2), Fraction(60)])
def test_the_recursion_is_erlangs_sum(load):
    """B = (aᶜ/c!) / Σ aⁿ/n!, in exact fractions."""
    for lines in (0, 1, 7, 40):
        terms = [load**n / factorial(n) for n in range(lines + 1)]
        assert blocking(lines, float(load)) == pytest.approx(float(terms[-1] / sum(terms)), rel=1e-12)


def test_thousands_of_lines_and_hardly_any():
    assert blocking(100_000, 100_000.0) == pytest.approx((2 / (3.141592653589793 * 100_000)) ** 0.5, rel=5e-3)
    assert blocking(2000, 10.0) == pytest.approx(0.0, abs=1e-300)
    assert blocking(10, 0.0) == 0.0
    assert trunks_for(0.0, 0.01) == 1


def test_callers_who_try_again_add_to_the_load():
    """a = a₀ + retry · a · B(a): the fixed point of extended Erlang B."""
    share, offered = blocking_with_retries(10, 8.0, 0.5)
    assert offered == pytest.approx(8.0 + 0.5 * offered * share, rel=1e-9)
    assert share == pytest.approx(blocking(10, offered))
    assert share > blocking(10, 8.0)
    assert blocking_with_retries(10, 8.0, 0.0) == (blocking(10, 8.0), 8.0)
    trunks = trunks_for(33.3, 0.01, 0.5)
    assert blocking_with_retries(trunks, 33.3, 0.5)[0] <= 0.01 < blocking_with_retries(trunks - 1, 33.3, 0.5)[0]


def test_when_nobody_gives_up_too_much_load_blocks_everything():
    assert blocking_with_retries(10, 12.0, 1.0) == (1.0, float("inf"))


@pytest.mark.parametrize("wrong", [lambda: blocking(-1, 1.0), lambda: blocking(1, -1.0), lambda: trunks_for(5, 0.0)])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError):
        wrong()
