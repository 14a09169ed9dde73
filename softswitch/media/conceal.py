"""Concealment of lost sound in the manner of ITU-T G.711 Appendix I, for many rows at once.

The last 20 ms are compared with what lies 5–15 ms before them; the best match is the pitch period. The last period is
repeated for 10 ms, then the last two, then the last three, so that long gaps do not buzz. It fades from the first
sample on, to 0.3 at 20 ms and to nothing at 60 ms. The Appendix begins to fade at 10 ms only, which PESQ likes less;
to end at 30 ms suits packets of 20 ms but not longer ones (16 runs each; the Appendix, to 30 ms, ours: 3 % loss 3.55,
3.61, 3.61; 5 % and 40 ms jitter 3.32, 3.43, 3.41; 3 % of packets of 60 ms 3.27, 2.99, 3.22). Joints overlap by a
quarter of a period. The Appendix holds all sound back by 3.75 ms to smooth the first joint; here the step at that
joint is added to the start of the patch and dies away, which needs no delay.
"""

from typing import Final

import numpy as np

from softswitch.media.arena import Floats, Ints, Samples

BLOCKS: Final = 6
"""Blocks of 10 ms in a patch; after them there is silence."""

_SHORTEST = 0.5  # pitch periods in blocks: 5 ms, 200 Hz
_LONGEST = 1.5  # 15 ms, 66 Hz
_FADE_AT, _FADE_TO = (0.0, 2.0, BLOCKS), (1.0, 0.3, 0.0)  # blocks, gain
_QUIET = 1.0  # squared samples a template may hold and still be nothing


def history(block: int) -> int:
    """Samples that `patch` wants: three and a quarter of the longest periods."""
    return int(3.25 * _LONGEST * block)


def pitch(heard: Floats, block: int) -> Ints:
    """The period of each row of `heard` [n, history] in samples."""
    coarse = block // 40  # the search runs at 4 kHz first
    thin = heard[:, ::-1][:, ::coarse][:, ::-1]
    shortest, longest, width = int(_SHORTEST * block) // coarse, int(_LONGEST * block) // coarse, 2 * block // coarse
    lags = shortest + np.argmax(_likeness(thin, shortest, longest, width), axis=1)
    best = lags * coarse
    around = np.arange(1 - coarse, coarse)  # then at the full rate around what was found
    choices = np.clip(best[:, None] + around, int(_SHORTEST * block), int(_LONGEST * block))
    size, width = heard.shape[1], 2 * block
    template = heard[:, size - width :]
    at = (size - width - choices)[:, :, None] + np.arange(width)
    rows = np.arange(len(heard))
    scores = np.empty(choices.shape, np.float32)
    for i in range(choices.shape[1]):
        lagged = heard[rows[:, None], at[:, i]]
        scores[:, i] = np.einsum("nk,nk->n", lagged, template) / np.sqrt(np.einsum("nk,nk->n", lagged, lagged) + _QUIET)
    found: Ints = choices[rows, np.argmax(scores, axis=1)]
    return found


def _likeness(sound: Floats, shortest: int, longest: int, width: int) -> Floats:
    """Cross-correlation of the last `width` samples with those each lag before, over the root of the latter's energy:
    [n, lags]."""
    size = sound.shape[1]
    template = sound[:, size - width :]
    past = sound[:, size - width - longest : size - shortest]
    windows = np.lib.stride_tricks.sliding_window_view(past, width, axis=1)[:, ::-1]  # lags rise along axis 1
    product = np.einsum("nlk,nk->nl", windows, template)
    energy = np.zeros((len(sound), past.shape[1] + 1), np.float32)
    np.cumsum(past * past, axis=1, out=energy[:, 1:])
    power = (energy[:, width:] - energy[:, :-width])[:, ::-1]
    likeness: Floats = product / np.sqrt(np.maximum(power, 0) + _QUIET)
    return likeness


def patch(heard: Samples, block: int) -> Samples:
    """What to play when nothing comes after `heard` [n, history(block)]: [n, BLOCKS · block]."""
    sound = heard.astype(np.float32)
    period = pitch(sound, block)[:, None]
    quarter = period // 4
    overlap = int(_LONGEST * block) // 4
    ends = (block, 2 * block, BLOCKS * block)
    out = np.zeros((len(sound), BLOCKS * block), np.float32)
    start = 0
    for periods, end in zip((1, 2, 3), ends, strict=True):
        stop = min(end + overlap, BLOCKS * block)
        part = _repeat(sound, period, quarter, periods, np.arange(start, stop))
        rise = np.minimum(np.arange(stop - start) / quarter, 1.0).astype(np.float32) if start else np.float32(1.0)
        out[:, start:stop] = out[:, start:stop] * (1 - rise) + part * rise
        start = end
    step = sound[:, -1:] - np.take_along_axis(sound, sound.shape[1] - 1 - period, axis=1)
    out[:, : 2 * overlap] += step * np.maximum(1 - np.arange(1, 2 * overlap + 1) / quarter, 0).astype(np.float32)
    out *= _fade(block)
    return np.clip(out, -32768, 32767).astype(np.int16)


def _repeat(sound: Floats, period: Ints, quarter: Ints, periods: int, at: Ints) -> Floats:
    """Samples `at` of the last `periods` periods repeated; the end of the loop overlaps with what led up to its
    beginning."""
    length = period * periods
    place = at % length
    size = sound.shape[1]
    main = np.take_along_axis(sound, size - length + place, axis=1)
    rise = np.maximum(place - (length - quarter) + 1, 0) / (quarter + 1)
    before = np.take_along_axis(sound, np.where(rise > 0, size - 2 * length + place, 0), axis=1)
    looped: Floats = (main * (1 - rise) + before * rise).astype(np.float32)
    return looped


def _fade(block: int) -> Floats:
    return np.interp(np.arange(BLOCKS * block) / block, _FADE_AT, _FADE_TO).astype(np.float32)
