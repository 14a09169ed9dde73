"""Bans by command against a real switch; digests and tokens for the configuration; planted secrets are nowhere."""

import json
import re
from hashlib import md5, sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from softswitch.cli.main import cli
from softswitch.services.configuration import load
from tests.interop.sip_user import SipUser
from tests.interop.switch_process import free_port


def run(*arguments: str, code: int = 0, typed: str = "") -> str:
    result = CliRunner().invoke(cli, [*arguments], prog_name="softswitch", input=typed)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_bans_are_listed_made_and_lifted(switch) -> None:
    config = ("--config", str(switch.config))
    assert run("bans", *config).strip() == "nobody is banned"
    made = json.loads(run("ban", "203.0.113.9", "--seconds", "90", "--reason", "by hand", "--json", *config))
    assert [(row["address"], row["reason"]) for row in made["items"]] == [("203.0.113.9", "by hand")]
    assert "203.0.113.9" in run("bans", *config)
    assert "1 banned" in run("status", *config)
    assert "is not banned" in run("ban", "127.0.0.1", *config, code=1)
    assert "is not an IP address" in run("ban", "somewhere", *config, code=1)
    assert "203.0.113.0/24 is not an IP address" in run("ban", "203.0.113.0/24", *config, code=1)
    assert json.loads(run("unban", "203.0.113.9", "--json", *config))["total"] == 0
    assert "neither banned nor locked out" in run("unban", "203.0.113.9", *config, code=1)


def test_who_is_locked_out_is_listed_and_let_in(switch) -> None:
    """A phone with a wrong password, from an address of its own."""
    config = ("--config", str(switch.config))
    host = "127.0.0.55"
    for _ in range(4):
        phone = SipUser("1001", host, free_port(host), ("127.0.0.1", switch.sip_port))
        try:
            with pytest.raises(AssertionError, match="403"):
                phone.register("clitest.example", "wrong")
        finally:
            phone.close()
    (row,) = json.loads(run("bans", "--json", *config))["locked"]
    assert (row["address"], row["account"], row["failures"]) == (host, "1001", 4)
    assert "locked out after wrong passwords" in run("bans", *config)
    assert "locked out" in run("status", *config)
    assert json.loads(run("unban", host, "--json", *config))["locked"] == []
    assert "neither banned nor locked out" in run("unban", host, *config, code=1)


def test_a_password_becomes_digests_that_the_configuration_takes(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[sip]\ndomain = "pbx.test"\n')
    said = run("password", "1001", "--config", str(config), typed="correct horse\ncorrect horse\n")
    assert "correct horse" not in said
    assert md5(b"1001:pbx.test:correct horse", usedforsecurity=False).hexdigest() in said
    config.write_text(config.read_text() + said[said.index("[phones") :])
    assert load(config).phones["1001"].ha1.keys() == {"MD5", "SHA-256", "SHA-512-256"}
    made = json.loads(run("password", "1002", "--make", "--json", "--config", str(config)))
    assert len(made["password"]) == 20
    assert run("password", "1001", "--config", str(config), typed="1001\n1001\n", code=1)


def test_a_token_becomes_a_hash_that_the_configuration_takes(tmp_path: Path) -> None:
    made = json.loads(run("token", "wall", "--role", "supervise", "--json"))
    assert sha256(made["token"].encode()).hexdigest() == made["sha256"]
    config = tmp_path / "config.toml"
    config.write_text(f'[api.tokens.wall]\nsha256 = "{made["sha256"]}"\nrole = "{made["role"]}"\n')
    assert load(config).api.tokens["wall"].role == "supervise"
    assert "wall.one" in run("token", "wall.one", code=1), "a table within a table in TOML"


def test_planted_secrets_are_nowhere(switch) -> None:
    """After registrations and calls of the other tests here: logs, security log, database, answers of the API and of
    every command that reads."""
    text = Path(switch.config).read_text(encoding="utf-8")
    planted = set(re.findall(r'(?:password|pin|token)\s*=\s*"([^"]+)"', text))
    assert planted
    config = ("--config", str(switch.config))
    shown = "".join(
        run(*command, *config)
        for command in (
            ("status", "--json"), ("calls", "--json"), ("agents", "--json"), ("registrations", "--json"),
            ("trunks", "--json"), ("records", "--json"), ("ledger", "--json"), ("diff",), ("queues", "--json"),
            ("check",),
        )
    )  # fmt: skip
    folder = Path(switch.config).parent
    written = b"".join(
        path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path != Path(switch.config) and path.name != "api-token" and path.suffix != ".wav"
    )
    for secret in planted:
        assert secret not in shown, secret
        assert secret.encode() not in written, secret
