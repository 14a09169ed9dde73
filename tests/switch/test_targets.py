"""Targets as `switch/targets.py` documents them: `kind:name`."""

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.switch.targets import KINDS, Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("queue:support", Target("queue", "support")),
        ("ivr:welcome", Target("ivr", "welcome")),
        ("group:office", Target("group", "office")),
        ("phone:1001", Target("phone", "1001")),
        ("agent:alice.b-2", Target("agent", "alice.b-2")),
        ("trunk:carrier", Target("trunk", "carrier")),
        ("trunk:carrier/+37061234567", Target("trunk", "carrier", number="+37061234567")),
        ("play:welcome", Target("play", "welcome")),
        ("play:sounds/hello world.wav", Target("play", "sounds/hello world.wav")),
        ("echo:", Target("echo")),
        ("answer:", Target("answer")),
        ("early:welcome", Target("early", "welcome", status=480)),
        ("early:welcome/486", Target("early", "welcome", status=486)),
        ("early:sounds/busy.wav/486", Target("early", "sounds/busy.wav", status=486)),
        ("early:sounds/busy.wav", Target("early", "sounds/busy.wav", status=480)),
        ("hangup:", Target("hangup", status=480)),
        ("hangup:603", Target("hangup", status=603)),
    ],
)
def test_a_target_says_where_a_call_goes(text: str, target: Target) -> None:
    assert parse_target(text) == target
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("support", "write kind:name"),
        ("", "write kind:name"),
        ("que:support", '"que" is no kind of target'),
        ("Queue:support", "is no kind of target"),
        ("queue:", "needs a name"),
        ("phone:10 01", "is not a name"),
        ("queue:../x", "is not a name"),
        ("echo:me", "takes no name"),
        ("answer:x", "takes no name"),
        ("play:", "needs a prompt"),
        ("play:\x07", "needs a prompt"),
        ("early:", "needs a prompt"),
        ("early:/486", "needs a prompt"),
        ("early:welcome/200", "400 to 699"),
        ("hangup:busy", "400 to 699"),
        ("hangup:200", "400 to 699"),
        ("hangup:4860", "400 to 699"),
        ("trunk:carrier/", "not a number to dial"),
        ("trunk:carrier/1;x=y", "not a number to dial"),
        ("trunk:/1", "needs a name"),
    ],
)
def test_nonsense_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(LocalError, match=complaint):
        parse_target(text)


def test_every_kind_is_known() -> None:
    for kind in KINDS:
        name = "" if kind in ("echo", "answer", "hangup") else "x"
        assert parse_target(f"{kind}:{name}").kind == kind
