"""Signals of the control process, in one place, and the supervisor's end of the channel."""

import asyncio
import signal
from collections.abc import Callable

from softswitch.shell.channel import Channel


def watch_signals(
    loop: asyncio.AbstractEventLoop, *, drain: Callable[[], None], hurry: Callable[[], None], reload: Callable[[], None]
) -> None:
    """SIGTERM drains, and hurries the second time; SIGINT hurries; SIGHUP re-reads the configuration."""
    seen = 0

    def terminate() -> None:
        nonlocal seen
        seen += 1
        (drain if seen == 1 else hurry)()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, hurry)
    loop.add_signal_handler(signal.SIGHUP, reload)


def watch_supervisor(loop: asyncio.AbstractEventLoop, channel: Channel, gone: Callable[[], None]) -> None:
    """Call `gone` when the supervisor has died: media dies with it, so there is nothing left to switch."""
    channel.sock.setblocking(False)

    def readable() -> None:
        channel.read()
        if channel.closed:
            loop.remove_reader(channel.sock.fileno())
            gone()

    loop.add_reader(channel.sock.fileno(), readable)
