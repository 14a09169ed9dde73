"""CPU of decoding and encoding 20 ms of sound, and of resampling: `python -m bench.codecs` (best of several runs).

Speech, one row for codecs with state, 100 rows at once for what is done in bulk. Opus is shown
at several complexities: with the default it costs what its encoder costs.
"""

import json
import time
from collections.abc import Callable

import numpy as np
import soundfile
import soxr

from bench.machine import facts
from softswitch.media.codecs import G722, OPUS
from softswitch.media.coded import Coded
from softswitch.media.jitter import JitterBuffer
from softswitch.media.resample import Resampler
from softswitch.services.shipped import data_path
from softswitch_codecs import g711, g722, l16, opus
from softswitch_codecs.stateful import Samples

_RUNS = 7
_ROWS = 100
_COUNT = 250  # frames of sound


def _voice() -> Samples:
    """Speech of the prompts at 16 kHz, [frames, 320]."""
    parts: list[np.ndarray] = []
    for file in sorted((data_path("prompts") / "en").glob("*.flac")):
        sound, rate = soundfile.read(file, dtype="float32")
        parts.append(soxr.resample(sound, rate, 16000))
    speech = np.concatenate(parts)[: _COUNT * 320]
    return np.clip(np.rint(speech * 32768), -32768, 32767).astype(np.int16).reshape(_COUNT, 320)


def _best(work: Callable[[int], object], count: int = _COUNT, of: int = 1) -> float:
    """µs of CPU a call, divided by `of`."""
    least = 1e9
    for _ in range(_RUNS):
        began = time.process_time()
        for i in range(count):
            work(i)
        least = min(least, (time.process_time() - began) / count)
    return round(least * 1e6 / of, 2)


def measure() -> dict[str, float]:
    """µs a frame by what was done."""
    voice = _voice()
    figures: dict[str, float] = {}
    narrow = np.ascontiguousarray(np.resize(voice[:, ::2], (_ROWS, 160)))
    law = g711.encode(narrow, g711.ALAW)
    figures[f"G.711 encode, {_ROWS} rows"] = _best(lambda i: g711.encode(narrow, g711.ALAW), of=_ROWS)
    figures[f"G.711 decode, {_ROWS} rows"] = _best(lambda i: g711.decode(law, g711.ALAW), of=_ROWS)
    figures["L16 encode"] = _best(lambda i: l16.encode(voice[i]))
    linear = l16.encode(voice)
    figures["L16 decode"] = _best(lambda i: l16.decode(linear[i]))

    coder, decoder = g722.Encoder(), g722.Decoder()
    figures["G.722 encode"] = _best(lambda i: coder.encode(voice[i]))
    octets = [coder.encode(frame) for frame in voice]
    figures["G.722 decode"] = _best(lambda i: decoder.decode(octets[i]))

    for complexity in (0, opus.COMPLEXITY, 5, 8, 10):
        encoder = opus.Encoder(complexity=complexity)
        figures[f"Opus encode, complexity {complexity}"] = _best(lambda i, to=encoder: to.encode(voice[i]))
    encoder = opus.Encoder()
    encoder.expect_loss(10)
    figures["Opus encode with error correction"] = _best(lambda i: encoder.encode(voice[i]))
    packets = [encoder.encode(frame) for frame in voice]
    ears = opus.Decoder()
    figures["Opus decode"] = _best(lambda i: ears.decode(packets[i]))
    figures["Opus conceal"] = _best(lambda i: ears.conceal(320))
    figures["Opus recover and decode"] = _best(lambda i: (ears.recover(packets[i], 320), ears.decode(packets[i])))

    for name, kind, payloads, clock in (("G.722", G722, octets, 160), ("Opus", OPUS, packets, 960)):
        figures[f"{name} through the jitter buffer, {_ROWS} rows"] = _buffered(kind, payloads, clock)

    made, rows = Resampler(_ROWS), np.arange(_ROWS)
    wide = np.ascontiguousarray(np.resize(voice, (_ROWS, 320)))
    figures[f"8 to 16 kHz, {_ROWS} rows"] = _best(lambda i: made.up(rows, narrow), of=_ROWS)
    figures[f"16 to 8 kHz, {_ROWS} rows"] = _best(lambda i: made.down(rows, wide), of=_ROWS)
    return figures


def _buffered(kind: int, payloads: list[bytes], step: int) -> float:
    """Place, decode, fill and pull, a packet a row and tick."""
    buffer = JitterBuffer(_ROWS, 160)
    coded = Coded(_ROWS, buffer, lambda row: None)
    rows = np.arange(_ROWS)
    for row in range(_ROWS):
        coded.assign(row, kind)
        buffer.tune(row, step * 50)
    spare = np.full(_ROWS, 0.012, np.float32)
    stamps = np.zeros(_ROWS, np.uint32)

    def tick(i: int) -> None:
        nonlocal stamps
        coded.put(rows, [payloads[i]] * _ROWS, stamps, spare)
        stamps = stamps + np.uint32(step)
        coded.advance(rows)
        buffer.pull(rows)

    return _best(tick, count=30, of=_ROWS)


def main() -> None:
    """Print the figures."""
    figures = measure()
    print(json.dumps(facts()))
    for what, cost in figures.items():
        print(f"{what:46} {cost:8.2f} µs")


if __name__ == "__main__":
    main()
