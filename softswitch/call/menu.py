"""The IVR menu: prompts out, keys in, one choice at the end.

    CHOOSING_LANGUAGE ─► ASKING_CONSENT ─► CHOOSING | COLLECTING | ANNOUNCING ─► (LEAVING) ─► DONE

Each step plays its prompts, then waits; what may happen in it stands in one table, `_ROWS`. With barge-in a key ends
the prompt and counts at once, so that what a caller types ahead runs through all steps; without it, keys pressed
during a prompt are dropped. Opening hours are settled before a menu starts.

A prompt is a catalogue name, a sound file, or `name@language` where it is not spoken in the caller's language.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from softswitch.call.speech import say_key
from softswitch.kernel.clock import Duration, Instant

KEYPAD: Final = frozenset("0123456789*#ABCD")  # RFC 4733 §3.2
_DIGITS: Final = frozenset("0123456789")
_CHOOSE_LANGUAGE: Final = "choose-language"
_NOTICE: Final = "recording-notice"
_CONSENT: Final = "recording-consent"
_GOODBYE: Final = "goodbye"
_HANG_UP: Final = "hangup:"


# ------------------------------------------------------------------------------------------------------- the script


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectScript:
    """Digits to collect: `least` to `most` of them, ended by `end_key` (empty: none), by the last one or by a pause;
    kept as `variable`, then on to `target`."""

    variable: str
    target: str
    least: int = 1
    most: int = 20
    end_key: str = "#"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentScript:
    """`prompt`, then `key` agrees to a recording; no key: a notice only."""

    prompt: str = _NOTICE
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuScript:
    """What a menu does. `keys` maps keys (`1`, `12`, `*`) to targets, `languages` keys to language codes. `timeout`:
    seconds from the end of the prompt to the first key, `digit_timeout`: between keys. The step is repeated `repeat`
    times after silence or wrong keys; then on to `on_timeout` or `on_invalid`, or a goodbye. `language` overrides
    the caller's. With `collect`, `keys` counts for keys other than digits, pressed first."""

    prompts: tuple[str, ...]
    keys: dict[str, str] = field(default_factory=dict)
    collect: CollectScript | None = None
    timeout: Duration = 5.0
    digit_timeout: Duration = 3.0
    repeat: int = 2
    invalid_prompt: str = "invalid-choice"
    timeout_prompt: str | None = None
    on_timeout: str | None = None
    on_invalid: str | None = None
    language: str | None = None
    languages: dict[str, str] = field(default_factory=dict)
    language_prompt: str = _CHOOSE_LANGUAGE
    consent: ConsentScript | None = None
    barge_in: bool = True


# ---------------------------------------------------------------------------------------------------------- outputs


@dataclass(frozen=True, slots=True)
class PlayPrompts:
    """Play `names` one after the other, in `language` unless a name says `@language`; then call
    `prompt_done(token)`, also when they could not be played."""

    token: int
    names: tuple[str, ...]
    language: str


@dataclass(frozen=True, slots=True)
class StopPrompts:
    """The caller went on: stop what `PlayPrompts` with this token started. Nothing is awaited."""

    token: int


@dataclass(frozen=True, slots=True)
class SetLanguage:
    """The call goes on in `language`."""

    language: str


@dataclass(frozen=True, slots=True)
class Consented:
    """Whether the call may be recorded. A notice without a key says True once it was played."""

    agreed: bool


Cause: TypeAlias = Literal["key", "collected", "announced", "timeout", "invalid"]


@dataclass(frozen=True, slots=True)
class Choose:
    """The menu is over; the call goes to `target`. `collected` holds variables; `keys` is what was pressed last and
    `cause` why."""

    target: str
    collected: dict[str, str]
    language: str
    keys: str = ""
    cause: Cause = "key"


MenuOutput: TypeAlias = PlayPrompts | StopPrompts | SetLanguage | Consented | Choose


# ------------------------------------------------------------------------------------------------------- the machine


class State(StrEnum):
    """The step that the menu is in."""

    NEW = "new"
    CHOOSING_LANGUAGE = "choosing-language"
    ASKING_CONSENT = "asking-consent"
    CHOOSING = "choosing"
    COLLECTING = "collecting"
    ANNOUNCING = "announcing"
    LEAVING = "leaving"
    DONE = "done"


class Input(StrEnum):
    """What can happen in a step."""

    KEY = "key"
    PROMPT_ENDED = "prompt-ended"
    SILENCE = "silence"


class MenuRun:
    """One caller in one menu. After `Choose` it is over: `state` is DONE, and later events are ignored."""

    __slots__ = ("_language", "_plays", "_script", "_silence_at", "_token", "_tries", "_typed", "_why", "state")

    def __init__(self, script: MenuScript, language: str) -> None:
        self.state = State.NEW
        self._script = script
        self._language = script.language or language
        self._plays = 0
        self._token = 0  # of what plays now; 0: nothing does
        self._typed = ""
        self._tries = 0
        self._silence_at: Instant | None = None
        self._why: Cause = "timeout"  # of LEAVING

    @property
    def language(self) -> str:
        """The caller's language as far as it is known."""
        return self._language

    def start(self, now: Instant) -> list[MenuOutput]:
        """The caller is connected and can hear."""
        first: list[MenuOutput] = [SetLanguage(self._language)] if self._script.language else []
        return first + self._enter(State.CHOOSING_LANGUAGE, now)

    def digit(self, key: str, now: Instant) -> list[MenuOutput]:
        """A key was pressed; what is on no keypad is ignored."""
        key = key.upper()
        if key not in KEYPAD:
            return []
        outputs: list[MenuOutput] = []
        if self._token and (self.state, Input.KEY) in _ROWS:
            if not self._script.barge_in:
                return []
            outputs.append(StopPrompts(self._token))
            self._token = 0
        return outputs + self._happen(Input.KEY, key, now)

    def prompt_done(self, token: int, now: Instant) -> list[MenuOutput]:
        """The prompts of `PlayPrompts(token)` ended or failed; an older token, and 0, are ignored."""
        if token != self._token or not token:
            return []
        self._token = 0
        return self._happen(Input.PROMPT_ENDED, "", now)

    def wake(self, now: Instant) -> list[MenuOutput]:
        """The deadline passed."""
        if self._silence_at is None or now < self._silence_at:
            return []
        self._silence_at = None
        return self._happen(Input.SILENCE, "", now)

    def deadline(self) -> Instant | None:
        """When `wake` is due; None while a prompt plays and after the end."""
        return self._silence_at

    def _happen(self, what: Input, key: str, now: Instant) -> list[MenuOutput]:
        row = _ROWS.get((self.state, what))
        return row(self, key, now) if row else []

    # ------------------------------------------------------------------------------------------------ entering steps

    def _enter(self, state: State, now: Instant) -> list[MenuOutput]:
        """Begin a step, or the first one after it that this script has."""
        script = self._script
        self._tries = 0
        if state is State.CHOOSING_LANGUAGE and not script.languages:
            state = State.ASKING_CONSENT
        if state is State.ASKING_CONSENT and not script.consent:
            state = State.CHOOSING
        if state is State.CHOOSING and script.collect:
            state = State.COLLECTING
        elif state is State.CHOOSING and not script.keys:
            state = State.ANNOUNCING
        self.state = state
        return self._play(self._prompts(), now)

    def _prompts(self) -> tuple[str, ...]:
        """What the step says."""
        script = self._script
        if self.state is State.CHOOSING_LANGUAGE:
            if script.language_prompt != _CHOOSE_LANGUAGE:
                return (script.language_prompt,)
            return tuple(
                f"{name}@{language}"
                for keys, language in script.languages.items()
                for name in (_CHOOSE_LANGUAGE, *_spoken_keys(keys, language))
            )
        if self.state is State.ASKING_CONSENT and script.consent:
            return _consent_prompts(script.consent, self._language)
        return script.prompts

    def _play(self, names: tuple[str, ...], now: Instant) -> list[MenuOutput]:
        self._typed = ""
        self._silence_at = None
        if not names:
            return self._happen(Input.PROMPT_ENDED, "", now)
        self._plays += 1
        self._token = self._plays
        return [PlayPrompts(self._token, names, self._language)]

    def _wait(self, _key: str, now: Instant) -> list[MenuOutput]:
        """The prompt is over: the caller's turn."""
        self._silence_at = now + self._script.timeout
        return []

    # ------------------------------------------------------------------------------------------------------ language

    def _language_key(self, key: str, now: Instant) -> list[MenuOutput]:
        keys = self._type(key, self._script.languages, now)
        if keys is None:
            return []
        return self._take_language(keys, now)

    def _language_silence(self, _key: str, now: Instant) -> list[MenuOutput]:
        if self._typed in self._script.languages:
            return self._take_language(self._typed, now)
        return self._again(State.ASKING_CONSENT, self._wrong(), now)

    def _take_language(self, keys: str, now: Instant) -> list[MenuOutput]:
        language = self._script.languages.get(keys)
        if language is None:
            return self._again(State.ASKING_CONSENT, (self._script.invalid_prompt,), now)
        self._language = language
        return [SetLanguage(language), *self._enter(State.ASKING_CONSENT, now)]

    def _again(self, otherwise: State, first: tuple[str, ...], now: Instant) -> list[MenuOutput]:
        """Ask once more, or go on without an answer."""
        if self._tries >= self._script.repeat:
            return self._enter(otherwise, now)
        self._tries += 1
        return self._play(first + self._prompts(), now)

    def _wrong(self) -> tuple[str, ...]:
        """What to say after silence: keys that lead nowhere were pressed, or none."""
        if self._typed:
            return (self._script.invalid_prompt,)
        return (self._script.timeout_prompt,) if self._script.timeout_prompt else ()

    # ------------------------------------------------------------------------------------------------------- consent

    def _consent_key(self, key: str, now: Instant) -> list[MenuOutput]:
        consent = self._script.consent
        return self._consent(consent is not None and consent.key in (key, None), now)

    def _consent_prompt_ended(self, _key: str, now: Instant) -> list[MenuOutput]:
        consent = self._script.consent
        if consent is not None and consent.key is None:
            return self._consent(True, now)
        return self._wait("", now)

    def _consent_silence(self, _key: str, now: Instant) -> list[MenuOutput]:
        return self._consent(False, now)

    def _consent(self, agreed: bool, now: Instant) -> list[MenuOutput]:
        return [Consented(agreed), *self._enter(State.CHOOSING, now)]

    # -------------------------------------------------------------------------------------------------- the menu's key

    def _choice_key(self, key: str, now: Instant) -> list[MenuOutput]:
        keys = self._type(key, self._script.keys, now)
        if keys is None:
            return []
        return self._take_choice(keys, now)

    def _choice_silence(self, _key: str, now: Instant) -> list[MenuOutput]:
        return self._take_choice(self._typed, now) if self._typed else self._retry("timeout", now)

    def _take_choice(self, keys: str, now: Instant) -> list[MenuOutput]:
        target = self._script.keys.get(keys)
        return self._retry("invalid", now) if target is None else self._choose(target, "key", keys=keys)

    def _type(self, key: str, table: Iterable[str], now: Instant) -> str | None:
        """Add `key`; the keys typed once they are decided (right or wrong), None while a longer entry may come."""
        typed = self._typed = self._typed + key
        if any(len(entry) > len(typed) and entry.startswith(typed) for entry in table):
            self._silence_at = now + self._script.digit_timeout
            return None
        return typed

    # ------------------------------------------------------------------------------------------------ collected digits

    def _collect_key(self, key: str, now: Instant) -> list[MenuOutput]:
        script, collect = self._script, self._script.collect
        assert collect is not None  # the state says so
        if not self._typed and key not in _DIGITS and key in script.keys:
            return self._choose(script.keys[key], "key", keys=key)
        if key == collect.end_key:
            return self._take_collected(collect, now)
        if key not in _DIGITS:
            return self._retry("invalid", now)
        self._typed += key
        if len(self._typed) >= collect.most:
            return self._take_collected(collect, now)
        self._silence_at = now + script.digit_timeout
        return []

    def _collect_silence(self, _key: str, now: Instant) -> list[MenuOutput]:
        collect = self._script.collect
        assert collect is not None  # the state says so
        return self._take_collected(collect, now) if self._typed else self._retry("timeout", now)

    def _take_collected(self, collect: CollectScript, now: Instant) -> list[MenuOutput]:
        if len(self._typed) < collect.least:
            return self._retry("invalid", now)
        return self._choose(collect.target, "collected", {collect.variable: self._typed}, self._typed)

    # --------------------------------------------------------------------------------------------------------- leaving

    def _retry(self, cause: Literal["timeout", "invalid"], now: Instant) -> list[MenuOutput]:
        """Say what was wrong and ask again; after the last time leave."""
        script = self._script
        if self._tries < script.repeat:
            self._tries += 1
            why = script.timeout_prompt if cause == "timeout" else script.invalid_prompt
            return self._play(((why,) if why else ()) + script.prompts, now)
        target = script.on_timeout if cause == "timeout" else script.on_invalid
        if target is not None:
            return self._choose(target, cause, keys=self._typed)
        self.state = State.LEAVING
        self._why = cause
        return self._play((_GOODBYE,), now)

    def _hang_up(self, _key: str, _now: Instant) -> list[MenuOutput]:
        return self._choose(_HANG_UP, self._why)

    def _announced(self, _key: str, _now: Instant) -> list[MenuOutput]:
        return self._choose(self._script.on_timeout or _HANG_UP, "announced")

    def _choose(
        self,
        target: str,
        cause: Cause,
        collected: dict[str, str] | None = None,
        keys: str = "",
    ) -> list[MenuOutput]:
        self.state = State.DONE
        self._silence_at = None
        return [Choose(target, collected or {}, self._language, keys, cause)]


_ROWS: Final[dict[tuple[State, Input], Callable[[MenuRun, str, Instant], list[MenuOutput]]]] = {
    (State.CHOOSING_LANGUAGE, Input.KEY): MenuRun._language_key,
    (State.CHOOSING_LANGUAGE, Input.PROMPT_ENDED): MenuRun._wait,
    (State.CHOOSING_LANGUAGE, Input.SILENCE): MenuRun._language_silence,
    (State.ASKING_CONSENT, Input.KEY): MenuRun._consent_key,
    (State.ASKING_CONSENT, Input.PROMPT_ENDED): MenuRun._consent_prompt_ended,
    (State.ASKING_CONSENT, Input.SILENCE): MenuRun._consent_silence,
    (State.CHOOSING, Input.KEY): MenuRun._choice_key,
    (State.CHOOSING, Input.PROMPT_ENDED): MenuRun._wait,
    (State.CHOOSING, Input.SILENCE): MenuRun._choice_silence,
    (State.COLLECTING, Input.KEY): MenuRun._collect_key,
    (State.COLLECTING, Input.PROMPT_ENDED): MenuRun._wait,
    (State.COLLECTING, Input.SILENCE): MenuRun._collect_silence,
    (State.ANNOUNCING, Input.PROMPT_ENDED): MenuRun._announced,
    (State.LEAVING, Input.PROMPT_ENDED): MenuRun._hang_up,
}


def _spoken_keys(keys: str, language: str) -> tuple[str, ...]:
    """The keys A–D are on few phones and have no prompt: they go unsaid."""
    return say_key("".join(key for key in keys if key not in "ABCD"), language)


def _consent_prompts(consent: ConsentScript, language: str) -> tuple[str, ...]:
    """Ours name the key; a prompt of the user's own is expected to do that itself."""
    if consent.key is None or consent.prompt not in (_NOTICE, _CONSENT):
        return (consent.prompt,)
    notice = (_NOTICE,) if consent.prompt == _NOTICE else ()
    return (*notice, _CONSENT, *_spoken_keys(consent.key, language))
