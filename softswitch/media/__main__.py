"""`python -m softswitch.media`: one media process."""

import os

# Before numpy is loaded: OpenBLAS would spread products of a thousand legs over threads that spin more than they help.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys

from softswitch.kernel.errors import LocalError
from softswitch.media.choice import NAMES, make_backend
from softswitch.media.worker import raise_descriptor_limit, serve, take_precedence


def _ports(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not (dash and low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high) <= 65535):
        raise argparse.ArgumentTypeError(f"not a port range: {text!r}; write for example 20000-29999")
    return int(low), int(high)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after SIGTERM or `Shutdown`, 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="softswitch.media", description="RTP, mixing and recording for a softswitch")
    parser.add_argument("--socket", required=True, help="path of the Unix socket for the control process")
    parser.add_argument("--address", required=True, help="IPv4 or IPv6 address that RTP is bound to")
    parser.add_argument("--ports", required=True, type=_ports, metavar="LOW-HIGH", help="port range, both included")
    parser.add_argument("--slots", type=int, default=256, help="pairs of sockets bound at start")
    parser.add_argument("--backend", default="auto", choices=NAMES)
    options = parser.parse_args(arguments)
    try:
        raise_descriptor_limit()
        take_precedence()
        serve(make_backend(options.backend, options.address, options.ports), options.socket, options.slots)
    except LocalError as error:
        print(f"softswitch.media: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
