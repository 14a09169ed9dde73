"""Whatever a client with a token sends, by every route and method of the description: an answer, never status 500."""

import json
import random
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.api.rig import Rig

ODD = (
    *("", "\0", "\ud800", "x" * 5000, "../..", "\u202e", "a b", "nan", "queue:support", "agent:alice", "alice", "1001"),
    *(0, -1, 1e308, 2**70, float("nan"), float("inf"), 1.5, None, True, [], [None], {}, {"a": {"b": 1}}, ["a"] * 3),
)
NAMES = ("alice", "support", "1001", "office", "team", "nope", "\0", "a b", "wrap_up", "skills.en", "..", "203.0.113.5")
LEFT_OUT = {"/api/v1/events", "/api/v1/drain", "/api/v1/reports/{kind}"}  # a stream, the end, a process each


def fields_of(operation: dict[str, Any], description: dict[str, Any]) -> list[str]:
    """The names in the body that the operation describes."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    shapes = [content, *content.get("anyOf", ()), *content.get("allOf", ())]
    named = [shape["$ref"].rpartition("/")[2] for shape in shapes if "$ref" in shape]
    return [field for name in named for field in description["components"]["schemas"][name].get("properties", ())]


@pytest.mark.parametrize("seed", range(2))
async def test_no_request_is_too_odd(rig: Rig, seed: int) -> None:
    dice = random.Random(seed)
    rig.media_up()
    description = (await rig.http.get("/openapi.json")).json()
    failed: list[str] = []
    asked = 0
    for template, operations in description["paths"].items():
        for method, operation in operations.items() if template not in LEFT_OUT else ():
            fields = fields_of(operation, description)
            places = [one for one in operation.get("parameters", ()) if one["in"] == "path"]
            query = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            for _ in range(6):
                path = template
                for place in places:
                    path = path.replace(f"{{{place['name']}}}", quote(dice.choice(NAMES), safe=""))
                if query:
                    texts = [one for one in ODD if isinstance(one, str) and one.isprintable()]
                    path += f"?{urlencode({dice.choice(query): dice.choice((*texts, 2**70, -1, 1e308, 'nan'))})}"
                body = {field: dice.choice(ODD) for field in fields if dice.random() < 0.8}
                content = json.dumps(body if dice.random() < 0.9 else dice.choice(ODD)).encode() if fields else b""
                kind = {"Content-Type": "application/json"}
                answer = await rig.http.request(method, path, content=content, headers=kind)
                asked += 1
                if answer.status_code >= 500:
                    failed.append(f"{answer.status_code} {method} {path[:100]} {content[:200]!r}")
    assert not failed
    assert asked > 300
    assert rig.driver.faults == 0
