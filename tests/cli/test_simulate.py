"""`softswitch simulate`: loads, recorded days, a second policy, reports; Ctrl-C."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from ledgers import write_ledger

from softswitch.acd.model import AgentSettings, QueueSettings
from softswitch.acd.simulation.load import Load, QueueLoad, ShiftLoad
from softswitch.acd.simulation.run import Stretch, run_stretch
from softswitch.acd.simulation.site import Site
from softswitch.cli.main import cli
from softswitch.services import simulating

ROOT = Path(__file__).parents[2]
LOAD = """
[queues.support]
profile = { "09:00" = 60, "12:00" = 0 }
patience = 60
talk = 150
[shifts.day]
begin = "08:55"
end = "12:30"
"""


def simulate(*arguments):
    return CliRunner().invoke(cli, ["simulate", *map(str, arguments)], prog_name="softswitch")


def configuration(folder, name="config.toml", **queue):
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"agents": ["anna", "boris"], **queue}.items()]
    text = f'[server]\ndata_dir = "{folder / "var"}"\ntimezone = "Europe/Berlin"\n'
    for number, agent in enumerate(("anna", "boris"), 1):
        text += f'[phones.{number}]\npassword = "long-enough-{number}2"\n[agents.{agent}]\nphone = "{number}"\n'
    (folder / name).write_text(text + "[queues.support]\n" + "\n".join(lines) + "\n")
    return folder / name


@pytest.fixture
def site(tmp_path):
    configuration(tmp_path)
    configuration(tmp_path, "other.toml", wrap_up=60.0)
    (tmp_path / "load.toml").write_text(LOAD)
    return tmp_path


def test_a_load_is_simulated_with_intervals(site):
    result = simulate(site / "config.toml", "--load", site / "load.toml", "--replications", 5, "--json")
    found = json.loads(result.stdout)
    (policy,) = found["policies"]
    support = policy["queues"]["support"]
    assert support["calls"]["mean"] == pytest.approx(180, rel=0.15)
    assert support["service_level"]["count"] == 5
    assert 0 < support["service_level"]["half"] < 0.3
    assert {interval["start"] for interval in policy["intervals"]} == {32400.0 + 1800 * n for n in range(6)}
    assert set(policy["agents"]) == {"anna", "boris"}
    assert policy["ignored"] == {}
    again = json.loads(
        simulate(site / "config.toml", "--load", site / "load.toml", "--replications", 5, "--json").stdout
    )
    assert again["policies"] == found["policies"]
    other = json.loads(simulate(site / "config.toml", "--load", site / "load.toml", "--seed", 2, "--json").stdout)
    assert other["policies"] != found["policies"]


def test_a_long_run_is_judged_by_its_weeks(site):
    """59 days are eight whole weeks, and their figures those of a week with an interval."""
    (site / "thin.toml").write_text('[queues.support]\nprofile = { "09:00" = 10, "11:00" = 0 }\npatience = 60\n')
    found = json.loads(simulate(site / "config.toml", "--load", site / "thin.toml", "--days", 59, "--json").stdout)
    calls = found["policies"][0]["queues"]["support"]["calls"]
    assert calls["count"] == 8
    assert calls["mean"] == pytest.approx(140, rel=0.15)
    assert calls["half"] > 0
    assert found["days"] == 7


def test_more_agents_answer_sooner(site):
    def level(*more):
        found = json.loads(simulate(site / "config.toml", "--load", site / "load.toml", *more, "--json").stdout)
        return found["policies"][0]["queues"]["support"]["service_level"]["mean"]

    assert level() < level("--agents", 3) < level("--agents", 6)


def test_two_policies_meet_the_same_callers(site):
    """A longer wrap-up is shown to be worse, with an interval narrower than those of the two."""
    arguments = (site / "config.toml", "--load", site / "load.toml", "--policy", site / "other.toml")
    found = json.loads(simulate(*arguments, "--json").stdout)
    before, after = (policy["queues"]["support"] for policy in found["policies"])
    assert before["calls"] == after["calls"]
    difference = found["difference"]["support"]["service_level"]
    assert difference["mean"] == pytest.approx(after["service_level"]["mean"] - before["service_level"]["mean"])
    assert difference["mean"] + difference["half"] < 0
    said = simulate(*arguments).stdout
    assert "same callers" in said
    assert "worse" in said


def test_the_same_policy_twice_makes_no_difference(site):
    arguments = (site / "config.toml", "--load", site / "load.toml", "--policy", site / "config.toml")
    found = json.loads(simulate(*arguments, "--json").stdout)
    assert all(one["mean"] == one["half"] == 0 for one in found["difference"]["support"].values() if one)
    assert "both policies did the same" in simulate(*arguments).stdout


def test_reports_as_files(site):
    arguments = (site / "config.toml", "--load", site / "load.toml", "--policy", site / "other.toml")
    for name in ("report.html", "report.csv", "report.json", "report.svg", "report.png"):
        assert simulate(*arguments, "--replications", 2, "--output", site / name).exit_code == 0
    page = (site / "report.html").read_text()
    assert "<svg" in page
    assert "service level" in page
    rows = list(csv.DictReader((site / "report.csv").read_text().splitlines()))
    assert {row["subject"] for row in rows} == {"queue", "agents", "agent", "difference"}
    assert json.loads((site / "report.json").read_text())["days"] == 1
    assert (site / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def recorded(site):
    """The site with a ledger of one morning, with three agents of whom one works no more."""
    names = ("anna", "boris", "cleo")
    before = Site(
        queues={"support": QueueSettings(agents=names, wrap_up=10.0)},
        agents=dict.fromkeys(names, AgentSettings()),
        timezone="Europe/Berlin",
    )
    load = Load(
        start="2026-11-20",
        queues={"support": QueueLoad(profile={"09:00": 60.0, "12:00": 0.0}, patience=60.0, talk=150.0)},
        shifts={"day": ShiftLoad(begin="08:55", end="12:30")},
    )
    facts = []
    run_stretch(before, Stretch(load=load), record=facts.append)
    write_ledger(site / "var", facts)
    return site, sum(fact.kind == "queue.entered" for fact in facts)


def test_a_recorded_day_is_replayed(recorded):
    site, calls = recorded
    arguments = (site / "config.toml", "--day", "2026-11-20", "--policy", site / "other.toml", "--replications", 3)
    found = json.loads(simulate(*arguments, "--json").stdout)
    for policy in found["policies"]:
        assert policy["queues"]["support"]["calls"] == {"mean": calls, "half": 0.0, "count": 3}
        assert set(policy["agents"]) == {"anna", "boris"}
    assert found["difference"]["support"]["service_level"]["mean"] < 0
    assert json.loads(simulate(*arguments, "--json").stdout)["policies"] == found["policies"]
    by_file = simulate(
        site / "config.toml", "--day", "2026-11-20", "--ledger", site / "var" / "softswitch.db", "--json"
    )
    assert json.loads(by_file.stdout)["policies"][0]["queues"]["support"]["calls"]["mean"] == calls


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "--load FILE or --day DATE"),
        (("--load", "load.toml", "--day", "2026-11-20"), 2, "--load FILE or --day DATE"),
        (("--load", "load.toml", "--confidence", "100"), 2, "--confidence"),
        (("--load", "load.toml", "--output", "report.doc"), 2, "reports are"),
        (("--load", "none.toml"), 1, "cannot be read"),
        (("--load", "wrong.toml"), 1, "queue sales"),
        (("--load", "load.toml", "--policy", "none.toml"), 1, "no such configuration file"),
        (("--day", "2026-11-20"), 1, "there is no database"),
        (("--day", "yesterday"), 1, "is not a day"),
    ],
)
def test_what_cannot_be_simulated(site, monkeypatch, arguments, code, said):
    monkeypatch.chdir(site)
    (site / "wrong.toml").write_text("[queues.sales]\ncalls = 5\n")
    result = simulate("config.toml", *arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr


def test_a_day_without_calls(recorded):
    result = simulate(recorded[0] / "config.toml", "--day", "2026-11-25")
    assert result.exit_code == 1
    assert "no queued calls on 2026-11-25" in result.stderr


def start(site, *arguments):
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}")
    command = [sys.executable, "-m", "softswitch.cli", "simulate", "config.toml", "--load", "load.toml", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=site, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_processes_share_the_work_and_change_nothing(site):
    (alone, _), (shared, _) = (
        start(site, "--replications", "4", "--workers", workers, "--json").communicate(timeout=60)
        for workers in ("1", "2")
    )
    assert json.loads(alone)["policies"] == json.loads(shared)["policies"]
    assert json.loads(shared)["workers"] == 2


def test_ctrl_c_prints_what_is_whole(site, monkeypatch):
    """Two policies, interrupted after five pieces: two replications are whole for both."""
    run_jobs = simulating.run_jobs

    def interrupted(jobs, workers, tell):
        yield from islice(run_jobs(jobs, workers, tell), 5)
        raise KeyboardInterrupt

    monkeypatch.setattr(simulating, "run_jobs", interrupted)
    arguments = (site / "config.toml", "--load", site / "load.toml", "--policy", site / "other.toml")
    found = json.loads(simulate(*arguments, "--json").stdout)
    assert found["interrupted"]
    assert [policy["replications"] for policy in found["policies"]] == [2, 2]
    assert "5 of 20 pieces" in simulate(*arguments).stderr
    monkeypatch.setattr(simulating, "run_jobs", lambda jobs, workers, tell: islice(interrupted(jobs, workers, tell), 0))
    assert simulate(*arguments).exit_code == 130, "nothing to print"


def test_ctrl_c_leaves_no_process(site):
    process = start(site, "--replications", "5000", "--workers", "2", "--json")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    limit = time.monotonic() + 45
    while len(children.read_text().split()) < 3:  # two workers and what tracks their resources
        assert time.monotonic() < limit
        time.sleep(0.05)
    time.sleep(1)
    offspring = children.read_text().split()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode in (0, 130), errors
    assert process.returncode == 130 or json.loads(output)["interrupted"]
    assert "Traceback" not in errors
    while any(Path(f"/proc/{child}").exists() for child in offspring):
        assert time.monotonic() < limit + 30, "a worker was left"
        time.sleep(0.05)
