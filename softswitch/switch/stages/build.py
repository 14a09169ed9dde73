"""The stage that serves a target."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch.stages.asking_callback import AskCallbackStage
from softswitch.switch.stages.conference_door import entrance
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.hook import HookStage
from softswitch.switch.stages.menu import MenuStage
from softswitch.switch.stages.paging import PageStage
from softswitch.switch.stages.parking import ParkHeldStage, ParkStage, RetrieveStage
from softswitch.switch.stages.queueing import QueueStage
from softswitch.switch.stages.sounds import EarlyStage, EchoStage, HoldLineStage, PlayStage, RefuseStage
from softswitch.switch.stages.spelling import DirectoryStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.surveying import SurveyStage
from softswitch.switch.stages.verifying import SignStage
from softswitch.switch.stages.voicemail import VoicemailStage
from softswitch.switch.targets import Target, parse_target
from softswitch.switch.templates import filled
from softswitch.switch.wishes import variables

if TYPE_CHECKING:
    from softswitch.switch.call import Call

_MOST_TARGETS = 30  # queues and menus that are closed may send callers round among them


def stage_for(call: "Call", target: Target, now: Instant) -> Stage:
    """The stage of `target`; a target that the configuration lost meanwhile (reload) is a refusal."""
    office = call.office
    settings = office.settings
    match target.kind:
        case "queue" if target.name in settings.queues:
            return queue_stage(call, target.name, now)
        case "hook" if target.name in settings.hooks:
            return HookStage(call, target.name, settings.hooks[target.name].next or "hangup:")
        case "ivr" if target.name in settings.ivr:
            menu = settings.ivr[target.name]
            if not office.calendar.is_open(menu.hours, now):
                return _elsewhere(call, office.closed_target(menu.closed), now)
            return MenuStage(call, target.name, menu)
        case "survey" if target.name in settings.surveys:
            return SurveyStage(call, target.name, settings.surveys[target.name])
        case "conference":
            return entrance(call, target.name)
        case "directory":
            return DirectoryStage(call, target.name)
        case "voicemail" if target.name in settings.voicemail:
            return VoicemailStage(call, target.name, settings.voicemail[target.name])
        case "callback" if (queue := target.name or call.facts.queue) in settings.queues:
            return AskCallbackStage(call, queue)
        case "park" if target.name in settings.parking:
            return _parking_stage(call, target)
        case "page" if target.name in settings.paging:
            return PageStage(call, target.name, settings.paging[target.name])
        case "play":
            return PlayStage(call, target.name)
        case "early":
            return EarlyStage(call, target.name, target.status)
        case "echo":
            return EchoStage(call)
        case "answer":
            return HoldLineStage(call)
        case "hangup":
            return RefuseStage(call, target.status)
    call.unsigned.clear()  # of ways that were not taken
    ringing = office.directory.ringing(target, call, now)
    if ringing is not None:
        return SignStage(call, ringing) if call.unsigned else DialStage(call, ringing)
    office.log("warning", "target is not there", call=call.id, target=str(target))
    return RefuseStage(call, 404)


def _parking_stage(call: "Call", target: Target) -> Stage:
    """A phone that dials a place takes who is there; one that dials the lot parks what it holds. All others are
    parked."""
    kind, _, name = call.source.partition(":")
    under_way = call.leg.up and not (call.ordered_by and call.targets_passed == 1)
    if kind != "phone" or call.passed_on is not None or under_way:
        return ParkStage(call, target.name, target.number)
    return RetrieveStage(call, target.number) if target.number else ParkHeldStage(call, name)


def queue_stage(call: "Call", name: str, now: Instant) -> Stage:
    """The queue; or where it sends callers while it is closed; or first the hook that is asked about them."""
    office, queue = call.office, call.office.settings.queues[name]
    holiday = office.calendar.is_holiday(queue.hours, now)
    if queue.shut or holiday or not office.calendar.is_open(queue.hours, now):
        target = queue.on_holiday if holiday and queue.on_holiday and not queue.shut else queue.closed
        cause = "shut" if queue.shut else "holiday" if holiday else "hours"
        office.fact("queue.turned_away", now, call.id, at_queue=name, cause=cause, reason=queue.shut, target=target)
        target = target or "play:closed"
        call.facts.queue, call.facts.outcome = name, "overflow"
        return _elsewhere(call, parse_target(filled(target, variables(call))), now)
    if queue.hook is not None and queue.hook in office.settings.hooks and queue.hook not in call.wishes.asked:
        call.facts.queue = name
        return HookStage(call, queue.hook, f"queue:{name}")
    return QueueStage(call, name, queue)


def _elsewhere(call: "Call", target: Target, now: Instant) -> Stage:
    """The stage of where a closed queue or menu sends the call, unless it has been sent on too often."""
    call.targets_passed += 1
    return RefuseStage(call, 482) if call.targets_passed > _MOST_TARGETS else stage_for(call, target, now)
