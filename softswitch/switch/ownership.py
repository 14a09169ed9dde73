"""Whose number it is: ours, by a trunk or a phone, or somebody else's."""

from functools import lru_cache
from typing import TYPE_CHECKING

from softswitch.switch.dial_plan import Numbers
from softswitch.switch.settings import Trunk

if TYPE_CHECKING:
    from softswitch.switch.call import Call


def owns(call: "Call", trunk: Trunk, number: str) -> bool:
    """Whether the call's own side has a right to `number` at this carrier: it is the trunk's, or the calling
    phone's."""
    if number in (trunk.caller_id, trunk.username) or number in _numbers(trunk.numbers):
        return True
    kind, _, name = call.source.partition(":")
    phone = call.office.settings.phones.get(name) if kind == "phone" else None
    return phone is not None and (number in (phone.caller_id, phone.number, name) or number in _numbers(phone.numbers))


@lru_cache(maxsize=1024)
def _numbers(numbers: tuple[str, ...]) -> Numbers:
    return Numbers(numbers)
