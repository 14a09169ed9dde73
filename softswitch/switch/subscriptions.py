"""SUBSCRIBE and PUBLISH from phones: who may watch what, and what tells the watchers that it has changed.

Only phones of ours may subscribe, proven as in calls; what there is to watch is looked up after that, so a stranger
gets the same 401 for every name. Subscriptions are not kept over a restart: a phone's next refresh gets 481, and it
subscribes anew.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant, earliest, is_due
from softswitch.kernel.errors import PeerError
from softswitch.sip.events import Fields, Requested, TxId
from softswitch.sip.notifier import Bounds, Notifier
from softswitch.sip.subscription import Package, Subscription
from softswitch.switch import lamps, mailbox_lamp, presence
from softswitch.switch.admission import Challenge, Refusal
from softswitch.switch.lamps import Lamps
from softswitch.switch.presence import Presences
from softswitch.switch.settings import Settings
from softswitch.wire import dialog_info, message_summary, pidf
from softswitch.wire.sip import Response

if TYPE_CHECKING:
    from softswitch.acd.model import Fact
    from softswitch.switch.office import Office


class Subscriptions:
    """One for the whole switch. Hooks of others cost a look at a length while nobody subscribes."""

    def __init__(self, settings: Settings, office: "Office") -> None:
        self._office = office
        self.lamps = Lamps(office)
        self.presences = Presences(office)
        self.notifier = Notifier(
            office.ua,
            office.addressing,
            (
                Package(lamps.PACKAGE, dialog_info.TYPE, self.lamps.compose),
                Package(presence.PACKAGE, pidf.TYPE, self._presence),
                Package(mailbox_lamp.PACKAGE, message_summary.TYPE, self._mailbox),
            ),
        )
        self._closed = False
        self._bound(settings)

    def _bound(self, settings: Settings) -> None:
        ours = settings.subscriptions
        self._enabled = ours.enabled
        self.notifier.bounds = Bounds(ours.min_expires, ours.max_expires, ours.per_phone, ours.total, ours.interval)

    def configure(self, settings: Settings, now: Instant) -> None:
        """New settings: what is not there any more ends, the rest is told anew."""
        self._bound(settings)
        self.lamps.configured()
        gone, seen = [], set()
        for subscription in self.notifier.subscriptions():
            package = subscription.package.name
            if (
                not self._enabled
                or subscription.subscriber not in settings.phones
                or not self._there(subscription, settings)
            ):
                gone.append(subscription)
            else:
                seen.add((package, subscription.resource))
        self._office.drive(self.notifier.end(gone, "noresource", now))
        for package, resource in seen:
            self._office.drive(self.notifier.changed(package, resource, now))

    def _there(self, subscription: Subscription, settings: Settings) -> bool:
        kind, _, name = subscription.resource.partition(":")
        sections: dict[str, Collection[str]] = {
            "phone": settings.phones,
            "agent": settings.agents,
            "queue": settings.queues,
        }
        sections |= {
            "login": settings.phones,
            "pause": settings.phones,
            "dnd": settings.phones,
            "forward": settings.phones,
            "box": settings.voicemail,
        }
        if subscription.package.name == mailbox_lamp.PACKAGE:
            return settings.phones[subscription.subscriber].mailbox == name and name in settings.voicemail
        return kind not in sections or name in sections[kind]

    def stop(self, now: Instant) -> None:
        """The switch ends: phones are told so, and subscribe anew when it is back (RFC 6665 §4.1.3)."""
        self._closed = True
        self._office.drive(self.notifier.end(self.notifier.subscriptions(), "deactivated", now))
        self.presences.published.clear()

    # ------------------------------------------------------------------------------------------------------ requests

    def subscribe(self, event: Requested, now: Instant) -> None:
        """A SUBSCRIBE: a new one, or in the dialog of one that lives."""
        office, notifier, request = self._office, self.notifier, event.request
        phone = self._phone(event, now)
        if phone is None:
            return
        if request.to.tag is not None:
            known = notifier.find(request)
            if known is None:
                office.drive(notifier.refuse(event, 481, now))
            elif known.subscriber != phone:
                office.drive(notifier.refuse(event, 403, now))
            else:
                office.drive(notifier.refresh(event, known, now))
            return
        try:
            package, _ = notifier.event_of(request)
            if package is None:
                raise PeerError("unknown event", status=489)
            resource = self._resource(package.name, phone, request.uri.username, now)
        except PeerError as error:
            office.log("info", "SUBSCRIBE refused", phone=phone, status=error.status, reason=str(error))
            office.drive(notifier.refuse(event, error.status, now))
            return
        if package.name != mailbox_lamp.PACKAGE:
            self.lamps.watch()
            self._moved(now)
        office.drive(notifier.subscribe(event, package, phone, resource, now))

    def publish(self, event: Requested, now: Instant) -> None:
        """A PUBLISH: phones tell their own presence."""
        office = self._office
        phone = self._phone(event, now)
        if phone is None:
            return
        try:
            package, _ = self.notifier.event_of(event.request)
            if package is None or package.name != presence.PACKAGE:
                raise PeerError("only presence is published", status=489)  # RFC 3903 §6 step 2
            if office.plan.extension(event.request.uri.username) != phone:
                raise PeerError("a phone publishes for itself", status=403)
        except PeerError as error:
            office.log("info", "PUBLISH refused", phone=phone, status=error.status, reason=str(error))
            office.drive(self.notifier.refuse(event, error.status, now))
            return
        if self.presences.publish(event, phone, now):
            self._tell(presence.PACKAGE, f"phone:{phone}", now)

    def stray_notify(self, event: Requested, now: Instant) -> None:
        """We subscribe to nothing (RFC 6665 §4.1.3: 481). Phones keep their flow open by `Event: keep-alive`, and some
        register anew when that fails."""
        package = (event.request.headers.get("Event") or "").partition(";")[0].strip().lower()
        self._office.drive(self._office.ua.respond(event.tx, 200 if package == "keep-alive" else 481, now))

    def _phone(self, event: Requested, now: Instant) -> str | None:
        """The phone of ours that sends this; None: it was answered."""
        office = self._office
        headers: Fields = ()
        if not self._enabled:
            status = 405
        elif self._closed:
            status, headers = 503, (("Retry-After", "10"),)
        else:
            ruling = office.admission.caller(event.request, event.flow, now)
            if isinstance(ruling, Challenge):
                status, headers = 401, ruling.headers
            elif isinstance(ruling, Refusal):
                status = ruling.status
            elif ruling.kind != "phone":
                status = 403
            else:
                return ruling.name
        office.drive(office.ua.respond(event.tx, status, now, headers=headers))
        return None

    def _resource(self, package: str, phone: str, number: str, now: Instant) -> str:
        """What is watched. Raises `PeerError` (403, 404)."""
        office = self._office
        if package == lamps.PACKAGE:
            lamp = self.lamps.resource(phone, number, now)
            if lamp is None:
                raise PeerError(f"{number} has no lamp", status=404)
            return lamp
        if package == presence.PACKAGE:
            other = office.plan.extension(number)
            if other is None or not (other == phone or office.settings.phones[other].watched):
                raise PeerError(f"{number} has no presence", status=404)
            return f"phone:{other}"
        return f"box:{mailbox_lamp.box_for(office, phone, number)}"

    # ------------------------------------------------------------------------------------------------- what has changed

    def work(self, now: Instant) -> None:
        """Legs have moved."""
        self._moved(now)
        if not len(self.notifier):
            self.lamps.unwatch()

    def _moved(self, now: Instant) -> None:
        for phone in self.lamps.moved():
            for resource in self.lamps.of_phone(phone):
                self._tell(lamps.PACKAGE, resource, now)
            self._tell(presence.PACKAGE, f"phone:{phone}", now)
        for resource in self.lamps.rooms():
            self._tell(lamps.PACKAGE, resource, now)

    def _look(self, resource: str, now: Instant) -> None:
        if self.notifier.watched(lamps.PACKAGE, resource) and self.lamps.looked(resource, now):
            self._tell(lamps.PACKAGE, resource, now)

    def agent_changed(self, agent: str, now: Instant) -> None:
        """The agent has said something."""
        if len(self.notifier):
            for resource in self.lamps.of_agent(agent):
                self._look(resource, now)

    def fact(self, fact: "Fact", now: Instant) -> None:
        """The ACD tells: somebody may have come to a queue, or gone."""
        if fact.queue and len(self.notifier):
            self._look(f"queue:{fact.queue}", now)

    def reachable(self, phone: str, now: Instant) -> None:
        """The phone has registered, or is gone."""
        if len(self.notifier):
            self._look(f"dnd:{phone}", now)
            self._tell(presence.PACKAGE, f"phone:{phone}", now)

    def forwarded(self, phone: str, now: Instant) -> None:
        """The phone forwards its calls elsewhere than before."""
        self._look(f"forward:{phone}", now)

    def parked(self, place: str, taken: bool, now: Instant) -> None:
        """A parking place was taken, or is free again."""
        self._look(f"park:{place}", now)

    def mailbox(self, box: str, now: Instant) -> None:
        """The box has other messages than before."""
        self._tell(mailbox_lamp.PACKAGE, f"box:{box}", now)

    def _tell(self, package: str, resource: str, now: Instant) -> None:
        if self.notifier.watched(package, resource):
            self._office.drive(self.notifier.changed(package, resource, now))

    def _presence(self, subscription: Subscription, now: Instant) -> bytes:
        phone = subscription.resource.partition(":")[2]
        return self.presences.compose(subscription, self.lamps.talking(phone), now)

    def _mailbox(self, subscription: Subscription, now: Instant) -> bytes:
        return mailbox_lamp.compose(self._office, subscription.resource.partition(":")[2])

    # ---------------------------------------------------------------------------------------------------------- time

    def answered(self, tx: TxId, response: Response | None, now: Instant) -> bool:
        """Whether it was a NOTIFY of a subscription that was answered, or not."""
        outputs = self.notifier.answered(tx, response, now)
        if outputs is None:
            return False
        self._office.drive(outputs)
        return True

    def deadline(self) -> Instant | None:
        return earliest(self.notifier.deadline(), self.presences.published.deadline())

    def wake(self, now: Instant) -> None:
        if is_due(self.presences.published.deadline(), now):
            for phone in self.presences.published.wake(now):
                self._tell(presence.PACKAGE, f"phone:{phone}", now)
        self._office.drive(self.notifier.wake(now))
