"""Call-backs on the switch's side: which numbers may be called and how, and the calls that try it.

The ACD keeps a call-back's place and says when an agent is there for it. Where a number may be called is for the
queue's `callback` settings alone: a trunk, and patterns; nobody can make the switch dial anything else.
"""

import re
from typing import TYPE_CHECKING

from softswitch.acd.model import CallbackAsked, CallbackCancelled, CallbackFailed, CallbackSettings, Offer
from softswitch.call.fabric import NoPort
from softswitch.call.leg import Leg
from softswitch.call.stream_policy import StreamPolicy
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.sip.numbers import Pattern
from softswitch.sip.privacy import ANONYMOUS
from softswitch.switch.targets import parse_target

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

_NUMBER = re.compile(r"\+?[0-9]{2,20}")
_LATER = 60.0  # seconds, while draining or shut
_NO_PORT = 3.0  # seconds; after a restart media processes are back within one or two


class Callbacks:
    """One for the switch."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    def way(self, queue: str, number: str, *, own: bool = False) -> str | None:
        """The target by which `number` is called back from `queue`; None when it may not be. `own`: it is the number
        that the caller calls from."""
        rules = self._rules(queue)
        if rules is None:
            return None
        extension = self._office.plan.extension(number)
        if extension is not None and (own or rules.numbers):
            return f"phone:{extension}"
        if rules.to is None or _NUMBER.fullmatch(number) is None:
            return None
        if not (any(Pattern(pattern).match(number) for pattern in rules.numbers) or (own and not rules.numbers)):
            return None
        return f"{rules.to}/{number}"

    def may_type(self, queue: str) -> bool:
        """Whether another number than the caller's own may be asked for."""
        rules = self._rules(queue)
        return rules is not None and bool(rules.numbers)

    def ask(
        self,
        queue: str,
        number: str,
        now: Instant,
        *,
        call: "Call | None" = None,
        own: bool = False,
        by: str = "caller",
        head_start: float = 0.0,
        arrived: Instant | None = None,
        language: str = "",
    ) -> None:
        """Take a wish to be called back. One that may not be is left out, loudly."""
        office = self._office
        to = self.way(queue, number, own=own)
        if to is None:
            office.log("warning", "call-back refused", queue=queue, number=number, by=by)
            return
        name = f"cb{int(now):x}{token(office.dice, 24)}"
        language = language or (office.settings.server.language if call is None else call.language)
        asked = CallbackAsked(
            *(name, queue, number, to, "" if call is None else call.id, by),
            arrived=arrived,
            head_start=head_start,
            language=language,
        )
        office.acd(asked, now)

    def cancel(self, callback: str, by: str, now: Instant) -> None:
        """It is not wanted any more."""
        self._office.acd(CallbackCancelled(callback, by), now)

    def begin(self, offer: Offer, draining: bool, now: Instant) -> "Call | None":
        """An agent is there for a call-back: the call that tries it. None when it may not be tried now; the ACD has
        been told then."""
        from softswitch.switch.call import Call

        office = self._office
        wanted = office.engine.callback(offer.callback)
        rules = self._rules(offer.queue) or CallbackSettings()
        if wanted is None:
            office.acd(CallbackFailed(offer.call, "stopped"), now)
            return None
        if draining:
            office.acd(CallbackFailed(offer.call, "closed", now + _LATER), now)
            return None
        queue = office.settings.queues[offer.queue]
        hours = rules.hours or queue.hours
        if queue.shut or not office.calendar.is_open(hours, now):
            again = now + _LATER if queue.shut else office.calendar.opens(hours, now)
            office.acd(CallbackFailed(offer.call, "closed", again), now)
            return None
        try:
            worker = office.fabric.pick()
        except NoPort as error:
            office.log("error", "call-back put off", callback=offer.callback, reason=str(error))
            office.acd(CallbackFailed(offer.call, "stopped", now + _NO_PORT), now)
            return None
        source = f"callback:{offer.queue}"
        stand_in = StreamPolicy(office.settings.media.codecs, "")
        leg = Leg(offer.call, source, worker, stand_in, office.ua, office.fabric)  # until the customer has answered
        call = Call(
            offer.call, office, leg, source=source, caller=wanted.number, caller_name="Call-back", called=wanted.number,
            language=wanted.language or office.settings.server.language,
            max_forwards=office.settings.sip.max_forwards, now=now,
        )  # fmt: skip
        call.callback = offer.callback
        call.caller_id = self._shown(rules, wanted.to)
        call.facts.queue = offer.queue
        call.facts.destination = wanted.to
        office.fact("call.started", now, call.id, source=source, caller=wanted.number, called=wanted.number)
        return call

    def _shown(self, rules: CallbackSettings, to: str) -> str:
        """The number that the customer sees; never the customer's own."""
        target = parse_target(to)
        trunk = self._office.settings.trunks.get(target.name) if target.kind == "trunk" else None
        own = None if trunk is None else trunk.caller_id or trunk.username
        return rules.caller_id or own or ANONYMOUS

    def _rules(self, queue: str) -> CallbackSettings | None:
        settings = self._office.settings.queues.get(queue)
        return None if settings is None else settings.callback
