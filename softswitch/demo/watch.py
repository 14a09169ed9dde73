"""What the demo sees of the switch: the API's views, and the CPU time that the system counts."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx

from softswitch.kernel.errors import LocalError
from softswitch.shell.run_dir import ApiAccess

Row: TypeAlias = dict[str, Any]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
# What must be nothing when no call is up; SIP transactions live on for up to 32 s (RFC 3261 §17).
MUST_BE_ZERO: Final = ("legs", "streams", "players", "recordings", "offers")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The switch at one moment. `cpu` is seconds used so far, by process name."""

    status: Row
    queues: list[Row]
    agents: list[Row]
    calls: list[Row]
    trunks: list[Row]
    cpu: dict[str, float] = field(default_factory=dict)

    def leftovers(self) -> dict[str, int]:
        """What still lives although it should not when no call is up."""
        live = {name: self.status["live"].get(name, 0) for name in MUST_BE_ZERO}
        live["calls"] = self.status["calls"]
        return {name: count for name, count in live.items() if count}


class Watch:
    """A connection to the API of the demo's switch."""

    def __init__(self, access: ApiAccess, supervisor: int) -> None:
        self._supervisor = supervisor
        self._client = httpx.AsyncClient(
            base_url=f"{access.url}/api/v1",
            headers={"Authorization": f"Bearer {access.token}"},
            timeout=10.0,
            trust_env=False,
        )

    async def look(self) -> Snapshot:
        """Everything that the screen shows."""
        status = await self.get("/status")
        names = ("queues", "agents", "calls", "trunks")
        pages = [await self.get(f"/{name}", limit=1000) for name in names]
        queues, agents, calls, trunks = (page["items"] for page in pages)
        return Snapshot(status, queues, agents, calls, trunks, self._cpu(status))

    async def get(self, path: str, **params: str | int) -> Any:
        """One answer of the API. Raises `LocalError` when there is none."""
        try:
            response = await self._client.get(path, params=params)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise LocalError(f"the switch does not answer: {path}: {str(error) or type(error).__name__}") from error
        return response.json()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    def _cpu(self, status: Row) -> dict[str, float]:
        media = {worker["pid"]: f"media-{worker['worker']}" for worker in status["workers"]}
        used = {}
        for pid in _children(self._supervisor):
            used[media.get(pid, "control")] = _cpu_seconds(pid)
        return used


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
