"""Messages from mailboxes by mail, to a real SMTP server on loopback."""

import asyncio
import io
import socket
import time
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import numpy as np
import pytest
import soundfile
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from softswitch.services.alarms import Alarms
from softswitch.services.mail import MailRoom
from softswitch.services.recordings import Recordings
from softswitch.switch.records import SavedRecording
from softswitch.switch.settings import Mail, Settings, Voicemail
from softswitch.switch.settings import Server as ServerSettings

ROW = SavedRecording("voicemail/box/c1.wav", "c1", 1_800_000_000.0, 3.0, 100, caller="+37061234567")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Inbox:
    """What the server got. `verdicts` are its answers to DATA, in turn; then 250."""

    def __init__(self, *verdicts: str) -> None:
        self.verdicts = list(verdicts)
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        if self.verdicts:
            return self.verdicts.pop(0)
        self.envelopes.append(envelope)
        return "250 taken"


class Office:
    def __init__(self, tmp_path: Path, port: int, **mail: object) -> None:
        self.folder = tmp_path
        voicemail = {"box": Voicemail(mail="office@example.com"), "silent": Voicemail()}
        given = {"host": "127.0.0.1", "port": port, "security": "none", "timeout": 2.0} | mail
        self.settings = Settings(
            voicemail=voicemail,
            mail=Mail(**given),
            server=ServerSettings(timezone="Europe/Vilnius"),  # type: ignore[arg-type]
        )
        self.said: list[tuple[object, ...]] = []
        self.alarms = Alarms(lambda *line: self.said.append(line))
        self.sent: list[tuple[str, str]] = []
        file = tmp_path / "recordings" / ROW.path
        file.parent.mkdir(parents=True)
        tone = (8000 * np.sin(np.arange(24000) * 2 * np.pi * 440 / 8000)).astype(np.int16)
        soundfile.write(file, tone, 8000)

    def room(self) -> MailRoom:
        recordings = Recordings(self.folder / "recordings")
        return MailRoom(
            lambda: self.settings, self.folder / "mail", recordings, self.alarms, clock=time.time,
            say=lambda *line: self.said.append(line), sent=lambda *what: self.sent.append(what), again=(0.02, 0.05),
        )  # fmt: skip

    @property
    def spooled(self) -> list[str]:
        return [file.name for file in (self.folder / "mail").glob("*")]


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.01)


def delivered(
    tmp_path: Path, inbox: Inbox, check: Callable[[Office, MailRoom], Awaitable[None]], **mail: object
) -> Office:
    controller = Controller(
        inbox, hostname="127.0.0.1", port=free_port(), auth_require_tls=False, authenticator=_anybody
    )
    controller.start()
    try:
        office = Office(tmp_path, controller.port, **mail)

        async def life() -> None:
            room = office.room()
            room.start()
            try:
                await check(office, room)
            finally:
                await room.close()

        asyncio.run(life())
    finally:
        controller.stop()
    return office


def _anybody(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me", b"secret")
    return AuthResult(success=good)


async def _one(office: Office, room: MailRoom) -> None:
    room.recorded(ROW)
    await until(lambda: office.sent)


@pytest.mark.parametrize(("attach", "kind"), [("wav", "audio/wav"), ("mp3", "audio/mpeg")])
def test_a_message_with_its_sound(tmp_path: Path, attach: str, kind: str) -> None:
    inbox = Inbox()
    office = delivered(tmp_path, inbox, _one, attach=attach, username="me", password="secret")
    (envelope,) = inbox.envelopes
    assert envelope.rcpt_tos == ["office@example.com"]
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=SMTP)
    assert mail["Subject"] == "Message from +37061234567 in mailbox box"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert not [name for name in mail if name.lower().startswith("x-softswitch")]
    text, sound = mail.iter_parts()
    assert "0:03" in text.get_content()
    assert sound.get_content_type() == kind
    tone, rate = soundfile.read(io.BytesIO(sound.get_content()))
    spectrum = np.abs(np.fft.rfft(tone[4000:20000]))
    assert abs(int(np.argmax(spectrum)) * rate / 16000 - 440) < 2, "the tone of the recording"
    assert office.sent == [("box", ROW.path)]
    assert office.spooled == []
    assert not office.said


def test_too_large_goes_without(tmp_path: Path) -> None:
    inbox = Inbox()
    delivered(tmp_path, inbox, _one, attach="wav", max_mb=0.01)
    mail = message_from_bytes(inbox.envelopes[0].content, policy=SMTP)  # type: ignore[arg-type]
    assert mail.get_content_type() == "text/plain"
    assert "too large" in mail.get_content()


def test_put_off_and_tried_again(tmp_path: Path) -> None:
    """4xx: an alarm stands until the server takes it."""
    inbox = Inbox("451 later", "451 later")
    office = delivered(tmp_path, inbox, _one)
    assert len(inbox.envelopes) == 1
    assert [line[1] for line in office.said] == ["alarm", "alarm is over"]
    assert not office.alarms.active()


def test_refused_for_good(tmp_path: Path) -> None:
    """5xx: said, and not tried again; the message is in its box."""

    async def refused(office: Office, room: MailRoom) -> None:
        room.recorded(ROW)
        await until(lambda: office.said)
        await until(lambda: not office.spooled)

    office = delivered(tmp_path, Inbox("550 never"), refused)
    assert not office.sent
    assert "550" in str(office.said[-1])


def test_wrong_password(tmp_path: Path) -> None:
    async def refused(office: Office, room: MailRoom) -> None:
        room.recorded(ROW)
        await until(lambda: office.alarms.active())

    office = delivered(tmp_path, Inbox(), refused, username="me", password="wrong")
    assert len(office.spooled) == 1
    assert "wrong" not in str(office.said)


def test_the_spool_outlives_the_switch(tmp_path: Path) -> None:
    """No server: the mail waits; the next run sends it."""
    port = free_port()
    office = Office(tmp_path, port)

    async def alone() -> None:
        room = office.room()
        room.start()
        room.recorded(ROW)
        await until(lambda: office.alarms.active())
        await room.close()

    asyncio.run(alone())
    assert len(office.spooled) == 1
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()

    async def again() -> None:
        room = office.room()
        room.start()
        await until(lambda: office.sent)
        await room.close()

    try:
        asyncio.run(again())
    finally:
        controller.stop()
    assert len(inbox.envelopes) == 1
    assert office.spooled == []


def test_what_nobody_wants_by_mail(tmp_path: Path) -> None:
    async def nothing(office: Office, room: MailRoom) -> None:
        for path in ("2026/c1.wav", "voicemail/silent/c1.wav", "voicemail/gone/c1.wav"):
            room.recorded(SavedRecording(path, "c1", 0.0, 9.0, 100))
        room.recorded(SavedRecording(ROW.path, "c1", 0.0, 1.0, 100))  # shorter than min_seconds
        room.recorded(SavedRecording("voicemail/box/none.wav", "c1", 0.0, 9.0, 100))
        await until(lambda: office.said)

    office = delivered(tmp_path, Inbox(), nothing)
    assert [line[1] for line in office.said] == ["no mail for a message"], "its file is not there"
    assert office.spooled == []
