"""The IVR menu on virtual time."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    State,
    StopPrompts,
)

KEYS = {"1": "queue:support", "2": "queue:sales", "0": "phone:1001"}


@dataclass
class Caller:
    """Plays the shell and the caller: keeps what plays and what was decided."""

    script: MenuScript
    language: str = "en"
    now: float = 1000.0
    playing: PlayPrompts | None = None
    heard: list[tuple[str, ...]] = field(default_factory=list)
    said: list[MenuOutput] = field(default_factory=list)
    chosen: Choose | None = None

    def __post_init__(self) -> None:
        self.menu = MenuRun(self.script, self.language)

    def call(self) -> "Caller":
        self.take(self.menu.start(self.now))
        return self

    def take(self, outputs: list[MenuOutput]) -> None:
        for output in outputs:
            assert self.chosen is None, "nothing may follow Choose"
            match output:
                case PlayPrompts():
                    assert self.playing is None, "two prompts at once"
                    self.playing = output
                    self.heard.append(output.names)
                case StopPrompts(token):
                    assert self.playing is not None
                    assert self.playing.token == token
                    self.playing = None
                case Choose():
                    self.chosen = output
                case _:
                    self.said.append(output)

    def press(self, keys: str, gap: float = 0.2) -> "Caller":
        for key in keys:
            self.now += gap
            self.take(self.menu.digit(key, self.now))
        return self

    def listen(self) -> "Caller":
        """Hear what plays to its end."""
        assert self.playing is not None
        token, self.playing = self.playing.token, None
        self.now += 2.0
        self.take(self.menu.prompt_done(token, self.now))
        return self

    def wait(self) -> "Caller":
        """Do nothing until the menu's patience ends."""
        deadline = self.menu.deadline()
        assert deadline is not None
        assert self.menu.wake(deadline - 0.001) == []
        self.now = deadline
        self.take(self.menu.wake(deadline))
        return self


def test_a_key_leads_to_its_target() -> None:
    caller = Caller(MenuScript(prompts=("welcome", "main"), keys=KEYS)).call()
    assert caller.heard == [("welcome", "main")]
    assert caller.playing is not None
    assert caller.playing.language == "en"
    caller.listen().press("1")
    assert caller.chosen == Choose("queue:support", {}, "en", "1", "key")
    assert caller.menu.deadline() is None
    assert caller.menu.state is State.DONE


def test_a_key_during_the_prompt_stops_it() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS)).call().press("2")
    assert caller.playing is None
    assert caller.chosen is not None
    assert caller.chosen.target == "queue:sales"


def test_without_barge_in_keys_count_only_after_the_prompt() -> None:
    caller = Caller(MenuScript(prompts=("notice",), keys=KEYS, barge_in=False)).call().press("2")
    assert caller.playing is not None
    assert caller.chosen is None
    caller.listen().press("1")
    assert caller.chosen is not None
    assert caller.chosen.target == "queue:support"


def test_silence_repeats_the_prompt_and_then_says_goodbye() -> None:
    script = MenuScript(prompts=("welcome",), keys=KEYS, timeout=5.0, repeat=2, timeout_prompt="no-input")
    caller = Caller(script).call().listen()
    assert caller.menu.deadline() == caller.now + 5.0
    caller.wait().listen().wait().listen().wait()
    assert caller.heard == [("welcome",), ("no-input", "welcome"), ("no-input", "welcome"), ("goodbye",)]
    caller.press("1")  # too late
    assert caller.chosen is None
    caller.listen()
    assert caller.chosen == Choose("hangup:", {}, "en", "", "timeout")


def test_silence_leads_to_on_timeout_when_there_is_one() -> None:
    script = MenuScript(prompts=("welcome",), keys=KEYS, repeat=0, on_timeout="queue:support")
    caller = Caller(script).call().listen().wait()
    assert caller.heard == [("welcome",)]
    assert caller.chosen == Choose("queue:support", {}, "en", "", "timeout")


def test_a_wrong_key_is_said_and_the_prompt_repeated() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, repeat=1, on_invalid="phone:1001")).call()
    caller.press("9")
    assert caller.heard[-1] == ("invalid-choice", "welcome")
    caller.press("8")
    assert caller.chosen == Choose("phone:1001", {}, "en", "8", "invalid")


def test_a_goodbye_ends_too_many_wrong_keys() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, repeat=0)).call().press("9").listen()
    assert caller.heard == [("welcome",), ("goodbye",)]
    assert caller.chosen == Choose("hangup:", {}, "en", "", "invalid")


def test_wrong_keys_and_silence_share_the_repeats() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, repeat=2, on_timeout="hangup:486")).call()
    caller.press("9").listen().wait().listen().wait()
    assert caller.chosen is not None
    assert caller.chosen.target == "hangup:486"


def test_a_key_that_begins_a_longer_one_waits_for_it() -> None:
    script = MenuScript(prompts=("welcome",), keys={"1": "queue:a", "12": "queue:b"}, digit_timeout=3.0)
    caller = Caller(script).call().press("1")
    assert caller.chosen is None
    assert caller.menu.deadline() == caller.now + 3.0
    caller.wait()
    assert caller.chosen == Choose("queue:a", {}, "en", "1", "key")

    caller = Caller(script).call().press("12")
    assert caller.chosen == Choose("queue:b", {}, "en", "12", "key")

    caller = Caller(script).call().press("13")
    assert caller.chosen is None
    assert caller.heard[-1] == ("invalid-choice", "welcome")


def test_half_a_key_is_wrong_not_silence() -> None:
    script = MenuScript(
        prompts=("welcome",), keys={"12": "queue:b"}, repeat=0, on_timeout="play:t", on_invalid="play:i"
    )
    caller = Caller(script).call().press("1").wait()
    assert caller.chosen == Choose("play:i", {}, "en", "1", "invalid")


# --------------------------------------------------------------------------------------------------- collected digits

ACCOUNT = CollectScript(variable="account", target="queue:support", least=3, most=6)


def test_digits_are_collected_up_to_the_end_key() -> None:
    caller = Caller(MenuScript(prompts=("enter-number",), collect=ACCOUNT)).call().press("1234#")
    assert caller.chosen == Choose("queue:support", {"account": "1234"}, "en", "1234", "collected")


def test_the_last_digit_ends_the_collection() -> None:
    caller = Caller(MenuScript(prompts=("enter-number",), collect=ACCOUNT)).call().press("123456")
    assert caller.chosen is not None
    assert caller.chosen.collected == {"account": "123456"}


def test_a_pause_ends_the_collection() -> None:
    script = MenuScript(prompts=("enter-number",), collect=ACCOUNT, digit_timeout=2.0)
    caller = Caller(script).call().listen().press("123")
    assert caller.menu.deadline() == caller.now + 2.0
    caller.wait()
    assert caller.chosen is not None
    assert caller.chosen.collected == {"account": "123"}


@pytest.mark.parametrize("typed", ["#", "12#", "1*"])
def test_too_few_digits_are_asked_for_again(typed: str) -> None:
    caller = Caller(MenuScript(prompts=("enter-number",), collect=ACCOUNT)).call().press(typed)
    assert caller.heard[-1] == ("invalid-choice", "enter-number")
    caller.press("777#")
    assert caller.chosen is not None
    assert caller.chosen.collected == {"account": "777"}


def test_nothing_typed_is_silence() -> None:
    script = MenuScript(prompts=("enter-number",), collect=ACCOUNT, repeat=0, on_timeout="phone:1001")
    caller = Caller(script).call().listen().wait()
    assert caller.chosen == Choose("phone:1001", {}, "en", "", "timeout")


def test_a_star_may_leave_the_collection() -> None:
    script = MenuScript(prompts=("enter-number",), collect=ACCOUNT, keys={"*": "ivr:welcome", "1": "queue:never"})
    assert (chosen := Caller(script).call().press("*").chosen) is not None
    assert chosen.target == "ivr:welcome"
    assert (chosen := Caller(script).call().press("111#").chosen) is not None
    assert chosen.collected == {"account": "111"}


# ------------------------------------------------------------------------------------------------ languages and consent

LANGUAGES = {"1": "en", "2": "ru", "3": "lt"}


def test_languages_are_offered_each_in_its_own() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, languages=LANGUAGES)).call()
    assert caller.heard[0] == (
        *("choose-language@en", "number-1@en"),
        *("choose-language@ru", "number-2@ru"),
        *("choose-language@lt", "number-3-accusative@lt"),
    )
    caller.listen().press("3")
    assert caller.said == [SetLanguage("lt")]
    assert caller.heard[1] == ("welcome",)
    assert caller.playing is not None
    assert caller.playing.language == "lt"
    assert (chosen := caller.press("1").chosen) is not None
    assert chosen.language == "lt"


def test_a_caller_who_chooses_no_language_keeps_the_one_given() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, languages=LANGUAGES, repeat=1), language="uk").call()
    caller.press("9").listen().wait()
    assert caller.heard[1][0] == "invalid-choice"
    assert caller.said == []
    assert caller.playing is not None
    assert (caller.playing.names, caller.playing.language) == (("welcome",), "uk")


def test_a_prompt_of_ones_own_offers_the_languages_alone() -> None:
    script = MenuScript(prompts=("w",), keys=KEYS, languages=LANGUAGES, language_prompt="languages.wav")
    assert Caller(script).call().heard == [("languages.wav",)]


def test_the_menus_language_overrides_the_callers() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, language="ru"), language="en").call()
    assert caller.said == [SetLanguage("ru")]
    assert caller.playing is not None
    assert caller.playing.language == "ru"


def test_a_notice_is_played_before_the_menu() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, consent=ConsentScript())).call()
    assert caller.heard == [("recording-notice",)]
    caller.listen()
    assert caller.said == [Consented(True)]
    assert caller.heard[-1] == ("welcome",)


def test_consent_is_given_by_its_key() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, consent=ConsentScript(key="5")), language="lt").call()
    assert caller.heard == [("recording-notice", "recording-consent", "number-5-accusative")]
    caller.listen().press("5")
    assert caller.said == [Consented(True)]


def test_another_key_does_not_consent() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, consent=ConsentScript(key="5"))).call().press("1")
    assert caller.said == [Consented(False)]
    assert caller.chosen is None, "the key was an answer, not a choice"


def test_silence_does_not_consent() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys=KEYS, consent=ConsentScript(key="5"))).call().listen().wait()
    assert caller.said == [Consented(False)]
    assert caller.heard[-1] == ("welcome",)


def test_a_caller_who_knows_the_way_types_ahead() -> None:
    script = MenuScript(prompts=("welcome",), keys=KEYS, languages=LANGUAGES, consent=ConsentScript(key="5"))
    caller = Caller(script).call().press("252", gap=0.05)
    assert caller.said == [SetLanguage("ru"), Consented(True)]
    assert caller.chosen == Choose("queue:sales", {}, "ru", "2", "key")


# ------------------------------------------------------------------------------------------------------- announcements


def test_a_menu_without_keys_announces_and_goes_on() -> None:
    caller = Caller(MenuScript(prompts=("closed",), on_timeout="hangup:")).call().press("1")
    assert caller.playing is not None, "there is nothing to skip to"
    caller.listen()
    assert caller.chosen == Choose("hangup:", {}, "en", "", "announced")


def test_a_menu_without_prompts_waits_at_once() -> None:
    caller = Caller(MenuScript(prompts=(), keys=KEYS)).call()
    assert caller.heard == []
    assert caller.menu.deadline() == caller.now + 5.0


def test_an_older_prompts_end_means_nothing() -> None:
    menu = MenuRun(MenuScript(prompts=("welcome",), keys=KEYS), "en")
    (first,) = menu.start(0.0)
    assert isinstance(first, PlayPrompts)
    _stop, second = menu.digit("9", 1.0)
    assert isinstance(second, PlayPrompts)
    assert menu.prompt_done(first.token, 1.1) == []
    assert menu.deadline() is None, "the second prompt still plays"
    menu.prompt_done(second.token, 2.0)
    assert menu.deadline() == 7.0
    assert menu.prompt_done(0, 5.0) == []
    assert menu.deadline() == 7.0, "the end of somebody else's player changes nothing"


def test_what_is_on_no_keypad_is_ignored() -> None:
    caller = Caller(MenuScript(prompts=("welcome",), keys={"A": "queue:support"})).call().press("x!")
    assert caller.playing is not None
    assert (chosen := caller.press("a").chosen) is not None
    assert chosen.target == "queue:support"


@given(
    st.lists(st.sampled_from(["1", "2", "9", "#", "*", "12", "listen", "wait"]), max_size=40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_caller_gets_out(
    doings: list[str], barge_in: bool, collect: bool, consent: bool, languages: bool
) -> None:
    """Whatever a caller does: never two prompts at once, nothing after the choice, and patience leads to an end."""
    script = MenuScript(
        prompts=("welcome",),
        keys={"1": "queue:a", "12": "queue:b", "*": "queue:c"},
        collect=ACCOUNT if collect else None,
        consent=ConsentScript(key="1") if consent else None,
        languages=LANGUAGES if languages else {},
        barge_in=barge_in,
    )
    caller = Caller(script).call()
    for doing in [*doings, *["listen", "wait"] * 20]:
        if caller.chosen:
            break
        if doing == "listen":
            if caller.playing:
                caller.listen()
        elif doing == "wait":
            if caller.menu.deadline() is not None:
                caller.wait()
        else:
            caller.press(doing)
        assert caller.chosen or caller.playing or caller.menu.deadline() is not None, "stuck"
    assert caller.chosen
    assert caller.press("1").menu.deadline() is None
