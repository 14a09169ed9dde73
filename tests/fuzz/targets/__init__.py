"""What is fuzzed: pure functions of bytes. An exception other than the documented one is a finding."""

from tests.fuzz.targets import bodies, configuration, headers, media, messages
from tests.fuzz.targets.target import Target

__all__ = ["TARGETS", "Target"]

TARGETS: dict[str, Target] = {
    target.name: target for room in (messages, headers, bodies, media, configuration) for target in room.TARGETS
}
