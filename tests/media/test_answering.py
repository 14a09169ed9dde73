"""Answering-machine detection on speech of several languages."""

import numpy as np
import pytest
from sounds import frames, line, needs_espeak, noise, silence, sines, speech

from softswitch.media.ears import Ears
from softswitch.wire.control import LISTEN_ANSWER


def noticed(sound):
    ears = Ears(1)
    ears.listen(0, LISTEN_ANSWER, 0.0, 0)
    found = []
    for tick, some in frames(line(sound)):
        ears.hear(np.array([0]), some, tick)
        found += ears.take(tick)
    return found


def whats(sound):
    return [one.what for one in noticed(sound)]


@needs_espeak
@pytest.mark.parametrize("level", [-90.0, -45.0])
@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("en-us", "Hello?"),
        ("en-us", "Alice speaking."),
        ("ru", "Алло, слушаю вас"),
        ("uk", "Слухаю"),
        ("lt", "Laba diena, klausau"),
        ("de", "Müller, guten Tag"),
    ],
)
def test_a_person_says_a_word_and_waits(voice, text, level):
    """Also with noise in the room."""
    sound = np.concatenate([silence(600), speech(voice, text), silence(2000)])
    (one,) = noticed(noise(sound, level))
    assert one.what == "human"
    assert 1400 <= one.ms <= 3600


@needs_espeak
@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("en-us", "Hello, you have reached the voice mail of John Smith. Please leave a message after the tone."),
        ("ru", "Здравствуйте, сейчас мы не можем ответить на ваш звонок. Оставьте сообщение после сигнала."),
        ("lt", "Sveiki, šiuo metu negalime atsiliepti. Palikite žinutę po signalo."),
    ],
)
def test_a_machine_talks_on_and_beeps(voice, text):
    """The end of the beep is told within 200 ms."""
    greeting = np.concatenate([silence(600), speech(voice, text), silence(400)])
    machine, beep = noticed(np.concatenate([greeting, sines(((1000.0, -15.0),), 400)]))
    assert (machine.what, beep.what) == ("machine", "beep")
    assert machine.ms < 4000
    assert 0 <= beep.ms - len(greeting) / 8 - 400 <= 200


@pytest.mark.parametrize(("hertz", "ms"), [(440.0, 200), (1000.0, 300), (1400.0, 500), (2000.0, 900)])
def test_beeps_of_many_kinds(hertz, ms):
    """A beep before any word is a machine's, too."""
    assert whats(np.concatenate([silence(500), sines(((hertz, -15.0),), ms)])) == ["machine", "beep"]


def test_silence_leaves_it_open():
    assert whats(silence(6000)) == ["unsure"]
    assert whats(noise(silence(6000), -50.0)) == ["unsure"]


def test_clicks_are_no_words():
    clicks = silence(6000)
    clicks[::8000] = 20_000.0
    assert whats(clicks) == ["unsure"]


@needs_espeak
def test_nothing_more_is_told_of_a_person():
    sound = [silence(300), speech("en-us", "Hello?"), silence(1500), sines(((1000.0, -15.0),), 400)]
    assert whats(np.concatenate(sound)) == ["human"]
