"""Asks hooks by HTTP. The core decides whom and when; here every question gets exactly one `HookAnswered`, in time."""

import asyncio
from collections.abc import Callable

from softswitch.shell.http_client import HttpClient
from softswitch.switch.events import AskHook, HookAnswered
from softswitch.switch.hooks import MOST_ANSWER


class HookClient:
    """Questions run beside the loop's work; connections are kept for the next one."""

    def __init__(self, give: Callable[[HookAnswered], None]) -> None:
        self._give = give
        self._http = HttpClient()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """Questions under way."""
        return len(self._tasks)

    def ask(self, question: AskHook) -> None:
        """Returns at once; the answer comes to `give`."""
        task = asyncio.get_running_loop().create_task(self._ask(question), name=f"hook-{question.number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Questions under way are dropped."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    async def _ask(self, question: AskHook) -> None:
        try:
            async with asyncio.timeout(question.timeout):  # of the whole exchange; the client's own are of each step
                status, body = await self._post(question)
            answer = HookAnswered(question.number, status, body)
        except TimeoutError:
            answer = HookAnswered(question.number, 0, b"", "time-out")
        except Exception as error:  # whatever an HTTP client raises: the call that waits must hear of it
            detail = " ".join(f"{type(error).__name__}: {error}".split())
            answer = HookAnswered(question.number, 0, b"", detail[:200])
        self._give(answer)

    async def _post(self, question: AskHook) -> tuple[int, bytes]:
        client = await self._http.get()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if question.token:
            headers["Authorization"] = f"Bearer {question.token}"
        async with client.stream("POST", question.url, content=question.body, headers=headers) as response:
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MOST_ANSWER:
                    raise ValueError(f"an answer of more than {MOST_ANSWER} octets")
            return response.status_code, body
