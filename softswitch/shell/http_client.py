"""An HTTP client that is made when somebody first asks."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


class HttpClient:
    """One `httpx.AsyncClient`, which keeps its connections: without redirections and without a proxy of the
    environment. `beside`: further modules that are loaded with it."""

    def __init__(self, *beside: str) -> None:
        self._beside = beside
        self._made: httpx.AsyncClient | None = None
        self._making = asyncio.Lock()

    async def get(self) -> "httpx.AsyncClient":
        """The client."""
        async with self._making:
            if self._made is None:
                # Its import and its certificates take a tenth of a second, which calls must not wait for.
                self._made = await asyncio.to_thread(self._make)
        return self._made

    async def close(self) -> None:
        """Its connections are closed."""
        if self._made is not None:
            await self._made.aclose()

    def _make(self) -> "httpx.AsyncClient":
        for module in self._beside:
            import_module(module)
        client: httpx.AsyncClient = import_module("httpx").AsyncClient(trust_env=False, follow_redirects=False)
        return client
