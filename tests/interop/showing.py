"""What a test shows, for the tables of docs/interop.md: `@pytest.mark.shows(peer="baresip", feature="hold")` says which
phone can do what with the switch, `@pytest.mark.flow("RFC 3665 §3.8", "no answer")` which call flow SIPp has played.

A run keeps the outcomes in pytest's cache; `python -m tests.interop.matrix` brings them to the table."""

import os
from collections.abc import Iterable
from typing import Any

import pytest

CACHE = "interop/outcomes"
_PROPERTY = "shows"
FLOWS_PEER = "SIPp"
OURS = "test phones"  # tests/interop/sip_user.py: messages written for the test

_outcomes: dict[str, str] = {}


def shown_by(item: pytest.Item) -> list[tuple[str, str]]:
    """(peer, feature) of each mark; a flow is a feature of SIPp's, named after its section."""
    found = [(mark.kwargs["peer"], mark.kwargs["feature"]) for mark in item.iter_markers("shows")]
    found += [(FLOWS_PEER, f"{mark.args[0]}: {mark.args[1]}") for mark in item.iter_markers("flow")]
    return sorted(found)


def peers(*names: str, features: tuple[str, ...]) -> pytest.MarkDecorator:
    """The test once for each phone, as the argument `kind`; each of them shows the features."""
    return pytest.mark.parametrize("kind", [pytest.param(name, marks=_all(name, features)) for name in names])


def _all(name: str, features: tuple[str, ...]) -> list[pytest.MarkDecorator]:
    return [pytest.mark.shows(peer=name, feature=feature) for feature in features]


def remember(items: list[pytest.Item]) -> None:
    """So that the reports of these tests say it, too."""
    for item in items:
        if shown_by(item):
            item.user_properties.append((_PROPERTY, True))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The last word counts, a failure of any phase before all: a test that is run again replaces what it was."""
    if not any(name == _PROPERTY for name, _ in report.user_properties):
        return
    outcome = "xfailed" if hasattr(report, "wasxfail") and report.skipped else str(report.outcome)
    if report.when == "setup" or outcome != "passed":
        _outcomes[report.nodeid] = outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Only where the reports arrive: not in a process of xdist's."""
    cache: Any = getattr(session.config, "cache", None)
    if _outcomes and cache is not None and "PYTEST_XDIST_WORKER" not in os.environ:
        cache.set(CACHE, {**cache.get(CACHE, {}), **known(_outcomes.items())})


def known(outcomes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Without what was skipped: a peer that is not installed says nothing."""
    return {name: outcome for name, outcome in outcomes if outcome != "skipped"}
