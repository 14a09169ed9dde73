"""The configuration file: any text gives settings and faults with lines, nothing else."""

import functools
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from softswitch.services.configuration import check
from tests.fuzz.targets.target import Target

_EXAMPLE = (Path(__file__).parents[3] / "config.example.toml").read_bytes()
_SITE = (
    b'[sip]\ndomain = "a.example"\nlisten = ["udp:127.0.0.1:5060"]\n[phones.1]\npassword = "x"\n'
    b'[agents.a]\nphone = "1"\n'
    b'[queues.q]\nagents = ["a"]\n[trunks.t]\naddress = "sip:192.0.2.1"\n[[routes]]\nfrom = "trunk:t"\nto = "queue:q"\n'
    b'[ivr.m]\nprompt = "welcome"\nkeys = { 1 = "queue:q" }\n[hours.h]\nmon-fri = "09:00-17:00"\n[voicemail.v]\n'
)
_WORDS = (
    *(b"[phones.", b"[queues.", b"[trunks.", b"[[routes]]", b"[ivr.", b"[voicemail.", b"queue:", b"ivr:", b"phone:"),
    *(
        b"trunk:",
        b"agent:",
        b"hangup:486",
        b"play:",
        b" = { ",
        b" }",
        b' = "',
        b"true",
        b"1e999",
        b"nan",
        b"-1",
        b'"""',
    ),
    *(b"1979-05-27", b"0x", b"{ env = ", b"[server]\n", b"[sip]\n", b"[media]\n", b"\xc3\xa4", b'""', b"[]"),
)


def configuration(data: bytes) -> None:
    if b"file" in data:  # other files would be read
        return
    lines = data.count(b"\n") + 1
    for fault in check(_file(data)):
        assert 0 <= fault.line <= lines + 1
        assert str(fault)


@functools.cache
def _folder(_process: int) -> TemporaryDirectory[str]:
    """Each target runs in a fork: a folder that they shared would go with the first of them."""
    return TemporaryDirectory(prefix="fuzz-configuration-")


def _file(data: bytes) -> Path:
    path = Path(_folder(os.getpid()).name) / "config.toml"
    path.write_bytes(data)
    return path


TARGETS = (Target("configuration", configuration, [_EXAMPLE.replace(b"file", b"fle"), _SITE], _WORDS, 16384),)
