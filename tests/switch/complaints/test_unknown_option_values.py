"""Complaint: unknown option values fall back in silence (FusionPBX offers a strategy that FreeSWITCH lacks).

Ours: nothing that is not known gets in, by any way: the file and live changes refuse it with words, a customers table
is refused by name, and what a hook says beyond our words is told, not guessed. The file:
`tests/services/configurations`; the strategy: `tests/acd/complaints/test_unknown_strategy_name.py`;
hooks: `tests/switch/test_hooks.py`.
"""

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.live_settings import LiveSettings, parse_path
from softswitch.switch.hooks import read
from tests.switch.test_queue import SETTINGS


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("queues.support.strategy", "agent-with-least-talk-time"),
        ("queues.support.order", "priority"),
        ("queues.support.sticky", "caller"),
        ("queues.support.record_channels", 3),
        ("queues.support.on_full", "queu:sales"),
        ("queues.support.closed", "voicemail:nobody"),
        ("queues.support.on_empty", "queue:nowhere"),
        ("queues.support.language", "klingon"),
        ("queues.support.hook", "crm"),
        ("agents.alice.back_off", {"bussy": 5}),
        ("agents.alice.auto_pause", {}),
    ],
)
def test_a_live_change_knows_no_unknown_words(path: str, value: object) -> None:
    live = LiveSettings(SETTINGS)
    with pytest.raises(LocalError):
        live.change(parse_path(path), value, "carol", 0.0)
    assert live.settings == SETTINGS


def test_a_hook_s_unknown_words_are_told() -> None:
    answer, unknown = read(b'{"priority": 5, "head_start": 5, "stiky": "bob"}')
    assert (answer.head_start, unknown) == (5.0, ["priority", "stiky"])
