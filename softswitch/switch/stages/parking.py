"""Parking: a call waits with music at a number until somebody dials it; after a while the phone that parked is rung.

A call comes here by transfer (blind, by key or REFER, by an operator's order), or by a phone that dials the code while
it holds the call. The phone that parks by key or code hears the number.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from softswitch.call.causes import reason_header
from softswitch.call.leg import Leg
from softswitch.call.speech import say_digits
from softswitch.kernel.clock import Instant
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.pickup import bring
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.sounds import PlayStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import Target

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class ParkStage(Stage):
    """The caller waits at a place of `lot`, at `wanted` if that is said. Who has parked it by key hears where."""

    label = "parked"

    def __init__(self, call: "Call", lot: str, wanted: str = "") -> None:
        super().__init__(call, wanted)
        self._lot = lot
        self._parker = None if call.passed_on is None else call.passed_on.hears
        self._player = 0
        self._taken = False

    def legs(self) -> tuple[Leg, ...]:
        return () if self._parker is None else (self._parker,)

    def enter(self, now: Instant) -> None:
        call, office = self.call, self.call.office
        self.at = office.parked.free(self._lot, self.at)
        if not self.at:
            self._release(now)
            call.refuse(now, 486)
            return
        if not call.answer(now):
            return
        office.parked.take(self.at, call, now)
        self._taken = True
        call.check_audible(call.leg)
        lot, passed_on = office.settings.parking[self._lot], call.passed_on
        call.music(lot.music)
        phone, agent = ("", "") if passed_on is None else (passed_on.phone, passed_on.agent)
        by = f"phone:{phone}" if phone else ""
        office.fact("call.parked", now, call.id, slot=self.at, lot=self._lot, by=by, from_agent=agent)
        self.deadline = now + lot.timeout
        if passed_on is not None and self._parker is not None:
            call.passed_on = replace(passed_on, hears=None)
            call.recording.follow((), now)
            items = office.prompts(parked_at(self.at, call.language), call.language)
            self._player = office.fabric.play(self._parker.worker, items, owner=call.id)
            self._parker.hear(self._player)

    def leave(self, now: Instant) -> None:
        self._release(now)
        if self._taken:
            self._taken = False
            self.call.office.parked.leave(self.at, now)
        if not self.call.over:
            self.call.leg.hear()

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        if player == self._player:
            self._release(now)

    def on_gone(self, leg: Leg, now: Instant, reason: str = "") -> None:
        if leg is self._parker:
            self._release(now)

    def let_go(self, leg: Leg, now: Instant) -> bool:
        if leg is not self._parker:
            return False
        self._release(now)
        return True

    def wake(self, now: Instant) -> None:
        """Nobody came."""
        call, office = self.call, self.call.office
        lot = office.settings.parking.get(self._lot)
        phone = "" if call.passed_on is None else call.passed_on.phone
        then = None if lot is None else lot.then
        office.fact("call.park_timeout", now, call.id, slot=self.at, lot=self._lot, back_to=phone)
        ringing = office.directory.ringing(Target("phone", phone), call, now) if phone else None
        if lot is None or ringing is None:
            if then is not None:
                call.go(then, now)
            else:
                call.refuse(now, 480)
            return
        waves = tuple(msgspec.structs.replace(wave, ring_seconds=lot.ring_back) for wave in ringing.waves)
        fallbacks: tuple[tuple[str, str | None], ...] = (("any", then or f"park:{self._lot}"),)
        back = Ringing(ringing.target, waves, fallbacks, refusal=ringing.refusal)
        call.move(DialStage(call, back), now)

    def _release(self, now: Instant) -> None:
        """Who parked has heard enough."""
        leg, self._parker = self._parker, None
        if self._player:
            self.call.office.fabric.stop_play(self.call.leg.worker if leg is None else leg.worker, self._player)
            self._player = 0
        if leg is not None:
            self.call.drive(leg.hang_up(now, headers=self.call.parting or (reason_header(200),)))
            self.call.closed(leg)


class ParkHeldStage(PlayStage):
    """A phone parks the call that it holds, in the first lot or at the place that it says."""

    def __init__(self, call: "Call", phone: str, place: str = "") -> None:
        super().__init__(call, "cannot-park")
        self._phone = phone
        self._place = place

    def enter(self, now: Instant) -> None:
        call, parked = self.call, self.call.office.parked
        lot = parked.lot_of(self._place) if self._place else parked.first_lot
        held = self._held()
        place = parked.free(lot, self._place) if lot and held is not None else ""
        if held is not None and place:
            talk, leg = held
            if leg is talk.call.leg:
                talk.swap(now)
            park(talk, lot, place, now)
            self._prompts = parked_at(place, call.language)
            self.at = self._prompts[0]
        super().enter(now)

    def _held(self) -> tuple[TalkStage, Leg] | None:
        """The talk that the phone holds, the one held last."""
        directory = self.call.office.directory
        found = [
            (leg.held_at, talk, leg)
            for other in self.call.office.calls.values()
            if isinstance(talk := other.stage, TalkStage) and talk.transfer is None
            for leg in (other.leg, talk.callee)
            if leg.held_at is not None and directory.seat(leg.peer) == self._phone
            if leg is talk.callee or not talk.agent
        ]
        last = max(found, key=lambda one: one[0], default=None)
        return None if last is None else last[1:]


class RetrieveStage(PlayStage):
    """A phone dials a place: it talks with who is parked there, or hears that nobody is."""

    def __init__(self, call: "Call", place: str) -> None:
        super().__init__(call, "nobody-parked")
        self._place = place

    def enter(self, now: Instant) -> None:
        call = self.call
        office, other = call.office, call.office.parked.calls.get(self._place)
        if other is None:
            super().enter(now)
            return
        at = call.leg.peer
        leg = bring(call, other, now)
        if leg is None:
            return
        call.served(now, f"park:{self._place}")
        call.end(now, by="switch", reason=f"retrieved call {other.id}")
        office.fact("call.retrieved", now, other.id, slot=self._place, by=at, retrieval=call.id)
        other.join(leg, at, record=False, now=now)


def park(talk: TalkStage, lot: str, place: str, now: Instant) -> None:
    """The callee of the talk leaves its party at that place."""
    call = talk.call
    call.parked_by(talk.callee, f"park:{lot}/{place}", talk.agent, now)
    call.move(ParkStage(call, lot, place), now)


def parked_at(place: str, language: str) -> tuple[str, ...]:
    """The prompts that say where."""
    return ("parked-at", *say_digits(place, language))
