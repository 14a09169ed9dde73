"""Settings changed while the switch runs: over the file, checked as the file is, until they are taken back."""

from dataclasses import replace

import pytest

from softswitch.acd.model import QueueSettings, Ring
from softswitch.kernel.errors import LocalError
from softswitch.services.live_settings import LiveSettings, parse_path
from softswitch.switch.records import SavedSetting
from softswitch.switch.settings import Agent, Phone, Settings

FILE = Settings(
    phones={"1001": Phone(password="long-enough-1")},
    agents={"alice": Agent(phone="1001", skills={"english": 50, "fiber": 20}), "j.doe": Agent(phone="1001")},
    queues={"support": QueueSettings(agents=("alice",), wrap_up=15.0), "sales": QueueSettings()},
)


def change(live: LiveSettings, path: str, value: object) -> Settings:
    return live.change(parse_path(path), value, "carol", 1.0)


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("queues.support.wrap_up", ("queues", "support", "wrap_up")),
        ("agents.alice.skills.english", ("agents", "alice", "skills", "english")),
        ("agents.j.doe.capacity", ("agents", "j.doe", "capacity")),
        ("queues.support.weights.j.doe", ("queues", "support", "weights", "j.doe")),
    ],
)
def test_paths(path: str, parts: tuple[str, ...]) -> None:
    assert parse_path(path) == parts


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("sip.domain", '"sip.domain" cannot be changed while the switch runs'),
        ("queues.support.wrapup", 'no setting "wrapup" that can be changed; did you mean wrap_up?'),
        ("agents.alice.phone", 'no setting "phone"'),
        ("queues", "no setting"),
        ("queues.", "no setting"),
        ("", "cannot be changed"),
    ],
)
def test_what_cannot_be_changed(path: str, why: str) -> None:
    with pytest.raises(LocalError) as error:
        parse_path(path)
    assert why in str(error.value)


def test_a_change_goes_before_the_file_until_it_is_taken_back() -> None:
    live = LiveSettings(FILE)
    assert change(live, "queues.support.wrap_up", 30).queues["support"].wrap_up == 30.0
    (row,) = live.rows()
    assert (row.path, row.value, row.was, row.by, row.unfit) == ("queues.support.wrap_up", 30, 15.0, "carol", "")
    newer = replace(FILE, queues={"support": replace(FILE.queues["support"], wrap_up=20.0, priority=5.0)})
    settings = live.over(newer)  # the file was read again
    assert (settings.queues["support"].wrap_up, settings.queues["support"].priority) == (30.0, 5.0)
    assert change(live, "queues.support.wrap_up", None).queues["support"].wrap_up == 20.0
    assert live.rows() == []


def test_entries_of_tables_and_whole_lists() -> None:
    live = LiveSettings(FILE)
    assert change(live, "agents.alice.skills.english", 90).agents["alice"].skills == {"english": 90, "fiber": 20}
    assert change(live, "queues.support.agents", ["alice", "j.doe"]).queues["support"].agents == ("alice", "j.doe")
    assert change(live, "queues.sales.rings", [{"after": 0}, {"after": 9, "agents": ["alice"]}]).queues[
        "sales"
    ].rings == (
        Ring(),
        Ring(after=9.0, agents=("alice",)),
    )
    assert live.below(("agents", "alice", "skills")) == [("agents", "alice", "skills", "english")]


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("queues.support.wrap_up", -1, "must not be below 0"),
        ("queues.support.wrap_up", "long", "must be a number"),
        ("queues.support.strategy", "longest-idel", "longest-idle"),
        ("queues.support.order", "fifo", 'is none of "head-start", "deadline"'),
        ("queues.support.agents", ["alice", "zoe"], 'no agent "zoe"'),
        ("queues.support.agents", "alice", "must be a list"),
        ("queues.support.weights.zoe", 5, 'no agent "zoe"'),
        ("queues.support.hours", "office", 'no hours "office"'),
        ("queues.support.music", "no-such-music", "no-such-music"),
        ("queues.nowhere.wrap_up", 5, 'no queue "nowhere"'),
        ("agents.alice.skills.english", 101, "must be 0 to 100"),
        ("agents.alice.skills.english", True, "must be"),
        ("agents.alice.capacity", 0, "must be 1 to 20"),
        ("agents.alice.capacity.x", 1, "is no table"),
    ],
)
def test_a_value_that_the_file_could_not_have_changes_nothing(path: str, value: object, why: str) -> None:
    live = LiveSettings(FILE)
    with pytest.raises(LocalError) as error:
        change(live, path, value)
    assert why in str(error.value)
    assert live.settings == FILE
    assert live.rows() == []


def test_taking_back_what_was_not_changed_is_refused() -> None:
    with pytest.raises(LocalError, match="as the configuration file says"):
        change(LiveSettings(FILE), "queues.support.wrap_up", None)


def test_changes_come_back_after_a_restart_and_what_no_longer_fits_says_why() -> None:
    """PEERS: queue settings lost."""
    saved = [
        SavedSetting("queues.support.wrap_up", 30, "carol", 1.0),
        SavedSetting("queues.gone.wrap_up", 30, "carol", 1.0),
        SavedSetting("queues.sales.agents", ["zoe"], "carol", 1.0),
        SavedSetting("queues.sales.since_renamed", 1, "carol", 1.0),
        SavedSetting("agents.alice.skills.english", 70, "carol", 1.0),
        SavedSetting("agents.alice.skills", {"english": 10}, "carol", 1.0),
    ]
    live = LiveSettings(FILE, saved)
    assert live.settings.queues["support"].wrap_up == 30.0
    assert live.settings.queues["sales"] == QueueSettings()
    assert live.settings.agents["alice"].skills == {"english": 70}
    unfit = {row.path: row.unfit for row in live.rows() if row.unfit}
    assert unfit.keys() == {"queues.gone.wrap_up", "queues.sales.agents", "queues.sales.since_renamed"}
    change(live, "queues.gone.wrap_up", None)
    assert len(live.rows()) == 5
