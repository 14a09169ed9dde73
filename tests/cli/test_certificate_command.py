"""`softswitch certificate`: a switch with TLS within a minute."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from softswitch.cli.main import cli
from softswitch.services.certificates import read_certificate

CONFIG = """[sip]
domain = "pbx.test"
listen = ["udp:0.0.0.0:5060", "tls:192.0.2.5:5061"]
external_address = "203.0.113.9"
[tls]
certificate = "tls.crt"
key = "tls.key"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], prog_name="softswitch")


def test_what_it_makes_is_what_check_wants(config: Path) -> None:
    assert run("check", config).exit_code == 1
    assert run("certificate", "--config", config).exit_code == 0
    assert read_certificate(str(config.parent / "tls.crt")).names == ("pbx.test", "192.0.2.5", "203.0.113.9")
    assert run("check", config).exit_code == 0
    assert "pbx.test" in run("doctor", "--config", config).output


def test_the_key_is_for_nobody_else(config: Path) -> None:
    run("certificate", "--config", config)
    assert (config.parent / "tls.key").stat().st_mode & 0o777 == 0o600


def test_what_is_there_is_not_overwritten_unasked(config: Path) -> None:
    run("certificate", "--config", config)
    before = (config.parent / "tls.crt").read_bytes()
    refused = run("certificate", "--config", config)
    assert refused.exit_code == 1
    assert (config.parent / "tls.crt").read_bytes() == before
    assert run("certificate", "--config", config, "--force").exit_code == 0
    assert (config.parent / "tls.crt").read_bytes() != before


def test_names_of_ones_own_elsewhere_as_json(config: Path, tmp_path: Path) -> None:
    made = run(
        "certificate", "a.test", "2001:db8::1", "--out", tmp_path / "new", "--days", "7", "--json", "--config", config
    )
    found = json.loads(made.stdout)
    assert found["names"] == ["a.test", "2001:db8::1"]
    assert read_certificate(found["certificate"]).names == ("a.test", "2001:db8::1")
