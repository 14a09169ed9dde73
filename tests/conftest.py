"""Tests of real processes share the machine with strangers: one that fails is run again, at most twice, and the summary
counts such reruns. Tests of cores run in virtual time and get no second try."""

from pathlib import Path

import pytest

from tests.interop import showing
from tests.interop.showing import pytest_runtest_logreport, pytest_sessionfinish

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_logreport", "pytest_sessionfinish"]

REAL = frozenset(("api", "bench", "cli", "demo", "interop", "media", "services", "shell"))
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(HERE).parts[0] in REAL:
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=2))
    showing.remember(items)
