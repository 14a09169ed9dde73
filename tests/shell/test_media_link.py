"""The line to a media process, against a real Unix socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from softswitch.shell.media_link import MediaLink
from softswitch.wire.control import (
    AskInventory,
    AskStats,
    CloseLeg,
    Command,
    Failed,
    Frames,
    Hello,
    Inventory,
    Ready,
    Report,
    Slot,
    decode_commands,
    encode,
)

READY = Ready(1, 42, "epoll", ("PCMU",), (Slot(0, 30000),), 1)


class Media:
    """Listens like a media process and keeps the frames that come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frames: list[list[Command]] = []
        self.answer: Report | bytes | None = READY
        self.writers: list[asyncio.StreamWriter] = []
        self.server: asyncio.Server | None = None
        self.changed = asyncio.Event()

    async def start(self) -> None:
        self.server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        frames = Frames()
        while data := await reader.read(65536):
            for body in frames.feed(data):
                commands = decode_commands(body)
                self.frames.append(commands)
                self.changed.set()
                if commands == [Hello()] and self.answer is not None:
                    writer.write(self.answer if isinstance(self.answer, bytes) else encode([self.answer]))
        writer.close()

    async def stop(self) -> None:
        for writer in self.writers:
            writer.close()
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
        self.path.unlink(missing_ok=True)


class Rig:
    def __init__(self, path: Path) -> None:
        self.media = Media(path)
        self.reports: list[tuple[int, tuple[Report, ...]]] = []
        self.lost: list[int] = []
        self.link = MediaLink(3, path, lambda worker, reports: self.reports.append((worker, reports)), self.lost.append)

    async def until(self, what: Callable[[], object]) -> None:
        async with asyncio.timeout(45):
            while not what():
                await asyncio.sleep(0.001)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path / "media-3.sock")
    yield made
    await made.link.close()
    await made.media.stop()


async def test_it_waits_for_media_to_come_up(rig: Rig) -> None:
    await asyncio.sleep(0.02)
    assert not rig.link.up.is_set()
    await rig.media.start()
    await asyncio.wait_for(rig.link.up.wait(), 45)
    assert rig.media.frames == [[Hello()]]
    assert rig.reports == [(3, (READY,))]


async def test_commands_of_one_step_leave_in_one_frame(rig: Rig) -> None:
    await rig.media.start()
    await asyncio.wait_for(rig.link.up.wait(), 45)
    rig.link.send((CloseLeg(1), CloseLeg(2)))
    rig.link.send((AskStats(),))
    await rig.until(lambda: len(rig.media.frames) == 2)
    assert rig.media.frames[1] == [CloseLeg(1), CloseLeg(2), AskStats()]


async def test_a_lost_line_is_told_and_comes_back(rig: Rig) -> None:
    await rig.media.start()
    await asyncio.wait_for(rig.link.up.wait(), 45)
    await rig.media.stop()
    await rig.until(lambda: rig.lost == [3])
    rig.link.send((AskInventory(),))
    assert rig.link.dropped == 1
    await rig.media.start()
    await asyncio.wait_for(rig.link.up.wait(), 45)
    assert rig.media.frames == [[Hello()], [Hello()]]
    rig.media.writers[-1].write(encode([Inventory((), (), ())]))
    await rig.until(lambda: len(rig.reports) == 3)


async def test_another_version_is_not_media(rig: Rig) -> None:
    rig.media.answer = Failed(0, "Hello", "version 2 is needed")
    await rig.media.start()
    await rig.until(lambda: len(rig.media.frames) >= 2)
    assert not rig.link.up.is_set()
    assert rig.reports == []
    assert rig.lost == []


async def test_garbage_breaks_the_line(rig: Rig) -> None:
    await rig.media.start()
    await asyncio.wait_for(rig.link.up.wait(), 45)
    rig.media.writers[-1].write(b"\0\0\0\3abc")
    await rig.until(lambda: rig.lost == [3])
    await asyncio.wait_for(rig.link.up.wait(), 45)


async def test_many_commands_are_cut_into_frames(rig: Rig) -> None:
    await rig.media.start()
    await asyncio.wait_for(rig.link.up.wait(), 45)
    rig.link.send(tuple(CloseLeg(number) for number in range(5000)))
    await rig.until(lambda: sum(map(len, rig.media.frames)) == 5001)
    assert [len(frame) for frame in rig.media.frames] == [1, 2000, 2000, 1000]
