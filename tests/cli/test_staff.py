"""`softswitch staff`: agents and trunks from rates and from the ledger."""

import csv
import io
import json
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from ledgers import write_ledger

from softswitch.acd.model import Fact
from softswitch.acd.simulation.days import instant
from softswitch.cli.main import cli

CALLS = ("--calls", "120/h", "--aht", "240")


def staff(*arguments):
    return CliRunner().invoke(cli, ["staff", *map(str, arguments)], prog_name="softswitch")


def test_agents_for_a_service_level():
    said = staff(*CALLS, "--target", "80/20", "--patience", 90, "--shrinkage", 30).stdout
    assert "8.00 erlangs" in said
    assert "10 required; 15 on the roster" in said
    assert "Erlang A" in said
    found = json.loads(staff(*CALLS, "--patience", 90, "--json").stdout)
    assert found["agents"] == 10
    assert found["expected"]["service_level"] == pytest.approx(0.8389, abs=5e-5)


def test_infinity_is_no_number_of_json():
    found = json.loads(staff(*CALLS, "--agents", 6, "--json").stdout)
    assert found["expected"]["asa"] is None
    assert found["expected"]["service_level"] == 0.0


@pytest.mark.parametrize("calls", ["120", "120/h", "2/min", "60/30min", "2880/day"])
def test_rates(calls):
    assert json.loads(staff("--calls", calls, "--aht", 240, "--json").stdout)["demand"]["rate"] == pytest.approx(1 / 30)


def test_csv_has_bare_numbers():
    rows = list(csv.DictReader(io.StringIO(staff(*CALLS, "--asa", 10, "--csv").stdout)))
    asa = {int(row["agents"]): float(row["asa"]) for row in rows}
    assert asa[12] <= 10 < asa[11]


def test_trunks():
    found = json.loads(staff("--calls", "600/h", "--aht", 200, "--blocking", 1, "--json").stdout)
    assert found["trunks"] == 45
    again = json.loads(staff("--calls", "600/h", "--aht", 200, "--blocking", 1, "--retries", "50%", "--json").stdout)
    assert again["trunks"] == 46
    assert "45 block 1.0 % at most" in staff("--calls", "600/h", "--aht", 200, "--blocking", 1).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--calls", "1/fortnight", "--aht", 10),
        ("--calls", "10/0min", "--aht", 10),
        (*CALLS, "--target", "80"),
        (*CALLS, "--shrinkage", 101),
        (*CALLS, "--json", "--csv"),
        ("--from-ledger",),
    ],
)
def test_wrong_usage(arguments):
    assert staff(*arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [("--target", "100/20"), ("--shrinkage", 100), ("--plot", "chart.bmp")])
def test_what_cannot_be_promised_is_one_line(arguments):
    result = staff(*CALLS, *arguments)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "begins"), [("chart.png", b"\x89PNG"), ("chart.svg", b"<?xml")])
def test_charts(tmp_path, name, begins):
    assert staff(*CALLS, "--plot", tmp_path / name).exit_code == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A configuration, and a ledger with two weeks of 30 calls from 9 to 10 each day, Tokyo time."""
    folder, zone, dice = tmp_path_factory.mktemp("staff"), ZoneInfo("Asia/Tokyo"), Random(3)
    (folder / "config.toml").write_text(
        f'[server]\ndata_dir = "{folder / "var"}"\ntimezone = "Asia/Tokyo"\n[phones.1]\npassword = "long-enough-12"\n'
        '[agents.anna]\nphone = "1"\n[queues.support]\nagents = ["anna"]\n'
    )
    facts, today = [], datetime.now(zone).date()
    for back in range(1, 15):
        for serial in range(30):
            at = instant(today - timedelta(days=back), 9 * 3600 + dice.random() * 3600, zone)
            call, waited = f"{back}-{serial}", dice.expovariate(1 / 20)
            facts.append(Fact("queue.entered", at, call, "support"))
            if dice.expovariate(1 / 60) < waited:
                facts.append(Fact("queue.abandoned", at + waited, call, "support", "", {"waited": waited}))
                continue
            answered = {"waited": waited, "rang": 3.0, "within": waited <= 20}
            facts.append(Fact("queue.answered", at + waited, call, "support", "anna", answered))
            facts.append(Fact("talk.ended", at + waited + 200, call, "support", "anna", {"talk": 200.0}))
    write_ledger(folder / "var", sorted(facts, key=lambda fact: fact.at))
    return folder


def test_agents_by_interval_of_the_week_from_the_ledger(site):
    week = ("--from-ledger", "--queue", "support", "--config", site / "config.toml", "--last", "14d")
    found = json.loads(staff(*week, "--json").stdout)
    assert found["seen"]["calls"] == 14 * 30
    assert [row["interval"] for row in found["intervals"]][:2] == ["mon 09:00", "mon 09:30"]
    assert len(found["intervals"]) == 14
    for row in found["intervals"]:
        assert row["expected"]["service_level"] >= 0.8
        assert row["demand"]["handling"] == pytest.approx(203.0)
        assert row["demand"]["patience"] == pytest.approx(found["patience"]["mean"])
    assert found["patience"]["low"] < 60 < found["patience"]["high"]
    table = staff(*week, "--plot", site / "week.svg").stdout
    assert "mon 09:00" in table
    assert "who hung up" in table
    assert (site / "week.svg").stat().st_size > 10_000
    assert len(list(csv.DictReader(io.StringIO(staff(*week, "--csv").stdout)))) == 14


def test_a_ledger_by_its_file(site):
    ledger = ("--ledger", site / "var" / "softswitch.db", "--last", "3w", "--interval", "60")
    found = json.loads(staff("--from-ledger", "--queue", "support", *ledger, "--json").stdout)
    assert found["seen"]["calls"] in (390, 420), "without a configuration days are those of UTC"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ledger", "/nowhere/x.db"), "there is no database"),
        (("--queue", "sales"), "no calls for queue sales"),
        (("--ledger", __file__), "cannot be read"),
    ],
)
def test_a_ledger_that_says_nothing(site, arguments, said):
    result = staff("--from-ledger", "--queue", "support", "--config", site / "config.toml", *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
