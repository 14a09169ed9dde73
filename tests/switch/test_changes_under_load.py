"""Configuration changed under load (issue 4): random live changes during random days lose nobody and log nobody out.

The days are those of `test_random_days`, with everything that is wrong there; what a supervisor may change comes
between: settings, members, skills, closing, moving and prioritising, new files, agents at other phones.
"""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.kernel.errors import LocalError
from softswitch.services.live_settings import LiveSettings, parse_path
from softswitch.switch.customers import Customer
from softswitch.switch.events import (
    AgentCommand,
    CustomersChanged,
    HookAnswered,
    MoveCall,
    PrioritiseCall,
    Reload,
    Retune,
    SendAway,
)
from softswitch.switch.settings import Settings
from softswitch.switch.settings.routing import Hook
from tests.switch.site import Site
from tests.switch.test_random_days import SETTINGS as DAY
from tests.switch.test_random_days import SILENT_AT, Day

SILENT_AT.add("crm")  # a caller who was answered hears nothing while a hook is asked
AGENTS = ("alice", "bob", "carol", "night")
SETTINGS = replace(
    DAY,
    hooks={"crm": Hook(url="http://crm.test/", at_once=2, rest=5.0, next="queue:sales")},
    agents={name: replace(agent, number=f"20{index}") for index, (name, agent) in enumerate(DAY.agents.items())},
)
CHANGES: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("queues.support.strategy", ("longest-idle", "ring-all", "round-robin", "random", "ring-progressively")),
    ("queues.support.ring_seconds", (3.0, 20.0)),
    ("queues.support.wrap_up", (0.0, 9.0)),
    ("queues.support.priority", (0.0, 300.0)),
    ("queues.support.order", ("deadline", "head-start")),
    ("queues.support.weights.bob", (30.0, -30.0)),
    ("queues.support.rings", ([], [{"after": 0, "agents": ["bob"]}, {"after": 5, "agents": list(AGENTS)}])),
    ("queues.support.music", ("hold",)),
    ("queues.support.hook", ("crm",)),
    ("queues.support.needs", ({}, {"english": 50})),
    ("queues.support.max_wait", (0.0, 30.0)),
    ("queues.support.max_length", (0, 2)),
    ("queues.sales.language_skill", (True, False)),
    ("queues.sales.sticky", ("last-agent", "preferred-or-last")),
    ("queues.sales.sticky_seconds", (10.0,)),
    ("queues.sales.shut", ("storm", "")),
    ("queues.sales.closed", ("queue:support", "play:closed")),
    ("agents.alice.skills.english", (0, 80)),
    ("agents.bob.skills", ({}, {"english": 60, "lt": 90})),
    ("agents.carol.capacity", (1, 3)),
    ("agents.alice.max_ring", (0.0, 4.0)),
)


class Changes(Day):
    """A day with a restless supervisor."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.site = self.site_of(SETTINGS)
        self.live = LiveSettings(SETTINGS)
        self.files = (SETTINGS, replace(SETTINGS, queues={**SETTINGS.queues, "support": self.other_queue()}))
        restless = [self.change, self.members, self.move, self.prioritise, self.customers, self.hook_answers]
        now_and_then = [self.take_back, self.new_file, self.send_away, self.sits]
        self.actions = [
            *(action for action in self.actions if getattr(action, "__name__", "") != "reload"),
            *restless * 5,
            *now_and_then * 2,
        ]

    def site_of(self, settings: Settings) -> Site:
        """The day's site, with our settings from the start."""
        self.site.give(Reload(settings))
        return self.site

    @staticmethod
    def other_queue():  # type: ignore[no-untyped-def]  # QueueSettings
        return replace(SETTINGS.queues["support"], agents=("bob", "carol"), strategy="fewest-calls", max_wait=0.0)

    def put(self, path: str, value: object) -> None:
        parts = parse_path(path)
        for older in self.live.below(parts):
            self.site.give(Retune(self.live.change(older, None, "carol", self.site.now), older, None, "carol"))
        settings = self.live.change(parts, value, "carol", self.site.now)
        self.site.give(Retune(settings, parts, value, "carol"))

    # what a supervisor does

    def change(self) -> None:
        path, values = self.dice.choice(CHANGES)
        self.put(path, self.dice.choice(values))

    def take_back(self) -> None:
        rows = self.live.rows()
        if rows:
            self.put(self.dice.choice(rows).path, None)

    def members(self) -> None:
        queue = self.dice.choice(("support", "sales"))
        self.put(f"queues.{queue}.agents", self.dice.sample(AGENTS, self.dice.randint(1, 4)))

    def new_file(self) -> None:
        self.site.give(Reload(self.live.over(self.dice.choice(self.files))))

    def waiting(self) -> str:
        waiting = [call.id for call in self.site.switch.calls.values() if call.stage.label == "queued"]
        return self.dice.choice(waiting) if waiting else "nobody"

    def move(self) -> None:
        self.site.give(MoveCall(self.waiting(), self.dice.choice(("support", "sales", "gone")), "carol"))

    def prioritise(self) -> None:
        self.site.give(PrioritiseCall(self.waiting(), self.dice.choice((60.0, -60.0, 1e12)), "carol"))

    def send_away(self) -> None:
        queue = self.dice.choice(("sales", "gone"))
        if queue == "gone" or self.live.settings.queues[queue].shut:
            self.site.give(SendAway(queue, "carol"))

    def customers(self) -> None:
        number = self.dice.choice(("+37061234567", "+37060000000", "1001"))
        language, agent = self.dice.choice(("", "lt", "en")), self.dice.choice(("", *AGENTS))
        needs = self.dice.choice(((), (("english", 50),), (("violin", 1),)))
        one = Customer(id="7", numbers=(number,), head_start=30.0, language=language, agent=agent, needs=needs)
        self.site.give(CustomersChanged((one,)) if self.dice.random() < 0.8 else CustomersChanged((), ("7",)))

    def hook_answers(self) -> None:
        if self.site.asked:
            asked = self.site.asked.pop(self.dice.randrange(len(self.site.asked)))
            body = self.dice.choice(
                (b"", b'{"target":"queue:sales"}', b'{"sticky":"bob","sticky_seconds":5}', b"<html>")
            )
            self.site.give(HookAnswered(asked.number, self.dice.choice((200, 200, 500, 0)), body, "broken"))

    def sits(self) -> None:
        phone = self.dice.choice(("", "1001", "1002", "1003"))
        self.site.give(AgentCommand(self.dice.choice(AGENTS), "login", phone=phone))

    # what must hold

    def logged_out_by(self) -> set[str]:
        facts = [record for record in self.site.saved if isinstance(record, Fact) and record.kind == "agent.logout"]
        return {str(fact.data["by"]) for fact in facts}

    def check(self) -> None:
        super().check()
        office = self.site.switch.office
        assert all(asked.running >= 0 for asked in office.hooks.states.values())
        for agent, phone in office.seats.at.items():
            assert office.settings.agents[agent].phone == phone
        seats = list(office.seats.at.values())
        assert len(seats) == len(set(seats)), "two guests at one phone"


@pytest.mark.parametrize("seed", range(12))
def test_nobody_is_lost_and_nobody_is_logged_out(seed: int) -> None:
    """Agents leave by their own code, by an operator, or because another took the phone: never by a change. Every call
    has its one record and its story in order (`Day.ends`)."""
    day = Changes(seed)
    for _ in range(220):
        day.step()
    for asked in day.site.asked:
        day.site.give(HookAnswered(asked.number, 0, b"", "time-out"))
    day.ends()
    allowed = ("phone:", "operator", "agent:")
    assert all(by.startswith(allowed) for by in day.logged_out_by()), day.logged_out_by()
    assert not any(log.event.startswith(("call loops", "target is not there")) for log in day.site.logs)


def test_a_talk_goes_on_through_every_change() -> None:
    """One call, one talk: 21 settings changed and taken back, files read, members exchanged; no BYE, no new record."""
    day = Changes(3)
    site, alice = day.site, day.phones[0]
    alice.to_answer = type(alice)(site, "x", "192.0.2.99").to_answer
    alice.on_invite = "answer"
    carrier = site.party("+37061234567", "198.51.100.10")
    line = carrier.call("100")
    site.run(1.0)
    assert line.state == "up"
    (call,) = site.switch.calls.values()
    if call.stage.label == "talking":
        for path, values in CHANGES:
            for value in values:
                day.put(path, value)
        day.put("queues.support.agents", ["carol"])
        day.new_file()
        for row in day.live.rows():
            day.put(row.path, None)
    site.run(5.0)
    assert (line.state, call.over) == ("up", False)
    carrier.hang_up(line)
    with pytest.raises(LocalError):
        day.put("queues.support.strategy", "fifo")
