"""Hot-desking: agents who logged in at a phone that is not their own, until they log out.

The configuration says whose phone is whose; a seat stands in its place in the settings that the switch works with, so
everything else (whom to ring, who is busy, whose feature codes these are) knows of no difference. One phone is one
agent's at a time.
"""

from collections.abc import Mapping
from dataclasses import replace
from hmac import compare_digest
from typing import TYPE_CHECKING

from softswitch.acd.model import AgentLogin, AgentLogout
from softswitch.acd.views import AgentView
from softswitch.kernel.clock import Instant
from softswitch.switch.guesses import Guesses, Limit
from softswitch.switch.settings import Settings

if TYPE_CHECKING:
    from softswitch.switch.office import Office

_WRONG = Limit(5, 3600.0)  # of one phone for one agent, until it is refused
_WRONG_ANYWHERE = Limit(20, 1800.0)  # of all phones


class Seats:
    """By agent the phone; agents at their own phones are not here. `settings` are those without seats."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.at: dict[str, str] = {}
        self._guesses = Guesses()
        self._by_number = _by_number(settings)

    def over(self, settings: Settings) -> Settings:
        """Take new settings; they, with agents where they sit. Seats of agents and phones that are gone are left."""
        self.settings = settings
        self._by_number = _by_number(settings)
        self.at = {
            agent: phone for agent, phone in self.at.items() if agent in settings.agents and phone in settings.phones
        }
        return self.seated()

    def seated(self) -> Settings:
        """The settings with agents where they sit."""
        if not self.at:
            return self.settings
        agents = self.settings.agents
        moved = {name: replace(agents[name], phone=phone, phones=()) for name, phone in self.at.items()}
        return replace(self.settings, agents={**agents, **moved})

    def restore(self, remembered: Mapping[str, Mapping[str, object]]) -> None:
        """Where agents sat before the restart, those who are logged in."""
        for agent, memory in remembered.items():
            phone = memory.get("phone")
            if isinstance(phone, str) and phone in self.settings.phones and agent in self.settings.agents:
                self.at[agent] = phone

    def guests(self, phone: str) -> list[str]:
        """Who sits at a phone that is not their own."""
        return [agent for agent, seat in self.at.items() if seat == phone]

    def agent_of(self, dialled: str, phone: str, now: Instant) -> str:
        """The agent whose number and pin these are (`201`, `201*1234`, `201#1234`), or nothing. After several wrong
        pins at `phone` the number is refused there for a while, the right pin too; after more of them everywhere."""
        number, _, pin = dialled.replace("#", "*").partition("*")
        agent = self._by_number.get(number, "")
        if not agent:
            return ""
        right = self.settings.agents[agent].pin
        limits = (((agent, right, phone), _WRONG), ((agent, right), _WRONG_ANYWHERE))
        if right is None:
            return agent
        if any(self._guesses.locked(key, now) for key, _ in limits):
            return ""
        if compare_digest(pin.strip("*").encode(), right.encode()):
            return agent
        for key, limit in limits:
            self._guesses.wrong(key, limit, now)
        return ""


def _by_number(settings: Settings) -> dict[str, str]:
    return {agent.number: name for name, agent in settings.agents.items() if agent.number}


def refusal(office: "Office", agent: str, phone: str, now: Instant) -> str:
    """Why the agent cannot log in at `phone` (empty: at its own); empty when it can."""
    if agent not in office.settings.agents:
        return f"no agent {agent}"
    if phone and phone not in office.settings.phones:
        return f"no phone {phone}"
    parties = office.fabric.parties
    wanted = (phone,) if phone else office.seats.settings.agents[agent].devices
    if parties[f"agent:{agent}"] and wanted != office.settings.agents[agent].devices:
        return f"agent {agent} is in a call at another phone"
    for other in _occupants(office, agent, phone, now):
        if parties[f"agent:{other}"]:
            return f"the phone is taken: agent {other} is in a call there"
    return ""


def sit(office: "Office", agent: str, phone: str, by: str, now: Instant) -> str:
    """Log an agent in, at `phone` or (empty) at its own. Who was logged in there and has no call is logged out: it is
    another's place now. Returns why not, or nothing."""
    seats = office.seats
    why = refusal(office, agent, phone, now)
    if why:
        office.fact("agent.refused", now, at_agent=agent, phone=phone, by=by, why=why)
        return why
    for other in _occupants(office, agent, phone, now):
        office.acd(AgentLogout(other, f"agent:{agent}"), now)
        leave(office, other, now)
    before = office.settings.agents[agent].devices
    if phone and phone != seats.settings.agents[agent].phone:
        seats.at[agent] = phone
    else:
        seats.at.pop(agent, None)
    _reseat(office, before, agent, now)
    office.acd(AgentLogin(agent, by, seats.at.get(agent, "")), now)
    return ""


def _occupants(office: "Office", agent: str, phone: str, now: Instant) -> list[str]:
    """Others who are logged in where the agent wants to. Agents who share a phone by the configuration may be logged in
    there together, as long as none of them hot-desks."""
    wanted = (phone,) if phone else office.seats.settings.agents[agent].devices
    rivals = []
    for place in wanted:
        here = office.directory.agents_of_phone.get(place, ()) if phone else office.seats.guests(place)
        rivals += [other for other in here if other != agent and _logged_in(office.engine.agent_view(other, now))]
    return rivals


def _logged_in(view: AgentView | None) -> bool:
    return view is not None and view.logged_in


def leave(office: "Office", agent: str, now: Instant) -> None:
    """The agent logged out: the seat is free."""
    if agent in office.seats.at:
        before = office.settings.agents[agent].devices
        del office.seats.at[agent]
        _reseat(office, before, agent, now)


def _reseat(office: "Office", before: tuple[str, ...], agent: str, now: Instant) -> None:
    """Put seats into effect, and tell the ACD what that means for the agent and for its phones, old and new."""
    office.reseat()
    for phone in dict.fromkeys((*before, *office.settings.agents[agent].devices)):
        office.tell_reachable(phone, now)
        office.tell_busy(phone, now)
