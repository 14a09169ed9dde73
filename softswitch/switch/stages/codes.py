"""Feature codes: an agent sets a state from the phone and hears that it was done."""

from typing import TYPE_CHECKING

from softswitch.acd.model import AcdEvent, AgentLogin, AgentLogout, AgentPause, AgentReady
from softswitch.kernel.clock import Instant
from softswitch.switch.recording import stars
from softswitch.switch.settings import Codes
from softswitch.switch.stages.feature_codes import feature_stage
from softswitch.switch.stages.mailbox import mailbox_stage
from softswitch.switch.stages.sounds import PlayStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.supervising import SuperviseStage
from softswitch.switch.targets import Target
from softswitch.wire.control import PlayItem, ToneItem

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class SitStage(PlayStage):
    """An agent logs in at this phone (hot-desking), by number and pin; the prompt says whether that was done."""

    def __init__(self, call: "Call", phone: str, dialled: str) -> None:
        super().__init__(call)
        self._phone = phone
        self._dialled = dialled

    def enter(self, now: Instant) -> None:
        call, office = self.call, self.call.office
        if not call.answer(now):
            return
        call.served(now, "code:login")
        number = self._dialled.replace("#", "*").partition("*")[0]
        agent = office.seats.agent_of(self._dialled, self._phone, now)
        if not agent:
            office.fact("agent.refused", now, call.id, number=number, phone=self._phone, why="wrong number or pin")
            office.log("warning", "log-in refused", number=number, phone=self._phone, reason="wrong number or pin")
        done = bool(agent) and not office.sit(agent, self._phone, f"phone:{self._phone}", now)
        self.at = "agent-logged-in" if done else "not-an-agent"
        call.play_prompts(self.at)


class CodeStage(PlayStage):
    """All agents of the phone change state; the prompt says to what. A guest who sits there is the only one."""

    def __init__(self, call: "Call", verb: str, prompt: str, phone: str, argument: str) -> None:
        super().__init__(call, prompt)
        self._verb = verb
        self._phone = phone
        self._argument = argument

    def enter(self, now: Instant) -> None:
        office = self.call.office
        if not self.call.answer(now):
            return
        self.call.served(now, f"code:{self._verb}")
        for agent in office.seats.guests(self._phone) or office.directory.agents_of_phone.get(self._phone, []):
            office.acd(agent_event(self._verb, agent, self._argument, by=f"phone:{self._phone}"), now)
        super().enter(now)


class RecordingCodeStage(Stage):
    """Pauses or resumes the recording of the calls that the phone is in. One beep: paused; two: it goes on; a low
    long one: nothing is recorded."""

    label = "playing"

    def __init__(self, call: "Call", verb: str, phone: str) -> None:
        super().__init__(call, f"recording-{verb}")
        self._verb = verb
        self._phone = phone

    def enter(self, now: Instant) -> None:
        if not self.call.answer(now):
            return
        self.call.served(now, f"code:{self.at}")
        office = self.call.office
        parties = {f"phone:{self._phone}"}
        parties |= {f"agent:{agent}" for agent in office.directory.agents_of_phone.get(self._phone, ())}
        done = [
            self._order(call, now)
            for call in office.calls.values()
            if call is not self.call and any(leg.peer in parties for leg in (call.leg, *call.stage.legs()))
        ]
        self.call.play(_BEEPS[self._verb if any(done) else ""])

    def on_played(self, player: int, cause: str, now: Instant) -> None:
        self.call.end(now, by="switch", reason=self.at)

    def _order(self, call: "Call", now: Instant) -> bool:
        order = call.recording.pause if self._verb == "pause" else call.recording.resume
        return order(now, by=f"phone:{self._phone}")


_BEEPS: dict[str, tuple[PlayItem, ...]] = {
    "pause": (ToneItem((880.0,), on=200, off=100),),
    "resume": (ToneItem((880.0,), on=120, off=100, repeat=2),),
    "": (ToneItem((220.0,), on=600),),
}


def agent_event(verb: str, agent: str, reason: str, by: str) -> AcdEvent:
    """The ACD's event for a verb of the feature codes, the command line or the API."""
    match verb:
        case "login":
            return AgentLogin(agent, by)
        case "logout":
            return AgentLogout(agent, by, reason)
        case "pause":
            return AgentPause(agent, reason, by)
    return AgentReady(agent, by)


_VERBS = (
    ("login", "login", "agent-logged-in"),
    ("logout", "logout", "agent-logged-out"),
    ("pause", "pause", "agent-paused"),
    ("ready", "ready", "agent-ready"),
    ("end_wrap_up", "ready", "wrap-up-ended"),
)


def without_pin(codes: Codes, number: str) -> str:
    """A dialled number as ledger, log and call record may have it: what follows an agent's number is its pin."""
    if not codes.login or not number.startswith(codes.login):
        return number
    agent = number[len(codes.login) :].replace("#", "*").partition("*")[0]
    end = len(codes.login) + len(agent)
    return number[: end + 1] + stars(number[end + 1 :]) if agent else number


def code_stage(call: "Call", codes: Codes, source: Target, number: str) -> Stage | None:
    """The stage of a feature code, or None when `number` is none. A pause code may carry a reason: `*47*2`."""
    if not number.startswith(("*", "#")) or source.kind != "phone":
        return None
    if (mailbox := mailbox_stage(call, source.name, number)) is not None:
        return mailbox
    for verb, code in (("pause", codes.pause_recording), ("resume", codes.resume_recording)):
        if code and number == code:
            return RecordingCodeStage(call, verb, source.name)
    for code, follow in ((codes.supervise, False), (codes.supervise_on, True)):
        if code and number.startswith(code) and len(number) > len(code):
            agent = _agent_at(call, number[len(code) :])
            return None if agent is None else SuperviseStage(call, agent, source.name, "listen", follow=follow)
    if codes.login and number.startswith(codes.login) and len(number) > len(codes.login):
        return SitStage(call, source.name, number[len(codes.login) :])
    feature = feature_stage(call, codes, source.name, number)
    if feature is not None:
        return feature
    for field, verb, prompt in _VERBS:
        code = getattr(codes, field)
        if code and (number == code or (verb == "pause" and number.startswith(code + "*"))):
            if not call.office.directory.agents_of_phone.get(source.name):
                call.office.log("info", "feature code from a phone without an agent", phone=source.name, code=number)
                return PlayStage(call, "unavailable")
            return CodeStage(call, verb, prompt, source.name, number[len(code) + 1 :])
    return None


def _agent_at(call: "Call", number: str) -> str | None:
    """The agent with that extension, the one who talks or is logged in if there are several, or of that name."""
    office = call.office
    own = next((name for name, agent in office.settings.agents.items() if agent.number == number), None)
    if own is not None:
        return own
    phone = office.plan.extension(number)
    agents = office.directory.agents_of_phone.get(phone or "", [])
    views = {agent: office.engine.agent_view(agent, call.started) for agent in agents}
    here = [agent for agent, view in views.items() if view is not None and view.logged_in]
    talking = [agent for agent in agents if office.supervision.talk_of(agent) is not None]
    return next(iter((*talking, *here, *agents)), number if number in office.settings.agents else None)
