"""A home behind a real NAT: network namespaces of Linux and nftables, for tests that run as root."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PUBLIC, ROUTER, PRIVATE = "198.18.0.1", "198.18.0.2", "10.77.1.2"  # RFC 2544's network stands for the internet
_NEW_NET = 0x40000000  # linux/sched.h: CLONE_NEWNET
_MASQUERADE = "table ip nat { chain out { type nat hook postrouting priority 100; oifname w1 masquerade random; }; }"


def why_not() -> str:
    """Why no NAT can be built here; empty when one can."""
    if os.geteuid():
        return "needs root"
    if not all(shutil.which(tool) for tool in ("ip", "nft")):
        return "needs iproute2 and nftables"
    name = f"sw-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "no network namespaces here"
    found = subprocess.run(["ip", "netns", "exec", name, "nft", _MASQUERADE], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], check=True)
    return "no NAT in this kernel" if found.returncode else ""


class Network:
    """`world` has `PUBLIC`, `home` has `PRIVATE` and reaches the world as `ROUTER`, by ports that are drawn."""

    def __init__(self) -> None:
        tag = os.getpid()
        self.world, self._router, self.home = (f"sw-{name}-{tag}" for name in ("world", "router", "home"))

    def open(self) -> None:
        for name in self._names:
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        self._cable(self.world, "w0", self._router, "w1")
        self._cable(self.home, "h0", self._router, "h1")
        for name, link, address in (
            (self.world, "w0", PUBLIC), (self._router, "w1", ROUTER), (self._router, "h1", "10.77.1.1"),
            (self.home, "h0", PRIVATE),
        ):  # fmt: skip
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
            _run("ip", "-n", name, "link", "set", link, "up")
        _run("ip", "-n", self.home, "route", "add", "default", "via", "10.77.1.1")
        _run("ip", "netns", "exec", self._router, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        _run("ip", "netns", "exec", self._router, "nft", _MASQUERADE)

    @property
    def _names(self) -> tuple[str, str, str]:
        return self.world, self._router, self.home

    def _cable(self, one: str, end: str, other: str, far: str) -> None:
        _run("ip", "link", "add", end, "netns", one, "type", "veth", "peer", "name", far, "netns", other)

    def close(self) -> None:
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextlib.contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        made.open()
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread, and the processes and sockets that it makes, are in the namespace."""
    with open("/proc/thread-self/ns/net") as before, Path("/run/netns", name).open() as wanted:
        _enter(wanted.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _NEW_NET):
        raise OSError(ctypes.get_errno(), "setns")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
