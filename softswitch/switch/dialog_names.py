"""Names of dialogs as lamps tell them (RFC 4235 §4.1.1).

Whoever knows the Call-ID and the tags of a dialog can speak in it: end it, or turn its sound elsewhere. Watchers need
them for Replaces only, and that comes to us; so they are told names of ours, which lead to a leg and are no dialog.
"""

from hashlib import blake2b
from hmac import compare_digest
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from softswitch.call.leg import Leg

_PREFIX = "lamp-"
_LONGEST = 16  # hexadecimal digits of a session's number


class DialogName(NamedTuple):
    """As RFC 3261 §12 names a dialog; `local_tag` is our end's."""

    call_id: str
    local_tag: str
    remote_tag: str


class DialogNames:
    """Made from the number of the leg's session and a secret of this run; nothing is kept."""

    def __init__(self, dice: Random) -> None:
        self._secret = dice.randbytes(32)

    def of(self, leg: "Leg") -> DialogName:
        """The name of the dialog with that party."""
        number = f"{leg.session:x}"
        digest = blake2b(number.encode(), key=self._secret, digest_size=16).hexdigest()
        return DialogName(f"{_PREFIX}{number}", digest[:16], digest[16:])

    def leg(self, sessions: "dict[int, Leg]", name: DialogName) -> "Leg | None":
        """The leg that has that name; None: it is no name of ours, or the leg is gone."""
        number = name.call_id.removeprefix(_PREFIX)
        if number == name.call_id or not 0 < len(number) <= _LONGEST or not set(number) <= set("0123456789abcdef"):
            return None
        leg = sessions.get(int(number, 16))
        if leg is None:
            return None
        return leg if compare_digest("".join(self.of(leg)).encode(), "".join(name).encode()) else None
