"""`softswitch prompts`: list, build, check."""

from pathlib import Path

import click

from softswitch.cli.output import emit_json, emit_table, is_terminal
from softswitch.cli.tables import Cell
from softswitch.cli.target import config_option, find_config, json_option, load_settings
from softswitch.cli.words import size
from softswitch.kernel.errors import LocalError


@click.group(short_help="List, build and check prompts.")
def prompts() -> None:
    """What callers hear: shipped prompts, and one's own in DATA_DIR/prompts."""


@prompts.command("list")
@config_option
@click.option("--language", "-l", help="Only this language; `music` is music on hold.")
@json_option
def list_(config: Path | None, language: str | None, as_json: bool) -> None:
    """Every prompt with its language, its text and its sound file."""
    from softswitch.services.prompt_build import load_catalogue
    from softswitch.services.prompts import prompt_names

    catalogue = load_catalogue()
    texts = catalogue.phrases | catalogue.numbers
    rows = [
        {
            "language": folder,
            "name": name,
            "text": texts.get(name, {}).get(folder, ""),
            "file": str(path),
            "bytes": path.stat().st_size,
        }
        for folder, name, path in prompt_names(_data_dir(config))
        if language in (None, folder)
    ]
    if as_json:
        emit_json(rows)
        return
    if not rows and language:
        raise LocalError(f"no prompts in {language}")
    cells: list[list[Cell]] = [
        [str(row["language"]), str(row["name"]), str(row["text"]), size(int(str(row["bytes"])))] for row in rows
    ]
    emit_table(("language", "name", "text", ">size"), cells, nothing="no prompts")


@prompts.command("build", short_help="Make the audio that has changed, with espeak-ng.")
@click.option("--language", "-l", "languages", multiple=True, help="Only these languages; several times.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to.  [the shipped folder]")
@click.option("--force", is_flag=True, help="Also what is up to date.")
@click.option("--json", "as_json", is_flag=True, help="Plain JSON, for programs.")
def build(languages: tuple[str, ...], out: Path | None, force: bool, as_json: bool) -> None:
    """Make the audio from the catalogue with espeak-ng; only what has changed."""
    from dataclasses import asdict

    from softswitch.services.prompt_build import build as build_prompts
    from softswitch.services.shipped import data_path

    show = is_terminal() and not as_json

    def progress(done: int, total: int, prompt: str) -> None:
        if show:
            click.echo(f"\r\033[K{done}/{total} {prompt}", nl=False)

    report = build_prompts(languages, out or data_path("prompts"), progress, force=force)
    if show:
        click.echo("\r\033[K", nl=False)
    if as_json:
        emit_json(asdict(report))
        return
    for name in report.built:
        click.echo(f"made {name}")
    for name in report.removed:
        click.echo(f"removed {name}")
    click.echo(f"{len(report.built)} made, {len(report.kept)} kept, {len(report.removed)} removed; {size(report.size)}")


@prompts.command("check")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Which folder.  [the shipped one]")
@json_option
@click.pass_context
def check(context: click.Context, out: Path | None, as_json: bool) -> None:
    """Say which prompts are missing, out of date, damaged or unknown. Exit code 1 when one is."""
    from dataclasses import asdict

    from softswitch.services.prompt_build import check as check_prompts
    from softswitch.services.shipped import data_path

    folder = out or data_path("prompts")
    problems = check_prompts(folder)
    if as_json:
        emit_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            click.echo(f"{problem.prompt}: {problem.what}")
        click.echo(f"{folder}: {len(problems)} prompts to be made again" if problems else f"{folder}: all prompts good")
    context.exit(1 if problems else 0)


def _data_dir(config: Path | None) -> Path:
    path = find_config(config)
    if path is None:
        return Path("var")
    return Path(load_settings(path).server.data_dir)
