"""Messages from mailboxes as e-mail: put together, kept in a spool, and handed to an SMTP server (RFC 5321).

Off the loop and off the core: files and sockets are a thread's. The spool is a folder of whole mails, so what could not
be sent goes out after a restart; while the server takes nothing an alarm stands. Nothing of a mail is logged but its
box.
"""

import asyncio
import io
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import soundfile

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import SwitchError
from softswitch.kernel.printable import printable
from softswitch.services.alarms import Alarms, Say
from softswitch.services.recordings import Recordings
from softswitch.switch.recording import box_of
from softswitch.switch.records import SavedRecording
from softswitch.switch.settings import Mail, Settings

FOLDER: Final = "mail"
_AGAIN: Final[tuple[Duration, Duration]] = (30.0, 1800.0)  # after the first failure, and at most
_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
_HOUR: Final = 3600.0
_BOX, _PATH = "X-Softswitch-Box", "X-Softswitch-Recording"  # for us; not sent
_TEXTS: Final = {
    "en": ("Message from {caller} in mailbox {box}", "{caller} left a message on {at}; it lasts {length}."),
    "ru": ("Сообщение от {caller} в ящике {box}", "{caller}: сообщение от {at}, длительность {length}."),
    "uk": ("Повідомлення від {caller} у скриньці {box}", "{caller}: повідомлення від {at}, тривалість {length}."),
    "lt": ("Žinutė nuo {caller} dėžutėje {box}", "{caller}: žinutė {at}, trukmė {length}."),
}
_HIDDEN: Final = {"en": "a hidden number", "ru": "скрытый номер", "uk": "прихований номер", "lt": "slaptas numeris"}
_TOO_LARGE: Final = {
    "en": "The sound is too large for a mail: dial the mailbox.",
    "ru": "Запись слишком велика для письма: позвоните в ящик.",
    "uk": "Запис завеликий для листа: зателефонуйте до скриньки.",
    "lt": "Įrašas per didelis laiškui: skambinkite į dėžutę.",
}


class Refused(Exception):
    """The server will never take this mail."""


class MailRoom:
    """`sent(box, path)` hears of each message that was handed over. `again`: the first and the longest pause between
    tries."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        spool: Path,
        recordings: Recordings,
        alarms: Alarms,
        *,
        clock: Callable[[], Instant],
        say: Say,
        sent: Callable[[str, str], None],
        again: tuple[Duration, Duration] = _AGAIN,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._recordings = recordings
        self._alarms = alarms
        self._clock = clock
        self._say = say
        self._sent = sent
        self._again = again
        self._due = asyncio.Event()
        self._due.set()  # what the last run has left
        self._writing: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._running = asyncio.get_running_loop().create_task(self._run(), name="mail")

    def recorded(self, row: SavedRecording) -> None:
        """A recording has ended; those that nobody wants by mail are passed over."""
        settings = self._settings()
        box = box_of(row.path)
        wanted = settings.voicemail.get(box) if box else None
        if wanted is None or wanted.mail is None or settings.mail.host is None or row.seconds < wanted.min_seconds:
            return
        task = asyncio.get_running_loop().create_task(self._write(row, settings))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """What was not sent stays in the spool."""
        await asyncio.gather(*self._writing, return_exceptions=True)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _write(self, row: SavedRecording, settings: Settings) -> None:
        try:
            await asyncio.to_thread(self._put, row, settings)
        except (OSError, SwitchError, soundfile.SoundFileError, ValueError) as error:
            told: dict[str, object] = {"box": box_of(row.path), "call": row.call, "reason": str(error)}
            self._say("error", "no mail for a message", told)
            return
        self._due.set()

    def _put(self, row: SavedRecording, settings: Settings) -> None:
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        mail = compose(row, settings, self._recordings.place(row.path))
        name = f"{row.started:.3f}-{row.call or 'none'}"
        part = self._spool / f"{name}.part"
        part.write_bytes(mail.as_bytes(policy=SMTP))
        part.rename(self._spool / f"{name}.eml")

    async def _run(self) -> None:
        pause = self._again[0]
        while True:
            self._due.clear()
            try:
                good = await self._send_all()
            except Exception as error:  # whatever a disk or a mail raises: this task must not die unseen
                self._alarms.set("mail", f"messages cannot be mailed: {type(error).__name__}: {error}", self._clock())
                good = False
            pause = self._again[0] if good else min(pause * 2, self._again[1])
            with suppress(TimeoutError):
                async with asyncio.timeout(None if good else pause):
                    await self._due.wait()

    async def _send_all(self) -> bool:
        """Whether nothing is left that is to be tried again."""
        for file in await asyncio.to_thread(lambda: sorted(self._spool.glob("*.eml"))):
            settings = self._settings().mail
            if settings.host is None:
                return True  # switched off: what is there waits for a reload and the next message
            try:
                box, path = await asyncio.to_thread(send, file, settings)
            except (OSError, smtplib.SMTPException) as error:
                self._alarms.set("mail", f"messages cannot be mailed by {settings.host}: {error}", self._clock())
                age = self._clock() - (await asyncio.to_thread(file.stat)).st_mtime
                if age > settings.keep_hours * _HOUR:
                    await self._give_up(file, f"not taken for {settings.keep_hours:g} hours: {error}")
                return False
            except Refused as error:
                await self._give_up(file, str(error))
                continue
            await asyncio.to_thread(file.unlink)
            self._alarms.clear("mail")
            self._sent(box, path)
        return True

    async def _give_up(self, file: Path, reason: str) -> None:
        await asyncio.to_thread(file.unlink)
        self._say("error", "a message was not mailed, it is in its box", {"mail": file.stem, "reason": reason})


def compose(row: SavedRecording, settings: Settings, file: Path) -> EmailMessage:
    """The mail about a message. Raises `OSError`, `soundfile.SoundFileError`."""
    box = box_of(row.path)
    wanted, server = settings.voicemail[box], settings.server
    language = wanted.language or server.language
    language = language if language in _TEXTS else "en"
    caller = printable(row.caller)[:60] or _HIDDEN[language]
    at = datetime.fromtimestamp(row.started, ZoneInfo(server.timezone))
    length = f"{int(row.seconds) // 60}:{int(row.seconds) % 60:02d}"
    words = {"caller": caller, "box": box, "at": f"{at:%Y-%m-%d %H:%M}", "length": length}
    subject, text = (one.format(**words) for one in _TEXTS[language])
    sound = _sound(file, settings.mail.attach)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = settings.mail.sender
    mail["To"] = wanted.mail or ""
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = make_msgid(domain=settings.mail.sender.rpartition("@")[2] or None)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no out-of-office answers
    mail[_BOX], mail[_PATH] = box, row.path
    fits = len(sound) <= settings.mail.max_mb * 1e6
    mail.set_content(text if fits else f"{text}\n{_TOO_LARGE[language]}")
    if fits:
        kind = "mpeg" if settings.mail.attach == "mp3" else "wav"
        name = f"{at:%Y-%m-%d-%H%M}.{settings.mail.attach}"
        mail.add_attachment(sound, maintype="audio", subtype=kind, filename=name)
    return mail


def _sound(file: Path, kind: str) -> bytes:
    if kind == "wav":
        return file.read_bytes()
    sound, rate = soundfile.read(file, dtype="int16")
    made = io.BytesIO()
    soundfile.write(made, sound, rate, format="MP3", subtype="MPEG_LAYER_III")
    return made.getvalue()


def send(file: Path, settings: Mail) -> tuple[str, str]:
    """Hand a spooled mail to the server; the box and the recording that it is of. Raises `Refused`, `OSError`,
    `smtplib.SMTPException`. Blocks for some timeouts at most."""
    mail = message_from_bytes(file.read_bytes(), policy=SMTP)
    box, path = str(mail[_BOX]), str(mail[_PATH])
    del mail[_BOX], mail[_PATH]
    port = settings.port or _PORTS[settings.security]
    host, timeout = settings.host or "", settings.timeout
    tls = ssl.create_default_context() if settings.security != "none" else None
    made = (
        smtplib.SMTP_SSL(host, port, timeout=timeout, context=tls)
        if settings.security == "tls"
        else smtplib.SMTP(host, port, timeout=timeout)
    )
    with made as server:
        if settings.security == "starttls":
            server.starttls(context=tls)
        if settings.username:
            server.login(settings.username, settings.password or "")
        try:
            server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            statuses = [status for status, _ in error.recipients.values()]
            if all(status >= 500 for status in statuses):
                raise Refused(f"the recipient was refused with {statuses[0]}") from error
            raise
        except smtplib.SMTPResponseException as error:  # sender or data
            if error.smtp_code >= 500:
                raise Refused(f"refused with {error.smtp_code}") from error
            raise
    return box, path
