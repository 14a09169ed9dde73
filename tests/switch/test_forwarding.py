"""Call forwarding, do not disturb, call waiting: by settings, by code, by order; loops end; a restart keeps them."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.call.speech import say_digits
from softswitch.kernel.errors import PeerError
from softswitch.switch.events import PhoneCommand, Reload
from softswitch.switch.records import CallRecord, SavedPhone
from softswitch.switch.settings import Agent, Phone, RingGroup, Route, ServiceClass, Settings, Sip, Trunk
from softswitch.switch.switch import Switch
from tests.switch.site import HOST, Party, Site
from tests.switch.watcher import Watcher

PASSWORD = "correct horse"
PHONES = {
    "1001": Phone(password=PASSWORD, name="Alice"),
    "1002": Phone(password=PASSWORD, name="Bob", busy="play:busy"),
    "1003": Phone(password=PASSWORD, name="Carol"),
    "1004": Phone(password=PASSWORD, name="Dave"),
}
SETTINGS = Settings(
    sip=Sip(domain="pbx.test", ring_seconds=20.0),
    phones=PHONES,
    agents={"carol": Agent(phone="1003", logged_in=True)},
    queues={"sales": QueueSettings(agents=("carol",), wrap_up=0.0)},
    trunks={"carrier": Trunk(address="sip:198.51.100.9")},
    groups={"all": RingGroup(members=("phone:1001", "phone:1002"))},
    routes=(
        Route(number="600", source="any", to="queue:sales"),
        Route(number="601", source="any", to="group:all"),
        Route(number="0X.", source="phone:1002", to="trunk:carrier"),
    ),
)


def at_work(settings: Settings = SETTINGS) -> tuple[Site, Party, Party, Party]:
    site = Site(settings)
    return site, *(site.phone(name, f"192.0.2.{name[2:]}") for name in ("1001", "1002", "1003"))


def dial(site: Site, phone: Party, code: str) -> tuple[str, ...]:
    """Dial a code; what is said."""
    phone.call(code)
    said = site.media.played[-1]
    site.prompt_ends()
    return tuple(path.rpartition("/")[2] for path in said)


def facts(site: Site, kind: str) -> list[Fact]:
    return [fact for fact in site.saved if isinstance(fact, Fact) and fact.kind == kind]


def test_all_calls_go_where_the_phone_says_until_it_says_no_more() -> None:
    site, alice, bob, carol = at_work()
    assert dial(site, bob, "*721003") == ("forward-on", *say_digits("1003", "en"))
    line = alice.call("1002")
    assert (line.state, carol.line.state) == ("up", "up")
    assert [lines.state for lines in bob.lines.values()] == ["over"], "the phone that forwards does not ring"
    assert carol.line.request is not None
    assert carol.line.request.from_.uri.user == "1001", "who calls is shown, not who forwards"
    (call,) = site.switch.calls.values()
    assert [(one.who, one.reason) for one in call.diversions] == [("1002", "unconditional")]
    (fact,) = facts(site, "call.diverted")
    assert fact.data == {"by": "phone:1002", "to": "phone:1003", "reason": "unconditional"}
    alice.hang_up(line)
    assert dial(site, bob, "*73") == ("forward-off",)
    line = alice.call("1002")
    assert bob.line.state == "up"
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize(
    ("code", "bobs", "reason"),
    [("*90", 486, "user-busy"), ("*92", "ring", "no-answer"), ("*94", 480, "unavailable")],
)
def test_a_failure_goes_where_the_phone_says(code: str, bobs: str | int, reason: str) -> None:
    site, alice, bob, carol = at_work()
    assert dial(site, bob, f"{code}1003")[0] == "forward-on"
    bob.on_invite = bobs
    line = alice.call("1002")
    site.run(21.0)
    assert (line.state, carol.line.state) == ("up", "up")
    (call,) = site.switch.calls.values()
    assert [(one.who, one.reason) for one in call.diversions] == [("1002", reason)]
    alice.hang_up(line)
    off = {"*90": "*91", "*92": "*93", "*94": "*95"}[code]
    assert dial(site, bob, off) == ("forward-off",)
    rung = len(carol.lines)
    alice.call("1002")
    site.run(21.0)
    site.prompt_ends()
    assert len(carol.lines) == rung
    site.nothing_left()


def test_an_unregistered_phone_forwards_too() -> None:
    site, alice, bob, carol = at_work()
    dial(site, bob, "*941003")
    bob.register(0)
    line = alice.call("1002")
    assert (line.state, carol.line.state) == ("up", "up")
    alice.hang_up(line)
    site.nothing_left()


def test_an_empty_word_of_the_phone_goes_before_the_settings() -> None:
    """`*91` switches off what the file says, too."""
    site, alice, bob, _ = at_work()
    bob.on_invite = 486
    assert dial(site, bob, "*91") == ("forward-off",)
    assert alice.call("1002").status == 486
    site.give(PhoneCommand("1002", "busy", None))
    line = alice.call("1002")
    assert site.media.played[-1] == ("en/busy",), "as the settings say, again"
    alice.hang_up(line)
    site.nothing_left()


def test_outside_only_where_the_phone_itself_may_dial() -> None:
    """Toll guard: a forwarding has the rights of the phone that forwards, not those of who calls."""
    site, alice, bob, carol = at_work()
    carrier = site.party("carrier", "198.51.100.9")
    assert dial(site, carol, "*720123456") == ("forward-refused",)
    assert dial(site, carol, "*72") == ("forward-refused",)
    assert dial(site, bob, "*720123456")[0] == "forward-on"
    line = alice.call("1002")
    assert line.state == "up"
    assert carrier.line.request is not None
    assert carrier.line.request.uri.user == "0123456"
    alice.hang_up(line)
    site.give(Reload(replace(SETTINGS, routes=SETTINGS.routes[:2])))
    line = alice.call("1002")
    assert bob.line.state == "up", "the right is gone, and with it the forwarding"
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_forwardings_that_go_round_end(length: int) -> None:
    """RFC 3261 §21.4.20: 482, and nobody rings."""
    site, alice, bob, carol = at_work()
    chain = ["1002", "1003", "1004"][:length]
    for phone, to in zip(chain, [*chain[1:], chain[0]], strict=True):
        if phone != to:
            site.give(PhoneCommand(phone, "always", f"phone:{to}"))
    if length == 1:
        with pytest.raises(PeerError, match="to itself"):
            site.switch.office.phones.check("1002", "always", "1002", site.now)
        site.nothing_left()
        return
    line = alice.call("1002")
    assert line.status == 482
    assert not bob.lines
    assert not carol.lines
    site.nothing_left()


def test_two_busy_phones_that_forward_to_each_other_are_busy() -> None:
    site, alice, bob, carol = at_work()
    bob.on_invite = carol.on_invite = 486
    dial(site, bob, "*901003")
    dial(site, carol, "*901002")
    line = alice.call("1002")
    assert line.status == 486
    assert (len(bob.lines), len(carol.lines)) == (3, 2), "a code each; rung 2 and 1 times"
    site.nothing_left()


def test_a_chain_has_an_end() -> None:
    phones = {f"20{number:02d}": Phone(password=PASSWORD, always=f"phone:20{number + 1:02d}") for number in range(9)}
    sip = replace(SETTINGS.sip, max_diversions=5)
    site = Site(replace(SETTINGS, sip=sip, phones={**PHONES, **phones, "2009": Phone(password=PASSWORD)}))
    alice, last = site.phone("1001", "192.0.2.10"), site.phone("2009", "192.0.2.29")
    assert alice.call("2000").status == 482
    assert not last.lines
    assert alice.call("2004").state == "up"
    alice.hang_up(alice.line)
    site.nothing_left()


def test_do_not_disturb() -> None:
    """Nobody rings the phone, alone or in a group; who calls is told busy, or goes where busy calls go."""
    site, alice, bob, carol = at_work()
    assert dial(site, alice, "*78") == ("dnd-on",)
    assert carol.call("1001").status == 486
    bob.on_invite = "ring"
    line = carol.call("601")
    assert (len(alice.lines), bob.line.state) == (1, "ringing")
    carol.hang_up(line)
    dial(site, bob, "*78")
    line = carol.call("1002")
    assert site.media.played[-1] == ("en/busy",)
    (call,) = site.switch.calls.values()
    assert call.diversions[0].reason == "do-not-disturb"
    carol.hang_up(line)
    assert dial(site, alice, "*79") == ("dnd-off",)
    assert carol.call("1001").state == "up"
    carol.hang_up(carol.line)
    site.nothing_left()


def test_an_agent_with_do_not_disturb_gets_no_queue_calls() -> None:
    site, alice, _, carol = at_work()
    carol.on_invite = "ring"
    line = alice.call("600")
    assert carol.line.state == "ringing"
    site.give(PhoneCommand("1003", "dnd", True))
    assert carol.line.state == "over", "what rings stops"
    row, story = site.switch.desk.agents(site.now)[0], site.switch.desk.why_agent("carol", site.now)
    assert story is not None
    assert (row.state, row.reason, story.reason) == ("unreachable", "do not disturb", "do not disturb")
    site.run(60.0)
    assert len(carol.lines) == 1
    site.give(PhoneCommand("1003", "dnd", False))
    assert carol.line.state == "ringing"
    alice.hang_up(line)
    site.nothing_left()


def test_call_waiting_off_is_busy_in_a_call() -> None:
    site, alice, _, carol = at_work()
    dave = site.phone("1004", "192.0.2.40")
    line = carol.call("1001")
    assert dave.call("1001").state == "up"
    dave.hang_up(dave.line)
    carol.hang_up(line)
    assert dial(site, alice, "*71") == ("call-waiting-off",)
    carol.call("1001")
    assert dave.call("1001").status == 486
    assert dial(site, alice, "*70") == ("call-waiting-on",)
    assert dave.call("1001").state == "up"
    carol.hang_up(carol.line)
    dave.hang_up(dave.line)
    site.nothing_left()


def test_who_called_last_is_called_back() -> None:
    site, alice, bob, _ = at_work()
    bob.call("*69")
    assert site.media.played[-1] == ("en/unavailable",)
    site.prompt_ends()
    bob.on_invite = "ring"
    line = alice.call("1002")
    alice.hang_up(line)
    line = bob.call("*69")
    assert (line.state, alice.line.state) == ("up", "up")
    bob.hang_up(line)
    site.nothing_left()


def test_the_lamps_of_do_not_disturb_and_of_forwarding() -> None:
    """The codes are numbers to watch: RFC 4235, one dialog that stands for "on"."""
    site = Site(SETTINGS)
    watcher = Watcher(site, "1001", "192.0.2.10")
    ok = {number: watcher.subscribe(number) for number in ("*78", "*72")}
    for what, value in (("dnd", True), ("always", "1003")):
        site.give(PhoneCommand("1001", what, value))
        site.run(1.0)
        assert watcher.lamps()[-1] == [("confirmed", "recipient")]
    for what in ("dnd", "always"):
        site.give(PhoneCommand("1001", what, None))
        site.run(1.0)
        assert watcher.lamps()[-1] == [("terminated", "recipient")]
    for number, answer in ok.items():
        watcher.again(answer, number, expires=0)
    site.nothing_left()


def test_the_guards_judge_the_phone_that_forwards() -> None:
    """Toll fraud: a caller who may dial out gets nowhere by a phone that may not, and the other way round."""
    nowhere = {"inside": ServiceClass(may_call=())}
    phones = {**PHONES, "1002": replace(PHONES["1002"], cos="inside", always="trunk:carrier/0123456")}
    site = Site(replace(SETTINGS, phones=phones, classes=nowhere))
    alice = site.phone("1001", "192.0.2.10")
    carrier = site.party("carrier", "198.51.100.9")
    assert alice.call("1002").status >= 400
    assert not carrier.lines
    site.nothing_left()


def test_a_restart_keeps_what_phones_said() -> None:
    site, alice, bob, _ = at_work()
    dial(site, bob, "*721003")
    dial(site, bob, "*78")
    saved = {row.name: row for row in site.saved if isinstance(row, SavedPhone)}
    assert saved["1002"].data == {"always": "1003", "dnd": True}
    office = site.switch.office
    again = Switch(SETTINGS, office.addressing, office.dice, site.now, lambda name, language: name)
    again.restore((), {}, (), site.now, phones=[*saved.values(), SavedPhone("1001", {"dnd": "maybe"}, site.now)])
    phones = again.office.phones
    assert phones.forward("1002", "always", site.now) == "phone:1003"
    assert phones.dnd("1002")
    assert not phones.dnd("1001"), "what cannot be read is left out"
    alice.hang_up(alice.call("1002"))
    site.nothing_left()


@pytest.mark.parametrize(
    ("phone", "what", "value", "status"),
    [
        ("9999", "dnd", True, 404),
        ("1001", "dnd", "yes", 422),
        ("1001", "colour", "red", 422),
        ("1001", "always", "phone:9999", 422),
        ("1001", "always", "nonsense", 422),
        ("1001", "always", "0123", 422),
        ("1001", "always", "phone:1001", 422),
        ("1001", "busy", 5, 422),
    ],
)
def test_orders_that_mean_nothing_are_refused(phone: str, what: str, value: object, status: int) -> None:
    site = Site(SETTINGS)
    with pytest.raises(PeerError) as refused:
        site.switch.desk.check_phone(phone, what, value, site.now)
    assert refused.value.status == status
    assert not site.switch.office.phones.set(phone, what, value, "test", site.now)


def test_a_consultation_follows_the_forwarding() -> None:
    """Who is consulted and forwards everything is not rung; whom that leads to is."""
    site, alice, bob, carol = at_work()
    dave = site.phone("1004", "192.0.2.40")
    site.give(PhoneCommand("1003", "always", "1004"))
    line = alice.call("1002")
    headers = (("Refer-To", f"<sip:1003@{HOST}>"),)
    bob.perform(bob.ua.send_in_dialog(bob.line.session, "REFER", site.now, b"", "", headers))
    site.settle()
    site.run(1.0)
    assert (dave.line.state, line.state, bob.line.state) == ("up", "up", "over")
    assert not carol.lines
    alice.hang_up(line)
    site.run(5.0)
    records = [record for record in site.saved if isinstance(record, CallRecord)]
    assert records[-1].outcome == "answered"
    site.nothing_left()
