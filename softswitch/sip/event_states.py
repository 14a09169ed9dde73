"""Published event states (RFC 3903): PUBLISH makes, refreshes, changes and removes them, by entity tag.

The floor above admits the request and reads the body; here are tags, lifetimes and the rules of §6.
"""

from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from softswitch.kernel.clock import Instant
from softswitch.kernel.deadlines import Deadlines
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.wire.sip import Request

Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class EventState(Generic[Body]):
    """What `resource` published last under an entity tag."""

    resource: str
    body: Body
    expires_at: Instant


class EventStates(Generic[Body]):
    """Of one event package. `most_each`: states that one resource may have, a phone and its sibling say."""

    def __init__(
        self, dice: Random, min_expires: int = 60, max_expires: int = 3600, default: int = 600, most_each: int = 5
    ) -> None:
        self.bounds = (min_expires, max_expires)
        self._dice = dice
        self._default = default
        self._most_each = most_each
        self._states: dict[str, EventState[Body]] = {}
        self._of: dict[str, list[str]] = {}  # tags by resource, the latest last
        self._deadlines: Deadlines[str] = Deadlines()

    def __len__(self) -> int:
        return len(self._states)

    def expires(self, request: Request) -> int:
        """The lifetime that the request gets (§6 step 5). Raises `PeerError` 423, 400."""
        least, most = self.bounds
        text = request.headers.get("Expires")
        if text is not None and not text.strip().isdigit():
            raise PeerError("Expires is no number", status=400)
        wanted = self._default if request.expires is None else request.expires
        if 0 < wanted < least:
            raise PeerError("the lifetime is too short", status=423)
        return min(wanted, most)

    def known(self, resource: str, request: Request) -> str:
        """The entity tag that the request changes; empty: it makes a new state. Raises `PeerError` 412 when there is no
        such state (§6 step 4), 400 for more than one tag."""
        tags = request.headers.all("SIP-If-Match")
        if not tags:
            return ""
        if len(tags) > 1:
            raise PeerError("one SIP-If-Match is enough", status=400)
        state = self._states.get(tags[0].strip())
        if state is None or state.resource != resource:
            raise PeerError("no such entity tag", status=412)
        return tags[0].strip()

    def publish(self, resource: str, tag: str, body: Body | None, expires: int, now: Instant) -> str:
        """Keep it under a new tag, which is returned (§6 step 6: also after a refresh, `body` None). With `expires` 0
        the state is gone; the tag then is that of nothing."""
        old = self._states[tag] if tag else None
        if old is not None:
            self._drop(tag)
        kept = body if body is not None else None if old is None else old.body
        fresh = token(self._dice)
        if expires and kept is not None:
            of = self._of.setdefault(resource, [])
            if len(of) >= self._most_each:
                self._drop(of[0])
                of = self._of.setdefault(resource, [])
            of.append(fresh)
            self._states[fresh] = EventState(resource, kept, now + expires)
            self._deadlines.set(fresh, now + expires)
        return fresh

    def state(self, resource: str) -> Body | None:
        """What was published last and still holds."""
        tags = self._of.get(resource)
        return self._states[tags[-1]].body if tags else None

    def deadline(self) -> Instant | None:
        return self._deadlines.next()

    def wake(self, now: Instant) -> list[str]:
        """Let go of what has expired; the resources that it was of."""
        gone = []
        for tag, _ in self._deadlines.due(now):
            gone.append(self._states[tag].resource)
            self._drop(tag)
        return gone

    def clear(self) -> None:
        """Forget everything."""
        for tag in tuple(self._states):
            self._drop(tag)

    def _drop(self, tag: str) -> None:
        state = self._states.pop(tag)
        self._deadlines.cancel(tag)
        tags = self._of[state.resource]
        tags.remove(tag)
        if not tags:
            del self._of[state.resource]
