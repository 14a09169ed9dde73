"""Tests of real processes share the machine with strangers: one that fails is run again, at most twice, and the summary
names it (`--reruns 0` or any other number on the command line takes precedence). Tests of cores run in virtual time and
get no second try."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests import rooms
from tests.interop import showing
from tests.interop.showing import pytest_runtest_logreport, pytest_sessionfinish

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "pytest_xdist_make_scheduler",
]

HERE = Path(__file__).parent
# No deadline: a busy machine is no fault of the code. The same examples each time: a failure tells of the change.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("hunt", deadline=None)  # pytest --hypothesis-profile hunt: other examples each time
settings.load_profile("suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rooms.turn(item.path.relative_to(HERE)))
    for item in items:
        if config.getoption("reruns") is None and rooms.is_live(item.path.relative_to(HERE)):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=2))
    showing.remember(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> rooms.Sharing:
    config.option.loadscopereorder = False
    return rooms.Sharing(config, log)
