"""The media process as it runs: a child, a Unix socket, RTP over loopback. The only media tests in real time."""

import os
import signal
import socket
import subprocess
import sys
import time
import wave
from itertools import pairwise

import numpy as np
import pytest
from harness import PATIENCE, ROOT, Phone, free_ports, heard_level, talk, tone

from softswitch.media import wav
from softswitch.wire import control, rtcp
from softswitch.wire.control import Connect, Edge

LOW, HIGH = tone(500, 1.0), tone(900, 1.0)


@pytest.fixture
def phones():
    made = [Phone(0), Phone(1)]
    yield made
    for phone in made:
        phone.close()


def dial(media, *phones, first=1, **spec):
    """A leg for each phone."""
    for n, phone in enumerate(phones):
        slot, port = media.slot()
        phone.to = (phone.host, port)
        media.send(control.OpenLeg(first + n, slot, phone.spec(**spec)))


def read_wav(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


@pytest.mark.parametrize("laws", [(0, 0), (0, 1)], ids=["relayed", "transcoded"])
def test_each_side_hears_the_other(media, laws):
    """Known tones in, measured at the far end; nothing lost, numbers in order."""
    running = media()
    a, b = Phone(laws[0]), Phone(laws[1])
    dial(running, a, b)
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(1.6, (a, LOW), (b, HIGH))
    for phone, mine, other in ((a, 500, 900), (b, 900, 500)):
        sound = phone.sound()[-8000:]
        assert heard_level(sound, other) == pytest.approx(8000, rel=0.1)
        assert heard_level(sound, mine) < 200
        numbers = [packet.sequence for _, packet, _ in phone.heard]
        assert {(y - x) & 0xFFFF for x, y in pairwise(numbers)} == {1}
    assert running.figures(1).lost == 0
    a.close()
    b.close()


def test_a_call_from_music_through_digits_to_a_recording(media, phones, tmp_path):
    """Hold music, keys by RFC 4733, a bridge and a two-channel recording; afterwards nothing is left."""
    a, b = phones
    running = media()
    music = tmp_path / "music.wav"
    with wave.open(str(music), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        at = np.arange(16000) / 16000
        wave_ = np.rint(6000 * np.sin(2 * np.pi * 440 * at)).astype("<i2")
        file.writeframes(np.stack([wave_, wave_], axis=1).tobytes())
    dial(running, a)
    running.send(control.Play(50, (control.FileItem(str(music)),), 0), Connect((Edge(50, 1),)))
    talk(1.0, (a, LOW))
    assert running.of(control.LegHeard).leg == 1
    assert heard_level(a.sound()[-4000:], 440) == pytest.approx(6000, rel=0.1)
    for n in range(8):
        a.key(5, n > 4, min(n + 1, 5) * 160)
    assert running.of(control.Digit) == control.Digit(1, "5", 100)
    running.send(control.StopPlay(50))
    done = running.of(control.PlayDone)
    assert done.cause == "stopped"
    assert done.played_ms > 700
    recording = tmp_path / "deep" / "folder" / "call.wav"
    dial(running, b, first=2)
    running.send(control.Record(60, str(recording)), Connect((Edge(1, 2), Edge(2, 1), Edge(1, 60, 0), Edge(2, 60, 1))))
    a.heard.clear()
    talk(2.0, (a, LOW), (b, HIGH))
    running.send(control.StopRecord(60))
    finished = running.of(control.RecordDone)
    assert finished.cause == "stopped"
    sound = read_wav(recording)
    assert len(sound) == finished.frames
    assert len(sound) >= 14400
    middle = sound[4000:12000]
    assert heard_level(middle[:, 0], 500) == pytest.approx(8000, rel=0.15)
    assert heard_level(middle[:, 1], 900) == pytest.approx(8000, rel=0.15)
    assert heard_level(middle[:, 0], 900) < 400
    assert heard_level(middle[:, 1], 500) < 400
    assert heard_level(a.sound()[-4000:], 900) == pytest.approx(8000, rel=0.15)
    running.send(control.CloseLeg(1), control.CloseLeg(2), control.AskInventory())
    assert running.of(control.LegClosed).stats.rejected == 0
    assert running.of(control.Inventory) == control.Inventory((), (), ())
    assert not running.all(control.Failed)
    rested = 0
    while rested < 2:  # in one report or in two
        rested += len(running.of(control.Grown).slots)
    said = lambda: any(isinstance(part, rtcp.Bye) for parts in a.reports for part in parts)  # noqa: E731
    a.until(said)
    assert said()


def test_digits_are_sent_to_the_peer(media, phones):
    a, _ = phones
    running = media()
    dial(running, a)
    running.send(control.SendDigits(1, "1#", 80))
    codes = lambda: {payload[0] for _, packet, payload in a.heard if packet.payload_type == 101}  # noqa: E731
    a.until(lambda: codes() == {1, 11})
    assert codes() == {1, 11}


def test_strangers_and_junk_are_counted_and_harm_nobody(media, phones):
    """Spoofed source, wrong version, length and payload type: dropped; the call beside it is whole."""
    a, b = phones
    running = media()
    dial(running, a, b)
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(0.3, (a, LOW), (b, HIGH))
    stranger = Phone(0, ssrc=a.ssrc)
    stranger.to = a.to
    other = tone(1700, 0.02)
    start = len(b.heard)
    for _ in range(25):
        stranger.say(other)
        stranger.rtp.sendto(os.urandom(200), a.to)
        a.rtp.sendto(b"\x00" * 172, a.to)
        talk(0.02, (a, LOW), (b, HIGH))
    assert running.figures(1, lambda figures: figures.rejected == 75).rejected == 75
    b.until(lambda: len(b.heard) - start >= 25)
    assert heard_level(b.sound()[-4000:], 1700) < 100
    assert len(b.heard) - start == pytest.approx(25, abs=2)
    assert not stranger.heard
    stranger.close()


def test_a_settled_source_is_still_guarded(media, phones):
    """Once the kernel filters for us, strangers are still counted and the sound still flows."""
    a, b = phones
    running = media()
    dial(running, a, b)
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(2.5, (a, LOW), (b, HIGH))
    stranger = Phone(0, ssrc=a.ssrc)
    stranger.to = a.to
    for _ in range(5):
        stranger.say(LOW[:160])
    talk(0.4, (a, LOW), (b, HIGH))
    after = running.figures(1, lambda figures: figures.rejected == 5)
    assert after.rejected == 5
    assert after.lost == 0
    assert heard_level(b.sound()[-2400:], 500) == pytest.approx(8000, rel=0.15)
    stranger.close()


def test_audio_outlives_control(media, phones):
    """The connection ends, the call goes on; the next control finds the inventory and what it missed."""
    a, b = phones
    running = media()
    dial(running, a, b)
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(0.3, (a, LOW), (b, HIGH))
    running.link.close()
    for n in range(8):
        a.key(9, n > 4, min(n + 1, 5) * 160)
    before = len(b.heard)
    talk(0.4, (a, LOW), (b, HIGH))
    b.until(lambda: len(b.heard) - before >= 15)
    assert len(b.heard) - before >= 15
    running.connect()
    running.send(control.AskInventory())
    assert running.of(control.Inventory).legs == (1, 2)
    assert running.of(control.Digit).digit == "9"
    assert len(running.free) == 14


def test_kill_leaves_a_recording_that_can_be_repaired(media, phones, tmp_path):
    """SIGKILL: what was written stays, and `wav.repair` makes the header true."""
    a, _ = phones
    running = media()
    dial(running, a)
    path = tmp_path / "crash.wav"
    running.send(control.Record(9, str(path), 1), Connect((Edge(1, 9),)))
    talk(2.6, (a, LOW))
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    with path.open("ab") as file:
        file.write(b"\1")  # a torn write
    frames = wav.repair(path)
    sound = read_wav(path)
    assert len(sound) == frames >= 8000
    assert heard_level(sound[-4000:, 0], 500) == pytest.approx(8000, rel=0.15)


def test_a_full_disk_fails_the_recording_and_not_the_call(media, phones, tmp_path):
    """The kernel refuses to let the file grow (RLIMIT_FSIZE): a clear report, a valid file, the call goes on."""
    a, b = phones
    running = media(file_limit=20_000)
    dial(running, a, b)
    path = tmp_path / "full.wav"
    running.send(control.Record(9, str(path), 2), Connect((Edge(1, 2), Edge(2, 1), Edge(1, 9, 0), Edge(2, 9, 1))))
    talk(2.5, (a, LOW), (b, HIGH))
    done = running.of(control.RecordDone)
    assert done.cause == "failed"
    assert running.of(control.Failed).subject == 9
    assert "large" in done.reason
    sound = read_wav(path)
    assert len(sound) == done.frames == (20_000 - wav.HEADER) // 4
    before = len(b.heard)
    talk(0.3, (a, LOW), (b, HIGH))
    b.until(lambda: len(b.heard) - before >= 10)
    assert len(b.heard) - before >= 10


def test_a_disk_that_hangs_keeps_no_packet_waiting(media, phones, tmp_path):
    """A recording into a FIFO that nobody reads blocks the writer's thread; sound and commands pass all the same."""
    a, b = phones
    running = media()
    dial(running, a, b)
    path = tmp_path / "hung.wav"
    os.mkfifo(path)
    running.send(control.Record(9, str(path), 2), Connect((Edge(1, 2), Edge(2, 1), Edge(1, 9, 0), Edge(2, 9, 1))))
    talk(1.2, (a, LOW), (b, HIGH))
    b.until(lambda: len(b.heard) >= 50)
    assert len(b.heard) >= 50
    running.send(control.AskInventory())
    assert running.of(control.Inventory).recorders == (9,)
    assert running.all(control.RecordDone) == []
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # the disk is back, and broken: a clear failure
    assert running.of(control.RecordDone).cause == "failed"


def test_a_folder_that_cannot_be_made_fails_the_recording(media, tmp_path):
    (tmp_path / "file").write_text("")
    running = media()
    running.send(control.Record(9, str(tmp_path / "file" / "call.wav")))
    assert running.of(control.RecordDone).cause == "failed"
    running.send(control.AskInventory())
    assert running.of(control.Inventory).recorders == ()


def test_a_missing_file_fails_the_player(media, tmp_path):
    running = media()
    (tmp_path / "text.wav").write_text("this is no sound")
    running.send(control.Play(5, (control.FileItem(str(tmp_path / "none.wav")),)))
    running.send(control.Play(6, (control.FileItem(str(tmp_path / "text.wav")),)))
    assert {running.of(control.PlayDone).player, running.of(control.PlayDone).player} == {5, 6}
    assert {report.subject for report in running.all(control.Failed)} == {5, 6}


def test_sigterm_closes_recordings_properly(media, phones, tmp_path):
    a, _ = phones
    running = media()
    dial(running, a)
    path = tmp_path / "term.wav"
    running.send(control.Record(9, str(path), 1), Connect((Edge(1, 9),)))
    talk(0.7, (a, LOW))
    running.process.send_signal(signal.SIGTERM)
    done = running.of(control.RecordDone)
    assert running.process.wait(PATIENCE) == 0
    assert done.cause == "stopped"
    assert len(read_wav(path)) == done.frames > 4000
    assert not os.path.exists(running.path)


def test_ipv6(media):
    running = media(address="::1")
    a, b = Phone(0, "::1"), Phone(0, "::1")
    dial(running, a, b)
    running.send(Connect((Edge(1, 2), Edge(2, 1))))
    talk(0.6, (a, LOW), (b, HIGH))
    assert heard_level(a.sound()[-3200:], 900) == pytest.approx(8000, rel=0.1)
    a.close()
    b.close()


def test_busy_ports_are_left_out_and_more_can_be_bound(media):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        first = free_ports(10)
        busy.bind(("127.0.0.1", first + 3))
        running = media(ports=(first, first + 9), slots=2)
        assert [slot.port for slot in running.ready.free] == [first, first + 4]
        assert running.ready.capacity == 5
        running.send(control.Grow(10))
        assert [slot.port for slot in running.of(control.Grown).slots] == [first + 6, first + 8]
        running.send(control.Grow(10))
        assert running.of(control.Grown).slots == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "192.0.2.1", "--ports", "{0}-{1}"], "192.0.2.1"),
        (["--address", "127.0.0.1", "--ports", "{1}-{1}"], "no room"),
        (["--address", "127.0.0.1", "--ports", "{1}-{0}"], "not a port range"),
        (["--address", "127.0.0.1", "--ports", "{0}-{1}"], "busy"),
    ],
)
def test_what_cannot_start_says_why(tmp_path, arguments, message):
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        first = free_ports(2)
        busy.bind(("127.0.0.1", first))
        filled = [argument.format(first, first + 1) for argument in arguments]
        command = [sys.executable, "-m", "softswitch.media", "--socket", str(tmp_path / "m.sock"), *filled]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode != 0
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_version_of_control_is_refused(media):
    running = media()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(running.path)
        link.sendall(control.encode([control.Hello(99)]))
        (body,) = control.Frames().feed(link.recv(4096))
        assert isinstance(control.decode_reports(body)[0], control.Failed)
        assert link.recv(1) == b""


def test_garbage_from_control_ends_that_connection_only(media):
    running = media()
    running.link.sendall(b"\xff" * 100)
    running.connect()
    assert len(running.free) == 16


def test_a_second_process_may_not_take_the_socket(media, tmp_path):
    running = media()
    command = [sys.executable, "-m", "softswitch.media", "--socket", running.path, "--address", "127.0.0.1"]
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'codecs'}")
    ended = subprocess.run(
        [*command, "--ports", "41400-41410"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    assert "another media process" in ended.stderr
    running.send(control.AskInventory())
    assert running.of(control.Inventory)


def test_an_idle_process_sleeps(media):
    """Without legs there is no tick: next to no CPU."""
    running = media()
    running.send(control.AskStats())
    before = running.of(control.WorkerStats)
    time.sleep(1.0)
    running.send(control.AskStats())
    after = running.of(control.WorkerStats)
    assert after.ticks == before.ticks
    assert after.cpu - before.cpu < 0.02
