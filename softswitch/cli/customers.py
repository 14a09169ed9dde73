"""The customers table: import from CSV, look up, change, delete."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from softswitch.cli.client import part
from softswitch.cli.output import emit_json, emit_table
from softswitch.cli.tables import Cell
from softswitch.cli.target import json_option, needs_switch
from softswitch.kernel.errors import LocalError

if TYPE_CHECKING:
    from softswitch.cli.client import Client

_COLUMNS: Final = ("id", "name", "numbers", "head_start", "language", "agent", "needs", "queue", "notes")
_AT_ONCE: Final = 500
_SHOWN: Final = ("Id", "Name", "Numbers", "Head start", "Language", "Agent", "Needs", "Queue")


@click.group(short_help="Who calls: import, look up, change.")
def customers() -> None:
    """Customers: how their calls are treated."""


@customers.command("import", short_help="Read customers from a CSV FILE.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--country", help="Calling code of numbers without one, as in 370.")
@click.option("--national-prefix", default="0", show_default=True)
@click.option("--check", "only_check", is_flag=True, help="Only say what is wrong with the file.")
@json_option
@needs_switch
def import_(
    client: "Client", file: Path, country: str | None, national_prefix: str, only_check: bool, as_json: bool
) -> None:
    """Read customers from a CSV FILE with a heading: id, name, numbers, head_start, language, agent, needs, queue,
    notes; only `id` must be there. Several numbers and needs (`english:80`) are separated by blanks. A customer with an
    id that is known is replaced. What cannot be read stops the import before anything is changed."""
    rows = list(read_customers(file, country, national_prefix))
    stored = 0
    if not only_check:
        ahead = iter(rows)
        while some := list(islice(ahead, _AT_ONCE)):
            stored += client.post("/customers", {"customers": some, "by": "cli"})["stored"]
    if as_json:
        emit_json({"read": len(rows), "stored": stored})
    else:
        click.echo(f"{file.name}: {len(rows)} customers" + ("" if only_check else ", stored"))


@customers.command("list")
@click.argument("find", required=False, default="")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@needs_switch
def list_(client: "Client", find: str, limit: int, as_json: bool) -> None:
    """Customers; those whose id or number is FIND, or whose name has it."""
    found = client.get("/customers", find=find, limit=limit)
    if as_json:
        emit_json(found["items"])
        return
    emit_table(_SHOWN, [_cells(row) for row in found["items"]], nothing="no customers")
    if found["total"] > len(found["items"]):
        click.echo(f"{found['total']} in all")


@customers.command("set")
@click.argument("id")
@click.option("--name")
@click.option("--number", "numbers", multiple=True, help="May be given several times; replaces what is there.")
@click.option("--head-start", type=float, help="Seconds.")
@click.option("--language")
@click.option("--agent", help="Whose customer this is.")
@click.option("--need", "needs", multiple=True, metavar="SKILL:LEVEL")
@click.option("--queue")
@click.option("--notes")
@json_option
@needs_switch
def set_(client: "Client", /, id: str, as_json: bool, **given: Any) -> None:
    """Add customer ID, or change what is given of it."""
    known = [row for row in client.get("/customers", find=id)["items"] if row["id"] == id]
    body = {key: value for key, value in known[0].items() if key != "id"} if known else {}
    if "needs" in body:
        body["needs"] = dict(body["needs"])
    for key, value in given.items():
        if value is None or value == ():
            continue
        body[key] = _needs(" ".join(value), id) if key == "needs" else list(value) if key == "numbers" else value
    row = client.put(f"/customers/{part(id)}", body)
    if as_json:
        emit_json(row)
    else:
        emit_table(_SHOWN, [_cells(row)], nothing="")


@customers.command("delete")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@needs_switch
def delete(client: "Client", ids: tuple[str, ...], as_json: bool) -> None:
    """Forget customers."""
    done = [client.delete(f"/customers/{part(id)}", {"by": "cli"})["id"] for id in ids]
    if as_json:
        emit_json({"deleted": done})
    else:
        click.echo("\n".join(f"{id}: deleted" for id in done))


def read_customers(path: Path, country: str | None, national_prefix: str = "0") -> Iterator[dict[str, Any]]:
    """What the API takes, a customer a line. Raises `LocalError` that names the line and what is wrong with it."""
    from softswitch.sip.numbers import e164

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=";" if head.count(";") > head.count(",") else ",")
            names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            unknown = [name for name in names if name not in _COLUMNS]
            if unknown or "id" not in names:
                what = f'no column "{unknown[0]}"' if unknown else 'no column "id"'
                raise LocalError(f"{path.name}, line 1: {what}; there are {', '.join(_COLUMNS)}")
            reader.fieldnames = names
            seen: dict[str, int] = {}
            for row in reader:
                place = f"{path.name}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise LocalError(f"{place}: {len(names)} columns are expected")
                texts = {name: (value or "").strip() for name, value in row.items()}
                if not texts["id"]:
                    raise LocalError(f"{place}: the id is empty")
                if texts["id"] in seen:
                    raise LocalError(f'{place}: "{texts["id"]}" is also in line {seen[texts["id"]]}')
                seen[texts["id"]] = reader.line_num
                body: dict[str, Any] = {name: text for name, text in texts.items() if text}
                numbers = [e164(number, country, national_prefix) for number in texts.get("numbers", "").split()]
                body["numbers"] = [_number(number, place) for number in numbers]
                body["needs"] = _needs(texts.get("needs", ""), place)
                if "head_start" in body:
                    body["head_start"] = _seconds(texts["head_start"], place)
                yield body
    except (UnicodeDecodeError, csv.Error) as error:
        raise LocalError(f"{path.name} is no CSV file in UTF-8: {error}") from error


def _number(text: str, place: str) -> str:
    if not text.removeprefix("+").isdigit():
        raise LocalError(f'{place}: "{text}" is no number')
    return text


def _seconds(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LocalError(f'{place}: head_start "{text}" is no number of seconds') from None


def _needs(text: str, place: str) -> dict[str, int]:
    needs = {}
    for item in text.split():
        skill, _, level = item.partition(":")
        if not skill or not level.isdigit():
            raise LocalError(f'{place}: "{item}" is no need: write SKILL:LEVEL, as in english:80')
        needs[skill] = int(level)
    return needs


def _cells(row: dict[str, Any]) -> list[Cell]:
    needs = " ".join(f"{skill}:{level}" for skill, level in row["needs"])
    numbers = " ".join(row["numbers"])
    head_start = f"{row['head_start']:g}"
    return [*(row["id"], row["name"], numbers, head_start, row["language"], row["agent"], needs, row["queue"])]
