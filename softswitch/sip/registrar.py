"""The registrar: which contacts an address of record has (RFC 3261 §10.3), and by which flow each is reached.

The caller has authenticated the request and knows that the address of record exists. A REGISTER changes all that it
asks for or nothing. Policies that the RFC leaves open:

- A contact with `+sip.instance` replaces the one of the same instance and `reg-id`, whatever its URI (RFC 5626 §6).
- Beyond `max_contacts`, the binding that was refreshed longest ago goes; one request with more is refused by 403.
- A contact that names another host than the packet's source, or another port while the request asked for `rport`, is
  behind a NAT: requests go to the source, and over UDP keep-alives are due. With Path they go to the edge proxy that
  the request came from (RFC 3327).
- A contact that registered over TLS or WebSocket is reached by that connection alone: phones have no certificate that
  we could check, browsers cannot be called (RFC 7118 §5, RFC 5626).
- A phone that asks for GRUUs (RFC 5627) has a public and a temporary one in each answer.
- A connection's end takes the contacts with it that can be reached by no other.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import asdict, replace

from softswitch.kernel.clock import Duration, Instant, earliest
from softswitch.kernel.deadlines import Deadlines
from softswitch.kernel.errors import PeerError
from softswitch.sip import gruu, outbound
from softswitch.sip.flow import Flow
from softswitch.sip.gruu import Mint
from softswitch.sip.transports import KEPT, SECURE, port_of, transport_of
from softswitch.wire.sip import NameAddr, Request, Uri

_MOST_NAMED = 50  # contacts of one request, those to be removed included: each is compared with each
_OURS = ("expires", "pub-gruu", "temp-gruu")  # parameters of a Contact that are the registrar's to say
_EXPIRES = re.compile(r">[^<>]*;\s*expires\s*=\s*([0-9]{1,10})\s*(?:;|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RegistrarSettings:
    """Seconds. `keep_alive` 0 sends none. See `switch.settings.Sip`."""

    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 600
    max_contacts: int = 5
    keep_alive: Duration = 30.0


class Binding(msgspec.Struct, frozen=True):
    """One contact of an address of record. `destination` is the Request-URI for it, `route` the Route values before it
    (from Path), `flow` where the request goes. `contact` is the Contact value as registered, without `expires`; `q`
    its preference. `nat`: it is reached only by the way that its REGISTER came. `outbound`: the phone keeps that way
    open (RFC 5626); it may have several, told apart by `reg_id`. `gruu`: the key of its temporary GRUUs; empty: it has
    none."""

    aor: str
    destination: str
    contact: str
    flow: Flow
    call_id: str
    cseq: int
    registered_at: Instant
    refreshed_at: Instant
    expires_at: Instant
    route: tuple[str, ...] = ()
    q: float = 1.0
    instance: str = ""
    reg_id: str = ""
    nat: bool = False
    user_agent: str = ""
    outbound: bool = False
    gruu: str = ""

    def as_row(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts for a store; back by `from_row`."""
        return asdict(self) | {"route": list(self.route), "flow": asdict(self.flow)}

    @staticmethod
    def from_row(row: dict[str, Any]) -> "Binding":
        """What `as_row` gave, also after a trip through JSON."""
        flow = row["flow"]
        host, port = flow["remote"]
        return Binding(**{**row, "flow": Flow(**{**flow, "remote": (host, port)}), "route": tuple(row["route"])})


class Registered(msgspec.Struct, frozen=True):
    """A contact is new."""

    binding: Binding


class Refreshed(msgspec.Struct, frozen=True):
    """A contact lives on; its flow and parameters may have changed."""

    binding: Binding


class Removed(msgspec.Struct, frozen=True):
    """A REGISTER took a contact away: `unregistered` by its own wish, `replaced` by a newer one."""

    binding: Binding
    cause: Literal["unregistered", "replaced"]


class Expired(msgspec.Struct, frozen=True):
    """A contact went by itself: its time is up, or its connection broke."""

    binding: Binding
    cause: Literal["expired", "connection"] = "expired"


Change: TypeAlias = Registered | Refreshed | Removed


class Outcome(msgspec.Struct, frozen=True):
    """How to answer, and what changed. `headers` go into the response."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    changes: tuple[Change, ...] = ()


class _Entry:
    """A binding with what the short way for refreshes compares."""

    __slots__ = ("arrival", "binding", "number", "path", "written")

    def __init__(self, number: int, binding: Binding, written: str, arrival: Flow, path: tuple[str, ...]) -> None:
        self.number = number
        self.binding = binding
        self.written = written  # the Contact value to the letter
        self.arrival = arrival  # the flow that the REGISTER came by
        self.path = path


class _Wish(msgspec.Struct, frozen=True):
    """One Contact of a request and the entry that it concerns."""

    contact: NameAddr
    written: str
    expires: int
    old: _Entry | None


class Registrar:
    """All bindings of one switch. Deadlines are kept in heaps; nothing is ever scanned but one user's contacts."""

    def __init__(self, settings: RegistrarSettings = RegistrarSettings(), secret: bytes = b"") -> None:
        self._settings = settings
        self._mint = Mint(secret)
        self._temporary: dict[bytes, int] = {}  # the entries that temporary GRUUs stand for
        self._users: dict[str, list[_Entry]] = {}
        self._entries: dict[int, _Entry] = {}
        self._connections: dict[int, set[int]] = {}
        self._expiries: Deadlines[int] = Deadlines()
        self._keep_alives: Deadlines[int] = Deadlines()
        self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def configure(self, settings: RegistrarSettings) -> None:
        """New bounds for what comes; bindings stay as they are, those that only a connection reaches among them."""
        self._settings = settings

    # --------------------------------------------------------------------------------------------------- REGISTER

    def register(self, aor: str, request: Request, flow: Flow, now: Instant) -> Outcome:
        """Carry out an authenticated REGISTER for `aor` that came by `flow`.

        The outcome is 200 with all current contacts, 400, 403 (too many contacts), 423 (expiry too short) or 500
        (out of order, RFC 3261 §10.3 step 7). Raises `PeerError` when a header that it needs cannot be read.
        """
        outcome = self._register(aor, request, flow, now)
        if outcome.status == 200 and gruu.wanted(request):
            outcome = replace(outcome, headers=self._with_gruus(outcome.headers, aor, request, now))
        if outcome.status == 200 and outbound.wanted(request):
            bound = (change.binding for change in outcome.changes if not isinstance(change, Removed))
            if any(binding.outbound for binding in bound):
                timer = ("Flow-Timer", str(outbound.FLOW_TIMER))
                return replace(outcome, headers=(*outcome.headers, ("Require", "outbound"), timer))  # RFC 5626 §6
        return outcome

    def _register(self, aor: str, request: Request, flow: Flow, now: Instant) -> Outcome:
        headers = request.headers
        values = headers.all("Contact")
        path = tuple(headers.all("Path"))
        entries = self._users.get(aor)
        if entries is not None and len(values) == 1:
            outcome = self._refresh(entries, values[0], path, request, flow, now)
            if outcome is not None:
                return outcome
        if not values:
            return self._success(aor, (), path, now)
        if any(value.strip() == "*" for value in values):
            return self._remove_all(aor, request, values, now)
        return self._update(aor, request, flow, values, path, now)

    def _refresh(
        self, entries: list[_Entry], written: str, path: tuple[str, ...], request: Request, flow: Flow, now: Instant
    ) -> Outcome | None:
        """The short way of what most REGISTERs are: the same contact, to the letter, by the same flow."""
        entry = next((entry for entry in entries if entry.written == written), None)
        if entry is None or ">" not in written:
            return None
        binding = entry.binding
        if binding.instance and bool(binding.gruu) is not gruu.wanted(request):
            return None
        cseq = request.cseq.number
        if entry.arrival != flow or entry.path != path or binding.call_id != request.call_id or cseq <= binding.cseq:
            return None
        own = _EXPIRES.search(written)
        expires = self._expires(own[1] if own else None, request.headers.get("Expires"))
        if expires < self._settings.min_expires or binding.expires_at <= now:
            return None
        entry.binding = replace(binding, cseq=cseq, refreshed_at=now, expires_at=now + expires)
        self._rearm(entry)
        return self._success(binding.aor, (Refreshed(entry.binding),), path, now)

    def _update(
        self, aor: str, request: Request, flow: Flow, values: list[str], path: tuple[str, ...], now: Instant
    ) -> Outcome:
        if len(values) > max(_MOST_NAMED, 2 * self._settings.max_contacts):
            return Outcome(403, "Too many contacts")
        common = request.headers.get("Expires")
        entries = self._users.get(aor, [])
        wishes: list[_Wish] = []
        other = ""
        for written in values:
            contact = NameAddr.parse(written)
            if "gr" in contact.uri.params and contact.uri.host.lower() == request.to.uri.host.lower():
                return Outcome(403, "A GRUU is no contact")  # RFC 5627 §5.1
            if contact.uri.scheme not in ("sip", "sips"):
                other = contact.uri.scheme
                continue  # no INVITE goes there (RFC 3261 §20.10 has a mailto: beside a sip:)
            if contact.uri.scheme == "sips" and flow.transport not in SECURE and not path:
                return Outcome(400, "A sips contact registers over TLS")  # RFC 5630 §5.2
            if outbound.reg_id(contact) and outbound.wanted(request) and outbound.first_hop_lacks(request, path):
                return Outcome(439, "First Hop Lacks Outbound Support")
            expires = self._expires(contact.params.get("expires"), common)
            if 0 < expires < self._settings.min_expires:
                return Outcome(423, headers=(("Min-Expires", str(self._settings.min_expires)),))
            old = _find(entries, contact)
            if old is not None and _out_of_order(old.binding, request, now):
                return Outcome(500, "CSeq out of order")
            if not any(_same(wish, contact, old) for wish in wishes):
                wishes.append(_Wish(contact, written, expires, old))
        if other and not wishes:
            return Outcome(400, f"Contact with scheme {other}")
        if sum(wish.expires > 0 for wish in wishes) > self._settings.max_contacts:
            return Outcome(403, "Too many contacts")
        new = [self._binding(aor, wish, request, flow, path, now) if wish.expires else None for wish in wishes]
        changes: list[Change] = []
        for wish, binding in zip(wishes, new, strict=True):
            if binding is not None:
                changes.append(self._bind(wish, binding, flow, path, now))
            elif wish.old is not None:
                changes.append(Removed(self._drop(wish.old), "unregistered"))
        changes += self._make_room(aor)
        return self._success(aor, tuple(changes), path, now)

    def _remove_all(self, aor: str, request: Request, values: list[str], now: Instant) -> Outcome:
        """`Contact: *` (RFC 3261 §10.3 step 6)."""
        if len(values) != 1 or (request.headers.get("Expires") or "").strip() != "0":
            return Outcome(400, "Contact * needs Expires 0 and no other contact")
        entries = list(self._users.get(aor, ()))
        if any(_out_of_order(entry.binding, request, now) for entry in entries):
            return Outcome(500, "CSeq out of order")
        changes = tuple(Removed(self._drop(entry), "unregistered") for entry in entries)
        return self._success(aor, changes, (), now)

    def _expires(self, own: str | None, common: str | None) -> int:
        """Seconds granted by RFC 3261 §10.3 step 7: the contact's own wish, the request's, else ours; unreadable
        ones count as absent; 0 removes."""
        for text in (own, common):
            if text is not None:
                text = text.strip()
                if text.isascii() and text.isdigit() and len(text) <= 10:
                    return min(int(text), self._settings.max_expires)
        return self._settings.default_expires

    def _success(self, aor: str, changes: tuple[Change, ...], path: tuple[str, ...], now: Instant) -> Outcome:
        """200 with every contact and the time it has left (RFC 3261 §10.3 step 8), and the Path (RFC 3327 §5.3)."""
        headers = [
            ("Contact", f"{entry.binding.contact};expires={round(entry.binding.expires_at - now)}")
            for entry in self._users.get(aor, ())
            if entry.binding.expires_at > now
        ]
        headers += [("Path", value) for value in path]
        return Outcome(200, "", tuple(headers), changes)

    def _with_gruus(
        self, headers: tuple[tuple[str, str], ...], aor: str, request: Request, now: Instant
    ) -> tuple[tuple[str, str], ...]:
        """With the GRUUs of each contact that has any (RFC 5627 §5.1)."""
        uri, turn = request.to.uri, request.cseq.number
        contacts = []
        for entry in self._users.get(aor, ()):
            binding = entry.binding
            if binding.expires_at <= now:
                continue
            text = f"{binding.contact};expires={round(binding.expires_at - now)}"
            if binding.gruu:
                temporary = self._mint.temporary(uri, self._number_of(binding), turn)
                text += f';pub-gruu="{gruu.public(uri, binding.instance)}";temp-gruu="{temporary}"'
            contacts.append(("Contact", text))
        return (*contacts, *(field for field in headers if field[0] != "Contact"))

    def _number_of(self, binding: Binding) -> bytes:
        return self._mint.number(binding.aor, binding.instance, binding.reg_id, binding.call_id)

    def hidden(self, uri: Uri, now: Instant) -> Binding | None:
        """The live contact for which a temporary GRUU stands (RFC 5627 §5.1); None: it is not good (any more)."""
        number = self._mint.read(uri)
        entry = self._entries.get(self._temporary.get(number or b"", 0))
        return entry.binding if entry is not None and entry.binding.expires_at > now else None

    # ---------------------------------------------------------------------------------------------------- bindings

    def _binding(
        self, aor: str, wish: _Wish, request: Request, arrival: Flow, path: tuple[str, ...], now: Instant
    ) -> Binding:
        contact = wish.contact
        uri = contact.uri
        number = outbound.reg_id(contact)
        keeps = bool(number) and outbound.wanted(request)
        flow, nat = _way(uri, arrival, "rport" in request.via.params, bool(path))
        if keeps:
            flow, nat = arrival, True
        params = {name: value for name, value in contact.params.items() if name not in _OURS}
        instance = params.get("+sip.instance") or ""
        old = wish.old
        return Binding(
            aor=aor,
            destination=str(uri),
            contact=str(NameAddr("", uri, params)),
            flow=flow,
            call_id=request.call_id,
            cseq=request.cseq.number,
            registered_at=now if old is None or old.binding.expires_at <= now else old.binding.registered_at,
            refreshed_at=now,
            expires_at=now + wish.expires,
            route=path,
            q=_q(params.get("q")),
            instance=instance,
            reg_id=number,
            nat=nat,
            outbound=keeps,
            user_agent=request.headers.get("User-Agent") or "",
            gruu=self._mint.key.hex() if instance and gruu.wanted(request) else "",
        )

    def _bind(self, wish: _Wish, binding: Binding, arrival: Flow, path: tuple[str, ...], now: Instant) -> Change:
        entry = wish.old
        if entry is None:
            self._add(binding, wish.written, arrival, path, now)
            return Registered(binding)
        over = entry.binding.expires_at <= now
        self._unlink(entry)
        entry.binding, entry.written, entry.arrival, entry.path = binding, wish.written, arrival, path
        self._link(entry)
        self._rearm(entry)
        self._arm_keep_alive(entry, now)
        return Registered(binding) if over else Refreshed(binding)

    def _add(self, binding: Binding, written: str, arrival: Flow, path: tuple[str, ...], now: Instant) -> None:
        self._number += 1
        entry = _Entry(self._number, binding, written, arrival, path)
        self._entries[entry.number] = entry
        self._users.setdefault(binding.aor, []).append(entry)
        self._link(entry)
        self._expiries.set(entry.number, binding.expires_at)
        self._arm_keep_alive(entry, now)

    def _drop(self, entry: _Entry) -> Binding:
        binding = entry.binding
        del self._entries[entry.number]
        entries = self._users[binding.aor]
        entries.remove(entry)
        if not entries:
            del self._users[binding.aor]
        self._unlink(entry)
        self._expiries.cancel(entry.number)
        self._keep_alives.cancel(entry.number)
        return binding

    def _make_room(self, aor: str) -> list[Removed]:
        entries = self._users.get(aor, [])
        surplus = len(entries) - self._settings.max_contacts
        if surplus <= 0:
            return []
        oldest = sorted(entries, key=lambda entry: (entry.binding.refreshed_at, entry.number))[:surplus]
        return [Removed(self._drop(entry), "replaced") for entry in oldest]

    def _rearm(self, entry: _Entry) -> None:
        """A later expiry is found out when the armed one comes due: so a refresh costs no heap work."""
        armed = self._expiries.get(entry.number)
        if armed is None or entry.binding.expires_at < armed:
            self._expiries.set(entry.number, entry.binding.expires_at)

    def _link(self, entry: _Entry) -> None:
        if entry.binding.gruu:
            self._temporary[self._number_of(entry.binding)] = entry.number
        flow = entry.binding.flow
        if flow.reliable and flow.connection:
            self._connections.setdefault(flow.connection, set()).add(entry.number)

    def _unlink(self, entry: _Entry) -> None:
        if entry.binding.gruu:
            self._temporary.pop(self._number_of(entry.binding), None)
        numbers = self._connections.get(entry.binding.flow.connection)
        if numbers is not None:
            numbers.discard(entry.number)
            if not numbers:
                del self._connections[entry.binding.flow.connection]

    def _arm_keep_alive(self, entry: _Entry, now: Instant) -> None:
        binding = entry.binding
        if binding.nat and not (binding.flow.reliable or binding.outbound) and self._settings.keep_alive > 0:
            if self._keep_alives.get(entry.number) is None:
                self._keep_alives.set(entry.number, now + self._settings.keep_alive)
        else:
            self._keep_alives.cancel(entry.number)

    # -------------------------------------------------------------------------------------------------- what lives

    def bindings(self, aor: str, now: Instant) -> tuple[Binding, ...]:
        """The live contacts of `aor`, most preferred first: by q (RFC 3261 §20.10), then the freshest."""
        live = [entry.binding for entry in self._users.get(aor, ()) if entry.binding.expires_at > now]
        if len(live) > 1:
            live.sort(key=lambda binding: (-binding.q, -binding.refreshed_at))
        return tuple(live)

    def snapshot(self) -> tuple[Binding, ...]:
        """Every binding, for the store and for lists."""
        return tuple(entry.binding for entry in self._entries.values())

    def restore(self, bindings: tuple[Binding, ...], now: Instant) -> None:
        """Take back what a former process had. Expired ones stay away, and so do those that only a connection of
        the former process reached."""
        key = next((binding.gruu for binding in bindings if binding.gruu), "")
        if key:
            self._mint = Mint(bytes.fromhex(key))
        for binding in bindings:
            if binding.flow.reliable:
                if binding.nat:
                    continue
                binding = replace(binding, flow=_reopened(binding))
            if binding.expires_at > now:
                self._add(binding, binding.contact, binding.flow, binding.route, now)

    # -------------------------------------------------------------------------------------------------------- time

    def deadline(self) -> Instant | None:
        """When `wake` or `keep_alive_due` has something to do (now and then earlier than that)."""
        return earliest(self._expiries.next(), self._keep_alives.next())

    def wake(self, now: Instant) -> list[Expired]:
        """Drop the contacts whose time is up."""
        gone = []
        for number, _ in self._expiries.due(now):
            entry = self._entries[number]
            if entry.binding.expires_at <= now:
                gone.append(Expired(self._drop(entry)))
            else:
                self._expiries.set(number, entry.binding.expires_at)
        return gone

    def keep_alive_due(self, now: Instant) -> list[Binding]:
        """The contacts behind NAT to which a keep-alive (OPTIONS to `destination` over `flow`) must go now."""
        due = []
        for number, _ in self._keep_alives.due(now):
            entry = self._entries[number]
            self._keep_alives.set(number, now + self._settings.keep_alive)
            if entry.binding.expires_at > now:
                due.append(entry.binding)
        return due

    def flow_failed(self, flow: Flow, now: Instant) -> list[Expired]:
        """A connection is gone: contacts behind NAT go with it, others are reached by a new connection."""
        gone = []
        for number in sorted(self._connections.get(flow.connection, ())) if flow.reliable else ():
            entry = self._entries[number]
            if entry.binding.nat or entry.binding.route:
                gone.append(Expired(self._drop(entry), "connection" if entry.binding.expires_at > now else "expired"))
            else:
                self._unlink(entry)
                entry.binding = replace(entry.binding, flow=_reopened(entry.binding))
                self._link(entry)
        return gone


def _find(entries: list[_Entry], contact: NameAddr) -> _Entry | None:
    """The entry that `contact` is about: the same instance and reg-id, else an equivalent URI (RFC 3261 §19.1.4)."""
    instance = contact.params.get("+sip.instance")
    if instance:
        reg_id = outbound.reg_id(contact)
        for entry in entries:
            if (entry.binding.instance, entry.binding.reg_id) == (instance, reg_id):
                return entry
        if reg_id:  # another flow is another binding, also to the same URI (RFC 5626 §6)
            return None
    text = str(contact.uri)
    for entry in entries:
        if entry.binding.destination == text or Uri.parse(entry.binding.destination).equivalent(contact.uri):
            return entry
    return None


def _same(wish: _Wish, contact: NameAddr, old: _Entry | None) -> bool:
    """Whether a request names one contact twice; the first one counts."""
    return (old is not None and wish.old is old) or wish.contact.uri.equivalent(contact.uri)


def _out_of_order(binding: Binding, request: Request, now: Instant) -> bool:
    """RFC 3261 §10.3 steps 6 and 7: an older request of the same Call-ID must not undo a newer one."""
    return binding.expires_at > now and binding.call_id == request.call_id and request.cseq.number <= binding.cseq


def _way(uri: Uri, arrival: Flow, rport: bool, path: bool) -> tuple[Flow, bool]:
    """By which flow a contact is reached, and whether that is the only way (it is behind a NAT)."""
    if path:
        return arrival, False
    host, port = arrival.remote
    if arrival.transport in KEPT:
        return arrival, True
    if uri.host.lower() != host.lower():
        return arrival, True
    transport = transport_of(uri, arrival.transport)
    named = (host, port_of(uri, transport))
    if transport == arrival.transport:
        if arrival.reliable or named[1] == port:
            return arrival, False
        if rport:
            return arrival, True
    return Flow(transport, named, arrival.listener), False


def _reopened(binding: Binding) -> Flow:
    """The way to a contact whose connection is gone: a new one, to the port that it listens on."""
    flow = binding.flow
    uri = Uri.parse(binding.destination)
    port = flow.remote[1] if binding.route else port_of(uri, flow.transport)
    return Flow(flow.transport, (flow.remote[0], port), flow.listener)


def _q(text: str | None) -> float:
    """qvalue (RFC 3261 §25.1), 1 when absent or out of its range."""
    if text is None:
        return 1.0
    if not re.fullmatch(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", text):
        raise PeerError(f"bad q value {text[:20]!r}")
    return float(text)
