"""The TLS of provisioning: built where SIP's is, mutual only where wanted, new settings at the next handshake."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from softswitch.api.phone_files import PhoneFiles
from softswitch.kernel.errors import LocalError
from softswitch.switch.settings import Provisioning, Server, Settings, Tls
from tests.shell.test_tls import certificate


class Served:
    """A provisioning server, and phones that ask it for what is not there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.files = PhoneFiles(settings)

    async def asks(self, own: tuple[str, str] | None = None, most: ssl.TLSVersion | None = None) -> str:
        """What became of it: the status, or `refused`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.settings.tls.certificate)
        if own is not None:
            context.load_cert_chain(*own)
        if most is not None:
            context.maximum_version = most
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.files.port, ssl=context, server_hostname="pbx.test"
            )
        except (ssl.SSLError, ConnectionError):
            return "refused"
        try:
            writer.write(b"GET /d/nothing/here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            async with asyncio.timeout(10):
                return (await reader.read()).split()[1].decode()
        except (ssl.SSLError, ConnectionError, IndexError):  # TLS 1.3 tells a client after its own handshake is done
            return "refused"
        finally:
            writer.close()
            with suppress(ssl.SSLError, ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Served]:
    made = Served(settings)
    await made.files.start(lambda: made.settings)
    try:
        yield made
    finally:
        await made.files.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    crt, key = certificate(tmp_path, "own", "pbx.test", "localhost")
    return Settings(
        server=Server(data_dir=str(tmp_path)),
        tls=Tls(certificate=crt, key=key),
        provisioning=Provisioning(listen="127.0.0.1:0"),
    )


async def test_the_least_version_is_that_of_tls(settings: Settings) -> None:
    async with serving(replace(settings, tls=replace(settings.tls, min_version="1.3"))) as made:
        assert await made.asks(most=ssl.TLSVersion.TLSv1_2) == "refused"
        assert await made.asks() == "404"


async def test_a_higher_least_version_counts_with_the_next_handshake(settings: Settings) -> None:
    async with serving(settings) as made:
        assert await made.asks(most=ssl.TLSVersion.TLSv1_2) == "404"
        made.settings = replace(settings, tls=replace(settings.tls, min_version="1.3"))
        assert await made.asks(most=ssl.TLSVersion.TLSv1_2) == "refused"
        assert await made.asks(most=ssl.TLSVersion.TLSv1_2) == "refused"
        assert await made.asks() == "404"
        made.settings = settings
        await made.asks()
        assert await made.asks(most=ssl.TLSVersion.TLSv1_2) == "404"


async def test_certificates_for_sip_do_not_shut_phones_out(settings: Settings) -> None:
    """`tls.require_client` is for SIP: a phone that has no account yet has no certificate of ours either."""
    tls = replace(settings.tls, client_ca=settings.tls.certificate, require_client=True)
    async with serving(replace(settings, tls=tls)) as made:
        assert await made.asks() == "404"


async def test_phones_show_a_certificate_where_that_is_wanted(settings: Settings, tmp_path: Path) -> None:
    phone, stranger = certificate(tmp_path, "phone", "phone.test"), certificate(tmp_path, "other", "other.test")
    tls = replace(settings.tls, client_ca=phone[0])
    wanted = replace(settings, tls=tls, provisioning=replace(settings.provisioning, require_client=True))
    async with serving(wanted) as made:
        assert await made.asks() == "refused"
        assert await made.asks(stranger) == "refused"
        assert await made.asks(phone) == "404"
        made.settings = replace(wanted, tls=replace(tls, client_ca=stranger[0]))  # other authorities
        assert await made.asks(phone) == "refused"
        assert await made.asks(stranger) == "404"
        made.settings = settings  # and none
        await made.asks()
        assert await made.asks() == "404"
        made.settings = wanted
        assert await made.asks() == "refused"
        assert await made.asks() == "refused"
        assert await made.asks(phone) == "404"


async def test_without_authorities_it_does_not_begin(settings: Settings) -> None:
    provisioning = replace(settings.provisioning, require_client=True)
    with pytest.raises(LocalError, match="client_ca"):
        PhoneFiles(replace(settings, provisioning=provisioning))


async def test_a_file_that_cannot_be_read_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    async with serving(settings) as made:
        before = made.settings.tls.certificate
        made.settings = replace(settings, tls=replace(settings.tls, key=str(tmp_path / "gone.key")))
        assert made.settings.tls.certificate == before
        assert await made.asks() == "404"
