"""Logs as people and programs read them; no secret passes."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from softswitch.kernel.errors import LocalError
from softswitch.shell.logs import Repeated, redacted, set_up
from softswitch.switch.settings import Log


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    yield
    set_up(Log(), "test")
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_with_level_time_and_process(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "switch.log"
    set_up(Log(file=str(path), format="json", level="info"), "control")
    log = structlog.get_logger()
    log.debug("hidden")
    log.warning("shown", call="c1", remote=("192.0.2.1", 5060))
    (line,) = lines(path)
    assert line["event"] == "shown"
    assert (line["level"], line["process"], line["call"]) == ("warning", "control", "c1")
    assert str(line["timestamp"]).endswith("Z")


def test_secrets_are_masked(tmp_path: Path) -> None:
    path = tmp_path / "switch.log"
    set_up(Log(file=str(path), format="json"), "control")
    structlog.get_logger().info("trunk", password="hunter2", api_token="t", authorization="Digest x", pin="1234")
    assert "hunter2" not in path.read_text()
    assert {value for key, value in lines(path)[0].items() if key in ("password", "api_token", "pin")} == {"***"}


def test_strangers_give_no_orders_to_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "switch.log"
    set_up(Log(file=str(path), format="console"), "control")
    structlog.get_logger().warning("refused", agent="scanner\x1b]0;gone\x07", name="a\nb", rest="\x9bm\r\n")
    (line,) = path.read_text().splitlines()
    assert line.isprintable()
    assert r"'a\nb'" in line


def test_exceptions_do_not_print_local_variables(tmp_path: Path) -> None:
    path = tmp_path / "switch.log"
    set_up(Log(file=str(path), format="console"), "control")
    secret = "hunter" + "2"
    try:
        raise RuntimeError(f"{len(secret)} letters")
    except RuntimeError:
        structlog.get_logger().exception("broken")
    assert "RuntimeError: 7 letters" in path.read_text()
    assert "hunter2" not in path.read_text()


def test_libraries_log_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "switch.log"
    set_up(Log(file=str(path), format="json"), "control")
    logging.getLogger("asyncio").error("task %s failed", 7)
    logging.getLogger("asyncio").info("chatter")
    assert [(line["event"], line["source"]) for line in lines(path)] == [("task 7 failed", "asyncio")]


def test_a_second_set_up_opens_the_file_anew(tmp_path: Path) -> None:
    """After a rotation: SIGHUP."""
    path = tmp_path / "switch.log"
    set_up(Log(file=str(path), format="json"), "control")
    structlog.get_logger().info("one")
    path.rename(tmp_path / "switch.log.1")
    set_up(Log(file=str(path), format="json"), "control")
    structlog.get_logger().info("two")
    assert [line["event"] for line in lines(path)] == ["two"]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=str(tmp_path)):
        set_up(Log(file=str(tmp_path)), "control")


def test_credentials_are_taken_out_of_messages() -> None:
    text = redacted(b'REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username="u", response="abc"\r\nTo: x\r\n\r\n')
    assert "abc" not in text
    assert "Authorization: Digest ***" in text
    assert "To: x" in text


def test_repeated_lines_are_counted() -> None:
    now = [0.0]
    written: list[tuple[str, dict[str, object]]] = []
    say = Repeated(lambda event, **fields: written.append((event, fields)), 1.0, lambda: now[0])
    for _ in range(1000):
        say("junk", remote="a")
    say("other")
    now[0] = 1.5
    say("junk", remote="b")
    assert written == [("junk", {"remote": "a"}), ("other", {}), ("junk", {"remote": "b", "more": 999})]
