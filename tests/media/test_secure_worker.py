"""SRTP legs in a real media process, over loopback, with each backend."""

import os
import time

import pytest
from harness import PATIENCE, Phone, heard_level, talk, tone
from secure_peer import OUR_PWD, OUR_UFRAG, THEIR_PWD, THEIR_UFRAG, crypt, key_for

from softswitch.media.dtls import Association, Identity, Phase
from softswitch.media.srtp import SUITES, Cipher
from softswitch.wire import control, stun
from softswitch.wire.control import Connect, Edge

LOW, HIGH = tone(500, 1.0), tone(900, 1.0)


class SecurePhone(Phone):
    """A phone whose packets are protected; plain until it has ciphers."""

    out = into = None

    def packet(self, payload, kind=None, marker=False):
        return crypt(self.out.protect, super().packet(payload, kind, marker))

    def sound(self):
        clear = [(at, packet, crypt(self.into.unprotect, data)) for at, packet, data in self.raw]
        assert all(data is not None for _, _, data in clear)
        self.heard = [(at, packet, data[12:]) for at, packet, data in clear]
        return super().sound()

    @property
    def raw(self):
        return [(at, packet, header(packet) + payload) for at, packet, payload in self.heard]


def header(packet):
    first = 0x80 << 8 | packet.marker << 7 | packet.payload_type
    return (
        first.to_bytes(2, "big")
        + packet.sequence.to_bytes(2, "big")
        + packet.timestamp.to_bytes(4, "big")
        + packet.ssrc.to_bytes(4, "big")
    )


@pytest.fixture
def phones():
    made = []
    yield made.append
    for phone in made:
        phone.close()


def opened(media, phone, leg, **spec):
    slot, port = media.slot()
    phone.to = (phone.host, port)
    media.send(control.OpenLeg(leg, slot, phone.spec(**spec)))


@pytest.mark.parametrize("suite", SUITES)
def test_sdes_and_plain_phones_hear_each_other(media, phones, suite):
    running, secure, plain = media(), SecurePhone(0), Phone(1)
    phones(secure)
    phones(plain)
    secure.out = Cipher(suite, key_for(suite, 2), outbound=True)
    secure.into = Cipher(suite, key_for(suite, 1), outbound=False)
    opened(running, secure, 1, security=control.Sdes(suite, key_for(suite, 1), key_for(suite, 2)))
    opened(running, plain, 2)
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(1.2, (secure, LOW), (plain, HIGH))
    assert heard_level(plain.sound()[-4000:], 500) == pytest.approx(8000, rel=0.1)
    assert heard_level(secure.sound()[-4000:], 900) == pytest.approx(8000, rel=0.1)


def test_several_secured_calls_at_once(media, phones):
    """Many packets in a batch: each leg has its own keys, and plain calls run beside them."""
    suite = "AES_CM_128_HMAC_SHA1_80"
    running = media()
    calls = []
    for n in range(8):
        one, two = SecurePhone(0), SecurePhone(0) if n % 3 else Phone(0)
        for side, phone in enumerate((one, two)):
            phones(phone)
            leg = 2 * n + side + 1
            security = None
            if isinstance(phone, SecurePhone):
                phone.out = Cipher(suite, key_for(suite, leg + 100), outbound=True)
                phone.into = Cipher(suite, key_for(suite, leg), outbound=False)
                security = control.Sdes(suite, key_for(suite, leg), key_for(suite, leg + 100))
            opened(running, phone, leg, security=security)
        running.send(Connect((Edge(2 * n + 1, 2 * n + 2), Edge(2 * n + 2, 2 * n + 1))))
        calls.append((one, two))
    talk(1.0, *((one, LOW) for one, _ in calls), *((two, HIGH) for _, two in calls))
    for one, two in calls:
        assert heard_level(two.sound()[-2400:], 500) == pytest.approx(8000, rel=0.1)
        assert heard_level(one.sound()[-2400:], 900) == pytest.approx(8000, rel=0.1)


def test_a_browsers_leg(media, phones):
    """Connectivity check, DTLS handshake against the fingerprint told in `Ready`, SRTP, all on one port."""
    running, browser, plain = media(), SecurePhone(0), Phone(1)
    phones(browser)
    phones(plain)
    identity = Identity(time.time())
    kind, fingerprint = identity.fingerprint.split(" ")
    security = control.Dtls(kind, fingerprint, "passive", OUR_UFRAG, OUR_PWD, THEIR_UFRAG, THEIR_PWD)
    opened(running, browser, 1, remote=None, remote_rtcp=None, rtcp_mux=True, security=security)
    opened(running, plain, 2)
    running.send(Connect((Edge(1, 2), Edge(2, 1))), control.AskInventory())
    running.of(control.Inventory)  # the legs are open: what comes before is thrown away
    attributes = [(stun.USERNAME, f"{OUR_UFRAG}:{THEIR_UFRAG}".encode()), (stun.USE_CANDIDATE, b"")]
    check = stun.build(stun.BINDING_REQUEST, os.urandom(12), attributes, OUR_PWD.encode())
    kind, fingerprint = running.ready.fingerprint.split(" ")
    association = Association(identity, active=True, fingerprint_hash=kind, fingerprint=fingerprint)
    browser.rtp.settimeout(PATIENCE)
    browser.rtp.sendto(check, browser.to)
    assert stun.parse(browser.rtp.recv(2048)).kind == stun.BINDING_SUCCESS
    for datagram in association.start():
        browser.rtp.sendto(datagram, browser.to)
    while association.phase is Phase.SHAKING:
        for datagram in association.receive(browser.rtp.recv(2048)):
            browser.rtp.sendto(datagram, browser.to)
    browser.rtp.setblocking(False)
    assert running.of(control.Secured).suite == association.suite
    browser.out = Cipher(association.suite, association.local_key, outbound=True)
    browser.into = Cipher(association.suite, association.remote_key, outbound=False)
    talk(1.2, (browser, LOW), (plain, HIGH))
    assert heard_level(plain.sound()[-4000:], 500) == pytest.approx(8000, rel=0.1)
    assert heard_level(browser.sound()[-4000:], 900) == pytest.approx(8000, rel=0.1)
    assert running.of(control.LegLatched).remote == browser.address


def test_junk_at_a_secured_leg_harms_nobody(media, phones):
    """STUN, DTLS, RTP and noise by the thousand: counted, and the secured peer and the call beside it are heard."""
    suite = "AES_CM_128_HMAC_SHA1_80"
    running, secure, other = media(), SecurePhone(0), Phone(1)
    one, two, stranger = Phone(0), Phone(0), Phone(0)
    for phone in (secure, other, one, two, stranger):
        phones(phone)
    secure.out = Cipher(suite, key_for(suite, 2), outbound=True)
    secure.into = Cipher(suite, key_for(suite, 1), outbound=False)
    opened(running, secure, 1, security=control.Sdes(suite, key_for(suite, 1), key_for(suite, 2)))
    for leg, phone in ((2, other), (3, one), (4, two)):
        opened(running, phone, leg)
    running.send(Connect((Edge(1, 2), Edge(2, 1), Edge(3, 4), Edge(4, 3))))
    talk(0.2, (secure, LOW), (other, HIGH), (one, LOW), (two, HIGH))
    start = time.monotonic()
    for n in range(60):
        for first in (0, 1, 20, 22, 23, 64, 128, 255):
            for size in (1, 30, 172, 182):
                stranger.rtp.sendto(bytes([first]) + os.urandom(size), secure.to)
        for phone, samples in ((secure, LOW), (other, HIGH), (one, LOW), (two, HIGH)):
            phone.say(samples[n % 50 * 160 : n % 50 * 160 + 160])
        while time.monotonic() < start + (n + 1) * 0.02:
            time.sleep(0.001)
        for phone in (secure, other, one, two):
            phone.listen()
    for phone, hertz in ((other, 500), (secure, 900), (two, 500), (one, 900)):
        assert heard_level(phone.sound()[-4000:], hertz) == pytest.approx(8000, rel=0.1)
    assert running.figures(1, lambda figures: figures.rejected > 1500).rejected > 1500
