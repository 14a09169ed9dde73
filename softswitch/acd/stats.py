"""Every number is a fold over the ledger's facts, and over nothing else: what is added up live, and what is added up
again from the ledger after a crash, is the same.

The facts, with their `data` (times in seconds; every fact has `at`, and names its call, queue and agent):

=====================  ===============================================================================================
`queue.entered`        caller, rank, ahead, needs (by skill, when there are any), resumed (the dropped call, or
                       `callback`, whose place it has)
`queue.answered`       offer, waited, rang, within (the service level's seconds)      — the four outcomes of a call:
                       if it had to wait: estimate, low, high, raw (of the wait)        exactly one follows each
`queue.abandoned`      waited, position, short (under the queue's `short_abandon`),
                       within (the service level's seconds), estimate
`queue.overflowed`     cause, target, waited, position                                  `queue.entered`
`queue.left`           reason, waited, position (taken out by other means)
`queue.returned`       waited, within, talk: takes a `queue.answered` back, the agent left before a word was said
`queue.resumed`        by, waited, short, away: takes a `queue.abandoned` and its `queue.entered` back, the
                       caller has called again (as call `by`) and is counted there
`callback.asked`       callback, number, to, by, rank, expires, needs, language; its attempts are calls of their own
`callback.merged`      callback, number, by (one more wish of a number that has a call-back to come)
`callback.taken`       callback, offer, waited, rang (an agent is there for it)
`callback.attempted`   callback, cause, attempts, counted (in vain)
`callback.connected`   callback, attempts, waited (since it was asked for)       — the four ends of a call-back
`callback.cancelled`   callback, cause (cancelled, called-again, removed), by, attempts
`callback.expired`     callback, cause, attempts      `callback.failed`    callback, number, cause, attempts
`callback.restored`    callback (after a restart)
`offer.made`           offer, waited; ended by exactly one `queue.answered`, `callback.taken`, `offer.failed` or
                       `offer.withdrawn`
`offer.failed`         offer, cause, rang
`offer.withdrawn`      offer, reason, rang
`offer.refused`        offer (an answer that came too late)
`talk.started`         by (a call that another passed on; talks that an offer began have `queue.answered` instead)
`talk.moved`           before (the call in which the conversation was, and is no more)
`talk.ended`           talk (this agent's own part of the call)
`wrapup.started`       seconds
`wrapup.extended`      left (seconds from now), by
`wrapup.ended`         lasted, cause
`call.outcome`         code, by (what an agent noted for a call)
`call.prioritised`     seconds, rank, was (position), position, by
`ring.opened`          ring, waited, agents, logged_in (of the ring's pool; ring -1 is the sticky agent)
`strategy.failed`      strategy, error (longest idle goes on in its place)
`agent.moved`          phone, by (hot-desking: logged in at another phone)
`agent.login`          by, phone            `agent.logout`  by, reason    `agent.restored`  pause
`agent.pause`          reason, by           `agent.ready`   by
`agent.state`          state, reason, was, lasted (in `was`)
`transfer.started`     verb, target, by, agent                                         — exactly one of three follows:
`transfer.completed`   target, at, to       `transfer.failed`  target, status, how     `transfer.cancelled`  target, why
`transfer.consulting`  target, to (the third party has answered)
`conference.started`   to (three talk)      `conference.ended` why
`conference.joined`    conference, party, members, moderator   `conference.left`  conference, party
`conference.muted`     conference, party, by; and others that docs/conferences.md lists
`supervise.started`    agent, supervisor, phone, mode, by, follow; `supervise.mode`  mode, by
`supervise.ended`      mode, why, lasted: exactly one for each that started
`supervise.waiting`    mode (the agent does not talk yet)      `supervise.refused`  mode
`recording.ordered`    by (of a call that its queue does not record)
`siprec.started`       server, session, streams (taken)        `siprec.ended`  server, seconds: exactly one for each
`siprec.failed`        server, status (0: none), reason
`fax.started`          by, to (T.38)        `fax.ended`     seconds        `fax.refused`   by, status, why
`acd.reconfigured`     queues, agents       `acd.ignored`   event, why    `acd.repaired`    invariant, subject, detail
`switch.started`       what lived before it was cut off; `switch.stopped`: the agents' states end here
`switch.recovered`     adopted, ended: calls of a control process that died
`call.adopted`         by, agent (one of them goes on: its talk is not lost, as `switch.started` had it)
`call.started`         source (`trunk:NAME`), caller, called
`caller.verified`      verstat, attestation, status (0: good), why, took (STIR)
`call.held`            by (who holds)       `call.resumed`  by
`call.ended`           outcome, cause, by, talk, trunks: a list of [name, "in" | "out", status, seconds since answer]
`survey.asked`         survey (the caller heard the first question)
`survey.answer`        survey, question, kind, value, first (of this call); kind `voice`: recording, seconds
`survey.ended`         survey, answers, completed, cause
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
