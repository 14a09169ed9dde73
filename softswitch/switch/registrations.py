"""REGISTER from phones: admitted by digest, kept by the registrar, saved to outlive a restart; and the keep-alives
that hold NAT bindings open."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.sip import gruu
from softswitch.sip.flow import Flow, Send
from softswitch.sip.registrar import Binding, Expired, Refreshed, Registered, Registrar, RegistrarSettings, Removed
from softswitch.switch.admission import Challenge, Refusal
from softswitch.switch.events import Save
from softswitch.switch.records import ForgottenBinding, SavedBinding
from softswitch.switch.settings import Settings
from softswitch.switch.views import RegistrationRow
from softswitch.wire.sip import Headers, Request, Uri
from softswitch.wire.sip.grammar import unescape

if TYPE_CHECKING:
    from softswitch.switch.office import Office

_SAVE_AGAIN = 0.5  # of the lifetime: a refresh is saved only when the stored expiry has come that near


class Registrations:
    """The address of record is the phone's name."""

    def __init__(self, settings: Settings, office: "Office") -> None:
        self._office = office
        self._registrar = Registrar(_bounds(settings), office.secret)
        self._saved: dict[tuple[str, str], tuple[Instant, Instant, Flow]] = {}  # expiry as stored, when, by which flow
        self._behind: dict[tuple[str, int], str] = {}  # whose phone sends from there
        self._hosts: Counter[str] = Counter()
        self._keep_alives: set[int] = set()
        self.came: Callable[[str, str, Flow, Instant], None] = _nobody  # hears of phones that registered a contact

    def configure(self, settings: Settings) -> None:
        """New settings; contacts stay until they expire, also those of phones that are no more."""
        self._registrar.configure(_bounds(settings))

    def restore(self, saved: Iterable[SavedBinding], now: Instant) -> None:
        """What the store remembers."""
        bindings = []
        for row in saved:
            try:
                binding = Binding.from_row(row.data)
            except (KeyError, TypeError, ValueError) as error:
                self._office.log("error", "a stored registration is unreadable", phone=row.aor, error=str(error))
                continue
            if binding.aor in self._office.settings.phones:
                bindings.append(binding)
                self._saved[(binding.aor, binding.contact)] = (binding.expires_at, binding.refreshed_at, binding.flow)
                self._moved(None, binding.flow, binding.aor)
        self._registrar.restore(tuple(bindings), now)

    # ------------------------------------------------------------------------------------------------------- REGISTER

    def register(self, tx: int, request: Request, flow: Flow, now: Instant) -> tuple[str, ...]:
        """Answer a REGISTER; the phones that came or went by it."""
        office = self._office
        ruling = office.admission.digest(request, flow, now)
        if isinstance(ruling, Challenge):
            office.drive(office.ua.respond(tx, 401, now, headers=ruling.headers))
            return ()
        if isinstance(ruling, Refusal):
            office.drive(office.ua.respond(tx, ruling.status, now))
            return ()
        # RFC 3261 §10.3 step 4: one may register only as oneself.
        wanted = request.to.uri.username
        if ruling.kind != "phone" or (wanted != ruling.name and office.plan.extension(wanted) != ruling.name):
            office.log("warning", "registration for another's address", phone=str(ruling), wanted=wanted)
            office.drive(office.ua.respond(tx, 403, now))
            return ()
        try:
            outcome = self._registrar.register(ruling.name, request, flow, now)
        except PeerError as error:
            office.drive(office.ua.respond(tx, error.status, now, reason=str(error)))
            return ()
        office.drive(office.ua.respond(tx, outcome.status, now, reason=outcome.reason or None, headers=outcome.headers))
        came_or_went = False
        for change in outcome.changes:
            match change:
                case Refreshed(binding):
                    self._keep(binding, now)
                    self.came(ruling.name, binding.destination, flow, now)
                case Registered(binding):
                    self._keep(binding, now)
                    self.came(ruling.name, binding.destination, flow, now)
                    came_or_went = True
                    office.log(
                        "info", "phone registered", phone=ruling.name, contact=binding.destination,
                        source=flow.remote[0], transport=flow.transport,
                    )  # fmt: skip
                    office.fact("phone.registered", now, phone=ruling.name, contact=binding.destination)
                case Removed(binding, cause):
                    self._forget(binding, cause, now)
                    came_or_went = True
        return (ruling.name,) if came_or_went else ()

    # ---------------------------------------------------------------------------------------------------- what lives

    def bindings(self, phone: str, now: Instant) -> tuple[Binding, ...]:
        return self._registrar.bindings(phone, now)

    def meant(self, uri: Uri, now: Instant) -> tuple[str, tuple[str, str] | None]:
        """The number that a URI dials; and for a GRUU (RFC 5627 §5.2) the phone, and the instance of it, registered now
        or not. Raises `PeerError` (404) for a GRUU of nobody."""
        if "gr" not in uri.params:
            return uri.number, None
        named = self._named(uri, now)
        return self._office.settings.phones[named[0]].number or named[0], named

    def _named(self, uri: Uri, now: Instant) -> tuple[str, str]:
        if gruu.is_temporary(uri):
            binding = self._registrar.hidden(uri, now)
            if binding is not None and binding.aor in self._office.settings.phones:
                return binding.aor, gruu.bare(binding.instance)
        else:
            phone, instance = self._office.plan.extension(uri.username), unescape(uri.params.get("gr") or "")
            if phone is not None and instance:
                return phone, instance
        raise PeerError("no such GRUU", status=404)

    def reachable(self, phone: str, now: Instant) -> bool:
        """Whether the phone can be rung."""
        settings = self._office.settings.phones.get(phone)
        if settings is None:
            return False
        return settings.contact is not None or bool(self._registrar.bindings(phone, now))

    def phone_behind(self, flow: Flow) -> str | None:
        """The phone that has registered from that very address and port."""
        return self._behind.get(flow.remote)

    def at_host(self, host: str) -> bool:
        """Whether a phone has registered from that address."""
        return host in self._hosts

    def rows(self, now: Instant) -> list[RegistrationRow]:
        return [
            RegistrationRow(
                phone=binding.aor,
                contact=binding.destination,
                source=binding.flow.peer,
                user_agent=binding.user_agent,
                expires_in=binding.expires_at - now,
            )
            for binding in self._registrar.snapshot()
            if binding.expires_at > now
        ]

    # ------------------------------------------------------------------------------------------------------------ time

    def deadline(self) -> Instant | None:
        return self._registrar.deadline()

    def wake(self, now: Instant) -> tuple[str, ...]:
        """Expiries and keep-alives; the phones that went."""
        gone = self._expired(self._registrar.wake(now), now)
        for binding in self._registrar.keep_alive_due(now):
            self._keep_alive(binding, now)
        return gone

    def flow_failed(self, flow: Flow, now: Instant) -> tuple[str, ...]:
        """A connection broke; the phones that went with it."""
        return self._expired(self._registrar.flow_failed(flow, now), now)

    def answered(self, tx: int) -> None:
        """A keep-alive was answered, or not: that it was sent is all that a NAT asks for."""
        self._keep_alives.discard(tx)

    def _expired(self, gone: list[Expired], now: Instant) -> tuple[str, ...]:
        for expired in gone:
            self._forget(expired.binding, expired.cause, now)
        return tuple({expired.binding.aor for expired in gone})

    def _keep_alive(self, binding: Binding, now: Instant) -> None:
        if self._office.settings.sip.keep_alive_by == "crlf":
            self._office.outbox.append(Send(binding.flow, b"\r\n\r\n"))
            return
        domain = self._office.settings.sip.domain
        headers = Headers()
        headers.add("From", f"<sip:{domain}>")
        headers.add("To", f"<{binding.destination}>")
        for route in binding.route:
            headers.add("Route", route)
        request = Request("OPTIONS", Uri.parse(binding.destination), headers)
        tx, outputs = self._office.ua.request(request, binding.flow, now)
        self._keep_alives.add(tx)
        self._office.drive(outputs)

    def _keep(self, binding: Binding, now: Instant) -> None:
        key = (binding.aor, binding.contact)
        stored, at, flow = self._saved.get(key, (0.0, 0.0, None))
        self._moved(flow, binding.flow, binding.aor)
        if flow == binding.flow and stored - now > _SAVE_AGAIN * (stored - at):
            return
        self._saved[key] = (binding.expires_at, now, binding.flow)
        self._office.outbox.append(
            Save(SavedBinding(binding.aor, binding.contact, binding.expires_at, binding.as_row()))
        )

    def _moved(self, old: Flow | None, new: Flow | None, phone: str) -> None:
        """The phone sends from `new` now, and no more from `old`."""
        if old is not None and old != new and self._behind.get(old.remote) == phone:
            del self._behind[old.remote]
            host = old.remote[0]
            self._hosts[host] -= 1
            if self._hosts[host] <= 0:
                del self._hosts[host]
        if new is not None:
            if new.remote not in self._behind:
                self._hosts[new.remote[0]] += 1
            self._behind[new.remote] = phone

    def _forget(self, binding: Binding, cause: str, now: Instant) -> None:
        office = self._office
        self._saved.pop((binding.aor, binding.contact), None)
        self._moved(binding.flow, None, binding.aor)
        office.outbox.append(Save(ForgottenBinding(binding.aor, binding.contact)))
        office.log("info", "phone unregistered", phone=binding.aor, contact=binding.destination, cause=cause)
        office.fact("phone.unregistered", now, phone=binding.aor, contact=binding.destination, cause=cause)


def _nobody(phone: str, destination: str, flow: Flow, now: Instant) -> None:
    """Nobody waits for a phone."""


def _bounds(settings: Settings) -> RegistrarSettings:
    sip = settings.sip
    return RegistrarSettings(
        min_expires=sip.min_expires,
        max_expires=sip.max_expires,
        default_expires=sip.default_expires,
        max_contacts=sip.max_contacts,
        keep_alive=sip.keep_alive,
    )
