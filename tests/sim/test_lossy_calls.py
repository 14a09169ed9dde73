"""Hundreds of random calls over a bad link: both sides must agree how each ended, and nothing may leak."""

from random import Random

import pytest
from sip_link import OFFER, Leg, Link

from softswitch.sip.events import Accepted, Cancelled, Ended, InDialog, Invited, OfferAnswered, Reinvited, Rejected

ANSWER = OFFER.replace(b"4000", b"5000")
NOTHING = {"transactions": 0, "dialogs": 0, "sessions": 0, "requests": 0, "timers": 0}


class Users:
    """People at both ends with whims: ring, answer, refuse, give up, hold, send digits, hang up, all at any time."""

    def __init__(self, link, seed):
        self.link = link
        self.dice = Random(f"users{seed}")
        link.plan = self.react

    def start(self, number):
        link, dice = self.link, self.dice
        session = link.call(number, body=dice.choice((OFFER, OFFER, b"")))
        if dice.random() < 0.4:
            link.later(dice.uniform(0, 12), self.hang_up, "a", session)

    def react(self, side, session, event):
        link, dice = self.link, self.dice
        match event:
            case Invited():
                for _ in range(dice.randrange(3)):
                    link.later(dice.uniform(0, 2), link.verb, side, "ring", session, dice.choice((180, 183)))
                whim = dice.random()
                if whim < 0.6:
                    link.later(dice.uniform(0, 8), self.accept, side, session, event.request.body)
                elif whim < 0.8:
                    link.later(dice.uniform(0, 8), self.refuse, side, session, dice.choice((486, 603, 404)))
                else:
                    link.later(dice.uniform(0, 8), self.hang_up, side, session)
            case Accepted(response=response):
                if not link.legs[side][session].history[-1].response.to.tag:
                    raise AssertionError("2xx without tag")
                if response.body == OFFER:
                    link.later(dice.uniform(0, 1), link.verb, side, "confirm", session, ANSWER)
                self.talk(side, session)
            case OfferAnswered(response=response) if response.body == OFFER:
                link.later(dice.uniform(0, 1), link.verb, side, "confirm", session, ANSWER)
            case Reinvited(request=request):
                verb, argument = ("accept_offer", ANSWER if request.body else OFFER)
                if dice.random() < 0.2:
                    verb, argument = "reject_offer", 488
                link.later(dice.uniform(0, 1), link.verb, side, verb, session, argument)
            case InDialog(tx=tx):
                link.later(dice.uniform(0, 1), self.respond, side, tx)

    def respond(self, side, tx):
        self.link.take(side, self.link.sides[side].respond(tx, 200, self.link.now))

    def accept(self, side, session, offer):
        leg = self.link.legs[side][session]
        if leg.outcome is None:
            leg.accepted = True
            self.link.verb(side, "accept", session, ANSWER if offer else OFFER)
            self.talk(side, session)

    def refuse(self, side, session, status):
        leg = self.link.legs[side][session]
        if leg.outcome is None:
            self.link.verb(side, "reject", session, status, ending=True)
            leg.outcome = ("own", status)

    def hang_up(self, side, session):
        leg = self.link.legs[side][session]
        if leg.outcome is None:
            self.link.verb(side, "hang_up", session, ending=True)

    def talk(self, side, session):
        link, dice = self.link, self.dice
        for _ in range(dice.randrange(3)):
            link.later(dice.uniform(0, 6), self.reinvite, side, session, dice.choice((OFFER, OFFER, b"")))
        if dice.random() < 0.3:
            link.later(dice.uniform(0, 6), link.verb, side, "send_in_dialog", session, "INFO")
        link.later(dice.uniform(0, 20), self.hang_up, side, session)

    def reinvite(self, side, session, body):
        leg = self.link.legs[side][session]
        if leg.outcome is None:
            leg.offers += 1
            self.link.verb(side, "reinvite", session, body)


def agree(caller: Leg, callee: Leg | None):
    """Whether what the caller saw and what the called side saw can be the same call."""
    mine, theirs = caller.outcome, None if callee is None else callee.outcome
    if callee is None:
        # no INVITE ever arrived: the caller timed out or gave up
        assert mine == ("own", "hang_up") or mine.status == 408
        return
    if caller.accepted:
        assert callee.accepted
    if isinstance(mine, Rejected) and mine.response is not None:
        # what the called side said, or 480 for its hanging up, or 487 for a BYE of ours that nobody sent
        said = {("own", "hang_up"): 480}.get(theirs, theirs[1] if isinstance(theirs, tuple) else None)
        assert mine.status == said
        assert not callee.accepted
    if isinstance(theirs, Cancelled):
        assert mine == ("own", "hang_up")
        assert not caller.accepted
    if isinstance(mine, Ended) and mine.cause == "bye":
        ended_there = isinstance(theirs, Ended) and theirs.cause != "bye"
        assert theirs == ("own", "hang_up") or ended_there
    if isinstance(theirs, Ended) and theirs.cause == "bye":
        ended_here = isinstance(mine, Ended) and mine.cause != "bye"
        assert mine == ("own", "hang_up") or ended_here
    if isinstance(mine, Ended):
        assert mine.cause in ("bye", "timeout", "no-ack", "dialog-gone")


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_both_sides_agree_and_nothing_leaks(loss, seed):
    """RFC 3261 §13 to §17 with RFC 6026, as a whole."""
    link = Link(seed, loss)
    users = Users(link, seed)
    calls = 60
    for number in range(calls):
        link.later(users.dice.uniform(0, 30), users.start, number)
    link.run(until=200.0)
    for side in "ab":
        for session, leg in list(link.legs[side].items()):
            if leg.outcome is None:
                users.hang_up(side, session)
    link.run(until=400.0)
    assert [ua.counts() for ua in link.sides.values()] == [NOTHING, NOTHING]
    talked = 0
    for sessions in link.of_call.values():
        caller = link.legs["a"][sessions["a"]]
        callee = link.legs["b"][sessions["b"]] if "b" in sessions else None
        agree(caller, callee)
        talked += caller.accepted
        for leg in (caller, callee):
            if leg is not None:
                assert leg.closed
                assert leg.settled <= leg.offers
    assert talked > calls // 10


def test_without_loss_every_answered_call_is_confirmed_and_no_timer_gives_up():
    link = Link(99, loss=0.0, delay=(0.001, 0.02), double=0.0)
    users = Users(link, 99)
    for number in range(100):
        link.later(users.dice.uniform(0, 30), users.start, number)
    link.run(until=400.0)
    for leg in (*link.legs["a"].values(), *link.legs["b"].values()):
        assert not (isinstance(leg.outcome, Ended) and leg.outcome.cause != "bye")
        assert not (isinstance(leg.outcome, Rejected) and leg.outcome.response is None)
    assert [ua.counts() for ua in link.sides.values()] == [NOTHING, NOTHING]


def test_the_same_seed_gives_the_same_run():
    """Time and dice are arguments: a failure can be played again."""
    runs = []
    for _ in range(2):
        link = Link(5, 0.2)
        users = Users(link, 5)
        for number in range(20):
            link.later(users.dice.uniform(0, 10), users.start, number)
        link.run(until=300.0)
        runs.append([[type(one).__name__ for one in leg.history] for leg in link.legs["a"].values()])
    assert runs[0] == runs[1]
