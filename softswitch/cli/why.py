"""Why a call waits or who got it; why an agent gets no calls."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from softswitch.cli.client import part
from softswitch.cli.failures import OutOfReach
from softswitch.cli.names import names_of
from softswitch.cli.output import emit_json, emit_pairs, emit_table, state
from softswitch.cli.tables import Rows
from softswitch.cli.target import json_option, needs_switch
from softswitch.cli.words import age, duration, moment
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client

Story: TypeAlias = dict[str, Any]

_OFFERS = ("at", "agent", "ring", "outcome", ">rang")
_SKIPS = ("agent", "reason", "in words", "until")


@click.command(short_help="Why a call waits, or an agent gets none.")
@click.argument("name", metavar="CALL|AGENT", shell_complete=names_of("agents"))
@click.option("--skipped", is_flag=True, help="For each offer, also who was passed over and why.")
@json_option
@needs_switch
def why(client: "Client", name: str, skipped: bool, as_json: bool) -> None:
    """Every offer and every skip, with its reason, of a CALL in a queue (live or gone lately) or of an AGENT."""
    agents = {row["name"] for row in client.all("/agents")}
    if name in agents:
        _agent(client.get(f"/why/agents/{part(name)}"), as_json)
        return
    try:
        found = client.get(f"/why/calls/{part(name)}")
    except OutOfReach:
        raise
    except LocalError as error:
        meant = get_close_matches(name, agents, n=1)
        raise LocalError(f"{error}, and no such agent" + (f'; did you mean "{meant[0]}"?' if meant else "")) from error
    if as_json:
        emit_json(found)
        return
    for number, stay in enumerate(found["stays"]):
        if number:
            click.echo()
        _stay(stay, skipped)


def _stay(stay: Story, skipped: bool) -> None:
    needs = ", ".join(f"{skill} >= {least}" for skill, least in stay["needs"])
    pairs = [
        ("call", f"{stay['call']} from {stay['caller'] or 'nobody known'}"),
        ("queue", f"{stay['queue']}, {stay['strategy']}"),
        ("entered", f"{moment(stay['entered'])}, waited {duration(stay['waited'])}"),
    ]
    if stay["waiting"]:
        elsewhere = stay["ahead_elsewhere"]
        beside = f"; {elsewhere} of other queues stand before it with the same agents" if elsewhere else ""
        pairs.append(("position", f"{stay['position']}{beside}"))
    else:
        pairs.append(("left", f"{moment(stay['left'])}: {stay['outcome']}"))
    kept = f"kept for {stay['sticky']}" if stay["ring"] < 0 else f"ring {stay['ring']}"
    following = f", the next opens {moment(stay['next_ring_at'])}" if stay["next_ring_at"] else ""
    pairs.append(("ring", f"{kept}{following}"))
    pairs.append(("needs", needs or "nothing"))
    emit_pairs(pairs)
    offers = stay["offers"]
    emit_table(_OFFERS, [_offer(offer) for offer in offers], nothing="offered to nobody", title="offers")
    if skipped:
        for offer in offers:
            title = f"passed over for {offer['agent']} at {moment(offer['at'])}"
            emit_table(_SKIPS, _skips(offer["skipped"]), nothing="", title=title)
    if stay["waiting"]:
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(stay["reasons"].items()))
        emit_table(_SKIPS, _skips(stay["skipped"]), nothing="the queue has no agents", title=f"not with: {counted}")


def _agent(found: Story, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    because = f" ({found['reason']})" if found["reason"] else ""
    until = f", until {moment(found['until'])}" if found["until"] else ""
    emit_pairs(
        [
            ("agent", found["agent"]),
            ("state", state(found["state"])),
            ("since", f"{moment(found['since'])}{because}{until}, for {age(found['since'])}"),
            ("offers", "may be offered a call" if found["available"] else "none now"),
            ("queues", ", ".join(found["queues"]) or "none"),
            ("next call", found["next_call"] or "nobody waits for this agent"),
        ]
    )
    rows: Rows = [
        [moment(offer["at"]), offer["call"], offer["queue"], offer["outcome"], duration(offer["rang"])]
        for offer in found["offers"]
    ]
    emit_table(("at", "call", "queue", "outcome", ">rang"), rows, nothing="no offers lately", title="offers")
    waiting: Rows = [
        [row["call"], row["queue"], str(row["position"]), duration(row["waited"]), row["reason"], row["detail"]]
        for row in found["waiting"]
    ]
    columns = ("call", "queue", ">position", ">waited", "reason", "in words")
    emit_table(columns, waiting, nothing="nobody waits in these queues", title="waiting")


def _offer(offer: Story) -> list[Any]:
    ring = "sticky" if offer["ring"] < 0 else str(offer["ring"])
    return [moment(offer["at"]), offer["agent"], ring, offer["outcome"], duration(offer["rang"])]


def _skips(skips: list[Story]) -> Rows:
    return [[skip["agent"], skip["reason"], skip["detail"], moment(skip["until"])] for skip in skips]
