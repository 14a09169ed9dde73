"""Whatever a hook answers: a value or a `LocalError`, and a call that goes on. Oracle: the caller waits in the queue,
is where the answer sends it, or is told why not; never nothing."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from softswitch.kernel.errors import LocalError
from softswitch.switch.events import HookAnswered
from softswitch.switch.hooks import read
from tests.switch.test_hooks import site_with

KEYS = ("variables", "head_start", "needs", "sticky", "sticky_seconds", "language", "target", "other")
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.integers(10**300, 10**310)
words = st.sampled_from(
    ["alice", "lt", "queue:plain", "queue:support", "hook:crm", "hangup:", "phone:1001", "play:x", ""]
)
values = st.recursive(
    scalars | words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    with contextlib.suppress(LocalError):
        read(body)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=8))
def test_any_answer_leaves_the_call_somewhere(said: dict[str, Any]) -> None:
    site, carrier = site_with()
    line = carrier.call("100")
    site.give(HookAnswered(site.asked[-1].number, 200, json.dumps(said).encode()))
    site.run(2.0)
    live = list(site.switch.calls.values())
    assert (len(live) == 1) is (line.state != "over")
    if live:
        assert live[0].stage.label in ("queued", "playing", "ringing", "talking", "routing")
    for level in [log.level for log in site.logs]:
        assert level != "error" or any(log.event in ("prompt missing", "hook is left alone") for log in site.logs)
