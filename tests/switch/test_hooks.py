"""Hooks: an outside program says what to do with a call; whatever it does wrong has one defined outcome."""

import json
from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.switch.customers import Customer
from softswitch.switch.events import CustomersChanged, HookAnswered
from softswitch.switch.settings import Agent, Collect, Menu, Phone, Route, Settings, Sip, Trunk
from softswitch.switch.settings.routing import Hook
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
CRM = Hook(url="http://crm.test/route", timeout=1.5, at_once=3, failures=3, rest=30.0, token="t0ken")
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)},
    agents={
        "alice": Agent(phone="1001", logged_in=True, skills={"fiber": 80}),
        "bob": Agent(phone="1002", logged_in=True),
    },
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={
        "support": QueueSettings(agents=("alice", "bob"), hook="crm", sticky_seconds=20.0),
        "plain": QueueSettings(agents=("alice", "bob")),
    },
    ivr={"pin": Menu(prompt="enter-pin", collect=Collect(variable="pin", min=4, max=4, secret=True, next="hook:crm"))},
    hooks={"crm": CRM},
    routes=(
        Route(source="trunk:carrier", number="100", to="queue:support"),
        Route(source="trunk:carrier", number="200", hook="crm", to="queue:plain"),
        Route(source="trunk:carrier", number="300", to="ivr:pin"),
    ),
)


def site_with(hook: Hook = CRM) -> tuple[Site, Party]:
    site = Site(replace(SETTINGS, hooks={"crm": hook}))
    return site, site.party("+37061234567", "198.51.100.10")


def say(site: Site, answer: object, status: int = 200) -> None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    site.give(HookAnswered(site.asked[-1].number, status, body))


def waiting(site: Site, queue: str = "support") -> int:
    return len(site.switch.office.engine.waiting(queue, site.now))


def failed(site: Site) -> list[str]:
    return [str(fact.data["cause"]) for fact in site.saved if isinstance(fact, Fact) and fact.kind == "hook.failed"]


def test_a_queue_asks_before_anybody_waits_and_only_once() -> None:
    site, carrier = site_with()
    site.give(CustomersChanged((Customer(id="7", numbers=("+37061234567",)),)))
    line = carrier.call("100")
    assert (line.status, waiting(site)) == (0, 0)
    (asked,) = site.asked
    assert (asked.url, asked.timeout, asked.token) == (CRM.url, 1.5, "t0ken")
    body = json.loads(asked.body)
    assert (body["caller"], body["called"], body["queue"], body["customer"]) == ("+37061234567", "100", "support", "7")
    say(site, {"variables": {"tier": "gold", "debt": 12.5, "vip": True}, "head_start": 90, "language": "lt"})
    assert waiting(site) == 1
    (call,) = site.switch.calls.values()
    assert call.facts.collected == {"tier": "gold", "debt": "12.5", "vip": "true"}
    assert (call.language, call.wishes.head_start) == ("lt", 90.0)
    (told,) = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "hook.answered"]
    assert (told.call, told.data["refused"], told.data["unknown"]) == (call.id, [], [])
    carrier.hang_up(line)
    site.nothing_left()


def test_the_answer_names_needs_and_a_sticky_agent() -> None:
    site, carrier = site_with()
    alice, bob = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    alice.on_invite = bob.on_invite = "ring"
    carrier.call("100")
    say(site, {"needs": {"fiber": 70}})
    assert (len(alice.lines), len(bob.lines)) == (1, 0)
    carrier.call("100")
    say(site, {"sticky": "alice", "sticky_seconds": 10})
    assert not bob.lines
    site.run(10.0)
    assert bob.lines


def test_the_answer_names_another_target() -> None:
    site, carrier = site_with()
    carrier.call("200")
    say(site, {"target": "queue:plain"})
    assert waiting(site, "plain") == 1
    line = carrier.call("100")
    say(site, {"target": "hangup:603"})
    assert line.status == 603


def test_what_is_not_ours_is_left_out_and_told() -> None:
    """PEERS: unknown option values fall back in silence. Here they fall back loudly, each by itself."""
    site, carrier = site_with()
    carrier.call("100")
    said = {
        "target": "queue:platinum",
        "language": "klingon",
        "sticky": "zoe",
        "needs": {"fiber": 300},
        "head_start": 1e9,
    }
    say(site, {**said, "priority": 5, "variables": {"1bad": "x", "good": "a\r\nInjected: yes"}})
    assert waiting(site) == 1
    (told,) = [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == "hook.answered"]
    refused = ["variables.1bad", "head_start", "needs.fiber", "sticky", "language", "target"]
    assert (told.data["refused"], told.data["unknown"]) == (refused, ["priority"])
    (call,) = site.switch.calls.values()
    assert call.facts.collected == {"good": "aInjected: yes"}
    assert any(log.event == "a part of a hook's answer cannot be used" for log in site.logs)


def test_a_hook_that_hangs_costs_its_time_out_and_no_more() -> None:
    """Bad input of the issue: the caller goes on as `on_error` says, and a late answer changes nothing."""
    site, carrier = site_with()
    carrier.call("100")
    site.run(1.4)
    assert waiting(site) == 0
    site.run(0.1)
    assert (waiting(site), failed(site)) == (1, ["time-out"])
    say(site, {"target": "hangup:603"})
    assert waiting(site) == 1


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (500, b"{}", "status"),
        (404, b"", "status"),
        (302, b"", "status"),
        (200, b"<html>", "garbage"),
        (200, b"[1]", "garbage"),
        (200, b'"hangup:"', "garbage"),
        (200, b'{"head_start": "soon"}', "garbage"),
        (200, b'{"head_start": NaN}', "garbage"),
        (200, b'{"needs": {"fiber": 1e400}}', "garbage"),
        (200, b"\xff\xfe{}", "garbage"),
        (200, b'{"variables": {"a": [1]}}', "garbage"),
        (200, b"[" * 60000, "garbage"),
        (200, json.dumps({"variables": {f"v{n}": "x" for n in range(51)}}).encode(), "garbage"),
    ],
)
def test_every_bad_answer_is_the_fall_back(status: int, body: bytes, cause: str) -> None:
    site, carrier = site_with()
    carrier.call("100")
    say(site, body, status)
    assert (waiting(site), failed(site)) == (1, [cause])


@pytest.mark.parametrize("body", [b"", b"{}", b'{"variables": {}}'])
def test_nothing_to_say_is_an_answer(body: bytes) -> None:
    site, carrier = site_with()
    carrier.call("100")
    say(site, body, 204 if not body else 200)
    assert (waiting(site), failed(site)) == (1, [])


def test_on_error_may_name_a_target() -> None:
    site, carrier = site_with(replace(CRM, on_error="queue:plain"))
    carrier.call("100")
    site.give(HookAnswered(site.asked[-1].number, 0, b"", "connection refused"))
    assert (waiting(site), waiting(site, "plain"), failed(site)) == (0, 1, ["unreachable"])


def test_a_hook_as_a_step_of_a_menu_goes_on_to_its_next() -> None:
    """Secret digits are not sent unless the hook may have them."""
    for secrets, sent in ((False, None), (True, "1234")):
        site, carrier = site_with(replace(CRM, next="queue:plain", secrets=secrets))
        carrier.call("300")
        (call,) = site.switch.calls.values()
        for digit in "1234":
            site.press(call.leg.id, digit)
        assert json.loads(site.asked[0].body)["variables"].get("pin") == sent
        say(site, {})
        assert waiting(site, "plain") == 1


def test_questions_under_way_are_bounded() -> None:
    site, carrier = site_with()
    for _ in range(5):
        carrier.call("100")
    assert len(site.asked) == 3
    assert (waiting(site), failed(site)) == (2, ["busy", "busy"])
    site.run(2.0)  # timed out, but the shell has not let go of them: no more are begun
    carrier.call("100")
    assert len(site.asked) == 3


def test_a_hook_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    site, carrier = site_with()
    for _ in range(3):
        carrier.call("100")
        say(site, b"", 503)
    carrier.call("100")
    assert (len(site.asked), failed(site)[-1]) == (3, "resting")
    assert any(log.event == "hook is left alone" for log in site.logs)
    site.run(31.0)
    carrier.call("100")
    carrier.call("100")  # one call tries, the others do not wait for what comes of that
    assert (len(site.asked), failed(site)[-1]) == (4, "resting")
    say(site, {})
    carrier.call("100")
    assert len(site.asked) == 5
    assert site.switch.office.hooks.states["crm"].counts == {"status": 3, "resting": 2, "answered": 1}


def test_a_caller_who_hangs_up_leaves_no_question_behind() -> None:
    site, carrier = site_with()
    line = carrier.call("100")
    carrier.hang_up(line)
    say(site, {"target": "queue:plain"})
    hooks = site.switch.office.hooks
    assert (hooks.pending, hooks.states["crm"].running) == ({}, 0)
    site.nothing_left()


def test_a_hook_that_the_configuration_lost_meanwhile() -> None:
    from softswitch.switch.events import Reload

    site, carrier = site_with()
    carrier.call("100")
    queues = {name: replace(queue, hook=None) for name, queue in SETTINGS.queues.items()}
    site.give(Reload(replace(SETTINGS, hooks={}, queues=queues, ivr={}, routes=SETTINGS.routes[:1])))
    site.run(2.0)
    assert waiting(site) == 1
