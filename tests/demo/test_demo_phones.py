"""Two phones of the demo call each other without a switch: SIP by the core, audio and keys by real RTP."""

import asyncio
from random import Random

import pytest

from softswitch.demo import ears
from softswitch.demo.phone import Account, CallState, Phone
from softswitch.demo.stream import Metronome
from tests.interop.callers import until
from tests.interop.switch_process import PATIENCE


@pytest.fixture
async def pair():
    """A phone that calls, a phone that is called, and what the latter does with calls."""
    metronome, dice = Metronome(), Random(3)
    behaviour = {}

    async def take(call):
        await behaviour["take"](call)

    called = Phone(Account("b", "", "b.example", ("127.0.0.1", 9)), metronome, dice, codecs=("PCMU",), on_call=take)
    caller = Phone(Account("a", "", "a.example", ("127.0.0.1", called.port)), metronome, dice)
    yield caller, behaviour
    await caller.close()
    await called.close()


async def test_both_hear_each_other_and_keys_arrive(pair):
    caller, behaviour = pair
    heard = {}

    async def take(call):
        call.ring()
        call.stream.say(ears.voice(1000.0))
        call.answer()
        heard["call"] = call
        await call.ended(PATIENCE)
        heard["by"] = call.ended_by

    behaviour["take"] = take
    call = caller.dial("1234")
    assert await call.answered(PATIENCE)
    call.stream.press("1#")
    await until(lambda: heard["call"].stream.digits_heard == "1#")
    call.stream.say(ears.voice(400.0))
    now = asyncio.get_running_loop().time
    await until(lambda: ears.hears(heard["call"].stream.heard(since=now() - 1.0), 400.0))
    await until(lambda: ears.hears(call.stream.heard(since=now() - 1.0), 1000.0))
    call.hang_up()
    await until(lambda: "by" in heard)
    assert heard["by"] == "peer"
    assert call.state is CallState.ENDED


async def test_a_refusal_and_a_hang_up_while_it_rings(pair):
    caller, behaviour = pair

    async def refuse(call):
        call.reject(486)

    behaviour["take"] = refuse
    call = caller.dial("1")
    assert not await call.answered(PATIENCE)
    assert (call.status, call.ended_by) == (486, "peer")

    cancelled = asyncio.Event()

    async def ring(call):
        call.ring()
        if await call.ended(PATIENCE):
            cancelled.set()

    behaviour["take"] = ring
    call = caller.dial("2")
    await until(lambda: call.state is CallState.RINGING)
    call.hang_up()
    await asyncio.wait_for(cancelled.wait(), PATIENCE)
