"""Making prompts: what is built, what is kept, how it sounds."""

import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from softswitch.call.menu import MenuScript
from softswitch.kernel.errors import LocalError
from softswitch.services import music
from softswitch.services.prompt_audio import active_level, prepare_speech
from softswitch.services.prompt_build import Catalogue, Problem, Voice, build, check, load_catalogue
from softswitch.services.shipped import data_path

SHIPPED = data_path("prompts")
LANGUAGES = {"en", "ru", "uk", "lt"}

SPEAKER = """#!{python}
import array, math, sys, wave
text = sys.stdin.read()
with wave.open(sys.argv[sys.argv.index("-w") + 1], "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(22050)
    if "fail" in text:
        sys.exit("no such voice")
    loud = 0 if "mute" in text else 3000
    wave_ = [0] * 5000 + [int(loud * math.sin(i / 5)) for i in range(400 * len(text))] + [0] * 9000
    out.writeframes(array.array("h", wave_).tobytes())
"""


@pytest.fixture
def speaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for espeak-ng that hums as long as the text is."""
    program = tmp_path / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text(SPEAKER.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent))


def catalogue(**texts: str) -> Catalogue:
    phrases = {name.replace("_", "-"): {"en": text} for name, text in texts.items()}
    return Catalogue({"en": Voice("en")}, phrases, {}, {"en": {"queue": "kj'u:"}})


@pytest.mark.usefixtures("speaker")
def test_only_what_changed_is_built_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[tuple[int, int, str]] = []
    first = build(["en"], out, lambda *step: seen.append(step), catalogue=catalogue(welcome="Hello", busy="Busy"))
    assert first.built == ("en/welcome", "en/busy")
    assert seen == [(1, 2, "en/welcome"), (2, 2, "en/busy")]
    assert first.size == sum(path.stat().st_size for path in out.glob("en/*"))

    again = build(["en"], out, catalogue=catalogue(welcome="Hello", busy="Busy"))
    assert (again.built, again.kept) == ((), ("en/welcome", "en/busy"))

    changed = build(["en"], out, catalogue=catalogue(welcome="Hello there", busy="Busy"))
    assert (changed.built, changed.kept) == (("en/welcome",), ("en/busy",))

    fewer = build(["en"], out, catalogue=catalogue(welcome="Hello there"))
    assert fewer.removed == ("en/busy",)
    assert not (out / "en" / "busy.flac").exists()

    assert build(["en"], out, catalogue=catalogue(welcome="Hello there"), force=True).built == ("en/welcome",)


@pytest.mark.usefixtures("speaker")
def test_check_says_what_is_missing_outdated_damaged_and_unknown(tmp_path: Path) -> None:
    texts = catalogue(a="One", b="Two", c="Three", d="Four")
    build([], tmp_path / "out", catalogue=texts)
    assert check(tmp_path / "out", catalogue=texts) == []
    folder = tmp_path / "out" / "en"
    (folder / "a.flac").unlink()
    (folder / "c.flac").write_bytes(b"fLaC")
    (folder / "e.flac").write_bytes(b"")
    assert check(tmp_path / "out", catalogue=catalogue(a="One", b="Other", c="Three", d="Four")) == [
        Problem("en/a", "missing"),
        Problem("en/b", "outdated"),
        Problem("en/c", "damaged"),
        Problem("en/e", "unknown"),
    ]


def test_words_of_the_lexicon_are_given_as_phonemes() -> None:
    assert catalogue().spoken("Queue: the queue, queues", "en") == "[[kj'u:]]: the [[kj'u:]], queues"


@pytest.mark.usefixtures("speaker")
def test_what_cannot_be_spoken_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no such voice"):
        build(["en"], tmp_path, catalogue=catalogue(a="fail"))
    with pytest.raises(LocalError, match=r"no sound.*en/a"):
        build(["en"], tmp_path, catalogue=catalogue(a="mute"))
    with pytest.raises(LocalError, match='no voice for "de"; the catalogue has en'):
        build(["de"], tmp_path, catalogue=catalogue(a="Hello"))


def test_a_missing_synthesiser_is_said_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match="apt install espeak-ng"):
        build(["en"], tmp_path, catalogue=catalogue(a="Hello"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[phrases", "catalogue.toml"),
        ("[phrases.a]\nen='x'", "voices"),
        ("[voices.en]\nvoice='en'\n[phrases.a]\nde='x'", '"a" has a text in "de"'),
        ("[voices.en]\nvoice='en'\ntempo=1", "tempo"),
        ("[voices.en]\nvoice='en'\n[phrase.a]\nen='x'", "unknown tables: phrase"),
    ],
)
def test_a_bad_catalogue_is_explained(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(text)
    with pytest.raises(LocalError, match=says):
        load_catalogue(path)


# -------------------------------------------------------------------------------------------------------- how it sounds


def test_speech_is_trimmed_even_and_without_clicks() -> None:
    rate, dice = 22050, np.random.default_rng(1)
    tone = np.sin(2 * np.pi * 700 * np.arange(rate) / rate) * (0.2 + 0.8 * dice.random(rate // 50).repeat(50))
    raw = np.concatenate((np.zeros(rate // 2), 0.03 * tone, np.zeros(rate)))
    speech = prepare_speech(raw, rate, 100) / 32768
    assert 1.10 < len(speech) / 8000 < 1.20  # a second of sound, 50 ms around it, 100 ms of pause
    assert active_level(speech) == pytest.approx(-19.0, abs=0.5)
    assert np.abs(speech).max() < 10 ** (-3 / 20)
    assert abs(speech[0]) < 1e-3
    assert not speech[-800:].any()


def test_hiss_and_hum_are_taken_away() -> None:
    time = np.arange(22050) / 22050
    raw = 0.1 * (np.sin(2 * np.pi * 50 * time) + np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 5000 * time))
    speech = prepare_speech(raw, 22050, 0) / 32768
    power = np.abs(np.fft.rfft(speech)) ** 2
    frequency = np.fft.rfftfreq(len(speech), 1 / 8000)
    assert power[(frequency > 950) & (frequency < 1050)].sum() / power.sum() > 0.99


def test_all_that_is_shipped_is_up_to_date() -> None:
    """Run `softswitch prompts build` after a change of texts, voices, or the music."""
    assert check(SHIPPED) == []


def test_every_phrase_is_there_in_every_language() -> None:
    shipped = load_catalogue()
    assert set(shipped.voices) == LANGUAGES
    assert {name: set(texts) for name, texts in shipped.phrases.items() if set(texts) != LANGUAGES} == {}


def test_the_menus_own_prompts_are_in_the_catalogue() -> None:
    menu = MenuScript(prompts=())
    phrases = load_catalogue().phrases
    for name in (menu.invalid_prompt, menu.language_prompt, "recording-notice", "recording-consent", "goodbye"):
        assert name in phrases


def test_shipped_speech_is_in_level_band_and_length() -> None:
    for path in sorted(SHIPPED.glob("[a-z][a-z]/*.flac")):
        samples, rate = soundfile.read(path)
        assert (rate, samples.ndim) == (8000, 1), path
        assert -20.0 < active_level(samples) < -18.5, path
        assert np.abs(samples).max() < 10 ** (-3 / 20), path
        assert 0.2 < len(samples) / rate < 10.0, path
        power = np.abs(np.fft.rfft(samples)) ** 2
        frequency = np.fft.rfftfreq(len(samples), 1 / rate)
        assert power[(frequency < 120) | (frequency > 3700)].sum() < 1e-3 * power.sum(), path


def test_all_that_is_shipped_stays_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*.flac")) < 13_000_000  # 650 files in four languages


def test_the_music_is_calm_even_and_without_a_seam() -> None:
    sound, rate = soundfile.read(SHIPPED / "music" / "hold.flac")
    assert rate == 8000
    assert 60 <= len(sound) / rate <= 90

    def level(part: np.ndarray) -> float:
        return float(20 * np.log10(np.sqrt(np.mean(part**2))))

    assert level(sound) == pytest.approx(-24.0, abs=0.5)
    assert np.abs(sound).max() < 10 ** (-6 / 20)
    assert abs(sound.mean()) < 1e-4
    rounds = np.concatenate((sound, sound))  # windows run over the seam too
    levels = [level(rounds[at : at + 3 * rate]) for at in range(0, len(sound), rate)]
    assert max(levels) - min(levels) < 3.0
    step = np.abs(np.diff(rounds))
    assert step[len(sound) - 1] < np.percentile(step, 99.5)
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / rate)
    assert power[(frequency > 240) & (frequency < 3500)].sum() > 0.999 * power.sum()
    assert power[frequency > 2000].sum() < 0.02 * power.sum()  # nothing shrill


def test_the_shipped_music_is_what_is_composed() -> None:
    samples, _ = soundfile.read(SHIPPED / "music" / "hold.flac", dtype="int16")
    composed = music.hold_music()
    assert np.abs(samples.astype(int) - composed.astype(int)).max() <= 8  # a rounding step between machines
    assert not np.array_equal(music.compose(1), music.compose(2))


@pytest.mark.skipif(
    shutil.which("espeak-ng") is None and "CI" not in os.environ,
    reason="espeak-ng is not installed (Debian: espeak-ng)",
)
def test_espeak_ng_speaks_every_language(tmp_path: Path) -> None:
    shipped = load_catalogue()
    small = Catalogue(shipped.voices, {"welcome": shipped.phrases["welcome"]}, {}, shipped.pronounce)
    report = build(sorted(LANGUAGES), tmp_path, catalogue=small)
    assert len(report.built) == 4
    for language in LANGUAGES:
        samples, rate = soundfile.read(tmp_path / language / "welcome.flac")
        assert len(samples) / rate > 1.0
