"""Conference rooms: PINs, moderators, keys, who speaks and hears, what is said and recorded, and how they end."""

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.switch.conferences import EVERYBODY
from softswitch.switch.events import MediaLost, RecordingRoom, Reload
from softswitch.switch.guesses import FIRST_LOCK
from softswitch.switch.pin_locks import BY_TRUNK, OWN, TRIES
from softswitch.switch.records import SavedRecording
from tests.switch.meeting import Meeting, moderated, open_room
from tests.switch.test_refer import refer


def test_the_pin_lets_members_in_and_the_moderators_pin_moderators() -> None:
    site = Meeting(moderated())
    ann, bob, *_ = site.phones
    first = site.come(ann)
    assert site.said() == ("conference-pin",)
    assert not site.switch.office.conferences.by_name
    site.key(ann, "1234#")
    assert not site.member(ann).moderator
    second = site.come(bob, "9876")
    assert site.member(bob).moderator
    third = site.carrier.call("100")
    site.key(site.carrier, "1234")
    site.prompt_ends()
    site.run(7.0)  # a pause ends the PIN, too
    assert site.heard == {"1001": (1.0, 1.0), "1002": (1.0, 1.0), "carrier": (1.0, 1.0)}
    for party, line in ((ann, first), (bob, second), (site.carrier, third)):
        party.hang_up(line)
    site.nothing_left()


def test_who_is_sent_there_by_a_moderator_is_none() -> None:
    """The moderator's phone has called somebody outside, and refers that party to the conference: it is asked who it
    is, and its wrong PINs are not the phone's."""
    site = Meeting(moderated(moderators=("1001",)))
    ann = site.phones[0]
    line = ann.call("912345678")
    assert line.state == "up"
    assert refer(ann, line, "<sip:600@pbx.test>") == 202
    assert not site.switch.office.conferences.by_name
    assert site.said() == ("conference-pin",)
    site.key(site.carrier, "1#")
    assert site.facts("conference.refused")[-1].data["party"] == "trunk:carrier"
    site.key(site.carrier, "1234#")
    assert not site.member(site.carrier).moderator
    site.carrier.hang_up(site.carrier.line)
    site.nothing_left()


def test_three_wrong_pins_are_a_goodbye() -> None:
    site = Meeting(moderated())
    line = site.come(site.phones[0], "1111")
    assert site.said() == ("conference-pin-wrong", "conference-pin")
    site.key(site.phones[0], "#")
    site.key(site.phones[0], "98765#")
    assert site.said() == ("conference-pin-wrong", "voicemail-goodbye")
    site.key(site.phones[0], "1234#")  # too late
    assert not site.switch.office.conferences.by_name
    site.prompt_ends()
    assert line.state == "over"
    assert [fact.data["why"] for fact in site.facts("conference.refused")] == ["pin"] * 2, "nothing is no guess"
    assert [event.event for event in site.security] == ["conference-pin-wrong"] * 2
    assert not any("1111" in str(fact) or "98765" in str(fact) for fact in site.saved)
    site.nothing_left()


def test_who_guesses_is_locked_out_for_a_while_and_others_are_not() -> None:
    site = Meeting(moderated())
    ann, bob, *_ = site.phones
    for _ in range(OWN.most // TRIES):
        site.come(ann, "1#2#3")
        site.prompt_ends()
    line = site.come(ann, "1234")
    assert not site.switch.office.conferences.by_name, "the right PIN comes too late"
    assert site.facts("conference.refused")[-1].data["locked"]
    ann.hang_up(line)
    other = site.come(bob, "1234")
    assert site.member(bob)
    bob.hang_up(other)
    site.run(FIRST_LOCK + 1.0)
    line = site.come(ann, "1234")
    assert site.member(ann)
    ann.hang_up(line)
    site.nothing_left()


def test_strangers_with_numbers_of_their_own_choice_are_locked_out_together_but_no_phone() -> None:
    site = Meeting(moderated())
    for number in range(BY_TRUNK.most // TRIES + 1):
        stranger = site.party(f"+3706123{number:04}", "198.51.100.10")
        site.carrier = stranger
        site.come(stranger, "1#2#3")
        site.prompt_ends()
    stranger = site.carrier = site.party("+37069999999", "198.51.100.10")
    line = site.come(stranger, "1234")
    assert not site.switch.office.conferences.by_name
    stranger.hang_up(line)
    line = site.come(site.phones[0], "1234")
    assert site.member(site.phones[0])
    site.phones[0].hang_up(line)
    site.nothing_left()


def test_silence_is_no_guess_but_a_goodbye() -> None:
    site = Meeting(moderated())
    ann = site.phones[0]
    for _ in range(OWN.most):
        line = site.come(ann)
        for _ in range(4):
            site.prompt_ends()
            site.run(7.0)
        assert line.state == "over"
    assert not site.security
    line = site.come(ann, "1234")
    assert site.member(ann)
    ann.hang_up(line)
    site.nothing_left()


def test_with_a_moderators_pin_only_others_press_hash() -> None:
    site = Meeting(moderated(pin=None))
    ann, bob, *_ = site.phones
    lines = [site.come(ann, "9876"), site.come(bob)]
    assert site.said() == ("conference-moderator-pin",)
    site.key(bob, "#")
    assert [member.moderator for member in site.room.members.values()] == [True, False]
    ann.hang_up(lines[0])
    bob.hang_up(lines[1])
    site.nothing_left()


def test_only_named_phones_and_those_with_a_route_come() -> None:
    site = Meeting(open_room(phones=("1001", "1002")))
    ann, bob, carol, _ = site.phones
    lines = [site.come(ann), site.come(bob), site.come(site.carrier)]
    refused = site.come(carol)
    assert (refused.state, refused.status) == ("over", 403)
    assert len(site.room.members) == 3
    for party, line in zip((ann, bob, site.carrier), lines, strict=True):
        party.hang_up(line)
    site.nothing_left()


def test_no_more_than_max_members_also_for_who_typed_the_pin_meanwhile() -> None:
    site = Meeting(moderated(max_members=2))
    ann, bob, carol, dora = site.phones
    late = site.come(carol)
    lines = [site.come(ann, "1234"), site.come(bob, "1234")]
    site.key(carol, "1234#")
    assert site.said() == ("conference-full",)
    site.prompt_ends()
    assert late.state == "over"
    busy = site.come(dora)
    assert busy.status == 486, "no PIN is asked where nobody can come in"
    assert site.facts("conference.refused")[-1].data["why"] == "full"
    ann.hang_up(lines[0])
    bob.hang_up(lines[1])
    site.nothing_left()


def test_all_wait_with_music_for_the_moderator_and_hear_each_other_then() -> None:
    site = Meeting(open_room(wait_for_moderator=True, end_with_moderator=True))
    ann, bob, carol, _ = site.phones
    lines = [site.come(bob), site.come(carol)]
    assert site.said() == ("conference-wait",)
    assert not site.heard
    site.prompt_ends()
    music = [player for player, play in site.media.players.items() if not play.loops]
    assert site.media.hears(site.member(bob).leg.id) == site.media.hears(site.member(carol).leg.id) == set(music)
    moderator = site.come(ann)
    assert site.heard == {"1001": (1.0, 1.0), "1002": (1.0, 1.0), "1003": (1.0, 1.0)}
    assert not site.media.hears(site.member(bob).leg.id)
    ann.hang_up(moderator)
    assert site.media.played[-2:] == [("en/conference-ended",)] * 2
    site.prompt_ends()
    assert [line.state for line in lines] == ["over", "over"]
    assert site.facts("conference.over")[0].data["why"] == "the moderator left"
    site.nothing_left()


def test_it_ends_with_the_last_moderator_only() -> None:
    site = Meeting(moderated(end_with_moderator=True))
    ann, bob, carol, _ = site.phones
    first, second = site.come(ann, "9876"), site.come(bob, "9876")
    line = site.come(carol, "1234")
    ann.hang_up(first)
    assert line.state == "up"
    assert len(site.room.members) == 2
    bob.hang_up(second)
    site.prompt_ends()
    assert line.state == "over"
    site.nothing_left()


def test_everybody_mutes_himself_hears_how_many_there_are_and_hears_louder() -> None:
    site = Meeting(open_room())
    ann, bob, *_ = site.phones
    lines = [site.come(ann), site.come(bob)]
    site.key(bob, "*1")
    assert site.heard["1002"] == (0.0, 1.0)
    assert site.said() == ("conference-you-are-muted",)
    site.key(bob, "*1")
    assert site.heard["1002"] == (1.0, 1.0)
    assert site.said() == ("conference-you-are-heard",)
    site.key(bob, "*2")
    assert site.said() == ("conference-members", "number-2")
    site.key(bob, "*3*3")
    assert site.heard["1002"][1] == pytest.approx(2.0, rel=0.01), "6 dB"
    site.key(bob, "*4" * 20)
    assert site.heard["1002"][1] == pytest.approx(0.25)
    bob.hold(lines[1])
    site.key(bob, "*3")
    assert site.heard["1002"][0] == 0.0, "who holds the call says nothing"
    bob.resume(lines[1])
    assert site.heard["1002"][0] == 1.0
    assert [fact.kind for fact in site.saved if getattr(fact, "kind", "").endswith("muted")] == [
        "conference.muted",
        "conference.unmuted",
    ]
    for party, line in zip((ann, bob), lines, strict=True):
        party.hang_up(line)
    site.nothing_left()


def test_moderators_keys_are_no_others() -> None:
    site = Meeting(open_room())
    ann, bob, carol, _ = site.phones
    lines = [site.come(party) for party in (ann, bob, carol)]
    for key in "56789":
        site.key(bob, f"*{key}")
        assert site.said() == ("tone",)
    assert site.heard == {"1001": (1.0, 1.0), "1002": (1.0, 1.0), "1003": (1.0, 1.0)}
    assert not site.room.locked
    site.key(ann, "*5")
    assert site.heard == {"1001": (1.0, 1.0), "1002": (0.0, 1.0), "1003": (0.0, 1.0)}
    site.key(bob, "*1")
    assert site.heard["1002"] == (0.0, 1.0), "whom the moderator mutes stays so"
    assert site.said() == ("conference-muted",)
    site.key(ann, "*6")
    assert site.heard["1002"] == (1.0, 1.0)
    site.key(ann, "*8")
    assert site.said() == ("conference-ejected",)
    assert list(site.heard) == ["1001", "1002"]
    site.prompt_ends()
    assert lines[2].state == "over"
    site.key(ann, "*9")
    site.prompt_ends()
    assert [line.state for line in lines] == ["over"] * 3
    site.nothing_left()


def test_a_locked_room_is_for_moderators_also_when_it_was_locked_while_the_pin_was_typed() -> None:
    site = Meeting(moderated())
    ann, bob, carol, dora = site.phones
    first, late, second = site.come(ann, "9876"), site.come(bob), site.come(carol)
    site.key(ann, "*7")
    assert site.room.locked
    site.key(bob, "1234#")
    assert site.said() == ("conference-closed",)
    site.prompt_ends()
    assert late.state == "over"
    site.key(carol, "9876#")
    assert site.member(carol).moderator
    site.key(carol, "*7")
    third = site.come(dora, "1234")
    assert site.member(dora)
    for party, line in ((ann, first), (carol, second), (dora, third)):
        party.hang_up(line)
    assert [fact.kind for fact in site.saved if getattr(fact, "kind", "").endswith("locked")] == [
        "conference.locked",
        "conference.unlocked",
    ]
    site.nothing_left()


def test_a_new_room_is_open_again() -> None:
    site = Meeting(open_room())
    ann, bob, *_ = site.phones
    line = site.come(ann)
    site.key(ann, "*7")
    ann.hang_up(line)
    line = site.come(bob)
    assert not site.room.locked
    bob.hang_up(line)
    site.nothing_left()


def test_muted_on_entry_but_for_moderators() -> None:
    site = Meeting(open_room(muted=True))
    ann, bob, *_ = site.phones
    lines = [site.come(ann), site.come(bob)]
    assert site.heard == {"1001": (1.0, 1.0), "1002": (0.0, 1.0)}
    site.key(bob, "*1")
    assert site.heard["1002"] == (1.0, 1.0), "that was no moderator's word"
    ann.hang_up(lines[0])
    bob.hang_up(lines[1])
    site.nothing_left()


def test_who_is_alone_for_too_long_is_hung_up() -> None:
    site = Meeting(open_room(idle_timeout=60.0))
    ann, bob, *_ = site.phones
    first, second = site.come(ann), site.come(bob)
    site.run(200.0)
    assert first.state == second.state == "up"
    bob.hang_up(second)
    site.run(50.0)
    site.key(ann, "*")  # the patience for a key's sequel is another deadline
    site.run(9.0)
    assert first.state == "up"
    site.run(2.0)
    assert site.facts("conference.over")[0].data["why"] == "nobody else came"
    site.prompt_ends()
    assert first.state == "over"
    site.nothing_left()


def test_waiting_for_a_moderator_has_an_end_too() -> None:
    site = Meeting(open_room(wait_for_moderator=True, idle_timeout=60.0))
    lines = [site.come(party) for party in site.phones[1:3]]
    site.run(61.0)
    site.prompt_ends()
    assert [line.state for line in lines] == ["over", "over"]
    site.nothing_left()


def test_tones_say_who_comes_and_leaves_one_after_the_other() -> None:
    site = Meeting(open_room())
    ann, bob, carol, _ = site.phones
    lines = [site.come(ann), site.come(bob), site.come(carol)]
    players = {id for id in site.media.rooms[site.room.id] if id in site.media.players}
    assert players == {site.room.player}
    assert len(site.room.sayings) == 2, "the second comer's tone waits"
    site.prompt_ends()
    site.prompt_ends()
    assert not site.room.player
    for party, line in zip((ann, bob, carol), lines, strict=True):
        party.hang_up(line)
    site.nothing_left()


def test_a_name_is_asked_for_announced_and_thrown_away() -> None:
    site = Meeting(open_room(announce="name"))
    site.switch.office._find_prompt = _no_own_names
    ann, bob, *_ = site.phones
    first = site.come(ann)
    assert site.said() == ("say-your-name",)
    site.prompt_ends()  # a tone follows
    site.prompt_ends()
    (path,) = site.media.recorders.values()
    site.key(ann, "#")
    assert site.member(ann).name == path
    second = site.come(bob)
    site.key(bob, "#")
    site.prompt_ends()
    site.run(6.0)  # five seconds are enough for a name
    other = site.member(bob).name
    assert site.media.played[-1] == (other, "en/conference-joined")
    site.prompt_ends()
    bob.hang_up(second)
    assert site.media.played[-1] == (other, "en/conference-left")
    assert not site.removed, "it is being said"
    site.prompt_ends()
    assert site.removed == [other]
    ann.hang_up(first)
    assert site.removed == [other, path]
    site.nothing_left()


def test_who_hangs_up_while_saying_a_name_leaves_no_file() -> None:
    site = Meeting(open_room(announce="name"))
    site.switch.office._find_prompt = _no_own_names
    ann = site.phones[0]
    line = site.come(ann)
    site.prompt_ends()
    site.prompt_ends()
    (path,) = site.media.recorders.values()
    ann.hang_up(line)
    assert site.removed == [path]
    site.nothing_left()


def test_a_media_process_lost_while_a_name_is_said_leaves_no_file() -> None:
    site = Meeting(open_room(announce="name"))
    site.switch.office._find_prompt = _no_own_names
    site.come(site.phones[0])
    site.prompt_ends()
    site.prompt_ends()
    (path,) = site.media.recorders.values()
    site.give(MediaLost(0))
    assert site.removed == [path]
    assert not site.switch.office.conferences.discarded
    assert not site.switch.office.dictations


def test_a_name_said_for_good_is_not_asked_for() -> None:
    """`*96`; afterwards the file is there."""
    site = Meeting(open_room(announce="name"))
    site.switch.office._find_prompt = _no_own_names
    ann, bob, *_ = site.phones
    line = ann.call("*96")
    site.prompt_ends()
    site.prompt_ends()
    (path,) = site.media.recorders.values()
    assert path == "var/names/1001.wav"
    site.key(ann, "#")
    assert site.said() == ("name-kept",)
    site.prompt_ends()
    assert line.state == "over"
    site.switch.office._find_prompt = lambda name, language: name
    lines = [site.come(bob), site.come(ann)]
    assert site.media.played[-1] == (path, "conference-joined")
    bob.hang_up(lines[0])
    ann.hang_up(lines[1])
    assert not site.removed
    site.nothing_left()


def _no_own_names(name: str, language: str) -> str:
    if "/names/" in name:
        raise LocalError("not there")
    return f"{language}/{name}"


def test_the_mix_and_each_member_are_recorded() -> None:
    site = Meeting(open_room(record="members"))
    ann, bob, *_ = site.phones
    first = site.come(ann)
    assert site.said() == ("conference-recorded", "conference-alone")
    second = site.come(bob)
    room = site.room
    assert site.media.rooms[room.id][room.recorder] == (0.0, 1.0)
    assert len(site.media.recorders) == 3
    bob.hang_up(second)
    assert len(site.media.recorders) == 2
    again = site.come(bob)
    bob.hang_up(again)
    ann.hang_up(first)
    site.run(5.0)
    rows = [row for row in site.saved if isinstance(row, SavedRecording)]
    assert len({row.path for row in rows}) == len(rows) == 4
    assert all(row.path.startswith("conferences/board/") and row.channels == 1 for row in rows)
    site.nothing_left()


def test_a_conference_that_waits_is_recorded_from_its_beginning_on() -> None:
    site = Meeting(open_room(record="mix", wait_for_moderator=True))
    ann, bob, carol, _ = site.phones
    early = site.come(carol)
    line = site.come(bob)
    carol.hang_up(early)
    assert not site.media.recorders
    moderator = site.come(ann)
    assert len(site.media.recorders) == 1
    bob.hang_up(line)
    ann.hang_up(moderator)
    site.nothing_left()


def test_without_room_on_the_disk_it_goes_on_unrecorded() -> None:
    site = Meeting(open_room(record="members"))
    site.give(RecordingRoom("the disk is full"))
    line = site.come(site.phones[0])
    assert site.member(site.phones[0])
    assert not site.media.recorders
    assert site.facts("recording.skipped")
    site.phones[0].hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("announce", ["tone", "name"])
def test_a_lost_media_process_ends_it(announce: str) -> None:
    site = Meeting(moderated(announce=announce, end_with_moderator=True, record="members"))
    ann, bob, carol, _ = site.phones
    lines = [site.come(ann, "9876"), site.come(bob, "1234"), site.come(carol)]
    site.give(MediaLost(0))
    assert [line.state for line in lines] == ["over"] * 3
    office = site.switch.office
    assert not office.conferences.by_name
    assert not office.recordings
    assert not office.fabric.players


def test_rules_of_a_live_room_stay_when_the_settings_change() -> None:
    site = Meeting(open_room(end_with_moderator=True))
    ann, bob, *_ = site.phones
    first, second = site.come(ann), site.come(bob)
    site.give(Reload(open_room(end_with_moderator=False, number="601")))
    ann.hang_up(first)
    site.prompt_ends()
    assert second.state == "over"
    assert site.come(bob).status == 404
    line = bob.call("601")
    assert line.state == "up"
    bob.hang_up(line)
    site.nothing_left()


def test_members_come_from_two_media_processes_to_one() -> None:
    site = Meeting(moderated(), workers=2)
    lines = [site.come(party, "1234") for party in site.phones]
    assert {member.leg.worker for member in site.room.members.values()} == {site.room.worker}
    assert len(site.heard) == 4
    site.order("mute", member=EVERYBODY)
    assert {speak for speak, _ in site.heard.values()} == {0.0}
    for party, line in zip(site.phones, lines, strict=True):
        party.hang_up(line)
    site.nothing_left()


def test_a_member_who_holds_is_seen_on_hold() -> None:
    site = Meeting(open_room())
    ann, bob, *_ = site.phones
    lines = [site.come(ann), site.come(bob)]
    ann.hold(lines[0])
    states = {view.source: (view.state, view.held_by) for view in site.switch.desk.calls(site.now)}
    assert states == {"phone:1001": ("on hold", ("phone:1001",)), "phone:1002": ("talking", ())}
    ann.hang_up(lines[0])
    bob.hang_up(lines[1])
    site.nothing_left()
