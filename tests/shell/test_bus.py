"""Live entries for listeners."""

import pytest

from softswitch.shell.bus import Bus


async def test_everyone_gets_every_entry_in_order() -> None:
    bus = Bus()
    bus.publish(0)
    with bus.subscribe() as one, bus.subscribe() as two:
        for entry in (1, 2, 3):
            bus.publish(entry)
        bus.close()
        assert [entry async for entry in one] == [1, 2, 3]
        assert [entry async for entry in two] == [1, 2, 3]
    assert not bus.listeners


async def test_a_reader_that_is_far_behind_is_let_go() -> None:
    bus = Bus()
    with bus.subscribe() as slow:
        for entry in range(5000):
            bus.publish(entry)
        assert len([entry async for entry in slow]) == 2000


async def test_waiting_has_a_limit() -> None:
    with Bus().subscribe() as quiet, pytest.raises(TimeoutError):
        await quiet.next(0.01)
