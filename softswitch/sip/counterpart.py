"""What the far party of a bridge can do: an offer to the near one is made to fit, so that as little as possible is
transcoded and what we cannot decode passes from end to end."""

import re
from functools import lru_cache

import msgspec

from softswitch.sip.codec_table import Format, our_formats

_MOST_FOREIGN = 12  # more would only fill datagrams
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,40}")  # RFC 8866 §9, token
_PRINTABLE = re.compile(r"[\x20-\x7e]{0,240}")


class Counterpart(msgspec.Struct, frozen=True):
    """`formats` of the far party, the best first; one of them once it is settled. `mixed`: it has one that we decode,
    so it can be bridged with everybody. `through`: formats that we cannot decode may be agreed on from end to end."""

    formats: tuple[Format, ...] = ()
    mixed: bool = True
    through: bool = False

    @property
    def silent(self) -> bool:
        """It has no sound at all, images alone."""
        return not self.formats and not self.mixed


SWITCH = Counterpart()
"""Nobody: the switch itself speaks and listens, or it is not known yet who will."""
SILENT = Counterpart(mixed=False)
"""A fax machine that wants images and no sound."""


@lru_cache(maxsize=1024)
def counterpart_of(
    known: tuple[Format, ...], names: tuple[str, ...], *, passthrough: bool, through: bool
) -> Counterpart:
    """The far party of a bridge with whoever offered `known` and may use the codecs `names`, and with `passthrough`
    those that we cannot decode. They are for where nothing else is in common, unless `through`."""
    ours = our_formats(names)
    mixed = tuple(format for format in known if format.mixed and any(format.same(row) for row in ours))
    if mixed and not through:
        return Counterpart(mixed)
    formats = tuple(
        format
        for format in known
        if format in mixed or (not format.mixed and (passthrough or any(format.same(row) for row in ours)))
    )
    return Counterpart(formats, bool(mixed), through=True)


@lru_cache(maxsize=1024)
def offered_formats(names: tuple[str, ...], far: Counterpart, through: bool = True) -> tuple[Format, ...]:
    """What to offer to a party whose policy allows the codecs `names`, best first:

    1. of `names` what the far party has too, in its order, with its parameters: nothing is transcoded;
    2. the rest of `names` that we decode, if the far party can be mixed;
    3. what the far party has, we cannot decode and `names` does not list, with its numbers and parameters, if both
       `far` and the near party's `through` allow it.

    What we decode and `names` leaves out is never offered. Empty when the two cannot be bridged."""
    ours = our_formats(names)
    chosen: list[Format] = []
    foreign: list[Format] = []
    for format in far.formats:
        row = next((row for row in ours if row.same(format)), None)
        if format.mixed:
            if row is not None and not any(row.same(other) for other in chosen):
                theirs = format.fmtp if _PRINTABLE.fullmatch(format.fmtp) else ""
                chosen.append(msgspec.structs.replace(row, fmtp=theirs or row.fmtp))
        elif far.through and row is not None:
            chosen.append(format)
        elif far.through and through and _passable(format):
            foreign.append(format)
    if far.mixed:
        chosen += [row for row in ours if row.mixed and not any(row.same(format) for format in chosen)]
    return (*chosen, *foreign[:_MOST_FOREIGN])


def _passable(format: Format) -> bool:
    return _TOKEN.fullmatch(format.encoding) is not None and _PRINTABLE.fullmatch(format.fmtp) is not None
