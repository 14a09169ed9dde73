"""Hooks: an outside program is asked by HTTP what to do with a call. The decisions are here; the shell asks.

An answer is a JSON object with any of `variables`, `head_start`, `needs`, `sticky`, `sticky_seconds`, `language` and
`target`. Whatever goes wrong (silence, a broken connection, a status that is not 2xx, an answer that is none) ends in
the hook's `on_error`; causes are counted and in the ledger. A hook that failed several times in a row is left alone for
a while, so that a dead server costs callers no time; a single call then tries it again.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from softswitch.call.speech import LANGUAGES
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.kernel.printable import printable
from softswitch.switch.events import AskHook
from softswitch.switch.wishes import MOST_HEAD_START, variables
from softswitch.wire.plain_text import encode

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

Cause: TypeAlias = Literal["time-out", "status", "garbage", "unreachable", "busy", "resting"]

MOST_ANSWER = 65_536  # octets
_MOST_VARIABLES = 50
_MOST_TEXT = 500  # characters of a variable
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a hook may say. Keys that are not here are told in the ledger."""

    variables: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)
    head_start: float = 0.0
    needs: dict[str, int] = msgspec.field(default_factory=dict)
    sticky: str | None = None
    sticky_seconds: float | None = None
    language: str | None = None
    target: str | None = None


_KNOWN = frozenset(Answer.__struct_fields__)
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class HookState:
    """One hook: questions under way, failures in a row, left alone until when, and what came of all questions."""

    running: int = 0
    failures: int = 0
    resting_until: Instant = 0.0
    counts: Counter[str] = field(default_factory=Counter)


class Hooks:
    """All hooks of the switch. A question's number is given once; `pending` are those under way, with their call."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._next = 1
        self.states: dict[str, HookState] = {}
        self.pending: dict[int, tuple[str, str]] = {}  # question -> hook, call

    def state(self, name: str) -> HookState:
        state = self.states.get(name)
        if state is None:
            state = self.states[name] = HookState()
        return state

    def ask(self, name: str, call: "Call", now: Instant) -> int | Cause:
        """Begin to ask; the question's number, or why it is not asked."""
        hook, state = self._office.settings.hooks[name], self.state(name)
        if now < state.resting_until:
            return self._count(name, "resting")
        if state.running >= hook.at_once:
            return self._count(name, "busy")
        if hook.failures and state.failures >= hook.failures:
            state.resting_until = now + hook.rest  # this call tries it; the others wait for what comes of that
        body = encode(question(call, hook.secrets))
        number = self._numbered(name, call)
        state.running += 1
        self._office.outbox.append(AskHook(number, hook.url, hook.timeout, body, hook.token or ""))
        return number

    def post(self, call: "Call", url: str, timeout: float, body: bytes, token: str) -> int:
        """Ask a service that is no hook in the same way: `HookAnswered` comes; the question's number."""
        number = self.waits(call)
        self._office.outbox.append(AskHook(number, url, timeout, body, token))
        return number

    def waits(self, call: "Call") -> int:
        """The number of a question that the shell is asked for a call in another way."""
        return self._numbered("", call)

    def _numbered(self, name: str, call: "Call") -> int:
        number, self._next = self._next, self._next + 1
        self.pending[number] = (name, call.id)
        return number

    def close(self, number: int) -> None:
        """Nobody waits for the answer any more; the shell is busy with it until it says so."""
        if number in self.pending:
            self.pending[number] = (self.pending[number][0], "")

    def ended(self, number: int) -> str:
        """The shell is done with a question; the call that waits, or nothing."""
        name, call = self.pending.pop(number, ("", ""))
        if name:
            self.state(name).running -= 1
        return call

    def succeeded(self, name: str) -> None:
        state = self.state(name)
        state.failures, state.resting_until = 0, 0.0
        state.counts["answered"] += 1

    def failed(self, name: str, cause: Cause, now: Instant) -> None:
        """It had its chance and failed."""
        state, hook = self.state(name), self._office.settings.hooks.get(name)
        self._count(name, cause)
        state.failures += 1
        if hook is not None and hook.failures and state.failures >= hook.failures:
            if now >= state.resting_until:
                self._office.log("error", "hook is left alone", hook=name, cause=cause, seconds=hook.rest)
            state.resting_until = now + hook.rest

    def _count(self, name: str, cause: Cause) -> Cause:
        self.state(name).counts[cause] += 1
        return cause


def question(call: "Call", secrets: bool) -> dict[str, Any]:
    """What is posted."""
    known = {name: text for name, text in variables(call).items() if secrets or name not in call.secrets}
    customer = call.wishes.customer
    return {
        "call": call.id,
        "caller": call.caller,
        "called": call.called,
        "queue": call.facts.queue,
        "customer": None if customer is None else customer.id,
        "variables": known,
    }


def read(body: bytes) -> tuple[Answer, list[str]]:
    """The answer, and the keys that mean nothing. Raises `LocalError` for what is no answer."""
    if not body.strip():
        return Answer(), []
    try:
        said = _decode(body)
        if not isinstance(said, dict):
            raise LocalError("not a JSON object")
        answer = msgspec.convert({key: value for key, value in said.items() if key in _KNOWN}, Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LocalError(str(error)) from error
    if len(answer.variables) > _MOST_VARIABLES:
        raise LocalError(f"more than {_MOST_VARIABLES} variables")
    return answer, sorted(key for key in said if key not in _KNOWN)


def take(answer: Answer, call: "Call", default: str) -> tuple[str, list[str]]:
    """Let the answer count for the call: the target that follows, and what of it was refused."""
    office, wishes, refused = call.office, call.wishes, []
    settings = office.settings
    for name, value in answer.variables.items():
        if not name or len(name) > 64 or any(sign not in _NAME for sign in name) or not name[0].isalpha():
            refused.append(f"variables.{name[:64]}")
        else:
            call.facts.collected[name] = _text(value)
    if -MOST_HEAD_START <= answer.head_start <= MOST_HEAD_START:
        wishes.head_start += answer.head_start
    else:
        refused.append("head_start")
    for skill, level in answer.needs.items():
        if 0 <= level <= 100:
            wishes.needs[skill] = level
        else:
            refused.append(f"needs.{skill[:64]}")
    if answer.sticky is not None:
        if answer.sticky in settings.agents or not answer.sticky:
            wishes.sticky = answer.sticky
        else:
            refused.append("sticky")
    if answer.sticky_seconds is not None:
        if 0 <= answer.sticky_seconds <= MOST_HEAD_START:
            wishes.sticky_seconds = answer.sticky_seconds
        else:
            refused.append("sticky_seconds")
    if answer.language is not None:
        if answer.language in LANGUAGES:
            call.language, call.language_chosen = answer.language, True
        else:
            refused.append("language")
    if answer.target is not None:
        if office.there(answer.target):
            return answer.target, refused
        refused.append("target")
    return default, refused


def _text(value: str | float | bool | None) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return printable(text)[:_MOST_TEXT]
