"""Orders to a running switch: hang up, set agents' states, look into a queue, reload, drain."""

from typing import TYPE_CHECKING, Any

import click

from softswitch.cli.client import part
from softswitch.cli.live import AGENTS, QUEUES, WAITING, agent_cells, queue_cells, waiting_cells
from softswitch.cli.live_changes import CHANGED, add_commands, changed_cells
from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.target import json_option, needs_switch
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client

_SAID = {"login": "logged in", "logout": "logged out", "pause": "paused", "ready": "ready"}


def _calls_or_all(context: click.Context, _parameter: click.Parameter, calls: tuple[str, ...]) -> tuple[str, ...]:
    if context.params["everything"] == bool(calls) and not context.resilient_parsing:
        raise click.UsageError("name the calls, or say --all")
    return calls


@click.command(short_help="End live calls.")
@click.argument("calls", nargs=-1, metavar="CALL...", callback=_calls_or_all)
@click.option("--all", "everything", is_flag=True, is_eager=True, help="Every live call.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option
@needs_switch
def hangup(client: "Client", calls: tuple[str, ...], everything: bool, yes: bool, as_json: bool) -> None:
    """End each CALL (ids as `softswitch calls` shows them)."""
    if everything:
        calls = tuple(row["id"] for row in client.all("/calls"))
        if calls and not yes:
            click.confirm(f"Hang up {len(calls)} calls?", abort=True, err=True)
    done = [client.delete(f"/calls/{part(call)}")["call"] for call in calls]
    if as_json:
        emit_json({"hung_up": done})
    else:
        click.echo("\n".join(f"{call}: hung up" for call in done) or "no live calls")


@click.group(short_help="Log an agent in or out, pause, make ready.")
def agent() -> None:
    """Set the state of agents."""


def _order(client: "Client", verb: str, names: tuple[str, ...], reason: str, as_json: bool, phone: str = "") -> None:
    """All agents, or the names of those that there are not."""
    known = {row["name"] for row in client.all("/agents")}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LocalError(f"no agent {', '.join(unknown)}{_suggest(unknown[0], known)}")
    body = {"reason": reason, "by": "cli", "phone": phone}
    rows = [client.post(f"/agents/{part(name)}/{verb}", body) for name in names]
    if as_json:
        emit_json(rows)
        return
    for row in rows:
        because = f" ({row['reason']})" if row["reason"] else ""
        stays = verb in ("pause", "ready") and row["state"] == "logged-out"
        click.echo(f"{row['name']}: {'stays' if stays else _SAID[verb] + '; now'} {row['state']}{because}")


def _verb(verb: str, text: str) -> None:
    @agent.command(verb, help=text)
    @click.argument("names", nargs=-1, required=True, metavar="AGENT...", shell_complete=names_of("agents"))
    @json_option
    @needs_switch
    def command(client: "Client", names: tuple[str, ...], as_json: bool) -> None:
        _order(client, verb, names, "", as_json)


@agent.command("login", help="Log agents in: they get calls of their queues.")
@click.argument("names", nargs=-1, required=True, metavar="AGENT...", shell_complete=names_of("agents"))
@click.option("--phone", default="", help="Where the agent sits today, when not at its own phone.")
@json_option
@needs_switch
def login(client: "Client", names: tuple[str, ...], phone: str, as_json: bool) -> None:
    if phone and len(names) > 1:
        raise click.UsageError("one phone is one agent's at a time")
    _order(client, "login", names, "", as_json, phone)


@agent.command("logout", help="Log agents out; a call that they have goes on.")
@click.argument("names", nargs=-1, required=True, metavar="AGENT...", shell_complete=names_of("agents"))
@click.option("--reason", "-r", default="", help="Why; kept in the ledger.")
@json_option
@needs_switch
def logout(client: "Client", names: tuple[str, ...], reason: str, as_json: bool) -> None:
    _order(client, "logout", names, reason, as_json)


_verb("ready", "End a pause or a wrap-up.")


@agent.command("pause", help="Give agents no calls until they are ready again.")
@click.argument("names", nargs=-1, required=True, metavar="AGENT...", shell_complete=names_of("agents"))
@click.option("--reason", "-r", default="", help="Why; shown and kept in the ledger.")
@json_option
@needs_switch
def pause(client: "Client", names: tuple[str, ...], reason: str, as_json: bool) -> None:
    _order(client, "pause", names, reason, as_json)


@agent.command("wrap-up", short_help="Let the wrap-up of AGENT end in SECONDS.")
@click.argument("name", metavar="AGENT", shell_complete=names_of("agents"))
@click.argument("seconds", type=click.FloatRange(0, 86400))
@json_option
@needs_switch
def wrap_up(client: "Client", name: str, seconds: float, as_json: bool) -> None:
    """Let the wrap-up of AGENT end in SECONDS, later or sooner than it would."""
    row = client.put(f"/agents/{part(name)}/wrap-up", {"seconds": seconds, "by": "cli"})
    if as_json:
        emit_json(row)
    else:
        click.echo(f"{name}: wrap-up ends in {seconds:g} s; now {row['state']}")


@agent.command("outcome", short_help="Note CODE as what came of a call of AGENT.")
@click.argument("name", metavar="AGENT", shell_complete=names_of("agents"))
@click.argument("code")
@click.option("--call", default="", help="Of this call; else of the one that the agent has or wraps up.")
@json_option
@needs_switch
def outcome(client: "Client", name: str, code: str, call: str, as_json: bool) -> None:
    """Note CODE as what came of a call of AGENT; it goes into the ledger."""
    noted = client.put(f"/agents/{part(name)}/outcome", {"code": code, "call": call, "by": "cli"})
    if as_json:
        emit_json(noted)
    else:
        click.echo(f"{name}: noted {code}")


@click.group(short_help="Look into a queue, change it, close and open it.")
def queue() -> None:
    """One queue."""


@queue.command("show", short_help="Who waits in queue NAME, and its agents.")
@click.argument("name", shell_complete=names_of("queues"))
@json_option
@needs_switch
def show(client: "Client", name: str, as_json: bool) -> None:
    """The callers who wait in queue NAME, the first one first, and its agents."""
    rows = {row["name"]: row for row in client.all("/queues")}
    if name not in rows:
        raise LocalError(f"no queue {name}{_suggest(name, rows)}")
    waiting = client.all(f"/queues/{part(name)}/waiting")
    members = [row for row in client.all("/agents") if name in row["queues"]]
    own = client.get(f"/queues/{part(name)}")
    if as_json:
        emit_json({**own, "waiting": waiting, "agents": members})
        return
    emit_table(QUEUES, [queue_cells(rows[name])], nothing="")
    click.echo()
    emit_table(WAITING, [waiting_cells(row) for row in waiting], nothing="nobody waits")
    click.echo()
    emit_table(AGENTS, [agent_cells(row) for row in members], nothing="no agents")
    if not own["open"]:
        click.secho(f"\nclosed: {own['shut'] or 'outside its hours'}", fg="yellow")
    if own["changed"]:
        click.echo()
        emit_table(CHANGED, [changed_cells(row) for row in own["changed"]], nothing="")


add_commands(queue, agent)


@click.command(short_help="Read the configuration again.")
@json_option
@needs_switch
def reload(client: "Client", as_json: bool) -> None:
    """Read the configuration again. A faulty one changes nothing: every fault is shown."""
    changes = client.post("/reload")["changes"]
    if as_json:
        emit_json({"changes": changes})
    else:
        click.echo("\n".join(str(change) for change in changes) or "nothing has changed")


@click.command(short_help="Take no new calls, and end after the last one.")
@json_option
@needs_switch
def drain(client: "Client", as_json: bool) -> None:
    """Stop the switch in order: no new calls, the end when the last one is over or the limit has passed."""
    answer = client.post("/drain")
    if as_json:
        emit_json(answer)
    else:
        click.echo("draining: no new calls; the switch ends after the last one")


def _suggest(name: str, known: Any) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), 1)
    return f'; did you mean "{close[0]}"?' if close else ""
