"""What the demo found out: did every call go as it should, and is nothing left?"""

import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from softswitch.demo import ears
from softswitch.demo.people import Outcome, Story
from softswitch.demo.watch import Snapshot

_HEARING: Final = 1.0  # s that a caller needs to notice a voice


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold. `detail` says what was found."""

    name: str
    holds: bool
    detail: str


def judge(
    stories: Sequence[Story],
    records: dict[str, dict[str, Any]],
    snapshot: Snapshot,
    recordings: Path,
    pitches: dict[str, float],
) -> list[Check]:
    """All checks. `records` are the switch's call records by id, `recordings` the folder of the sound files."""
    talked = [story for story in stories if story.outcome is Outcome.TALKED]
    gave_up = [story for story in stories if story.outcome is Outcome.GAVE_UP]
    failed = [story for story in stories if story.outcome is Outcome.FAILED]
    deaf = [story for story in talked if not (story.heard and story.was_heard)]
    waited = [story for story in stories if story.waited > 2.0 and story.outcome is not Outcome.FAILED]
    quiet = [story for story in waited if story.music < ears.MUSIC]
    return [
        Check("calls", not failed, f"{len(talked)} answered, {len(gave_up)} abandoned, {len(failed)} failed"),
        Check("heard both ways", not deaf, _of(len(talked) - len(deaf), len(talked), deaf)),
        Check("music while waiting", not quiet, _of(len(waited) - len(quiet), len(waited), quiet)),
        _records(talked, gave_up, records),
        _recordings(talked, records, recordings, pitches),
        _leftovers(snapshot),
        _faults(snapshot),
    ]


def lines(stories: Sequence[Story], checks: Sequence[Check], seconds: float) -> list[str]:
    """The summary as text."""
    waits = sorted(story.waited for story in stories if story.outcome is Outcome.TALKED)
    talks = [story.talked for story in stories if story.outcome is Outcome.TALKED]
    out = [f"{len(stories)} calls in {seconds:.0f} s"]
    if waits:
        out.append(
            f"waits: median {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s; "
            f"talk: {sum(talks) / len(talks):.1f} s on average"
        )
    out += [f"{'ok  ' if check.holds else 'FAIL'} {check.name}: {check.detail}" for check in checks]
    out += [f"     {story.caller}: {story.fault}" for story in stories if story.fault]
    return out


def _of(good: int, all_: int, bad: Sequence[Story]) -> str:
    names = ", not " + ", ".join(story.caller for story in bad[:5]) if bad else ""
    return f"{good} of {all_}{names}"


def _records(talked: Sequence[Story], gave_up: Sequence[Story], records: dict[str, dict[str, Any]]) -> Check:
    wrong = [f"{story.caller}: {fault}" for story in talked if (fault := _compare(story, "answered", records))]
    wrong += [f"{story.caller}: {fault}" for story in gave_up if (fault := _compare(story, "abandoned", records))]
    total = len(talked) + len(gave_up)
    return Check("call records", not wrong, f"{total - len(wrong)} of {total} agree{_some(wrong)}")


def _compare(story: Story, outcome: str, records: dict[str, dict[str, Any]]) -> str:
    """Where the switch's record and the caller's memory differ; empty when they agree."""
    record = records.get(story.id)
    if record is None:
        return "no record"
    said = (record["outcome"], record["queue"], record["agent"], record["caller"], record["language"])
    lived = (outcome, story.queue, story.agent, story.caller, story.language)
    if said != lived:
        return f"{said} instead of {lived}"
    if abs(record["talk_seconds"] - story.talked) > _HEARING:
        return f"{record['talk_seconds']:.1f} s of talk instead of {story.talked:.1f}"
    return ""


def _recordings(
    talked: Sequence[Story], records: dict[str, dict[str, Any]], folder: Path, pitches: dict[str, float]
) -> Check:
    wrong = []
    for story in talked:
        record = records.get(story.id)
        name = record["recording"] if record else ""
        fault = "none" if not name else _listen(folder / name, ears.caller_pitch(story.number), pitches[story.agent])
        if fault:
            wrong.append(f"{story.caller}: {fault}")
    good = len(talked) - len(wrong)
    return Check("recordings", not wrong, f"{good} of {len(talked)} with both voices" + _some(wrong))


def _listen(path: Path, left: float, right: float) -> str:
    """What is wrong with a recording: the caller belongs on the left channel, the agent on the right."""
    try:
        with wave.open(str(path)) as file:
            if file.getnchannels() != 2:
                return "not two channels"
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    except (OSError, wave.Error, EOFError) as error:
        return str(error) or "cannot be read"
    sound = sound[ears.RATE // 2 :]  # before, the two sides come in
    sides = (("the caller on the left", sound[:, 0], left), ("the agent on the right", sound[:, 1], right))
    missing = [what for what, channel, pitch in sides if not ears.hears(channel, pitch)]
    return f"without {' and '.join(missing)}" if missing else ""


def _leftovers(snapshot: Snapshot) -> Check:
    left = snapshot.leftovers()
    return Check(
        "nothing left", not left, ", ".join(f"{n} {name}" for name, n in left.items()) or "no call, leg, player"
    )


def _faults(snapshot: Snapshot) -> Check:
    counters = snapshot.status["counters"]
    bad = Counter({name: counters[name] for name in ("faults", "bad_messages", "rows_dropped", "dropped_datagrams")})
    text = ", ".join(f"{count} {name}" for name, count in (+bad).items())
    return Check("no faults inside", not text, text or f"{counters['messages_in']} SIP messages came in, all fine")


def _some(wrong: Sequence[str]) -> str:
    return "; " + "; ".join(wrong[:3]) if wrong else ""
