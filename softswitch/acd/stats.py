"""Every number is a fold over the ledger's facts, and over nothing else: what is added up live, and what is added up
again from the ledger after a crash, is the same.

The facts, with their `data` (times in seconds; every fact has `at`, and names its call, queue and agent):

=====================  ===============================================================================================
`queue.entered`        caller, rank, ahead, needs (by skill, when there are any)
`queue.answered`       offer, waited, rang, within (the service level's seconds)      — the four outcomes of a call:
`queue.abandoned`      waited, position, short (under the queue's `short_abandon`),     exactly one follows each
                       within (the service level's seconds)
`queue.overflowed`     cause, target, waited, position                                  `queue.entered`
`queue.left`           reason, waited, position (taken out by other means)
`offer.made`           offer, waited; ended by exactly one `queue.answered`, `offer.failed` or `offer.withdrawn`
`offer.failed`         offer, cause, rang
`offer.withdrawn`      offer, reason, rang
`offer.refused`        offer (an answer that came too late)
`talk.started`         by (a call that another passed on; talks that an offer began have `queue.answered` instead)
`talk.ended`           talk (this agent's own part of the call)
`wrapup.started`       seconds
`wrapup.extended`      left (seconds from now), by
`wrapup.ended`         lasted, cause
`call.outcome`         code, by (what an agent noted for a call)
`call.prioritised`     seconds, rank, was (position), position, by
`ring.opened`          ring, waited, agents, logged_in (of the ring's pool; ring -1 is the sticky agent)
`strategy.failed`      strategy, error (longest idle goes on in its place)
`agent.moved`          phone, by (hot-desking: logged in at another phone)
`agent.login`          by, phone            `agent.logout`  by            `agent.restored`  pause
`agent.pause`          reason, by           `agent.ready`   by
`agent.state`          state, reason, was, lasted (in `was`)
`transfer.*` `conference.*` `supervise.*` are the switch's: docs/supervision.md has them; nothing is counted from them
`acd.reconfigured`     queues, agents       `acd.ignored`   event, why    `acd.repaired`    invariant, subject, detail
`switch.started`       what lived before it was cut off; `switch.stopped`: the agents' states end here
`call.started`         source (`trunk:NAME`), caller, called
`call.held`            by (who holds)       `call.resumed`  by
`call.ended`           outcome, cause, by, talk, trunks: a list of [name, "in" | "out", status, seconds since answer]
`survey.asked`         survey (the caller heard the first question)
`survey.answer`        survey, question, kind, value, first (of this call); kind `voice`: recording, seconds
`survey.ended`         survey, answers, completed, cause
`callback.*`           counted by kind, by queue
=====================  ===============================================================================================
"""

from collections.abc import Iterable

from softswitch.acd.fold import COUNT, Fold
from softswitch.acd.followed import FactLike, Rules
from softswitch.acd.tally import AgentTotals, QueueTotals, Sums, SurveyTotals, TrunkTotals

__all__ = ["COUNT", "AgentTotals", "Fold", "QueueTotals", "Rules", "Sums", "SurveyTotals", "Totals", "TrunkTotals"]


class Totals(Sums):
    """The fold over all facts, in one."""

    __slots__ = ("_fold",)

    def __init__(self, facts: Iterable[FactLike] = ()) -> None:
        super().__init__()
        self._fold = Fold(whole=self)
        for fact in facts:
            self.add(fact)

    def add(self, fact: FactLike) -> None:
        """Count one fact; kinds that nothing is counted from are fine."""
        self._fold.add(fact)
