"""Feature codes that any phone may dial: forwarding, do not disturb, call waiting, pickup, parking, intercom."""

from typing import TYPE_CHECKING, Final

from softswitch.call.speech import say_digits
from softswitch.kernel.clock import Instant
from softswitch.switch.settings import Codes
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.parking import ParkHeldStage
from softswitch.switch.stages.picking_up import PickUpStage
from softswitch.switch.stages.sounds import PlayStage, RefuseStage
from softswitch.switch.stages.spoken_name import NameStage, name_file
from softswitch.switch.stages.stage import Stage

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_FORWARDS: Final = (
    ("forward_always", "always"),
    ("forward_busy", "busy"),
    ("forward_no_answer", "no_answer"),
    ("forward_unavailable", "unavailable"),
)
_SWITCHES: Final = (
    ("dnd_on", "dnd", True, "dnd-on"),
    ("dnd_off", "dnd", False, "dnd-off"),
    ("call_waiting_on", "call_waiting", True, "call-waiting-on"),
    ("call_waiting_off", "call_waiting", False, "call-waiting-off"),
)


class PhoneCodeStage(PlayStage):
    """The phone sets something for itself; the prompts say what holds now, or that it cannot be."""

    def __init__(self, call: "Call", phone: str, what: str, value: str | bool, *prompts: str) -> None:
        super().__init__(call, *prompts)
        self._phone = phone
        self._what = what
        self._value = value

    def enter(self, now: Instant) -> None:
        call = self.call
        if not call.answer(now):
            return
        call.served(now, f"code:{self._what}")
        if not call.office.phones.set(self._phone, self._what, self._value, f"phone:{self._phone}", now):
            self._prompts = ("forward-refused",)
        call.play_prompts(*self._prompts)


def feature_stage(call: "Call", codes: Codes, phone: str, number: str) -> Stage | None:
    """The stage of such a code, or None when `number` is none."""
    for field, what in _FORWARDS:
        code, off = getattr(codes, field), getattr(codes, f"{field}_off")
        if off and number == off:
            return PhoneCodeStage(call, phone, what, "", "forward-off")
        if code and number.startswith(code):
            return _forward(call, phone, what, number[len(code) :])
    for field, what, value, prompt in _SWITCHES:
        if number == (getattr(codes, field) or None):
            return PhoneCodeStage(call, phone, what, value, prompt)
    if number == (codes.pickup_group or None):
        return PickUpStage(call, phone)
    if codes.pickup and number.startswith(codes.pickup) and len(number) > len(codes.pickup):
        return PickUpStage(call, phone, call.office.plan.extension(number[len(codes.pickup) :]) or "")
    if codes.park and number.startswith(codes.park):
        return ParkHeldStage(call, phone, number[len(codes.park) :])
    if codes.intercom and number.startswith(codes.intercom) and len(number) > len(codes.intercom):
        return _intercom(call, number[len(codes.intercom) :])
    if number == (codes.last_caller or None):
        return _last_caller(call, phone)
    if number == (codes.record_name or None):
        return NameStage(call, "code:name", name_file(call, phone), lambda said: _name_said(call, said), lasting=True)
    return None


def _forward(call: "Call", phone: str, what: str, number: str) -> Stage:
    if not number or not number.isascii() or not set(number) <= set("0123456789*#+"):
        return PlayStage(call, "forward-refused")
    return PhoneCodeStage(call, phone, what, number, "forward-on", *say_digits(number, call.language))


def _intercom(call: "Call", number: str) -> Stage:
    wanted = call.office.plan.extension(number)
    if wanted is None:
        return RefuseStage(call, 404)
    return DialStage(call, call.office.directory.intercom(wanted, call, call.started))


def _last_caller(call: "Call", phone: str) -> Stage:
    """Who rang the phone last is called back, if the phone may dial that number."""
    office = call.office
    number = office.phones.last_callers.get(phone, "")
    target = office.directory.dialled(phone, number, call.started) if number else None
    if target is None:
        return PlayStage(call, "unavailable")
    call.number = number
    return GoStage(call, target)


def _name_said(call: "Call", said: str) -> Stage:
    return PlayStage(call, "name-kept" if said else "try-later")


class GoStage(Stage):
    """On to a target at once."""

    label = "routing"

    def enter(self, now: Instant) -> None:
        self.call.go(self.at, now)
