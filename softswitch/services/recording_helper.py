"""A process of its own for work on recordings' files: digests, repairs, conversions, at the lowest priority. A codec
library that crashes takes it along and nothing else; the control loop only waits for lines.

`python -m softswitch.services.recording_helper` reads orders and writes answers, one JSON line each, until its input
ends. It is started when there is work and ends when there was none for a minute.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from softswitch.kernel.errors import LocalError
from softswitch.services.recordings import Measured

_IDLE: Final = 60.0  # seconds
_LINE: Final = 1 << 20


class Helper:
    """Starts the process when it is needed; one order at a time, others wait in line. Raises `LocalError` when an
    order cannot be carried out, or when the process died over it."""

    def __init__(self, idle: float = _IDLE) -> None:
        self._idle = idle
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int:
        """0: none runs."""
        return self._process.pid if self._process is not None else 0

    async def measure(self, paths: Sequence[str]) -> list[Measured | LocalError | None]:
        """See `conversion.measure`; of many files at once, each with what came of it. None: there is no such file."""
        return [_read(answer) for answer in await self._order(do="measure", paths=list(paths))]

    async def convert(self, source: str, target: str, format: str) -> Measured:
        """See `conversion.convert`."""
        (answer,) = await self._order(do="convert", source=source, target=target, format=format)
        found = _read(answer)
        if not isinstance(found, Measured):
            raise found or LocalError(f"{source}: there is no such file")
        return found

    async def close(self) -> None:
        """End it, in the middle of an order if need be: what is half done is not seen, and done again."""
        self._closed = True
        self._disarm()
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        async with self._lock:
            await self._forget()

    async def _order(self, **order: str | list[str]) -> list[dict[str, Any]]:
        async with self._lock:
            self._disarm()
            try:
                process = await self._running()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps(order).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
            except OSError as error:
                await self._forget()
                raise LocalError(f"the recording helper cannot be reached: {error}") from error
            except asyncio.CancelledError:
                await self._forget()  # its answer would be taken for that of the next order
                raise
            if not line:
                await self._forget()
                raise LocalError("the recording helper died")
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._rest)
        answers: list[dict[str, Any]] = json.loads(line)
        return answers

    async def _running(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise LocalError("the recording helper is closed")
        if self._process is not None and self._process.returncode is not None:
            await self._forget()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "softswitch.services.recording_helper"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # libmpg123 talks; what matters is in the answer
                limit=_LINE,
            )
        return self._process

    def _rest(self) -> None:
        """Nothing was to be done for a while: its input ends, so it does."""
        self._timer = None
        if not self._lock.locked() and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            return
        if self._process is not None and self._process.stdin is not None and self._process.stdin.is_closing():
            self._process = None  # at rest, about to end by itself

    async def _forget(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def _read(answer: dict[str, Any]) -> Measured | LocalError | None:
    if "error" in answer:
        return LocalError(str(answer["error"]))
    return Measured(**answer) if answer else None


def main() -> int:
    """The process."""
    from softswitch.services.conversion import convert, measure

    def done(work: Callable[[], Measured]) -> dict[str, object]:
        try:
            return asdict(work())
        except FileNotFoundError:
            return {}
        except LocalError as error:
            return {"error": str(error)}
        except Exception as error:  # a codec library may raise anything; the next order is served
            return {"error": f"{type(error).__name__}: {error}"}

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the switch, which ends us by the end of our input
    with suppress(OSError):
        os.nice(19)
    for line in sys.stdin:
        order = json.loads(line)
        if order.pop("do") == "measure":
            answers = [done(partial(measure, path)) for path in order["paths"]]
        else:
            answers = [done(partial(convert, **order))]
        print(json.dumps(answers), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
