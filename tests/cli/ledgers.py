"""Databases with a ledger, for commands that read one."""

import asyncio

from softswitch.services.store import Store


def write_ledger(data_dir, facts):
    """A database in `data_dir` whose ledger has these facts."""

    async def write():
        store = await Store.open("sqlite", data_dir, alarm=lambda text: None, backlog=1_000_000)
        for fact in facts:
            store.ledger.append(fact)
        await store.close()

    asyncio.run(write())
