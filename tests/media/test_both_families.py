"""One port, both address families (RFC 3493 §3.7): an IPv6 phone and an IPv4 one on one bridge."""

import numpy as np
import pytest
from harness import Phone, free_ports, heard_level, talk, tone

from softswitch.media.epoll import EpollBackend
from softswitch.media.ring import why_not
from softswitch.media.uring import UringBackend
from softswitch.wire import control
from softswitch.wire.control import Connect, Edge

LOW, HIGH = tone(500, 1.0), tone(900, 1.0)


@pytest.mark.parametrize("laws", [(0, 0), (0, 1)], ids=["relayed", "transcoded"])
def test_each_side_hears_the_other(media, laws):
    """Also once the sockets are connected to their peers, and RTCP arrives."""
    running = media(address="*")
    a, b = Phone(laws[0], "::1"), Phone(laws[1], "127.0.0.1")
    for n, phone in enumerate((a, b), 1):
        slot, port = running.slot()
        phone.to = (phone.host, port)
        running.send(control.OpenLeg(n, slot, phone.spec()))
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(2.6, (a, np.tile(LOW, 5)), (b, np.tile(HIGH, 5)))  # beyond the time that settles a source
    for phone, mine, other in ((a, 500, 900), (b, 900, 500)):
        sound = phone.sound()[-8000:]
        assert heard_level(sound, other) == pytest.approx(8000, rel=0.1)
        assert heard_level(sound, mine) < 200
        phone.until(lambda phone=phone: phone.reports)
        assert phone.reports
    for leg in (1, 2):
        figures = running.figures(leg)
        assert figures.lost == 0
        assert figures.rejected == 0
    a.close()
    b.close()


def test_a_signalled_ipv4_source_is_known_by_its_plain_address(media):
    """`signalled` takes packets from that address alone; the stranger is counted."""
    running = media(address="*")
    phone, stranger = Phone(0, "127.0.0.1"), Phone(0, "127.0.0.1")
    slot, port = running.slot()
    phone.to = stranger.to = ("127.0.0.1", port)
    running.send(control.OpenLeg(1, slot, phone.spec(latch="signalled")))
    talk(0.6, (phone, LOW), (stranger, HIGH))
    figures = running.figures(1, lambda figures: figures.received >= 30 <= figures.rejected)
    assert figures.received == pytest.approx(30, abs=4)
    assert figures.rejected == pytest.approx(30, abs=4)
    phone.close()
    stranger.close()


def test_both_backends_name_addresses_as_people_do():
    first = free_ports(8, "::")
    backends = [EpollBackend("*", (first, first + 7))]
    if not why_not():
        backends.append(UringBackend("*", (first, first + 7)))
    for backend in backends:
        assert backend.key(("192.0.2.1", 4000)) != backend.key(("192.0.2.1", 4002))
        assert backend.key(("192.0.2.1", 4000)) == backend.key(("192.0.2.1", 4000))
