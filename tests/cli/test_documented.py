"""What README and docs/ tell people to type: commands that are there, settings that are known."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import click
import pytest

from softswitch.cli.main import cli
from softswitch.services.configuration import check
from softswitch.switch.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "config.example.toml"])
# After "softswitch" only in code: of prose the switch is the subject.
_TYPED = re.compile(r"(?:`|^\s*(?:\.venv/bin/)?|hook \")softswitch ([a-z][a-z-]*)(?: ([a-z][a-z-]+))?", re.MULTILINE)


def commands(page: Path) -> list[tuple[str, str]]:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".toml":
        text = re.sub(r"^#\s*", "", text, flags=re.MULTILINE)
    return _TYPED.findall(text)


def test_commands_are_found_in_the_pages() -> None:
    assert len([one for page in PAGES for one in commands(page)]) > 50


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("```", "`")
    code = " ".join(re.findall(r"`([^`]+)`", text))
    assert set(cli.list_commands(click.Context(cli))) <= set(re.findall(r"[a-z]+", code))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_commands_are_there(page: Path) -> None:
    context = click.Context(cli)
    for name, second in commands(page):
        command = cli.get_command(context, name)
        assert command is not None, f"softswitch {name}"
        if isinstance(command, click.Group) and second:
            assert command.get_command(context, second) is not None, f"softswitch {name} {second}"


def settings_of(kind: Any) -> set[str]:
    """The names of all settings below a section, by their own names."""
    if get_origin(kind) is not None:
        return {name for part in get_args(kind) for name in settings_of(part)}
    if not is_dataclass(kind):
        return set()
    types = get_type_hints(kind)
    return {name for field in fields(kind) for name in {field.name, *settings_of(types[field.name])}}


def test_every_setting_is_documented() -> None:
    """In the example, or as code in a page: within backticks or in a block."""
    code = [ROOT.joinpath("config.example.toml").read_text(encoding="utf-8")]
    for page in (page for page in PAGES if page.suffix == ".md"):
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        code += re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        code += re.findall(r"`([^`]+)`", prose)
    named = set(re.findall(r"[a-z][a-z0-9_]*", " ".join(code)))
    named.add("source")  # of routes; the file says `from`
    assert sorted(settings_of(Settings) - named) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".md"], ids=lambda page: page.name)
def test_documented_settings_are_known(page: Path, tmp_path: Path) -> None:
    """Names of other tables need not be there in a fragment, and files not on this machine."""
    file = tmp_path / "config.toml"
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        file.write_text(block, encoding="utf-8")
        wrong = [str(fault) for fault in check(file) if re.search(r"unknown key|not TOML|is none of", fault.message)]
        assert not wrong
