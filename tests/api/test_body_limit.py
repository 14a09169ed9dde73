"""A client that sends without end fills no memory: a stranger's body is cut early, and nobody's is without bound."""

from collections.abc import AsyncIterator

import pytest

from softswitch.api.body_limit import MOST, MOST_OF_STRANGERS
from tests.api.rig import TOKEN, Rig

PIECE = b" " * 8192


class Endless:
    """A body of `pieces`; how many of them were read."""

    def __init__(self, pieces: int) -> None:
        self.read = 0
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._pieces):
            self.read += 1
            yield PIECE


@pytest.mark.parametrize(("token", "most"), [("", MOST_OF_STRANGERS), ("wrong", MOST_OF_STRANGERS), (TOKEN, MOST)])
async def test_a_body_without_end_is_cut(rig: Rig, token: str, most: int) -> None:
    body = Endless(2 * most // len(PIECE))
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = await rig.stranger.post("/api/v1/customers", content=body, headers=headers)
    assert answer.status_code == 413
    assert body.read <= most // len(PIECE) + 1


async def test_what_is_usual_passes(rig: Rig) -> None:
    customers = [{"id": f"c{number}", "numbers": [f"+3706{number:07}"], "name": "x" * 100} for number in range(1000)]
    answer = await rig.stranger.post(
        "/api/v1/customers", json={"customers": customers}, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    assert answer.json() == {"stored": 1000}
    assert (await rig.stranger.post("/api/v1/customers", json={"customers": customers[:5]})).status_code == 401
