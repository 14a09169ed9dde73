"""A hook that hangs and one that answers, asked by the real switch over HTTP while a phone waits for the outcome."""

import asyncio
import json
from random import Random

from click.testing import CliRunner

from softswitch.cli.main import cli
from softswitch.demo.phone import Account, Phone
from softswitch.demo.stream import Metronome
from tests.cli.conftest import write_configuration
from tests.cli.test_restart_keeps_changes import running


async def play(sip_port, config):
    """Two calls to 200: the hook says nothing to the first one, and sends the second one to queue `gold`."""
    asked = []

    async def hook(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        asked.append(json.loads(await reader.readexactly(length)))
        if len(asked) > 1:
            body = b'{"target": "queue:gold", "variables": {"tier": "gold"}, "head_start": 60, "bogus": 1}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        else:
            await reader.read()  # until the switch gives up
        writer.close()

    def ask(*arguments):
        result = CliRunner().invoke(cli, [*arguments, "--config", str(config), "--json"], prog_name="softswitch")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    server = await asyncio.start_server(hook, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config.write_text(config.read_text().replace("HOOKPORT", str(port)))
    account = Account("1001", "a-long-enough-secret", "clitest.example", ("127.0.0.1", sip_port))
    with running(config, config.parent):
        phone = Phone(account, Metronome(), Random(1))
        try:
            await phone.register()
            places = []
            for _ in range(2):
                call = phone.dial("200")
                assert await call.answered(10.0)
                (view,) = await asyncio.to_thread(ask, "calls")
                places.append((view["state"], view["at"]))
                call.hang_up()
                await asyncio.sleep(0.3)
            (row,) = await asyncio.to_thread(ask, "hooks")
        finally:
            await phone.unregister()
            await phone.close()
    server.close()
    return asked, places, row


def test_a_hook_that_hangs_costs_its_time_out_and_an_answer_counts(tmp_path):
    config, sip_port = write_configuration(tmp_path)
    with config.open("a") as file:
        file.write(
            '[queues.gold]\nagents = ["anna"]\n[hooks.crm]\nurl = "http://127.0.0.1:HOOKPORT/"\ntimeout = 2.0\n'
            '[[routes]]\nfrom = "phone:*"\nnumber = "200"\nhook = "crm"\nto = "queue:support"\n'
        )
    asked, places, row = asyncio.run(play(sip_port, config))
    assert places == [("queued", "support"), ("queued", "gold")]
    assert [question["caller"] for question in asked] == ["1001", "1001"]
    assert (row["answered"], row["failed"], row["running"]) == (1, {"time-out": 1}, 0)
