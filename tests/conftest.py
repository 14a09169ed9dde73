"""Tests of real processes share the machine with strangers: one that fails is looked at again, alone, when the others
have ended (`tests/second_look.py`). Tests of cores run in virtual time and get no second try.

What runs in real time goes before tests of cores in the other process of pytest's, which may take their time."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests import rooms, second_look
from tests.interop import showing
from tests.interop.showing import pytest_runtest_logreport

__all__ = ["pytest_runtest_logreport"]

HERE = Path(__file__).parent
_POLITE = 10
# No deadline: a busy machine is no fault of the code. The same examples each time: a failure tells of the change.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("hunt", deadline=None)  # pytest --hypothesis-profile hunt: other examples each time
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rooms.turn(item.path.relative_to(HERE)))
    showing.remember(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of cores are nice. Where that cannot be taken back, so are those after them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, 0 if rooms.is_live(item.path.relative_to(HERE)) else _POLITE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> rooms.Sharing:
    config.option.loadscopereorder = False
    return rooms.Sharing(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    showing.pytest_sessionfinish(session)
    second_look.pytest_sessionfinish(session)
