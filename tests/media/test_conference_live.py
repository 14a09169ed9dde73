"""A conference of fifty through the running media process: each hears all others and not itself."""

import numpy as np
import pytest
from harness import Phone, free_ports, talk

from softswitch.wire import control
from softswitch.wire.control import Connect, Edge

PARTIES = 50
_LEVEL = 400.0
_SECONDS = 2.4
FREQUENCIES = 300 + 50 * np.arange(PARTIES)
"""Hz; multiples of 50 Hz do not disturb one another within 20 ms."""


def voice(n):
    """One second of the tone of party `n`."""
    phase = np.random.default_rng(n).uniform(0, 2 * np.pi)
    return np.rint(_LEVEL * np.sin(2 * np.pi * FREQUENCIES[n] * np.arange(8000) / 8000 + phase)).astype(np.int16)


def levels(sound):
    """Amplitude of everybody's tone: the median of ten looks of 100 ms, since a busy machine may cost one of them."""
    looks = np.abs(np.fft.rfft(sound[-8000:].reshape(10, 800)))[:, FREQUENCIES // 10]
    return np.median(looks, axis=0) / 400


@pytest.fixture
def room(media):
    """Fifty phones of both laws, every leg heard by every other; leg n + 1 is phone n."""
    first = free_ports(2 * PARTIES + 4)
    running = media((first, first + 2 * PARTIES + 3), slots=PARTIES + 1)
    phones = [Phone(n % 2) for n in range(PARTIES)]
    for n, phone in enumerate(phones):
        slot, port = running.slot()
        phone.to = (phone.host, port)
        running.send(control.OpenLeg(n + 1, slot, phone.spec()))
    legs = range(1, PARTIES + 1)
    running.send(Connect(tuple(Edge(a, b) for a in legs for b in legs if a != b)))
    yield running, phones
    for phone in phones:
        phone.close()


def test_each_of_fifty_hears_all_others_and_not_itself(room):
    """And when one leaves, nobody hears it any more and the others go on."""
    running, phones = room
    talk(_SECONDS, *((phone, voice(n)) for n, phone in enumerate(phones)))
    for n, phone in enumerate(phones):
        heard = levels(phone.sound())
        assert heard[n] < 0.1 * _LEVEL
        assert np.delete(heard, n) == pytest.approx(_LEVEL, rel=0.15)
        phone.heard.clear()
    running.send(control.CloseLeg(PARTIES))
    talk(_SECONDS, *((phone, voice(n)) for n, phone in enumerate(phones[:-1])))
    heard = np.array([levels(phone.sound()) for phone in phones[:-1]])
    assert (heard[:, -1] < 0.05 * _LEVEL).all()
    assert heard[0, 1:-1] == pytest.approx(_LEVEL, rel=0.15)
    running.send(*(control.CloseLeg(leg) for leg in range(1, PARTIES)), control.AskInventory())
    assert running.of(control.Inventory) == control.Inventory((), (), ())
