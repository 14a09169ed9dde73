"""Makes the switch core with what the last run left in the store."""

import random
from pathlib import Path

from softswitch.acd.model import Fact
from softswitch.kernel.clock import Instant
from softswitch.services.own_strategies import finder
from softswitch.services.prompts import PromptLibrary
from softswitch.services.stir_signing import FileSigner
from softswitch.services.store import Store
from softswitch.sip.flow import Addressing
from softswitch.sip.privacy import ANONYMOUS
from softswitch.switch.settings import Settings
from softswitch.switch.status import midnight_before
from softswitch.switch.switch import Switch


async def make_switch(
    settings: Settings, addressing: Addressing, dice: random.Random, now: Instant, store: Store
) -> Switch:
    """Registrations, agents' states and seats, customers, last agents, call-backs, today's totals and calls that were
    alive come back. Raises `LocalError` when the store cannot be read."""
    library = PromptLibrary(Path(settings.server.data_dir))
    switch = Switch(
        settings,
        addressing,
        dice,
        now,
        lambda name, language: str(library.prompt(name, language)),
        random.SystemRandom(),
        finder(Path(settings.server.data_dir)),
        FileSigner(),
    )
    agents = {
        agent.name: {
            "logged_in": agent.logged_in,
            "pause": agent.reason if agent.paused else None,
            "phone": agent.phone,
        }
        for agent in await store.agents()
    }
    async for facts in store.facts(midnight_before(now, settings.server.timezone)):
        switch.recall(facts)
    last_agents = await store.last_agents(now - settings.acd.remember_days * 86400)
    known = [row for row in last_agents if row[0] != ANONYMOUS]
    longest = max((queue.callback.expire for queue in settings.queues.values() if queue.callback), default=0.0)
    callbacks = [
        Fact(entry.kind, entry.at, entry.call, entry.queue, entry.agent, entry.data)
        for entry in (await store.ledger_entries(since=now - longest, kinds="callback.") if longest else ())
    ]
    live = store.journal.found
    finished = await store.with_record([*(call.id for call in live), *switch.recovery.unanswered])
    switch.recovery.finished(finished)
    bindings, customers = await store.bindings(now), await store.customers()
    messages, greetings = await store.messages(), await store.greetings()
    phones, seen = await store.phones(), await store.last_moment()
    switch.restore(bindings, agents, (), now, customers, known, callbacks, messages, greetings, phones, live, seen)
    return switch
