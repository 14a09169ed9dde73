"""Names asked for on loopback: real messages, times to live, and every way in which name servers fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from softswitch.shell.dns_client import DnsClient
from softswitch.shell.endpoint import Endpoint
from softswitch.shell.next_hops import LocatedPlaces
from softswitch.sip.locating import Answer, Naptr, Question, Srv, locate
from softswitch.switch.events import HopsLocated
from softswitch.switch.settings import Phone, Settings, Trunk
from softswitch.wire.sip import Uri
from tests.shell.name_server import NameServer

ZONE = {
    "carrier.test": ["300 NAPTR 10 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.carrier.test."],
    "_sip._udp.carrier.test": ["120 SRV 1 10 5070 one.test.", "120 SRV 2 10 5080 two.test."],
    "one.test": ["60 A 192.0.2.1", "60 AAAA 2001:db8::1"],
    "two.test": ["90 A 192.0.2.2"],
    "empty.test": ["60 TXT \"x\""],
}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer({name: list(rows) for name, rows in ZONE.items()})
    yield server
    server.close()


@contextlib.asynccontextmanager
async def client(server: NameServer, tmp_path: Path, clock: Clock | None = None) -> AsyncIterator[DnsClient]:
    dns = DnsClient((server.address,), tmp_path / "hosts", clock)
    try:
        yield dns
    finally:
        await dns.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "dns"]


async def test_records_of_each_kind(server: NameServer, tmp_path: Path) -> None:
    async with client(server, tmp_path) as dns:
        naptr = await dns.ask(Question("NAPTR", "carrier.test"))
        assert naptr == Answer((Naptr(10, 10, "s", "SIP+D2U", "_sip._udp.carrier.test"),), 300.0)
        srv = await dns.ask(Question("SRV", "_sip._udp.carrier.test"))
        assert set(srv.records) == {Srv(1, 10, 5070, "one.test"), Srv(2, 10, 5080, "two.test")}
        assert await dns.ask(Question("AAAA", "one.test")) == Answer(("2001:db8::1",), 60.0)
        located = await dns.locate(locate(Uri.parse("sip:carrier.test"), {"udp": (6, 4)}))
        assert [(hop.address, hop.port) for hop in located.hops] == [
            ("2001:db8::1", 5070), ("192.0.2.1", 5070), ("192.0.2.2", 5080),
        ]  # fmt: skip
        assert located.ttl == 40.0  # that two.test has no AAAA holds as long as the SOA says (RFC 2308)


async def test_times_to_live_are_honoured(server: NameServer, tmp_path: Path) -> None:
    clock = Clock()
    async with client(server, tmp_path, clock) as dns:
        for seconds, asked in ((0, 1), (59, 1), (2, 2)):
            clock.time += seconds
            await dns.ask(Question("A", "one.test"))
            assert len(server.asked) == asked
        assert (await dns.ask(Question("A", "one.test"))).ttl == 60.0
        clock.time += 20
        assert (await dns.ask(Question("A", "one.test"))).ttl == 40.0
        for name in ("nobody.test", "empty.test"):  # NXDOMAIN and NODATA
            server.asked.clear()
            for seconds, asked in ((0, 1), (39, 1), (2, 2)):
                clock.time += seconds
                assert (await dns.ask(Question("A", name))).records == ()
                assert len(server.asked) == asked


async def test_one_question_for_all_who_wait(server: NameServer, tmp_path: Path) -> None:
    async with client(server, tmp_path) as dns:
        answers = await asyncio.gather(*(dns.ask(Question("A", "one.test")) for _ in range(20)))
        assert {answer.records for answer in answers} == {("192.0.2.1",)}
        assert server.asked == [("A", "one.test.")]


@pytest.mark.parametrize("mood", ["servfail", "garbage", "loop"])
async def test_a_bad_answer_is_a_failure(
    server: NameServer, tmp_path: Path, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is raised, and it is asked again soon."""
    clock = Clock()
    async with client(server, tmp_path, clock) as dns:
        server.mood = mood
        with monkeypatch.context() as patch:
            patch.setattr("softswitch.shell.dns_client._LIFETIME", 0.5)  # after garbage it goes on waiting
            answer = await dns.ask(Question("A", "one.test"))
        assert answer == Answer(ttl=5.0, failed=True)
        server.mood = "well"
        clock.time += 5.1
        assert (await dns.ask(Question("A", "one.test"))).records == ("192.0.2.1",)


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..b", "é" * 300 + ".test", ".", "a\\999.test"])
async def test_a_name_that_is_none(server: NameServer, tmp_path: Path, name: str) -> None:
    async with client(server, tmp_path) as dns:
        assert (await dns.ask(Question("SRV", name))).records == ()


async def test_hosts_come_first_and_plain_names_from_the_system(server: NameServer, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("192.0.2.77 other One.Test # a comment\nrubbish one.test\n2001:db8::77 one.test\n")
    async with client(server, tmp_path) as dns:
        assert (await dns.ask(Question("A", "one.test"))).records == ("192.0.2.77",)
        assert (await dns.ask(Question("AAAA", "one.test"))).records == ("2001:db8::77",)
        assert (await dns.ask(Question("A", "localhost"))).records == ("127.0.0.1",)
        assert server.asked == []


class Told:
    """What `LocatedPlaces` says."""

    def __init__(self) -> None:
        self.located: list[HopsLocated] = []
        self.asked: set[tuple[str, int]] = set()
        self.alarms: list[tuple[str, ...]] = []
        self.changed = asyncio.Event()

    def give(self, event: HopsLocated, asked: tuple[str, int]) -> None:
        self.located.append(event)
        self.asked.add(asked)
        self.changed.set()

    def alarm(self, hosts: tuple[str, ...]) -> None:
        self.alarms.append(hosts)
        self.changed.set()

    async def until_alarms(self, hosts: tuple[str, ...]) -> None:
        async with asyncio.timeout(20):
            while self.alarms[-1] != hosts:
                self.changed.clear()
                await self.changed.wait()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.located) < count:
                self.changed.clear()
                await self.changed.wait()


SETTINGS = Settings(
    trunks={"carrier": Trunk(address="sip:carrier.test"), "fixed": Trunk(address="sip:192.0.2.9")},
    phones={"door": Phone(contact="sip:door@two.test:5060"), "desk": Phone(password="x")},
)


async def test_the_core_is_told_of_trunks_and_phones(server: NameServer, tmp_path: Path) -> None:
    told = Told()
    async with client(server, tmp_path) as dns:
        places = LocatedPlaces(SETTINGS, [Endpoint("udp", "0.0.0.0", 5060)], dns, told.give, told.alarm)
        await told.until(2)
        assert {event.place: [hop.address for hop in event.hops] for event in told.located} == {
            "trunk:carrier": ["192.0.2.1", "192.0.2.2"],
            "phone:door": ["192.0.2.2"],
        }
        assert told.asked == {("carrier.test", 5060), ("two.test", 5060)}
        places.reload(SETTINGS)  # a core that compiled new settings hears it all again
        await told.until(4)
        assert set(told.alarms) == {()}
        await places.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("next hops")]


async def test_name_servers_that_are_gone_raise_an_alarm_and_come_back(
    server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known stays."""
    monkeypatch.setattr("softswitch.shell.next_hops._SOONEST", 0.05)
    monkeypatch.setattr("softswitch.shell.dns_client._FAILED_TTL", 0.05)
    server.mood = "servfail"
    told = Told()
    async with client(server, tmp_path) as dns:
        settings = Settings(trunks={"carrier": SETTINGS.trunks["carrier"]})
        places = LocatedPlaces(settings, [Endpoint("udp", "0.0.0.0", 5060)], dns, told.give, told.alarm)
        await told.until_alarms(("carrier.test",))
        assert not told.located
        server.mood = "well"
        server.zone["_sip._udp.carrier.test"] = ["1 SRV 1 10 5070 one.test."]
        await told.until(1)
        await told.until_alarms(())
        server.mood = "servfail"
        await told.until_alarms(("carrier.test",))
        assert len(told.located) == 1
        await places.close()
