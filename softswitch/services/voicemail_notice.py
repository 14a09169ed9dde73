"""Tells somebody of a new message: runs the command of its `[voicemail.NAME]`.

The command gets no shell and no input. It is told of the message by the environment: `VOICEMAIL_BOX`, `VOICEMAIL_FILE`,
`VOICEMAIL_CALL`, `VOICEMAIL_CALLER`, `VOICEMAIL_QUEUE`, `VOICEMAIL_SECONDS`. One that fails, or does not
end, is logged and forgotten: the message is kept all the same.
"""

import asyncio
import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from softswitch.kernel.clock import Duration
from softswitch.services.alarms import Say
from softswitch.services.recordings import Recordings
from softswitch.switch.recording import box_of
from softswitch.switch.records import SavedRecording
from softswitch.switch.settings import Settings

PATIENCE: Final[Duration] = 60.0
_MOST_AT_ONCE: Final = 4


class VoicemailNotice:
    """`settings` gives those of now; `say(level, event, fields)` logs."""

    def __init__(
        self, settings: Callable[[], Settings], recordings: Recordings, say: Say, patience: Duration = PATIENCE
    ) -> None:
        self._settings = settings
        self._recordings = recordings
        self._say = say
        self._patience = patience
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    def recorded(self, row: SavedRecording) -> None:
        """A recording has ended; those that are no messages are passed over."""
        box = box_of(row.path)
        settings = self._settings().voicemail.get(box) if box else None
        if settings is None or not settings.notify or row.seconds < settings.min_seconds:
            return
        task = asyncio.get_running_loop().create_task(self._tell(settings.notify, box, row))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Commands that run are ended."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _tell(self, command: str, box: str, row: SavedRecording) -> None:
        told = {
            "VOICEMAIL_BOX": box,
            "VOICEMAIL_FILE": str(self._recordings.place(row.path)),
            "VOICEMAIL_CALL": row.call,
            "VOICEMAIL_CALLER": row.caller,
            "VOICEMAIL_QUEUE": row.queue,
            "VOICEMAIL_SECONDS": f"{row.seconds:.0f}",
        }
        async with self._turns:
            try:
                reason = await self._run(shlex.split(command), told)
            except (OSError, ValueError) as error:  # no such program; quotes that do not close
                reason = str(error)
        if reason:
            self._say("error", "nobody was told of a message", {"box": box, "call": row.call, "reason": reason})

    async def _run(self, words: list[str], told: dict[str, str]) -> str:
        """What went wrong; empty: nothing."""
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(os.environ) | told,
        )
        try:
            status = await asyncio.wait_for(process.wait(), self._patience)
        except TimeoutError:
            return f"still running after {self._patience:.0f} s"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return f"exit status {status}" if status else ""
