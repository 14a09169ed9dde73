"""How often somebody may guess: wrong PINs fill a bucket that empties slowly, and a full one shuts the guesser out,
each time for twice as long, up to a day.

What makes guessing hopeless is the rate in the long run: a PIN of four digits has 10,000 values, and sixty guesses a
day need a month to find it in one case of five.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from softswitch.kernel.clock import Duration, Instant

FIRST_LOCK: Final = 900.0  # seconds
LONGEST_LOCK: Final = 86_400.0
_FORGIVEN: Final = 7 * 86_400.0  # without being shut out: the next time is the first again
_MOST: Final = 10_000  # guessers that are kept in mind

Key: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` wrong ones shut out; one is forgotten every `seconds`."""

    most: int
    seconds: Duration


@dataclass(slots=True)
class _Bucket:
    level: float = 0.0
    at: Instant = 0.0  # when the level was that
    until: Instant = 0.0  # shut out
    times: int = 0


class Guesses:
    """Buckets by guesser. Who is shut out is not heard and so guesses nothing: that fills no bucket."""

    def __init__(self) -> None:
        self._buckets: dict[Key, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def locked(self, key: Key, now: Instant) -> bool:
        """Whether the guesser is shut out."""
        bucket = self._buckets.get(key)
        return bucket is not None and now < bucket.until

    def wrong(self, key: Key, limit: Limit, now: Instant) -> bool:
        """One more wrong one; whether it shuts the guesser out."""
        bucket = self._buckets.pop(key, None) or _Bucket(at=now)
        self._buckets[key] = bucket  # the newest stand last
        while len(self._buckets) > _MOST:
            del self._buckets[next(iter(self._buckets))]
        if now - bucket.until > _FORGIVEN:
            bucket.times = 0
        bucket.level = max(0.0, bucket.level - (now - bucket.at) / limit.seconds) + 1.0
        bucket.at = now
        if bucket.level <= limit.most - 1.0:
            return False
        bucket.until = now + min(LONGEST_LOCK, FIRST_LOCK * 2.0**bucket.times)
        bucket.times = min(bucket.times + 1, 20)
        bucket.level = 0.0
        return True
