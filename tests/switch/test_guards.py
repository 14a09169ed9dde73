"""Toll fraud: what may leave by a trunk, how often, and for how much; and that no way out passes by the guards."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import softswitch
from softswitch.acd.model import CallbackSettings, Fact, QueueSettings
from softswitch.switch.events import AskCallback, PhoneCommand, Reload, Security, TransferCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import (
    Agent,
    Codes,
    Guards,
    Hours,
    InCall,
    Phone,
    RingGroup,
    Route,
    ServiceClass,
    Settings,
    Sip,
    Trunk,
)
from tests.switch.site import Party, Site
from tests.switch.test_refer import refer

PASSWORD = "correct horse"
PREMIUM = "00190055512"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        "1001": Phone(password=PASSWORD, cos="office", no_answer=f"trunk:carrier/{PREMIUM}", ring_seconds=5.0),
        "1002": Phone(password=PASSWORD),
        "1003": Phone(password=PASSWORD, cos="lobby"),
    },
    trunks={
        "carrier": Trunk(address="sip:198.51.100.10", country="370", options_seconds=0.0, backup="second"),
        "second": Trunk(address="sip:198.51.100.20", country="370", options_seconds=0.0),
    },
    classes={"office": ServiceClass(), "lobby": ServiceClass(may_call=("0.",), may_not_call=("00.",))},
    groups={"out": RingGroup(members=(f"trunk:carrier/{PREMIUM}",))},
    codes=Codes(in_call=InCall()),
    queues={
        "support": QueueSettings(
            agents=("alice",),
            callback=CallbackSettings(to="trunk:carrier", numbers=("*",), first="customer", attempts=1),
        )
    },
    agents={"alice": Agent(phone="1003", logged_in=True), "bob": Agent(phone="1002")},
    routes=(
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="phone:*", number="+.", to="trunk:carrier"),
        Route(source="phone:*", number="112", to="trunk:carrier"),
        Route(number="700", to="group:out"),
        Route(source="trunk:*", number="+37052000001", to="phone:1001"),
        Route(source="trunk:*", number="+37052000002", to="trunk:second"),
    ),
)  # fmt: skip

_WATCHED = ("uri replaced", "Destination", "Invitation", "_trunk_destination", "refuses", "refuses_text")


def site_with(settings: Settings = SETTINGS) -> tuple[Site, Party, Party, Party, Party]:
    """The site, three phones, the carrier."""
    site = Site(settings)
    phones = [site.phone(name, f"192.0.2.1{name[-1]}", PASSWORD) for name in ("1001", "1002", "1003")]
    site.party("second", "198.51.100.20")
    return site, phones[0], phones[1], phones[2], site.party("carrier", "198.51.100.10")


def refused(site: Site) -> list[str]:
    return [entry.reason for entry in site.security if entry.event == "toll-refused"]


def classes(**kinds: ServiceClass) -> Settings:
    return replace(SETTINGS, classes={**SETTINGS.classes, **kinds})


# ------------------------------------------------------------------------------------------------- where calls may go


@pytest.mark.parametrize(
    "number",
    [
        *(PREMIUM, "00-1900-55512", "001900x55512", "00881612345678", "0037090012345", "090012345"),
        *("+001900555123", "+190055512", "001900CALLNOW", "+00-37090012345"),
    ],
)
def test_premium_numbers_are_blocked_however_they_are_written(number: str) -> None:
    """From the country, from abroad, with marks that carriers leave out."""
    site, one, _, _, carrier = site_with()
    assert one.call(number).status == 403
    assert not carrier.lines
    assert len(refused(site)) == 1
    assert site.security[-1].account == "phone:1001"
    assert [fact.kind for fact in site.records(Fact) if isinstance(fact, Fact)].count("guard.refused") == 1
    site.nothing_left()


def test_a_class_says_where_its_phones_may_call() -> None:
    site, one, _, lobby, carrier = site_with()
    assert lobby.call("0044201234567").status == 403
    assert not carrier.lines
    for phone, number in ((lobby, "061234567"), (one, "0044201234567")):
        line = phone.call(number)
        assert line.state == "up", number
        phone.hang_up(line)
    site.nothing_left()


def test_a_phone_forwards_only_to_where_its_class_may_call() -> None:
    """Said when it is set; and when the right goes later, the phone rings."""
    site, one, _, lobby, carrier = site_with()
    refusal = site.switch.office.phones.refusal
    assert "class lobby of phone:1003 may not" in refusal("1003", "always", "0044201234567", site.now)
    assert "are blocked" in refusal("1001", "busy", f"trunk:carrier/{PREMIUM}", site.now)
    assert not refused(site), "nobody has called"
    site.give(PhoneCommand("1003", "always", "0044201234567"))
    site.give(PhoneCommand("1003", "always", "061234567"))
    line = one.call("1003")
    assert (line.state, len(carrier.lines), len(lobby.lines)) == ("up", 1, 0)
    one.hang_up(line)
    site.give(Reload(classes(lobby=ServiceClass(may_not_call=("06.",)))))
    line = one.call("1003")
    assert (line.state, len(carrier.lines), len(lobby.lines)) == ("up", 1, 1)
    one.hang_up(line)
    site.nothing_left()


def test_a_plus_is_what_it_stands_for() -> None:
    """A class without "00" has none with "+" either."""
    site, one, *_ = site_with(classes(office=ServiceClass(may_not_call=("00.",))))
    assert one.call("0044201234567").status == 403
    assert one.call("+44201234567").status == 403
    line = one.call("061234567")
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()


def test_countries_that_are_not_listed() -> None:
    site, one, *_ = site_with(replace(SETTINGS, guards=Guards(countries=("+371",))))
    assert [one.call(number).status for number in ("0044201234567", "0037167000000", "061234567")] == [403, 200, 200]
    for line in one.lines.values():
        if line.state == "up":
            one.hang_up(line)
    site.nothing_left()


def test_emergency_calls_are_never_refused() -> None:
    closed = ServiceClass(may_call=("1003",), calls_per_hour=1)
    site, one, *_ = site_with(classes(office=closed))
    for _ in range(3):
        line = one.call("112")
        assert line.state == "up"
        one.hang_up(line)
    assert one.call("061234567").status == 403
    site.nothing_left()


def test_off_hours() -> None:
    """The site's clock stands on a Monday; the hours are those of Sunday."""
    settings = classes(office=ServiceClass(hours="never", closed_may_call=("061.",)))
    settings = replace(settings, hours={"never": Hours(open={"daily": "03:00-03:01"})})
    site, one, *_ = site_with(settings)
    assert one.call("052000009").status == 403
    assert "at this hour" in refused(site)[0]
    line = one.call("061234567")
    assert line.state == "up"
    one.hang_up(line)
    site.nothing_left()


# ---------------------------------------------------------------------------------------------- how often, how much


def test_calls_a_minute_an_hour_and_at_once() -> None:
    site, one, two, *_ = site_with(classes(office=ServiceClass(calls_per_minute=2, calls_per_hour=3, calls_at_once=1)))
    first = one.call("061234567")
    assert one.call("061234568").status == 403
    assert "has 1 calls out already" in refused(site)[-1]
    one.hang_up(first)
    one.hang_up(one.call("061234567"))
    assert one.call("061234568").status == 403
    assert "within the minute" in refused(site)[-1]
    other = two.call("061234567")
    assert other.state == "up", "another phone is not held up"
    two.hang_up(other)
    site.run(61.0)
    one.hang_up(one.call("061234567"))
    site.run(61.0)
    assert one.call("061234568").status == 403
    assert "within the hour" in refused(site)[-1]
    site.run(3600.0)
    last = one.call("061234567")
    assert last.state == "up"
    one.hang_up(last)
    site.nothing_left()


def test_money_of_the_day_cuts_the_call_and_outlives_a_restart() -> None:
    settings = replace(
        classes(office=ServiceClass(spend_per_day=1.0)), guards=Guards(rates={"+370": 0.5, "+3706": 0.6, "*": 2.0})
    )
    site, one, two, *_ = site_with(settings)
    line = one.call("061234567")
    site.run(60.0)
    assert line.state == "up"
    assert site.switch.office.guards.spent(site.now)["phone:1001"] == pytest.approx(0.6)
    site.run(55.0)
    assert line.state == "over", "0.6 a minute: 1.0 lasts for 100 seconds"
    assert [entry.event for entry in site.security] == ["toll-cut"]
    assert one.call("061234567").status == 403
    other = two.call("061234567")
    assert other.state == "up"
    two.hang_up(other)
    facts = [fact for fact in site.records(Fact) if isinstance(fact, Fact)]
    site.nothing_left()

    after, one, *_ = site_with(settings)
    after.now = site.now
    after.switch.recall(facts)
    assert one.call("061234567").status == 403
    assert "has used up its 1" in refused(after)[0]
    after.run(86_400.0)
    line = one.call("061234567")
    assert line.state == "up", "a new day"
    one.hang_up(line)
    after.nothing_left()


def test_without_cut_the_running_call_goes_on() -> None:
    guards = Guards(rates={"*": 60.0}, spend_per_day=10.0, cut=False)
    site, one, two, *_ = site_with(replace(SETTINGS, guards=guards))
    line = one.call("061234567")
    site.run(30.0)
    assert line.state == "up"
    assert two.call("061234567").status == 403
    one.hang_up(line)
    site.nothing_left()


def test_new_settings_count_at_once() -> None:
    site, one, *_ = site_with()
    site.give(Reload(classes(office=ServiceClass(may_call=("1002",)))))
    assert one.call("061234567").status == 403
    site.nothing_left()


# ------------------------------------------------------------------------------------------------------ every way out


def _answered_pair(site: Site, one: Party, two: Party) -> None:
    two.on_invite = "answer"
    assert one.call("1002").state == "up"


def dialling(site: Site, one: Party, two: Party, carrier: Party) -> None:
    assert one.call(PREMIUM).status == 403


def through_a_group(site: Site, one: Party, two: Party, carrier: Party) -> None:
    one.call("700")


def forwarding(site: Site, one: Party, two: Party, carrier: Party) -> None:
    one.on_invite = "ring"
    two.call("1001")
    site.run(10.0)


def by_refer(site: Site, one: Party, two: Party, carrier: Party) -> None:
    _answered_pair(site, one, two)
    refer(two, two.line, f"<sip:{PREMIUM}@pbx.test>")


def by_order(site: Site, one: Party, two: Party, carrier: Party) -> None:
    _answered_pair(site, one, two)
    (call,) = site.switch.calls
    site.give(TransferCommand(call, "blind", f"trunk:carrier/{PREMIUM}"))


def by_consultation(site: Site, one: Party, two: Party, carrier: Party) -> None:
    _answered_pair(site, one, two)
    (call,) = site.switch.calls
    site.give(TransferCommand(call, "consult", f"trunk:carrier/{PREMIUM}"))


def by_keys(site: Site, one: Party, two: Party, carrier: Party) -> None:
    _answered_pair(site, one, two)
    legs = site.switch.office.fabric.legs.values()
    leg = next(leg.id for leg in legs if leg.peer == "phone:1002" and not leg.over)
    for key in f"*1{PREMIUM}#":
        site.press(leg, key)


def called_back(site: Site, one: Party, two: Party, carrier: Party) -> None:
    site.give(AskCallback("support", PREMIUM))


WAYS = (dialling, through_a_group, forwarding, by_refer, by_order, by_consultation, by_keys, called_back)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_way_leads_round_the_guards(way: "object") -> None:
    site, one, two, _, carrier = site_with()
    way(site, one, two, carrier)  # type: ignore[operator]
    assert not carrier.lines, "an INVITE reached the carrier"
    assert refused(site), "it was not the guards who kept it back"
    for party in (one, two):
        for line in party.lines.values():
            if line.state not in ("over", "new"):
                party.hang_up(line)
    site.nothing_left()


def test_a_carrier_cannot_redirect_where_a_phone_may_not_call() -> None:
    """`redirect = true` of a trunk: the number that it names is asked about as it leaves."""
    carrier = replace(SETTINGS.trunks["carrier"], redirect=True, backup=None)
    site, one, *_, peer = site_with(replace(SETTINGS, trunks={**SETTINGS.trunks, "carrier": carrier}))
    peer.on_invite = "ring"
    line = one.call("061234567")
    invited = peer.line
    contact = ("Contact", "<sip:+19005551234@198.51.100.10>")
    peer.perform(peer.ua.reject(invited.session, 302, site.now, headers=(contact,)))
    site.settle()
    assert len(peer.lines) == 1, "no second INVITE"
    assert (line.status, refused(site)) == (403, ["numbers of +1900 are blocked"])
    site.nothing_left()


def test_who_passed_the_call_on_answers_for_it() -> None:
    """A call from outside that a phone refers outside: the phone's class counts."""
    site, _, two, lobby, carrier = site_with()
    line = two.call("1003")
    assert line.state == "up"
    refer(lobby, lobby.line, "<sip:0044201234567@pbx.test>")
    assert not carrier.lines
    assert site.security[-1].account == "phone:1003"
    two.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("by", ["boss", "phone:1002", "agent:bob"])
def test_an_operator_lends_nobody_s_rights(by: str) -> None:
    """`by` is an operator's word for the ledger: no phone answers for it, and its class opens nothing."""
    settings = replace(classes(none=ServiceClass(may_call=("1001",))), guards=Guards(transit_cos="none"))
    site, _, two, _, carrier = site_with(settings)
    line = carrier.call("+37052000001")
    site.run(1.0)
    site.give(TransferCommand(next(iter(site.switch.calls)), "blind", "trunk:second/052000009", by))
    assert refused(site)
    assert site.security[-1].account != "phone:1002"
    assert not two.lines
    carrier.hang_up(line)
    site.run(40.0)


def test_transit_has_its_own_class() -> None:
    settings = replace(classes(none=ServiceClass(may_call=("1001",))), guards=Guards(transit_cos="none"))
    site, *_, carrier = site_with(settings)
    assert carrier.call("+37052000002").status == 403
    assert isinstance(site.security[-1], Security)
    site.run(3.0)
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.cause == 403
    site.nothing_left()


def test_only_the_directory_makes_destinations_of_trunks() -> None:
    """The wall itself: whoever adds a way out must go through `Directory.trunk`."""
    places: dict[str, set[str]] = {}
    for path in Path(softswitch.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name == "replace" and "uri" in {word.arg for word in node.keywords}:
                        name = "uri replaced"
                    if name in _WATCHED:
                        places.setdefault(name, set()).add(f"{path.parent.name}/{path.stem}.{function.name}")
    assert places["Destination"] == {"switch/directory._phone_destinations", "switch/directory._trunk_destination"}
    assert places["_trunk_destination"] == {"switch/directory.trunk"}
    assert places["refuses_text"] == {"switch/messages._addressees"}
    assert places["refuses"] == {"switch/directory.trunk", "switch/redirecting._by_trunk"}
    assert places["uri replaced"] == {"switch/redirecting._to"}, "asked about in _by_trunk"
