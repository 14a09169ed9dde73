"""The chain of hashes over recordings, as plain values."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import LocalError
from softswitch.services.chain import GENESIS, ChainEntry, Head, Reading, follow, link_of


def chain() -> list[ChainEntry]:
    """Two recordings; the first is converted, the second deleted, a third made."""
    entries: list[ChainEntry] = []

    def add(kind: str, path: str, **data: object) -> None:
        last = entries[-1] if entries else None
        call = path.partition(".")[0]
        entries.append(
            follow(last, kind, 1.5 * len(entries), call=call, path=path, bytes=80, sha256="ab" * 32, data=data)  # type: ignore[arg-type]  # plain text in a test
        )

    add("recorded", "c1.wav", seconds=1.0)
    add("recorded", "c2.wav", caller="+370 ' \" 1")
    add("converted", "c1.opus", **{"from": "c1.wav"})
    add("deleted", "c2.wav", by="retention")
    add("recorded", "c3.wav")
    return entries


def read(entries: list[ChainEntry], *heads: Head) -> Reading:
    reading = Reading(heads)
    for entry in entries:
        reading.take(entry)
    reading.end()
    return reading


def test_a_sound_chain_says_which_files_there_are() -> None:
    """What was converted stands under its new name, what was deleted stands no more and breaks nothing."""
    reading = read(chain())
    assert reading.findings == []
    assert {path: entry.seq for path, entry in reading.files.items()} == {"c1.opus": 3, "c3.wav": 5}
    assert read([]).findings == []


def test_the_first_entry_follows_from_nothing() -> None:
    first = chain()[0]
    assert first.link == link_of(GENESIS, first)


FIELDS = st.sampled_from(("at", "kind", "call", "path", "bytes", "sha256", "data", "link"))


@given(st.integers(0, 4), FIELDS)
def test_any_changed_field_of_any_entry_shows(place: int, field: str) -> None:
    entries = chain()
    value = getattr(entries[place], field)
    entries[place] = replace(entries[place], **{field: value + 1 if isinstance(value, int | float) else f"{value}x"})
    assert any(f"chain entry {place + 1} (" in found.fault for found in read(entries).findings)


@given(st.integers(0, 3))
def test_a_removed_entry_shows(place: int) -> None:
    entries = chain()
    del entries[place]
    assert any("missing" in found.fault for found in read(entries).findings)


@given(st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_reordered_entries_show(order: list[int]) -> None:
    """Whether their numbers move along or are given anew."""
    entries = chain()
    assert read([entries[place] for place in order]).findings
    renumbered = [replace(entries[place], seq=number + 1) for number, place in enumerate(order)]
    assert read(renumbered).findings


def test_an_entry_made_anew_breaks_all_behind_it() -> None:
    """Who recomputes one link must recompute all; a head that is known elsewhere shows that."""
    entries = chain()
    forged = replace(entries[1], call="x")
    forged = replace(forged, link=link_of(entries[0].link, forged))
    assert [found.fault for found in read([entries[0], forged, *entries[2:]]).findings] == [
        "chain entry 3 (converted): changed, or moved: its link does not fit"
    ]
    again = [entries[0], forged]
    for entry in entries[2:]:
        again.append(replace(entry, link=link_of(again[-1].link, entry)))
    assert read(again).findings == []
    head = Head(entries[-1].seq, entries[-1].link)
    assert [found.path for found in read(again, head).findings] == ["c3.wav"]


def test_a_chain_that_was_cut_off_is_sound_in_itself_but_not_to_a_witness() -> None:
    entries = chain()
    head = Head(entries[-1].seq, entries[-1].link)
    assert read(entries[:3]).findings == []
    assert [found.fault for found in read(entries[:3], head).findings] == [
        "chain entry 5 is missing: the end was cut off"
    ]
    assert read(entries, head).findings == []


def test_a_conversion_of_nothing_shows() -> None:
    entry = follow(None, "converted", 1.0, call="c", path="c.opus", bytes=1, sha256="", data={"from": "c.wav"})
    assert "which the chain does not know" in read([entry]).findings[0].fault


@pytest.mark.parametrize("text", ["", "x", "1:abc", ":" + GENESIS, "-1:" + GENESIS])
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LocalError):
        Head.parse(text)
    assert Head.parse(f"7:{GENESIS}") == Head(7, GENESIS)
