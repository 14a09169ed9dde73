"""A call that a recording server gets, by a real switch: each party's tone is heard on its label and nowhere else, is
gone in a pause, and the call does not notice a server that hangs up."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from softswitch.wire.sdp import parse_sdp
from softswitch.wire.sip import Request
from tests.interop import listen
from tests.interop.floor import command
from tests.interop.rtp_peer import RtpPeer
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until
from tests.switch.recording_server import parts_of, read

pytestmark = pytest.mark.interop

CALLER, CALLEE, SERVER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
TONES = {"1": 700.0, "2": 1300.0}


def description(host: str, *lines: str) -> bytes:
    return "\r\n".join((f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0", *lines, "")).encode()


def sound(port: int) -> str:
    return f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv"


@dataclass
class Place:
    """The switch, who talks, and the server with an ear a label."""

    switch: SwitchProcess
    caller: SipUser
    callee: SipUser
    server: SipUser
    voices: tuple[RtpPeer, RtpPeer]
    ears: dict[str, RtpPeer]

    def answer(self, body: bytes) -> bytes:
        """What the server says to lines with labels."""
        lines = []
        for media in parse_sdp(body).media:
            way = {"sendonly": "recvonly"}.get(media.direction, media.direction)
            lines.append(f"m=audio {self.ears[media.get('label') or ''].port} RTP/AVP 8\r\na={way}")
        return description(SERVER, *lines)

    def hear(self, *tones: tuple[float, ...]) -> None:
        """Wait until on each label exactly these stood out for a second."""

        def there() -> bool:
            since = time.time() - 1.0
            heard = [ear.heard(since) for ear in self.ears.values()]
            return since > begin and all(_tones(one) == wanted for one, wanted in zip(heard, tones, strict=True))

        begin = time.time()
        wait_until(f"{tones} on the labels", there)

    def told(self) -> tuple[Request, bytes, bytes]:
        """The next INVITE in the session, its SDP and its document."""
        request = self.server.asked("INVITE")
        parts = parts_of(request)
        return request, parts["application/sdp"][1], parts["application/rs-metadata+xml"][1]


def _tones(heard: listen.Samples) -> tuple[float, ...]:
    if len(heard) < 4000 or listen.rms(heard) < 0.02:
        return ()
    return tuple(hertz for hertz in TONES.values() if listen.snr(heard, hertz) > 15.0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SwitchProcess, dict[str, int]]]:
    """The switch, and where the three are."""
    ports = {host: free_port(host=host) for host in (CALLER, CALLEE, SERVER)}
    tables = f"""
[trunks.carrier]
address = "sip:{CALLER}:{ports[CALLER]}"
options_seconds = 0
[phones.1001]
contact = "sip:1001@{CALLEE}:{ports[CALLEE]}"
name = "Žofia <desk>"
[siprec.main]
address = "sip:srs@{SERVER}:{ports[SERVER]}"
all = true
retry_seconds = 0
[[routes]]
from = "trunk:carrier"
number = "1001"
to = "phone:1001"
"""
    with running_switch(tmp_path_factory.mktemp("siprec") / "switch", tables) as switch:
        switch.expected += ["alarm", "call is not recorded by server"]
        yield switch, ports
        switch.nothing_left(transactions=False)


@pytest.fixture
def place(site: tuple[SwitchProcess, dict[str, int]]) -> Iterator[Place]:
    switch, ports = site
    with contextlib.ExitStack() as stack:
        address = (switch.host, switch.port)
        names = (("c", CALLER), ("1001", CALLEE), ("srs", SERVER))
        people = [SipUser(name, host, ports[host], address) for name, host in names]
        voices = (
            RtpPeer(TONES["1"], free_port(host=CALLER), CALLER),
            RtpPeer(TONES["2"], free_port(host=CALLEE), CALLEE),
        )
        ears = {label: RtpPeer(100.0, free_port(host=SERVER), SERVER) for label in TONES}
        for ear in ears.values():
            ear.silent = True
        for one in (*people, *voices, *ears.values()):
            stack.callback(one.close)
        yield Place(switch, *people, voices, ears)
        switch.calls_over()


def talk(place: Place) -> bytes:
    """Both talk, and the server records; the SDP that it was offered."""
    answer = _ringing(place)
    request = place.server.wait()
    assert parse_sdp(answer).media[0].port
    return parts_of(place.server.invite or request)["application/sdp"][1]  # type: ignore[arg-type]


def _ringing(place: Place) -> bytes:
    caller, callee = place.voices
    place.caller.dial("1001", description(CALLER, sound(caller.port)))
    offered = parse_sdp(place.callee.wait()).media[0]
    callee.redirect((offered.connection or "", offered.port))
    place.callee.answer(description(CALLEE, sound(callee.port)))
    answer = place.caller.answered()
    media = parse_sdp(answer.body).media[0]
    caller.redirect((media.connection or "", media.port))
    return answer.body


def test_each_voice_on_its_label(place: Place) -> None:
    offer = talk(place)
    request = place.server.invite
    assert request is not None
    assert request.headers.get("Require") == "siprec"
    said = read(parts_of(request)["application/rs-metadata+xml"][1])
    assert "Žofia <desk>" in said.names.values()
    assert sorted(said.sends.values()) == [["1"], ["2"]]
    place.server.answer(place.answer(offer))
    place.hear(*((hertz,) for hertz in TONES.values()))
    assert {kind for ear in place.ears.values() for _, kind, _ in ear._arrivals} == {8}
    (call,) = place.switch.get("calls")["items"]
    assert command(place.switch, "recordings", "pause", call["id"], "--reason", "card").returncode == 0
    again, sdp, _ = place.told()
    assert {media.direction for media in parse_sdp(sdp).media} == {"inactive"}
    place.server._reply(again, 200, place.answer(sdp))
    place.hear((), ())
    assert command(place.switch, "recordings", "resume", call["id"]).returncode == 0
    again, sdp, _ = place.told()
    place.server._reply(again, 200, place.answer(sdp))
    place.hear(*((hertz,) for hertz in TONES.values()))
    place.caller.ask("BYE")
    place.server.asked("BYE")
    place.callee.asked("BYE")

    def kinds() -> list[str]:
        entries = place.switch.get("ledger", call=call["id"])["items"]
        return [entry["kind"] for entry in entries if entry["kind"].startswith("siprec.")]

    wait_until("the ledger", lambda: kinds() == ["siprec.started", "siprec.ended"])


def test_a_server_that_hangs_up_is_missed_by_nobody(place: Place) -> None:
    offer = talk(place)
    place.server.answer(place.answer(offer))
    place.hear(*((hertz,) for hertz in TONES.values()))
    assert place.server.ask("BYE") == 200
    wait_until("the alarm", lambda: [one for one in place.switch.status()["alarms"] if one["name"] == "siprec.main"])
    caller, callee = place.voices
    caller.hears(TONES["2"])
    callee.hears(TONES["1"])
    place.caller.ask("BYE")
    place.callee.asked("BYE")
