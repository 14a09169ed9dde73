"""What a new configuration changes."""

import json
from dataclasses import replace

from softswitch.acd.model import QueueSettings, ServiceLevel
from softswitch.services.configuration_diff import AFTER_RESTART, diff, held
from softswitch.switch.settings import Hours, Phone, Recording, Route, Server, Settings, Sip, Trunk

OLD = Settings(
    phones={"1": Phone(password="old-secret"), "2": Phone(contact="sip:h")},
    trunks={"t": Trunk(address="sip:h", password="old-secret")},
    queues={"q": QueueSettings(agents=("a",))},
    hours={"h": Hours(open={"mon-fri": "09:00-18:00"})},
    routes=(Route(source="trunk:t", to="queue:q"), Route(to="phone:1")),
)


def test_the_same_settings_differ_in_nothing() -> None:
    assert diff(OLD, replace(OLD)) == []


def test_a_change_is_one_line_with_both_values() -> None:
    queue = QueueSettings(agents=("a", "b"), wrap_up=20.0, service_level=ServiceLevel(seconds=30.0), on_full="echo:")
    assert diff(OLD, replace(OLD, queues={"q": queue})) == [
        'queues.q.agents: ["a"] → ["a", "b"]',
        "queues.q.wrap_up: 0.0 → 20.0",
        'queues.q.on_full: none → "echo:"',
        "queues.q.service_level.seconds: 20.0 → 30.0",
    ]


def test_entries_come_and_go() -> None:
    new = replace(
        OLD, phones={"1": OLD.phones["1"], "3": Phone(contact="sip:h")}, hours={"h": Hours(open={"sat": "x"})}
    )
    assert diff(OLD, new) == [
        "phones.2: removed",
        "phones.3: added",
        "hours.h.mon-fri: removed",
        'hours.h.sat: added, "x"',
    ]


def test_routes_are_compared_by_their_place() -> None:
    new = replace(OLD, routes=(Route(source="any", to="queue:q"),))
    assert diff(OLD, new) == ['routes[0].from: "trunk:t" → "any"', "routes[1]: removed"]
    assert diff(new, OLD)[1] == "routes[1]: added"


def test_secrets_are_only_said_to_have_changed() -> None:
    new = replace(
        OLD,
        server=Server(database="postgresql://u:new-secret@h/d"),
        phones={**OLD.phones, "1": Phone(password="new-secret", ha1={"MD5": "new-secret"})},
        trunks={"t": Trunk(address="sip:h", password=None)},
    )
    assert diff(OLD, new) == [
        "server.database: changed (after a restart)",
        "phones.1.password: changed",
        "phones.1.ha1: changed",
        "trunks.t.password: changed",
    ]


def test_what_waits_for_a_restart_says_so() -> None:
    assert diff(OLD, replace(OLD, sip=Sip(listen=("udp:0.0.0.0:5070",)))) == [
        'sip.listen: ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"] → ["udp:0.0.0.0:5070"] (after a restart)'
    ]


def test_what_waits_for_a_restart_stays_as_it_was_and_is_said_again() -> None:
    """Recordings are written where who keeps them looks; sockets are where listeners are named."""
    new = replace(
        OLD, sip=Sip(listen=("udp:127.0.0.1:5070",), domain="new.example"), recording=Recording(directory="elsewhere")
    )
    runs = held(new, OLD)
    assert (runs.sip.domain, runs.sip.listen, runs.recording.directory) == ("new.example", OLD.sip.listen, "recordings")
    assert diff(runs, new) == [
        f"sip.listen: {_written(OLD.sip.listen)} → {_written(new.sip.listen)} (after a restart)",
        'recording.directory: "recordings" → "elsewhere" (after a restart)',
    ]
    assert held(OLD, OLD) == OLD


def test_every_setting_that_waits_is_one() -> None:
    for section, key in AFTER_RESTART:
        assert hasattr(getattr(OLD, section), key)


def _written(texts: tuple[str, ...]) -> str:
    return json.dumps(texts)
