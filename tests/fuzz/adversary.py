"""A peer that plays by no rules, and a referee that knows a few of RFC 3261, 3262, 3311 and 6026 by heart.

The adversary sends requests and responses of any dialog, in any order, twice, late or never, with wrong tags, numbers
and branches. The referee looks only at what went over the wire and what came up, never into the user agent.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from softswitch.kernel.errors import PeerError
from softswitch.sip.events import (
    Accepted,
    Cancelled,
    Ended,
    InDialog,
    Invited,
    OfferAnswered,
    Reinvited,
    Rejected,
    Requested,
    SessionClosed,
)
from softswitch.sip.session_terms import Terms
from softswitch.wire.sip import Request, Response, parse
from tests.sip.sip_peer import ANSWER, OFFER, UDP, World, answer, request

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "OPTIONS", "REFER", "MESSAGE", "SUBSCRIBE")
STATUSES = (100, 180, 183, 199, 200, 200, 200, 200, 202, 302, 401, 404, 481, 486, 487, 491, 500, 503, 603)
TERMS = (
    Terms(),
    Terms(),
    Terms(reliable="supported", session_expires=90),
    Terms(reliable="supported", session_expires=90),
    Terms(reliable="required", session_expires=1800, min_se=90),
)
_FORGOTTEN = {"INVITE": 5.0}  # seconds after which a transaction may be new again: Timer I, else J (§17.2)
_END = (Ended, Rejected, Cancelled)
ALLOW = (*METHODS[:7], "OPTIONS", "REFER", "MESSAGE")


Key: TypeAlias = tuple[str, str, int, str]
_GIVE_UP = 32.0  # 64*T1


@dataclass
class Invite:
    """An INVITE of ours: when it went out, in which dialog, the latest status that came, and when the first final one
    did."""

    at: float
    tag: str | None
    status: int = 0
    final_at: float = 0.0


class Referee:
    """Every rule has its paragraph. `take` is called with all that happens, in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.finals: dict[Key, tuple[float, bytes]] = {}
        self.asked: set[Key] = set()
        self.invited: dict[tuple[str, str, int], Invite] = {}
        self.numbers: dict[tuple[str, str | None, str | None], dict[str, int]] = defaultdict(dict)
        self.ended: set[int] = set()
        self.closed: Counter[int] = Counter()
        self.accepted: set[tuple[str, str, int]] = set()
        self.acknowledged: set[tuple[str, str, int]] = set()

    def came(self, message: Request | Response) -> None:
        if isinstance(message, Request):
            self.asked.add(_key(message))
            return
        invite = self.invited.get((message.call_id, message.via.branch or "", message.cseq.number))
        if invite is None or message.cseq.method != "INVITE" or invite.tag not in (None, message.to.tag):
            return
        if invite.status < 200 and (invite.status or self.now - invite.at < _GIVE_UP - 1.0):
            invite.status, invite.final_at = message.status, self.now
        if 200 <= message.status < 300 and 200 <= invite.status < 300 and self.now - invite.final_at < _GIVE_UP - 1.0:
            self.accepted.add((message.call_id, message.to.tag or "", message.cseq.number))

    def went(self, message: Request | Response) -> None:
        if isinstance(message, Response):
            self._answered(message)
        elif message.method == "ACK":
            self.acknowledged.add((message.call_id, message.to.tag or "", message.cseq.number))
        elif message.method != "CANCEL":
            self._asked(message)

    def said(self, event: Any) -> None:
        session = getattr(event, "session", None)
        if session is None:
            return
        assert not self.closed[session], f"{event} after the session was closed"
        if isinstance(event, SessionClosed):
            self.closed[session] += 1
        elif isinstance(event, _END):
            assert session not in self.ended, f"{event}: ended twice"
            self.ended.add(session)

    def _answered(self, response: Response) -> None:
        key = _key(response)
        assert key in self.asked, f"{response}: nobody asked"
        assert key[3] != "ACK", "RFC 3261 §17.1.1.3: nobody answers an ACK"
        if response.status >= 200:
            since, before = self.finals.get(key, (self.now, response.to_bytes()))
            if before != response.to_bytes():
                forgotten = _FORGOTTEN.get(response.cseq.method, 32.0)
                assert self.now - since >= forgotten, f"§17.2: two final responses to {key}: {before!r}, {response}"
                since = self.now
            self.finals[key] = (since, response.to_bytes())

    def _asked(self, message: Request) -> None:
        branch = message.via.branch or ""
        seen = self.numbers[message.call_id, message.from_.tag, message.to.tag]
        if branch in seen:
            assert seen[branch] == message.cseq.number, "§17.1.1.2: a retransmission is the same request"
            return
        if message.to.tag:
            latest = max(seen.values(), default=0)
            assert message.cseq.number > latest, f"§12.2.1.1: CSeq {message.cseq} after {latest}"
        seen[branch] = message.cseq.number
        if message.method == "INVITE":
            self.invited[message.call_id, branch, message.cseq.number] = Invite(self.now, message.to.tag)

    def in_the_end(self) -> None:
        """When every timer has run out."""
        missing = self.accepted - self.acknowledged
        assert not missing, f"§13.2.2.4: 2xx without ACK: {missing}"


def _key(message: Request | Response) -> Key:
    """A server transaction (§17.2.3), told apart by its number, too: careless phones use a branch again."""
    return message.call_id, message.via.branch or "", message.cseq.number, message.cseq.method


class Adversary:
    """One match. `step` makes a move; `finish` lets time run out and asks the referee."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.world = World(allow=ALLOW, supported=("100rel", "timer", "replaces"))
        self.referee = Referee()
        self.looked = [0, 0]
        self.sessions: list[int] = []
        self.open: list[tuple[str, int]] = []
        self.history: list[bytes] = []
        self.late: list[bytes] = []
        self.ours: list[Request] = []
        self.theirs: list[Response] = []
        self.count = 0

    def step(self) -> None:
        moves: dict[Callable[[], None], int] = {
            self._new: 1, self._within: 2, self._sensible: 4, self._answer: 2, self._again: 1, self._forge: 1,
            self._release: 1, self._above: 3, self._call: 2, self._time: 1,
        }  # fmt: skip
        self.dice.choices(list(moves), list(moves.values()))[0]()
        self._look()

    def finish(self) -> None:
        for data in self.late:
            self._give(data)
        self._look()
        for session in list(self.sessions):
            self.world.do("hang_up", session)
            self._look()
        for _ in range(200):
            self.world.advance(10.0)
            self._look()
        assert self.world.ua.counts() == dict.fromkeys(self.world.ua.counts(), 0), self.world.ua.counts()
        self.referee.in_the_end()

    # ---------------------------------------------------------------------------------------------------------- moves

    def _new(self) -> None:
        """A request outside dialogs, now and then with the Call-ID and branch of another."""
        self.count += 1
        method = self.dice.choice(
            ("INVITE", "INVITE", "INVITE", "OPTIONS", "MESSAGE", "REFER", "CANCEL", "BYE", "PRACK")
        )
        number = self.count if self.dice.random() < 0.9 else self.dice.randint(1, self.count)
        headers = self._headers(method)
        body = self.dice.choice((OFFER, OFFER, b""))
        self._give(
            request(method, f"z9hG4bKn{number}", f"call-{number}", self.dice.randint(1, 3), headers=headers, body=body)
        )

    def _within(self) -> None:
        """A request in a dialog, more or less."""
        if not self.theirs:
            return
        ok = self.dice.choice(self.theirs[-6:])
        method = self.dice.choice(METHODS)
        cseq = ok.cseq.number + self.dice.choice((0, 0, 1, 1, 2, 3, -1))
        if method in ("ACK", "CANCEL"):
            cseq = ok.cseq.number if self.dice.random() < 0.8 else cseq
        self.count += 1
        branch = (ok.via.branch or "") if method == "CANCEL" and self.dice.random() < 0.8 else f"z9hG4bKw{self.count}"
        tag = ok.to.tag if self.dice.random() < 0.9 else self.dice.choice((None, "wrong"))
        if method == "CANCEL":
            tag = None
        headers = list(self._headers(method))
        if method == "PRACK":
            rseq = ok.headers.get("RSeq") or str(self.dice.randint(0, 9))
            headers.append(("RAck", f"{rseq} {ok.cseq.number} INVITE" if self.dice.random() < 0.8 else "0 x"))
        from_tag = (ok.from_.tag or "theirs") if self.dice.random() < 0.95 else "other"
        body = self.dice.choice((OFFER, ANSWER, b"", b"")) if method != "CANCEL" else b""
        self._give(request(method, branch, ok.call_id, max(0, cseq), tag, from_tag, headers=headers, body=body))

    def _sensible(self) -> None:
        """The next thing that a good peer would do about our latest response to an INVITE; without these no match would
        get far."""
        found = [one for one in self.theirs[-8:] if one.cseq.method == "INVITE"]
        if not found:
            return
        ok = self.dice.choice(found)
        self.count += 1
        number, branch, tag, body = ok.cseq.number, f"z9hG4bKs{self.count}", ok.to.tag, b""
        method = "ACK"
        if ok.status < 200:
            method, branch, tag = "CANCEL", ok.via.branch or "", None
            if ok.headers.get("RSeq") or self.dice.random() < 0.6:
                if self.sessions:
                    self.world.do("accept", self.sessions[-1], ANSWER)
                return
        elif ok.status >= 300:
            branch = ok.via.branch or ""
        elif self.dice.random() < 0.4:
            method, number, body = self.dice.choice((("INVITE", number + 1, OFFER), ("BYE", number + 2, b"")))
        self._give(request(method, branch, ok.call_id, number, tag, ok.from_.tag or "theirs", body=body))

    def _answer(self) -> None:
        """A response to a request of ours: the latest or an old one, from one of three forks."""
        if not self.ours:
            return
        sent = self.dice.choice(self.ours[-5:])
        if sent.method == "ACK":
            return
        status = self.dice.choice(STATUSES)
        headers = []
        if 100 < status < 200 and self.dice.random() < 0.4:
            headers += [("Require", "100rel"), ("RSeq", str(self.dice.randint(1, 4)))]
        if 200 <= status < 300 and self.dice.random() < 0.4:
            headers += [
                ("Session-Expires", f"{self.dice.choice((60, 90, 300))};refresher={self.dice.choice(('uac', 'uas'))}")
            ]
        if status == 302:
            headers.append(("Contact", "<sip:else@192.0.2.1>"))
        tag = sent.to.tag or self.dice.choice(("theirs", "theirs", "fork1", "fork2"))
        body = self.dice.choice((ANSWER, ANSWER, b""))
        self._give(answer(sent, status, tag, body, headers).to_bytes())

    def _again(self) -> None:
        """A retransmission, now or later."""
        if self.history:
            data = self.dice.choice(self.history[-12:])
            if self.dice.random() < 0.5:
                self.late.append(data)
            else:
                self._give(data)

    def _release(self) -> None:
        """What was held back arrives."""
        if self.late:
            self._give(self.late.pop(self.dice.randrange(len(self.late))))

    def _forge(self) -> None:
        """A message of before with another tag, number or branch."""
        if not self.history:
            return
        data = self.dice.choice(self.history[-12:])
        old, new = self.dice.choice(
            ((b"tag=theirs", b"tag=strange"), (b"CSeq: 1 ", b"CSeq: 7 "), (b"z9hG4bK", b"z9hG4bKx"))
        )
        self._give(data.replace(old, new))

    def _call(self) -> None:
        """The floor above calls out."""
        terms = self.dice.choice(TERMS)
        session, _ = self.world.call(self.dice.choice((OFFER, OFFER, b"")), terms=terms)
        self.sessions.append(session)

    def _above(self) -> None:
        """The floor above does something, sensible or not, to a session or an open request."""
        world, dice = self.world, self.dice
        if self.open and dice.random() < 0.4:
            kind, number = self.open.pop(dice.randrange(len(self.open)))
            if kind == "tx":
                world.do("respond", number, dice.choice((200, 202, 403, 500)))
            elif dice.random() < 0.7:
                world.do("accept_offer", number, ANSWER)
            else:
                world.do("reject_offer", number, 488)
            return
        if not self.sessions:
            return
        session = dice.choice(self.sessions[-4:])
        match dice.choice((0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 8)):
            case 0:
                world.do("ring", session, 180)
            case 1:
                world.do("ring", session, 183, body=ANSWER)
            case 2 | 3:
                world.do("accept", session, ANSWER)
            case 4:
                world.do("reject", session, dice.choice((404, 486, 603)))
            case 5:
                world.do("hang_up", session)
            case 6:
                world.do("reinvite", session, dice.choice((OFFER, b"")))
            case 7:
                world.do("confirm", session, ANSWER)
            case _:
                world.do("send_in_dialog", session, "INFO")

    def _time(self) -> None:
        self.world.advance(self.dice.choice((0.1, 0.5, 1.0, 4.0, 33.0, 95.0)))

    # --------------------------------------------------------------------------------------------------------- within

    def _adopt(self, session: int) -> None:
        """As the switch does it."""
        try:
            refusal = self.world.ua.adopt(session, self.dice.choice(TERMS))
        except PeerError as error:
            self.world.do("reject", session, error.status)
            return
        if refusal is not None:
            self.world.do("reject", session, refusal.status, headers=refusal.headers)

    def _headers(self, method: str) -> list[tuple[str, str]]:
        dice = self.dice
        found = []
        if method in ("INVITE", "UPDATE"):
            found.append(("Allow", ", ".join(METHODS)))
            if dice.random() < 0.5:
                found.append((dice.choice(("Supported", "Supported", "Require")), "100rel, timer"))
            if dice.random() < 0.3:
                found.append(
                    ("Session-Expires", dice.choice(("90", "1800;refresher=uas", "10", "x", "120;refresher=uac")))
                )
        if method in ("REFER",):
            found.append(("Refer-To", "<sip:1002@192.0.2.9>"))
        return found

    def _give(self, data: bytes) -> None:
        self.history.append(data)
        message = parse(data)
        self.referee.now = self.world.now
        self.referee.came(message)
        self.world.receive(data, UDP)

    def _look(self) -> None:
        """Everything that has come of it since the last look."""
        world = self.world
        for at, _, message in world.sent[self.looked[0] :]:
            self.referee.now = at
            self.referee.went(message)
            (self.ours if isinstance(message, Request) else self.theirs).append(message)
        for event in world.events[self.looked[1] :]:
            self.referee.said(event)
            match event:
                case Invited():
                    self.sessions.append(event.session)
                    self._adopt(event.session)
                case Requested() | InDialog():
                    self.open.append(("tx", event.tx))
                case Reinvited():
                    self.open.append(("offer", event.session))
                case SessionClosed() if event.session in self.sessions:
                    self.sessions.remove(event.session)
                case Accepted() | OfferAnswered():
                    pass
        self.looked = [len(world.sent), len(world.events)]
