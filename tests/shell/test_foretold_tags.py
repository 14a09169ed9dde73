"""What the running switch tells strangers says nothing of what comes: its To tags are from the system's dice."""

from random import Random

from softswitch.kernel.dice import token
from tests.shell.test_control import Site, site  # noqa: F401

_WORDS = 624  # the state of Python's generator
_READ = _WORDS // 2  # tokens of 64 bits
_AFTER = 8


def untempered(word: int) -> int:
    """MT19937's output function, backwards."""
    word ^= word >> 18
    word ^= (word << 15) & 0xEFC60000
    seven = word
    for _ in range(4):
        seven = word ^ ((seven << 7) & 0x9D2C5680)
    first = seven ^ (seven >> 11)
    return seven ^ (first >> 11)


def foretold(tags: list[str]) -> list[str]:
    """What Python's generator says after these tokens."""
    words = [half for tag in tags[:_READ] for half in (int(tag, 16) & 0xFFFFFFFF, int(tag, 16) >> 32)]
    clone = Random()
    clone.setstate((3, (*map(untempered, words), _WORDS), None))
    return [token(clone) for _ in range(_AFTER)]


def test_nobody_foretells_the_tags_of_the_switch(site: Site) -> None:  # noqa: F811
    dice = Random(7)
    tags = [token(dice) for _ in range(_READ + _AFTER)]
    assert foretold(tags) == tags[_READ:], "the attack works"
    process = site.start()
    site.up()
    tags = [site.options().to.tag or "" for _ in range(_READ + _AFTER)]
    process.terminate()
    site.end()
    assert len(set(tags)) == len(tags)
    assert not set(foretold(tags)) & set(tags[_READ:])
