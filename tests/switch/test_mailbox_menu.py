"""Mailboxes: messages are counted and told of, heard, kept, deleted and answered; PINs; the owner's greeting."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.switch.events import DeleteMessage, DeleteRecording, Effect, RecordingMoved, Reported
from softswitch.switch.records import ForgottenMessage, SavedGreeting, SavedMessage
from softswitch.switch.settings import Phone, Route, Settings, Sip, Voicemail
from softswitch.wire.control import PlayDone
from tests.switch.site import Line, Party, Site
from tests.switch.watcher import Watcher

BOX = Voicemail(min_seconds=0.5, number="701", pin="4321")
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        "1001": Phone(password="correct horse"),
        "1002": Phone(password="correct horse", mailbox="office"),
        "1003": Phone(password="correct horse", mailbox="office", message_waiting="always"),
    },
    voicemail={"office": BOX},
    routes=(Route(number="800", to="voicemail:office"),),
)


class Desk(Site):
    """A site that remembers which recordings were to be deleted."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.deleted: list[str] = []
        super().__init__(settings)
        self.caller = self.phone("1001", "192.0.2.11")
        self.owner = Watcher(self, "1002", "192.0.2.12")

    def effects(self, effects: list[Effect]) -> None:
        self.deleted += [effect.path for effect in effects if isinstance(effect, DeleteRecording)]
        super().effects([effect for effect in effects if not isinstance(effect, DeleteRecording)])

    def leave_message(self) -> str:
        """The caller leaves one; its path."""
        line = self.caller.call("800")
        assert line.state == "up"
        self.prompt_ends()
        self.prompt_ends()
        self.run(1.0)
        assert self.media.recorders
        self.caller.hang_up(line)
        self.run(1.0)
        saved = [record for record in self.saved if isinstance(record, SavedMessage)]
        return saved[-1].path

    def open(self, code: str = "*97", party: Party | None = None) -> Line:
        line = (party or self.owner).call(code)
        assert line.state == "up"
        return line

    def key(self, *digits: str, party: Party | None = None) -> None:
        peer = f"phone:{(party or self.owner).name}"
        for digit in digits:
            leg = next(leg for leg in self.switch.office.fabric.legs.values() if leg.peer == peer and not leg.over)
            self.press(leg.id, digit)

    @property
    def said(self) -> tuple[str, ...]:
        """The last prompts, without the language."""
        return tuple(name.removeprefix("en/") for name in self.media.played[-1])

    def facts(self, kind: str) -> list[Fact]:
        return [record for record in self.saved if isinstance(record, Fact) and record.kind == kind]

    @property
    def count(self) -> tuple[int, int]:
        return self.switch.office.mailboxes.count("office")


def test_the_lamp_follows_the_box() -> None:
    """RFC 3842: 0/0, one new, one heard; unasked for the phone that wants it so."""
    site = Desk()
    other = Watcher(site, "1003", "192.0.2.13")
    assert b"Voice-Message: 0/0" in other.notified[-1].body, "told when it registered"
    assert site.owner.subscribe("1002", "message-summary").status == 200
    first = site.owner.notified[-1]
    assert first.body == b"Messages-Waiting: no\r\nMessage-Account: sip:*97@pbx.test\r\nVoice-Message: 0/0 (0/0)\r\n"
    assert first.content_type == "application/simple-message-summary"
    site.leave_message()
    for phone in (site.owner, other):
        assert b"Messages-Waiting: yes" in phone.notified[-1].body
        assert b"Voice-Message: 1/0 (0/0)" in phone.notified[-1].body
    assert other.notified[-1].headers.get("Event") == "message-summary"
    line = site.open()
    site.key("1")
    site.prompt_ends()
    site.run(1.0)
    assert b"Voice-Message: 0/1 (0/0)" in site.owner.notified[-1].body
    site.owner.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize(("number", "status"), [("1002", 200), ("office", 200), ("*97", 200), ("1001", 403)])
def test_whose_lamp(number: str, status: int) -> None:
    site = Desk()
    assert site.owner.subscribe(number, "message-summary").status == status


def test_a_phone_without_a_box() -> None:
    site = Desk()
    phone = Watcher(site, "1001", "192.0.2.11")
    assert phone.subscribe("1001", "message-summary").status == 404
    site.open(party=phone)
    assert site.said == ("unavailable",)


def test_messages_are_heard_saved_and_deleted() -> None:
    site = Desk()
    first, second = site.leave_message(), site.leave_message()
    line = site.open()
    assert site.said == ("mailbox-new", "number-2", "mailbox-saved", "number-0", "mailbox-menu")
    site.key("1")
    assert site.said[:5] == ("message-from", "number-1", "number-0", "number-0", "number-1")
    assert site.said[5:7] == ("message-today", "message-time")
    assert site.said[-1].endswith(first)
    site.prompt_ends()
    assert site.said == ("message-menu",)
    assert site.count == (1, 1)
    site.key("2")
    assert site.said[0] == "message-saved"
    assert site.said[-1].endswith(second)
    site.key("3")
    assert site.said == ("message-deleted", "no-more-messages", "mailbox-menu")
    assert site.deleted == [second]
    assert site.count == (0, 1)
    assert isinstance(site.records(ForgottenMessage)[-1], ForgottenMessage)
    site.key("#")
    site.prompt_ends()
    assert line.state == "over"
    assert [fact.data["path"] for fact in site.facts("voicemail.deleted")] == [second]
    site.nothing_left()


@pytest.mark.parametrize(("days", "word"), [(0, "message-today"), (1, "message-yesterday"), (4, "message-days-ago")])
def test_the_day_is_said(days: int, word: str) -> None:
    site = Desk()
    old = SavedMessage("voicemail/office/a.wav", "office", "a", "", site.now - days * 86400, 3.0)
    site.switch.office.mailboxes.restore((old,), ())
    site.open()
    site.key("1")
    assert site.said[:2] == ("message-hidden", word)


def test_called_back() -> None:
    site = Desk()
    site.leave_message()
    line = site.open()
    site.key("1")
    site.key("4")
    assert site.caller.line.state == "up"
    assert site.count == (0, 1)
    site.owner.hang_up(line)
    assert site.caller.line.state == "over"
    site.nothing_left()


def test_any_box_by_number_and_pin() -> None:
    site = Desk()
    site.leave_message()
    line = site.open("*98", site.caller)
    assert site.said == ("mailbox-number",)
    site.key(*"701#", party=site.caller)
    assert site.said == ("mailbox-pin",)
    site.key(*"4321#", party=site.caller)
    assert site.said[:2] == ("mailbox-new", "number-1")
    site.caller.hang_up(line)
    site.nothing_left()


def test_wrong_pins() -> None:
    """An unknown box sounds like a wrong PIN; three tries a call; after six its right PIN is not heard
    either, from this phone."""
    site = Desk()
    for box in ("701", "999", "701"):
        line = site.open("*98", site.caller)
        for attempt in range(3):
            site.key(*f"{box}#", party=site.caller)
            assert site.said == ("mailbox-pin",)
            site.key(*"0000#", party=site.caller)
            assert site.said == (
                ("mailbox-wrong", "mailbox-number") if attempt < 2 else ("mailbox-wrong", "voicemail-goodbye")
            )
        site.prompt_ends()
        assert line.state == "over"
    line = site.open("*98", site.caller)
    site.key(*"701#4321#", party=site.caller)
    assert site.said[0] == "mailbox-wrong", "this phone is not listened to"
    site.caller.hang_up(line)
    site.run(901.0)
    line = site.open("*98", site.caller)
    site.key(*"701#4321#", party=site.caller)
    assert site.said == ("mailbox-empty", "mailbox-menu")
    site.caller.hang_up(line)
    assert "4321" not in str(site.saved) + str(site.logs)
    site.nothing_left()


def test_a_box_without_pin_opens_to_nobody_else() -> None:
    site = Desk(replace(SETTINGS, voicemail={"office": replace(BOX, pin=None)}))
    site.open("*98", site.caller)
    site.key(*"701##", party=site.caller)
    assert site.said[0] == "mailbox-wrong"
    site.open()
    assert site.said == ("mailbox-empty", "mailbox-menu")


def test_a_pin_at_one_s_own_phone() -> None:
    site = Desk(replace(SETTINGS, voicemail={"office": replace(BOX, ask_pin="always")}))
    site.open()
    assert site.said == ("mailbox-pin",)
    site.key(*"4321")
    site.run(6.0)
    assert site.said == ("mailbox-empty", "mailbox-menu"), "a pause ends the number, too"


def test_silence_ends_it() -> None:
    site = Desk()
    line = site.open()
    for _ in range(4):
        site.prompt_ends()
        site.run(6.0)
    site.prompt_ends()
    assert line.state == "over"
    site.nothing_left()


def test_a_greeting_of_one_s_own() -> None:
    site = Desk()
    line = site.open()
    site.key("0")
    assert site.said == ("greeting-record",)
    site.prompt_ends()
    site.prompt_ends()
    (path,) = site.media.recorders.values()
    assert path.endswith("/greetings/office-1.wav")
    site.run(3.0)
    site.key("#")
    assert site.said == (path, "greeting-menu")
    site.key("1")
    assert site.said == ("greeting-kept", "mailbox-menu")
    assert site.records(SavedGreeting) == [SavedGreeting("office", path)]
    site.owner.hang_up(line)
    caller = site.caller.call("800")
    assert site.media.played[-1] == (f"en/{path}",)
    site.caller.hang_up(caller)
    line = site.open()
    site.key("0")
    site.key("1")
    site.prompt_ends()
    (second,) = site.media.recorders.values()
    assert second.endswith("/greetings/office-2.wav"), "the one that callers hear stays until the new one is kept"
    site.owner.hang_up(line)
    assert not site.media.recorders
    line = site.open()
    site.key("0")
    site.prompt_ends()
    site.prompt_ends()
    site.key("#")
    site.key("3")
    assert site.switch.office.mailboxes.greeting("office") == "voicemail-greeting"
    site.owner.hang_up(line)
    site.nothing_left()


def test_recordings_move_and_go() -> None:
    """Conversion and retention are the keeper's; the box follows."""
    site = Desk()
    path = site.leave_message()
    site.give(RecordingMoved(path, path.replace(".wav", ".mp3")))
    assert [one.path for one in site.switch.office.mailboxes.messages("office")] == [path.replace(".wav", ".mp3")]
    site.give(RecordingMoved(path.replace(".wav", ".mp3")))
    assert site.count == (0, 0)
    path = site.leave_message()
    site.give(DeleteMessage("office", path, "api"))
    assert (site.count, site.deleted) == ((0, 0), [path])
    site.give(DeleteMessage("office", path, "api"))
    assert site.deleted == [path]


def test_a_short_one_is_none() -> None:
    site = Desk(replace(SETTINGS, voicemail={"office": replace(BOX, min_seconds=5.0)}))
    line = site.caller.call("800")
    site.prompt_ends()
    site.prompt_ends()
    site.caller.hang_up(line)
    site.run(1.0)
    assert site.count == (0, 0)


def test_a_message_whose_file_is_gone_is_not_heard() -> None:
    site = Desk()
    site.leave_message()
    site.open()
    site.key("1")

    (player,) = [player for player, play in site.media.players.items() if play.loops]
    del site.media.players[player]
    site.media.edges = {edge for edge in site.media.edges if edge[0] != player}
    site.give(Reported(0, (PlayDone(player, "failed", 0),)))
    assert site.said[0] == "try-later"
    assert site.count == (1, 0)


def test_restored() -> None:
    """Counts outlive a restart."""
    site = Desk()
    old = SavedMessage("voicemail/office/a.wav", "office", "a", "1001", 1.0, 3.0, 2.0)
    new = SavedMessage("voicemail/office/b.wav", "office", "b", "1001", 2.0, 3.0)
    site.switch.office.mailboxes.restore((new, old), (SavedGreeting("office", "/x.wav"),))
    assert site.count == (1, 1)
    assert site.switch.office.mailboxes.messages("office") == [new, old]
    assert site.switch.office.mailboxes.greeting("office") == "/x.wav"


def test_a_full_box_takes_no_more() -> None:
    """Nor more at once than there is room for: strangers must not fill the disk."""
    site = Desk(replace(SETTINGS, voicemail={"office": replace(BOX, max_messages=2)}))
    path = site.leave_message()
    line = site.caller.call("800")
    other = site.phone("1003", "192.0.2.13")
    second = other.call("800")
    assert site.said == ("try-later",), "somebody is about to leave the last one"
    site.prompt_ends()
    site.prompt_ends()
    assert (line.state, second.state) == ("up", "over")
    site.run(1.0)
    site.caller.hang_up(line)
    site.run(1.0)
    assert sum(site.count) == 2
    line = site.caller.call("800")
    assert site.said == ("try-later",)
    assert [fact.data["box"] for fact in site.facts("voicemail.full")] == ["office", "office"]
    site.prompt_ends()
    assert line.state == "over"
    site.give(DeleteMessage("office", path))
    line = site.caller.call("800")
    assert site.said != ("try-later",)
    site.caller.hang_up(line)
    site.nothing_left()
