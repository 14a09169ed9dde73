"""Callers' signatures over real HTTP on loopback: certificates are fetched, kept and bounded; whatever a stranger names
is one verdict, in time."""

import asyncio
import gzip
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from softswitch.services.stir_certificates import MOST_OCTETS
from softswitch.services.stir_keys import es256
from softswitch.shell.stir import CallerVerifier
from softswitch.sip.passport import Proof, Verdict
from softswitch.switch.events import Alarmed, CallerVerified, VerifyCaller
from softswitch.switch.settings import Stir
from tests.stir_pki import Issued, issue, revoked

NOW = time.time()
ROOT = issue("root", ca=True, at=NOW)
LEAF = issue("leaf", ROOT, at=NOW)
LOOPBACK = ("127.0.0.0/8",)


class Server:
    """Serves `status` and `body`; counts who asked. `delay` seconds pass before that."""

    def __init__(self) -> None:
        self.status, self.body, self.delay, self.more = 200, LEAF.pem, 0.0, ""
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await asyncio.sleep(self.delay)
            head = (
                f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\n{self.more}Connection: close\r\n\r\n"
            )
            writer.write(head.encode() + self.body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    scheme, port = "http" if tls is None else "https", listener.sockets[0].getsockname()[1]
    server.url = f"{scheme}://localhost:{port}/shaken.pem"
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
def stir(tmp_path: Path) -> Stir:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(ROOT.pem)
    return Stir(anchors=str(anchors), timeout=5.0, allow_http=True, allow_networks=LOOPBACK)


class Asking:
    """A verifier and what it said."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[CallerVerified] = asyncio.Queue()
        self.alarms: list[Alarmed] = []
        self.later = 0.0
        self.verifier = CallerVerifier(self.said.put_nowait, lambda: time.time() + self.later, self.alarms.append)
        self._next = 0

    async def ask(self, stir: Stir, *urls: str, by: Issued = LEAF) -> Verdict:
        self._next += 1
        proofs = tuple(Proof(url, b"a.b", es256(by.key, b"a.b"), "37052000001") for url in urls)
        self.verifier.ask(VerifyCaller(self._next, proofs, stir))
        answer = await asyncio.wait_for(self.said.get(), 45)
        assert answer.number == self._next
        return answer.verdict

    async def close(self) -> None:
        await self.verifier.close()
        assert self.said.empty()
        assert self.verifier.running == 0


async def test_a_certificate_is_fetched_once_and_proves(stir: Stir) -> None:
    asking = Asking()
    async with serving() as server:
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert await asking.ask(stir, server.url, server.url) == Verdict(0)
        assert (await asking.ask(stir, server.url, by=issue("other", ROOT, at=NOW))).status == 438
        assert len(server.asked) == 1
        assert "host: localhost:" in server.asked[0].lower()
    await asking.close()


async def test_calls_at_once_share_a_fetch(stir: Stir) -> None:
    asking = Asking()
    async with serving() as server:
        server.delay = 0.1
        proof = Proof(server.url, b"a.b", es256(LEAF.key, b"a.b"), "37052000001")
        for number in range(20):
            asking.verifier.ask(VerifyCaller(number, (proof,), stir))
        verdicts = [(await asyncio.wait_for(asking.said.get(), 45)).verdict for _ in range(20)]
        assert verdicts == [Verdict(0)] * 20
        assert len(server.asked) == 1
    await asking.close()


async def test_roots_are_read_again_after_a_reload(stir: Stir) -> None:
    """The certificates that were fetched stay; whom we trust is another thing."""
    asking = Asking()
    async with serving() as server:
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert stir.anchors is not None
        Path(stir.anchors).write_bytes(issue("other", ca=True, at=NOW).pem)
        assert await asking.ask(stir, server.url) == Verdict(0)
        again = Stir(anchors=stir.anchors, allow_http=True, allow_networks=LOOPBACK)
        assert (await asking.ask(again, server.url)).status == 437
        assert (await asking.ask(Stir(allow_http=True, allow_networks=LOOPBACK), server.url)).status == 437
    await asking.close()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://localhost/", "https://", "//localhost/x", "https://user@localhost/x",
        "https://127.0.0.1/x", "https://localhost/x", "https://[::1]/x", "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x", "https://[::ffff:127.0.0.1]/x", "https://0.0.0.0/x", "https://[fd00::1]/x",
        "https://localhost:0/x", "https://localhost:99999/x", "http://localhost/x", "https://no-such-host.invalid/x",
        "https://[zz]/x", "https://8.8.8.8:22/x", "https://[64:ff9b::127.0.0.1]/x", "https://[2002:7f00:1::]/x",
        "https://[64:ff9b::10.0.0.1]/x", "https://224.0.0.1/x", "https://100.64.0.1/x",
    ],
)  # fmt: skip
async def test_what_a_stranger_names_is_not_always_fetched(url: str, tmp_path: Path) -> None:
    """HTTPS and public addresses only, by default: 436, and nobody was spoken to."""
    asking = Asking()
    assert (await asking.ask(Stir(anchors=str(tmp_path)), url)).status == 436
    await asking.close()


@pytest.mark.parametrize(("status", "body", "more", "verdict"), [
    (404, b"", "", 436), (302, b"", "Location: /other\r\n", 436), (200, b"hello", "", 436),
    (200, b"x" * (MOST_OCTETS + 1), "", 436), (200, issue("rsa", ROOT, at=NOW, bits=2048).pem, "", 437),
    (200, issue("old", ROOT, at=NOW, days=(-9, -1)).pem, "", 437), (200, issue("self", at=NOW).pem, "", 437),
])  # fmt: skip
async def test_answers_that_prove_nothing(stir: Stir, status: int, body: bytes, more: str, verdict: int) -> None:
    """And who asked is left alone for a while: the second call does not ask again."""
    asking = Asking()
    async with serving() as server:
        server.status, server.body, server.more = status, body, more
        assert (await asking.ask(stir, server.url)).status == verdict
        assert (await asking.ask(stir, server.url)).status == verdict
        assert len(server.asked) == 1
    await asking.close()


async def test_nothing_is_unpacked(stir: Stir) -> None:
    """A few kilobytes that would be megabytes: what comes packed is not what was asked for."""
    asking = Asking()
    async with serving() as server:
        server.body, server.more = gzip.compress(LEAF.pem), "Content-Encoding: gzip\r\n"
        assert (await asking.ask(stir, server.url)).status == 436
        assert "accept-encoding: identity" in server.asked[0].lower()
    await asking.close()


async def test_a_server_that_is_slow_is_not_waited_for(stir: Stir) -> None:
    """The call goes on after `timeout`; what was begun is kept for the next one."""
    asking = Asking()
    short = Stir(anchors=stir.anchors, timeout=0.2, allow_http=True, allow_networks=LOOPBACK)
    async with serving() as server:
        server.delay = 1.0
        assert await asking.ask(short, server.url) == Verdict(436, "time-out")
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert len(server.asked) == 1
        server.delay = 30.0
        assert (await asking.ask(short, f"{server.url}?other")).status == 436
        await asking.close()


@pytest.mark.parametrize(("host", "status"), [("localhost", 0), ("other.test", 436), ("", 436)])
async def test_over_tls_the_host_must_be_who_it_says(host: str, status: int, stir: Stir, tmp_path: Path) -> None:
    """The address is spoken to, the name is held against its certificate (RFC 9110 §4.3.4); a stranger's is none."""
    web = issue("web", ROOT, at=NOW, host=host) if host else issue("web", at=NOW, host="localhost")
    certificate, key = web.write(tmp_path, "web")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cadata=ROOT.pem.decode())
    asking = Asking()
    asking.verifier._http._made = httpx.AsyncClient(verify=trusting, trust_env=False, follow_redirects=False)
    async with serving(tls) as server:
        assert (await asking.ask(stir, server.url)).status == status
        assert bool(server.asked) is not bool(status)
    await asking.close()


async def test_a_web_server_whom_nobody_knows_is_not_read(stir: Stir, tmp_path: Path) -> None:
    """The client as it is made trusts public authorities only."""
    certificate, key = issue("web", ROOT, at=NOW, host="localhost").write(tmp_path, "web")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    asking = Asking()
    async with serving(tls) as server:
        assert (await asking.ask(stir, server.url)).status == 436
        assert not server.asked
    await asking.close()


async def test_a_revoked_certificate_proves_nothing(stir: Stir) -> None:
    """RFC 8226 §8 and ATIS-1000080: a list by HTTP, read once for many calls and again in its time."""
    asking = Asking()
    async with serving() as server, serving() as lists:
        lists.body = revoked(ROOT, at=NOW)
        stir = replace(stir, crl=(lists.url,))
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert len(lists.asked) == 1
        lists.body = revoked(ROOT, LEAF.certificate, at=NOW)
        asking.later = stir.crl_seconds + 1.0
        async with asyncio.timeout(45):
            while (verdict := await asking.ask(stir, server.url)) == Verdict(0):
                await asyncio.sleep(0.01)  # calls go on with the old one while the new one is read
        assert verdict.status == 437
        assert verdict.why.endswith("is revoked")
        assert len(lists.asked) == 2
        assert not asking.alarms
    await asking.close()


async def test_the_next_address_is_tried_where_the_first_has_no_way(
    stir: Stir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with addresses of both families, from a machine with one."""
    asking = Asking()

    async def both(self: object, host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, port)) for address in ("::1", "127.0.0.2", "127.0.0.1")]

    stir = replace(stir, allow_networks=(*LOOPBACK, "::1/128"))
    async with serving() as server, serving() as lists:
        lists.body = revoked(ROOT, at=NOW)
        monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", both)
        assert await asking.ask(replace(stir, crl=(lists.url,), crl_required=True), server.url) == Verdict(0)
        assert (len(server.asked), len(lists.asked)) == (1, 1)
    await asking.close()


async def test_a_list_in_a_file_and_a_reload(stir: Stir, tmp_path: Path) -> None:
    asking = Asking()
    path = tmp_path / "sti.crl"
    path.write_bytes(revoked(ROOT, LEAF.certificate, at=NOW))
    async with serving() as server:
        assert (await asking.ask(replace(stir, crl=(str(path),)), server.url)).status == 437
        path.write_bytes(revoked(ROOT, at=NOW))
        assert await asking.ask(replace(stir, crl=(str(path),)), server.url) == Verdict(0)
    await asking.close()


@pytest.mark.parametrize("required", [False, True])
async def test_a_list_that_cannot_be_had_is_an_alarm_and_costs_calls_only_if_wanted(stir: Stir, required: bool) -> None:
    asking = Asking()
    async with serving() as server, serving() as lists:
        lists.status = 503
        stir = replace(stir, crl=(lists.url,), crl_required=required)
        assert (await asking.ask(stir, server.url)).status == (437 if required else 0)
        [alarm] = asking.alarms
        assert alarm.name == "stir.crl"
        assert "status 503" in alarm.text
        lists.status, lists.body = 200, revoked(ROOT, at=NOW)
        asking.later = 61.0
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert [one.text for one in asking.alarms[1:]] == [""]
    await asking.close()


async def test_a_list_beyond_its_time_still_revokes_but_is_not_valid(stir: Stir) -> None:
    asking = Asking()
    async with serving() as server, serving() as lists:
        lists.body = revoked(ROOT, issue("gone", ROOT, at=NOW).certificate, at=NOW, hours=(-48, -24))
        stir = replace(stir, crl=(lists.url,))
        assert await asking.ask(stir, server.url) == Verdict(0)
        assert "older than its giver promised" in asking.alarms[-1].text
        assert (await asking.ask(replace(stir, crl_required=True), server.url)).status == 437
        lists.body = revoked(ROOT, LEAF.certificate, at=NOW, hours=(-48, -24))
        assert (await asking.ask(replace(stir), server.url)).status == 437
    await asking.close()


async def test_strangers_name_no_private_address_though_a_list_may_be_there(stir: Stir) -> None:
    asking = Asking()
    async with serving() as server, serving() as lists:
        lists.body = revoked(ROOT, at=NOW)
        stir = replace(stir, crl=(lists.url,), allow_networks=())
        assert (await asking.ask(stir, server.url)).status == 436
        assert not server.asked
    await asking.close()


@pytest.mark.parametrize("required", [False, True])
async def test_a_list_that_hangs_is_not_waited_for_longer_than_the_call_may(stir: Stir, required: bool) -> None:
    asking = Asking()
    async with serving() as server, serving() as lists:
        lists.delay = 30.0
        stir = replace(stir, crl=(lists.url,), timeout=2.0, crl_required=required)
        assert (await asking.ask(stir, server.url)).status == (437 if required else 0)
        assert asking.verifier.running
    await asking.close()
