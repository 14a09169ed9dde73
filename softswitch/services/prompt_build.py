"""Make the prompts' audio from the catalogue with espeak-ng, and say what is missing or out of date.

A manifest beside the audio keeps, for each prompt, a digest of what it was made from (text, pronunciation, voice,
version of the processing) and of the file itself: so only what changed is made again. espeak-ng is a program that is
run at build time; nothing of it is imported, linked or shipped.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from softswitch.kernel.errors import LocalError
from softswitch.services import music
from softswitch.services.prompt_audio import RATE, prepare_speech
from softswitch.services.prompts import MUSIC
from softswitch.services.shipped import data_path

_PROCESSING: Final = 1  # raise it when prompt_audio makes the same speech sound different
_PHRASE_PAUSE_MS: Final = 120
_NUMBER_PAUSE_MS: Final = 20  # numbers are said one after the other
_MANIFEST: Final = "manifest.json"
_WORD: Final = re.compile(r"\w+(?:'\w+)*")

Progress: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Voice:
    """How espeak-ng speaks: `speed` in words a minute, `pitch` 0–99, `gap` between words in 10 ms."""

    voice: str
    speed: int = 150
    pitch: int = 50
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Texts by name and language. `pronounce`: phonemes for words that the synthesiser gets wrong, by language."""

    voices: dict[str, Voice]
    phrases: dict[str, dict[str, str]]
    numbers: dict[str, dict[str, str]]
    pronounce: dict[str, dict[str, str]]

    def texts(self, language: str) -> Iterator[tuple[str, str, int]]:
        """(name, text, pause in ms) of everything that the language has."""
        for table, pause in ((self.phrases, _PHRASE_PAUSE_MS), (self.numbers, _NUMBER_PAUSE_MS)):
            for name, texts in table.items():
                if language in texts:
                    yield name, texts[language], pause

    def spoken(self, text: str, language: str) -> str:
        """The text for espeak-ng: words of the lexicon as `[[phonemes]]`."""
        lexicon = self.pronounce.get(language, {})

        def word(match: re.Match[str]) -> str:
            phonemes = lexicon.get(match[0].lower())
            return f"[[{phonemes}]]" if phonemes else match[0]

        return _WORD.sub(word, text)


@dataclass(frozen=True, slots=True)
class Report:
    """What `build` did: `language/name` of each prompt made, kept as it was, or removed because the catalogue no
    longer has it; `size` of all the audio in bytes."""

    built: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Problem:
    """`missing`: no file. `outdated`: text or voice changed since. `damaged`: the file is not what was built.
    `unknown`: a file that the catalogue does not have."""

    prompt: str
    what: Literal["missing", "outdated", "damaged", "unknown"]


@dataclass(frozen=True, slots=True)
class _Recipe:
    """One prompt to be made."""

    key: str
    digest: str
    make: Callable[[], npt.NDArray[np.int16]] = field(repr=False)


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read a catalogue, the shipped one unless given. Raises `LocalError` saying what is wrong with it."""
    path = path or data_path("prompts") / "catalogue.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        voices = {language: Voice(**voice) for language, voice in data.pop("voices").items()}
        phrases, numbers = data.pop("phrases", {}), data.pop("numbers", {})
        pronounce = data.pop("pronounce", {})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LocalError(f"prompt catalogue {path}: {error}") from error
    if data:
        raise LocalError(f"prompt catalogue {path}: unknown tables: {', '.join(data)}")
    for name, texts in (*phrases.items(), *numbers.items()):
        for language in texts:
            if language not in voices:
                raise LocalError(f'prompt catalogue {path}: "{name}" has a text in "{language}", which has no voice')
    return Catalogue(voices, phrases, numbers, pronounce)


def build(
    languages: Sequence[str],
    out_dir: Path,
    progress: Progress | None = None,
    *,
    catalogue: Catalogue | None = None,
    force: bool = False,
) -> Report:
    """Make the audio of `languages` (none: all of the catalogue, and the music on hold) in `out_dir`.

    `progress(done, total, prompt)` is called after each prompt. Raises `LocalError` when a language has no voice,
    espeak-ng is not installed or fails, or the folder cannot be written.
    """
    catalogue = catalogue or load_catalogue()
    recipes = list(_recipes(catalogue, languages))
    manifest = _read_manifest(out_dir)
    built: list[str] = []
    kept: list[str] = []
    try:
        for done, recipe in enumerate(recipes, 1):
            if not force and _state(recipe, manifest, out_dir) is None:
                kept.append(recipe.key)
            else:
                data = _flac(recipe.make())
                path = _path(out_dir, recipe.key)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                manifest[recipe.key] = {"source": recipe.digest, "audio": hashlib.sha256(data).hexdigest()}
                built.append(recipe.key)
            if progress:
                progress(done, len(recipes), recipe.key)
        removed = _remove_unknown(catalogue, manifest, out_dir)
        if built or removed:
            text = json.dumps(dict(sorted(manifest.items())), indent=1)
            (out_dir / _MANIFEST).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise LocalError(f"cannot write prompts: {error}") from error
    return Report(tuple(built), tuple(kept), removed, sum(path.stat().st_size for path in out_dir.glob("*/*.flac")))


def check(out_dir: Path, *, catalogue: Catalogue | None = None) -> list[Problem]:
    """What in `out_dir` is not as the catalogue wants it; empty when all is well. Needs no espeak-ng."""
    catalogue = catalogue or load_catalogue()
    manifest = _read_manifest(out_dir)
    problems = []
    known = set()
    for recipe in _recipes(catalogue, ()):
        known.add(recipe.key)
        if state := _state(recipe, manifest, out_dir):
            problems.append(Problem(recipe.key, state))
    for path in sorted(out_dir.glob("*/*.flac")):
        key = f"{path.parent.name}/{path.stem}"
        if key not in known:
            problems.append(Problem(key, "unknown"))
    return problems


def _recipes(catalogue: Catalogue, languages: Sequence[str]) -> Iterator[_Recipe]:
    for language in languages or catalogue.voices:
        if language not in catalogue.voices:
            raise LocalError(f'no voice for "{language}"; the catalogue has {", ".join(catalogue.voices)}')
        for name, text, pause in catalogue.texts(language):
            yield _speech_recipe(catalogue, language, name, text, pause)
    if not languages:
        digest = hashlib.sha256(f"music {music.VERSION}".encode()).hexdigest()
        yield _Recipe(f"{MUSIC}/hold", digest, music.hold_music)


def _speech_recipe(catalogue: Catalogue, language: str, name: str, text: str, pause: int) -> _Recipe:
    voice, spoken = catalogue.voices[language], catalogue.spoken(text, language)
    source = json.dumps([_PROCESSING, voice.voice, voice.speed, voice.pitch, voice.gap, pause, spoken])
    key = f"{language}/{name}"

    def make() -> npt.NDArray[np.int16]:
        samples, rate = _synthesise(voice, spoken)
        try:
            return prepare_speech(samples, rate, pause)
        except ValueError as error:
            raise LocalError(f'espeak-ng made no sound of "{text}" ({key}): {error}') from error

    return _Recipe(key, hashlib.sha256(source.encode()).hexdigest(), make)


def _state(
    recipe: _Recipe, manifest: dict[str, dict[str, str]], out_dir: Path
) -> Literal["missing", "outdated", "damaged"] | None:
    path = _path(out_dir, recipe.key)
    if not path.is_file():
        return "missing"
    entry = manifest.get(recipe.key)
    if entry is None or entry.get("source") != recipe.digest:
        return "outdated"
    return None if entry.get("audio") == hashlib.sha256(path.read_bytes()).hexdigest() else "damaged"


def _remove_unknown(catalogue: Catalogue, manifest: dict[str, dict[str, str]], out_dir: Path) -> tuple[str, ...]:
    """Take away what an earlier build made and the catalogue no longer has; files of other origin stay."""
    known = {recipe.key for recipe in _recipes(catalogue, ())}
    gone = tuple(key for key in manifest if key not in known)
    for key in gone:
        del manifest[key]
        _path(out_dir, key).unlink(missing_ok=True)
    return gone


def _path(out_dir: Path, key: str) -> Path:
    return out_dir / f"{key}.flac"


def _read_manifest(out_dir: Path) -> dict[str, dict[str, str]]:
    try:
        manifest = json.loads((out_dir / _MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LocalError(f"{out_dir / _MANIFEST}: {error}; remove it to build all prompts again") from error
    return manifest if isinstance(manifest, dict) else {}


def _synthesise(voice: Voice, text: str) -> tuple[npt.NDArray[np.float64], int]:
    """espeak-ng's raw speech: mono samples of ±1.0, and their rate."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise LocalError("espeak-ng is not installed; on Debian: apt install espeak-ng")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        options = ["-v", voice.voice, "-s", str(voice.speed), "-p", str(voice.pitch), "-g", str(voice.gap)]
        command = [program, *options, "-b", "1", "-w", str(wav), "--stdin"]
        try:
            done = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=60)
        except subprocess.TimeoutExpired as error:
            raise LocalError(f'espeak-ng hangs on "{text}"') from error
        complaint = done.stderr.decode(errors="replace").strip()
        if done.returncode or not wav.is_file():
            raise LocalError(f'espeak-ng failed on "{text}": {complaint or done.returncode}')
        samples, rate = soundfile.read(wav, dtype="float64")
        return samples, rate


def _flac(samples: npt.NDArray[np.int16]) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="FLAC", subtype="PCM_16", compression_level=1.0)
    return buffer.getvalue()
