"""Who takes part in a call that a recording server gets, and what of that the server has been told (RFC 7865)."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from softswitch.call.leg import Leg
from softswitch.kernel.clock import Instant
from softswitch.sip.privacy import ANONYMOUS
from softswitch.wire.rs_metadata import Participant, Session, Stream, changes, document
from softswitch.wire.sip import Uri
from softswitch.wire.sip.uri import escaped_user

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class RecordedParties:
    """`session` is the communication session; `streams` are the identifiers of the two streams."""

    def __init__(self, call: "Call", streams: tuple[str, ...], session: str, new_id: Callable[[], str]) -> None:
        self._call = call
        self._first = call.leg if call.leg.peer == call.source else None  # who is known by the call's own number
        self._streams = streams
        self._new_id = new_id
        self._ids: dict[str, str] = {}
        self._known: dict[str, Participant] = {}  # by identifier; who left stays until that has been told
        self._saying: dict[str, Participant] = {}
        self._told: dict[str, Participant] | None = None  # None: the server knows nothing
        self.session = Session(session, call.started)

    @property
    def untold(self) -> bool:
        """Whether something has changed since the server was told last."""
        return self._told != self._known

    def now(self, sounding: Iterable[tuple[Leg, int]], at: Instant) -> bool:
        """These talk, each in the stream with that number. Whether anything has changed."""
        before = dict(self._known)
        present = list(sounding)
        voices = {leg.id: self._streams[place] for leg, place in present}
        here = set()
        for leg, place in present:
            aor, name = self._who(leg)
            id = self._ids.setdefault(f"{leg.peer} {aor}", "") or self._new_id()
            self._ids[f"{leg.peer} {aor}"] = id
            if id in here:
                continue
            here.add(id)
            old = self._known.get(id)
            joined = at if old is None or old.left is not None else old.joined
            sends = () if leg.held_at is not None else (self._streams[place],)
            hears = tuple(sorted({voices[source] for source in leg.hears if source in voices}))
            self._known[id] = Participant(id, aor, name, joined, sends, hears)
        for id, one in self._known.items():
            if id not in here and one.left is None:
                self._known[id] = msgspec.structs.replace(one, sends=(), hears=(), left=at)
        return before != self._known

    def document(self) -> bytes:
        """What the server must be told now: everything, or what has changed. It is `told` once it has agreed."""
        self._saying = dict(self._known)
        if self._told is None:
            streams = [Stream(id, str(number)) for number, id in enumerate(self._streams, 1)]
            return document(self.session, streams, (one for one in self._saying.values() if one.left is None))
        told = self._told
        return changes(self.session, (one for id, one in self._saying.items() if told.get(id) != one))

    def told(self) -> None:
        """The server has what `document` said last."""
        for id, one in tuple(self._saying.items()):
            if one.left is not None:
                del self._saying[id]
                if self._known.get(id) == one:
                    del self._known[id]
        self._told = self._saying

    def forget_told(self) -> None:
        """It is told everything next."""
        self._told = None

    def _who(self, leg: Leg) -> tuple[str, str]:
        """Address of record and name. The server is ours: nothing is hidden from it."""
        call, settings = self._call, self._call.office.settings
        domain = settings.sip.domain
        number, name = "", ""
        if leg is self._first:
            number, name = call.caller, call.caller_name
        elif seat := call.office.directory.seat(leg.peer):
            phone = settings.phones.get(seat)
            number, name = seat, ""
            if phone is not None:
                number, name = phone.number or seat, phone.name or ""
            kind, _, person = leg.peer.partition(":")
            if kind == "agent" and person in settings.agents:
                name = settings.agents[person].name or name or person
        else:
            number = call.number
        if number in ("", ANONYMOUS):
            return "sip:anonymous@anonymous.invalid", name
        return str(Uri("sip", escaped_user(number), None, domain)), name
