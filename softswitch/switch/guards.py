"""Toll fraud: the one place that is asked before a call leaves by a trunk, whatever sends it there.

`Directory.trunk` asks here for every number that it makes a destination of, and nothing else makes destinations of
trunks; so dialling, forwarding, REFER, redirection, call-backs and feature codes pass alike. Who answers for a call is
who sent it out (`Call.sent_by`) and, when a phone began it, that phone.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec

from softswitch.acd.model import Fact
from softswitch.call.leg import Leg
from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError
from softswitch.sip.numbers import Pattern, e164
from softswitch.switch.events import Security
from softswitch.switch.settings import ServiceClass, Settings, Trunk

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

CHARGED = "guard.charged"
_EVERYBODY = "switch"
_UNDIALLED = re.compile(r"[^0-9+]|(?<=.)\+")
_TRIES = 50
_MINUTE: Duration = 60.0
_HOUR: Duration = 3600.0


@dataclass(slots=True)
class _Class:
    """A class of service with its patterns compiled."""

    settings: ServiceClass
    may: tuple[Pattern, ...]
    may_not: tuple[Pattern, ...]
    closed_may: tuple[Pattern, ...]


class CostMemory(msgspec.Struct, frozen=True, array_like=True):
    """A leg to a carrier that costs `price` a minute: `_Outgoing`, with the id of the leg's stream."""

    trunks: tuple[str, ...]
    parties: tuple[str, ...]
    number: str
    price: float
    leg: int


@dataclass(slots=True, eq=False)
class _Outgoing:
    """A call that was let out. `price` is per minute; `leg` is the carrier's, once it has answered."""

    call: "Call"
    trunks: frozenset[str]
    parties: tuple[str, ...]
    number: str
    price: float
    leg: Leg | None = None

    @property
    def alive(self) -> bool:
        """Whether the call still has somebody at a trunk, or may have yet."""
        if self.leg is not None:
            return not self.leg.over
        if self.call.over:
            return False
        return self.call.stage.label == "ringing" or any(
            leg.peer.startswith("trunk:") for leg in self.call.stage.legs()
        )

    def cost(self, now: Instant) -> float:
        """What it has cost until now."""
        if self.leg is None or self.leg.answered_at is None:
            return 0.0
        end = now if self.leg.ended_at is None else self.leg.ended_at
        return max(0.0, end - self.leg.answered_at) * self.price / _MINUTE


@dataclass(slots=True)
class _Account:
    """What one party has done lately."""

    begun: deque[Instant] = field(default_factory=deque)
    spent: float = 0.0


class Guards:
    """One for the whole switch."""

    def __init__(self, settings: Settings, office: "Office") -> None:
        self._office = office
        self._accounts: dict[str, _Account] = {}
        self._out: dict[str, list[_Outgoing]] = {}  # by call
        self._today = ""
        self.refused = 0
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """New settings; what was spent stays spent."""
        self._settings = settings
        self._zone = ZoneInfo(settings.server.timezone)
        self._emergency = frozenset(settings.guards.emergency)
        self._classes = {
            name: _Class(
                cos, _patterns(cos.may_call), _patterns(cos.may_not_call), _patterns(cos.closed_may_call)
            )
            for name, cos in settings.classes.items()
        }  # fmt: skip
        self._rates = sorted(settings.guards.rates.items(), key=lambda rate: -len(rate[0]))

    # ----------------------------------------------------------------------------------------------------- the question

    def refuses(self, trunk: str, number: str, call: "Call", now: Instant, *, leaving: bool = False) -> str:
        """Why the call may not leave by `trunk` for `number`; empty when it may. `leaving`: it leaves as it is, without
        what the trunk strips and adds."""
        spellings = _spellings(self._settings.trunks[trunk], number, leaving)
        if {number, spellings[1]} & self._emergency:
            return ""
        parties = self._parties(call, trunk)
        why = self._barred(self._settings.trunks[trunk], spellings, parties, now) or self._too_much(
            parties, call.id, now
        )
        if why:
            self.note_refusal(trunk, number, call.sent_by or call.source, why, now, call.id)
        return why

    def refuses_text(self, trunk: str, number: str, phone: str, now: Instant) -> str:
        """Why a message of that phone may not leave by `trunk` for `number`: where its calls may not go."""
        settings = self._settings
        spellings = _spellings(settings.trunks[trunk], number, as_is=False)
        parties = {
            f"phone:{phone}": settings.phones[phone].cos or settings.guards.cos,
            f"trunk:{trunk}": settings.trunks[trunk].cos,
        }
        why = self._barred(settings.trunks[trunk], spellings, parties, now)
        if why:
            self.note_refusal(trunk, number, f"phone:{phone}", why, now)
        return why

    def bars(self, phone: str, trunk: str, number: str, now: Instant | None = None) -> str:
        """Why what the phone sends there may leave by `trunk` at no hour or, with `now`, not at that moment; empty when
        it may. Nothing is noted."""
        wanted, settings = self._settings.trunks[trunk], self._settings.phones[phone]
        spellings = _spellings(wanted, number, False)
        if {number, spellings[1]} & self._emergency:
            return ""
        parties = {f"phone:{phone}": settings.cos or self._settings.guards.cos, f"trunk:{trunk}": wanted.cos}
        why = self._barred(wanted, spellings, parties, now)
        return why if why or now is None else self._too_much(parties, "", now)

    def lets_out(
        self, trunks: Sequence[str], number: str, call: "Call", now: Instant, *, leaving: bool = False
    ) -> None:
        """The call is about to leave by one of `trunks`, each of which was asked about."""
        parties = {party for trunk in trunks for party in self._parties(call, trunk)}
        price = self._price(_spellings(self._settings.trunks[trunks[0]], number, leaving)[-1])
        if not parties and not price:
            return
        for party in parties:
            begun = self._accounts.setdefault(party, _Account()).begun
            while begun and begun[0] <= now - _HOUR:
                begun.popleft()
            begun.append(now)
        outs = self._out.setdefault(call.id, [])
        outs.append(_Outgoing(call, frozenset(trunks), (*sorted(parties), _EVERYBODY), number, price))
        if len(outs) > _TRIES:  # a call that is passed on again and again
            outs.remove(next((out for out in outs if out.leg is None), outs[0]))

    def _barred(
        self, trunk: Trunk, spellings: Sequence[str], parties: dict[str, str | None], now: Instant | None
    ) -> str:
        """`now` is None: in working hours."""
        guards = self._settings.guards
        blocked = next((prefix for prefix in guards.blocked for text in spellings if text.startswith(prefix)), None)
        if blocked is not None:
            return f"numbers of {blocked} are blocked"
        normal = spellings[-1]
        if "*" not in guards.countries and normal.startswith("+"):
            own = "+" + trunk.country.lstrip("+") if trunk.country else ""
            if not (own and normal.startswith(own)) and not normal.startswith(guards.countries):
                return "the country is not one of guards.countries"
        for party, cos in parties.items():
            known = self._classes.get(cos or "")
            if known is None:
                continue
            if any(pattern.match(text) for pattern in known.may_not for text in spellings):
                return f"class {cos} of {party} may not call it"
            opened = now is None or self._office.calendar.is_open(known.settings.hours, now)
            if not any(
                pattern.match(text) for pattern in (known.may if opened else known.closed_may) for text in spellings
            ):
                return f"class {cos} of {party} may not call it" + ("" if opened else " at this hour")
        return ""

    def _too_much(self, parties: dict[str, str | None], call: str, now: Instant) -> str:
        limit = self._settings.guards.spend_per_day
        if limit and self._spent(_EVERYBODY, now) >= limit:
            return f"guards.spend_per_day = {limit:g} is used up"
        for party, cos in parties.items():
            known = self._classes.get(cos or "")
            if known is None:
                continue
            rules = known.settings
            if rules.spend_per_day and self._spent(party, now) >= rules.spend_per_day:
                return f"{party} has used up its {rules.spend_per_day:g} of the day"
            begun = self._accounts[party].begun if party in self._accounts else deque[Instant]()
            for most, seconds, name in (
                (rules.calls_per_minute, _MINUTE, "minute"),
                (rules.calls_per_hour, _HOUR, "hour"),
            ):
                if most and sum(at > now - seconds for at in begun) >= most:
                    return f"{party} has begun {most} calls within the {name}"
            if rules.calls_at_once and len(self._alive(party) - {call}) >= rules.calls_at_once:
                return f"{party} has {rules.calls_at_once} calls out already"
        return ""

    def _parties(self, call: "Call", trunk: str) -> dict[str, str | None]:
        """Who answers for the call, each with its class of service."""
        settings, directory = self._settings, self._office.directory
        found: dict[str, str | None] = {}
        for party in (call.sent_by, call.source):
            seat = directory.seat(party)
            if seat:
                found[f"phone:{seat}"] = settings.phones[seat].cos or settings.guards.cos
        if not found and call.source.startswith("trunk:"):
            found[f"from {call.source}"] = settings.guards.transit_cos
        found[f"trunk:{trunk}"] = settings.trunks[trunk].cos
        return {party: cos for party, cos in found.items() if cos or party.startswith("phone:")}

    def _price(self, normal: str) -> float:
        return next((price for prefix, price in self._rates if prefix == "*" or normal.startswith(prefix)), 0.0)

    def note_refusal(self, trunk: str, number: str, account: str, why: str, now: Instant, call: str = "") -> None:
        self.refused += 1
        office = self._office
        what = "call out refused" if call else "message out refused"
        office.log("warning", what, call=call, account=account, trunk=trunk, number=number, reason=why)
        office.fact("guard.refused", now, call, trunk=trunk, number=number, account=account, why=why)
        office.outbox.append(Security("toll-refused", now, "", account, why, number))

    # -------------------------------------------------------------------------------------------------------- the money

    def answered(self, leg: Leg, call: "Call") -> None:
        """A carrier has answered: from here on it costs."""
        trunk = leg.peer.partition(":")[2]
        for out in reversed(self._out.get(call.id, ())):
            if out.leg is None and trunk in out.trunks:
                out.leg = leg
                return

    def passed(self, leg: Leg, call: "Call") -> None:
        """The leg goes on in another call, whose cost it is from here on."""
        for id, outs in tuple(self._out.items()):
            for out in tuple(outs):
                if out.leg is leg and out.call is not call:
                    outs.remove(out)
                    out.call = call
                    self._out.setdefault(call.id, []).append(out)
            if not outs:
                del self._out[id]

    def memory(self, call: "Call") -> tuple[CostMemory, ...]:
        """What another control process must know to charge the call."""
        return tuple(
            CostMemory(tuple(out.trunks), out.parties, out.number, out.price, out.leg.id)
            for out in self._out.get(call.id, ())
            if out.leg is not None
        )

    def recall(self, call: "Call", costs: Iterable[CostMemory], legs: Mapping[int, Leg]) -> None:
        """Charge the call for what another control process let out."""
        outs = [
            _Outgoing(call, frozenset(cost.trunks), cost.parties, cost.number, cost.price, legs[cost.leg])
            for cost in costs
            if cost.leg in legs
        ]
        if outs:
            self._out[call.id] = outs

    def ended(self, call: "Call", now: Instant) -> None:
        """Nothing of the call goes on."""
        for out in self._out.pop(call.id, ()):
            heir = None if out.leg is None or out.leg.over else self._office.calls.get(out.leg.owner)
            if heir is not None and heir is not call:  # its carrier's leg went on in another call
                out.call = heir
                self._out.setdefault(heir.id, []).append(out)
            else:
                self._charge(out, now)

    def watch(self, now: Instant) -> None:
        """Every few seconds: charge what has ended, and cut calls whose money is used up."""
        for id, outs in tuple(self._out.items()):
            left = [out for out in outs if out.leg is None or not out.leg.over]
            for out in outs:
                if out not in left:
                    self._charge(out, now)
            if left:
                self._out[id] = left
            else:
                del self._out[id]
        if self._settings.guards.cut and self._out:
            for call, why in list(self._spendthrifts(now)):
                self._office.log("warning", "call cut", call=call.id, reason=why)
                self._office.fact("guard.cut", now, call.id, why=why)
                self._office.outbox.append(Security("toll-cut", now, "", call.sent_by or call.source, why, ""))
                call.end(now, 403, by="switch", reason=why)

    def _spendthrifts(self, now: Instant) -> "Iterator[tuple[Call, str]]":
        over: dict[str, str] = {}
        spent = self._all_spent(now)
        limit = self._settings.guards.spend_per_day
        if limit and spent.get(_EVERYBODY, 0.0) >= limit:
            over[_EVERYBODY] = f"guards.spend_per_day = {limit:g} is used up"
        for outs in tuple(self._out.values()):
            for out in outs:
                for party in out.parties:
                    rules = self._rules(party, out.call)
                    if (
                        party not in over
                        and rules
                        and rules.spend_per_day
                        and spent.get(party, 0.0) >= rules.spend_per_day
                    ):
                        over[party] = f"{party} has used up its {rules.spend_per_day:g} of the day"
                why = next((over[party] for party in out.parties if party in over), "")
                if why and out.price and not out.call.over:
                    yield out.call, why

    def _rules(self, party: str, call: "Call") -> ServiceClass | None:
        kind, _, name = party.partition(":")
        settings = self._settings
        cos = settings.guards.transit_cos
        if kind == "phone":
            cos = (settings.phones[name].cos if name in settings.phones else None) or settings.guards.cos
        elif kind == "trunk":
            cos = settings.trunks[name].cos if name in settings.trunks else None
        return settings.classes.get(cos or "")

    def _alive(self, party: str) -> set[str]:
        return {id for id, outs in self._out.items() if any(party in out.parties and out.alive for out in outs)}

    def _spent(self, party: str, now: Instant) -> float:
        self._roll(now)
        running = sum(
            out.cost(now) for outs in self._out.values() for out in outs if out.price and party in out.parties
        )
        account = self._accounts.get(party)
        return running + (account.spent if account is not None else 0.0)

    def _all_spent(self, now: Instant) -> dict[str, float]:
        """The same for every party, in one pass over the calls: 1,000 of them are looked at every few seconds."""
        self._roll(now)
        found = {party: account.spent for party, account in self._accounts.items()}
        for outs in self._out.values():
            for out in outs:
                cost = out.cost(now) if out.price else 0.0
                for party in out.parties if cost else ():
                    found[party] = found.get(party, 0.0) + cost
        return found

    def _charge(self, out: _Outgoing, now: Instant) -> None:
        cost = out.cost(now)
        if cost <= 0.0 or out.leg is None:
            return
        self._book(out.parties, cost, now)
        self._office.fact(
            CHARGED, now, out.call.id, parties=list(out.parties), number=out.number, cost=round(cost, 6)
        )  # fmt: skip

    def _book(self, parties: Iterable[str], cost: float, now: Instant) -> None:
        self._roll(now)
        for party in parties:
            self._accounts.setdefault(party, _Account()).spent += cost

    def _roll(self, now: Instant) -> None:
        """A new day in the server's time zone has its own money."""
        today = datetime.fromtimestamp(now, self._zone).date().isoformat()
        if today != self._today:
            self._today = today
            for account in self._accounts.values():
                account.spent = 0.0

    def learn(self, facts: Iterable[Fact]) -> None:
        """What the ledger tells of money spent before a restart."""
        for fact in facts:
            if fact.kind == CHARGED:
                parties, cost = fact.data.get("parties"), fact.data.get("cost")
                if isinstance(parties, list) and isinstance(cost, int | float):
                    self._book((str(party) for party in parties), float(cost), fact.at)

    def spent(self, now: Instant) -> dict[str, float]:
        """Today's money by party, `switch` for all together."""
        return {party: money for party, money in sorted(self._all_spent(now).items()) if money > 0.0}

    @property
    def held(self) -> int:
        """How many calls are kept in mind."""
        return sum(map(len, self._out.values()))


def _spellings(trunk: Trunk, number: str, as_is: bool) -> tuple[str, ...]:
    """The number as dialled, as it leaves, nothing but its digits, with the prefix that its "+" stands for, and last in
    E.164 as far as that can be told: what a carrier may ignore (`#`, letters, marks) hides no prefix."""
    leaving = number if as_is else trunk.prefix + number[trunk.strip :]
    plain = _UNDIALLED.sub("", leaving)
    abroad = (trunk.international_prefix + plain[1:],) if plain.startswith("+") and trunk.international_prefix else ()
    return (number, leaving, plain, *abroad, _normal(trunk, _UNDIALLED.sub("", number)), _normal(trunk, plain))


def _normal(trunk: Trunk, number: str) -> str:
    abroad = trunk.international_prefix
    if number.startswith("+0"):  # no calling code begins with 0: a carrier may take it for what was dialled without "+"
        number = number[1:]
    try:
        normal = e164(number, trunk.country, trunk.national_prefix, abroad)
    except LocalError:
        return number
    if abroad and normal.startswith(abroad) and normal[len(abroad) :].isdigit():  # too short, with letters left out
        return "+" + normal[len(abroad) :]
    return normal


def _patterns(texts: tuple[str, ...]) -> tuple[Pattern, ...]:
    return tuple(map(Pattern, texts))
