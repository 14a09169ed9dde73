"""Orders about what goes on between caller and agent: transfers, conferences, supervision."""

from typing import TYPE_CHECKING

import click

from softswitch.cli.client import part
from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json
from softswitch.cli.target import json_option, needs_switch

if TYPE_CHECKING:
    from softswitch.cli.client import Client

_WITH_TARGET = ("blind", "consult", "join")


@click.command(short_help="Pass a live call on.")
@click.argument("call")
@click.argument("target", required=False, default="")
@click.option("--consult", "verb", flag_value="consult", help="The agent talks with the target first.")
@click.option("--join", "verb", flag_value="join", help="The target joins the talk: three speak with each other.")
@click.option("--complete", "verb", flag_value="complete", help="The agent leaves, caller and target stay.")
@click.option("--cancel", "verb", flag_value="cancel", help="The target leaves, or is rung no more.")
@click.option("--three-way", "verb", flag_value="three_way", help="Whom the agent consults joins the talk.")
@json_option
@needs_switch
def transfer(client: "Client", call: str, target: str, verb: str | None, as_json: bool) -> None:
    """Pass CALL (an id as `softswitch calls` shows it) on to TARGET, written as in the configuration: agent:bob,
    queue:support, phone:1003, trunk:carrier/00491234. Without an option the agent leaves at once."""
    verb = verb or "blind"
    if bool(target) is not (verb in _WITH_TARGET):
        raise click.UsageError(f"--{verb.replace('_', '-')} takes no target" if target else "name the target")
    view = client.post(f"/calls/{part(call)}/transfer", {"verb": verb, "target": target, "by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{call}: {view['state']} {view['at']}, {_parties(len(view['legs']))}")


def _parties(number: int) -> str:
    return f"{number} {'party' if number == 1 else 'parties'}"


@click.command(short_help="Listen to an agent, whisper, speak with all, take over.")
@click.argument("target", metavar="CALL|AGENT", shell_complete=names_of("agents"))
@click.option("--from", "phone", required=True, metavar="PHONE", help="The supervisor's phone, which is rung.")
@click.option(
    "--mode", type=click.Choice(["listen", "whisper", "barge", "take"]), default="listen", show_default=True,
    help="What the supervisor does; keys 1 to 4 of the phone change it.",
)  # fmt: skip
@click.option("--follow", is_flag=True, help="Stay with the agent call after call.")
@json_option
@needs_switch
def supervise(client: "Client", target: str, phone: str, mode: str, follow: bool, as_json: bool) -> None:
    """Ring the supervisor at PHONE, who is then with the agent of CALL or with AGENT. Who is there already changes to
    that mode. Only supervisors of the configuration may."""
    agents = {row["name"] for row in client.all("/agents")}
    place = "agents" if target in agents else "calls"
    body = {"mode": mode, "phone": phone, "follow": follow, "by": "cli"}
    answer = client.post(f"/{place}/{part(target)}/supervise", body)
    if as_json:
        emit_json(answer)
    else:
        click.echo(f"{answer['agent']}: phone {answer['phone']} is rung, mode {answer['mode']}")
