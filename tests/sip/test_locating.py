"""RFC 3263 §4, RFC 2782, RFC 7984: which servers stand behind a URI, and in which order they are tried."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.sip.locating import Answer, Located, Naptr, Question, Srv, locate
from softswitch.sip.next_hop import Hop, Hops, weighted
from softswitch.wire.sip import Uri

ALL = {"udp": (6, 4), "tcp": (6, 4), "tls": (6, 4)}


class Zone:
    """What name servers would say; `asked` is in order."""

    def __init__(self, records, failing=()):
        self.records = records
        self.failing = failing
        self.asked = []

    def locate(self, uri, ours=ALL) -> Located:
        asking = locate(Uri.parse(uri), ours)
        answers = None
        try:
            while True:
                questions = asking.send(answers)
                self.asked += [(one.kind, one.name) for one in questions]
                answers = tuple(self.answer(one) for one in questions)
        except StopIteration as end:
            return end.value

    def answer(self, question: Question) -> Answer:
        if question.name in self.failing:
            return Answer(ttl=5.0, failed=True)
        found = self.records.get((question.kind, question.name))
        return Answer(ttl=30.0) if found is None else Answer(tuple(found), 300.0)


def where(located: Located) -> list[tuple[str, str, int]]:
    return [(hop.transport, hop.address, hop.port) for hop in located.hops]


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:192.0.2.1", ("udp", "192.0.2.1", 5060)),
        ("sip:192.0.2.1:5080;transport=tcp", ("tcp", "192.0.2.1", 5080)),
        ("sip:[2001:db8::1]", ("udp", "2001:db8::1", 5060)),
        ("sips:192.0.2.1", ("tls", "192.0.2.1", 5061)),
        ("sips:192.0.2.1;transport=tcp", ("tls", "192.0.2.1", 5061)),
        ("sip:192.0.2.1;transport=tls", ("tls", "192.0.2.1", 5061)),
    ],
)
def test_an_address_needs_no_question(uri, hop) -> None:
    zone = Zone({})
    assert where(zone.locate(uri)) == [hop]
    assert zone.asked == []


def test_an_explicit_port_skips_naptr_and_srv() -> None:
    """RFC 3263 §4.2: then only A and AAAA; §4.1: UDP for sip without a transport."""
    zone = Zone({("A", "host.example"): ["192.0.2.1"]})
    assert where(zone.locate("sip:host.example:5070")) == [("udp", "192.0.2.1", 5070)]
    assert zone.asked == [("AAAA", "host.example"), ("A", "host.example")]


def test_an_explicit_transport_skips_naptr() -> None:
    zone = Zone(
        {("SRV", "_sip._tcp.example.net"): [Srv(1, 0, 5062, "a.example.net")], ("A", "a.example.net"): ["192.0.2.1"]}
    )
    assert where(zone.locate("sip:example.net;transport=tcp")) == [("tcp", "192.0.2.1", 5062)]
    assert zone.asked[0] == ("SRV", "_sip._tcp.example.net")


def test_the_example_of_rfc_3263() -> None:
    """§4.1: NAPTR ranks TLS over TCP over UDP; the client that cannot do TLS takes TCP first."""
    zone = Zone(
        {
            ("NAPTR", "example.com"): [
                Naptr(90, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
                Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
                Naptr(90, 40, "S", "sip+d2t", "_sip._tcp.example.com"),
                Naptr(10, 50, "u", "E2U+sip", ""),
            ],
            ("SRV", "_sip._tcp.example.com"): [
                Srv(0, 1, 5060, "server1.example.com"),
                Srv(1, 2, 5060, "server2.example.com."),
            ],
            ("SRV", "_sip._udp.example.com"): [Srv(0, 1, 5060, "server1.example.com")],
            ("A", "server1.example.com"): ["192.0.2.1"],
            ("AAAA", "server1.example.com"): ["2001:db8::1"],
            ("A", "server2.example.com"): ["192.0.2.2"],
        }
    )
    located = zone.locate("sip:user@example.com", {"udp": (4,), "tcp": (6, 4)})
    order = [(hop.transport, hop.address) for hop in weighted(located.hops, Random(1))]
    assert order == [("tcp", "2001:db8::1"), ("tcp", "192.0.2.1"), ("tcp", "192.0.2.2"), ("udp", "192.0.2.1")]
    assert located.ttl == 30.0  # the shortest: server2 has no AAAA
    assert not located.failed
    assert [hop.transport for hop in zone.locate("sips:example.com").hops] == []  # TLS has no SRV there, no guess


def test_without_naptr_each_transport_of_ours_is_asked_for() -> None:
    zone = Zone({("SRV", "_sip._udp.example.net"): [Srv(1, 0, 5070, "192.0.2.7")]})
    assert where(zone.locate("sip:example.net")) == [("udp", "192.0.2.7", 5070)]
    assert ("SRV", "_sips._tcp.example.net") in zone.asked


def test_without_srv_the_host_itself() -> None:
    zone = Zone({("A", "example.net"): ["192.0.2.7", "not an address"], ("AAAA", "example.net"): ["2001:db8::7"]})
    assert where(zone.locate("sip:example.net", {"udp": (4,)})) == [("udp", "192.0.2.7", 5060)]


def test_the_root_as_target_means_not_here() -> None:
    """RFC 2782: no fall-back to the host's address then."""
    zone = Zone({("SRV", "_sip._udp.example.net"): [Srv(0, 0, 0, "")], ("A", "example.net"): ["192.0.2.7"]})
    located = zone.locate("sip:example.net", {"udp": (4,)})
    assert located.hops == ()
    assert not located.failed


def test_a_question_that_nobody_answers_is_told() -> None:
    """What is found without the answer may be second best: who knows better keeps that."""
    zone = Zone({("A", "example.net"): ["192.0.2.7"]}, failing=("_sip._udp.example.net",))
    located = zone.locate("sip:example.net", {"udp": (4,)})
    assert located.failed
    assert located.ttl == 5.0
    assert where(located) == [("udp", "192.0.2.7", 5060)]


def test_a_zone_with_thousands_of_records_is_cut() -> None:
    zone = Zone({("SRV", "_sip._udp.example.net"): [Srv(n, 1, 5060, f"192.0.2.{n % 250}") for n in range(3000)]})
    assert len(zone.locate("sip:example.net", {"udp": (4,)}).hops) == 32


hops = st.lists(
    st.builds(
        Hop,
        st.sampled_from(["udp", "tcp"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        st.integers(1, 9),
        st.integers(0, 3),
        st.integers(0, 65535),
        st.sampled_from("abcd"),
    ),
    max_size=12,
    unique=True,
)


@given(hops, st.randoms(use_true_random=False))
def test_every_hop_is_tried_once_and_ranks_stay_in_order(some, dice) -> None:
    """RFC 2782: lower priorities first; whatever the dice, all are there, a server's addresses side by side."""
    ordered = weighted(some, dice)
    assert Counter(ordered) == Counter(some)
    assert [hop.rank for hop in ordered] == sorted(hop.rank for hop in some)
    runs = [(hop.rank, hop.server, hop.transport) for hop in ordered]
    starts = [key for before, key in zip([None, *runs], runs, strict=False) if key != before]
    assert len(starts) == len(set(starts))


def test_weights_share_the_load() -> None:
    """RFC 2782's example: 3 to 1."""
    pair = (Hop("udp", "192.0.2.1", 5060, 0, 300, "a"), Hop("udp", "192.0.2.2", 5060, 0, 100, "b"))
    dice = Random(4)
    first = Counter(weighted(pair, dice)[0].server for _ in range(4000))
    assert 0.70 < first["a"] / 4000 < 0.85
    still = (Hop("udp", "192.0.2.1", 5060, 0, 100, "a"), Hop("udp", "192.0.2.2", 5060, 0, 0, "b"))
    rare = Counter(weighted(still, dice)[0].server for _ in range(4000))
    assert 0 < rare["b"] < 200  # weight 0: a very small chance


@given(hops, st.randoms(use_true_random=False), st.integers(0, 11))
def test_what_failed_lately_comes_last(some, dice, which) -> None:
    if not some:
        return
    known = Hops(tuple(some))
    bad = some[which % len(some)].remote
    known.failed(bad, 100.0)
    ordered = [hop.remote == bad for hop in known.order(110.0, dice)]
    assert ordered == sorted(ordered)
    known.located(tuple(some))
    assert [hop.remote == bad for hop in known.order(110.0, dice)] == sorted(ordered)
    later = Hops(tuple(some))
    later.failed(bad, 100.0)
    assert Counter(later.order(131.0, dice)) == Counter(some)
    known.well(bad)
    assert [hop.rank for hop in known.order(110.0, dice)] == sorted(hop.rank for hop in some)
