"""One user agent on virtual time, and the raw messages of the peer that it speaks with."""

from random import Random

from softswitch.sip.events import Invitation
from softswitch.sip.flow import Flow, Send
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sip import Request, Response, parse

UDP = Flow("udp", ("192.0.2.1", 5060), 1)
TCP = Flow("tcp", ("192.0.2.1", 40000), 2, 7)
OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b"4000", b"5000")
NOTHING = {"transactions": 0, "dialogs": 0, "sessions": 0, "requests": 0, "timers": 0}


class Addresses:
    def __init__(self, tcp=False):
        self.tcp = tcp

    def signalling(self, flow):
        return ("192.0.2.9", 5060)

    def media(self, remote_host):
        return "192.0.2.9"

    def source(self, remote_host):
        return "192.0.2.9"

    def reliable(self, flow):
        return Flow("tcp", flow.remote, 2, 0) if self.tcp else None


class World:
    """`sent` are (time, flow, message) of what went out, `events` what came up."""

    def __init__(self, tcp=False, **settings):
        self.ua = UserAgent(Addresses(tcp), Random(7), **settings)
        self.now = 1000.0
        self.sent = []
        self.events = []

    def take(self, outputs):
        """Note outputs; returns the messages among them."""
        fresh = []
        for output in outputs:
            if isinstance(output, Send):
                fresh.append(parse(output.data))
                self.sent.append((self.now, output.flow, fresh[-1]))
            else:
                self.events.append(output)
        return fresh

    def receive(self, message, flow=UDP):
        data = message.encode() if isinstance(message, str) else message
        if not isinstance(data, bytes):
            data = data.to_bytes()
        return self.take(self.ua.receive(parse(data), flow, self.now))

    def advance(self, seconds):
        """Let virtual time pass, firing every timer at its own moment."""
        end = self.now + seconds
        fresh = []
        while (at := self.ua.deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            fresh += self.take(self.ua.wake(self.now))
        self.now = end
        return fresh

    def do(self, verb, *arguments, **named):
        """Call a verb at the present moment; returns the messages that go out."""
        return self.take(getattr(self.ua, verb)(*arguments, now=self.now, **named))

    def named(self, kind):
        """The events of one class."""
        return [event for event in self.events if isinstance(event, kind)]

    def times(self, what):
        """When requests of method `what`, or responses with status `what`, went out, counted from 1000 s."""
        return [
            round(at - 1000, 3)
            for at, _, one in self.sent
            if (one.method if isinstance(one, Request) else one.status) == what
        ]

    def silent_in_the_end(self):
        """After an hour nothing may be left, and nothing more was sent in its second half."""
        self.advance(1800)
        before = len(self.sent)
        self.advance(1800)
        assert len(self.sent) == before
        assert self.ua.counts() == NOTHING

    # ------------------------------------------------------------------------------------------------ ready-made

    def call(self, body=OFFER, flow=UDP, **more):
        """An INVITE of ours; (session, the INVITE as sent)."""
        invitation = Invitation(
            "sip:bob@192.0.2.1", '"Alice" <sip:alice@example.com>', "<sip:bob@example.com>", body, **more
        )
        session, outputs = self.ua.invite(invitation, flow, self.now)
        (invite,) = self.take(outputs)
        return session, invite

    def called(self, flow=UDP, **changes):
        """An INVITE of the peer has come; the session."""
        self.receive(request("INVITE", body=changes.pop("body", OFFER), **changes), flow)
        return self.events[-1].session

    def talking_as_uac(self, flow=UDP, **more):
        """An established call of ours; (session, INVITE, ACK)."""
        session, invite = self.call(flow=flow, **more)
        (ack,) = self.receive(answer(invite, 200, body=ANSWER), flow)
        return session, invite, ack

    def talking_as_uas(self, flow=UDP, **changes):
        """An established call of the peer; (session, our 200)."""
        session = self.called(flow, **changes)
        (ok,) = self.do("accept", session, ANSWER)
        self.receive(within(ok, "ACK", 1), flow)
        return session, ok


def request(
    method,
    branch="z9hG4bKone",
    call_id="call-1",
    cseq=1,
    to_tag=None,
    from_tag="theirs",
    uri="sip:alice@192.0.2.9",
    via="SIP/2.0/UDP 192.0.2.1:5060",
    headers=(),
    contact="<sip:bob@192.0.2.1:5060>",
    hops=70,
    body=b"",
    content_type="application/sdp",
):
    """A request of the peer as bytes."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via};branch={branch};rport" if branch else f"Via: {via}",
        f"From: Bob <sip:bob@example.com>;tag={from_tag}",
        "To: <sip:alice@example.com>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Max-Forwards: {hops}",
    ]
    if contact:
        lines.append(f"Contact: {contact}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(sent, status, tag="theirs", body=b"", headers=(), contact="<sip:bob@192.0.2.1:5060>"):
    """The peer's response to a request of ours."""
    response = Response.to_request(sent, status, None, tag)
    if contact and status < 300:
        response.headers.add("Contact", contact)
    for name, value in headers:
        response.headers.add(name, value)
    if body:
        response.headers.add("Content-Type", "application/sdp")
        response.body = body
    return response


def within(ok, method, cseq, branch=None, **changes):
    """A request of the peer in the dialog that our response `ok` made (or our request `ok`, when we called)."""
    theirs, ours = (ok.from_.tag, ok.to) if isinstance(ok, Response) else (ok.to.tag or "theirs", ok.from_)
    return request(
        method,
        branch=branch or f"z9hG4bK{method}{cseq}",
        call_id=ok.call_id,
        cseq=cseq,
        to_tag=ours.tag,
        from_tag=changes.pop("from_tag", theirs),
        **changes,
    )
