"""Where a call goes and how it waits, by who calls: lists, customers, languages, what menus collected, hours."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AcdSettings, Fact, QueueSettings
from softswitch.kernel.errors import LocalError
from softswitch.switch.customers import Customer, LastAgents
from softswitch.switch.events import CustomersChanged, MoveCall, PrioritiseCall, Retune, SendAway
from softswitch.switch.records import SavedSetting
from softswitch.switch.settings import Agent, Collect, Hours, Menu, Phone, Route, Settings, Sip, Trunk
from softswitch.switch.settings.routing import NumberList
from softswitch.switch.templates import by_default, filled
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
VIP = "+37061234567"
OTHER = "+37069999999"
AGENTS = {
    "alice": Agent(phone="1001", logged_in=True, skills={"english": 90, "lt": 80}),
    "bob": Agent(phone="1002", logged_in=True, skills={"english": 40, "fiber": 70}),
}
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD), "1003": Phone(password=PASSWORD)},
    agents=AGENTS,
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={
        "support": QueueSettings(agents=("alice", "bob")),
        "gold": QueueSettings(agents=("alice",)),
        "night": QueueSettings(agents=("bob",)),
    },
    ivr={
        "account": Menu(
            prompt="enter-number",
            collect=Collect(
                variable="account", min=4, max=4, lookup="customers", not_found="queue:night",
                next="queue:{customer_queue|support}",
            ),
        )
    },
    lists={"vips": NumberList(numbers=("+37061XXXXXX", "+4420"))},
    routes=(
        Route(source="trunk:carrier", number="100", callers="vips", to="queue:gold"),
        Route(source="trunk:carrier", number="100", caller="+371.", to="queue:night"),
        Route(source="trunk:carrier", number="100", to="queue:support"),
        Route(source="trunk:carrier", number="200", to="ivr:account"),
        Route(source="trunk:carrier", number="300", to="queue:{customer_queue|support}"),
    ),
)  # fmt: skip


def site_with(queue: QueueSettings | None = None, **more: object) -> Site:
    """Nobody's phone is registered, so that calls wait."""
    settings = replace(SETTINGS, **more)  # type: ignore[arg-type]
    if queue is not None:
        settings = replace(settings, queues={**settings.queues, "support": queue})
    return Site(settings)


def caller(site: Site, number: str = VIP) -> Party:
    return site.party(number, "198.51.100.10")


def queued(site: Site) -> dict[str, list[str]]:
    engine = site.switch.office.engine
    return {name: [view.caller for view in engine.waiting(name, site.now)] for name in engine.queue_names()}


def facts(site: Site, kind: str) -> list[Fact]:
    return [record for record in site.saved if isinstance(record, Fact) and record.kind == kind]


def customers(site: Site, *some: Customer) -> None:
    site.give(CustomersChanged(some))


@pytest.mark.parametrize(
    ("number", "queue"), [(VIP, "gold"), ("+37120000000", "night"), (OTHER, "support"), ("+4420", "gold")]
)
def test_a_route_may_ask_who_calls(number: str, queue: str) -> None:
    """By a list, by a pattern, else by the next route that fits."""
    site = site_with()
    caller(site, number).call("100")
    assert [name for name, callers in queued(site).items() if callers] == [queue]


def test_a_customer_s_head_start_brings_it_before_those_who_came_earlier() -> None:
    site = site_with()
    customers(site, Customer(id="7", numbers=(OTHER,), head_start=60.0))
    caller(site, "+37260000001").call("100")
    site.run(30.0)
    caller(site, OTHER).call("100")
    assert queued(site)["support"] == [OTHER, "+37260000001"]
    site.give(CustomersChanged((), ("7",)))
    assert len(site.switch.office.customers) == 0


def test_a_customer_has_a_queue_a_language_and_needs() -> None:
    site = site_with()
    customers(site, Customer(id="7", numbers=(VIP,), queue="gold", language="lt", needs=(("lt", 50), ("violin", 1))))
    caller(site).call("300")
    (call,) = site.switch.calls.values()
    assert (call.stage.at, call.language) == ("gold", "lt")
    (dropped,) = facts(site, "call.needs_dropped")  # nobody plays the violin: the caller must not wait for ever
    assert dropped.data["skills"] == ["violin"]


def test_a_queue_that_is_not_there_falls_back_to_the_default() -> None:
    site = site_with()
    customers(site, Customer(id="7", numbers=(VIP,), queue="platinum"))
    caller(site).call("300")
    assert queued(site)["support"] == [VIP]


def test_digits_are_looked_up_as_an_account_number() -> None:
    site = site_with()
    customers(site, Customer(id="4711", queue="gold"))
    carrier = caller(site, OTHER)
    carrier.call("200")
    (call,) = site.switch.calls.values()
    for digit in "4711":
        site.press(call.leg.id, digit)
    assert queued(site)["gold"] == [OTHER]
    assert call.wishes.customer == Customer(id="4711", queue="gold")
    carrier.call("200")
    stranger = list(site.switch.calls.values())[-1]
    for digit in "9999":
        site.press(stranger.leg.id, digit)
    assert queued(site)["night"] == [OTHER]


def test_the_language_is_a_skill() -> None:
    acd = AcdSettings(language_skills={"en": "english"})
    queue = QueueSettings(agents=("alice", "bob"), language_skill=True, language_level=60)
    site = site_with(queue, acd=acd)
    bob, alice = site.phone("1002", "192.0.2.12"), site.phone("1001", "192.0.2.11")
    alice.on_invite = bob.on_invite = "ring"
    caller(site, OTHER).call("100")
    assert alice.lines
    assert not bob.lines


def test_a_variable_names_a_skill() -> None:
    """Here the number that was called; what menus collect and hooks tell goes the same way."""
    queue = QueueSettings(agents=("alice", "bob"), call_needs={"{called}": 50, "{nothing}": 50})
    site = site_with(queue, agents={**AGENTS, "bob": replace(AGENTS["bob"], skills={"100": 70})})
    bob, alice = site.phone("1002", "192.0.2.12"), site.phone("1001", "192.0.2.11")
    alice.on_invite = bob.on_invite = "ring"
    caller(site, OTHER).call("100")
    assert bob.lines
    assert not alice.lines


@pytest.mark.parametrize(
    ("text", "said", "there"),
    [
        ("queue:{x|support}", "gold", "queue:gold"),
        ("queue:{x|support}", "", "queue:support"),
        ("queue:{x|support}", "a b", "queue:support"),
        ("queue:{x|support}", "../etc", "queue:support"),
        ("trunk:carrier/{x|112}", "00371", "trunk:carrier/00371"),
        ("hangup:", "gold", "hangup:"),
    ],
)
def test_variables_fill_targets_with_mere_names(text: str, said: str, there: str) -> None:
    assert filled(text, {"x": said}) == there


@pytest.mark.parametrize("text", ["queue:{x}", "queue:{x|", "queue:}x", "queue:{1|a}", "queue:{x|}"])
def test_a_variable_needs_a_default(text: str) -> None:
    with pytest.raises(LocalError):
        by_default(text)


# ---------------------------------------------------------------------------------------------------------- last agent


def talk(site: Site, party: Party) -> Line:
    line = party.call("100")
    site.run(5.0)
    party.hang_up(line)
    site.run(3.0)
    return line


def test_the_last_agent_gets_the_call_again_and_others_after_a_while() -> None:
    queue = QueueSettings(agents=("alice", "bob"), sticky="last-agent", sticky_seconds=20.0)
    site = site_with(queue)
    bob = site.phone("1002", "192.0.2.12")
    carrier = caller(site, OTHER)
    talk(site, carrier)
    assert len(bob.lines) == 1
    alice = site.phone("1001", "192.0.2.11")
    alice.on_invite = "ring"
    bob.on_invite = 486
    carrier.call("100")
    assert len(bob.lines) == 2  # bob's call, though alice is idle for longer
    assert not alice.lines
    site.run(21.0)
    assert alice.line.state == "ringing"


def test_the_preferred_agent_goes_before_the_last_one() -> None:
    queue = QueueSettings(agents=("alice", "bob"), sticky="preferred-or-last", sticky_seconds=20.0)
    site = site_with(queue)
    customers(site, Customer(id="7", numbers=(OTHER,), agent="alice"))
    bob, alice = site.phone("1002", "192.0.2.12"), site.phone("1001", "192.0.2.11")
    carrier = caller(site, OTHER)
    for _ in range(3):
        talk(site, carrier)
    assert (len(alice.lines), len(bob.lines)) == (3, 0)


def test_a_sticky_agent_who_is_not_logged_in_costs_no_time() -> None:
    queue = QueueSettings(agents=("alice", "bob"), sticky="preferred", sticky_seconds=200.0)
    site = site_with(queue, agents={**AGENTS, "alice": replace(AGENTS["alice"], logged_in=False)})
    customers(site, Customer(id="7", numbers=(OTHER,), agent="alice"))
    bob = site.phone("1002", "192.0.2.12")
    caller(site, OTHER).call("100")
    assert bob.lines


def test_last_agents_are_forgotten_after_some_days() -> None:
    table = LastAgents(100.0)
    table.talked("1", "alice", 0.0)
    table.talked("2", "bob", 50.0)
    assert table.of("1", 100.0) == "alice"
    assert table.of("1", 101.0) == ""
    table.talked("2", "alice", 120.0)
    assert len(table) == 1
    assert table.of("2", 130.0) == "alice"
    assert table.of("3", 130.0) == ""


# --------------------------------------------------------------------------------------------------------------- hours


def test_a_queue_has_opening_hours_and_holidays() -> None:
    """The site's clock starts on a Friday, 2027-01-15, 08:00 UTC."""
    hours = {"office": Hours(open={"mon-fri": "09:00-18:00"}, holidays=("01-18",))}
    queue = QueueSettings(agents=("alice",), hours="office", closed="queue:night", on_holiday="play:closed")
    site = site_with(queue, hours=hours)
    carrier = caller(site, OTHER)
    carrier.call("100")
    assert queued(site)["night"] == [OTHER]
    site.run(3600.0)
    carrier.call("100")
    assert queued(site)["support"] == [OTHER]
    monday = site_with(queue, hours=hours)  # another site: three days second by second would take a minute
    monday.now += 3 * 86400.0 + 3600.0
    caller(monday, OTHER).call("100")
    causes = [fact.data["cause"] for one in (site, monday) for fact in facts(one, "queue.turned_away")]
    assert causes == ["hours", "holiday"]
    assert monday.media.played[-1] == ("en/closed",)


def shut(site: Site, reason: str | None) -> None:
    settings = site.switch.office.settings
    queue = replace(settings.queues["support"], shut=reason or "")
    changed = replace(settings, queues={**settings.queues, "support": queue})
    site.give(Retune(changed, ("queues", "support", "shut"), reason, "carol"))


def test_a_queue_is_shut_and_opened_while_the_switch_runs() -> None:
    site = site_with(QueueSettings(agents=("alice",), closed="queue:night"))
    carrier = caller(site, OTHER)
    carrier.call("100")
    shut(site, "fire alarm")
    carrier.call("100")
    assert (len(queued(site)["support"]), len(queued(site)["night"])) == (1, 1)  # who waits goes on waiting
    site.give(SendAway("support"))
    assert (len(queued(site)["support"]), len(queued(site)["night"])) == (0, 2)
    shut(site, None)
    carrier.call("100")
    assert len(queued(site)["support"]) == 1
    (told,) = facts(site, "queue.shut")
    assert told.data == {"reason": "fire alarm", "by": "carol"}
    assert len(facts(site, "queue.opened")) == 1
    assert [record.path for record in site.saved if isinstance(record, SavedSetting)] == ["queues.support.shut"]


def test_closed_queues_that_send_callers_round_end() -> None:
    round_about = {
        "support": QueueSettings(agents=("alice",), shut="storm", closed="queue:night"),
        "night": QueueSettings(agents=("bob",), shut="storm", closed="queue:support"),
    }
    site = site_with(queues=round_about, routes=SETTINGS.routes[2:3])
    line = caller(site, OTHER).call("100")
    assert (line.state, line.status) == ("over", 482)
    site.nothing_left()


# ---------------------------------------------------------------------------------------------------- waiting calls


def test_a_waiting_call_is_prioritised_and_moved_with_its_place() -> None:
    site = site_with()
    first, second, third = "+37260000001", "+37260000002", "+37260000003"
    for number in (first, second, third):
        caller(site, number).call("100")
        site.run(10.0)
    by_caller = {call.caller: call.id for call in site.switch.calls.values()}
    site.give(PrioritiseCall(by_caller[third], 15.0, "carol"))
    assert queued(site)["support"] == [first, third, second]
    caller(site, "+37120000000").call("100")  # waits in `night` since now
    site.give(MoveCall(by_caller[second], "night", "carol"))
    assert queued(site) == {"support": [first, third], "gold": [], "night": [second, "+37120000000"]}
    (told,) = facts(site, "call.moved")
    assert told.data == {"from_queue": "support", "to_queue": "night", "by": "carol"}
    (left,) = facts(site, "queue.left")
    assert left.data["reason"] == "moved to queue night"
    site.give(MoveCall(by_caller[third], "night"))
    assert queued(site)["night"] == [third, second, "+37120000000"]  # the head start goes along
    site.give(MoveCall("nobody", "night"))
    site.give(PrioritiseCall("nobody", 10.0))


def test_settings_of_an_agent_count_at_once_for_who_waits() -> None:
    site = site_with(QueueSettings(agents=("alice", "bob"), needs={"fiber": 80}))
    bob = site.phone("1002", "192.0.2.12")
    bob.on_invite = "ring"
    caller(site, OTHER).call("100")
    assert not bob.lines
    settings = site.switch.office.settings
    better = replace(settings.agents["bob"], skills={"fiber": 85})
    site.give(
        Retune(replace(settings, agents={**settings.agents, "bob": better}), ("agents", "bob", "skills"), {"fiber": 85})
    )
    assert bob.line.state == "ringing"


def test_other_music_is_heard_at_once() -> None:
    site = site_with()
    caller(site, OTHER).call("100")
    settings = site.switch.office.settings
    queue = replace(settings.queues["support"], music="spring")
    changed = replace(settings, queues={**settings.queues, "support": queue})
    site.give(Retune(changed, ("queues", "support", "music"), "spring"))
    assert site.media.played[-1] == ("en/music/spring",)
