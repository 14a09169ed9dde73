"""Callers who would rather be called back than wait on."""

from dataclasses import replace

import pytest

from softswitch.acd.engine import Engine
from softswitch.acd.model import AgentSettings, CallbackSettings, QueueSettings
from softswitch.acd.simulation import run
from softswitch.acd.simulation.load import Behaviour, CallbackLoad, Load, QueueLoad
from softswitch.acd.simulation.run import Stretch, run_stretch
from softswitch.acd.simulation.site import Site
from softswitch.acd.simulation.times import Times

NAMES = ("anna", "boris", "cleo")
SITE = Site(
    queues={"support": QueueSettings(agents=NAMES, wrap_up=10.0, callback=CallbackSettings(pause=120.0))},
    agents=dict.fromkeys(NAMES, AgentSettings()),
)
LOAD = Load(
    queues={
        "support": QueueLoad(
            profile={"09:00": 70.0, "13:00": 10.0, "18:00": 0.0},  # a rush, and time to work it off
            patience=150.0,
            talk=180.0,
            callback=CallbackLoad(share=0.5, after=Times(mean=30.0, distribution="constant"), reached=0.7),
        )
    },
    agents=Behaviour(no_answer=0.02),
)


def with_callback(**settings):
    rules = CallbackSettings(pause=120.0, **settings)
    return replace(SITE, queues={"support": replace(SITE.queues["support"], callback=rules)})


@pytest.mark.parametrize("first", ["agent", "customer"])
def test_every_callback_ends_in_one_outcome(first, monkeypatch):
    engines, wrong, facts = [], [], []

    class Watched(Engine):
        __slots__ = ()

        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            engines.append(self)

    monkeypatch.setattr(run, "Engine", Watched)
    site = with_callback(first=first)
    outcome = run_stretch(
        site,
        Stretch(load=LOAD),
        progress=lambda now: wrong.extend(engines[0].check(now)),
        record=facts.append,
    )
    assert wrong == []
    assert not outcome.sums.ignored
    assert outcome.all_calls.waiting == 0
    asked = [fact.data["callback"] for fact in facts if fact.kind == "callback.asked"]
    ends = ("callback.connected", "callback.failed", "callback.expired", "callback.cancelled")
    ended = [fact.data["callback"] for fact in facts if fact.kind in ends]
    assert len(asked) > 20
    assert sorted(asked) == sorted(ended)
    connected = sum(fact.kind == "callback.connected" for fact in facts)
    assert connected / len(asked) == pytest.approx(1 - 0.3**3, abs=0.06), "three attempts, each reaches 70 %"
    assert any(fact.kind == "callback.attempted" for fact in facts)
    talked = {fact.call for fact in facts if fact.kind == "talk.ended"}
    assert talked >= {fact.call for fact in facts if fact.kind == "callback.connected" and fact.agent}


def test_a_policy_is_compared_by_whether_its_queue_offers_callbacks():
    """The same callers, with and without. What is served does not shrink; who is called back keeps its place, so in a
    rush the others wait as long as before."""
    without = replace(SITE, queues={"support": replace(SITE.queues["support"], callback=None)})
    before, after = (run_stretch(site, Stretch(load=LOAD)).all_calls for site in (without, SITE))
    assert before.callbacks["asked"] == 0
    assert after.callbacks["connected"] > 50
    assert after.abandoned < before.abandoned
    assert after.answered + after.callbacks["connected"] >= before.answered


def test_the_same_seed_calls_back_the_same():
    first, second = [], []
    run_stretch(SITE, Stretch(load=LOAD), record=first.append)
    run_stretch(SITE, Stretch(load=LOAD), record=second.append)
    assert first == second
