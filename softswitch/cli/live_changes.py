"""Changes while the switch runs: settings of queues and agents, closing, members, the place of waiting calls."""

import tomllib
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from softswitch.cli.client import part
from softswitch.cli.names import names_of, phones_and_agents
from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.tables import Cell
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import moment

if TYPE_CHECKING:
    from softswitch.cli.client import Client


class Calling(click.Group):
    """`call FROM TO` is `call dial FROM TO`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return super().resolve_command(ctx, ["dial", *args])
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), *phones_and_agents(ctx, self, incomplete)]


CHANGED = ("Setting", "Now", "File", "By", "Since", "")


def changed_cells(row: dict[str, Any]) -> list[Cell]:
    """A line of settings changed over the file."""
    unfit = f"no effect: {row['unfit']}" if row["unfit"] else ""
    return [row["path"], _shown(row["value"]), _shown(row["was"]), row["by"], moment(row["at"]), unfit]


def _shown(value: object) -> str:
    import json

    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _value(text: str) -> object:
    """As in the configuration file; what is no TOML is a word: `set support music=spring`."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assignments(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, object], ...]:
    pairs = []
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text}: write SETTING=VALUE, as in wrap_up=30")
        pairs.append((key.strip(), _value(value.strip())))
    return tuple(pairs)


def _told(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        emit_json(rows)
    else:
        emit_table(CHANGED, [changed_cells(row) for row in rows], nothing="as the configuration file says")


def _settings(section: str, group: click.Group, example: str) -> None:
    """`set` and `unset` for a group of commands."""

    @group.command("set", short_help="Change settings, over the file.")
    @click.argument("name", shell_complete=names_of(section))
    @click.argument("changes", nargs=-1, required=True, metavar="SETTING=VALUE...", callback=_assignments)
    @json_option
    @needs_switch
    def set_(client: "Client", name: str, changes: tuple[tuple[str, object], ...], as_json: bool) -> None:
        rows: list[dict[str, Any]] = []
        for key, value in changes:
            body = {"value": value, "by": "cli"}
            rows = client.put(f"/{section}/{part(name)}/settings/{part(key)}", body)["changed"]
        _told(rows, as_json)

    set_.help = (
        f"Change settings of NAME while the switch runs, as in {example}. They go before the configuration file, "
        "also after a restart, until `unset`."
    )

    @group.command("unset", short_help="What the file says counts again.")
    @click.argument("name", shell_complete=names_of(section))
    @click.argument("keys", nargs=-1, required=True, metavar="SETTING...")
    @json_option
    @needs_switch
    def unset(client: "Client", name: str, keys: tuple[str, ...], as_json: bool) -> None:
        rows: list[dict[str, Any]] = []
        for key in keys:
            rows = client.delete(f"/{section}/{part(name)}/settings/{part(key)}", {"by": "cli"})["changed"]
        _told(rows, as_json)

    unset.help = "Take changes of NAME back: what the configuration file says counts again."


def add_commands(queue: click.Group, agent: click.Group) -> None:
    """Give the groups `queue` and `agent` what changes them."""
    _settings("queues", queue, "wrap_up=30 or weights.alice=20")
    _settings("agents", agent, "skills.english=80 or capacity=2")
    for command in (close, open_, add, remove):
        queue.add_command(command)


@click.command("close", short_help="Take no calls until it is opened.")
@click.argument("name", shell_complete=names_of("queues"))
@click.option("--reason", "-r", default="closed", help="Why; shown and kept in the ledger.")
@click.option("--send-away", is_flag=True, help="Those who wait leave now, too.")
@json_option
@needs_switch
def close(client: "Client", name: str, reason: str, send_away: bool, as_json: bool) -> None:
    """Close queue NAME, whatever its hours say: callers go to its `closed` target. A restart changes nothing."""
    view = client.post(f"/queues/{part(name)}/close", {"reason": reason, "send_away": send_away, "by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{name}: closed ({view['shut']}); {view['queue']['waiting']} wait")


@click.command("open", short_help="Take calls again.")
@click.argument("name", shell_complete=names_of("queues"))
@json_option
@needs_switch
def open_(client: "Client", name: str, as_json: bool) -> None:
    """Open queue NAME again, in its hours."""
    view = client.post(f"/queues/{part(name)}/open", {"by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{name}: {'takes calls' if view['open'] else 'open, but outside its hours'}")


def _members(client: "Client", name: str, agents: tuple[str, ...], serves: bool, as_json: bool) -> None:
    order = client.post if serves else client.delete
    view: Any = None
    for agent in agents:
        view = order(f"/queues/{part(name)}/agents/{part(agent)}", {"by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{name}: {', '.join(view['settings']['agents']) or 'no agents'}")


@click.command("add", short_help="Put agents into a queue.")
@click.argument("name", shell_complete=names_of("queues"))
@click.argument("agents", nargs=-1, required=True, metavar="AGENT...", shell_complete=names_of("agents"))
@json_option
@needs_switch
def add(client: "Client", name: str, agents: tuple[str, ...], as_json: bool) -> None:
    """Put agents into queue NAME; who is ready gets its calls at once."""
    _members(client, name, agents, True, as_json)


@click.command("remove", short_help="Take agents out of a queue.")
@click.argument("name", shell_complete=names_of("queues"))
@click.argument("agents", nargs=-1, required=True, metavar="AGENT...", shell_complete=names_of("agents"))
@json_option
@needs_switch
def remove(client: "Client", name: str, agents: tuple[str, ...], as_json: bool) -> None:
    """Take agents out of queue NAME. They stay logged in, and a talk goes on."""
    _members(client, name, agents, False, as_json)


@click.group(cls=Calling, short_help="Have a phone call a number; change a waiting call's place.")
def call() -> None:
    """`softswitch call FROM TO`: the phone FROM (a phone, its number, agent:NAME) rings, and when it is answered, TO is
    called as if it had been dialled there. TO is a number, or a target like agent:bob or queue:support."""


@call.command("dial", short_help="Ring a phone, then call what its user wants.")
@click.argument("party", metavar="FROM", shell_complete=phones_and_agents)
@click.argument("to", metavar="TO", shell_complete=phones_and_agents)
@click.option("--auto-answer", is_flag=True, help="The phone answers by itself, if it or its agent allows that.")
@json_option
@needs_switch
def dial(client: "Client", party: str, to: str, auto_answer: bool, as_json: bool) -> None:
    """Ring FROM (a phone, its number, agent:NAME); when it is answered, call TO with the rights of that phone: a number
    as it would dial it, or a target like agent:bob. `softswitch hangup` with the id that is printed takes it back."""
    view = client.post("/calls", {"from": party, "to": to, "auto_answer": auto_answer, "by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{view['id']}: {view['state']} {view['at']}, then {view['called']}")


@call.command("prioritise")
@click.argument("id", metavar="CALL")
@click.option("--seconds", "-s", type=click.FloatRange(-86400, 86400), required=True, help="Below zero: later.")
@json_option
@needs_switch
def prioritise(client: "Client", id: str, seconds: float, as_json: bool) -> None:
    """Give CALL so many seconds of head start more than it has."""
    view = client.put(f"/calls/{part(id)}/priority", {"seconds": seconds, "by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{id}: {seconds:+g} s in queue {view['at']}")


@call.command("move", short_help="Move CALL to another QUEUE.")
@click.argument("id", metavar="CALL")
@click.argument("queue", shell_complete=names_of("queues"))
@json_option
@needs_switch
def move(client: "Client", id: str, queue: str, as_json: bool) -> None:
    """Move CALL to another QUEUE; it waits there as if since it first waited."""
    view = client.put(f"/calls/{part(id)}/queue", {"queue": queue, "by": "cli"})
    if as_json:
        emit_json(view)
    else:
        click.echo(f"{id}: {view['state']} {view['at']}")


@click.command(short_help="What differs between the file and what runs.")
@json_option
@needs_switch
def diff(client: "Client", as_json: bool) -> None:
    """What `softswitch reload` would change, and which settings were changed over the file while the switch ran."""
    found = client.get("/configuration/diff")
    if as_json:
        emit_json(found)
        return
    for fault in found["faults"]:
        click.secho(fault, fg="red")
    for line in found["file"]:
        click.echo(line)
    if not found["faults"] and not found["file"]:
        click.echo("the file says what the switch was started or reloaded with")
    click.echo()
    emit_table(CHANGED, [changed_cells(row) for row in found["live"]], nothing="nothing was changed over it")


@click.command(short_help="Hooks, and what came of their questions.")
@json_option
@needs_switch
def hooks(client: "Client", as_json: bool) -> None:
    """The hooks that are asked what to do with calls."""
    rows = client.get("/hooks")
    if as_json:
        emit_json(rows)
        return
    cells: list[list[Cell]] = [
        [
            row["name"],
            row["url"],
            str(row["running"]),
            str(row["answered"]),
            ", ".join(f"{cause} {count}" for cause, count in sorted(row["failed"].items())),
            f"for {row['resting']:.0f} s" if row["resting"] else "",
        ]
        for row in rows
    ]
    emit_table(("Hook", "Address", "Running", "Answered", "Failed", "Left alone"), cells, nothing="no hooks")
