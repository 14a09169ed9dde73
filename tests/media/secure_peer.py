"""Peers on the stage that speak SRTP: with keys from SDP, or a browser's ICE and DTLS."""

import os

from virtual import Peer, Stage, key_of

from softswitch.media.arena import SIZE, Batch
from softswitch.media.dtls import Association, Identity, Phase
from softswitch.media.effects import CloseRow, Reply, SendOne, SendReport
from softswitch.media.srtp import SUITES, Cipher, Memory
from softswitch.wire import control, rtp, stun

THEIRS = ("192.0.2.9", 7000)
OUR_UFRAG, OUR_PWD = "ours", "our-password-of-22-chars"
THEIR_UFRAG, THEIR_PWD = "them", "their-password-of-22-cha"


def key_for(suite, octet):
    return bytes([octet]) * (SUITES[suite].key + SUITES[suite].salt)


def crypt(function, data):
    """Run a cipher's method on `data`; None when it refuses."""
    memory = Memory(memoryview(bytearray(data) + bytes(64)))
    length = function(memory, 0, len(data))
    return bytes(memory.view[:length]) if length >= 0 else None


class SecureStage(Stage):
    """Does with the shield what the worker does. `wire`: what left, as it left: row → [octets]."""

    def __init__(self, slots=16):
        super().__init__(slots)
        self.wire = {}
        self.replies = []

    @property
    def shield(self):
        return self.engine.shield

    def receive(self, row, data, source):
        base = self.slot * SIZE
        self.arena.memory[base : base + len(data)] = data
        batch = Batch([self.slot], [row], [len(data)], [key_of(source)], [source])
        self.slot += 1
        if (packets := self.engine.receive(batch, self.now)) is not None:
            self._send(packets)
        self._gather()

    def _send(self, packets):
        for part in self.shield.seal(packets):
            for start, end, row in zip(part.starts, part.ends, part.rows, strict=True):
                self._note(row, part.memory[start:end].tobytes())

    def _gather(self):
        for effect in self.engine.effects:
            match effect:
                case SendOne(row, data):
                    if (sealed := self.shield.seal_one(row, data)) is not None:
                        self._note(row, sealed)
                case SendReport(row, data, address, mux):
                    if (sealed := self.shield.seal_report(row, data)) is not None:
                        self.effects.append(SendReport(row, sealed, address, mux))
                case Reply():
                    self.replies.append(effect)
                case CloseRow(row):
                    self.shield.close(row)
                case _:
                    self.effects.append(effect)
        self.engine.effects.clear()
        self.reports += self.engine.reports
        self.engine.reports.clear()

    def _note(self, row, data):
        self.wire.setdefault(row, []).append(data)
        if row not in self.shield.secured:
            packet = rtp.parse(data)
            self.sent.setdefault(row, []).append((self.now, packet, data[packet.start : packet.end]))


class SdesPeer(Peer):
    """A phone with SDES: what it says is protected, what it hears it opens (`opened`)."""

    def __init__(self, stage, leg, row, suite="AES_CM_128_HMAC_SHA1_80", ours=1, theirs=2, **spec):
        self.suite = suite
        security = control.Sdes(suite, key_for(suite, ours), key_for(suite, theirs))
        super().__init__(stage, leg, row, security=security, **spec)
        self.out = Cipher(suite, key_for(suite, theirs), outbound=True)
        self.into = Cipher(suite, key_for(suite, ours), outbound=False)
        self.said = []
        self.seen = 0

    def packet(self, payload, kind=None, marker=False):
        data = crypt(self.out.protect, super().packet(payload, kind, marker))
        self.said.append(data)
        return data

    def opened(self):
        """The packets that came since the last look, in clear; None for those that do not open."""
        fresh = self.stage.wire.get(self.row, [])[self.seen :]
        self.seen += len(fresh)
        return [crypt(self.into.unprotect, data) for data in fresh]


class Browser:
    """ICE checks, a DTLS client and SRTP, joined to the stage without sockets."""

    def __init__(self, stage, leg, row, active=True, ice=True, fingerprint=None, address=THEIRS, **spec):
        self.stage, self.leg, self.row, self.address = stage, leg, row, address
        self.identity = Identity(stage.now)
        ours = stage.shield.identity.fingerprint.split(" ")
        self.association = Association(self.identity, active=active, fingerprint_hash=ours[0], fingerprint=ours[1])
        credentials = (OUR_UFRAG, OUR_PWD, THEIR_UFRAG, THEIR_PWD) if ice else ()
        kind, value = (fingerprint or self.identity.fingerprint).split(" ")
        self.security = control.Dtls(kind, value, "passive" if active else "active", *credentials)
        values = {"codec": "PCMU", "rtcp_mux": True, "security": self.security, **spec}
        self.spec = control.LegSpec(**values)
        self.out = self.into = None
        self.seen = 0
        self.sequence, self.ssrc = 65534, 77
        stage.command(control.OpenLeg(leg, row, self.spec))

    def check(self, nominate=True, password=OUR_PWD, username=f"{OUR_UFRAG}:{THEIR_UFRAG}", source=None, extra=()):
        attributes = [(stun.USERNAME, username.encode()), (stun.PRIORITY, b"\0\0\0\1"), *extra]
        if nominate:
            attributes.append((stun.USE_CANDIDATE, b""))
        transaction = os.urandom(12)
        data = stun.build(stun.BINDING_REQUEST, transaction, attributes, password.encode())
        self.stage.receive(self.row, data, source or self.address)
        return transaction

    def replies(self):
        fresh = [reply for reply in self.stage.replies[self.seen :] if reply.row == self.row]
        self.seen = len(self.stage.replies)
        return fresh

    def shake(self, rounds=8, lose=()):
        """Datagrams to and fro; `lose` numbers those of the switch that get lost."""
        self._send(self.association.start())
        count = 0
        for _ in range(rounds):
            for reply in self.replies():
                if not stun.is_stun(reply.data):
                    count += 1
                    if count not in lose:
                        self._send(self.association.receive(reply.data))
        if self.association.phase is Phase.DONE:
            self.out = Cipher(self.association.suite, self.association.local_key, outbound=True)
            self.into = Cipher(self.association.suite, self.association.remote_key, outbound=False)

    def _send(self, datagrams):
        for data in datagrams:
            self.stage.receive(self.row, data, self.address)

    def say(self, payload=b"\x55" * 160, source=None):
        data = rtp.build(self.spec.payload_type, False, self.sequence, 160 * self.sequence, self.ssrc, payload)
        self.sequence += 1
        self.stage.receive(self.row, crypt(self.out.protect, data), source or self.address)
