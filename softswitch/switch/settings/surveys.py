"""Surveys and statistics."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from softswitch.switch.settings.common import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyQuestion:
    """`csat`: one key, 1 to 5. `nps`: 0 to 10 (`*` is 10). `digits`: up to `max` keys. `voice`: a message of up to
    `seconds`. `prompt`: `survey-KIND` unless given. `name`: in the ledger, the kind unless given."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    kind: Literal["csat", "nps", "digits", "voice"]
    prompt: str | None = None
    name: str = ""
    max: int = 4
    seconds: float = 60.0

    @property
    def spoken(self) -> str:
        """The prompt."""
        return self.prompt or f"survey-{self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One `[surveys.NAME]`. `share`: percent of callers who are asked; `min_talk`: seconds of conversation below which
    nobody is. `timeout`: seconds for the first key, `digit_timeout` for the next; `repeat`: times that a question is
    asked again. `language`: whatever the caller speaks."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    questions: tuple[SurveyQuestion, ...]
    intro: str | None = "survey-intro"
    thanks: str = "survey-thanks"
    share: float = 100.0
    min_talk: float = 0.0
    timeout: float = 6.0
    digit_timeout: float = 3.0
    repeat: int = 1
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """First-call resolution: a caller who was served and comes back within `fcr_days`, to the same queue or (`any`) to
    any, was not helped at once."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    fcr_days: float = 7.0
    fcr_scope: Literal["queue", "any"] = "queue"
