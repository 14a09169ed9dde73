"""Speech for listening tests: said by espeak-ng, always the same; spoken and heard through codecs; scored by PESQ
(ITU-T P.862, P.862.1)."""

import io
import random
import subprocess
from functools import cache

import numpy as np
import pesq
import soundfile
import soxr

from softswitch_codecs import g711, g722, opus

SENTENCES = (
    ("en-us", "Each word is carried over, and nobody hears the switch."),
    ("lt", "Laba diena, kuo galėčiau jums padėti?"),
    ("ru", "Ваш звонок очень важен для нас."),
)
LEAD = 1.0
"""Seconds of silence in front, in which a jitter buffer learns what the network does."""
_PAUSE, _TAIL = 0.3, 0.5
_ACTIVE = 10 ** (-26 / 20) * 32768  # −26 dBov, as P.862 is used to
CLOCKS = {"PCMU": 8000, "PCMA": 8000, "G722": 8000, "opus": 48000}
_LAWS = {"PCMU": 0, "PCMA": 1}


@cache
def said(first):
    """All sentences from number `first` on, 16 kHz: about ten seconds with the silence around."""
    parts = [np.zeros(int(LEAD * 16000))]
    for language, sentence in SENTENCES[first:] + SENTENCES[:first]:
        command = ["espeak-ng", "-v", language, "-s", "150", "--stdout", sentence]
        made = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout
        sound, rate = soundfile.read(io.BytesIO(made))
        loud = np.flatnonzero(np.abs(sound) > 0.01)
        parts += [soxr.resample(sound[loud[0] : loud[-1]], rate, 16000), np.zeros(int(_PAUSE * 16000))]
    sound = np.concatenate([*parts, np.zeros(int(_TAIL * 16000))])
    active = sound[np.abs(sound) > 0.01 * np.abs(sound).max()]
    sound = sound[: len(sound) // 320 * 320] * (_ACTIVE / np.sqrt(np.mean(active**2)))
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


@cache
def reference(first):
    """The same at 8 kHz."""
    return narrow(said(first))


def narrow(sound):
    return np.clip(np.rint(soxr.resample(sound.astype(np.float64), 16000, 8000)), -32768, 32767).astype(np.int16)


def wide(sound):
    return np.clip(np.rint(soxr.resample(sound.astype(np.float64), 8000, 16000)), -32768, 32767).astype(np.int16)


def spoken(codec, sound):
    """Payloads of 20 ms of `sound` at the codec's rate (8 kHz for G.711, else 16 kHz)."""
    if codec in _LAWS:
        return [octets.tobytes() for octets in g711.encode(sound, _LAWS[codec]).reshape(-1, 160)]
    encoder = {"G722": g722, "opus": opus}[codec].Encoder()
    return [encoder.encode(frame) for frame in sound.reshape(-1, 320)]


def heard(codec, payloads):
    """8 kHz sound of payloads in order."""
    if codec in _LAWS:
        return g711.decode(np.frombuffer(b"".join(payloads), np.uint8), _LAWS[codec])
    decoder = {"G722": g722, "opus": opus}[codec].Decoder()
    return narrow(np.concatenate([decoder.decode(payload) for payload in payloads]))


def voice(codec, first):
    """What is said, at the rate that `spoken` wants."""
    return reference(first) if codec in _LAWS else said(first)


@cache
def chained(codecs, first):
    """8 kHz sound that `codecs` make of it one after another, without a switch."""
    sound, rate = said(first), 16000
    for codec in codecs:
        if (codec in _LAWS) != (rate == 8000):
            sound, rate = (narrow(sound), 8000) if rate == 16000 else (wide(sound), 16000)
        sound, rate = heard(codec, spoken(codec, sound)), 8000
    return sound


def lag(sound, other):
    """By how many samples `other` comes later (cross-correlation)."""
    size = 1 << (len(sound) + len(other)).bit_length()
    product = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(sound, size)), size)
    at = int(np.argmax(product))
    return at if at < size // 2 else at - size


def score(first, sound):
    """Narrow-band MOS-LQO of `sound` [8 kHz] against what was said, from its first word on."""
    original = reference(first)
    late = lag(original.astype(np.float64), sound.astype(np.float64))
    begin = int((LEAD - 0.3) * 8000)
    degraded = sound[max(begin + late, 0) : len(original) + late]
    return float(pesq.pesq(8000, original[begin:], degraded, "nb"))


@cache
def chained_score(codecs, first):
    """The score of the codecs alone."""
    return score(first, chained(codecs, first))


def without_concealment(share, seed, first):
    """G.711 with `share` of the packets silent: what a listener gets who does nothing against loss."""
    sound = chained(("PCMU",), first).copy().reshape(-1, 160)
    sound[random.Random(seed).sample(range(len(sound)), round(share * len(sound)))] = 0
    return score(first, sound.reshape(-1))
