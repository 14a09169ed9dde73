"""The one error that only the command line knows."""

from softswitch.kernel.errors import LocalError


class OutOfReach(LocalError):
    """No switch answers; the text says how to start one."""
