"""Complaint: what a supervisor set is gone after a restart, statistics and settings alike (qpanel#113; Asterisk's queue
members added live are lost without a database). Ours: a change is in the store, goes before the file, and says so.

The whole way, with a real process, is `tests/cli/test_restart_keeps_changes.py`.
"""

from dataclasses import replace

from softswitch.services.live_settings import LiveSettings, parse_path
from softswitch.switch.events import Reload, Retune
from softswitch.switch.records import ForgottenSetting, SavedSetting
from tests.switch.site import Site
from tests.switch.test_queue import QUEUE, SETTINGS, site_with


def stored(site: Site) -> list[SavedSetting]:
    """What the store has after all that was saved and forgotten."""
    rows: dict[str, SavedSetting] = {}
    for record in site.saved:
        if isinstance(record, SavedSetting):
            rows[record.path] = record
        elif isinstance(record, ForgottenSetting):
            rows.pop(record.path, None)
    return list(rows.values())


def test_a_restart_finds_the_members_and_times_that_were_set() -> None:
    site, _, _ = site_with()
    live = LiveSettings(SETTINGS)
    for path, value in (("queues.support.agents", ["bob"]), ("queues.support.wrap_up", 40.0)):
        parts = parse_path(path)
        site.give(Retune(live.change(parts, value, "carol", site.now), parts, value, "carol"))
    again = LiveSettings(SETTINGS, stored(site))
    assert again.settings == live.settings
    assert (again.settings.queues["support"].agents, again.settings.queues["support"].wrap_up) == (("bob",), 40.0)


def test_reading_the_file_again_does_not_undo_them() -> None:
    site, _, _ = site_with()
    live = LiveSettings(SETTINGS)
    parts = ("queues", "support", "wrap_up")
    site.give(Retune(live.change(parts, 40.0, "carol", site.now), parts, 40.0, "carol"))
    newer = replace(SETTINGS, queues={"support": replace(QUEUE, priority=7.0)})
    site.give(Reload(live.over(newer)))
    queue = site.switch.office.settings.queues["support"]
    assert (queue.wrap_up, queue.priority) == (40.0, 7.0)
