"""Who may listen to whom, and who does. Nobody is heard by anybody whom `[supervisors]` does not name."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import PeerError
from softswitch.switch.settings import Settings, Supervising

if TYPE_CHECKING:
    from softswitch.switch.office import Office
    from softswitch.switch.stages.supervising import SuperviseStage
    from softswitch.switch.stages.talking import TalkStage

ALL = "*"


def may(settings: Settings, phone: str, agent: str, queues: Iterable[str]) -> frozenset[Supervising]:
    """What a supervisor at `phone` may do to `agent`, in a call of one of `queues`."""
    found: set[Supervising] = set()
    for supervisor in settings.supervisors.values():
        named = ALL in supervisor.agents or agent in supervisor.agents
        served = any(queue and (ALL in supervisor.queues or queue in supervisor.queues) for queue in queues)
        if supervisor.phone == phone and (named or served):
            found.update(supervisor.may)
    return frozenset(found)


def name_of(settings: Settings, phone: str) -> str:
    """The supervisor whose phone that is."""
    return next((name for name, supervisor in settings.supervisors.items() if supervisor.phone == phone), "")


class Supervision:
    """The talks of agents, and the supervisors who are with them or wait for their next one."""

    def __init__(self, office: "Office") -> None:
        self._office = office
        self._talks: dict[str, list[TalkStage]] = {}
        self._watching: dict[str, list[SuperviseStage]] = {}

    def talk_of(self, agent: str) -> "TalkStage | None":
        """The talk that the agent began last."""
        talks = self._talks.get(agent)
        return talks[-1] if talks else None

    def began(self, talk: "TalkStage", now: Instant) -> None:
        """An agent talks; those who follow the agent join."""
        self._talks.setdefault(talk.agent, []).append(talk)
        for stage in tuple(self._watching.get(talk.agent, ())):
            stage.began(talk, now)

    def ended(self, talk: "TalkStage") -> None:
        talks = self._talks.get(talk.agent)
        if talks is not None and talk in talks:
            talks.remove(talk)
            if not talks:
                del self._talks[talk.agent]

    def enlist(self, stage: "SuperviseStage") -> None:
        self._watching.setdefault(stage.agent, []).append(stage)

    def dismiss(self, stage: "SuperviseStage") -> None:
        watching = self._watching.get(stage.agent)
        if watching is not None and stage in watching:
            watching.remove(stage)
            if not watching:
                del self._watching[stage.agent]

    def at(self, phone: str, agent: str) -> "SuperviseStage | None":
        """Who supervises that agent from that phone."""
        return next((stage for stage in self._watching.get(agent, ()) if stage.phone == phone), None)

    def configured(self, now: Instant) -> None:
        """The settings have changed."""
        for stage in [stage for watching in self._watching.values() for stage in watching]:
            stage.recheck(now)

    def counts(self) -> int:
        """Talks and supervisors that are known: zero when nothing is up."""
        return len(self._talks) + len(self._watching)

    def check(self, target: str, mode: Supervising, phone: str, follow: bool) -> str:
        """The agent whom `target` (a call or an agent) names, if this may be done now. Raises `PeerError`: 404 without
        such a call or agent, 403 when it is not allowed, 409 when the agent does not talk."""
        office, settings = self._office, self._office.settings
        if phone not in settings.phones:
            raise PeerError(f"no phone {phone}", status=404)
        call = office.calls.get(target)
        agent = target if call is None else getattr(call.stage, "agent", "")
        if call is None and target not in settings.agents:
            raise PeerError(f"no live call and no agent {target}", status=404)
        if not agent:
            raise PeerError(f"no agent talks in call {target}", status=409)
        talk = self.talk_of(agent)
        if mode not in self.allowed(phone, agent, talk):
            raise PeerError(f"phone {phone} may not supervise {agent} ({mode})", status=403)
        if talk is None and not follow:
            raise PeerError(f"{agent} does not talk; follow the agent to hear the next call", status=409)
        return agent

    def allowed(self, phone: str, agent: str, talk: "TalkStage | None") -> frozenset[Supervising]:
        """What may be done now: by the queue of the call, or while there is none by those that the agent serves."""
        settings = self._office.settings
        if talk is not None:
            return may(settings, phone, agent, (talk.call.facts.queue,))
        return may(settings, phone, agent, [name for name, queue in settings.queues.items() if agent in queue.agents])
