"""CPU of the SIP core for one B2BUA call: a session as UAS and one as UAC in the same user agent, without sockets.

INVITE in, INVITE out, 180 and 200 through, ACK both, BYE in, BYE out, 200 both: 14 messages, parsing and building
included, timers on virtual time included (the lingering ones too: the run is longer than 32 s of virtual time).
The peers' messages are made outside the measured stretches.

    python bench/sip_core.py [calls] [--profile] [--plain]

Both sides are on the terms that the switch has by default (PRACK and session timers are offered, the peers know
neither); with `--plain` on none.
"""

import cProfile
import gc
import pstats
import re
import resource
import sys
from random import Random
from time import process_time

from softswitch.sip.events import Accepted, Confirmed, Ended, Invitation, Invited, Progressed
from softswitch.sip.flow import Flow, Send
from softswitch.sip.session_terms import PLAIN, Terms
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sip import parse

BATCH = 100
TERMS = PLAIN if "--plain" in sys.argv else Terms("supported", 1800)
RATE = 500.0  # calls a virtual second
CALLER = Flow("udp", ("192.0.2.1", 5060), 1)
CALLEE = Flow("udp", ("192.0.2.2", 5060), 1)
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\n"
    b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    b"a=ptime:20\r\na=sendrecv\r\n"
)


class Addressing:
    def signalling(self, flow):
        return ("192.0.2.9", 5060)

    def media(self, remote_host):
        return "192.0.2.9"

    def reliable(self, flow):
        return None


def invite(number: int) -> bytes:
    return (
        "INVITE sip:1002@192.0.2.9:5060 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinv{number};rport\r\nMax-Forwards: 70\r\n"
        f'From: "Alice" <sip:1001@pbx.example.com>;tag=a{number}\r\nTo: <sip:1002@pbx.example.com>\r\n'
        f"Call-ID: call-{number}@192.0.2.1\r\nCSeq: 1 INVITE\r\nContact: <sip:1001@192.0.2.1:5060>\r\n"
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: phone/1.0\r\nSupported: replaces\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n"
    ).encode() + SDP


def in_dialog(method: str, number: int, ours: bytes, cseq: int) -> bytes:
    """ACK or BYE of the caller, after our 200 `ours`."""
    to = re.search(rb"\r\nTo: ([^\r]+)", ours)[1].decode()
    contact = re.search(rb"\r\nContact: <([^>]+)>", ours)[1].decode()
    return (
        f"{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}{number};rport\r\n"
        f'Max-Forwards: 70\r\nFrom: "Alice" <sip:1001@pbx.example.com>;tag=a{number}\r\nTo: {to}\r\n'
        f"Call-ID: call-{number}@192.0.2.1\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


HEAD = re.compile(rb"\r\n(Via|From|To|Call-ID|CSeq): ([^\r]+)")


def answer(request: bytes, status: str, tag: str, body: bytes = b"") -> bytes:
    """The callee's response."""
    lines = [f"SIP/2.0 {status}".encode()]
    for name, value in HEAD.findall(request):
        if name == b"To" and b"tag=" not in value:
            value += b";tag=" + tag.encode()
        lines.append(name + b": " + value)
    lines.append(b"Contact: <sip:1002@192.0.2.2:5060>")
    if body:
        lines.append(b"Content-Type: application/sdp")
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Bench:
    def __init__(self) -> None:
        self.ua = UserAgent(Addressing(), Random(1))
        self.spent = 0.0
        self.now = 1000.0
        self.number = 0
        self.stages: dict[str, float] = {}

    def feed(self, stage: str, datagrams, flow, then=None):
        """Measured: parse, receive, and what the B2BUA does with the events."""
        receive, now = self.ua.receive, self.now
        sends, sessions = [], []
        began = process_time()
        for index, data in enumerate(datagrams):
            for out in receive(parse(data), flow, now):
                if out.__class__ is Send:
                    sends.append(out.data)
                elif then is not None:
                    more, session = then(out, index)
                    sessions.append(session)
                    sends += [send.data for send in more]
        spent = process_time() - began
        self.spent += spent
        self.stages[stage] = self.stages.get(stage, 0.0) + spent
        return sends, sessions

    def batch(self) -> None:
        ua, now = self.ua, self.now
        numbers = range(self.number, self.number + BATCH)
        self.number += BATCH

        incoming, outgoing = [], []

        def invited(event, index):
            assert event.__class__ is Invited
            incoming.append(event.session)
            assert ua.adopt(event.session, TERMS) is None
            call = Invitation(
                "sip:1002@192.0.2.2:5060",
                "<sip:1001@pbx.example.com>",
                "<sip:1002@pbx.example.com>",
                SDP,
                terms=TERMS,
            )
            session, outputs = ua.invite(call, CALLEE, now)
            outgoing.append(session)
            return outputs, session

        invites, _ = self.feed("INVITE", [invite(one) for one in numbers], CALLER, invited)

        def progressed(event, index):
            assert event.__class__ is Progressed
            return ua.ring(incoming[index], 180, now), 0

        self.feed("180", [answer(one, "180 Ringing", f"b{n}") for n, one in enumerate(invites)], CALLEE, progressed)

        def accepted(event, index):
            assert event.__class__ is Accepted
            return ua.accept(incoming[index], SDP, now), 0

        oks, _ = self.feed(
            "200", [answer(one, "200 OK", f"b{n}", SDP) for n, one in enumerate(invites)], CALLEE, accepted
        )
        oks = [one for one in oks if one.startswith(b"SIP/2.0 200")]
        assert len(oks) == BATCH

        def confirmed(event, index):
            assert event.__class__ is Confirmed
            return (), 0

        self.feed("ACK", [in_dialog("ACK", n, ok, 1) for n, ok in zip(numbers, oks, strict=True)], CALLER, confirmed)

        def ended(event, index):
            assert event.__class__ is Ended
            return ua.hang_up(outgoing[index], now), 0

        byes, _ = self.feed(
            "BYE", [in_dialog("BYE", n, ok, 2) for n, ok in zip(numbers, oks, strict=True)], CALLER, ended
        )
        byes = [one for one in byes if one.startswith(b"BYE")]
        assert len(byes) == BATCH
        self.feed("200 BYE", [answer(one, "200 OK", "") for one in byes], CALLEE)

        self.now += BATCH / RATE
        began = process_time()
        if (at := ua.deadline()) is not None and at <= self.now:
            ua.wake(self.now)
        spent = process_time() - began
        self.spent += spent
        self.stages["timers"] = self.stages.get("timers", 0.0) + spent


def main() -> None:
    calls = int(next((one for one in sys.argv[1:] if one.isdigit()), "20000"))
    gc.freeze()
    bench = Bench()
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    if profile is not None:
        profile.enable()
    batches = []
    for _ in range(calls // BATCH):
        before = bench.spent
        bench.batch()
        batches.append((bench.spent - before) / BATCH * 1e6)
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    done = calls // BATCH * BATCH
    half = sorted(batches[len(batches) // 2 :])
    print(f"CPU a call over {done} calls: mean {bench.spent / done * 1e6:.0f} µs, best batch {min(batches):.0f} µs")
    print(f"second half of the run: median batch {half[len(half) // 2]:.0f} µs, best {half[0]:.0f} µs")
    print(f"resident memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    print("  ".join(f"{name} {spent / done * 1e6:.1f}" for name, spent in bench.stages.items()))
    print(bench.ua.counts())
    bench.ua.wake(bench.now + 3600)
    print(bench.ua.counts())


main()
