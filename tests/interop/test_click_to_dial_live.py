"""Click to dial with real phones: by the API one baresip is called, then the other, and they hear each other; by the
command line a phone rings and the call is taken back."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from softswitch.cli.main import cli
from tests.interop import listen
from tests.interop.baresip import Baresip
from tests.interop.switch_process import TOKEN, SwitchProcess, running_switch, wait_until
from tests.interop.test_secured_phones import hear

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse-battery"
TABLES = f"""
[phones.1001]
password = "{PASSWORD}"
[phones.1002]
password = "{PASSWORD}"
"""
ANN_HZ, BOB_HZ = 700.0, 1900.0


def _run(switch: SwitchProcess, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, [*arguments, "--url", str(switch.api.base_url), "--token", TOKEN])
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.shows(peer="baresip", feature="click to dial")
def test_a_click_rings_ones_own_phone_and_then_the_other(tmp_path: Path) -> None:
    with running_switch(tmp_path, TABLES) as switch:
        ann = Baresip(switch, "1001", PASSWORD, ANN_HZ, tmp_path)
        bob = Baresip(switch, "1002", PASSWORD, BOB_HZ, tmp_path, answer="manual")
        try:
            wait_until("both registered", lambda: switch.status()["registrations"] == 2)
            order = {"from": "1001", "to": "1002", "by": "the test"}
            made = switch.api.post("/api/v1/calls", json=order)
            assert made.status_code == 202, made.text
            call = made.json()["id"]
            bob.incoming()
            bob.answer()
            bob.established()
            hear(ann, bob)
            assert switch.api.delete(f"/api/v1/calls/{call}").status_code == 202
            ann.closed()
            bob.closed()
            (record,) = switch.records(1)
            assert (record["source"], record["called"], record["outcome"]) == ("phone:1001", "1002", "answered")
            assert record["collected"]["ordered_by"] == "own"
            listen.hears(ann.heard(), BOB_HZ, 1.0)
            listen.hears(bob.heard(), ANN_HZ, 1.0)

            said = _run(switch, "call", "1002", "1001", "--json")
            bob.incoming()
            _run(switch, "hangup", json.loads(said)["id"])
            bob.closed()
            assert "no agent nobody" in _run(switch, "call", "agent:nobody", "1001", code=1)
            switch.calls_over()
            switch.no_faults()
        finally:
            ann.close()
            bob.close()
