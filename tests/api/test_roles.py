"""Tokens with roles: every endpoint has one, nobody may more than its role, changes name their token."""

import re
from dataclasses import replace
from hashlib import sha256

import httpx
import structlog

from softswitch.api.app import create_app
from softswitch.api.roles import REQUIRED, ROLES, Tokens
from softswitch.switch.settings import Api, ApiToken
from tests.api.rig import SETTINGS, TOKEN, Rig

NAMED = {role: f"the-token-of-{role}" for role in ROLES}
API = Api(
    tokens={
        "wall": ApiToken(token=NAMED["read"], role="read"),
        "vera": ApiToken(sha256=sha256(NAMED["supervise"].encode()).hexdigest(), role="supervise"),
        "desk": ApiToken(sha256=sha256(NAMED["operate"].encode()).hexdigest(), role="operate"),
        "root": ApiToken(token=NAMED["admin"], role="admin"),
    }
)


def client(rig: Rig, token: str) -> httpx.AsyncClient:
    rig.operator._settings = lambda: replace(SETTINGS, api=API)
    transport = httpx.ASGITransport(create_app(rig.operator, TOKEN))
    return httpx.AsyncClient(
        transport=transport, base_url="http://switch", headers={"Authorization": f"Bearer {token}"}
    )


async def endpoints(rig: Rig) -> set[tuple[str, str]]:
    description = (await rig.stranger.get("/openapi.json")).json()
    return {(method.upper(), path) for path, operations in description["paths"].items() for method in operations} - {
        ("GET", "/health")
    }


async def test_every_endpoint_has_a_role_and_no_row_is_left_over(rig: Rig) -> None:
    rows = {(method, path.replace(":path}", "}")) for method, path in REQUIRED}
    assert rows == await endpoints(rig)


async def test_nobody_may_more_than_its_role(rig: Rig) -> None:
    """Refused before the endpoint sees anything; what is allowed may fail in its own way."""
    required = {(method, path.replace(":path}", "}")): role for (method, path), role in REQUIRED.items()}
    for role in ROLES:
        async with client(rig, NAMED[role]) as http:
            for method, path in sorted(await endpoints(rig)):
                if path == "/api/v1/events":
                    continue  # it never ends
                url = re.sub(r"\{\w+\}", "nothing", path.replace("{verb}", "login").replace("{kind}", "queues"))
                allowed = ROLES.index(role) >= ROLES.index(required[method, path])
                if allowed and (path == "/api/v1/drain" or method == "GET"):
                    continue
                answer = await http.request(method, url)
                assert (answer.status_code == 403) is not allowed, (role, method, path, answer.text)


async def test_a_token_is_known_by_its_hash_and_refusals_are_in_the_security_log(rig: Rig) -> None:
    async with client(rig, NAMED["supervise"]) as http:
        assert (await http.get("/api/v1/status")).status_code == 200
        refused = await http.post("/api/v1/reload")
    assert refused.json()["detail"] == 'token "vera" has the role supervise; this needs admin'
    async with client(rig, "guessed") as http:
        assert (await http.get("/api/v1/status")).status_code == 401
    assert rig.operator.security.counts == {"api-forbidden": 1, "api-auth-failed": 1}


async def test_the_security_log_says_what_was_asked_for(rig: Rig) -> None:
    said: list[str] = []
    rig.operator.security.write = lambda event: said.append(event.reason)  # type: ignore[method-assign]  # listened to
    async with client(rig, NAMED["read"]) as http:
        await http.put("/api/v1/bans/203.0.113.9")
    assert said == ["PUT /api/v1/bans/203.0.113.9"]


async def test_a_change_names_its_token(rig: Rig) -> None:
    async with client(rig, NAMED["operate"]) as http:
        with structlog.testing.capture_logs() as lines:
            await http.put("/api/v1/bans/203.0.113.9", json={"seconds": 60, "reason": "by hand"})
            await http.get("/api/v1/bans")
    orders = [line for line in lines if line["event"] == "api.order"]
    assert [(line["by"], line["method"], line["path"]) for line in orders] == [
        ("desk", "PUT", "/api/v1/bans/203.0.113.9")
    ]
    assert NAMED["operate"] not in repr(lines)


def test_a_token_that_two_have_is_the_own_ones() -> None:
    tokens = Tokens(NAMED["read"])
    assert tokens.holder(NAMED["read"], API) == ("own", "admin")
    assert tokens.holder("", API) is None
    assert Tokens("x").holder("", API) is None


async def test_bans_by_hand(rig: Rig) -> None:
    banned = await rig.http.put("/api/v1/bans/203.0.113.9")
    assert [(row["address"], row["reason"]) for row in banned.json()["items"]] == [("203.0.113.9", "by order")]
    assert "softswitch_bans" in (await rig.http.get("/metrics")).text
    assert (await rig.http.put("/api/v1/bans/127.0.0.1")).status_code == 409, "fixed phone 1002 is there, and loopback"
    assert (await rig.http.put("/api/v1/bans/nobody")).status_code == 422
    assert (await rig.http.delete("/api/v1/bans/203.0.113.9")).json()["items"] == []
    assert (await rig.http.delete("/api/v1/bans/203.0.113.9")).status_code == 404
    assert [event.event for event in rig.told] == ["banned", "unbanned"]
    assert (await rig.http.get("/api/v1/spending")).json() == {}
