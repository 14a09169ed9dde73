"""Variables in targets and needs: `queue:{product|support}` is the queue that the variable `product` names, or
`support` when it names none. The default is what the configuration is checked with, so there is always a way on."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from softswitch.kernel.errors import LocalError

_FIELD: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9_\-]*)(?:\|([^{}|]*))?\}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+\-]*")  # what callers type or others tell must be a mere name


@lru_cache(maxsize=4096)
def by_default(text: str) -> str:
    """`text` with the defaults of its variables. Raises `LocalError` for a variable without one, or stray braces."""
    if "{" not in text and "}" not in text:
        return text
    bare = _FIELD.search(text)
    while bare is not None:
        if not bare[2]:
            raise LocalError(f'"{text}": {{{bare[1]}}} needs a default, as in {{{bare[1]}|support}}')
        bare = _FIELD.search(text, bare.end())
    plain = _FIELD.sub(lambda found: found[2] or "", text)
    if "{" in plain or "}" in plain:
        raise LocalError(f'"{text}": a variable is written {{name|default}}')
    return plain


def filled(text: str, variables: Mapping[str, str]) -> str:
    """`text` with what the variables hold; the default for one that is not set or is not a mere name."""

    def value(found: re.Match[str]) -> str:
        said = variables.get(found[1], "")
        return said if _PLAIN.fullmatch(said) else found[2] or ""

    return _FIELD.sub(value, text) if "{" in text else text
