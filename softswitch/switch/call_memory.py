"""What a live call must remember so that another control process can go on with it, or end it properly and write its
record: plain values, which the store keeps.

Secrets that callers have typed stand here as they stand in call records: as stars.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from softswitch.call import leg_memory
from softswitch.call.leg import Leg
from softswitch.call.leg_memory import LegMemory
from softswitch.kernel.clock import Instant
from softswitch.sip.session_memory import SessionMemory
from softswitch.switch.facts import Facts
from softswitch.switch.guards import CostMemory
from softswitch.switch.recording import RecordingMemory
from softswitch.switch.records import LegRecord
from softswitch.switch.stages.queueing import QueueStage
from softswitch.switch.stages.talking import TalkStage

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class TalkMemory(msgspec.Struct, frozen=True, array_like=True):
    """Two who talk (`TalkStage`); `since` when they began, `held_since` when the caller was put on hold."""

    at: str
    agent: str
    music: str
    record: bool
    since: Instant
    held_since: Instant | None


class SpokenMemory(msgspec.Struct, frozen=True, array_like=True):
    """When the party with the stream `leg` spoke with the other side, and since when it does so now."""

    leg: int
    times: tuple[tuple[Instant, Instant], ...]
    since: Instant | None


class CallMemory(msgspec.Struct, frozen=True, array_like=True):
    """`own` is the call's own party, `others` the rest, as far as they have answered. `queued` is when it began to wait
    in a queue, if it waits. `whole`: nothing of it is left out here, so it can be gone on with. `orphans` are dialogs
    that end with this process whatever becomes of the call (with a recording server). `media` is the process id of the
    media process. Fields are only ever
    added at the end, with a default: a new program reads what an older one wrote."""

    id: str
    source: str
    caller: str
    caller_name: str
    called: str
    number: str
    caller_id: str | None
    language: str
    max_forwards: int
    started: Instant
    facts: Facts
    own: LegMemory | None
    others: tuple[LegMemory, ...]
    talk: TalkMemory | None
    recording: RecordingMemory | None
    spoken: tuple[SpokenMemory, ...]
    earlier: tuple[LegRecord, ...]
    costs: tuple[CostMemory, ...]
    queued: Instant | None
    first_queued: Instant | None
    route_record: bool | None
    sent_by: str
    vouched: bool
    private: bool
    secured: bool
    secrets: tuple[str, ...]
    whole: bool
    ordered_by: str = ""
    orphans: tuple[SessionMemory, ...] = ()
    media: int = 0

    @property
    def legs(self) -> tuple[LegMemory, ...]:
        """All parties."""
        return self.others if self.own is None else (self.own, *self.others)

    @property
    def worker(self) -> int | None:
        """The media process that has the streams."""
        return self.legs[0].worker if self.legs else None


def remembered(call: "Call", now: Instant) -> CallMemory | None:
    """The call as it is now; None while nobody has answered, or when it is over."""
    if call.over:
        return None
    stage = call.stage
    own = leg_memory.remembered(call.leg)
    legs = stage.legs()
    others = tuple(memory for leg in legs if (memory := leg_memory.remembered(leg)) is not None)
    if own is None and not others:
        return None
    talk = _talk(stage) if isinstance(stage, TalkStage) else None
    faxes = call.office.faxes.by_session
    server = call.office.ua.memory(call.recording.sip_session) if call.recording.sip_session else None
    whole = (
        talk is not None
        and isinstance(stage, TalkStage)
        and stage.plain
        and own is not None
        and len(others) == len(legs) == 1
        and all(memory.stream is not None and memory.stream.whole for memory in (own, *others))
        and not (faxes and (call.leg.session in faxes or stage.callee.session in faxes))
        and not call.callback
        and call.passed_on is None
    )
    return CallMemory(
        call.id, call.source, call.caller, call.caller_name, call.called, call.number, call.caller_id, call.language,
        call.max_forwards, call.started, replace(call.facts, collected=call.collected()), own, others, talk,
        call.recording.memory(), _spoken(call, (call.leg, *legs)), call.earlier_legs(),
        call.office.guards.memory(call), stage.since if isinstance(stage, QueueStage) else None, call.first_queued,
        call.route_record, call.sent_by, call.vouched, call.private, call.secured,
        tuple(call.secrets), whole, call.ordered_by, () if server is None else (server,),
        call.office.fabric.pid(call.leg.worker),
    )  # fmt: skip


def _talk(stage: TalkStage) -> TalkMemory:
    return TalkMemory(stage.at, stage.agent, stage.music, stage.records, stage.since, stage.held_since)


def _spoken(call: "Call", legs: tuple[Leg, ...]) -> tuple[SpokenMemory, ...]:
    found = []
    for leg in legs:
        times, since = call.spoken(leg)
        if times or since is not None:
            found.append(SpokenMemory(leg.id, times, since))
    return tuple(found)
