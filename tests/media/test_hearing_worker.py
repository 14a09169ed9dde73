"""A real media process listens: keys as G.711 sound over loopback, facts when the leg closes, one thread for numpy."""

import os
import subprocess
import sys

import numpy as np
from harness import ROOT, Media, Phone, free_ports, talk
from sounds import key, silence

from softswitch.wire import control
from softswitch.wire.control import LISTEN_DTMF, LISTEN_SPEECH


def test_keys_in_band_and_facts_of_a_real_process(tmp_path, ahead):
    first = free_ports(16)
    media, phone = Media(tmp_path, (first, first + 15), slots=4), Phone()
    try:
        slot, port = media.slot()
        phone.to = ("127.0.0.1", port)
        spec = phone.spec(event_type=-1, listen=LISTEN_DTMF | LISTEN_SPEECH)
        media.send(control.OpenLeg(1, slot, spec))
        parts = [part for digit in "49#" for part in (silence(80), key(digit, 80), silence(80))]
        sound = np.rint(np.concatenate([*parts, silence(240)])).astype(np.int16)
        talk(len(sound) / 8000, (phone, sound))
        digits = [media.of(control.Digit) for _ in range(3)]
        assert [(one.leg, one.digit, one.method) for one in digits] == [(1, digit, "inband") for digit in "49#"]
        media.send(control.CloseLeg(1))
        facts = media.of(control.LegClosed).stats.speech
        assert facts.heard > 0.8
        assert facts.spurts >= 1
    finally:
        phone.close()
        error = media.stop()
    assert not error


def test_numpy_starts_no_threads_in_a_media_process():
    """OpenBLAS would spread the detectors' product over all cores, where it spins more than it helps."""
    script = (
        "import os, softswitch.media.__main__, numpy as np\n"
        "np.ones((4000, 80), 'f4') @ np.ones((80, 16), 'f4')\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'codecs'}"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
