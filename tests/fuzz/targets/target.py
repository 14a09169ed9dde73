"""One target of the fuzzer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from softswitch.kernel.errors import PeerError


@dataclass(frozen=True)
class Target:
    """`run` takes any bytes and returns; what it raises is a finding. `seeds` are good inputs to begin with, `words`
    pieces that the input's language has. `longest`: bytes of an input."""

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = field(default=())
    longest: int = 4096


def refused(error: PeerError) -> None:
    """A `PeerError` must name a status that can be sent, or 0 for silence."""
    assert 300 <= error.status < 700 or error.status == 0, f"{error.status} is no answer"
