"""The demo's judgement can fail: each thing that goes wrong is named."""

import wave
from dataclasses import replace

import numpy as np
import pytest

from softswitch.demo import ears
from softswitch.demo.people import Outcome, Story
from softswitch.demo.verdict import judge
from softswitch.demo.watch import MUST_BE_ZERO, Snapshot

PITCHES = {"anna": ears.agent_pitch(0), "boris": ears.agent_pitch(1)}
COUNTERS = {"faults": 0, "bad_messages": 0, "rows_dropped": 0, "dropped_datagrams": 0, "messages_in": 12}


def talked():
    return Story(
        7, "+37060000007", "support", "en", 30.0, outcome=Outcome.TALKED, id="c7", agent="anna",
        waited=3.0, talked=4.0, music=-24.0, heard=True, was_heard=True,
    )  # fmt: skip


def record(**changes):
    return {
        "c7": {
            "outcome": "answered", "queue": "support", "agent": "anna", "caller": "+37060000007", "language": "en",
            "talk_seconds": 4.4, "recording": "c7.wav",
        } | changes
    }  # fmt: skip


def snapshot(calls=0, **live):
    status = {"calls": calls, "live": dict.fromkeys(MUST_BE_ZERO, 0) | live, "counters": COUNTERS}
    return Snapshot(status, [], [], [], [])


def write_recording(folder, left, right):
    silence = np.zeros(2 * 8000, np.int16)
    channels = [ears.voice(pitch) if pitch else silence for pitch in (left, right)]
    with wave.open(str(folder / "c7.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.stack(channels, axis=1).tobytes())


def failed(tmp_path, story=None, records=None, seen=None, sides=None):
    left, right = sides or (ears.caller_pitch(7), PITCHES["anna"])
    write_recording(tmp_path, left, right)
    checks = judge([story or talked()], records or record(), seen or snapshot(), tmp_path, PITCHES)
    return {check.name: check.detail for check in checks if not check.holds}


def test_all_is_well(tmp_path):
    assert failed(tmp_path) == {}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"outcome": Outcome.FAILED}, "calls"),
        ({"was_heard": False}, "heard both ways"),
        ({"was_heard": None}, "heard both ways"),
        ({"heard": False}, "heard both ways"),
        ({"music": -70.0}, "music while waiting"),
        ({"talked": 1.0}, "call records"),
    ],
)
def test_what_a_caller_lived_through(tmp_path, changes, name):
    assert name in failed(tmp_path, replace(talked(), **changes))


@pytest.mark.parametrize("changes", [{"agent": "boris"}, {"outcome": "abandoned"}, {"queue": "sales"}])
def test_a_record_that_says_something_else(tmp_path, changes):
    assert "call records" in failed(tmp_path, records=record(**changes))


def test_a_record_that_is_missing(tmp_path):
    found = failed(tmp_path, records={"other": record()["c7"]})
    assert "no record" in found["call records"]
    assert "recordings" in found


def test_a_recording_with_swapped_or_silent_channels(tmp_path):
    own, theirs = ears.caller_pitch(7), PITCHES["anna"]
    assert "left" in failed(tmp_path, sides=(theirs, own))["recordings"]
    assert "without the agent on the right" in failed(tmp_path, sides=(own, 0.0))["recordings"]


def test_leftovers_and_faults(tmp_path):
    assert failed(tmp_path, seen=snapshot(players=2)) == {"nothing left": "2 players"}
    seen = snapshot(calls=1)
    seen.status["counters"] = COUNTERS | {"faults": 3}
    assert failed(tmp_path, seen=seen) == {"nothing left": "1 calls", "no faults inside": "3 faults"}
