"""Who a call was meant for before it came here: Diversion (RFC 5806) and History-Info (RFC 7044), read into one form.

RFC 7544 maps one to the other. The order is time's: the first is whom the caller dialled.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from softswitch.kernel.errors import PeerError
from softswitch.sip.privacy import NOBODY
from softswitch.wire.sip import Headers, NameAddr, Uri
from softswitch.wire.sip.grammar import unescape
from softswitch.wire.sip.uri import escaped_user

MOST: Final = 20  # diversions read from one message; what is further back says nothing more

# RFC 7544 §3.2: reasons of Diversion and the `cause` of RFC 4458 that stands in History-Info
_CAUSES: Final = {
    "unconditional": "302",
    "user-busy": "486",
    "no-answer": "408",
    "deflection": "480",
    "unavailable": "503",
}
_REASONS: Final = {cause: reason for reason, cause in _CAUSES.items()} | {"487": "deflection"}
REASONS: Final = (
    *("unknown", "user-busy", "no-answer", "unavailable", "unconditional", "time-of-day", "do-not-disturb"),
    *("deflection", "follow-me", "out-of-service", "away"),
)  # RFC 5806 §5


class Diversion(NamedTuple):
    """`who` (a number, or the user of a URI) passed the call on, for `reason` of RFC 5806 §5. `private`: nobody may be
    told who. `times`: how often in a row."""

    who: str
    reason: str
    private: bool = False
    times: int = 1


def read(headers: Headers) -> tuple[Diversion, ...]:
    """What a message tells, by Diversion if it has one, else by History-Info. Values that cannot be read are left
    out: nothing hangs on them but words."""
    if "Diversion" in headers:
        found = [one for text in headers.all("Diversion")[:MOST] if (one := _diversion(text)) is not None]
        return tuple(reversed(found))  # RFC 5806 §4.1: the newest stands first
    if "History-Info" in headers:
        return _history(headers.all("History-Info")[: MOST + 1])
    return ()


def written(diversions: Sequence[Diversion], domain: str, tell: bool) -> list[tuple[str, str]]:
    """Diversion header fields. `tell`: the far side is trusted with what is private."""
    return [("Diversion", _written(one, domain, tell)) for one in reversed(diversions)]


def history(diversions: Sequence[Diversion], target: str, domain: str, tell: bool) -> list[tuple[str, str]]:
    """One History-Info header field: each who was called, then `target`; indices of RFC 7044 §5.1 in a line."""
    index, entries, cause = "1", [], ""
    for one in diversions:
        hidden = one.private and not tell
        uri = NOBODY if hidden else _uri(one.who, domain)
        shown = Uri(uri.scheme, uri.user, None, uri.host, None, {"cause": cause} if cause else {})
        headers = "?Privacy=history" if one.private else ""
        entries.append(f"<{shown}{headers}>;index={index}{_parent(index)}")
        index, cause = f"{index}.1", _CAUSES.get(one.reason, "404")
    uri = _uri(target, domain)
    last = Uri(uri.scheme, uri.user, None, uri.host, None, {"cause": cause} if cause else {})
    return [("History-Info", ", ".join([*entries, f"<{last}>;index={index}{_parent(index)}"]))]


def total(diversions: Sequence[Diversion]) -> int:
    """How often the call was diverted (RFC 5806 §4: the counters of all)."""
    return sum(one.times for one in diversions)


def _parent(index: str) -> str:
    before, dot, _ = index.rpartition(".")
    return f";mp={before}" if dot else ""


def _uri(who: str, domain: str) -> Uri:
    return Uri("sip", escaped_user(who), None, domain)


def _written(one: Diversion, domain: str, tell: bool) -> str:
    uri = NOBODY if one.private and not tell else _uri(one.who, domain)
    params = {"reason": one.reason, "counter": str(one.times), "privacy": "full" if one.private else "off"}
    return str(NameAddr("", uri, params))


def _diversion(text: str) -> Diversion | None:
    try:
        address = NameAddr.parse(text)
    except PeerError:
        return None
    reason = (address.params.get("reason") or "unknown").strip('"').lower()
    privacy = (address.params.get("privacy") or "off").strip('"').lower()
    counter = address.params.get("counter") or "1"
    count = int(counter) if counter.isascii() and counter.isdigit() and len(counter) < 4 else 1
    who = address.uri.number
    return Diversion(who, reason if reason in REASONS else "unknown", privacy in ("full", "uri"), max(1, count))


def _history(texts: Sequence[str]) -> tuple[Diversion, ...]:
    """RFC 7044 §10.3 and RFC 7544 §3.2: an entry with a cause, or mapped from another (`mp`), was diverted to; the one
    before it, or the one that `mp` names, was diverted from."""
    entries: dict[str, NameAddr] = {}
    found: list[Diversion] = []
    before = ""
    for text in texts:
        try:
            entry = NameAddr.parse(text)
        except PeerError:
            continue
        index = entry.params.get("index") or ""
        cause = entry.uri.params.get("cause") or ""
        source = entries.get(entry.params.get("mp") or "", entries.get(before))
        if source is not None and (cause or "mp" in entry.params):
            told = cause or _told_cause(source)
            who = source.uri.number
            found.append(Diversion(who, _REASONS.get(told, "unknown"), _is_private(source)))
        entries[index], before = entry, index
    return tuple(found)


def _told_cause(entry: NameAddr) -> str:
    """RFC 7044 §5.1: `Reason` as a header in the URI, as `SIP;cause=302`."""
    reason = unescape(_header(entry, "reason"))
    return reason.rpartition("cause=")[2].partition(";")[0].strip()


def _is_private(entry: NameAddr) -> bool:
    return "history" in _header(entry, "privacy").lower()


def _header(entry: NameAddr, name: str) -> str:
    return next((value for key, value in entry.uri.headers.items() if key.lower() == name), "")
