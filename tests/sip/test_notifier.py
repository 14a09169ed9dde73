"""The notifier of SIP events (RFC 6665), in virtual time."""

import pytest

from softswitch.sip.events import Requested, Responded, TimedOut
from softswitch.sip.notifier import Bounds, Notifier
from softswitch.sip.subscription import Package
from softswitch.wire.sip import Request, Response, parse
from tests.sip.sip_peer import UDP, Addresses, World, answer, request, within


class Events:
    """A user agent with a notifier on top of it; all NOTIFYs are kept in `notified`. `answers`: the status that the
    subscriber answers them with, None: it says nothing."""

    def __init__(self, **bounds):
        self.world = World()
        self.state = b"one"
        package = Package("dialog", "application/dialog-info+xml", lambda subscription, now: self.state)
        self.notifier = Notifier(self.world.ua, Addresses(), (package,), Bounds(**bounds))
        self.package = package
        self.notified = []
        self.responses = []
        self.answers = 200

    def take(self, outputs):
        """Hand outputs on until all is quiet; what the peer gets is answered."""
        for message in self.world.take(outputs):
            if isinstance(message, Response):
                self.responses.append(message)
            elif message.method == "NOTIFY":
                self.notified.append((round(self.world.now - 1000, 3), message))
                if self.answers is not None:
                    self.receive(answer(message, self.answers))
        events, self.world.events = self.world.events, []
        for event in events:
            match event:
                case Requested():
                    self.requested(event)
                case Responded(tx, response):
                    self.take(self.notifier.answered(tx, response, self.world.now) or [])
                case TimedOut(tx):
                    self.take(self.notifier.answered(tx, None, self.world.now) or [])

    def requested(self, event):
        notifier, now = self.notifier, self.world.now
        if event.request.to.tag is not None:
            known = notifier.find(event.request)
            self.take(notifier.refuse(event, 481, now) if known is None else notifier.refresh(event, known, now))
            return
        package, _ = notifier.event_of(event.request)
        if package is None:
            self.take(notifier.refuse(event, 489, now))
        else:
            self.take(notifier.subscribe(event, package, "phone", "alice", now))

    def receive(self, message):
        data = message if isinstance(message, bytes) else message.to_bytes()
        self.take(self.world.ua.receive(parse(data), UDP, self.world.now))

    def subscribe(self, *headers, **changes):
        """A SUBSCRIBE of the peer; our response."""
        fields = (("Event", "dialog"), *headers) if not any(name == "Event" for name, _ in headers) else headers
        self.receive(request("SUBSCRIBE", headers=fields, **changes))
        return self.responses[-1]

    def again(self, ok, cseq, *headers, event="dialog"):
        self.receive(within(ok, "SUBSCRIBE", cseq, headers=(("Event", event), *headers)))
        return self.responses[-1]

    def change(self, state):
        self.state = state
        self.take(self.notifier.changed("dialog", "alice", self.world.now))

    def run(self, seconds):
        end = self.world.now + seconds
        while True:
            times = [at for at in (self.world.ua.deadline(), self.notifier.deadline()) if at is not None]
            if not times or min(times) > end:
                break
            self.world.now = max(self.world.now, min(times))
            self.take(self.world.ua.wake(self.world.now))
            self.take(self.notifier.wake(self.world.now))
        self.world.now = end

    def states(self):
        return [str(one.headers.get("Subscription-State")) for _, one in self.notified]


def test_200_then_the_state_at_once():
    """RFC 6665 §4.2.1.2: 200 with Expires and Contact, then NOTIFY, in the dialog that the SUBSCRIBE made."""
    events = Events()
    ok = events.subscribe(("Expires", "600"))
    assert (ok.status, ok.headers.get("Expires")) == (200, "600")
    assert ok.contacts
    ((_, notify),) = events.notified
    assert notify.headers.get("Event") == "dialog"
    assert notify.headers.get("Subscription-State") == "active;expires=600"
    assert (notify.from_.tag, notify.to.tag, notify.call_id) == (ok.to.tag, "theirs", "call-1")
    assert (notify.body, notify.content_type) == (b"one", "application/dialog-info+xml")
    assert notify.contacts
    assert str(notify.uri) == "sip:bob@192.0.2.1:5060"


def test_changes_are_told_with_a_pace_and_the_latest_state():
    """RFC 6665 §4.2.2: bursts are one NOTIFY; what is told is how things are then."""
    events = Events()
    events.subscribe()
    events.run(10.0)
    for state in (b"two", b"three", b"four"):
        events.change(state)
        events.run(0.05)
    events.run(5.0)
    assert [(at, one.body) for at, one in events.notified] == [(0.0, b"one"), (10.0, b"two"), (10.5, b"four")]
    assert [one.cseq.number for _, one in events.notified] == [1, 2, 3]


def test_no_second_notify_while_one_is_out():
    events = Events()
    events.subscribe()
    events.run(1.0)
    events.answers = None
    events.change(b"two")
    events.run(0.0)
    events.change(b"three")
    events.run(5.0)
    bodies = [one.body for _, one in events.notified]
    assert set(bodies) == {b"one", b"two"}, "only repeats of the same"
    events.answers = 200
    events.receive(answer(events.notified[-1][1], 200))
    events.run(1.0)
    assert events.notified[-1][1].body == b"three"


def test_refresh_tells_anew_and_prolongs():
    """§4.1.2.2."""
    events = Events()
    ok = events.subscribe(("Expires", "100"))
    events.run(90.0)
    assert events.again(ok, 2, ("Expires", "100")).status == 200
    events.run(90.0)
    assert events.states() == ["active;expires=100", "active;expires=100"]
    events.run(20.0)
    assert events.states()[-1] == "terminated;reason=timeout"
    assert len(events.notifier) == 0
    assert events.again(ok, 3).status == 481, "it is over"


def test_unsubscribed():
    """§4.1.2.3: Expires 0 ends it, with a last NOTIFY."""
    events = Events()
    ok = events.subscribe()
    events.run(2.0)
    gone = events.again(ok, 2, ("Expires", "0"))
    assert (gone.status, gone.headers.get("Expires")) == (200, "0")
    assert events.states()[-1] == "terminated;reason=timeout"
    assert len(events.notifier) == 0
    events.change(b"two")
    events.run(100.0)
    assert len(events.notified) == 2
    assert events.notifier.deadline() is None


def test_fetched():
    """§4.4.3: a SUBSCRIBE with Expires 0 is a look, and nothing is left of it."""
    events = Events()
    assert events.subscribe(("Expires", "0")).status == 200
    assert events.states() == ["terminated;reason=timeout"]
    assert len(events.notifier) == 0


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ((("Expires", "10"),), 423, ("Min-Expires", "60")),
        ((("Expires", "soon"),), 400, None),
        ((("Expires", "-5"),), 400, None),
        ((("Event", "weather"),), 489, ("Allow-Events", "dialog")),
        ((("Accept", "application/pidf+xml"),), 406, None),
        ((("Require", "eventlist"),), 420, ("Unsupported", "eventlist")),
    ],
)
def test_refused(headers, status, says):
    """RFC 6665 §4.2.1.1, §4.2.1.4, RFC 3261 §8.2."""
    events = Events()
    response = events.subscribe(*headers)
    assert response.status == status
    if says is not None:
        assert response.headers.get(says[0]) == says[1]
    assert not events.notified
    assert len(events.notifier) == 0


def test_the_event_needs_a_dialog():
    """RFC 3261 §12.1.1: without a Contact there is nowhere to send NOTIFY."""
    events = Events()
    assert events.subscribe(contact=None).status == 400
    assert len(events.notifier) == 0


def test_an_id_is_given_back():
    """RFC 6665 §8.2.1: the id belongs to the subscription; another one in the same dialog is another subscription."""
    events = Events()
    ok = events.subscribe(("Event", "dialog;id=17"))
    assert events.notified[0][1].headers.get("Event") == "dialog;id=17"
    assert events.again(ok, 2).status == 481
    assert events.again(ok, 3, event="dialog;id=17").status == 200


def test_old_cseq():
    """RFC 3261 §12.2.2."""
    events = Events()
    ok = events.subscribe(cseq=5)
    assert events.again(ok, 4).status == 500
    assert events.again(ok, 6).status == 200


def test_a_long_life_is_cut():
    events = Events()
    assert events.subscribe(("Expires", "99999")).headers.get("Expires") == "3600"
    assert events.subscribe(call_id="call-2", branch="z9hG4bKtwo").headers.get("Expires") == "3600", "the default"


@pytest.mark.parametrize("status", [481, 489, 404, 501, None])
def test_a_subscriber_that_is_gone(status):
    """RFC 6665 §4.2.2: 481 and its like, and no answer at all, end the subscription; nothing more is sent."""
    events = Events()
    events.answers = status
    events.subscribe()
    events.run(40.0)
    assert len(events.notifier) == 0
    count = len(events.notified)
    events.change(b"two")
    events.run(40.0)
    assert len(events.notified) == count
    assert events.notifier.deadline() is None


@pytest.mark.parametrize("status", [500, 503, 401])
def test_a_notify_that_fails_alone(status):
    """RFC 5057 §5.1: some failures are the NOTIFY's, not the subscription's."""
    events = Events()
    events.answers = status
    events.subscribe()
    events.run(1.0)
    events.answers = 200
    events.change(b"two")
    events.run(1.0)
    assert events.notified[-1][1].body == b"two"
    assert len(events.notifier) == 1


def test_bounds():
    """Of one subscriber, and of all."""
    events = Events(most_each=2)
    for number, status in ((1, 200), (2, 200), (3, 403)):
        assert events.subscribe(call_id=f"call-{number}", branch=f"z9hG4bK{number}").status == status
    events = Events(most=1)
    assert events.subscribe().status == 200
    full = events.subscribe(call_id="call-2", branch="z9hG4bKtwo")
    assert (full.status, full.headers.get("Retry-After")) == (503, "60")


def test_ended_by_us_while_a_notify_is_out():
    events = Events()
    events.answers = None
    events.subscribe()
    events.take(events.notifier.end(events.notifier.subscriptions(), "noresource", events.world.now))
    assert events.states() == ["active;expires=3600"], "one at a time"
    events.answers = 200
    events.receive(answer(events.notified[0][1], 200))
    assert events.states()[-1] == "terminated;reason=noresource"
    assert len(events.notifier) == 0


def test_notify_for_nothing():
    """§4.1.3: NOTIFY in a dialog that is none gets 481; so does one without To tag, from the floor above."""
    events = Events()
    ok = events.subscribe()
    events.receive(within(ok, "NOTIFY", 2, headers=(("Event", "dialog"), ("Subscription-State", "active"))))
    assert events.responses[-1].status == 481


def test_nothing_is_left():
    events = Events()
    ok = events.subscribe()
    events.again(ok, 2, ("Expires", "0"))
    events.run(100.0)
    assert events.world.ua.counts() == {"transactions": 0, "dialogs": 0, "sessions": 0, "requests": 0, "timers": 0}
    assert isinstance(events.notified[0][1], Request)
