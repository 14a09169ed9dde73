"""SRTP between the sockets and the engine: what comes in for a secured row is opened in the arena before anybody looks
at it, what goes out is sealed last. Rows without security do not know of it.

What comes to a secured row is told apart by its first octet (RFC 7983): STUN, DTLS, or RTP and RTCP. Plain RTP,
forged, repeated and too old packets, and all that comes from an address without a connectivity check where ICE was
agreed, are counted as the leg's `rejected` and go no further. As long as a row has no keys nothing leaves it.
"""

from collections.abc import Sequence
from typing import Final, overload

import numpy as np

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.media.arena import SIZE, Address, Arena, Batch, Octets, Packets
from softswitch.media.dtls import Association, Identity, Phase
from softswitch.media.effects import Effect, Reply
from softswitch.media.ice_lite import CONSENT, IceLite
from softswitch.media.latch import NOBODY, may_take_over
from softswitch.media.legs import Leg, Legs
from softswitch.media.srtp import TRAILER, Cipher, Memory, check
from softswitch.wire.control import Dtls, LegLatched, LegSilent, Report, Sdes, Secured, Security, SecurityFailed
from softswitch.wire.rtp import HEADER

PATIENCE: Final[Duration] = 30.0
"""From a leg's opening to its keys, at most."""

_FLOOD: Final = 64  # refused packets of a batch from which on only known sources are looked at
_BEAT: Final = 5  # ticks between looks at the timers of handshakes
_ROOM: Final = 1 << 18  # octets of packets on their way out
_DTLS: Final = range(20, 64)  # RFC 7983 §7


class _Kept(Sequence[Address]):
    """Some of the addresses; a backend spells them out only when asked."""

    __slots__ = ("_all", "_kept")

    def __init__(self, addresses: Sequence[Address], kept: list[int]) -> None:
        self._all = addresses
        self._kept = kept

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, i: int) -> Address: ...
    @overload
    def __getitem__(self, i: slice) -> list[Address]: ...
    def __getitem__(self, i: int | slice) -> Address | list[Address]:
        if isinstance(i, slice):
            return [self._all[k] for k in self._kept[i]]
        return self._all[self._kept[i]]


class Guard:
    """What secures one row."""

    __slots__ = (
        "association",
        "began",
        "ice",
        "inbound",
        "leg",
        "outbound",
        "peer",
        "peer_key",
        "security",
        "silent",
    )

    def __init__(self, leg: Leg, now: Instant) -> None:
        self.leg = leg
        self.security: Security | None = None
        self.inbound: Cipher | None = None
        self.outbound: Cipher | None = None
        self.association: Association | None = None
        self.ice: IceLite | None = None
        self.peer: Address | None = None  # where DTLS goes
        self.peer_key = NOBODY
        self.began = now
        self.silent = False  # consent to be sent to has expired


class Shield:
    """`secured`: the guards by row; `shaking`: those whose handshake is under way. `moved` is the receiver's."""

    def __init__(
        self, legs: Legs, arena: Arena, moved: list[Leg], effects: list[Effect], reports: list[Report], now: Instant
    ) -> None:
        self._legs = legs
        self._moved = moved
        self._effects = effects
        self._reports = reports
        self._arena = Memory(arena.memory)
        self._offset = arena.offset
        self._out: Memory | None = None  # made for the first who needs it
        self._out_octets: Octets = np.zeros(0, np.uint8)
        self._at = 0
        self._beat = 0
        self.identity = Identity(now)
        self.secured: dict[int, Guard] = {}
        self.shaking: dict[int, Guard] = {}

    # -------------------------------------------------------------------------------------------------------- commands

    @staticmethod
    def check(security: Security | None) -> None:
        """Raises `LocalError` on what `describe` could not do; before a leg is opened that would then be plain."""
        if isinstance(security, Sdes):
            check(security.suite, security.local_key)
            check(security.suite, security.remote_key)
        elif isinstance(security, Dtls) and security.role not in ("active", "passive"):
            raise LocalError(f"DTLS role {security.role!r}: active or passive")

    def describe(self, leg: Leg, security: Security | None, now: Instant) -> None:
        """What SIP agreed on for the leg, after `check`. Keys that stay the same go on with their counters."""
        guard = self.secured.get(leg.row)
        if guard is not None and guard.security == security:
            return
        if security is None:
            self.close(leg.row)
            return
        if guard is None or type(guard.security) is not type(security):
            guard = Guard(leg, now)
            self.shaking.pop(leg.row, None)
        if isinstance(security, Sdes):
            self._take_keys(guard, security)
        else:
            self._expect(guard, security, now)
        guard.security = security
        self.secured[leg.row] = guard

    def close(self, row: int) -> None:
        """The row is plain again, or nobody's."""
        self.secured.pop(row, None)
        self.shaking.pop(row, None)

    def _take_keys(self, guard: Guard, keys: Sdes) -> None:
        """RFC 4568: each direction has its key; who changes one does not disturb the other."""
        old = guard.security if isinstance(guard.security, Sdes) else None
        same_suite = old is not None and old.suite == keys.suite
        if not (same_suite and old is not None and old.remote_key == keys.remote_key):
            guard.inbound = Cipher(keys.suite, keys.remote_key, outbound=False)
        if not (same_suite and old is not None and old.local_key == keys.local_key):
            guard.outbound = Cipher(keys.suite, keys.local_key, outbound=True)
        self._reports.append(Secured(guard.leg.id, keys.suite))

    def _expect(self, guard: Guard, dtls: Dtls, now: Instant) -> None:
        """A handshake is to come. New ICE credentials alone restart ICE, not DTLS (RFC 8842 §4)."""
        old = guard.security if isinstance(guard.security, Dtls) else None
        if not dtls.ice_ufrag:
            guard.ice = None
        elif old is None or (old.ice_ufrag, old.ice_pwd, old.remote_ufrag) != (
            dtls.ice_ufrag,
            dtls.ice_pwd,
            dtls.remote_ufrag,
        ):
            guard.ice = IceLite(dtls.ice_ufrag, dtls.ice_pwd, dtls.remote_ufrag, now)
        who = (dtls.fingerprint_hash, dtls.fingerprint, dtls.role)
        if old is not None and who == (old.fingerprint_hash, old.fingerprint, old.role):
            return
        guard.association = Association(
            self.identity,
            active=dtls.role == "active",
            fingerprint_hash=dtls.fingerprint_hash,
            fingerprint=dtls.fingerprint,
        )
        guard.inbound = guard.outbound = None
        guard.began = now
        self.shaking[guard.leg.row] = guard
        if guard.ice is None and dtls.role == "active" and guard.leg.spec.remote is not None:
            guard.peer = guard.leg.spec.remote
            self._send(guard, guard.association.start())

    # ------------------------------------------------------------------------------------------------------- coming in

    def open(self, batch: Batch, now: Instant) -> Batch:
        """The batch in clear text, without what is not RTP or not genuine. About 1.2 µs a secured packet."""
        secured, arena, offset = self.secured, self._arena, self._offset
        memory, rows, slots, lengths, keys = arena.view, batch.rows, batch.slots, batch.lengths, batch.keys
        if isinstance(rows, np.ndarray):
            rows, slots, lengths, keys = (np.asarray(some).tolist() for some in (rows, slots, lengths, keys))
        chosen = [i for i, row in enumerate(rows) if row in secured]
        if not chosen:
            return batch
        lengths, keys = list(lengths), list(keys)
        refused: list[int] = []
        for i in chosen:
            guard = secured[rows[i]]
            if len(refused) > _FLOOD and keys[i] != guard.leg.key:
                guard.leg.rejected += 1
                refused.append(i)
                continue
            base, length = slots[i] * SIZE + offset, lengths[i]
            if length < HEADER or memory[base] >> 6 != 2:
                self._beside(guard, bytes(memory[base : base + length]), batch.addresses[i], keys[i], now)
                refused.append(i)
                continue
            leg, ice, cipher = guard.leg, guard.ice, guard.inbound
            if cipher is None or (ice is not None and keys[i] not in ice.sources):
                length = -1
            elif 192 <= memory[base + 1] <= 223 and leg.spec.rtcp_mux:  # RFC 5761 §4
                length = cipher.unprotect_rtcp(arena, base, length)
            else:
                length = cipher.unprotect(arena, base, length)
            if length < 0:
                leg.rejected += 1
                refused.append(i)
                continue
            lengths[i] = length
            if ice is not None and leg.key != NOBODY:
                keys[i] = leg.key  # where to send, nomination says; heard are all who were checked
        if not refused:
            return Batch(slots, rows, lengths, keys, batch.addresses)
        gone = set(refused)
        kept = [i for i in range(len(rows)) if i not in gone]
        return Batch(
            [slots[i] for i in kept],
            [rows[i] for i in kept],
            [lengths[i] for i in kept],
            [keys[i] for i in kept],
            _Kept(batch.addresses, kept),
        )

    def open_report(self, row: int, data: bytes) -> bytes | None:
        """A datagram on the RTCP port in clear text; None when it is not genuine."""
        guard = self.secured.get(row)
        if guard is None:
            return data
        if guard.inbound is not None:
            memory = Memory(memoryview(bytearray(data)))
            if (length := guard.inbound.unprotect_rtcp(memory, 0, len(data))) >= 0:
                return bytes(memory.view[:length])
        guard.leg.rejected += 1
        return None

    def _beside(self, guard: Guard, data: bytes, source: Address, key: int, now: Instant) -> None:
        """STUN, DTLS, or junk."""
        first = data[0] if data else 0xFF
        if first < 4 and guard.ice is not None:
            self._check(guard, guard.ice, data, source, key, now)
        elif first in _DTLS and guard.association is not None and self._may_shake(guard, key):
            guard.peer, guard.peer_key = source, key
            self._step(guard, guard.association.receive(data))
        else:
            guard.leg.rejected += 1

    def _check(self, guard: Guard, ice: IceLite, data: bytes, source: Address, key: int, now: Instant) -> None:
        leg = guard.leg
        try:
            found = ice.receive(data, source, key, now)
        except PeerError:
            leg.rejected += 1
            return
        if found is None:
            return
        self._effects.append(Reply(leg.row, found.answer, source))
        if not found.valid:
            return
        if guard.silent:
            guard.silent = False
            self._moved.append(leg)  # to be sent to again
        if found.nominated and leg.key != key:
            leg.key, leg.locked, leg.locked_at, leg.resignalled = key, source, now, False
            self._moved.append(leg)
            self._reports.append(LegLatched(leg.id, source))
        if guard.peer is None and guard.association is not None:
            guard.peer, guard.peer_key = source, key
            self._send(guard, guard.association.start())

    def _may_shake(self, guard: Guard, key: int) -> bool:
        """With ICE whoever was checked; without, the first source by the rule of latching."""
        if guard.ice is not None:
            return key in guard.ice.sources
        leg = guard.leg
        return key == guard.peer_key or may_take_over(
            learn=leg.spec.latch == "learn",
            locked=guard.peer_key,
            signalled=leg.signalled_key,
            key=key,
            silent=0.0,
            continues=False,
            resignalled=False,
        )

    # ------------------------------------------------------------------------------------------------------ handshakes

    def _step(self, guard: Guard, datagrams: list[bytes]) -> None:
        self._send(guard, datagrams)
        association = guard.association
        if association is None or guard.leg.row not in self.shaking:
            return
        if association.phase is Phase.DONE:
            guard.inbound = Cipher(association.suite, association.remote_key, outbound=False)
            guard.outbound = Cipher(association.suite, association.local_key, outbound=True)
            del self.shaking[guard.leg.row]
            self._reports.append(Secured(guard.leg.id, association.suite))
        elif association.phase is Phase.FAILED:
            del self.shaking[guard.leg.row]
            self._reports.append(SecurityFailed(guard.leg.id, association.reason))

    def _send(self, guard: Guard, datagrams: list[bytes]) -> None:
        if (to := guard.peer) is not None:
            self._effects += [Reply(guard.leg.row, data, to) for data in datagrams]

    def tick(self, now: Instant) -> None:
        """Each 20 ms while anybody is `shaking`: retransmissions, and the end of patience."""
        self._beat = (self._beat + 1) % _BEAT
        if self._beat:
            return
        for guard in list(self.shaking.values()):
            association = guard.association
            if association is None:
                continue
            if now - guard.began > PATIENCE:
                ice = guard.ice is not None and not guard.ice.sources
                association.fail(f"no {'ICE check' if ice else 'DTLS handshake'} within {PATIENCE:.0f} s")
            self._step(guard, association.wake())

    def wake(self, now: Instant) -> list[Leg]:
        """Once a second. Legs whose peer no longer consents to be sent to (RFC 7675 §5.1)."""
        lost = []
        for guard in self.secured.values():
            if guard.ice is None or guard.silent or (quiet := now - guard.ice.checked) <= CONSENT:
                continue
            guard.silent = True
            lost.append(guard.leg)
            if not guard.leg.silent and guard.inbound is not None:
                guard.leg.silent = True
                self._legs.flows.clear(guard.leg.row)
                self._reports.append(LegSilent(guard.leg.id, quiet))
        return lost

    # ------------------------------------------------------------------------------------------------------- going out

    def seal(self, packets: Packets) -> tuple[Packets, ...]:
        """The same packets, those of secured rows protected in memory of ours: the source's memory is still read by
        the recorder and the mixer. About 1.3 µs a secured packet."""
        secured = self.secured
        starts, ends, rows = packets.starts, packets.ends, packets.rows
        if isinstance(rows, np.ndarray):
            starts, ends, rows = (np.asarray(some).tolist() for some in (starts, ends, rows))
        chosen = [i for i, row in enumerate(rows) if row in secured]
        if not chosen:
            return (packets,)
        sealed_starts: list[int] = []
        sealed_ends: list[int] = []
        sealed_rows: list[int] = []
        out = self._room(sum([ends[i] - starts[i] + 2 * TRAILER for i in chosen]))
        at, view, memory = self._at, out.view, packets.memory.data
        for i in chosen:
            row, start, end = rows[i], starts[i], ends[i]
            cipher = secured[row].outbound
            if cipher is None:
                continue
            size = end - start
            view[at : at + size] = memory[start:end]
            if (size := cipher.protect(out, at, size)) < 0:
                continue
            sealed_starts.append(at)
            sealed_ends.append(at + size)
            sealed_rows.append(row)
            at += size + 3 & ~3
        self._at = at
        parts = [Packets(self._out_octets, sealed_starts, sealed_ends, sealed_rows)] if sealed_rows else []
        if len(chosen) < len(rows):
            gone = set(chosen)
            kept = [i for i in range(len(rows)) if i not in gone]
            plain = [starts[i] for i in kept], [ends[i] for i in kept], [rows[i] for i in kept]
            parts.append(Packets(packets.memory, *plain))
        return tuple(parts)

    def seal_one(self, row: int, data: bytes) -> bytes | None:
        """One RTP packet; None when it must not go out."""
        guard = self.secured.get(row)
        if guard is None:
            return data
        if guard.outbound is None:
            return None
        memory = Memory(memoryview(bytearray(data) + bytes(TRAILER)))
        length = guard.outbound.protect(memory, 0, len(data))
        return bytes(memory.view[:length]) if length >= 0 else None

    def seal_report(self, row: int, data: bytes) -> bytes | None:
        """One RTCP packet; None when it must not go out."""
        guard = self.secured.get(row)
        if guard is None:
            return data
        if guard.outbound is None:
            return None
        memory = Memory(memoryview(bytearray(data) + bytes(TRAILER)))
        length = guard.outbound.protect_rtcp(memory, 0, len(data))
        return bytes(memory.view[:length]) if length >= 0 else None

    def _room(self, octets: int) -> Memory:
        """Memory for so many octets, from `_at` on; what was written there lately stays until it is gone round."""
        out = self._out
        if out is None or len(out.view) < 4 * octets:
            self._out_octets = np.zeros(max(_ROOM, 8 * octets), np.uint8)
            self._out = out = Memory(self._out_octets.data)
            self._at = 0
        elif self._at + octets > len(out.view):
            self._at = 0
        return out
