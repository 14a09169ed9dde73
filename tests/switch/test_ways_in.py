"""What an attacker would try first: to pass for a carrier, to speak in another's dialog, to text or be forwarded where
calls may not go, to break a request with a number that is none."""

from dataclasses import replace
from hashlib import blake2b

import pytest

from softswitch.sip.events import Ended
from softswitch.switch.settings import Guards, Hours, Menu, Messages, Phone, Route, ServiceClass, Settings, Sip, Trunk
from softswitch.wire.sip import Headers, Request, Uri
from tests.switch.site import Site
from tests.switch.test_redirects import send_on
from tests.switch.test_refer import refer
from tests.switch.watcher import Watcher

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        "1001": Phone(password=PASSWORD),
        "1002": Phone(password=PASSWORD, cos="local"),
        "1003": Phone(password=PASSWORD, number="203"),
    },
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0, redirect=True)},
    classes={"local": ServiceClass(may_call=("052.",))},
    guards=Guards(blocked=("0900",)),
    messages=Messages(trunks=("carrier",)),
    routes=(
        Route(number="08.", caller="203", to="hangup:403"),
        Route(source="phone:*", number="0.", to="trunk:carrier"),
        Route(source="trunk:*", number="*", to="trunk:carrier"),
    ),
)
ODD = ("0%20%20", "0%C3%A9", "0(1)", "0;x", "0%2f", "0%7Bcaller|1%7D", "0%00%0D%0AX")
TEXT = ("Content-Type", "text/plain")


@pytest.mark.parametrize(("register", "password"), [(False, None), (False, "pw"), (True, None)])
def test_a_contact_that_anybody_can_work_out_proves_nothing(register: bool, password: str | None) -> None:
    """The name of a trunk is easily guessed and the domain stands in every challenge."""
    trunk = replace(SETTINGS.trunks["carrier"], username="us", password=password, register=register)
    site = Site(replace(SETTINGS, trunks={"carrier": trunk}))
    stranger, carrier = site.party("stranger", "203.0.113.66"), site.party("carrier", "198.51.100.10")
    digest = blake2b(b"carrier", key=b"pbx.test|" + (password or "").encode(), digest_size=6).hexdigest()
    line = stranger.call(f"carrier-{digest}")
    assert line.status == 401
    assert not [one for one in carrier.lines.values() if one.request is not None]


def test_a_watcher_cannot_speak_in_the_dialog_it_watches() -> None:
    """RFC 4235 §7: BYE, REFER and re-INVITE with the ids that a lamp tells."""
    site = Site(SETTINGS)
    watcher = Watcher(site, "1003", "192.0.2.13")
    one, two = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    watcher.subscribe("1001")
    line = one.call("1002")
    site.run(1.0)
    (dialog,) = watcher.dialogs()
    for method in ("BYE", "REFER", "INVITE", "INFO"):
        headers = Headers()
        headers.add("From", f"<sip:1001@pbx.test>;tag={dialog.get('local-tag')}")
        headers.add("To", f"<sip:1002@pbx.test>;tag={dialog.get('remote-tag')}")
        headers.add("Call-ID", dialog.get("call-id") or "")
        headers.add("CSeq", f"4000 {method}")
        headers.add("Contact", "<sip:1003@192.0.2.13>")
        headers.add("Refer-To", "<sip:1003@pbx.test>")
        _, outputs = watcher.ua.request(Request(method, Uri.parse("sip:pbx.test"), headers), watcher.flow, site.now)
        watcher.perform(outputs)
        site.settle()
        assert watcher.replies[-1].status == 481, method
    assert not any(isinstance(event, Ended) for event in (*line.events, *two.line.events))
    one.hang_up(line)
    watcher.again(next(reply for reply in watcher.replies if reply.status == 200), "1001", expires=0)
    site.nothing_left()


@pytest.mark.parametrize("number", ODD)
def test_a_number_that_no_trunk_can_dial_leads_nowhere(number: str) -> None:
    """By every method that looks a number up; it must not be a fault of ours."""
    site = Site(SETTINGS)
    watcher = Watcher(site, "1003", "192.0.2.13")
    one, two = site.phone("1001", "192.0.2.11"), site.phone("1002", "192.0.2.12")
    carrier = site.party("carrier", "198.51.100.10")
    assert watcher.subscribe(number).status == 404
    assert watcher.send("MESSAGE", number, TEXT, body=b"x").status == 404
    line = one.call("1002")
    assert refer(one, line, f"<sip:{number}@pbx.test>") == 404
    one.hang_up(line)
    two.on_invite = "ring"
    line = one.call("1002")
    send_on(two, f"<sip:{number}@pbx.test>")
    assert line.status == 480
    assert not carrier.lines
    site.nothing_left()


def test_texts_go_where_calls_may() -> None:
    """Blocked prefixes and classes of service; the trunk shapes their numbers as those of calls."""
    settings = replace(SETTINGS, trunks={"carrier": replace(SETTINGS.trunks["carrier"], strip=1, prefix="+370")})
    site = Site(settings)
    one, two = Watcher(site, "1001", "192.0.2.11"), Watcher(site, "1002", "192.0.2.12")
    carrier = site.party("carrier", "198.51.100.10")
    got: list[str] = []
    site.lost = lambda data: bool(data.startswith(b"MESSAGE sip:+") and got.append(data.split(b"@")[0].decode()))
    assert one.send("MESSAGE", "0900123", TEXT, body=b"x").status == 403
    assert two.send("MESSAGE", "061234567", TEXT, body=b"x").status == 403
    assert [entry.account for entry in site.security if entry.event == "toll-refused"] == ["phone:1001", "phone:1002"]
    assert not got
    assert two.send("MESSAGE", "0521234567", TEXT, body=b"x").status == 200
    assert got == ["MESSAGE sip:+370521234567"]
    assert carrier


def test_a_phone_is_passed_on_only_where_it_could_call() -> None:
    """A route that turns this caller away turns away what it transfers, forwards and sends on, too."""
    site = Site(SETTINGS)
    one, three = site.phone("1001", "192.0.2.11"), site.phone("1003", "192.0.2.13")
    carrier = site.party("carrier", "198.51.100.10")
    assert three.call("08123").status == 403
    line = three.call("1001")
    refer(three, line, "<sip:08123@pbx.test>")
    assert not carrier.lines
    site.prompt_ends()
    three.on_invite = "ring"
    line = one.call("203")
    send_on(three, "<sip:08123@pbx.test>")
    assert not carrier.lines
    assert site.switch.office.phones.refusal("1003", "always", "08123", site.now) == ""
    site.switch.office.phones.set("1003", "always", "08123", "test", site.now)
    line = one.call("203")
    assert line.status == 403
    assert not carrier.lines
    site.nothing_left()


@pytest.mark.parametrize("user", ["%30%39%30%30123", "0%3900123", "0900123"])
def test_a_carrier_s_redirection_hides_no_number_in_escapes(user: str) -> None:
    site = Site(SETTINGS)
    one, carrier = site.phone("1001", "192.0.2.11"), site.party("carrier", "198.51.100.10")
    carrier.on_invite = "ring"
    line = one.call("0521234567")
    send_on(carrier, f"<sip:{user}@198.51.100.10>")
    assert line.status == 403
    assert len(carrier.lines) == 1
    site.nothing_left()


def test_a_number_without_end_is_nobody_s() -> None:
    """Patterns with several dots are matched in time that grows with its square: 60,000 digits took 12 s."""
    site = Site(SETTINGS)
    one = site.phone("1001", "192.0.2.11")
    carrier = site.party("carrier", "198.51.100.10")
    assert one.call("0" + "5" * 4000).status == 404
    line = one.call("0" + "5" * 100)
    assert line.state == "up"
    one.hang_up(line)
    assert site.switch.office.directory.dialled("1001", "0" + "5" * 4000, site.now) is None
    assert len(carrier.lines) == 1
    site.nothing_left()


def test_closed_menus_in_a_circle_refuse_the_call() -> None:
    """482, and nothing is left."""
    closed = {"never": Hours(open={"daily": "03:00-03:01"})}
    menus = {name: Menu(prompt="x", hours="never", closed=f"ivr:{to}") for name, to in (("a", "b"), ("b", "a"))}
    site = Site(replace(SETTINGS, hours=closed, ivr=menus, routes=(Route(number="5", to="ivr:a"),)))
    one = site.phone("1001", "192.0.2.11")
    assert one.call("5").status == 482
    site.nothing_left()
