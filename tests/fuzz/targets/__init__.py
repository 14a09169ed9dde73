"""What is fuzzed: pure functions of bytes. An exception other than the documented one is a finding."""

from tests.fuzz.targets import bodies, configuration, extensions, headers, identity, media, messages
from tests.fuzz.targets.target import Target

__all__ = ["TARGETS", "Target"]

_ROOMS = (messages, headers, identity, bodies, extensions, media, configuration)
TARGETS: dict[str, Target] = {target.name: target for room in _ROOMS for target in room.TARGETS}
