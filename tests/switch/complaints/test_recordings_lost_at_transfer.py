"""Complaint: recordings lost at transfer (mikopbx#1125, #1100; asterisk#1276). Ours: the recorder is a sink of the mix,
not of a leg, so that one file holds the call whoever comes and goes."""

import pytest

from softswitch.switch.records import SavedRecording
from tests.switch.test_refer import refer
from tests.switch.test_transfers import Talk


@pytest.mark.parametrize(
    "how", ["blind", "attended", "three-way", "refer", "queue", "twice"]
)  # fmt: skip
def test_one_file_holds_the_whole_call(how: str) -> None:
    """Also where the next party is one whose calls are not recorded by themselves (`calls = "queue"`)."""
    talk = Talk()
    (recorder,) = talk.site.media.recorders
    match how:
        case "blind":
            talk.keys(talk.alice, "*11003#")
        case "attended":
            talk.keys(talk.alice, "*21003#*3")
        case "three-way":
            talk.keys(talk.alice, "*21003#*5")
            talk.alice.hang_up(talk.alice.line)
        case "refer":
            assert refer(talk.alice, talk.alice.line, "<sip:1003@pbx.test>") == 202
        case "queue":
            talk.keys(talk.alice, "*17001#")
            assert talk.recorded()[0] == {talk.caller}, "music is not the caller's, the caller is heard all along"
            talk.site.run(30.0)
        case "twice":
            talk.keys(talk.alice, "*17001#")
            talk.site.run(30.0)
            talk.keys(talk.alice, "*11003#")
    talk.site.run(30.0)
    assert set(talk.site.media.recorders) == {recorder}
    (other,) = (leg.id for leg in talk.call.stage.legs())
    assert talk.recorded() == {0: {talk.caller}, 1: {other}}
    talk.carrier.hang_up(talk.line)
    talk.site.run(3.0)
    (row,) = talk.site.records(SavedRecording)
    assert isinstance(row, SavedRecording)
    assert (row.call, row.fault) == (talk.call.id, "")
    assert [kind for kind, _ in talk.facts("recording.")] == ["recording.started", "recording.ended"]
    talk.site.nothing_left()
