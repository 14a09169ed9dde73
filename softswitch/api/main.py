"""The control process: `python -m softswitch.api.main --config FILE [--supervisor-fd N]`; the supervisor starts it."""

import argparse
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from softswitch.api.front import HttpFront
from softswitch.shell.channel import Channel
from softswitch.shell.control import run
from softswitch.shell.core import make_switch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run control until it is drained; the exit code."""
    parser = argparse.ArgumentParser(prog="softswitch control")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--supervisor-fd", type=int)
    options = parser.parse_args(arguments)
    channel = None if options.supervisor_fd is None else Channel(socket.socket(fileno=options.supervisor_fd))
    return run(options.config, channel, HttpFront(), make_switch)


if __name__ == "__main__":
    sys.exit(main())
