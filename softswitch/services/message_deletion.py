"""Deletes the recordings of messages that were deleted from their box: as soon as their keeper has taken them in."""

import asyncio
from typing import Final

from softswitch.kernel.errors import SwitchError
from softswitch.services.alarms import Say
from softswitch.services.keeper import Keeper
from softswitch.switch.events import DeleteRecording

_AGAIN: Final = 3.0  # seconds
_TRIES: Final = 40


class MessageDeletion:
    """`say(level, event, fields)` logs."""

    def __init__(self, keeper: Keeper, say: Say, again: float = _AGAIN) -> None:
        self._keeper = keeper
        self._say = say
        self._again = again
        self._running: set[asyncio.Task[None]] = set()

    def delete(self, order: DeleteRecording) -> None:
        """Begin; what comes of it is logged."""
        task = asyncio.get_running_loop().create_task(self._delete(order))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """What is not deleted yet stays."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _delete(self, order: DeleteRecording) -> None:
        reason = "the keeper has not taken it in"
        for _ in range(_TRIES):
            try:
                if await self._keeper.delete_path(order.path, order.by, "deleted from the mailbox"):
                    return
            except SwitchError as error:
                reason = str(error)
                break
            await asyncio.sleep(self._again)
        self._say("warning", "the recording of a deleted message stays", {"path": order.path, "reason": reason})
