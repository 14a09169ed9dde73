"""Random values come from dice that are handed in: seeded in tests, from the system in the shell.

Never a generator of Python's own in a switch that runs: 624 of its words, which stand in the To tags that any stranger
may ask for, tell all that come after. The system's cost 0.4 µs a token more.
"""

from random import Random


def token(dice: Random, bits: int = 64) -> str:
    """A lower-case hexadecimal string with `bits` bits of the dice; safe as SIP token, file name and URL part."""
    return f"{dice.getrandbits(bits):0{(bits + 3) // 4}x}"
