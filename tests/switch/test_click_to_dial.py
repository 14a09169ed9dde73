"""Click to dial: a phone is rung by order, and when it is answered it calls as if its user had dialled."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.kernel.errors import PeerError
from softswitch.switch.events import DialCommand, Drain, HangUpCall, PhoneCommand, Reload, Security
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import (
    Agent,
    Codes,
    Media,
    Parking,
    Phone,
    Route,
    Server,
    ServiceClass,
    Settings,
    Sip,
    Trunk,
)
from tests.switch.site import Line, Party, Site
from tests.switch.survival import crash

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones={
        "1001": Phone(password=PASSWORD, name="Ann", cos="office", caller_id="+37052000001"),
        "1002": Phone(password=PASSWORD, name="Bob", ring_seconds=10.0),
        "1003": Phone(password=PASSWORD, name="Carol", intercom=True),
        "1004": Phone(password=PASSWORD, max_calls=1),
        "absent": Phone(password=PASSWORD),
    },
    agents={
        "bob": Agent(phone="1002", phones=("1003",), logged_in=True),
        "dan": Agent(phone="1004", auto_answer=True),
    },
    queues={"support": QueueSettings(agents=("bob",), wrap_up=5.0)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0, pass_caller_id=True)},
    classes={"office": ServiceClass(may_not_call=("00.",), calls_per_minute=2)},
    parking={"main": Parking(slots="701-702")},
    routes=(
        Route(source="phone:*", number="9.", to="trunk:carrier", strip=1),
        Route(source="any", number="100", to="queue:support"),
        Route(source="phone:*", number="666", to="hangup:403"),
    ),
    codes=Codes(park="*85"),
)


class Desk:
    """Phones that ring, a carrier that answers, and who clicks."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.site = site = Site(settings)
        self.ann, self.bob, self.carol, self.dan = (
            site.phone(name, f"192.0.2.{name[2:]}") for name in ("1001", "1002", "1003", "1004")
        )
        for phone in (self.ann, self.bob, self.carol, self.dan):
            phone.on_invite = "ring"
        self.carrier = site.party("+37061234567", "198.51.100.10")
        self.carrier.on_invite = "ring"
        self.clicks = 0

    def click(self, party: str, to: str, *, auto_answer: bool = False) -> str:
        """The new call's id; raises `PeerError` as the API would hear it, after the switch has."""
        self.clicks += 1
        order = DialCommand(f"click{self.clicks}", party, to, "crm", auto_answer, "ann")
        refusal = None
        try:
            self.site.switch.desk.check_dial(order, self.site.now)
        except PeerError as error:
            refusal = error
        self.site.give(order)
        if refusal is not None:
            assert order.id not in self.site.switch.calls
            raise refusal
        return order.id

    def facts(self, kind: str) -> list[Fact]:
        return [one for one in self.site.saved if isinstance(one, Fact) and one.kind == kind]

    def end(self, party: Party) -> CallRecord:
        """It hangs up; what is kept of the call."""
        party.hang_up(party.line)
        return self.record()

    def record(self) -> CallRecord:
        self.site.run(3.0)
        *_, record = self.site.records(CallRecord)
        assert isinstance(record, CallRecord)
        return record


def header(line: Line, name: str) -> str:
    assert line.request is not None
    return line.request.headers.get(name) or ""


def test_the_users_phone_rings_then_the_other_and_both_are_shown_whom_they_talk_with() -> None:
    desk = Desk()
    id = desk.click("1001", "1002")
    view = desk.site.switch.desk.call(id, desk.site.now)
    assert view is not None
    assert (view.state, view.at, view.source, view.called, view.ordered_by) == (
        *("ringing", "phone:1001", "phone:1001", "1002"),
        "crm",
    )
    assert header(desk.ann.line, "From").startswith('"Bob" <sip:1002@pbx.test>;tag=')
    assert header(desk.ann.line, "X-Call-Id") == id
    assert not header(desk.ann.line, "Answer-Mode")
    assert not desk.bob.lines
    desk.ann.answer(desk.ann.line)
    assert header(desk.bob.line, "From").startswith('"Ann" <sip:1001@pbx.test>;tag=')
    desk.bob.answer(desk.bob.line)
    assert len(desk.site.media.edges) == 2
    desk.site.run(5.0)
    record = desk.end(desk.ann)
    assert (record.outcome, record.source, record.caller, record.called) == ("answered", "phone:1001", "1001", "1002")
    assert (record.destination, record.hung_up_by, round(record.talk_seconds)) == ("phone:1002", "caller", 5)
    assert record.collected["ordered_by"] == "crm"
    (fact,) = desk.facts("call.ordered")
    assert (fact.call, fact.data) == (
        id,
        {"at": "phone:1001", "to": "1002", "by": "ann", "token": "crm", "auto_answer": False},
    )
    desk.site.nothing_left()


def test_over_a_trunk_the_phones_number_is_shown_and_its_class_counts() -> None:
    desk = Desk()
    desk.click("1001", "9061111111")
    assert header(desk.ann.line, "From").startswith("<sip:9061111111@pbx.test>")  # as dialled
    desk.ann.answer(desk.ann.line)
    assert desk.carrier.line.request is not None
    assert desk.carrier.line.request.uri.username == "061111111"
    assert "+37052000001" in header(desk.carrier.line, "From")
    desk.carrier.answer(desk.carrier.line)
    assert desk.end(desk.carrier).outcome == "answered"
    with pytest.raises(PeerError, match="class office of phone:1001 may not call it") as refused:
        desk.click("1001", "9001555")
    assert refused.value.status == 403
    assert desk.facts("guard.refused")[-1].data["account"] == "phone:1001"
    assert isinstance(desk.site.security[-1], Security)
    assert desk.site.security[-1].event == "toll-refused"
    desk.click("1001", "9061111112")
    desk.ann.answer(desk.ann.line)
    desk.end(desk.ann)
    with pytest.raises(PeerError, match="has begun 2 calls within the minute"):
        desk.click("1001", "9061111113")
    assert len(desk.ann.lines) == 2
    desk.site.nothing_left()


def test_what_is_forbidden_while_it_rings_is_not_called() -> None:
    """The guards are asked where calls leave, whatever was found when it was ordered."""
    desk = Desk()
    desk.click("1001", "9061111111")
    barred = replace(SETTINGS, classes={"office": ServiceClass(may_not_call=(".",))})
    desk.site.give(Reload(barred))
    desk.ann.answer(desk.ann.line)
    assert not desk.carrier.lines
    assert desk.facts("guard.refused")
    desk.site.prompt_ends()
    assert desk.ann.line.state == "over"
    assert desk.record().outcome == "rejected"
    desk.site.nothing_left()


def test_a_hidden_number_stays_hidden() -> None:
    desk = Desk()
    desk.click("1001", f"{SETTINGS.codes.hide_caller_id}1002")
    desk.ann.answer(desk.ann.line)
    assert "anonymous" in header(desk.bob.line, "From")
    desk.ann.hang_up(desk.ann.line)
    desk.click("1001", "1002")
    desk.ann.answer(desk.ann.line)
    assert "1001" in header(desk.bob.line, "From")
    desk.ann.hang_up(desk.ann.line)
    desk.site.nothing_left()


def test_an_agents_phones_ring_and_the_one_that_answers_keeps_the_agent_busy() -> None:
    desk = Desk()
    engine = desk.site.switch.office.engine

    def state() -> AgentState:
        view = engine.agent_view("bob", desk.site.now)
        assert view is not None
        return view.state

    assert state() is AgentState.READY
    desk.click("agent:bob", "9061111111")
    assert (desk.bob.line.state, desk.carol.line.state) == ("ringing", "ringing")
    assert state() is AgentState.BUSY
    caller = desk.carrier.call("100")  # to the queue: nobody is free
    desk.carol.answer(desk.carol.line)
    assert desk.bob.line.state == "over"
    out = desk.carrier.line
    assert header(out, "From").startswith('"Carol" <sip:1003@')
    desk.carrier.answer(out)
    assert state() is AgentState.BUSY
    assert len(desk.bob.lines) == 1  # the queue's call was offered to nobody
    desk.carol.hang_up(desk.carol.line)
    assert state() is AgentState.OFFERED
    desk.carrier.hang_up(caller)
    record = next(one for one in desk.site.records(CallRecord) if isinstance(one, CallRecord))
    assert (record.source, record.caller) == ("phone:1003", "1003")
    desk.site.nothing_left()


@pytest.mark.parametrize(
    ("party", "to", "status", "words"),
    [
        ("1999", "1002", 404, "no phone 1999"),
        ("agent:nobody", "1002", 404, "no agent nobody"),
        ("trunk:carrier", "1002", 404, "no phone trunk:carrier"),
        ("absent", "1002", 409, "phone:absent is not registered"),
        ("1001", "5555", 422, "phone 1001 reaches nobody by dialling 5555"),
        ("1001", "*72" + "1002", 422, "reaches nobody"),
        ("1001", "9" * 200, 422, "reaches nobody"),
        ("1001", "sip:x@evil", 422, '"sip" is no kind of target'),
        ("1001", "queue:nothing", 422, 'no queue "nothing"'),
        ("1001", "trunk:carrier/061111111", 422, "not the trunk"),
        ("1001", "1001", 422, "1001 is 1001 itself"),
        ("1001", "phone:1001", 422, "itself"),
        ("agent:bob", "agent:bob", 422, "itself"),
        ("1001", "666", 403, "the dial plan refuses 666"),
    ],
)
def test_what_cannot_be_is_said_and_rings_nobody(party: str, to: str, status: int, words: str) -> None:
    desk = Desk()
    with pytest.raises(PeerError) as refused:
        desk.click(party, to)
    assert refused.value.status == status
    assert words in str(refused.value)
    assert not any(phone.lines for phone in (desk.ann, desk.bob, desk.carol, desk.dan))
    desk.site.nothing_left()


def test_a_busy_phone_and_a_switch_that_takes_no_calls() -> None:
    desk = Desk(replace(SETTINGS, server=Server(max_calls=2)))
    line = desk.dan.call("1002")
    with pytest.raises(PeerError, match="phone:1004 is busy") as refused:
        desk.click("1004", "1001")
    assert refused.value.status == 409
    desk.click("1001", "1003")
    with pytest.raises(PeerError, match="max_calls") as refused:
        desk.click("1003", "1001")
    assert refused.value.status == 503
    desk.dan.hang_up(line)
    desk.site.give(Drain())
    with pytest.raises(PeerError, match="draining"):
        desk.click("1003", "1001")
    desk.ann.answer(desk.ann.line)
    desk.carol.reject(desk.carol.line, 486)
    desk.site.run(30.0)
    desk.site.nothing_left()


def test_do_not_disturb_and_forwarding_are_for_others_calls() -> None:
    desk = Desk()
    desk.site.give(PhoneCommand("1001", "dnd", True))
    desk.site.give(PhoneCommand("1001", "always", "1003"))
    desk.click("1001", "1002")
    assert desk.ann.line.state == "ringing"
    assert not desk.carol.lines
    desk.ann.reject(desk.ann.line, 603)
    assert (desk.record().outcome, desk.record().destination) == ("rejected", "phone:1001")
    desk.site.nothing_left()


def test_phones_answer_by_themselves_where_that_is_allowed() -> None:
    desk = Desk()
    with pytest.raises(PeerError, match="does not answer by itself") as refused:
        desk.click("1001", "1002", auto_answer=True)
    assert refused.value.status == 403
    desk.click("1003", "1001", auto_answer=True)
    assert header(desk.carol.line, "Answer-Mode") == "Auto"
    assert "answer-after=0" in header(desk.carol.line, "Call-Info")
    desk.click("agent:dan", "1001", auto_answer=True)
    assert header(desk.dan.line, "Answer-Mode") == "Auto"
    with pytest.raises(PeerError, match="busy"):
        desk.click("1003", "1001", auto_answer=True)  # never into a call
    desk.carol.reject(desk.carol.line, 486)
    desk.dan.reject(desk.dan.line, 486)
    desk.site.give(PhoneCommand("1003", "dnd", True))
    with pytest.raises(PeerError, match="busy"):
        desk.click("1003", "1001", auto_answer=True)
    desk.site.nothing_left()


def test_it_is_taken_back_while_either_phone_rings() -> None:
    desk = Desk()
    id = desk.click("1001", "1002")
    desk.site.give(HangUpCall(id))
    assert desk.ann.line.state == "over"
    assert (desk.record().outcome, desk.record().hung_up_by) == ("failed", "switch")
    id = desk.click("1001", "1002")
    desk.ann.answer(desk.ann.line)
    desk.site.give(HangUpCall(id))
    assert (desk.ann.line.state, desk.bob.line.state) == ("over", "over")
    desk.click("1001", "1002")
    desk.ann.answer(desk.ann.line)
    record = desk.end(desk.ann)
    assert desk.bob.line.state == "over"
    assert (record.outcome, record.hung_up_by) == ("abandoned", "caller")
    desk.site.nothing_left()


def test_nobody_answers_or_the_other_is_busy() -> None:
    desk = Desk()
    desk.click("1002", "1001")
    desk.site.run(11.0)
    assert desk.bob.line.state == "over"
    assert not desk.ann.lines
    assert desk.record().outcome == "no-answer"
    desk.click("1001", "1002")
    desk.ann.answer(desk.ann.line)
    desk.bob.reject(desk.bob.line, 486)
    assert desk.site.media.players  # the busy tone
    assert desk.end(desk.ann).outcome == "busy"
    desk.site.nothing_left()


def test_a_target_is_called_and_a_queue_counts_the_call() -> None:
    desk = Desk()
    desk.click("1001", "queue:support")
    assert header(desk.ann.line, "From").startswith('"queue:support" <sip:support@pbx.test>')
    desk.ann.answer(desk.ann.line)
    desk.bob.answer(desk.bob.line)
    record = desk.end(desk.ann)
    assert (record.outcome, record.queue, record.agent) == ("answered", "support", "bob")
    desk.site.nothing_left()


def test_a_parked_call_is_retrieved_and_a_held_one_parked() -> None:
    """As when the phone dials the place, or the lot."""
    desk = Desk()
    talk = desk.ann.call("1002")
    desk.bob.answer(desk.bob.line)
    held = desk.bob.line
    desk.bob.hold(held)
    desk.click("1002", "park:main")
    desk.bob.answer(desk.bob.line)
    assert list(desk.site.switch.office.parked.calls) == ["701"]
    desk.site.prompt_ends()
    desk.click("1003", "701")
    desk.carol.answer(desk.carol.line)
    assert not desk.site.switch.office.parked.calls
    assert len(desk.site.media.edges) == 2
    desk.ann.hang_up(talk)
    assert desk.carol.line.state == "over"
    desk.site.nothing_left()


def test_a_phone_that_a_reload_takes_away_calls_nobody() -> None:
    desk = Desk()
    desk.click("1004", "1001")
    phones = {name: phone for name, phone in SETTINGS.phones.items() if name != "1004"}
    agents = {name: agent for name, agent in SETTINGS.agents.items() if name != "dan"}
    desk.site.give(Reload(replace(SETTINGS, phones=phones, agents=agents)))
    desk.dan.answer(desk.dan.line)
    desk.site.prompt_ends()
    assert not desk.ann.lines
    assert desk.dan.line.state == "over"
    desk.site.nothing_left()


def test_the_record_of_a_call_that_a_crash_cuts_names_the_token_too() -> None:
    desk = Desk()
    desk.click("1001", "queue:support")
    desk.ann.answer(desk.ann.line)
    desk.bob.answer(desk.bob.line)
    desk.site.run(1.0)
    crash(desk.site, media=False)
    assert desk.record().collected["ordered_by"] == "crm"
    desk.site.nothing_left()


def test_no_port_for_the_users_phone() -> None:
    site = Site(replace(SETTINGS, media=Media()), slots=0)
    phone = site.phone("1001", "192.0.2.10")
    site.give(DialCommand("click", "1001", "1002", "crm"))
    assert not phone.lines
    site.nothing_left()
