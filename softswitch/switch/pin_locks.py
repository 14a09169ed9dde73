"""PINs of conferences: who types wrong ones too often is heard no more for a while.

Counted are one party's wrong PINs for a conference (a phone; a number at a trunk), and those of all that come by a
trunk: numbers of callers are easily made up. So strangers who guess shut out strangers, never our own phones.
"""

from hmac import compare_digest
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.switch.events import Security
from softswitch.switch.settings import Conference

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

TRIES: Final = 3  # in one call
WRONG: Final = 6  # of one party
WRONG_BY_TRUNK: Final = 60  # of all callers of a trunk together
LOCKED: Final = 900.0  # seconds
_MOST: Final = 10_000  # parties that are kept in mind

Role: TypeAlias = Literal["member", "moderator", ""]


class PinLocks:
    """Wrong PINs by who typed them."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._wrong: dict[tuple[str, str], tuple[int, Instant]] = {}  # how many lately, and when the last one was

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
        keys = self._keys(conference, call)
        locked = any(self._count(key, now) >= most for key, most in keys)
        if found and not locked:
            self._wrong.pop(keys[0][0], None)
            return found
        if not locked:
            for key, _ in keys:
                count = self._count(key, now) + 1
                self._wrong.pop(key, None)  # the newest stand last
                self._wrong[key] = (count, now)
            while len(self._wrong) > _MOST:
                del self._wrong[next(iter(self._wrong))]
        office, account = self._office, f"{call.leg.peer} {call.caller}".strip()
        office.fact(
            "conference.refused", now, call.id, conference=conference, party=call.leg.peer, why="pin", locked=locked
        )
        why = f"conference {conference}" + (", locked out" if locked else "")
        office.outbox.append(Security("conference-pin-wrong", now, "", account, why, call.called))
        return ""

    def _keys(self, conference: str, call: "Call") -> list[tuple[tuple[str, str], int]]:
        party = call.leg.peer
        if party.startswith("trunk:"):
            own = (conference, f"{party} {call.caller}")
            return [(own, WRONG), ((conference, party), WRONG_BY_TRUNK)]
        return [((conference, party), WRONG)]

    def _count(self, key: tuple[str, str], now: Instant) -> int:
        count, last = self._wrong.get(key, (0, now))
        return 0 if now >= last + LOCKED else count


def _same(typed: str, pin: str | None) -> bool:
    return pin is not None and bool(pin) and compare_digest(typed.encode(), pin.encode())
