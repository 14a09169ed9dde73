"""A caller in a menu: performs what the menu core decides."""

from typing import TYPE_CHECKING

from softswitch.call.leg import Leg
from softswitch.call.menu import (
    Choose,
    CollectScript,
    Consented,
    ConsentScript,
    MenuOutput,
    MenuRun,
    MenuScript,
    PlayPrompts,
    SetLanguage,
    StopPrompts,
)
from softswitch.kernel.clock import Instant
from softswitch.switch.recording import stars
from softswitch.switch.settings import Menu
from softswitch.switch.stages.stage import Stage
from softswitch.switch.wishes import take_customer
from softswitch.wire.dtmf import FLASH

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_SECRET = "secret menu"


class MenuStage(Stage):
    """`ivr:NAME`."""

    label = "menu"

    def __init__(self, call: "Call", name: str, menu: Menu) -> None:
        super().__init__(call, name)
        self._menu = menu
        self._run = MenuRun(script_of(menu, call), call.language)
        self._tokens: dict[int, int] = {}  # player -> token
        self._inside = False
        self._secret = menu.collect is not None and menu.collect.secret

    def enter(self, now: Instant) -> None:
        if not self.call.answer(now):
            return
        self._inside = True
        self.call.facts.outcome = None
        self.call.facts.destination = f"ivr:{self.at}"
        self.call.office.fact("menu.entered", now, self.call.id, menu=self.at)
        if self._secret:
            self.call.recording.pause(now, by=f"ivr:{self.at}", reason="secret digits", hold=_SECRET)
        self._perform(self._run.start(now), now)

    def leave(self, now: Instant) -> None:
        if self._secret:
            self.call.recording.resume(now, by=f"ivr:{self.at}", reason="secret digits", hold=_SECRET)
        if self._inside:  # left by the end of the call, not by a choice
            self._inside = False
            self.call.office.fact(
                "menu.left", now, self.call.id, menu=self.at, cause="ended", keys="", target="", collected={}
            )

    def on_digit(self, leg: Leg, digit: str, method: str, now: Instant, duration_ms: int = 160) -> None:
        if leg is self.call.leg and digit != FLASH:
            self._perform(self._run.digit(digit, now), now)

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        token = self._tokens.pop(player, 0)
        self._perform(self._run.prompt_done(token, now), now)

    def wake(self, now: Instant) -> None:
        self._perform(self._run.wake(now), now)

    def _perform(self, outputs: list[MenuOutput], now: Instant) -> None:
        call = self.call
        for output in outputs:
            match output:
                case PlayPrompts(token, names, language):
                    player = call.play(call.office.prompts(names, language))
                    self._tokens = {player: token}
                case StopPrompts():
                    self._tokens.clear()
                    call.silence()
                case SetLanguage(language):
                    call.language = language
                    call.language_chosen = True
                case Consented(agreed):
                    call.recording.consented = agreed
                    call.office.fact("recording.consent", now, call.id, agreed=agreed)
                case Choose():
                    self._choose(output, now)
                    return
        self.deadline = self._run.deadline()

    def _choose(self, choice: Choose, now: Instant) -> None:
        call = self.call
        self._inside = False
        call.facts.collected.update(choice.collected)
        keys, collected = choice.keys, dict(choice.collected)
        collect = self._menu.collect
        if self._secret:
            call.secrets.update(collected)
            if collect is not None and not collect.to_agent:
                call.withheld.update(collected)
            keys, collected = stars(keys), {name: stars(value) for name, value in collected.items()}
        call.office.fact(
            "menu.left", now, call.id, menu=self.at, cause=choice.cause, keys=keys, target=choice.target,
            collected=collected,
        )  # fmt: skip
        target = choice.target
        if choice.collected and collect is not None and collect.lookup is not None:
            digits = choice.collected[collect.variable]
            customer = call.office.customers.get(digits)
            take_customer(call, customer)
            shown = stars(digits) if self._secret else digits
            call.office.fact("customer.looked_up", now, call.id, id=shown, found=customer is not None)
            if customer is None:
                target = collect.not_found or target
        call.go(target, now)


def script_of(menu: Menu, call: "Call") -> MenuScript:
    """The menu of the configuration in the core's words. A caller who chose a language is not asked again."""
    return MenuScript(
        prompts=(menu.prompt,) if isinstance(menu.prompt, str) else menu.prompt,
        keys=menu.keys,
        collect=None
        if menu.collect is None
        else CollectScript(
            variable=menu.collect.variable,
            target=menu.collect.next,
            least=menu.collect.min,
            most=menu.collect.max,
            end_key=menu.collect.end_key,
        ),
        timeout=menu.timeout,
        digit_timeout=menu.digit_timeout,
        repeat=menu.repeat,
        invalid_prompt=menu.invalid_prompt,
        timeout_prompt=menu.timeout_prompt,
        on_timeout=menu.on_timeout,
        on_invalid=menu.on_invalid,
        language=menu.language,
        languages={} if call.language_chosen else menu.languages,
        language_prompt=menu.language_prompt,
        consent=None
        if menu.consent is None or call.recording.consented is not None
        else ConsentScript(prompt=menu.consent.prompt, key=menu.consent.key),
        barge_in=menu.barge_in,
    )
