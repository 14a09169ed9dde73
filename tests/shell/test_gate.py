"""The gate: who may send how much, what is dropped before it is parsed, bans."""

from dataclasses import replace

import pytest

from softswitch.shell.gate import Gate, source_key
from softswitch.switch.events import Security
from softswitch.switch.settings import Defence, Settings, Sip

NOW = 1_000_000.0
REGISTER = b"REGISTER sip:pbx SIP/2.0\r\nTo: <sip:1001@pbx>\r\nUser-Agent: Phone\r\n\r\n"
OPTIONS = b"OPTIONS sip:pbx SIP/2.0\r\n\r\n"
STRANGER, KNOWN = "203.0.113.9", "198.51.100.10"


class Door:
    """A gate whose clock stands where the test puts it."""

    def __init__(self, **rules: object) -> None:
        self.now = NOW
        self.told: list[Security] = []
        self.known = {KNOWN}
        self.asked = 0
        self.settings = Settings(defence=Defence(**rules))  # type: ignore[arg-type]
        self.gate = Gate(self.settings, self._knows, lambda: self.now, self.told.append)

    def _knows(self, host: str) -> bool:
        self.asked += 1
        return host in self.known

    def takes(self, host: str = STRANGER, data: bytes = REGISTER, times: int = 1) -> int:
        """How many of so many at once are taken."""
        return sum(self.gate.takes(host, data, self.now) for _ in range(times))


def test_a_stranger_has_its_burst_and_then_its_rate() -> None:
    door = Door(rate=10.0, burst=20.0)
    assert door.takes(times=100) == 20
    door.now += 1.0
    assert door.takes(times=100) == 10
    assert door.gate.counts.limited == 170


def test_the_known_have_a_budget_of_their_own() -> None:
    door = Door(rate=1.0, burst=2.0, strangers_burst=1.0, strangers_rate=0.0, known_rate=100.0, known_burst=300.0)
    assert door.takes(KNOWN, times=1000) == 301
    assert door.takes(STRANGER, times=2) == 1, "strangers share one token"
    door.now += 1.0
    assert door.takes(KNOWN, times=1000) == 100


def test_who_becomes_known_is_so_within_a_second_and_who_is_no_more_within_half_a_minute() -> None:
    door = Door(rate=0.0, burst=1.0)
    assert door.takes() == 1
    door.known.add(STRANGER)
    assert door.takes() == 0
    door.now += 1.0
    assert door.takes(times=5) == 5
    door.known.clear()
    door.now += 30.0
    assert door.gate.takes(STRANGER, OPTIONS, door.now) is False


def test_asking_is_bounded_however_many_come() -> None:
    door = Door()
    door.takes(times=10_000)
    assert door.asked == 1


def test_a_flood_from_many_addresses_shares_one_bucket() -> None:
    door = Door(strangers_rate=50.0, strangers_burst=100.0)
    assert sum(door.takes(f"203.0.{n >> 8}.{n & 255}") for n in range(5000)) == 100
    assert door.takes(KNOWN) == 1
    assert door.takes("127.0.0.1") == 1
    door.now += 1.0
    assert sum(door.takes(f"203.0.{n >> 8}.{n & 255}") for n in range(5000)) == 50


def test_memory_is_bounded_and_bans_outlive_forgetting() -> None:
    door = Door()
    door.gate.ban(STRANGER, 600.0, "test")
    for n in range(100_000):
        door.takes(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert door.gate.sources <= 16_385
    assert door.takes() == 0
    for n in range(40_000):
        door.gate.ban(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 600.0, "test")
    assert len(door.gate.bans()) <= 16_384


@pytest.mark.parametrize(
    "word", ["User-Agent: friendly-scanner", "From: \"sipvicious\"<sip:100@1.1.1.1>", "User-Agent: VaxSIPUserAgent/3.1",
             "User-Agent: sipcli/v1.8", "User-Agent: pplsip"],
)  # fmt: skip
def test_scanners_are_dropped_and_banned(word: str) -> None:
    door = Door()
    data = f"INVITE sip:100@pbx SIP/2.0\r\n{word}\r\n\r\n".encode()
    assert door.takes(KNOWN, data) == 1, "a trunk may call itself what it likes"
    assert door.takes(STRANGER, data) == 0
    assert [event.event for event in door.told] == ["scanner", "banned"]
    assert door.takes(STRANGER) == 0
    (ban,) = door.gate.bans()
    assert (ban.address, ban.reason, ban.until) == (STRANGER, "scanner", NOW + 600.0)


def test_without_bans_scanners_are_still_dropped() -> None:
    door = Door(bans=False)
    assert door.takes(data=b"OPTIONS sip:x SIP/2.0\r\nUser-Agent: friendly-scanner\r\n\r\n") == 0
    assert door.takes() == 1
    assert not door.gate.bans()


def test_junk_is_dropped_and_its_sender_banned() -> None:
    door = Door(junk=5)
    for data in (b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"a" * 2000):
        assert door.takes(data=data) == 0
    assert door.takes() == 1
    assert door.takes(data=b"\x01\x02\x03") == 0
    assert door.takes() == 0
    assert door.gate.bans()[0].reason == "junk"


def test_keep_alives_and_stun_are_no_junk() -> None:
    """RFC 5626 §4.4: CRLF and STUN keep NAT bindings open, before a phone is known, too."""
    door = Door(junk=1)
    stun = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
    for data in (b"\r\n\r\n", b"\r\n", b"\0", stun, b"\0" * 50):
        door.takes(data=data)
    assert not door.gate.bans()
    assert door.takes(data=stun) == 1


def test_options_of_strangers_by_setting() -> None:
    assert Door().takes(data=OPTIONS) == 0
    assert Door().takes(KNOWN, OPTIONS) == 1
    assert Door(options="all").takes(data=OPTIONS) == 1


def test_who_is_allowed_is_never_limited_or_banned() -> None:
    door = Door(allow=("203.0.113.0/24",), rate=1.0, burst=1.0, junk=1)
    assert door.takes(data=b"\xff\xff", times=1000) == 1000
    assert door.gate.ban(STRANGER, 60.0, "by hand") is False
    assert door.gate.ban(KNOWN, 60.0, "by hand") is False
    assert Door().takes("127.0.0.9", times=1000) == 1000
    assert Door(loopback=False).takes("127.0.0.9", times=1000) == 200
    assert Door().takes("192.168.1.5", times=1000) == 200
    assert Door(local=True).takes("192.168.1.5", times=1000) == 1000


def test_who_is_denied_gets_nothing_and_only_allowed_shuts_out_strangers() -> None:
    door = Door(deny=("203.0.113.0/24",))
    assert door.takes() == 0
    assert door.gate.admits(STRANGER) is False
    assert door.takes("203.0.114.1") == 1
    door = Door(only_allowed=True, allow=("192.0.2.0/24",))
    assert [door.takes(host) for host in (STRANGER, KNOWN, "192.0.2.7")] == [0, 1, 1]
    assert [door.gate.admits(host) for host in (STRANGER, KNOWN, "192.0.2.7")] == [False, True, True]


def test_bans_end_grow_and_are_lifted() -> None:
    door = Door()
    assert door.gate.ban(STRANGER, 600.0, "one")
    assert not door.gate.admits(STRANGER)
    door.now += 601.0
    assert door.takes() == 1
    assert not door.gate.bans()
    door.gate.ban(STRANGER, 600.0, "two")
    (ban,) = door.gate.bans()
    assert (ban.until - door.now, ban.times) == (1200.0, 2)
    for _ in range(20):
        door.gate.ban(STRANGER, 600.0, "again")
    assert door.gate.bans()[0].until - door.now == 86_400.0
    assert door.gate.unban(STRANGER)
    assert door.takes() == 1
    assert not door.gate.unban(STRANGER)
    with pytest.raises(ValueError, match="does not appear"):
        door.gate.ban("carrier.example", 1.0, "a name")


def test_an_ipv6_site_is_one_source() -> None:
    door = Door(rate=0.0, burst=3.0)
    assert sum(door.takes(f"2001:db8:1:2::{n:x}") for n in range(1, 20)) == 3
    assert door.takes("2001:db8:1:3::1") == 1
    door.gate.ban("2001:db8:1:3::77", 60.0, "test")
    assert door.takes("2001:db8:1:3::1") == 0
    assert door.gate.bans()[0].address == "2001:db8:1:3::/64"
    assert source_key("::ffff:203.0.113.9") == STRANGER
    assert source_key("fe80::1%eth0") == "fe80::/64"


def test_new_settings_lift_bans_of_who_is_allowed_now() -> None:
    door = Door()
    door.gate.ban(STRANGER, 600.0, "test")
    door.gate.configure(replace(door.settings, defence=Defence(allow=(STRANGER,)), sip=Sip()))
    assert door.takes() == 1
    assert not door.gate.bans()
