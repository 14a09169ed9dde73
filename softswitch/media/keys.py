"""Keys on their way: pressed ones to control and to whoever hears the leg, ordered ones to the leg's peer."""

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.media import tones
from softswitch.media.codecs import CODECS
from softswitch.media.edges import Edges
from softswitch.media.legs import Leg, Legs
from softswitch.media.plan import Plan
from softswitch.media.player import Player
from softswitch.media.relay import Relay
from softswitch.media.sender import Sender
from softswitch.media.sounds import Sounds
from softswitch.wire import dtmf
from softswitch.wire.control import LISTEN_DTMF, Digit, Report

_SHORTEST, _LONGEST = 80, 400  # ms, of a key that we pass on


class Keys:
    """`sending` are the legs with telephone-events to send; keys in band are players with negative ids."""

    __slots__ = (
        "_edges",
        "_legs",
        "_next",
        "_once",
        "_plan",
        "_relay",
        "_reports",
        "_sounds",
        "_toned",
        "_tones",
        "sending",
    )

    def __init__(
        self, legs: Legs, edges: Edges, plan: Plan, relay: Relay, sounds: Sounds, reports: list[Report]
    ) -> None:
        self.sending: dict[int, Leg] = {}
        self._legs = legs
        self._edges = edges
        self._plan = plan
        self._relay = relay
        self._sounds = sounds
        self._reports = reports
        self._tones: dict[int, int] = {}  # player in band → the row that hears it
        self._toned: dict[int, set[int]] = {}  # and the other way round
        self._once: dict[int, dtmf.Once] = {}
        self._next = -1

    def tell(self, pressed: list[tuple[Leg, dtmf.Pressed]], tick: int, now: Instant, method: str = "rfc4733") -> None:
        """Report keys, and pass them on to legs that neither the relay nor the tone itself reaches. A key in band has
        passed as sound when we know it; where the other side takes events it gets one beside."""
        in_band = method == "inband"
        for leg, key in pressed:
            if not self._new(leg, key, method, now):
                continue
            self._reports.append(Digit(leg.id, key.digit, key.duration_ms, method))
            relayed = self._relay.routes.get(leg.row, ())
            for sink in self._edges.sinks_of(leg.row):
                to = self._legs.by_row[sink] if sink < self._legs.capacity else None
                if to is None or to is leg or not to.spec.keys:
                    continue
                events = to.spec.event_type >= 0
                tones = to.spec.codec in CODECS and not in_band
                if (events and (in_band or sink not in relayed)) or (not events and tones):
                    self.send(to, key.digit, min(max(key.duration_ms, _SHORTEST), _LONGEST), tick)

    def _new(self, leg: Leg, key: dtmf.Pressed, method: str, now: Instant) -> bool:
        """Whether the key was not told already: some phones send it as events and as tones at once."""
        if leg.spec.event_type < 0 or not leg.spec.listen & LISTEN_DTMF:
            return True
        return self._once.setdefault(leg.id, dtmf.Once()).new(key.digit, method, now, key.duration_ms)

    def send(self, leg: Leg, digits: str, duration_ms: int, tick: int) -> None:
        """Normalised digits to the leg's peer, from `tick` on. Raises `LocalError`."""
        if leg.spec.event_type >= 0:
            clock = self._legs.event_clock(leg)
            if leg.sender is None or (leg.sender.clock != clock and not leg.sender.busy):
                leg.sender = dtmf.EventSender(clock=clock)
            leg.sender.queue(digits, duration_ms)
            self.sending[leg.id] = leg
            self._legs.ready(leg)
        elif leg.spec.codec in CODECS:
            player = self._sounds.add(Player(self._next, tones.keys(digits, duration_ms), 1))
            self._next -= 1
            self._tones[player.id] = leg.row
            self._toned.setdefault(leg.row, set()).add(player.id)
            self._sounds.start(player, tick)
            place = self._sounds.place(player.id)
            assert place is not None
            self._edges.connect(place, leg.row, 1.0)
        else:
            raise LocalError(f"leg {leg.id} takes neither telephone-events nor tones")
        self._plan.dirty = True

    def step(self, sender: Sender, now: Instant) -> None:
        """Once a tick: the telephone-events that are due."""
        for leg in list(self.sending.values()):
            events = leg.sender
            if events is None or not events.busy:
                del self.sending[leg.id]
                self._legs.ready(leg)
                self._plan.dirty = True
            elif leg.target is not None and leg.spec.send:
                if (out := events.step()) is not None:
                    sender.event(leg, out, now)
            else:
                leg.sender = None  # held or unreachable: nobody is there to hear the keys

    def ended(self, player: int) -> None:
        """Keys in band were played to their end."""
        if (row := self._tones.pop(player, None)) is not None:
            self._toned[row].discard(player)
            if not self._toned[row]:
                del self._toned[row]

    def forget(self, leg: Leg) -> None:
        """The leg closes."""
        self._once.pop(leg.id, None)
        self.sending.pop(leg.id, None)
        for player in self._toned.pop(leg.row, ()):
            del self._tones[player]
            self._sounds.forget(player)
