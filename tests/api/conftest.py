"""A switch without sockets under the API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def media_up(rig: Rig) -> None:
    """A media process has come, and calls can be taken."""
    rig.media_up()
