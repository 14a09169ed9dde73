"""Names spelled on a telephone's keys.

Latin letters stand on the keys as ITU-T E.161 §2 has them, Cyrillic ones as ETSI ES 202 130 does for Russian and
Ukrainian; letters with diacritics (ą č ė š ü é ї й) stand where their plain letter does. 0 and 1 have no letters.
"""

import unicodedata
from functools import lru_cache
from typing import Final

_KEYS: Final = {
    "2": "abcабвгґ",
    "3": "defдежзє",
    "4": "ghiиклі",
    "5": "jklмноп",
    "6": "mnoрсту",
    "7": "pqrsфхцч",
    "8": "tuvшщъы",
    "9": "wxyzьэюя",
}  # fmt: skip
_KEY_OF: Final = {letter: key for key, letters in _KEYS.items() for letter in letters}
_PLAIN: Final = {"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"}


@lru_cache(maxsize=8192)
def keys_of(word: str) -> str:
    """The keys that spell `word`; signs that are no letters are passed over."""
    lowered = "".join(_PLAIN.get(letter, letter) for letter in word.lower())
    plain = unicodedata.normalize("NFKD", lowered)
    return "".join(_KEY_OF.get(letter, "") for letter in plain)


def spells(typed: str, name: str) -> bool:
    """Whether the keys `typed` begin the name with any of its words (`Smith`, `Ann`, `SmithAnn`, `AnnSmith`). Keys
    without letters are passed over; nothing spells nobody."""
    keys = typed.translate(_NO_LETTERS)
    words = [spelled for word in name.replace("-", " ").split() if (spelled := keys_of(word))]
    ways = ("".join(words[index:] + words[:index]) for index in range(len(words)))
    return bool(keys) and any(way.startswith(keys) for way in ways)


_NO_LETTERS: Final = str.maketrans("", "", "01")
