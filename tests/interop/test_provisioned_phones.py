"""Phones that fetch their configuration by HTTPS and register with it; who may not fetch learns nothing."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from softswitch.services.certificates import make_self_signed
from tests.interop.baresip import Baresip
from tests.interop.switch_process import SwitchProcess, free_port, running_switch, wait_until

pytestmark = pytest.mark.interop

SECRET = "password-of-1007"
SITE = """
[tls]
certificate = "{folder}/own.crt"
key = "{folder}/own.key"
[provisioning]
listen = "127.0.0.1:{port}"
server = "127.0.0.1"
transport = "tcp"
[phones.1001]
password = "password-of-1001"
device = {{ model = "yealink", mac = "00:15:65:12:34:56" }}
[phones.1007]
name = "Seven"
password = "{secret}"
device = {{ model = "baresip" }}
"""


def certify(folder: Path) -> ssl.SSLContext:
    """A new certificate in the folder; the context of a client that believes it."""
    public, secret = make_self_signed(("127.0.0.1",), 30, datetime.now(UTC))
    (folder / "own.crt").write_bytes(public)
    (folder / "own.key").write_bytes(secret)
    return ssl.create_default_context(cadata=public.decode())


class Site:
    """A switch that serves files, and its command line."""

    def __init__(self, switch: SwitchProcess, folder: Path, port: int, trust: ssl.SSLContext) -> None:
        self.switch, self.folder, self.port, self.trust = switch, folder, port, trust

    def ask(self, *words: str) -> str:
        command = [
            sys.executable,
            "-m",
            "softswitch.cli",
            "provision",
            *words,
            "-c",
            str(self.switch.directory / "config.toml"),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    def get(self, url: str, trust: ssl.SSLContext | None = None) -> httpx.Response:
        with httpx.Client(verify=trust or self.trust) as client:
            return client.get(url, headers={"User-Agent": "Phone/1.0"})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    trust = certify(tmp_path)
    port = free_port()
    tables = SITE.format(folder=tmp_path, port=port, secret=SECRET)
    with running_switch(tmp_path / "switch", tables) as switch:
        yield Site(switch, tmp_path, port, trust)
        switch.no_faults()


def test_a_phone_fetches_its_file_and_registers_with_it(site: Site, tmp_path: Path) -> None:
    url = site.ask("url", "1007")
    assert url.startswith(f"https://127.0.0.1:{site.port}/d/")
    told = site.get(url)
    assert told.status_code == 200
    assert told.headers["Cache-Control"] == "no-store"
    assert SECRET in told.text
    phone = Baresip(site.switch, "1007", "", 500.0, tmp_path, account=told.text)
    try:
        wait_until("the registration", lambda: site.switch.get("registrations")["items"])
        (row,) = site.switch.get("registrations")["items"]
        assert row["phone"] == "1007"
        assert row["source"].startswith("tcp:")
    finally:
        phone.close()
    rows = {row["phone"]: row for row in json.loads(site.ask("list", "--json"))}
    assert rows["1007"]["agent"] == "Phone/1.0"
    assert rows["1007"]["source"] == "127.0.0.1"
    assert rows["1001"]["fetched"] is None
    assert SECRET not in site.switch.log.read_text()
    assert url.split("/")[4] not in site.switch.log.read_text()


def test_others_learn_nothing_and_a_renewed_secret_shuts_the_old_address(site: Site) -> None:
    own = site.ask("url", "1001")
    good = own + "001565123456.cfg"
    assert site.get(good).status_code == 200
    wrong = (
        own + "001565123457.cfg",
        own,
        own + "../../../etc/passwd",
        own.replace("/d/", "/d/x"),
        f"https://127.0.0.1:{site.port}/",
        f"https://127.0.0.1:{site.port}/d/",
        f"https://127.0.0.1:{site.port}/docs",
        f"https://127.0.0.1:{site.port}/api/v1/status",
    )
    for url in wrong:
        reply = site.get(url)
        assert (reply.status_code, len(reply.text) < 20) == (404, True), url
    renewed = site.ask("renew", "1001").split()[-1]
    assert site.get(good).status_code == 404
    assert site.get(renewed + "001565123456.cfg").status_code == 200
    for _ in range(30):
        site.get(good)
    assert site.get(renewed + "001565123456.cfg").status_code == 404  # this address has guessed too often


def test_plain_http_gets_no_file_and_a_new_certificate_is_used_at_once(site: Site) -> None:
    url = site.ask("url", "1007")
    with pytest.raises(httpx.HTTPError):
        httpx.get(url.replace("https:", "http:"))
    trust = certify(site.folder)
    with pytest.raises(httpx.ConnectError):
        site.get(url)
    assert site.get(url, trust).status_code == 200
    (site.folder / "own.crt").write_text("broken")
    assert site.get(url, trust).status_code == 200  # the one before stays
    site.switch.expected.append("provisioning.certificate")
