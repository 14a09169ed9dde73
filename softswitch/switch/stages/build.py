"""The stage that serves a target."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.menu import MenuStage
from softswitch.switch.stages.queueing import QueueStage
from softswitch.switch.stages.sounds import EarlyStage, EchoStage, HoldLineStage, PlayStage, RefuseStage
from softswitch.switch.stages.stage import Stage
from softswitch.switch.stages.surveying import SurveyStage
from softswitch.switch.targets import Target

if TYPE_CHECKING:
    from softswitch.switch.call import Call


def stage_for(call: "Call", target: Target, now: Instant) -> Stage:
    """The stage of `target`; a target that the configuration lost meanwhile (reload) is a refusal."""
    office = call.office
    settings = office.settings
    match target.kind:
        case "queue" if target.name in settings.queues:
            return QueueStage(call, target.name, settings.queues[target.name])
        case "ivr" if target.name in settings.ivr:
            menu = settings.ivr[target.name]
            if not office.calendar.is_open(menu.hours, now):
                return stage_for(call, office.closed_target(menu.closed), now)
            return MenuStage(call, target.name, menu)
        case "survey" if target.name in settings.surveys:
            return SurveyStage(call, target.name, settings.surveys[target.name])
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
    ringing = office.directory.ringing(target, call, now)
    if ringing is not None:
        return DialStage(call, ringing)
    office.log("warning", "target is not there", call=call.id, target=str(target))
    return RefuseStage(call, 404)
