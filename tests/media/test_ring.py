"""io_uring through ctypes, against the real kernel."""

import os

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.media import choice, ring
from softswitch.media.uring import UringBackend

pytestmark = pytest.mark.skipif(bool(ring.why_not()), reason=f"io_uring: {ring.why_not()}")


@pytest.fixture
def made():
    one = ring.Ring(8, 32)
    yield one
    one.close()


def poll(one, fd, mark):
    entry = one.place()[0]
    entry["opcode"], entry["fd"], entry["op_flags"], entry["user_data"] = ring.OP_POLL_ADD, fd, 1, mark


def test_more_submissions_than_places_go_in_turns(made):
    """Nothing is lost when the submission ring is full, nor when the completion ring wraps around."""
    event = os.eventfd(1)
    seen = []
    for round_ in range(10):
        for n in range(20):
            poll(made, event, round_ * 20 + n)
        made.wait(20, 1.0)
        seen += made.completions()[:, 0].tolist()
    os.close(event)
    assert sorted(seen) == list(range(200))


def test_a_wait_ends_by_its_time_out(made):
    event = os.eventfd(0)
    poll(made, event, 1)
    made.wait(1, 0.01)
    assert len(made.completions()) == 0
    os.eventfd_write(event, 1)
    made.wait(1, 5.0)
    assert made.completions()[:, 0].tolist() == [1]
    os.close(event)


def test_closing_leaves_no_descriptor():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        ring.Ring(8, 16).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_ipv6_addresses_are_told_apart():
    backend = UringBackend("::1", (40000, 40010))
    one, other = backend.key(("::1", 4000)), backend.key(("::1", 4002))
    assert one != other
    assert one == backend.key(("0:0:0:0:0:0:0:1", 4000))
    assert 0 not in (one, other)


def test_a_refused_ring_falls_back_to_epoll_and_says_why(monkeypatch):
    monkeypatch.setattr(choice, "why_not", lambda: "forbidden, as containers' seccomp profiles do")
    backend = choice.make_backend("auto", "127.0.0.1", (40000, 40010))
    assert backend.name == "epoll"
    assert backend.why == "io_uring cannot be used: forbidden, as containers' seccomp profiles do"


def test_an_unknown_backend_is_named():
    with pytest.raises(LocalError, match="no media backend 'dpdk'; there are auto, epoll, uring"):
        choice.make_backend("dpdk", "127.0.0.1", (40000, 40010))
