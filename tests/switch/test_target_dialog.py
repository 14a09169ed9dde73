"""REFER outside of the call's dialog, which says by Target-Dialog what it is about (RFC 4538)."""

import pytest

from softswitch.sip.events import Ended
from softswitch.switch.settings import Settings
from softswitch.wire.sip import Response
from tests.switch.site import Line, Party, Site
from tests.switch.test_refer import PLAIN, media
from tests.switch.test_replaces import names
from tests.switch.watcher import Watcher


def about(party: Party, line: Line, *, swapped: bool = False) -> tuple[tuple[str, str], ...]:
    """Target-Dialog for the dialog that a party has at this line."""
    (_, value), _ = names(party, line)
    ours, theirs = ("remote-tag", "local-tag") if swapped else ("local-tag", "remote-tag")
    return (("Target-Dialog", value.replace("to-tag", ours).replace("from-tag", theirs)), ("Require", "tdialog"))


class Trio:
    """1001, which refers outside of dialogs, talks with 1002; 1003 is there, and a carrier."""

    def __init__(self, settings: Settings = PLAIN) -> None:
        self.site = site = Site(settings)
        self.one = Watcher(site, "1001", "192.0.2.11")
        self.two, self.three = (Watcher(site, f"100{n}", f"192.0.2.1{n}") for n in (2, 3))
        self.carrier = site.party("+37061234567", "198.51.100.10")
        self.line = self.one.call("1002")
        assert self.line.state == self.two.line.state == "up"

    def refer(self, who: Watcher, *fields: tuple[str, str], to: str = "<sip:1003@pbx.test>") -> Response:
        return who.send("REFER", "1002", ("Refer-To", to), *fields)

    def done(self, party: Party, line: Line) -> None:
        party.hang_up(line)
        self.site.nothing_left()


def told(watcher: Watcher) -> list[str]:
    """What the NOTIFYs of a REFER said, in the dialog that it made."""
    for request in watcher.notified:
        assert (request.content_type, request.headers.get("Event")) == ("message/sipfrag", "refer")
        assert request.to.tag == f"me{watcher.name}"
    return [request.body.decode().strip() for request in watcher.notified]


@pytest.mark.parametrize("side", ["caller", "callee"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_party_of_the_call_transfers_it(side: str, swapped: bool) -> None:
    """202, and what becomes of it in a dialog of its own; the tags are read in either order."""
    trio = Trio()
    trio.three.on_invite = "ring"
    who, line, other = (trio.one, trio.line, trio.two) if side == "caller" else (trio.two, trio.two.line, trio.one)
    answer = trio.refer(who, *about(who, line, swapped=swapped))
    assert (answer.status, bool(answer.to.tag), "Contact" in answer.headers) == (202, True, True)
    assert {request.call_id for request in who.notified} == {answer.call_id}
    assert told(who) == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"]
    trio.three.answer(trio.three.line)
    assert told(who)[2:] == ["SIP/2.0 200 OK"]
    assert who.notified[-1].headers.get("Subscription-State") == "terminated;reason=noresource"
    assert line.state == "over"
    assert any(isinstance(event, Ended) for event in line.events)
    ids = media(trio.site)
    assert trio.site.media.hears(ids["phone:1003"]) == {ids[f"phone:{other.name}"]}
    trio.done(trio.three, trio.three.line)


def test_a_failure_gives_the_call_back() -> None:
    trio = Trio()
    trio.three.on_invite = 486
    assert trio.refer(trio.one, *about(trio.one, trio.line)).status == 202
    assert told(trio.one) == ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here"]
    assert trio.line.state == "up"
    trio.done(trio.one, trio.line)


def test_attended_with_replaces() -> None:
    """RFC 5589 §7.2: in the way for phones that refer outside of dialogs; the two calls of the phone become one."""
    trio = Trio()
    second = trio.one.call("1003")
    (_, value), _ = names(trio.one, second)
    escaped = value.replace(";", "%3B").replace("=", "%3D")
    to = f"<sip:1003@pbx.test?Replaces={escaped}>"
    assert trio.refer(trio.one, *about(trio.one, trio.line), to=to).status == 202
    assert told(trio.one)[-1] == "SIP/2.0 200 OK"
    ids = media(trio.site)
    assert trio.site.media.hears(ids["phone:1003"]) == {ids["phone:1002"]}
    assert {trio.line.state, second.state} == {"over"}
    trio.done(trio.two, trio.two.line)


def test_without_a_subscription() -> None:
    """RFC 4488."""
    trio = Trio()
    answer = trio.refer(trio.one, *about(trio.one, trio.line), ("Refer-Sub", "false"))
    assert (answer.status, answer.headers.get("Refer-Sub")) == (200, "false")
    assert not trio.one.notified
    assert trio.line.state == "over"
    trio.done(trio.three, trio.three.line)


def test_what_is_refused() -> None:
    """Knowing the dialog is not enough: the sender proves who it is. Nothing changes."""
    trio = Trio()
    good = about(trio.one, trio.line)
    field, value = good[0]
    for who, fields, status in (
        (trio.one, (), 403),
        (trio.one, (good[0], good[0]), 400),
        (trio.one, ((field, "nothing"),), 400),
        (trio.one, ((field, value.replace("local-tag", "to-tag")),), 400),
        (trio.one, ((field, "nothing;local-tag=1;remote-tag=2"),), 403),
        (trio.one, ((field, value[:-1]),), 403),
        (trio.three, good, 403),
        (trio.one, (*good, ("Refer-To", "<sip:1003@pbx.test>")), 400),
        (trio.one, (good[0], ("Require", "nothing")), 420),
    ):
        assert trio.refer(who, *fields).status == status, fields
    assert trio.refer(trio.one, *good, to="<sip:5555@pbx.test>").status == 404
    assert trio.refer(trio.one, *good, to="<http://x>").status in (400, 416)
    trio.one.credentials = None
    assert trio.refer(trio.one, *good).status == 401
    assert trio.line.state == "up"
    assert not trio.one.notified
    trio.done(trio.one, trio.line)


def test_the_call_is_over() -> None:
    trio = Trio()
    good = about(trio.one, trio.line)
    trio.one.hang_up(trio.line)
    assert trio.refer(trio.one, *good).status == 403
    trio.site.nothing_left()


def test_who_hears_nothing_of_the_notifies() -> None:
    """They are not answered: the transfer goes on."""
    trio = Trio()
    trio.one.notify_status = 0
    assert trio.refer(trio.one, *about(trio.one, trio.line)).status == 202
    trio.site.run(40.0)
    assert trio.three.line.state == "up"
    trio.done(trio.three, trio.three.line)
