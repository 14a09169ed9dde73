"""Nobody walks through the PINs of a conference or a mailbox, and guessers shut out nobody but their like."""

from dataclasses import replace

import pytest

from softswitch.switch.events import Reload, Security
from softswitch.switch.guesses import FIRST_LOCK, LONGEST_LOCK, Guesses, Limit
from softswitch.switch.pin_locks import BY_TRUNK, BY_TRUNK_ANYWHERE, OWN, OWN_ANYWHERE, TRIES
from softswitch.switch.settings import Conference
from tests.switch.meeting import Meeting, moderated
from tests.switch.site import Line, Party

DAY = 86_400.0


def test_each_lock_is_twice_as_long_as_the_one_before_up_to_a_day() -> None:
    guesses, limit, now = Guesses(), Limit(3, 600.0), 1000.0
    lengths = []
    for _ in range(9):
        while not guesses.wrong(("a",), limit, now):
            assert not guesses.locked(("a",), now)
        begun = now
        while guesses.locked(("a",), now):
            now += FIRST_LOCK
        lengths.append(now - begun)
    assert lengths == [min(LONGEST_LOCK, FIRST_LOCK * 2**n) for n in range(9)]


def test_a_week_without_being_shut_out_is_forgiven() -> None:
    guesses, limit = Guesses(), Limit(2, 600.0)
    for _ in range(4):
        guesses.wrong(("a",), limit, 0.0)
    assert guesses.locked(("a",), FIRST_LOCK + 1.0)
    at = 20 * DAY
    for _ in range(2):
        guesses.wrong(("a",), limit, at)
    assert guesses.locked(("a",), at + FIRST_LOCK - 1.0)
    assert not guesses.locked(("a",), at + FIRST_LOCK + 1.0)


def test_mistakes_now_and_then_are_forgotten_one_by_one() -> None:
    guesses, limit = Guesses(), Limit(6, 3600.0)
    assert not any(guesses.wrong(("a",), limit, hour * 3600.0) for hour in range(1000))
    assert any(guesses.wrong(("a",), limit, 4e6 + 1800.0 * half) for half in range(20))


def test_what_is_remembered_is_bounded() -> None:
    guesses = Guesses()
    for number in range(12_000):
        guesses.wrong((str(number),), Limit(6, 3600.0), 0.0)
        guesses.wrong(("all",), Limit(200, 300.0), 0.0)
    assert len(guesses) == 10_000
    assert guesses.locked(("all",), 1.0), "who guesses on is not forgotten"


@pytest.mark.parametrize("pace", [1.0, 60.0, 600.0, FIRST_LOCK + 1.0, 1800.0])
def test_a_trunk_full_of_strangers_finds_no_pin_of_four_digits_in_a_month(pace: float) -> None:
    """However patient they are: one guess each `pace` seconds, each from another number."""
    guesses, now, heard = Guesses(), 0.0, 0
    while now < 30 * DAY:
        if guesses.locked(("room",), now):
            now += max(pace, 60.0)
            continue
        heard += 1
        guesses.wrong(("room",), BY_TRUNK, now)
        now += pace
    assert heard < 2500, "of 10,000"


@pytest.mark.parametrize("limit", [OWN, OWN_ANYWHERE, BY_TRUNK, BY_TRUNK_ANYWHERE])
def test_no_pace_is_better_than_the_bucket_allows(limit: Limit) -> None:
    guesses, now, heard = Guesses(), 0.0, 0
    while now < 10 * DAY:
        heard += 1
        assert not guesses.wrong(("a",), limit, now)
        now += limit.seconds
    assert heard <= 10 * DAY / limit.seconds + 1


def shut(site: Meeting, numbers: range) -> None:
    """Strangers guess until nobody of the trunk is heard any more."""
    for number in numbers:
        site.carrier = stranger = site.party(f"+3706123{number:04}", "198.51.100.10")
        site.come(stranger, "1#2#3")
        site.prompt_ends()


def outside(site: Meeting, number: str) -> tuple[Party, Line]:
    site.carrier = party = site.party(number, "198.51.100.10")
    return party, site.come(party, "1234")


def events(site: Meeting, name: str) -> list[Security]:
    return [one for one in site.security if one.event == name]


def test_who_knew_the_pin_before_is_not_shut_out_with_strangers() -> None:
    site = Meeting(moderated())
    member, line = outside(site, "+37069999999")
    assert site.switch.office.conferences.by_name
    member.hang_up(line)
    shut(site, range(BY_TRUNK.most // TRIES))
    party, line = outside(site, "+37068888888")
    assert not site.switch.office.conferences.by_name
    party.hang_up(line)
    site.carrier = site.parties[member.remote] = member
    line = site.come(member, "1234")
    assert site.switch.office.conferences.by_name
    member.hang_up(line)
    site.nothing_left()


def test_guessers_are_an_alarm_and_one_who_mistypes_is_none() -> None:
    site = Meeting(moderated())
    for _ in range(OWN.most // TRIES):
        site.come(site.phones[0], "1#2#3")
        site.prompt_ends()
    assert [one.account for one in events(site, "pin-locked-out")] == ["phone:1001 1001"]
    assert not events(site, "pins-guessed")
    shut(site, range(BY_TRUNK.most // TRIES))
    [told] = events(site, "pins-guessed")
    assert told.reason == "conference board: 60 wrong PINs, all callers of trunk:carrier are locked out"
    site.nothing_left()


def test_going_from_room_to_room_does_not_help() -> None:
    rooms = {f"r{n}": Conference(number=f"6{n:02}", pin="1234") for n in range(5)}
    site = Meeting(replace(moderated(), conferences={**moderated().conferences, **rooms}))
    ann = site.phones[0]
    for number in range(OWN_ANYWHERE.most // TRIES):
        ann.call(f"6{number:02}")
        for digit in "1#2#3#":
            site.key(ann, digit)
        site.prompt_ends()
    line = ann.call("604")
    site.key(ann, "1234#")
    assert not site.switch.office.conferences.by_name, "a room where nobody has guessed"
    ann.hang_up(line)
    site.nothing_left()


def test_a_member_does_not_find_the_moderators_pin() -> None:
    """The right PIN of members does not wipe out the wrong ones of moderators."""
    site = Meeting(moderated())
    ann = site.phones[0]
    for guess in range(OWN.most):
        line = site.come(ann, f"{guess}#1234")
        ann.hang_up(line)
        site.prompt_ends()
        site.run(1.0)
    site.come(ann, "9876")
    assert not site.switch.office.conferences.by_name


def test_another_pin_makes_the_guesses_void() -> None:
    """The operator's remedy."""
    settings = moderated()
    site = Meeting(settings)
    shut(site, range(BY_TRUNK.most // TRIES))
    room = replace(settings.conferences["board"], pin="583927")
    site.give(Reload(replace(settings, conferences={"board": room})))
    site.carrier = party = site.party("+37068888888", "198.51.100.10")
    line = site.come(party, "583927")
    assert site.switch.office.conferences.by_name
    party.hang_up(line)
    site.nothing_left()
