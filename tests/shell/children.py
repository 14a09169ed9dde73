"""Two small real processes for the supervisor's tests: `children.py control|media …`.

Control speaks the channel's words and notes each start in its folder; media opens its socket. What they do besides is
written in the file given as --config: one word a line.
"""

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path

from softswitch.shell.channel import Bound, Channel, Plan, Ready


def control(config: Path, descriptor: int) -> int:
    words = config.read_text().split()
    folder = config.parent
    with (folder / "starts").open("a") as file:
        file.write(f"control {os.getpid()}\n")
    channel = Channel(socket.socket(fileno=descriptor))
    if "faulty" in words:
        print("config.toml:1: nonsense", file=sys.stderr)
        return 1
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: stop.append(number))
    channel.say(Plan(str(folder / "var"), 2, "127.0.0.1", (30000, 30099), "auto"))
    channel.wait_go()
    if "late-fault" in words:
        return 1
    channel.say(Bound())
    channel.say(Ready())
    (folder / "ready").write_text(str(os.getpid()))
    hups = 0
    while True:
        time.sleep(0.01)
        while stop:
            number = stop.pop(0)
            if number == signal.SIGHUP:
                hups += 1
                (folder / "hups").write_text(str(hups))
            elif "slow" in words and number == signal.SIGTERM:
                (folder / "draining").touch()
            else:
                (folder / "ended-by").write_text(signal.Signals(number).name)
                return 0


def media(path: Path, ports: str) -> int:
    with socket.socket(socket.AF_UNIX) as listener:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        with (Path(os.environ["FOLDER"]) / "starts").open("a") as file:
            file.write(f"media {os.getpid()} {ports}\n")
        signal.pause()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--supervisor-fd", type=int)
    parser.add_argument("--socket", type=Path)
    parser.add_argument("--address")
    parser.add_argument("--ports")
    parser.add_argument("--backend")
    options = parser.parse_args()
    if options.what == "control":
        sys.exit(control(options.config, options.supervisor_fd))
    sys.exit(media(options.socket, options.ports))
