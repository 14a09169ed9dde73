"""`softswitch simulate`: what would have happened, or would happen, under this configuration or another."""

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from softswitch.cli.shares import share
from softswitch.cli.target import json_option, load_settings, need_config

if TYPE_CHECKING:
    from softswitch.acd.simulation.outcome import Outcome
    from softswitch.acd.simulation.site import Site
    from softswitch.services.simulating import Job
    from softswitch.switch.settings import Settings

_REPLICATIONS: Final = 10
_WEEKS: Final = 8  # a single run of so many or more is judged by its weeks
_FEW: Final = 40_000  # calls: simulated in this process before others have started


@dataclass(frozen=True, slots=True)
class Simulated:
    """Outcomes by policy (the configuration's first), a list of replications each; how it was made."""

    names: tuple[str, ...]
    sites: "tuple[Site, ...]"
    outcomes: "tuple[list[Outcome], ...]"
    days: int
    seed: int
    level: float
    what: str
    seconds: float
    workers: int
    cut: str = ""  # what is missing after Ctrl-C


@click.command(short_help="What if: the engine on virtual time.")
@click.argument("config", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--load", type=click.Path(path_type=Path, dir_okay=False), help="Simulated callers and agents: a load file."
)
@click.option("--day", help="Replay a day of the ledger, 2026-11-20, instead.")
@click.option("--ledger", help="With --day: its database, a file or URL.  [the configuration's]")
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), help="A second configuration to compare.")
@click.option("--agents", type=click.IntRange(1), help="So many agents, made in the image of the configured ones.")
@click.option("--days", type=click.IntRange(1, 3660), default=1, show_default=True, help="Of a load, from its start.")
@click.option(
    "--replications", type=click.IntRange(1, 10000), help=f"Independent runs.  [{_REPLICATIONS}; 1 over 7 days]"
)
@click.option("--warm-up", type=click.FloatRange(0, 86400), default=0.0, help="Seconds of each run that do not count.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same callers.")
@click.option("--confidence", type=share, default="95", help="Of the intervals, percent.  [95]")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes.  [the machine's cores]")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Report: FILE.html, .csv, .json, .png, .svg."
)
@json_option
def simulate(
    config: Path | None,
    load: Path | None,
    day: str | None,
    ledger: str | None,
    policy: Path | None,
    agents: int | None,
    days: int,
    replications: int | None,
    warm_up: float,
    seed: int,
    confidence: float,
    workers: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Let the engine of the switch serve callers on virtual time under CONFIG, and under --policy beside it.

    \b
      softswitch simulate config.toml --load load.toml --days 5
      softswitch simulate config.toml --load load.toml --agents 12 --policy skills.toml
      softswitch simulate config.toml --day 2026-11-20 --policy other.toml --output whatif.html

    Both policies meet the very same callers. What a load file says: docs/simulation.md.
    """
    from softswitch.cli.simulate_report import emit, write

    if (load is None) == (day is None):
        raise click.UsageError("give --load FILE or --day DATE")
    if not 0 < confidence < 1:
        raise click.UsageError("--confidence is between 0 and 100")
    if output is not None and output.suffix.lower() not in (".html", ".csv", ".json", ".png", ".svg"):
        raise click.UsageError(f"{output}: reports are .html, .csv, .json, .png or .svg")
    path = need_config(config)
    paths = (path,) if policy is None else (path, policy)
    settings = [_usable(one) for one in paths]
    sites = tuple(_site(one, agents) for one in settings)
    if load is not None:
        count = replications or (_REPLICATIONS if days <= 7 else 1)
        jobs = _load_jobs(load, sites, days, seed, count, warm_up)
        what = f"{load}, {_counted(days, 'day')}, {_counted(count, 'replication')}, seed {seed}"
        if count == 1 and days >= 7 * _WEEKS:
            jobs = _by_week(jobs)
            what, days = f"{load}, {days // 7} weeks, seed {seed}, figures of a week", 7
    else:
        days, count = 1, replications or _REPLICATIONS
        jobs = _replay_jobs(settings[0], ledger, str(day), sites, seed, count)
        what = f"the calls of {day}, {_counted(count, 'replication')}, seed {seed}"
    result = _run(jobs, sites, tuple(str(one) for one in paths), days, seed, confidence, what, workers)
    if output is not None:
        write(result, output)
    emit(result, as_json)


def _usable(path: Path) -> "Settings":
    """The settings, which must be without errors: a queue left out would make another site of it."""
    from softswitch.services.configuration import load as load_configuration

    if not path.is_file():
        return load_settings(need_config(path))
    return load_configuration(path)


def _site(settings: "Settings", agents: int | None) -> "Site":
    from softswitch.acd.simulation.site import with_agents
    from softswitch.services.simulating import site_of

    site = site_of(settings)
    return site if agents is None else with_agents(site, agents)


def _load_jobs(
    path: Path, sites: "tuple[Site, ...]", days: int, seed: int, replications: int, warm_up: float
) -> "list[Job]":
    from softswitch.acd.simulation.run import fits, stretches
    from softswitch.services.load_file import read_load
    from softswitch.services.simulating import Job

    load = read_load(path)
    for site in sites:
        fits(site, load)
    return [
        Job((number, replication, stretch.first), site, stretch)
        for replication in range(replications)
        for stretch in stretches(load, days, seed, replication, warm_up)
        for number, site in enumerate(sites)
    ]


def _by_week(jobs: "list[Job]") -> "list[Job]":
    """One long run judged by its whole weeks, as if each were a replication (batch means): they have the same load, and
    hardly touch."""
    from dataclasses import replace

    return [replace(job, key=(job.key[0], job.key[2] // 7, 0)) for job in jobs if job.seconds == 7 * 86400.0]


def _replay_jobs(
    settings: "Settings", ledger: str | None, text: str, sites: "tuple[Site, ...]", seed: int, replications: int
) -> "list[Job]":
    from softswitch.acd.simulation.days import date_of
    from softswitch.services.simulating import Job, Replay, read_day

    day = read_day(settings, ledger, date_of(text))
    return [
        Job((number, replication, 0), site, Replay(day, seed, replication))
        for replication in range(replications)
        for number, site in enumerate(sites)
    ]


def _run(
    jobs: "list[Job]",
    sites: "tuple[Site, ...]",
    names: tuple[str, ...],
    days: int,
    seed: int,
    level: float,
    what: str,
    workers: int | None,
) -> Simulated:
    """All of it, or on Ctrl-C what is whole by then: stretches that every policy has."""
    from softswitch.services.simulating import cores, run_jobs

    few = sum(job.calls for job in jobs) < _FEW
    workers = min(workers or (1 if few else cores()), len(jobs))
    done: dict[tuple[int, int, int], Outcome] = {}
    begun, cut = time.monotonic(), ""
    total = sum(job.seconds for job in jobs)
    with _bar(total) as tell:
        try:
            done.update(run_jobs(jobs, workers, tell))
        except KeyboardInterrupt:
            cut = f"interrupted: {len(done)} of {len(jobs)} pieces are done, and this is what they say"
    outcomes = tuple(_replications(jobs, done, number, len(sites)) for number in range(len(sites)))
    if not outcomes[0]:
        raise KeyboardInterrupt
    seconds = time.monotonic() - begun
    return Simulated(names, sites, outcomes, days, seed, level, what, seconds, workers, cut)


def _replications(
    jobs: "list[Job]", done: "dict[tuple[int, int, int], Outcome]", policy: int, policies: int
) -> "list[Outcome]":
    """The replications of one policy put together of their stretches, as far as all policies have them; unfinished
    ones only when none is finished."""
    from softswitch.acd.simulation.outcome import Outcome

    pieces: dict[int, list[tuple[int, int]]] = {}
    for number, replication, first in (job.key for job in jobs):
        if number == 0:
            pieces.setdefault(replication, []).append((replication, first))
    common = {
        replication: [piece for piece in all_of if all((number, *piece) in done for number in range(policies))]
        for replication, all_of in pieces.items()
    }
    whole = [replication for replication, all_of in pieces.items() if len(common[replication]) == len(all_of)]
    found = []
    for replication in whole or [replication for replication in pieces if common[replication]][:1]:
        outcome = Outcome()
        for piece in common[replication]:
            outcome.add(done[policy, *piece])
        found.append(outcome)
    return found


def _bar(total: float) -> Any:
    """Something that gives a function to be told virtual seconds: a progress bar when a person looks on."""
    import sys

    if not sys.stderr.isatty():
        return nullcontext(lambda seconds: None)
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (
            *(TextColumn("simulating"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")),
            *(TimeElapsedColumn(), TimeRemainingColumn()),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda seconds: progress.advance(task, seconds)

    return shown()


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number > 1 else ''}"
