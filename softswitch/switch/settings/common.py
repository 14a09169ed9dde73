"""What all settings share."""

from typing import TypeAlias

STRICT = {"extra": "forbid"}
"""For pydantic: unknown keys are errors."""

Target: TypeAlias = str
"""`kind:name`, parsed by `switch/targets.py`."""
