"""Names of recordings: by the template, in the server's time zone, out of the reach of who calls."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from softswitch.switch.recording_names import FIELDS, recording_name

AT = 1785596399.0  # 2026-08-01, 14:59:59 UTC


def test_the_fields_of_a_template() -> None:
    values = {"queue": "support", "call": "c1", "caller": "+370 600/00001"}
    name = recording_name("{queue}/{date}/{time}-{caller}-{call}.wav", values, AT, UTC)
    assert name == "support/2026-08-01/145959-+370_600_00001-c1.wav"
    assert recording_name("{agent}/{call}.wav", {"call": "c1"}, AT, UTC) == "none/c1.wav"


def test_dates_and_times_are_those_of_the_zone() -> None:
    assert recording_name("{date}-{time}", {}, AT, ZoneInfo("Europe/Vilnius")) == "2026-08-01-175959"
    assert recording_name("{date}", {}, AT, ZoneInfo("Asia/Tokyo")) == "2026-08-01"
    assert recording_name("{date}", {}, AT, ZoneInfo("Pacific/Auckland")) == "2026-08-02"


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=300)))
def test_nothing_that_a_caller_sends_leads_out_of_the_directory(values: dict[str, str]) -> None:
    root = Path("/var/lib/recordings")
    path = recording_name("{queue}/{agent}/{caller}/{called}/{call}.wav", values, AT, UTC)
    parts = path.split("/")
    assert len(parts) == 5
    assert not any(part.startswith(".") or len(part.encode()) > 255 for part in parts)
    assert root in (root / path).resolve().parents
