"""Free ports grow ahead of the load: media needs time to bind them, and a call that finds none is refused."""

from random import Random

from softswitch.call.fabric import Fabric
from softswitch.wire.control import VERSION, Grow, Ready, Slot


def fabric(slots: int) -> Fabric:
    made = Fabric(0.0, Random(1))
    made.ready(0, Ready(VERSION, 1, "test", ("PCMA",), tuple(Slot(n, 20000 + 2 * n) for n in range(slots)), slots))
    made.flush()
    return made


def asked(made: Fabric) -> list[int]:
    return [command.slots for _, commands in made.flush() for command in commands if isinstance(command, Grow)]


def test_as_many_are_kept_free_as_are_in_use() -> None:
    made = fabric(1000)
    made.workers[0].legs = set(range(600))
    for _ in range(400):
        made.take(0)
    assert asked(made) == []
    made.take(0)
    assert asked(made) == [600]
    made.take(0)
    assert asked(made) == [], "one question at a time"


def test_a_range_that_is_used_up_is_not_asked_again_until_a_port_comes_back() -> None:
    made = fabric(100)
    made.take(0)
    assert asked(made) == [256]
    made.grown(0, ())
    made.take(0)
    assert asked(made) == []
    made.grown(0, (Slot(0, 20000),))
    made.take(0)
    assert asked(made) == [256]


def test_media_is_not_asked_for_thousands_at_once() -> None:
    made = fabric(100)
    made.workers[0].legs = set(range(5000))
    made.take(0)
    assert asked(made) == [1024]
