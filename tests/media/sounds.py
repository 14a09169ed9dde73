"""Sound for the detectors: tones, cadences and speech as a telephone line carries them."""

import os
import shutil
import subprocess
import wave
from functools import lru_cache
from io import BytesIO

import numpy as np
import pytest
import soxr

from softswitch.media.player import Player
from softswitch.media.tones import amplitude
from softswitch.wire.dtmf import FREQUENCIES
from softswitch_codecs import g711

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None and "CI" not in os.environ,
    reason="espeak-ng is not installed (Debian: espeak-ng)",
)


def sines(parts, ms):
    """(Hz, dBm0) waves for `ms`."""
    at = np.arange(int(ms * 8)) / 8000
    return sum((amplitude(level) * np.sin(2 * np.pi * hertz * at + 0.7 * n) for n, (hertz, level) in enumerate(parts)))


def key(digit, ms, level=-8.0, twist=0.0, off=(0.0, 0.0)):
    """The digit's two tones; `twist` dB more for the high one, `off` as shares of the frequencies."""
    low, high = FREQUENCIES[digit]
    return sines(((low * (1 + off[0]), level), (high * (1 + off[1]), level + twist)), ms)


def silence(ms):
    return np.zeros(int(ms * 8))


def noise(samples, level, seed=1):
    """White noise of `level` dBm0 added."""
    return samples + np.random.default_rng(seed).normal(0, amplitude(level) / np.sqrt(2), len(samples))


def played(items, loops=1):
    """What a player plays of these tones and silences."""
    player = Player(1, tuple(items), loops)
    player.start(0)
    frames = np.zeros((player.ends, 160), np.int16)
    for tick, frame in enumerate(frames):
        player.read(tick, frame)
    return frames.reshape(-1).astype(float)


@lru_cache(maxsize=256)
def speech(voice, text, speed=160, pitch=50, level=-20.0):
    """espeak-ng says `text`; the same samples each time."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(BytesIO(data)) as file:
        rate = file.getframerate()
    samples = np.frombuffer(data[44:], np.int16).astype(float)
    samples = soxr.resample(samples, rate, 8000)
    return samples / np.sqrt(np.mean(samples**2)) * amplitude(level) / np.sqrt(2)


def line(*sounds, law=0):
    """Sounds as rows [n, whole frames]: through G.711, with a second of silence behind the longest."""
    length = -(-max(len(sound) for sound in sounds) // 160) * 160 + 8000
    rows = np.zeros((len(sounds), length))
    for row, sound in zip(rows, sounds, strict=True):
        row[: len(sound)] = sound
    samples = np.clip(np.rint(rows), -32768, 32767).astype(np.int16)
    return g711.decode(g711.encode(samples, law), law)


def frames(rows):
    """(tick, [n, 160])."""
    for tick in range(rows.shape[1] // 160):
        yield tick, rows[:, tick * 160 : tick * 160 + 160]


SENTENCES = {
    "en-us": "The quick brown fox jumps over the lazy dog. Please leave your message after the tone. Our offices are "
    "open from nine to five. He wore a yellow coat and walked slowly along the river, whistling an old tune.",
    "de": "Der schnelle braune Fuchs springt über den faulen Hund. Bitte hinterlassen Sie eine Nachricht nach dem Ton.",
    "ru": "Съешь же ещё этих мягких французских булок, да выпей чаю. Пожалуйста, оставайтесь на линии.",
    "uk": "Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п'яне знаємо. Залишайтеся на лінії.",
    "lt": "Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą. Prašome palaukti.",
    "fr": "Portez ce vieux whisky au juge blond qui fume. Veuillez laisser un message après le signal sonore.",
    "es": "El veloz murciélago hindú comía feliz cardillo y kiwi. Por favor, deje su mensaje después de la señal.",
    "it": "Pranzo d'acqua fa volti sghembi. Si prega di lasciare un messaggio dopo il segnale acustico.",
}
