"""What people of `softswitch.demo.phone` wait for at the telephone, whatever time it takes."""

import asyncio
from collections.abc import Callable

from softswitch.demo import ears
from softswitch.demo.phone import PhoneCall
from tests.interop.switch_process import PATIENCE, SwitchProcess


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():
            await asyncio.sleep(0.02)


async def until_status(switch: SwitchProcess, what: Callable[[dict[str, int]], object]) -> None:
    """What is live in the switch."""
    async with asyncio.timeout(PATIENCE):
        while not what((await asyncio.to_thread(switch.status))["live"]):
            await asyncio.sleep(0.05)


async def spoken_to(call: PhoneCall) -> None:
    """Until something is said, or music plays, from now on."""
    now = asyncio.get_running_loop().time
    begun = now()
    await until(lambda: ears.loudness(call.stream.heard(since=max(begun, now() - 0.4))) > ears.MUSIC + 10)


async def hears(call: PhoneCall, pitch: float) -> None:
    """Until a voice of that pitch has spoken for a second."""
    now = asyncio.get_running_loop().time
    await until(lambda: ears.hears(call.stream.heard(since=now() - 1.0), pitch))


async def record(switch: SwitchProcess, call: PhoneCall, pitch: float, seconds: float, besides: int = 0) -> None:
    """Speak for so long once it is recorded; `besides`: recordings that run anyway."""
    call.stream.say(ears.voice(pitch))
    await until_status(switch, lambda live: live["recordings"] > besides)
    await asyncio.sleep(seconds)
