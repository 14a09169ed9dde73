"""`softswitch conferences`: who is in which, who talks; mute, kick, lock, end, invite."""

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, emit_table, watch
from softswitch.cli.tables import Cell
from softswitch.cli.target import Where, connect, find_config, json_option, load_settings, needs_switch, switch_options
from softswitch.cli.words import age
from softswitch.kernel.errors import SwitchError

if TYPE_CHECKING:
    from softswitch.cli.client import Client

COLUMNS = ("conference", "state", "member", "number", "name", "call", "role", "microphone", ">level", "here")


def _cells(row: dict[str, Any]) -> list[list[Cell]]:
    said = [word for word in ("locked", "waiting") if row[word]] + (["recorded"] if row["recording"] else [])
    said += [f"{row['ringing']} ringing"] if row["ringing"] else []
    return [
        [
            *((row["name"], ", ".join(said) or "open") if not index else ("", "")),
            *(member["party"], member["number"], member["name"], member["call"]),
            "moderator" if member["moderator"] else "",
            _microphone(member),
            f"{member['level']:.0f}" if member["level"] > -100.0 else "",
            age(member["since"]),
        ]
        for index, member in enumerate(row["members"])
    ]


def _microphone(member: dict[str, Any]) -> Cell:
    for key, word in (("silenced", "muted by order"), ("muted", "muted"), ("held", "on hold")):
        if member[key]:
            return (word, "yellow")
    return ("talking", "green") if member["talking"] else "on"


def _rows(found: list[dict[str, Any]]) -> list[list[Cell]]:
    return [cells for row in found for cells in _cells(row)]


def _live(context: click.Context, path: str = "/conferences") -> list[dict[str, Any]]:
    """What the running switch has, for completion; nothing without one."""
    given = context.params
    try:
        with connect(Where(given.get("config"), given.get("url"), given.get("token"))) as client:
            return client.all(path)
    except SwitchError:
        return []


def _names(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = [row["name"] for row in _live(context)]
    path = find_config(context.params.get("config"))
    if context.command.name in ("invite", "gather") and path is not None and path.is_file():
        names += [name for name in load_settings(path).conferences if name not in names]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _members(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    here = [row["members"] for row in _live(context) if row["name"] == context.params.get("conference")]
    found = [CompletionItem(one["party"], help=one["name"] or one["number"]) for members in here for one in members]
    return [item for item in (*found, CompletionItem("all")) if item.value.startswith(incomplete)]


@click.group(invoke_without_command=True, short_help="Conferences: who is there; mute, kick, lock, end, invite.")
@click.option("--watch", "-w", "watching", is_flag=True, help="Draw anew every second.")
@json_option
@switch_options
@click.pass_context
def conferences(context: click.Context, where: Where, watching: bool, as_json: bool) -> None:
    """Conferences that somebody is in, with their members."""
    if context.invoked_subcommand is None:
        with connect(where) as client:
            _show(client, watching, as_json)


def _show(client: "Client", watching: bool, as_json: bool) -> None:
    if watching:
        watch(COLUMNS, lambda: _rows(client.all("/conferences")), title="members of conferences")
    elif as_json:
        emit_json(client.all("/conferences"))
    else:
        emit_table(COLUMNS, _rows(client.all("/conferences")), nothing="nobody is in a conference")


def _calls(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    rows = _live(context, "/calls")
    found = (CompletionItem(row["id"], help=row["caller"]) for row in rows if row["state"] == "talking")
    return [item for item in found if item.value.startswith(incomplete)]


def _order(client: "Client", name: str, verb: str, as_json: bool, **what: str) -> None:
    answer = client.post(f"/conferences/{part(name)}/{verb}", {**what, "by": "cli"})["conference"]
    if as_json:
        emit_json(answer)
    elif answer is None:
        click.echo(f"{name}: nobody is there")
    else:
        emit_table(COLUMNS, _rows([answer]), nothing="nobody is there")


def _add(verb: str, short: str, text: str, *, member: bool) -> None:
    if member:

        def about_member(client: "Client", conference: str, member: str, as_json: bool) -> None:
            _order(client, conference, verb, as_json, member=member)

        body: Any = click.argument("member", shell_complete=_members)(json_option(needs_switch(about_member)))
    else:

        def about_all(client: "Client", conference: str, as_json: bool) -> None:
            _order(client, conference, verb, as_json)

        body = json_option(needs_switch(about_all))
    body = click.argument("conference", shell_complete=_names)(body)
    body.__doc__ = text
    conferences.command(verb, short_help=short)(body)


_MEMBER = "MEMBER is a party (phone:1001), a number, a call's id, or `all` for everybody but moderators."
_add("mute", "Switch a member's microphone off.", f"Nobody hears MEMBER of CONFERENCE any more. {_MEMBER}", member=True)
_add("unmute", "Switch it on again.", f"MEMBER of CONFERENCE is heard again. {_MEMBER}", member=True)
_add("kick", "Hang a member up.", f"MEMBER of CONFERENCE is told so and hung up. {_MEMBER}", member=True)
_add("lock", "Let nobody else in.", "Only moderators come into CONFERENCE from now on.", member=False)
_add("unlock", "Let others in again.", "CONFERENCE is open again.", member=False)
_add("end", "End the conference.", "All members of CONFERENCE are told so and hung up.", member=False)


@conferences.command("invite", short_help="Ring somebody, who is in it by answering.")
@click.argument("conference", shell_complete=_names)
@click.argument("number")
@click.option("--from", "phone", required=True, metavar="PHONE", help="Whose rights and account count.")
@json_option
@needs_switch
def invite(client: "Client", conference: str, number: str, phone: str, as_json: bool) -> None:
    """Ring NUMBER as PHONE would dial it; whoever answers is in CONFERENCE."""
    _order(client, conference, "invite", as_json, number=number, phone=phone)


@conferences.command("gather", short_help="Let all who talk in a call go there.")
@click.argument("conference", shell_complete=_names)
@click.argument("call", shell_complete=_calls)
@json_option
@needs_switch
def gather(client: "Client", conference: str, call: str, as_json: bool) -> None:
    """Everybody who talks in CALL (an id as `softswitch calls` shows it), two or three, is in CONFERENCE."""
    _order(client, conference, "gather", as_json, member=call)
