"""Who may do what by the API: a role for each path and method, and the tokens that have roles.

Each role may what the ones before it may. An endpoint without a row is for `admin` alone; a test says so.
"""

import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from softswitch.switch.settings import Api
from softswitch.switch.settings.server import Role

ROLES: Final[tuple[Role, ...]] = ("read", "supervise", "operate", "admin")

_V1: Final = "/api/v1"

REQUIRED: Final[Mapping[tuple[str, str], Role]] = {
    ("GET", "/metrics"): "read",
    ("GET", f"{_V1}/status"): "read",
    ("GET", f"{_V1}/calls"): "read",
    ("GET", f"{_V1}/calls/{{call}}"): "read",
    ("GET", f"{_V1}/agents"): "read",
    ("GET", f"{_V1}/agents/{{name}}"): "read",
    ("GET", f"{_V1}/queues"): "read",
    ("GET", f"{_V1}/queues/{{name}}"): "read",
    ("GET", f"{_V1}/queues/{{name}}/waiting"): "read",
    ("GET", f"{_V1}/phones"): "read",
    ("GET", f"{_V1}/mailboxes"): "read",
    ("GET", f"{_V1}/mailboxes/{{box}}/messages"): "read",
    ("GET", f"{_V1}/conferences"): "read",
    ("GET", f"{_V1}/conferences/{{name}}"): "read",
    ("GET", f"{_V1}/trunks"): "read",
    ("GET", f"{_V1}/registrations"): "read",
    ("GET", f"{_V1}/hooks"): "read",
    ("GET", f"{_V1}/customers"): "read",
    ("GET", f"{_V1}/customers/{{id}}"): "read",
    ("GET", f"{_V1}/callbacks"): "read",
    ("GET", f"{_V1}/why/calls/{{call}}"): "read",
    ("GET", f"{_V1}/why/agents/{{name}}"): "read",
    ("GET", f"{_V1}/invariants"): "read",
    ("GET", f"{_V1}/records"): "read",
    ("GET", f"{_V1}/records/{{call}}"): "read",
    ("GET", f"{_V1}/ledger"): "read",
    ("GET", f"{_V1}/events"): "read",
    ("GET", f"{_V1}/reports/{{kind}}"): "read",
    ("GET", f"{_V1}/bans"): "read",
    ("GET", f"{_V1}/spending"): "read",
    ("GET", f"{_V1}/recordings"): "supervise",
    ("GET", f"{_V1}/recordings/{{call}}"): "supervise",
    ("GET", f"{_V1}/recordings/{{call}}/audio"): "supervise",
    ("GET", f"{_V1}/recordings/{{path:path}}"): "supervise",
    ("POST", f"{_V1}/recordings/{{call}}/{{verb}}"): "supervise",
    ("POST", f"{_V1}/calls"): "supervise",
    ("DELETE", f"{_V1}/calls/{{call}}"): "supervise",  # below `operate` those alone that the token had begun
    ("POST", f"{_V1}/calls/{{call}}/transfer"): "supervise",
    ("POST", f"{_V1}/calls/{{call}}/supervise"): "supervise",
    ("POST", f"{_V1}/conferences/{{name}}/{{verb}}"): "supervise",
    ("PUT", f"{_V1}/calls/{{call}}/priority"): "supervise",
    ("PUT", f"{_V1}/calls/{{call}}/queue"): "supervise",
    ("POST", f"{_V1}/agents/{{name}}/supervise"): "supervise",
    ("POST", f"{_V1}/agents/{{name}}/{{verb}}"): "supervise",
    ("PUT", f"{_V1}/agents/{{name}}/wrap-up"): "supervise",
    ("PUT", f"{_V1}/agents/{{name}}/outcome"): "supervise",
    ("POST", f"{_V1}/callbacks"): "supervise",
    ("DELETE", f"{_V1}/callbacks/{{id}}"): "supervise",
    ("GET", f"{_V1}/trace/{{id}}"): "operate",
    ("POST", f"{_V1}/queues/{{name}}/close"): "operate",
    ("POST", f"{_V1}/queues/{{name}}/open"): "operate",
    ("PUT", f"{_V1}/queues/{{name}}/settings/{{key}}"): "operate",
    ("DELETE", f"{_V1}/queues/{{name}}/settings/{{key}}"): "operate",
    ("POST", f"{_V1}/queues/{{name}}/agents/{{agent}}"): "operate",
    ("DELETE", f"{_V1}/queues/{{name}}/agents/{{agent}}"): "operate",
    ("PUT", f"{_V1}/agents/{{name}}/settings/{{key}}"): "operate",
    ("DELETE", f"{_V1}/agents/{{name}}/settings/{{key}}"): "operate",
    ("PUT", f"{_V1}/phones/{{name}}/forward/{{kind}}"): "operate",
    ("DELETE", f"{_V1}/phones/{{name}}/forward/{{kind}}"): "operate",
    ("PUT", f"{_V1}/phones/{{name}}/{{what}}"): "operate",
    ("POST", f"{_V1}/phones/{{name}}/resync"): "operate",
    ("DELETE", f"{_V1}/mailboxes/{{box}}/messages"): "operate",
    ("DELETE", f"{_V1}/phones/{{name}}/{{what}}"): "operate",
    ("POST", f"{_V1}/customers"): "operate",
    ("PUT", f"{_V1}/customers/{{id}}"): "operate",
    ("DELETE", f"{_V1}/customers/{{id}}"): "operate",
    ("PUT", f"{_V1}/bans/{{address}}"): "operate",
    ("DELETE", f"{_V1}/bans/{{address}}"): "operate",
    ("GET", f"{_V1}/configuration/diff"): "admin",
    ("DELETE", f"{_V1}/recordings/{{call}}"): "admin",
    ("POST", f"{_V1}/reload"): "admin",
    ("POST", f"{_V1}/drain"): "admin",
}


def may(role: Role, method: str, path: str) -> bool:
    """Whether that role may use the endpoint (its path as a template)."""
    return ROLES.index(role) >= ROLES.index(REQUIRED.get((method, path), "admin"))


class Tokens:
    """The switch's own token, which is `admin`'s, and those of `[api.tokens.NAME]`."""

    def __init__(self, own: str) -> None:
        self._own = sha256(own.encode()).digest()
        self._read: Api | None = None
        self._named: list[tuple[str, Role, bytes]] = []

    def holder(self, token: str, api: Api) -> tuple[str, Role] | None:
        """The name and role of a token; None for one that nobody has. All are compared, each in constant time."""
        if api is not self._read:
            self._read = api
            self._named = [
                (name, one.role, sha256(one.token.encode()).digest() if one.token else bytes.fromhex(one.sha256 or ""))
                for name, one in api.tokens.items()
            ]
        given = sha256(token.encode("utf-8", "surrogateescape")).digest()
        found: tuple[str, Role] | None = None
        for name, role, digest in self._named:
            if secrets.compare_digest(given, digest):
                found = name, role
        return ("own", "admin") if secrets.compare_digest(given, self._own) else found
