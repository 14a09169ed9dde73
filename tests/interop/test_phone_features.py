"""Other people's softphones, feature by feature: what they do, what the other side sees, and what both hear.

Everybody has a tone: the phone 600 Hz, vera 950 Hz, the third 1800 Hz, music on hold 300 Hz."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from softswitch.services.certificates import make_self_signed
from tests.interop import floor, listen
from tests.interop.baresip import Baresip
from tests.interop.floor import MUSIC_HZ, Person, steady_music
from tests.interop.linphone import Linphone
from tests.interop.pjsua import Pjsua
from tests.interop.showing import peers
from tests.interop.softphone import Consulting, Softphone
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse-battery"
PHONE_HZ, VERA_HZ, THIRD_HZ = 600.0, 950.0, 1800.0
TONES = {"phone": PHONE_HZ, "vera": VERA_HZ, "third": THIRD_HZ, "music": MUSIC_HZ}
HOSTS = {"vera": "127.0.0.3", "third": "127.0.0.4"}
ALL = ("baresip", "linphone", "pjsua")


class Desk:
    """One phone of somebody else's, and two people of ours: 1001 is vera, 1003 the third."""

    def __init__(self, switch: SwitchProcess, ports: dict[str, int], directory: Path) -> None:
        self.switch = switch
        self.tls = ports["tls"]
        self._directory = directory
        self._phones: list[Softphone] = []
        self.begun = time.time()
        address = (switch.host, switch.port)
        self.people = {name: Person(name, host, TONES[name], address, ports[name]) for name, host in HOSTS.items()}
        self.vera, self.third = self.people.values()

    def phone(self, kind: str, **options: object) -> Softphone:
        """Registered as 1010."""
        made: Softphone
        where = (self.switch, "1010", PASSWORD, PHONE_HZ, self._directory / str(len(self._phones)))
        match kind:
            case "baresip":
                if secured := {"required": "srtp-mand"}.get(str(options.pop("srtp", "off"))):
                    options["mediaenc"] = secured
                made = Baresip(*where, **options)  # type: ignore[arg-type]  # each kind's own options
            case "linphone":
                made = Linphone(*where, **options)  # type: ignore[arg-type]  # likewise
            case _:
                made = Pjsua(*where, **options)  # type: ignore[arg-type]  # likewise
        self._phones.append(made)
        wait_until(f"registration of {kind}", self.registrations)
        return made

    def record(self) -> dict[str, Any]:
        """Of this test's call."""
        return self.switch.records(1, since=self.begun)[0]

    def registrations(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = self.switch.get("registrations")["items"]
        return rows

    def hear(self, **expected: str) -> None:
        floor.hear({name: person.rtp for name, person in self.people.items()}, TONES, **expected)

    def close(self) -> None:
        for phone in self._phones:
            phone.close()
        for person in self.people.values():
            person.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SwitchProcess, dict[str, int]]]:
    ports = {name: free_port(host=host) for name, host in HOSTS.items()}
    tables = f"""
[phones.1010]
password = "{PASSWORD}"
codecs = ["PCMA", "PCMU", "G722", "opus"]
[phones.1001]
contact = "sip:vera@{HOSTS["vera"]}:{ports["vera"]}"
[phones.1003]
contact = "sip:third@{HOSTS["third"]}:{ports["third"]}"
[ivr.welcome]
prompt = "welcome"
timeout = 8
[ivr.welcome.keys]
42 = "phone:1001"
[[routes]]
from = "phone:*"
number = "3000"
to = "ivr:welcome"
"""
    directory = tmp_path_factory.mktemp("phones")
    tls = ports["tls"] = free_port()
    public, secret = make_self_signed(("pbx.test", "127.0.0.1"), 30, datetime.now(UTC))
    (directory / "tls.crt").write_bytes(public)
    (directory / "tls.key").write_bytes(secret)

    def base(text: str) -> str:
        files = f'[tls]\ncertificate = "{directory}/tls.crt"\nkey = "{directory}/tls.key"\n'
        return text.replace("listen = [", f'listen = ["tls:127.0.0.1:{tls}", ', 1) + files

    steady_music(directory, "hold")
    with running_switch(directory, tables, base=base) as switch:
        yield switch, ports


@pytest.fixture
def desk(site: tuple[SwitchProcess, dict[str, int]], tmp_path: Path) -> Iterator[Desk]:
    """Nobody talks and no phone is registered, before and after."""
    switch, ports = site
    switch.hang_all_up()
    made = Desk(switch, ports, tmp_path)
    try:
        yield made
        switch.calls_over()
        switch.no_faults()
    finally:
        made.close()
    with contextlib.suppress(TimeoutError):
        wait_until("no registration", lambda: not made.registrations(), 3.0)


def hears(phone: Softphone, hertz: float) -> None:
    """The tone was there."""
    listen.hears(phone.heard(), hertz, 0.3, 10.0)


@peers(*ALL, features=("registers, UDP", "calls", "hangs up", "keys (RFC 4733)", "codec PCMA"))
def test_calls_and_chooses_in_a_menu(desk: Desk, kind: str) -> None:
    """RFC 4733: 4 and 2 lead to vera; both hear each other."""
    phone = desk.phone(kind)
    phone.call("3000")
    phone.established()
    wait_until("the menu", lambda: desk.switch.get("calls")["items"])
    phone.press("42")
    desk.vera.take()
    desk.hear(vera="p")
    phone.hang_up()
    desk.vera.sip.hung_up()
    phone.closed()
    hears(phone, VERA_HZ)


@peers(*ALL, features=("registers, TCP", "is called", "is hung up on"))
def test_is_called_over_tcp(desk: Desk, kind: str) -> None:
    """RFC 3261 §18: through the connection of its registration."""
    phone = desk.phone(kind, transport="tcp")
    assert str(desk.registrations()[0]["source"]).startswith("tcp:")
    desk.vera.sip.call("1010", desk.vera.body())
    phone.established()
    desk.hear(vera="p")
    desk.vera.sip.hang_up()
    phone.closed()
    hears(phone, VERA_HZ)


@peers(*ALL, features=("hold and resume",))
def test_holds_and_resumes(desk: Desk, kind: str) -> None:
    """RFC 3264 §8.4: the other side hears music meanwhile."""
    phone = desk.phone(kind)
    desk.vera.sip.call("1010", desk.vera.body())
    phone.established()
    desk.hear(vera="p")
    phone.hold()
    desk.hear(vera="m")
    (held,) = desk.switch.get("calls")["items"]
    assert (held["state"], held["held_by"]) == ("on hold", ["phone:1010"])
    phone.resume()
    desk.hear(vera="p")
    assert desk.switch.get("calls")["items"][0]["state"] == "talking"
    phone.hang_up()
    desk.vera.sip.hung_up()
    phone.closed()
    hears(phone, VERA_HZ)


@peers(*ALL, features=("refuses a call", "its own cancelled"))
def test_refuses_and_gives_up(desk: Desk, kind: str) -> None:
    """RFC 3261 §21.4.24 and §9: its refusal reaches who called; who it called is rung no more."""
    phone = desk.phone(kind, answer="manual" if kind == "baresip" else False)
    desk.vera.sip.dial("1010", desk.vera.body())
    phone.incoming()
    phone.refuse()
    status = desk.vera.sip.answered().status
    assert status in (486, 603), status
    phone.closed()
    phone.call("1003")
    desk.third.sip.wait()
    phone.hang_up()
    assert desk.third.sip.asked("CANCEL")
    desk.third.sip.refuse(487)
    phone.closed()


@peers(*ALL, features=("blind transfer",))
def test_transfers_blind(desk: Desk, kind: str) -> None:
    """RFC 5589 §6.1: vera goes to the third; the phone's call ends."""
    phone = desk.phone(kind)
    desk.vera.sip.call("1010", desk.vera.body())
    phone.established()
    desk.hear(vera="p")
    phone.refer("1003")
    desk.third.take()
    phone.closed()
    desk.hear(vera="t", third="v")
    desk.vera.sip.hang_up()
    desk.third.sip.hung_up()


@peers("linphone", "pjsua", features=("attended transfer",))
def test_transfers_attended(desk: Desk, kind: str) -> None:
    """RFC 5589 §7: the phone consults the third while vera hears music, and leaves them to each other."""
    phone = cast("Consulting", desk.phone(kind))
    desk.vera.sip.call("1010", desk.vera.body())
    phone.established()
    phone.consult("1003")
    desk.third.take()
    phone.established()
    desk.hear(vera="m", third="p")
    phone.complete()
    phone.closed()
    desk.hear(vera="t", third="v")
    desk.third.sip.hang_up()
    desk.vera.sip.hung_up()


@peers("linphone", "pjsua", features=("SRTP, SDES",))
def test_talks_secured(desk: Desk, kind: str) -> None:
    """RFC 4568: RTP/SAVP with keys, RTP/AVP on the other side."""
    phone = desk.phone(kind, srtp="required")
    phone.call("1001")
    desk.vera.take()
    phone.established()
    desk.hear(vera="p")
    phone.hang_up()
    desk.vera.sip.hung_up()
    phone.closed()
    hears(phone, VERA_HZ)
    secured = {leg["party"]: leg["srtp"] for leg in desk.record()["legs"]}
    assert secured["phone:1010"].startswith("AES")
    assert not secured["phone:1001"]


@peers("linphone", "pjsua", features=("registers, TLS",))
def test_calls_over_tls(desk: Desk, kind: str) -> None:
    """RFC 3261 §26.3, with keys for SRTP in the description."""
    phone = desk.phone(kind, transport="tls", port=desk.tls, srtp="required")
    assert str(desk.registrations()[0]["source"]).startswith("tls:")
    phone.call("1001")
    desk.vera.take()
    phone.established()
    desk.hear(vera="p")
    desk.vera.sip.hang_up()
    phone.closed()
    hears(phone, VERA_HZ)


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        pytest.param(kind, codec, marks=pytest.mark.shows(peer=kind, feature=f"codec {codec}"))
        for kind, codecs in {"baresip": "G722", "linphone": "PCMU G722 opus", "pjsua": "PCMU G722"}.items()
        for codec in codecs.split()
    ],
)
def test_a_codec_of_its_own(desk: Desk, kind: str, codec: str) -> None:
    """The phone has that one alone, vera A-law."""
    phone = desk.phone(kind, codecs=codec)
    phone.call("1001")
    desk.vera.take()
    phone.established()
    desk.hear(vera="p")
    desk.vera.sip.hang_up()
    phone.closed()
    hears(phone, VERA_HZ)
    assert {leg["party"]: leg["codec"] for leg in desk.record()["legs"]}["phone:1010"] == codec
