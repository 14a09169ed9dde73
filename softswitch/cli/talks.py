"""Orders about what goes on between caller and agent: transfers, conferences, supervision."""

from typing import TYPE_CHECKING

import click

from softswitch.cli.client import part
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
        click.echo(f"{call}: {view['state']} {view['at']}, {len(view['legs'])} parties")
