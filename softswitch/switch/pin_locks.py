"""PINs of conferences and mailboxes: who types wrong ones too often is not heard for a while.

Counted are one party's wrong PINs at one door (a phone; a number at a trunk), its wrong ones at all doors, and of those
who come by a trunk also all at a door together and all together, because numbers of callers are easily made up. So
strangers who guess shut out strangers, never our own phones; and a number that has typed the right PIN lately is not
shut out with the others of its trunk.
"""

from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.switch.events import Security
from softswitch.switch.guesses import Guesses, Key, Limit
from softswitch.switch.settings import Conference

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

TRIES: Final = 3  # in one call
OWN: Final = Limit(6, 3600.0)  # of one party at one door
OWN_ANYWHERE: Final = Limit(12, 3600.0)
BY_TRUNK: Final = Limit(60, 1800.0)  # of all callers of a trunk at one door
BY_TRUNK_ANYWHERE: Final = Limit(200, 300.0)
BY_PHONES: Final = Limit(30, 1800.0)  # of all phones at one mailbox
_REGULAR: Final = 30 * 86_400.0  # seconds that a number is known for the right PIN
_MOST: Final = 10_000  # of those

Role: TypeAlias = Literal["member", "moderator", ""]
Door: TypeAlias = tuple[str | None, ...]  # what it is, its name, and its PINs: those who guess a new one begin anew


class PinLocks:
    """Wrong PINs by who typed them."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._guesses = Guesses()
        self._regulars: dict[Key, Instant] = {}  # who typed the right PIN, the latest last

    def role(self, conference: str, rules: Conference, call: "Call", pin: str, now: Instant) -> Role:
        """What the PIN makes of the caller; empty: it is wrong, or nobody listens to the caller for now. Wrong ones are
        counted and told, but for none at all."""
        found: Role = ""
        if _same(pin, rules.moderator_pin):
            found = "moderator"
        elif rules.pin is None and not pin:
            return "member"  # only moderators have one
        elif _same(pin, rules.pin):
            found = "member"
        if not pin:
            return ""  # who types nothing guesses nothing
        door = ("conference", conference, rules.pin, rules.moderator_pin)
        locked = self._locked(door, call, now)
        if found and not locked:
            self._known(door, call, now)
            return found
        party = call.leg.peer
        self._office.fact(
            "conference.refused", now, call.id, conference=conference, party=party, why="pin", locked=locked
        )
        self._wrong(door, call, locked, now)
        return ""

    def opens(self, box: str, pin: str | None, call: "Call", typed: str, now: Instant) -> bool:
        """Whether `typed` is the mailbox's PIN and the caller is listened to. A box without a PIN opens to nobody, nor
        does one that is none: for it `box` is empty."""
        door = ("mailbox", box, pin)
        locked = self._locked(door, call, now)
        if _same(typed, pin) and not locked:
            self._known(door, call, now)
            return True
        if box:
            self._office.fact("voicemail.refused", now, call.id, box=box, locked=locked)
        if typed:
            self._wrong(door, call, locked, now)
        return False

    def _locked(self, door: Door, call: "Call", now: Instant) -> bool:
        own, shared = _keys(door, call)
        if any(self._guesses.locked(key, now) for key, _ in own):
            return True
        if now - self._regulars.get(own[0][0], -_REGULAR) < _REGULAR:
            return False
        return any(self._guesses.locked(key, now) for key, _ in shared)

    def _known(self, door: Door, call: "Call", now: Instant) -> None:
        """It typed the right one. Wrong ones of before count on: else a member could guess the moderators' PIN."""
        key = _keys(door, call)[0][0][0]
        self._regulars.pop(key, None)
        self._regulars[key] = now
        while len(self._regulars) > _MOST:
            del self._regulars[next(iter(self._regulars))]

    def _wrong(self, door: Door, call: "Call", locked: bool, now: Instant) -> None:
        what, name = door[:2]
        place = f"{what} {name}".strip()
        self._tell(f"{what}-pin-wrong", call, place + (", locked out" if locked else ""), now)
        if locked:
            return
        own, shared = _keys(door, call)
        shut = [key for key, limit in own if self._guesses.wrong(key, limit, now)]
        if shut:
            self._tell("pin-locked-out", call, place, now)
        for key, limit in shared:
            if self._guesses.wrong(key, limit, now):
                where = place if len(key) > 2 else "everywhere"
                who = "phones" if key[-1] == "phones" else f"all callers of {key[-1]}"
                self._tell("pins-guessed", call, f"{where}: {limit.most} wrong PINs, {who} are locked out", now)

    def _tell(self, event: str, call: "Call", reason: str, now: Instant) -> None:
        account = f"{call.leg.peer} {call.caller}".strip()
        self._office.outbox.append(Security(event, now, "", account, reason, call.called))


def _keys(door: Door, call: "Call") -> tuple[list[tuple[Key, Limit]], list[tuple[Key, Limit]]]:
    """The caller's own buckets, and those that it shares with others."""
    party = call.leg.peer
    if party.startswith("trunk:"):
        own = f"{party} {call.caller}"
        shared = [((*door, party), BY_TRUNK), (("", party), BY_TRUNK_ANYWHERE)]
    else:
        own = party
        shared = [((*door, "phones"), BY_PHONES)] if door[0] == "mailbox" and door[1] else []
    return [((*door, own), OWN), (("", own), OWN_ANYWHERE)], shared


def _same(typed: str, pin: str | None) -> bool:
    return pin is not None and bool(pin) and compare_digest(typed.encode(), pin.encode())
