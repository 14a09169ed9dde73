"""Where a prompt's sound file is: the user's own first, then the shipped ones; the caller's language, then English.

    DATA_DIR/prompts/<language>/<name>.flac|wav|ogg|mp3      the user's own
    prompts/<language>/<name>.flac                           shipped
    …/prompts/music/<name>.*                                 music on hold, the same way; as a prompt: `music/<name>`

A name with a `/` or ending in `.wav` (or another sound file's ending) is a file: absolute, or relative to
DATA_DIR/prompts, DATA_DIR or the working directory. `name@ru` is that prompt in Russian, whatever the caller speaks.
"""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.services.shipped import data_path

ENDINGS: Final = (".flac", ".wav", ".ogg", ".mp3")  # all that libsndfile reads
FALLBACK: Final = "en"
MUSIC: Final = "music"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")  # RFC 5646 §2.1, as far as anyone needs here


def find_prompt(name: str, language: str, data_dir: Path) -> Path:
    """The absolute path of a prompt's sound file. Raises `LocalError` naming a prompt that is nowhere."""
    folder, _, piece = name.partition("/")
    if folder == MUSIC and _NAME.fullmatch(piece) and not _is_file(piece):
        return find_music(piece, data_dir)
    if _is_file(name):
        return _find_file(name, data_dir)
    bare, _, own = name.partition("@")
    language = own or language
    languages = tuple(dict.fromkeys((language, language.partition("-")[0], FALLBACK)))
    for folder in languages:
        if _LANGUAGE.fullmatch(folder) and (path := _find_in(folder, bare, data_dir)):
            return path
    raise LocalError(f'no prompt "{bare}" in {" or ".join(languages)}{_suggestion(bare, data_dir)}')


def find_music(name: str, data_dir: Path) -> Path:
    """The absolute path of a piece of music on hold. Raises `LocalError` naming what is missing."""
    if _is_file(name):
        return _find_file(name, data_dir)
    if path := _find_in(MUSIC, name, data_dir):
        return path
    raise LocalError(f'no music "{name}" in {data_dir / "prompts" / MUSIC}, and none of that name is shipped')


class PromptLibrary:
    """The same, remembering what it found: a call costs a dictionary look-up, not file system calls."""

    __slots__ = ("_data_dir", "_found")

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._found: dict[tuple[str, str], str] = {}

    def prompt(self, name: str, language: str) -> str:
        """As `find_prompt`, as text for the media process."""
        key = (name, language)
        path = self._found.get(key)
        if path is None:
            path = self._found[key] = str(find_prompt(name, language, self._data_dir))
        return path

    def music(self, name: str) -> str:
        """As `find_music`, as text for the media process."""
        key = (name, MUSIC)
        path = self._found.get(key)
        if path is None:
            path = self._found[key] = str(find_music(name, self._data_dir))
        return path

    def forget(self) -> None:
        """Look again: files were added or taken away."""
        self._found.clear()


def prompt_names(data_dir: Path) -> list[tuple[str, str, Path]]:
    """All prompts that there are, as (language, name, path) in order; the user's own hide shipped ones. Music is the
    language `music`."""
    found: dict[tuple[str, str], Path] = {}
    for root in reversed(_roots(data_dir)):
        for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() in ENDINGS:
                    found[folder.name, path.stem] = path
    return [(language, name, path) for (language, name), path in sorted(found.items())]


def _roots(data_dir: Path) -> tuple[Path, Path]:
    return data_dir / "prompts", data_path("prompts")


def _is_file(name: str) -> bool:
    return "/" in name or name.lower().endswith(ENDINGS)


def _find_file(name: str, data_dir: Path) -> Path:
    for root in (data_dir / "prompts", data_dir, Path()):
        path = (root / name).absolute()  # an absolute name wins over every root
        if path.is_file():
            return path
    raise LocalError(f'no sound file "{name}" (looked in {data_dir / "prompts"}, {data_dir} and the working directory)')


def _find_in(folder: str, name: str, data_dir: Path) -> Path | None:
    if not _NAME.fullmatch(name):
        return None
    for root in _roots(data_dir):
        for ending in ENDINGS:
            path = root / folder / f"{name}{ending}"
            if path.is_file():
                return path.absolute()
    return None


def _suggestion(name: str, data_dir: Path) -> str:
    known = sorted({known for folder, known, _ in prompt_names(data_dir) if folder != MUSIC})
    close = get_close_matches(name, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; add a sound file to {data_dir / 'prompts'}"
