"""What a queue's settings for callers mean: keys, estimates, who counts as somebody, call-backs; and voicemail."""

from collections.abc import Iterator
from typing import Final

from softswitch.acd.model import AgentState, QueueSettings
from softswitch.call.menu import KEYPAD
from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.sip.numbers import Pattern
from softswitch.switch.settings import Settings, Voicemail
from softswitch.switch.targets import parse_target

_AT_ONCE: Final = ("on_full", "on_empty", "on_max_estimate")  # no time passes on the way
_OUTWARD: Final = ("on_max_wait", *_AT_ONCE)
_MOST_ATTEMPTS: Final = 20
_MOST_SECONDS: Final = 3600.0


def check_callers(settings: Settings, name: str, queue: QueueSettings) -> list[Finding]:
    """What is wrong with how a queue treats its callers."""
    path: KeyPath = ("queues", name)
    return [*_keys(path, name, queue), *_limits(path, queue), *_callback(path, settings, queue)]


def check_voicemail(name: str, box: Voicemail) -> list[Finding]:
    """What is wrong with a `[voicemail.NAME]`."""
    path: KeyPath = ("voicemail", name)
    found = []
    if not 1 <= box.max_seconds <= _MOST_SECONDS:
        found.append(Finding((*path, "max_seconds"), f"must be 1 to {_MOST_SECONDS:.0f}"))
    if box.max_messages < 0:
        found.append(Finding((*path, "max_messages"), "must be 0 (no limit) or more"))
    if box.end_key and (len(box.end_key) != 1 or box.end_key not in KEYPAD):
        found.append(Finding((*path, "end_key"), f'"{box.end_key}" is not a key'))
    return found


def overflow_loops(settings: Settings) -> Iterator[Finding]:
    """Queues that send their callers round: at once is an error, over time it is told."""
    told: set[frozenset[str]] = set()
    for start in settings.queues:
        chain, at_once = [start], True
        while True:
            step = _next(settings, chain[-1])
            if step is None:
                break
            following, instant = step
            at_once &= instant
            if following in chain:
                ring = chain[chain.index(following) :]
                if frozenset(ring) not in told:
                    told.add(frozenset(ring))
                    yield _loop(ring, at_once)
                break
            chain.append(following)


def _next(settings: Settings, name: str) -> tuple[str, bool] | None:
    """The queue that callers of `name` overflow to, and whether they do so at once."""
    queue = settings.queues.get(name)
    if queue is None:
        return None
    for key in (*_AT_ONCE, "on_max_wait"):
        text = getattr(queue, key)
        if text is None:
            continue
        try:
            target = parse_target(text)
        except LocalError:
            continue
        if target.kind == "queue":
            return target.name, key in _AT_ONCE
    return None


def _loop(ring: list[str], at_once: bool) -> Finding:
    words = " → ".join((*ring, ring[0]))
    if at_once:
        return Finding(("queues", ring[0]), f"callers are sent round at once: {words}")
    return Finding(("queues", ring[0]), f"callers whom nobody answers go round: {words}", severity="warning")


def _keys(path: KeyPath, name: str, queue: QueueSettings) -> Iterator[Finding]:
    for key, text in queue.keys.items():
        here = (*path, "keys", key)
        if len(key) != 1 or key not in KEYPAD:
            yield Finding(here, f'"{key}" is not a key: one of 0–9, * and #')
        if text.partition(":")[0] == "callback" and text.partition(":")[2] in ("", name) and queue.callback is None:
            yield Finding(here, f"needs [queues.{name}.callback]")
    if queue.keys_prompt and not queue.keys:
        yield Finding((*path, "keys_prompt"), "tells of keys, and there are none", severity="warning")


def _limits(path: KeyPath, queue: QueueSettings) -> Iterator[Finding]:
    if queue.on_max_estimate is not None and not queue.max_estimate:
        yield Finding((*path, "on_max_estimate"), "never used: max_estimate is 0", severity="warning")
    if queue.announce_estimate and not queue.announce_position:
        yield Finding((*path, "announce_estimate"), "never said: announce_position is 0", severity="warning")
    for key in ("join_when", "leave_when"):
        states = getattr(queue, key)
        if states is None:
            continue
        if not states:
            yield Finding((*path, key), "names no state: nobody would ever count as somebody")
        elif AgentState.LOGGED_OUT in states:
            yield Finding((*path, key), "logged-out agents count as somebody", severity="warning")
        elif key == "leave_when" and not {AgentState.TALKING, AgentState.WRAP_UP} & set(states):
            yield Finding(
                (*path, key), "callers leave as soon as every agent talks: name talking and wrap-up, too", "", "warning"
            )
    for number, ring in enumerate(queue.rings):
        if ring.to is not None and ring.after <= 0:
            yield Finding((*path, "rings", number, "to"), "callers would leave as they come: say after how long")


def _callback(path: KeyPath, settings: Settings, queue: QueueSettings) -> Iterator[Finding]:
    rules = queue.callback
    if rules is None:
        return
    here = (*path, "callback")
    if rules.to is not None:
        kind, _, name = rules.to.partition(":")
        if kind != "trunk" or "/" in name:
            yield Finding((*here, "to"), f'"{rules.to}" is not a trunk, as in "trunk:carrier"')
        elif name not in settings.trunks:
            match = closest(name, settings.trunks)
            yield Finding((*here, "to"), f'no trunk "{name}"', f"trunk:{match}" if match else "")
    elif rules.numbers:
        yield Finding((*here, "numbers"), "only phones of this switch can be called: to is missing", severity="warning")
    for index, pattern in enumerate(rules.numbers):
        try:
            Pattern(pattern)
        except LocalError as error:
            yield Finding((*here, "numbers", index), str(error))
        if pattern in ("*", "."):
            yield Finding(
                (*here, "numbers", index), "callers may have any number in the world called", severity="warning"
            )
    if rules.hours is not None and rules.hours not in settings.hours:
        yield Finding((*here, "hours"), f'no hours "{rules.hours}"', closest(rules.hours, settings.hours))
    if not 1 <= rules.attempts <= _MOST_ATTEMPTS:
        yield Finding((*here, "attempts"), f"must be 1 to {_MOST_ATTEMPTS}")
    for key in ("ring_seconds", "expire"):
        if not getattr(rules, key):
            yield Finding((*here, key), "must be more than 0")
