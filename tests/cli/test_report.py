"""`softswitch report` on a database file: every format, every kind, and what is refused."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.report import START, Centre, write
from softswitch.acd.reports import KINDS
from softswitch.cli.main import cli

DAY = 86400.0
SPAN = ("--from", "2026-09-28", "--to", "2026-09-29", "--timezone", "Europe/Vilnius")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day and a bit of a small call centre."""
    path = tmp_path_factory.mktemp("report") / "softswitch.db"
    centre = Centre(5)
    centre.run(26_000)
    assert centre.now > START + DAY
    write(path, centre.facts)
    return path


@pytest.fixture
def run(database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOFTSWITCH_CONFIG", raising=False)

    def call(*words: str, code: int = 0):
        done = CliRunner().invoke(cli, ["report", *words, "--database", str(database)])
        assert done.exit_code == code, done.output
        return done

    return call


def test_a_table_for_people(run) -> None:
    text = run("queues", *SPAN).output
    assert text.startswith("Queues, 2026-09-28 00:00 to 2026-09-29 00:00 (Europe/Vilnius)")
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["Queue", "billing", "sales", "support", "all"]
    assert "Estimate off" not in text
    assert "Estimate off" in run("queues", *SPAN, "--all").output


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_adds_up(run, kind: str) -> None:
    found = json.loads(run(kind, *SPAN, "--json").stdout)
    assert found["question"]["kind"] == kind
    names = [column["name"] for column in found["columns"]]
    assert all(set(row) == set(names) for row in found["rows"])
    for column in found["columns"]:
        if column["unit"] == "count" and kind not in ("surveys",):
            assert sum(row[column["name"]] for row in found["rows"]) == found["total"][column["name"]], column


def test_intervals_add_up_to_the_whole(run) -> None:
    whole = json.loads(run("queues", *SPAN, "--json").stdout)["total"]
    rows = json.loads(run("intervals", *SPAN, "--interval", "15m", "--json").stdout)["rows"]
    for name in ("offered", "answered", "within", "abandoned", "overflowed"):
        assert sum(row[name] for row in rows) == whole[name]
    assert whole["offered"] > 1000
    starts = [row["start"] for row in rows]
    assert starts == sorted(set(starts))


def test_only_some_queues_and_agents(run) -> None:
    found = json.loads(run("queues", *SPAN, "-q", "sales", "-q", "billing", "--json").stdout)
    assert [row["queue"] for row in found["rows"]] == ["billing", "sales"]
    found = json.loads(run("agents", *SPAN, "-a", "agent01", "--json").stdout)
    assert [row["agent"] for row in found["rows"]] == ["agent01"]


def test_the_service_level_that_was_asked_for(run) -> None:
    levels = {
        name: json.loads(run("queues", *SPAN, "--service-level", name, "--json").stdout)["total"]["service_level"]
        for name in ("standard", "answered", "offered")
    }
    assert levels["answered"] > levels["standard"] > levels["offered"]


def test_csv_is_for_programs(run, tmp_path: Path) -> None:
    run("intervals", *SPAN, "--interval", "1h", "--output", "hours.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "hours.csv").read_text())))
    assert rows[0]["start"] == "2026-09-28T08:00+03:00"
    assert all(float(row["service_level"] or 0) <= 100 for row in rows)
    assert float(rows[1]["aht"]) > 60


def test_no_name_becomes_a_formula(tmp_path: Path) -> None:
    from dataclasses import replace

    from softswitch.acd.reports import Column, Question, Report
    from softswitch.cli.report_files import csv_of, xlsx
    from softswitch.cli.report_page import page

    question = Question(kind="queues", since=0.0, until=1.0)
    name = "=cmd|'/c calc'!A1<script>"
    found = Report(question, (Column("queue", "Queue", "text"),), ({"queue": name},))
    assert csv_of(found).splitlines()[1].startswith(b"'=cmd")
    sheet = zipfile.ZipFile(io.BytesIO(xlsx(found))).read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    from softswitch.acd.reports import Charts

    charts = Charts("1h", (), tuple((None,) * 24 for _ in range(7)), (1, 2), ())
    assert b"<script" not in page(replace(found, charts=charts)).lower()


def test_a_workbook_with_numbers_and_a_chart(run, tmp_path: Path) -> None:
    run("intervals", *SPAN, "--interval", "1h", "-o", "day.xlsx")
    book = zipfile.ZipFile(tmp_path / "day.xlsx")
    assert {"xl/charts/chart1.xml", "xl/worksheets/sheet1.xml"} <= set(book.namelist())
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<autoFilter" in sheet
    assert sheet.count('t="s"') > 20
    assert re.search(r'<c r="D\d+" s="\d+"><v>[\d.]+</v>', sheet)


def test_a_page_that_needs_nothing_else(run, tmp_path: Path) -> None:
    run("queues", *SPAN, "-o", "day.html")
    page = (tmp_path / "day.html").read_text()
    assert page.count("<svg") == 6
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert "support" in page
    assert not re.search(r'url\("?https?:', page)


def test_pictures(run, tmp_path: Path) -> None:
    run("queues", *SPAN, "-o", "day.png")
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")
    first = run("queues", *SPAN, "-f", "svg").stdout_bytes
    assert first.startswith(b"<?xml")
    assert b"Calls and service level" in first


def test_an_empty_time_is_said_to_be_so(run) -> None:
    assert "nothing happened 2020-01-01" in run("queues", "--from", "2020-01-01", "--to", "2020-01-02").output
    run("queues", "--from", "2020-01-01", "--to", "2020-01-02", "-o", "empty.html")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2026-09-29", "--to", "2026-09-28"), "--from must be before --to"),
        (("--from", "2026-09-28", "--last", "1d"), "not both"),
        (("--last", "yesterday"), "not a length of time"),
        (("--from", "soon"), "not a time"),
        (("nobody",), "'nobody' is not one of"),
    ],
)
def test_wrong_usage(run, words: tuple[str, ...], said: str) -> None:
    assert said in run(*words, code=2).output


def test_no_database_and_no_such_zone(run, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["report", "--database", str(tmp_path / "none.db")])
    assert (done.exit_code, "there is no database" in done.output) == (1, True)
    assert "no such time zone" in run("--timezone", "Europe/Wilna", code=1).output
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"not a database at all" * 100)
    done = CliRunner().invoke(cli, ["report", "--database", str(bad)])
    assert (done.exit_code, "cannot be read" in done.output) == (1, True)


def test_a_file_of_a_format_that_there_is_not_is_refused(run):
    """It was a table of text in a file that no reader of PDF takes."""
    assert "no format .pdf; there are table, csv" in run("queues", *SPAN, "-o", "q.pdf", code=2).stderr
    assert not Path("q.pdf").exists()
    assert "rows, " in run("queues", *SPAN, "-o", "q.pdf", "--format", "csv").stderr
    assert "q.txt: 1 row, " in run("intervals", "--interval", "month", *SPAN, "-o", "q.txt").stderr
