"""Header fields as an ordered multimap (RFC 3261 §7.3), kept as raw text until somebody asks.

Fields of one name stand together, in the order of their first line: the order of different names means nothing
(§7.3.1). Names are folded to their canonical spelling, compact forms (§7.3.3) included.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.wire.sip.grammar import is_token, split_commas

# RFC 3261 §7.3.3 and the registry's later ones
_COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# fields whose value is a comma list (RFC 3261 §7.3.1 and the RFCs that define them)
_LISTS: Final = _names(
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Call-Info Contact "
    "Content-Encoding Content-Language Diversion Error-Info Feature-Caps Geolocation History-Info In-Reply-To "
    "P-Asserted-Identity P-Associated-URI P-Preferred-Identity Path Permission-Missing Proxy-Require Reason "
    "Record-Route Reject-Contact Remote-Party-ID Request-Disposition Require Resource-Priority Route "
    "Security-Client Security-Server Security-Verify Service-Route Supported Trigger-Consent Unsupported Via "
    "Warning"
)
_OTHERS: Final = _names(
    "Accept-Resource-Priority Authentication-Info Authorization Call-ID Content-Disposition Content-ID "
    "Content-Length Content-Transfer-Encoding Content-Type CSeq Date Event Expires Flow-Timer From Identity "
    "Identity-Info Info-Package Join Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization "
    "P-Access-Network-Info P-Called-Party-ID P-Charging-Vector P-Early-Media Priority Privacy Proxy-Authenticate "
    "Proxy-Authorization RAck Recv-Info Refer-Sub Refer-To Referred-By Replaces Reply-To Retry-After RSeq Server "
    "Session-Expires Session-ID SIP-ETag SIP-If-Match Subject Subscription-State Target-Dialog Timestamp To "
    "User-Agent User-to-User WWW-Authenticate"
)

# at most one line each; a second one makes the message malformed (RFC 4475 §3.3.8, §3.3.9)
SINGLE: Final = frozenset(("Call-ID", "Content-Length", "Content-Type", "CSeq", "From", "Max-Forwards", "To"))


def _spellings() -> dict[str, str]:
    table = {}
    for name in (*_LISTS, *_OTHERS):
        for spelling in (name, name.lower(), name.upper(), name.title()):
            table[spelling] = name
    for letter, name in _COMPACT.items():
        table[letter] = table[letter.upper()] = name
    return table


# usual spellings → canonical name; others are found by their lower case
CANONICAL: Final = _spellings()


def canonical(name: str) -> str:
    """The key of a field: the canonical name of a known one, lower case of an unknown one."""
    key = CANONICAL.get(name)
    if key is None:
        lower = name.lower()
        key = CANONICAL.get(lower, lower)
    return key


_NONE: Final[frozenset[str]] = frozenset()


@lru_cache(maxsize=512)
def _tokens(line: str) -> frozenset[str]:
    return frozenset(element.lower() for element in split_commas(line) if element)


class Headers:
    """Ordered, case-insensitive multimap of header fields.

    Values are text without line ends: one that has CR or LF, or a name that is no token, raises `LocalError`, so
    nothing that a peer sent can add a line. `get` and `all` split comma lists where the field is one.
    """

    __slots__ = ("_fields", "_spelled")

    _fields: dict[str, str | tuple[str, ...]]  # canonical name → its line, or its lines
    _spelled: dict[str, str]  # how an unknown name was written

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = {}
        self._spelled = {}
        self.extend(fields)

    def get(self, name: str) -> str | None:
        """The first value, None if there is none."""
        key = CANONICAL.get(name) or canonical(name)
        lines = self._fields.get(key)
        if lines is None:
            return None
        first = lines if lines.__class__ is str else lines[0]
        if "," in first and key in _LISTS:
            return split_commas(first)[0]
        return first

    def crowded(self, most: int) -> bool:
        """Whether Via, Route or Record-Route has more than `most` values, or commas that may part them."""
        for key in ("Via", "Route", "Record-Route"):
            lines = self._fields.get(key)
            if lines is not None and len(lines) > most:  # signs of one line, or so many lines
                if not isinstance(lines, str) or lines.count(",") >= most:
                    return True
            elif lines is not None and not isinstance(lines, str) and sum(line.count(",") for line in lines) >= most:
                return True
        return False

    def all(self, name: str) -> list[str]:
        """Every value in order; empty list elements are left out."""
        key = CANONICAL.get(name) or canonical(name)
        lines = self._fields.get(key)
        if lines is None:
            return []
        if isinstance(lines, str):
            lines = (lines,)
        if key not in _LISTS:
            return list(lines)
        if len(lines) == 1 and "," not in lines[0]:
            return [lines[0]] if lines[0] else []
        return [value for line in lines for value in split_commas(line) if value]

    def tokens(self, name: str) -> frozenset[str]:
        """The elements of a list of tokens (Allow, Supported, Require …) in lower case."""
        lines = self._fields.get(CANONICAL.get(name) or canonical(name))
        if lines is None:
            return _NONE
        if isinstance(lines, str):
            return _tokens(lines)
        return _NONE.union(*(_tokens(line) for line in lines))

    def add(self, name: str, value: str) -> None:
        """Append a line after those of the same name."""
        key = CANONICAL.get(name)
        if key is None or "\n" in value or "\r" in value:
            key = self._key(name, value)
        fields = self._fields
        if key in fields:
            fields[key] = (*self._lines(key), value)
        else:
            fields[key] = value

    def extend(self, fields: Iterable[tuple[str, str]]) -> None:
        """`add` for each of (name, value); a third of its cost for fields that we write ourselves."""
        own = self._fields
        for name, value in fields:
            if CANONICAL.get(name) == name and name not in own and "\n" not in value and "\r" not in value:
                own[name] = value
            else:
                self.add(name, value)

    def set(self, name: str, value: str) -> None:
        """Replace all lines of that name by one."""
        self._fields[self._key(name, value)] = value

    def prepend(self, name: str, value: str) -> None:
        """Put a line before those of the same name; a new name goes before all others."""
        key = self._key(name, value)
        if key in self._fields:
            self._fields[key] = (value, *self._lines(key))
        else:
            self._fields = {key: value, **self._fields}

    def remove(self, name: str) -> None:
        """Drop all lines of that name; none is fine."""
        key = canonical(name)
        self._fields.pop(key, None)
        self._spelled.pop(key, None)

    def pop(self, name: str) -> str | None:
        """Take the first value away and return it (the top Via, the next Route); None if there is none."""
        values = self.all(name)
        if not values:
            return None
        first, *rest = values
        if rest:
            self._fields[canonical(name)] = tuple(rest)
        else:
            self.remove(name)
        return first

    def copy(self) -> "Headers":
        """An independent copy."""
        twin = Headers.__new__(Headers)
        twin._fields = self._fields.copy()
        twin._spelled = self._spelled.copy() if self._spelled else {}
        return twin

    def lines(self) -> list[str]:
        """`Name: value` for every line: Via first, the rest in order, without Content-Length."""
        fields = self._fields
        spelled = self._spelled
        if not spelled and "Content-Length" not in fields and next(iter(fields), "") == "Via":
            # what we write ourselves, as a rule
            out = [f"{key}: {value}" if value.__class__ is str else "" for key, value in fields.items()]
            if "" not in out:
                return out
        out = []
        if "Via" in fields:
            out += [f"Via: {value}" for value in self._lines("Via")]
        for key, value in fields.items():
            if key == "Via" or key == "Content-Length":
                continue
            if spelled:
                key = spelled.get(key, key)
            if value.__class__ is str:
                out.append(f"{key}: {value}")
            else:
                out += [f"{key}: {line}" for line in value]
        return out

    def __contains__(self, name: object) -> bool:
        return (CANONICAL.get(name) or canonical(name)) in self._fields if isinstance(name, str) else False

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name, value) of every line."""
        for key in self._fields:
            for line in self._lines(key):
                yield self._spelled.get(key, key), line

    def __len__(self) -> int:
        """How many lines."""
        return sum(1 if isinstance(lines, str) else len(lines) for lines in self._fields.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"

    def _lines(self, key: str) -> tuple[str, ...]:
        lines = self._fields[key]
        return (lines,) if isinstance(lines, str) else lines

    def _key(self, name: str, value: str) -> str:
        if "\n" in value or "\r" in value:
            raise LocalError(f"line end in the value of header field {name!r}: {value[:80]!r}")
        key = CANONICAL.get(name)
        if key is None:
            key = canonical(name)
            if key not in CANONICAL:
                if not is_token(name):
                    raise LocalError(f"{name[:80]!r} is not the name of a header field")
                self._spelled.setdefault(key, name)
        return key
