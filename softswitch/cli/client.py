"""Talks to the HTTP API of a running switch. The standard library's client: it imports in a tenth of the time."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from softswitch.cli.failures import OutOfReach
from softswitch.kernel.errors import LocalError

_TIMEOUT: Final = 10.0
_PAGE: Final = 1000
_PIECE: Final = 1 << 18


class Client:
    """Paths are relative to `/api/v1`. Everything raises `OutOfReach` when nobody answers and `LocalError` with the
    API's own words when it refuses."""

    def __init__(self, url: str, token: str, hint: str = "") -> None:
        secure, host, port, path = _parts(url)
        self._url = url
        self._hint = hint
        self._prefix = path.rstrip("/") + "/api/v1"
        self._token = token
        self._connection = (HTTPSConnection if secure else HTTPConnection)(host, port, timeout=_TIMEOUT)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str, **parameters: str | float | None) -> Any:
        """A view."""
        return self._json("GET", path, parameters)

    def query(self, path: str, pairs: list[tuple[str, str]], *, timeout: float) -> Any:
        """A view that takes its time; parameters may be given more than once."""
        self._connection.timeout = timeout
        return self._read(self._send("GET", f"{self._prefix}{path}?{urlencode(pairs)}", None, {}))

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every row of a live list."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.get(path, limit=_PAGE, offset=len(rows))
            rows += page["items"]
            if len(rows) >= page["total"] or not page["items"]:
                return rows

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """An order."""
        return self._json("POST", path, {}, body or {})

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """Set something."""
        return self._json("PUT", path, {}, body)

    def delete(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Take away."""
        return self._json("DELETE", path, {}, body)

    def download(self, path: str) -> Iterator[tuple[int, bytes]]:
        """A file in pieces, each with the length of the whole."""
        response = self._send("GET", self._prefix + path, None, {})
        total = int(response.headers.get("Content-Length", 0))
        try:
            while piece := response.read(_PIECE):
                yield total, piece
        except (OSError, HTTPException) as error:
            raise OutOfReach(f"the switch at {self._url} went away: {error}") from error

    def follow(self, path: str, kinds: tuple[str, ...] = (), after: int | None = None) -> Iterator[dict[str, Any]]:
        """Server-sent events as they come (WHATWG HTML §9.2); ends with the switch."""
        query = f"?{urlencode([('kind', kind) for kind in kinds])}" if kinds else ""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        response = self._send("GET", self._prefix + path + query, None, headers)
        try:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        except (OSError, HTTPException) as error:
            raise OutOfReach(f"the switch at {self._url} went away: {error}") from error

    def _json(
        self, method: str, path: str, parameters: dict[str, str | float | None], body: dict[str, Any] | None = None
    ) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        query = f"?{urlencode(given)}" if given else ""
        return self._read(self._send(method, self._prefix + path + query, body, {}))

    def _read(self, response: HTTPResponse) -> Any:
        try:
            return json.loads(response.read())
        except (OSError, HTTPException) as error:
            raise OutOfReach(f"the switch at {self._url} went away: {error}") from error
        except ValueError as error:
            raise LocalError(f"what answers at {self._url} is no softswitch") from error

    def _send(self, method: str, target: str, body: dict[str, Any] | None, headers: dict[str, str]) -> HTTPResponse:
        headers = headers | {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, target, data, headers)
            response = self._connection.getresponse()
            if response.status < 400:
                return response
            text = response.read()
        except (OSError, HTTPException) as error:
            hint = f"; {self._hint}" if self._hint else ""
            raise OutOfReach(f"no switch answers at {self._url} ({error}){hint}") from error
        raise LocalError(_refusal(response.status, text))


def _parts(url: str) -> tuple[bool, str, int | None, str]:
    """Whether by TLS, host, port and path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LocalError(f"{url}: not an address of an API, such as http://127.0.0.1:8080 ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LocalError(f"{url}: not an address of an API, such as http://127.0.0.1:8080")
    return parts.scheme == "https", parts.hostname, port, parts.path


def part(text: str) -> str:
    """`text` as one part of a path."""
    return quote(text, safe="")


def _refusal(status: int, text: bytes) -> str:
    if status == 401:
        return "the switch does not accept the token"
    try:
        answer = json.loads(text)
        detail = answer["detail"]
    except (ValueError, KeyError, TypeError):
        return f"the switch answered with status {status}"
    if isinstance(detail, list):  # FastAPI's list of wrong parameters
        return "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in detail)
    if found := answer.get("faults", ()):
        from softswitch.services.faults import Fault

        return "\n".join((str(detail), *(str(Fault(**fault)) for fault in found)))
    return str(detail)
