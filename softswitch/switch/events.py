"""The words between the switch core and the shell: what comes in, what the shell must do."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from softswitch.kernel.clock import Instant
from softswitch.sip.flow import Flow, Send
from softswitch.switch.settings import Settings
from softswitch.wire.control import Command, Report
from softswitch.wire.sip import Request, Response

# ------------------------------------------------------------------------------------------------------- events in


@dataclass(frozen=True, slots=True)
class Arrived:
    """A SIP message came in by `flow`."""

    message: Request | Response
    flow: Flow


@dataclass(frozen=True, slots=True)
class FlowFailed:
    """Bytes could not be sent, or the connection broke."""

    flow: Flow


@dataclass(frozen=True, slots=True)
class Reported:
    """A media process said something (`Ready` first of all)."""

    worker: int
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class MediaLost:
    """The connection to a media process broke: its legs are gone unless it comes back with them (`Ready` again)."""

    worker: int


@dataclass(frozen=True, slots=True)
class Reload:
    """The configuration changed."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class Drain:
    """No new calls from here on."""


@dataclass(frozen=True, slots=True)
class HangUpCall:
    """An operator ends a call."""

    call: str


@dataclass(frozen=True, slots=True)
class AgentCommand:
    """An operator or a supervisor sets an agent's state."""

    agent: str
    verb: Literal["login", "logout", "pause", "ready"]
    reason: str = ""
    by: str = "operator"


@dataclass(frozen=True, slots=True)
class Resolved:
    """The host name of a trunk stands for these addresses now."""

    trunk: str
    addresses: tuple[str, ...]


SwitchEvent: TypeAlias = (
    Resolved | Arrived | FlowFailed | Reported | MediaLost | Reload | Drain | HangUpCall | AgentCommand
)


# ------------------------------------------------------------------------------------------------------ effects out


@dataclass(frozen=True, slots=True)
class ToMedia:
    """Commands for media process `worker`, in order."""

    worker: int
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """A row for the store: a call record, a ledger entry, a binding, an agent's state (see `switch/records.py`)."""

    record: object


@dataclass(frozen=True, slots=True)
class Log:
    """A line for the operator's log. `fields` hold plain values, never secrets."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drained:
    """After `Drain`: the last call has ended."""

    at: Instant


Effect: TypeAlias = Send | ToMedia | Save | Log | Drained
