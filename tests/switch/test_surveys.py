"""After-call surveys: who is asked, what counts as an answer, and what becomes of it."""

from dataclasses import replace

import pytest

from softswitch.acd.model import AgentState, Fact, QueueSettings
from softswitch.acd.stats import Totals
from softswitch.switch.events import TransferCommand
from softswitch.switch.records import CallRecord, SavedRecording
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Survey, SurveyQuestion, Trunk
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
CSAT, NPS = SurveyQuestion(kind="csat"), SurveyQuestion(kind="nps")
VOICE = SurveyQuestion(kind="voice", seconds=30.0)
DIGITS = SurveyQuestion(kind="digits", prompt="enter-number", name="order", max=3)
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD)},
    agents={"alice": Agent(phone="1001", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=("alice",), wrap_up=60.0, survey="after")},
    routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
)


class Asked:
    """A caller who talked with alice, who then hung up."""

    def __init__(self, *questions: SurveyQuestion, talk: float = 20.0, hangs_up: bool = True, **more: object) -> None:
        survey = Survey(questions=questions, **more)  # type: ignore[arg-type]
        self.site = Site(replace(SETTINGS, surveys={"after": survey}))
        self.alice: Party = self.site.phone("1001", "192.0.2.10")
        self.carrier: Party = self.site.party("+37061234567", "198.51.100.10")
        self.line: Line = self.carrier.call("100")
        self.leg = next(iter(self.site.switch.calls.values())).leg.id
        self.site.run(talk)
        if hangs_up:
            self.alice.hang_up(self.alice.line)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.site.press(self.leg, key)

    def facts(self, kind: str) -> list[Fact]:
        return [fact for fact in self.site.saved if isinstance(fact, Fact) and fact.kind == kind]

    def answers(self) -> list[tuple[object, object]]:
        return [(fact.data["question"], fact.data.get("value")) for fact in self.facts("survey.answer")]

    def ended(self) -> dict[str, object]:
        (fact,) = self.facts("survey.ended")
        return fact.data

    def totals(self) -> Totals:
        return Totals(fact for fact in self.site.saved if isinstance(fact, Fact))

    def over(self) -> None:
        """The last prompt is heard."""
        self.site.prompt_ends()
        self.site.run(5.0)
        assert self.line.state == "over"
        self.site.nothing_left()


def test_the_caller_answers_while_the_agent_wraps_up() -> None:
    asked = Asked(CSAT, NPS)
    assert asked.line.state == "up"
    view = asked.site.switch.office.engine.agent_view("alice", asked.site.now)
    assert view is not None
    assert view.state is AgentState.WRAP_UP
    assert asked.site.media.played[-1] == ("en/survey-intro", "en/survey-csat")
    asked.site.prompt_ends()
    asked.press("5")
    assert asked.site.media.played[-1] == ("en/survey-nps",)
    asked.press("9")
    assert asked.site.media.played[-1] == ("en/survey-thanks",)
    assert asked.answers() == [("csat", 5), ("nps", 9)]
    assert asked.ended() == {"survey": "after", "answers": 2, "completed": True, "cause": "completed"}
    asked.over()
    totals = asked.totals()
    for cell in (totals.surveys["after"], totals.queue("support").survey, totals.agent("alice").survey):
        assert (cell.asked, cell.answered, cell.completed) == (1, 1, 1)
        assert (cell.csat_share, cell.nps_score, cell.response_rate) == (1.0, 100.0, 1.0)
    (record,) = asked.site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert (record.outcome, record.destination) == ("answered", "queue:support")
    assert record.talk_seconds == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize(
    ("keys", "wait", "value"),
    [(("1", "0"), 0.0, 10), (("*",), 0.0, 10), (("1", "#"), 0.0, 1), (("1",), 4.0, 1), (("0",), 0.0, 0)],
)
def test_ten_is_two_keys_or_a_star(keys: tuple[str, ...], wait: float, value: int) -> None:
    asked = Asked(NPS)
    asked.press(*keys)
    asked.site.run(wait)
    assert asked.answers() == [("nps", value)]
    asked.over()


def test_what_is_no_answer_is_asked_again_and_then_left_out() -> None:
    asked = Asked(CSAT, NPS)
    asked.press("7")
    assert asked.site.media.played[-1] == ("en/invalid-choice", "en/survey-csat")
    asked.site.prompt_ends()
    asked.site.run(6.5)  # silence, too
    assert asked.site.media.played[-1] == ("en/survey-nps",)
    asked.press("1", "5")
    asked.press("6")
    assert asked.answers() == [("nps", 6)]
    assert asked.ended()["completed"] is False
    asked.over()
    assert asked.totals().surveys["after"].nps_score == -100.0


def test_who_says_nothing_has_not_responded() -> None:
    asked = Asked(CSAT)
    for _ in range(2):
        asked.site.prompt_ends()
        asked.site.run(7.0)
    asked.over()
    survey = asked.totals().surveys["after"]
    assert (survey.asked, survey.answered, survey.response_rate, survey.csat_share) == (1, 0, 0.0, None)


def test_who_hangs_up_half_way_has_given_the_answers_before() -> None:
    asked = Asked(CSAT, NPS)
    asked.press("4")
    asked.carrier.hang_up(asked.line)
    assert asked.answers() == [("csat", 4)]
    assert asked.ended() == {"survey": "after", "answers": 1, "completed": False, "cause": "hung-up"}
    asked.site.nothing_left()


def test_digits_end_with_the_hash_key_or_the_last_one() -> None:
    asked = Asked(DIGITS, CSAT)
    asked.press("4", "2", "#")
    asked.press("3")
    assert asked.answers() == [("order", "42"), ("csat", 3)]
    asked.over()


def test_a_message_is_a_recording_of_its_own() -> None:
    asked = Asked(VOICE)
    (talk,) = (fact.data["path"] for fact in asked.facts("recording.started"))
    asked.site.prompt_ends()  # the question; then the tone
    asked.site.prompt_ends()
    (path,) = asked.site.media.recorders.values()
    assert "survey-after" in path
    asked.site.run(12.0)
    asked.press("#")
    (answer,) = asked.facts("survey.answer")
    assert answer.data["seconds"] == pytest.approx(12.0, abs=0.1)
    assert str(answer.data["recording"]) in path
    asked.over()
    assert len(asked.site.records(SavedRecording)) == 2
    (record,) = asked.site.records(CallRecord)
    assert isinstance(record, CallRecord)
    assert record.recording == talk
    assert asked.totals().surveys["after"].messages == 1


def test_a_message_has_a_longest_time_and_a_hang_up_ends_it() -> None:
    asked = Asked(VOICE)
    asked.site.prompt_ends()
    asked.site.prompt_ends()
    asked.site.run(31.0)
    assert [fact.data["seconds"] for fact in asked.facts("survey.answer")] == [30.0]
    asked.over()
    asked = Asked(VOICE)
    asked.site.prompt_ends()
    asked.site.prompt_ends()
    asked.site.run(3.0)
    asked.carrier.hang_up(asked.line)
    assert asked.ended()["completed"] is True
    asked.site.nothing_left()


@pytest.mark.parametrize("more", [{"share": 0.0}, {"min_talk": 30.0}])
def test_not_every_caller_is_asked(more: dict[str, float]) -> None:
    asked = Asked(CSAT, **more)
    assert asked.line.state == "over"
    assert not asked.facts("survey.asked")
    asked.site.nothing_left()


def test_a_caller_who_hangs_up_first_is_asked_nothing() -> None:
    asked = Asked(CSAT, hangs_up=False)
    asked.carrier.hang_up(asked.line)
    assert not asked.facts("survey.asked")
    asked.site.nothing_left()


def test_an_agent_passes_the_caller_on_to_the_survey() -> None:
    asked = Asked(CSAT, hangs_up=False)
    (call,) = asked.site.switch.calls
    asked.site.give(TransferCommand(call, "blind", "survey:after"))
    asked.press("2")
    assert asked.answers() == [("csat", 2)]
    asked.over()
    totals = asked.totals()
    assert totals.queue("support").survey.csat == {2: 1}
    assert totals.agent("alice").survey.csat == {2: 1}
    assert totals.agent("alice").transferred == 1


def test_a_survey_in_another_language() -> None:
    asked = Asked(CSAT, language="lt")
    assert asked.site.media.played[-1] == ("lt/survey-intro", "lt/survey-csat")
    asked.press("5")
    asked.over()
