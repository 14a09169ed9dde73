"""Phones that share no codec talk all the same: each of our codecs against A-law, through the real switch."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from softswitch_codecs import g711, g722, l16, opus
from tests.interop import listen, sipp
from tests.interop.bridged import body, call, to
from tests.interop.conftest import CARRIER, LOBBY, Office, routes, tables
from tests.interop.numbered_peer import NumberedPeer
from tests.interop.switch_process import free_port, running_switch

pytestmark = pytest.mark.interop

SECONDS = 2.0
CALLER_HZ, CALLEE_HZ = 1350.0, 600.0
Sound = np.ndarray[tuple[int], np.dtype[np.int16]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A codec as a phone has it: payload type, rtpmap, Hz of its samples, clock units and samples in 20 ms."""

    number: int
    rtpmap: str
    rate: int
    step: int
    coder: Callable[[], Callable[[Sound], bytes]]
    decoder: Callable[[], Callable[[bytes], Sound]]


def octets(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(data, np.uint8)


PCMA = Kind(8, "PCMA/8000", 8000, 160,
            lambda: lambda sound: g711.encode(sound, g711.ALAW).tobytes(),
            lambda: lambda data: g711.decode(octets(data), g711.ALAW))  # fmt: skip
KINDS = {
    "PCMU": Kind(0, "PCMU/8000", 8000, 160,
                 lambda: lambda sound: g711.encode(sound, g711.ULAW).tobytes(),
                 lambda: lambda data: g711.decode(octets(data), g711.ULAW)),
    "G722": Kind(9, "G722/8000", 16000, 160, lambda: g722.Encoder().encode, lambda: g722.Decoder().decode),
    "opus": Kind(96, "opus/48000/2", 16000, 960, lambda: opus.Encoder().encode, lambda: opus.Decoder().decode),
    "L16": Kind(97, "L16/16000", 16000, 320,
                lambda: lambda sound: l16.encode(sound).tobytes(), lambda: lambda data: l16.decode(octets(data))),
    "L16/8000": Kind(98, "L16/8000", 8000, 160,
                     lambda: lambda sound: l16.encode(sound).tobytes(), lambda: lambda data: l16.decode(octets(data))),
}  # fmt: skip


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A switch that takes all our codecs."""
    sipp.need("sipp")
    directory = tmp_path_factory.mktemp("office")
    carrier, lobby = free_port(host=CARRIER), free_port(host=LOBBY)

    def all_codecs(text: str) -> str:
        return text.replace("[media]", '[media]\ncodecs = ["PCMA", "PCMU", "G722", "opus", "L16", "L16/8000"]')

    with running_switch(directory, tables(carrier, lobby) + routes(), base=all_codecs) as switch:
        made = Office(switch, directory, carrier, lobby)
        yield made
        made.end()
        switch.no_faults()


def wave(hertz: float, rate: int) -> Sound:
    at = np.arange(int(SECONDS * rate)) / rate
    return np.round(9000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def line(peer: NumberedPeer, kind: Kind) -> str:
    return f"m=audio {peer.port} RTP/AVP {kind.number}\na=rtpmap:{kind.number} {kind.rtpmap}\na=sendrecv"


def heard(peer: NumberedPeer, kind: Kind) -> listen.Samples:
    """At 8 kHz, −1 … 1."""
    decode = kind.decoder()
    packets = [packet for packet in peer.heard(int(SECONDS * 50) - 10) if packet.head & 0x7F == kind.number]
    sound = np.concatenate([decode(packet.payload) for packet in packets]).astype(np.float64) / 32768
    return sound if kind.rate == listen.RATE else sound.reshape(-1, 2).mean(axis=1)


@pytest.mark.parametrize("name", KINDS)
def test_each_codec_of_ours_talks_with_a_law(office: Office, name: str, tmp_path: Path) -> None:
    """A tone each way: level and purity as the codecs allow, 20 dB above all else."""
    if name == "opus" and not opus.available():
        pytest.skip("no libopus here")
    kind, office.begun = KINDS[name], time.time()
    caller, callee = NumberedPeer(CARRIER, 1, 0xA), NumberedPeer(LOBBY, 2, 0xB)
    try:
        answered, offered, trunk, phone = call(
            office, body(CARRIER, line(caller, kind)), body(LOBBY, line(callee, PCMA))
        )
        sides = [(caller, to(answered[0]), kind, CALLER_HZ), (callee, to(offered[0]), PCMA, CALLEE_HZ)]
        talk = [(peer, where, what, what.coder(), wave(hertz, what.rate)) for peer, where, what, hertz in sides]
        begun = time.monotonic()
        for n in range(int(SECONDS * 50)):
            for peer, where, what, encode, sound in talk:
                size = what.rate // 50
                peer.say(where, what.number, encode(sound[n * size : (n + 1) * size]), what.step)
            time.sleep(max(begun + (n + 1) * 0.02 - time.monotonic(), 0.0))
        listen.hears(heard(caller, kind), CALLEE_HZ, SECONDS / 2)
        listen.hears(heard(callee, PCMA), CALLER_HZ, SECONDS / 2)
        trunk.go_on()
        trunk.wait().all_well(1)
        phone.wait().all_well(1)
    finally:
        caller.close()
        callee.close()
    assert [leg["codec"] for leg in office.records()[0]["legs"]] == [name.partition("/")[0], "PCMA"]
