"""docs/statistics.md names every figure and every definition that there is."""

import re
from pathlib import Path

import pytest

from softswitch.acd.figures import AGENT, CALLBACK, QUEUE, SURVEY, TRUNK
from softswitch.acd.tally import SERVICE_LEVELS

TEXT = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text()
CHAPTERS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize(
    ("chapter", "figures"),
    [
        ("Queues, skills, intervals", QUEUE),
        ("Agents", AGENT),
        ("Trunks", TRUNK),
        ("Surveys", SURVEY),
        ("Call-backs", CALLBACK),
    ],
)
def test_every_figure_has_its_row(chapter: str, figures: tuple) -> None:
    named = set(re.findall(r"`([a-z_]+)`", CHAPTERS[chapter]))
    assert {figure.name for figure in figures} <= named


def test_every_service_level_has_its_row() -> None:
    for name in SERVICE_LEVELS:
        assert f"| `{name}` |" in TEXT
