"""One subscription at the notifier's side: its state table (RFC 6665 §4.2) and what it remembers.

At most one NOTIFY is under way; what changes meanwhile is told once it is answered, and never more than once an
interval: a watcher gets the latest state, not each state on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from softswitch.kernel.clock import Duration, Instant
from softswitch.sip.dialog import Dialog

if TYPE_CHECKING:
    from softswitch.sip.notifier import Notifier


class State(Enum):
    """Where a subscription stands."""

    QUIET = auto()  # the watcher knows all
    DUE = auto()  # something is to be told, at `turn_at`
    TELLING = auto()  # a NOTIFY is out
    STALE = auto()  # a NOTIFY is out, and something has changed since
    LEAVING = auto()  # a NOTIFY is out, and the last one comes after it
    ENDING = auto()  # the last NOTIFY is out
    OVER = auto()


class What(Enum):
    """What can happen to a subscription."""

    CHANGED = auto()  # the resource has another state
    REFRESHED = auto()  # SUBSCRIBE in the dialog, §4.1.2.2: a NOTIFY follows at once
    TURN = auto()  # `turn_at` has come
    ANSWERED = auto()  # the NOTIFY is answered, or failed in a way that says nothing about the subscription
    GONE = auto()  # 481 and its like, or no answer
    END = auto()  # expired, unsubscribed, or ended by us: `reason` says which


@dataclass(frozen=True, slots=True)
class Package:
    """An event package (RFC 6665 §5). `compose` makes the body of a NOTIFY: the full state of the resource."""

    name: str
    content_type: str
    compose: Callable[[Subscription, Instant], bytes]
    default_expires: int = 3600


class Subscription:
    """`subscriber` and `resource` are names of the floor above, `entity` is the URI that was subscribed to. `version`
    counts the states told (RFC 4235 §4.1); `told` is for the package: what it must remember of the last one.
    `reason`: why it ends (RFC 6665 §4.1.3)."""

    __slots__ = (
        "dialog", "entity", "event_id", "expires_at", "last_told", "package", "reason", "resource", "state",
        "subscriber", "told", "turn_at", "version",
    )  # fmt: skip

    def __init__(self, subscriber: str, resource: str, package: Package, event_id: str, dialog: Dialog) -> None:
        self.subscriber = subscriber
        self.resource = resource
        self.package = package
        self.entity = ""
        self.event_id = event_id
        self.dialog = dialog
        self.state = State.QUIET
        self.expires_at: Instant = inf
        self.turn_at: Instant = inf
        self.last_told: Instant = -inf
        self.reason = ""
        self.version = -1
        self.told: object = None

    @property
    def live(self) -> bool:
        """Whether it may be refreshed."""
        return self.state in _LIVE

    @property
    def event(self) -> str:
        """The value of Event, with the id that the subscriber gave (§8.2.1)."""
        return f"{self.package.name};id={self.event_id}" if self.event_id else self.package.name

    def turn(self, interval: Duration, now: Instant) -> Instant:
        """When it may be told again."""
        return max(now, self.last_told + interval)


Row: TypeAlias = "tuple[State, Callable[[Notifier, Subscription, Instant], None] | None]"
_LIVE = (State.QUIET, State.DUE, State.TELLING, State.STALE)
