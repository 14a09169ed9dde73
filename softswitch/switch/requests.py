"""Requests of peers other than INVITE, by method: a row each, outside dialogs and within."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.sip.events import InDialog, Requested
from softswitch.sip.session_terms import OPTIONS
from softswitch.switch import mailbox_lamp
from softswitch.switch.messages import Messages
from softswitch.switch.referrals import refer, refer_outside
from softswitch.wire import info

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.switch import Switch

Found: TypeAlias = "tuple[Leg | None, Call | None]"


class Requests:
    """`find` gives the leg of a session that is not over, and its call. Methods without a row get 405."""

    def __init__(self, switch: "Switch", find: Callable[[int], Found]) -> None:
        self._switch = switch
        self._office = switch.office
        self._find = find
        self.messages = Messages(self._office)
        self._outside: dict[str, Callable[[Requested, Instant], None]] = {
            "REGISTER": self._register,
            "OPTIONS": self._options,
            "SUBSCRIBE": self._office.subscriptions.subscribe,
            "PUBLISH": self._office.subscriptions.publish,
            "NOTIFY": self._office.subscriptions.stray_notify,
            "MESSAGE": self.messages.outside,
            "REFER": self._refer_outside,
        }
        self._within: dict[str, Callable[[InDialog, Instant], None]] = {
            "OPTIONS": self._options_within,
            "REFER": self._refer,
            "INFO": self._info,
            "MESSAGE": self._message,
            "NOTIFY": self._stray_notify,
            "SUBSCRIBE": self._no_shared_dialog,
        }
        methods = ("INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", *self._outside, *self._within)
        self._events = ("Allow-Events", self._office.subscriptions.notifier.allow_events)
        self._allow = ", ".join(dict.fromkeys(methods))

    def outside(self, event: Requested, now: Instant) -> None:
        """A request outside dialogs."""
        self._outside.get(event.request.method, self._not_allowed)(event, now)

    def within(self, event: InDialog, now: Instant) -> None:
        """A request in a call's dialog."""
        self._within.get(event.request.method, self._not_allowed)(event, now)

    def _not_allowed(self, event: Requested | InDialog, now: Instant) -> None:
        self._office.drive(self._office.ua.respond(event.tx, 405, now, headers=(("Allow", self._allow),)))

    # ------------------------------------------------------------------------------------------------ outside dialogs

    def _register(self, event: Requested, now: Instant) -> None:
        for phone in self._office.registrations.register(event.tx, event.request, event.flow, now):
            self._office.tell_reachable(phone, now)
            mailbox_lamp.registered(self._office, phone, now)

    def _options(self, event: Requested, now: Instant) -> None:
        status = 503 if self._switch.draining else 200
        self._capabilities(event.tx, status, now)

    def _capabilities(self, tx: int, status: int, now: Instant) -> None:
        supported = ("Supported", ", ".join(OPTIONS))
        fields = (("Allow", self._allow), ("Accept", "application/sdp"), supported, self._events)
        self._office.drive(self._office.ua.respond(tx, status, now, headers=fields))

    def _refer_outside(self, event: Requested, now: Instant) -> None:
        refer_outside(self._office, event, now)

    # --------------------------------------------------------------------------------------------------------- within

    def _options_within(self, event: InDialog, now: Instant) -> None:
        self._capabilities(event.tx, 200, now)  # a keep-alive of the dialog, RFC 3261 §11.2

    def _refer(self, event: InDialog, now: Instant) -> None:
        refer(self._office, event, *self._find(event.session), now)

    def _message(self, event: InDialog, now: Instant) -> None:
        self.messages.within(event, *self._find(event.session), now)

    def _stray_notify(self, event: InDialog, now: Instant) -> None:
        self._office.drive(self._office.ua.respond(event.tx, 489, now))  # 481 would end the call, RFC 5057 §5.1

    def _no_shared_dialog(self, event: InDialog, now: Instant) -> None:
        """RFC 6665 §4.5.2: a subscription has a dialog of its own."""
        self._office.drive(self._office.ua.respond(event.tx, 403, now))

    def _info(self, event: InDialog, now: Instant) -> None:
        office, ua = self._office, self._office.ua
        signal = info.parse(event.request.content_type or "", event.request.body)
        if signal is None and event.request.body:
            accept = (("Accept", "application/dtmf-relay, application/dtmf"),)
            office.drive(ua.respond(event.tx, 415, now, headers=accept))
            return
        office.drive(ua.respond(event.tx, 200, now))
        leg, call = self._find(event.session)
        if signal is None or leg is None or call is None:
            return
        if leg.pressed(signal.digit, "info", now, signal.duration_ms):
            call.stage.on_digit(leg, signal.digit, "info", now, signal.duration_ms)
            call.rearm()
