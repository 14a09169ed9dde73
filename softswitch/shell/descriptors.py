"""File descriptors of the control process: as many as it may have, and enough of them out of reach of connections."""

import resource
from typing import Final

MOST_CONNECTIONS: Final = 20_000
_LEAST: Final = 64
_RESERVED: Final = 1_200  # for the API, provisioning (500 each), the database, recordings, programs that are run


def raise_limit() -> int:
    """Take all that the system allows, which is seldom what it gives at first (1,024); how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def most_connections() -> int:
    """How many SIP connections there may be, so that strangers who open them leave descriptors for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserved = min(_RESERVED, soft // 2)
    return max(_LEAST, min(MOST_CONNECTIONS, soft - reserved))
