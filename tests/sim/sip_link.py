"""Two user agents on virtual time, joined by a link that loses, delays, reorders and doubles datagrams."""

from heapq import heappop, heappush
from random import Random

from softswitch.sip.events import (
    Accepted,
    Cancelled,
    Confirmed,
    Ended,
    InDialog,
    InDialogAnswered,
    Invitation,
    Invited,
    OfferAnswered,
    OfferRejected,
    OfferWithdrawn,
    Progressed,
    Reinvited,
    Rejected,
    SessionClosed,
)
from softswitch.sip.flow import Flow, Send
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sip import parse

OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ADDRESS = {"a": ("192.0.2.1", 5060), "b": ("192.0.2.2", 5060)}
TERMINAL = (Rejected, Cancelled, Ended)


class Addresses:
    def __init__(self, side):
        self.side = side

    def signalling(self, flow):
        return ADDRESS[self.side]

    def media(self, remote_host):
        return ADDRESS[self.side][0]

    def source(self, remote_host):
        return ADDRESS[self.side][0]

    def reliable(self, flow):
        return None


class Leg:
    """What one side knows of one call. `outcome` is the terminal event, or ("own", verb)."""

    def __init__(self):
        self.history = []
        self.outcome = None
        self.closed = False
        self.accepted = self.confirmed = False
        self.offers = self.settled = 0


class Link:
    def __init__(self, seed, loss, double=0.05, delay=(0.01, 0.4)):
        self.dice = Random(seed)
        self.loss, self.double, self.delay = loss, double, delay
        self.now = 0.0
        self.sides = {side: UserAgent(Addresses(side), Random(f"{seed}{side}")) for side in "ab"}
        self.legs = {"a": {}, "b": {}}
        self.of_call = {}  # Call-ID → {side: session}
        self.queue = []
        self.serial = 0
        self.plan = lambda side, session, event: None

    def later(self, seconds, action, *arguments):
        self.serial += 1
        heappush(self.queue, (self.now + seconds, self.serial, action, arguments))

    def take(self, side, outputs):
        for output in outputs:
            if isinstance(output, Send):
                self._transport(side, output)
            else:
                self._note(side, output)

    def verb(self, side, name, session, *arguments, ending=False, **named):
        """Call a verb as a user of that side; an ending verb decides the leg's outcome if it is still open."""
        leg = self.legs[side][session]
        if leg.closed:
            assert getattr(self.sides[side], name)(session, *arguments, now=self.now, **named) == []
            return
        if ending and leg.outcome is None:
            leg.outcome = ("own", name)
        self.take(side, getattr(self.sides[side], name)(session, *arguments, now=self.now, **named))

    def call(self, number, body=OFFER):
        """Side a calls side b."""
        invitation = Invitation("sip:b@192.0.2.2", "<sip:a@x>", "<sip:b@x>", body, call_id=f"call-{number}")
        session, outputs = self.sides["a"].invite(invitation, Flow("udp", ADDRESS["b"], 1), self.now)
        self.legs["a"][session] = Leg()
        self.of_call[f"call-{number}"] = {"a": session}
        self.take("a", outputs)
        return session

    def run(self, until):
        """Deliver and wake in the order of time."""
        while True:
            times = [at for at in (ua.deadline() for ua in self.sides.values()) if at is not None]
            if self.queue:
                times.append(self.queue[0][0])
            if not times or min(times) > until:
                self.now = until
                return
            self.now = max(self.now, min(times))
            if self.queue and self.queue[0][0] <= self.now:
                _, _, action, arguments = heappop(self.queue)
                action(*arguments)
                continue
            for side, ua in self.sides.items():
                at = ua.deadline()
                if at is not None and at <= self.now:
                    self.take(side, ua.wake(self.now))

    def _transport(self, side, send):
        other = "b" if side == "a" else "a"
        assert send.flow.remote == ADDRESS[other]
        copies = 1 + (self.dice.random() < self.double)
        for _ in range(copies):
            if self.dice.random() >= self.loss:
                self.later(self.dice.uniform(*self.delay), self._deliver, other, ADDRESS[side], send.data)

    def _deliver(self, side, source, data):
        self.take(side, self.sides[side].receive(parse(data), Flow("udp", source, 1), self.now))

    def _note(self, side, event):
        session = event.session
        if isinstance(event, Invited):
            self.legs[side][session] = Leg()
            self.of_call[event.request.call_id][side] = session
        leg = self.legs[side][session]
        leg.history.append(event)
        assert not leg.closed, f"{event} after SessionClosed"
        if isinstance(event, SessionClosed):
            assert leg.outcome is not None, f"closed without an outcome: {leg.history}"
            leg.closed = True
            return
        assert leg.outcome is None, f"{event} after {leg.outcome}"
        if isinstance(event, TERMINAL):
            leg.outcome = event
        elif isinstance(event, Accepted):
            leg.accepted = True
        elif isinstance(event, Confirmed):
            leg.confirmed = True
        elif isinstance(event, OfferAnswered | OfferRejected):
            leg.settled += 1
        else:
            known = (Invited, Progressed, Reinvited, OfferWithdrawn, InDialog, InDialogAnswered)
            assert isinstance(event, known)
        self.plan(side, session, event)
