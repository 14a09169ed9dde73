"""freeswitch#1148, asterisk#1568: the agent hears dead air until the announcement to the caller has ended."""

from dataclasses import replace

import pytest

from softswitch.acd.model import CallbackSettings
from tests.switch.test_waiting_callers import QUEUE, press, site_with


@pytest.mark.parametrize("moment", ["welcome", "keys", "position", "periodic", "call-back"])
def test_whatever_is_being_said_is_cut_by_the_answer(moment: str) -> None:
    queue = replace(
        QUEUE, welcome="welcome", announce_position=30.0, announce_every=20.0, announce_prompt="please-wait",
        ring_seconds=120.0, callback=CallbackSettings(),
    )  # fmt: skip
    site, alice, carrier = site_with(queue)
    line = carrier.call("100")
    for _ in range({"welcome": 0, "keys": 1, "position": 2, "periodic": 3, "call-back": 0}[moment]):
        site.prompt_ends()
    if moment == "periodic":
        site.run(21.0)
    if moment == "call-back":
        press(site, "1")
    (call,) = site.switch.calls.values()
    alice.answer(alice.line)
    agent = call.stage.legs()[0]
    assert site.media.hears(call.leg.id) == {agent.id}
    assert site.media.hears(agent.id) == {call.leg.id}
    assert not [play for play in site.media.players.values() if play.loops == 1]
    carrier.hang_up(line)
    site.nothing_left()
