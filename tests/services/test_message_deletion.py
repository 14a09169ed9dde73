"""The recording of a deleted message goes as soon as its keeper has it; what the store keeps of mailboxes."""

import asyncio
from pathlib import Path

from softswitch.kernel.errors import PeerError
from softswitch.services.message_deletion import MessageDeletion
from softswitch.services.store import Store
from softswitch.switch.events import DeleteRecording
from softswitch.switch.records import ForgottenMessage, SavedGreeting, SavedMessage


class Archive:
    """A keeper that has the recording from the third question on."""

    def __init__(self, held: bool = False) -> None:
        self.asked: list[tuple[str, str]] = []
        self.held = held

    async def delete_path(self, path: str, by: str, reason: str) -> bool:
        self.asked.append((path, by))
        if self.held:
            raise PeerError(f"{path} is held: court", status=409)
        return len(self.asked) > 2


async def test_tried_until_the_keeper_has_it() -> None:
    archive, said = Archive(), []
    deletion = MessageDeletion(archive, lambda *line: said.append(line), again=0.001)  # type: ignore[arg-type]
    deletion.delete(DeleteRecording("voicemail/a/b.wav", "phone:1001"))
    async with asyncio.timeout(45):
        while len(archive.asked) < 3:
            await asyncio.sleep(0.001)
    await deletion.close()
    assert archive.asked == [("voicemail/a/b.wav", "phone:1001")] * 3
    assert not said


async def test_what_is_held_stays_and_is_said() -> None:
    archive, said = Archive(held=True), []
    deletion = MessageDeletion(archive, lambda *line: said.append(line), again=0.001)  # type: ignore[arg-type]
    deletion.delete(DeleteRecording("voicemail/a/b.wav", "phone:1001"))
    async with asyncio.timeout(45):
        while not said:
            await asyncio.sleep(0.001)
    assert "held" in str(said[0])
    await deletion.close()


async def test_mailboxes_are_kept(tmp_path: Path) -> None:
    store = await Store.open("sqlite", tmp_path, alarm=lambda sentence: None)
    new = SavedMessage("voicemail/a/1.wav", "a", "call", "+3701", 1.0, 3.5, None)
    heard = SavedMessage("voicemail/a/2.wav", "a", "call", "", 2.0, 4.0, 9.0)
    for row in (
        new,
        heard,
        SavedMessage("x", "a", "", "", 3.0, 1.0),
        ForgottenMessage("x"),
        SavedGreeting("a", "/g.wav"),
    ):
        store.writer.write(row)
    store.writer.write(SavedGreeting("b", "/h.wav"))
    store.writer.write(SavedGreeting("b", ""))
    await store.writer.flush()
    assert sorted(await store.messages(), key=lambda one: one.at) == [new, heard]
    assert await store.greetings() == [SavedGreeting("a", "/g.wav")]
    await store.close()
