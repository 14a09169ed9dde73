"""Revocation lists of STIR, from files and by HTTPS: read when a call first needs them, and again when their time is
over, while calls go on with what was read last."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip.passport import UNSUPPORTED
from softswitch.switch.events import Alarmed
from softswitch.switch.settings import Stir

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from softswitch.services.stir_revocation import RevocationList

log = structlog.get_logger()

_AGAIN: Final = 60.0  # seconds after a failure
_PATIENCE: Final = 60.0  # seconds for the whole of a list
ALARM: Final = "stir.crl"

Fetch = Callable[[str, Stir, int], Awaitable[bytes]]


@dataclass(slots=True)
class _Kept:
    """The list of a place, None while none could be read; `due`: when it is looked at again."""

    found: "RevocationList | None" = None
    due: Instant = 0.0
    why: str = ""


class Revocations:
    """`fetch(url, stir, most octets)` gets a list; `alarm` hears of those that cannot be had, and of better days."""

    def __init__(self, fetch: Fetch, alarm: Callable[[Alarmed], None], clock: Callable[[], Instant]) -> None:
        self._fetch = fetch
        self._alarm = alarm
        self._clock = clock
        self._stir: Stir | None = None
        self._kept: dict[str, _Kept] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def running(self) -> int:
        """Lists that are being read."""
        return len(self._running)

    async def check(self, certificates: "list[Certificate]", stir: Stir, anchors: "list[Certificate]") -> None:
        """Raises `PeerError` (437): one of them is revoked, or no valid list is there and `crl_required` wants one."""
        if self._stir is not stir:  # a reload
            self._stir = stir
            self._kept.clear()
        for place in stir.crl:
            kept = self._kept.setdefault(place, _Kept())
            if self._clock() >= kept.due and place not in self._running:
                task = asyncio.get_running_loop().create_task(self._read(place, kept, stir, anchors), name="stir crl")
                self._running[place] = task
                task.add_done_callback(partial(self._over, place))
            running = self._running.get(place)
            if running is not None and (kept.found is None or kept.found.stale(self._clock())):
                await asyncio.wait((running,), timeout=stir.timeout / 2)  # a list that hangs must not cost the call
            found = kept.found
            if found is not None:
                found.check(certificates)
            if stir.crl_required and (found is None or found.stale(self._clock())):
                raise PeerError("no revocation list that is valid", status=UNSUPPORTED)

    def _over(self, place: str, _: asyncio.Task[None]) -> None:
        self._running.pop(place, None)

    async def close(self) -> None:
        """What is under way is dropped."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, place: str, kept: _Kept, stir: Stir, anchors: "list[Certificate]") -> None:
        from softswitch.services.stir_keys import certificates
        from softswitch.services.stir_revocation import MOST_OCTETS, RevocationList

        try:
            async with asyncio.timeout(_PATIENCE):
                if place.partition(":")[0] in ("http", "https"):
                    data = await self._fetch(place, stir, MOST_OCTETS)
                else:
                    data = await asyncio.to_thread(Path(place).read_bytes)
            issuers = [*anchors, *(certificates(stir.crl_issuers) if stir.crl_issuers is not None else ())]
            kept.found = await asyncio.to_thread(RevocationList, data, issuers)
        except (LocalError, PeerError) as error:
            why = str(error)
        except Exception as error:  # what files and HTTP clients raise
            why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        else:
            why = "it is older than its giver promised" if kept.found.stale(self._clock()) else ""
        kept.due = self._clock() + (_AGAIN if why else stir.crl_seconds)
        if why != kept.why and stir is self._stir:
            kept.why = why
            if why:
                log.warning("stir.crl", place=place, reason=why, keeps=0 if kept.found is None else len(kept.found))
            troubles = [f"{where}: {one.why}" for where, one in self._kept.items() if one.why]
            text = f"revocation lists cannot be read: {'; '.join(troubles)}" if troubles else ""
            self._alarm(Alarmed(ALARM, text, self._clock()))
