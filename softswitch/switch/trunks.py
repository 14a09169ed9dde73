"""The carriers: our registrations with them, their health, and who of them may be used."""

from hashlib import blake2b
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch.settings import Settings
from softswitch.switch.views import TrunkRow
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.switch.office import Office


class Trunks:
    def __init__(self, settings: Settings, office: "Office", now: Instant) -> None:
        self._office = office
        self._contact_users = {name: f"{name}-{blake2b(name.encode(), digest_size=6).hexdigest()}" for name in settings.trunks}
        self._by_user = {user: name for name, user in self._contact_users.items()}

    def configure(self, settings: Settings, now: Instant) -> None: ...
    def start(self, now: Instant) -> None: ...
    def stop(self, now: Instant) -> None: ...
    def deadline(self) -> Instant | None: return None
    def wake(self, now: Instant) -> None: ...
    def usable(self, name: str) -> bool: return True
    def contact_user(self, name: str) -> str: return self._contact_users[name]
    def by_contact_user(self, user: str) -> str | None: return self._by_user.get(user)
    def responded(self, tx: int, response: Response, now: Instant) -> bool: return False
    def timed_out(self, tx: int, now: Instant) -> bool: return False
    def rows(self, now: Instant) -> list[TrunkRow]: return []
