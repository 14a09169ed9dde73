"""Marks for codecs that keep no sample as it was (G.722, Opus): babble with a loud burst once a second.

Delay is from the sending of the burst's frame to the arrival of the packet in which a G.711 listener hears it begin, to
the sample; who listens in another codec is counted only. Loss is told by the numbers of what media sends, and by bursts
that were never heard.
"""

from typing import Final

import numpy as np

from bench.media.datagrams import Floats, Ints, Octets
from bench.media.tally import Steps
from softswitch_codecs import g711, g722, opus

PERIOD: Final = 50
"""Frames from burst to burst."""
TYPES: Final = {"PCMU": 0, "PCMA": 8, "G722": 9, "opus": 111}
CLOCKS: Final = {"PCMU": 8000, "PCMA": 8000, "G722": 8000, "opus": 48000}
_LAWS: Final = {"PCMU": 0, "PCMA": 1}
_BABBLE: Final = 1600.0  # −26 dBov
_BURST: Final = 30_000.0
_LOUD: Final = 14_000
_HEAD: Final = 12


def cycle(codec: str) -> tuple[Octets, Ints]:
    """[50, octets] payloads of a second that may be said over and over, and their lengths. The burst is frame 0."""
    rate = 8000 if codec in _LAWS else 16000
    dice = np.random.default_rng(5)
    spectrum = np.fft.rfft(dice.normal(0, 1, rate))
    spectrum[3000:] = spectrum[:200] = 0  # Hz, as one second is long
    babble = np.fft.irfft(spectrum, rate)
    sound = babble * (_BABBLE / babble.std())
    at = np.arange(rate // 50) / rate
    sound[: rate // 50] = _BURST * np.sin(2 * np.pi * 1000 * at)
    whole = np.tile(np.clip(np.rint(sound), -32768, 32767).astype(np.int16), 2).reshape(2 * PERIOD, -1)
    if codec in _LAWS:
        payloads = [octets.tobytes() for octets in g711.encode(whole, _LAWS[codec])]
    else:
        encoder = {"G722": g722, "opus": opus}[codec].Encoder()
        payloads = [encoder.encode(frame) for frame in whole]
    payloads = payloads[PERIOD:]  # the second time round, in the codec's usual state
    lengths = np.array([len(payload) for payload in payloads], np.int64)
    table = np.zeros((PERIOD, int(lengths.max())), np.uint8)
    for row, payload in zip(table, payloads, strict=True):
        row[: len(payload)] = np.frombuffer(payload, np.uint8)
    return table, lengths


class Bursts:
    """As `Tally`: `speaker[phone]` is whom the phone hears, all of `codec`."""

    def __init__(self, speaker: Ints, judged: np.ndarray, codec: str, first: int) -> None:
        count = len(speaker)
        self._speaker = speaker
        self._judged = judged & (speaker >= 0)
        self._law = _LAWS.get(codec)
        self._first = first
        self._frame = -1
        self.over = False
        self._burst_at: Floats = np.zeros(count)  # when each speaker's last burst was sent; 0: it does not count
        self._awaited = np.zeros(count, bool)
        self._highest = np.full(count, -1)
        self._counted = np.zeros(count, np.int64)
        self._base = np.zeros(count, np.int64)
        self._steps = Steps(count)
        self._bursts = self._missed = self._received = self._disordered = 0

    def begin(self, frame: int) -> None:
        """`frame` is about to be sent."""
        self._frame = frame
        if frame % PERIOD == 0 and frame >= self._first and self._law is not None:
            self._missed += int(np.count_nonzero(self._awaited))
            self._awaited[:] = self._judged
            self._bursts += int(np.count_nonzero(self._judged))

    def say(self, frame: int, first: int, last: int, start: float, end: float) -> None:
        """The phones `first` … `last` − 1 sent `frame` from `start` to `end` (seconds)."""
        if frame % PERIOD == 0:
            self._burst_at[first:last] = np.linspace(start, end, last - first)

    def hear(self, phones: Ints, at: Floats, packets: Octets) -> None:
        """What came, in order of arrival: to whom, when, and the RTP packets [n, 172 or more]."""
        self._received += len(phones)
        self._steps.space(phones, at, self._frame >= self._first)
        if self._frame >= self._first and not self.over:
            self._number(phones, packets)
        if self._law is None:
            return
        waiting = self._awaited[phones]
        if not waiting.any():
            return
        phones, at = phones[waiting], at[waiting]
        samples = g711.decode(packets[waiting, _HEAD : _HEAD + 160], self._law)
        loud = np.abs(samples.astype(np.int32)) > _LOUD
        heard = loud.any(axis=1)
        phones, at = phones[heard], at[heard]
        late = at - self._burst_at[self._speaker[phones]] + loud[heard].argmax(axis=1) / 8000
        self._steps.delay(late)
        self._awaited[phones] = False

    def finish(self, last: int) -> None:
        """Nothing comes any more."""
        self._missed += int(np.count_nonzero(self._awaited)) if last % PERIOD > PERIOD // 2 else 0

    def results(self) -> dict[str, float]:
        """As `Tally`; `sent` are packets that media numbered, `unreadable` bursts that were not heard."""
        numbered = np.where(self._highest >= 0, self._highest - self._base + 1, 0)[self._judged]
        return {
            "sent": int(numbered.sum()),
            "received": self._received,
            "lost": float(np.maximum(numbered - self._counted[self._judged], 0).sum()),
            "duplicates": 0,
            "disordered": self._disordered,
            "strange": 0,
            "unreadable": self._missed,
            **self._steps.results(),
        }

    def _number(self, phones: Ints, packets: Octets) -> None:
        """Count by RTP sequence, extended to whole numbers."""
        for phone, sequence in zip(phones.tolist(), packets[:, 2:4].copy().view(">u2")[:, 0].tolist(), strict=True):
            highest = int(self._highest[phone])
            if highest < 0:
                self._highest[phone] = self._base[phone] = sequence
                self._counted[phone] = 1
                continue
            step = ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
            self._counted[phone] += step != 0
            if step > 0:
                self._highest[phone] = highest + step
            else:
                self._disordered += 1
