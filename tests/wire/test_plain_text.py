"""Bytes that are not UTF-8 (kept by the parser as lone surrogates, PEP 383) reach neither log, database nor API."""

import json
from dataclasses import dataclass

import pytest

from softswitch.acd.model import Fact
from softswitch.services.rows import parameters
from softswitch.switch.records import CallRecord, LegRecord
from softswitch.wire.plain_text import encode, encode_any, plain

BAD = b"10\xff01".decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class View:
    caller: str
    legs: tuple[str, ...]


def test_broken_bytes_are_replaced_and_the_rest_stays() -> None:
    assert plain(BAD) == "10\ufffd01"
    assert plain("Jonas Žemaitis") == "Jonas Žemaitis"


def test_two_halves_of_a_character_are_put_together() -> None:
    assert plain(b"\xc5\xbd".decode("ascii", "surrogateescape")) == "Ž"


def test_surrogates_that_stand_for_no_byte_are_replaced() -> None:
    """RFC 8259 §8.2: a text of JSON may have them by an escape."""
    assert plain(json.loads(r'"a\ud800b\udc41"')) == "a\ufffdb\ufffd"


@pytest.mark.parametrize("value", [{BAD: [BAD, 1, None]}, View(BAD, (BAD,))])
def test_broken_text_becomes_json(value: object) -> None:
    assert json.loads(encode(value)) == json.loads(encode_any(value))
    assert "10\ufffd01" in str(json.loads(encode(value)))


def test_a_log_line_may_hold_anything() -> None:
    assert json.loads(encode_any({"what": BAD, "it": object()}))["it"].startswith("<object")
    with pytest.raises(TypeError):
        encode({"it": object()})


def test_a_row_can_be_written() -> None:
    """A row that the database refuses would keep all rows behind it waiting."""
    record = CallRecord(
        id="1",
        started=1.0,
        ended=2.0,
        outcome="failed",
        called=BAD,
        caller=BAD,
        legs=(LegRecord(party="p", call_id=BAD),),
    )
    for row in (record, (1, Fact("queue.entered", 1.0, "1", data={"caller": BAD}))):
        for value in parameters(row)[1]:
            if isinstance(value, str):
                value.encode()
