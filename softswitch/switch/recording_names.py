"""How recordings are named: by a template, whose values callers have a say in."""

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from softswitch.kernel.clock import Instant

FIELDS: Final = ("date", "time", "call", "queue", "agent", "caller", "called")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.+\-]+")
_LONGEST: Final = 80  # characters of a value: a whole name stays below the 255 octets that file systems take


def recording_name(template: str, values: Mapping[str, str], at: Instant, zone: tzinfo) -> str:
    """The path of a new recording below the recordings directory, out of which no value leads. `values` fill the
    template's fields but {date} (2026-08-01) and {time} (140559), which are those of `at` in `zone`; what a file name
    should not hold becomes `_`, and nothing at all `none`."""
    moment = datetime.fromtimestamp(at, zone)
    given = {name: _safe(values.get(name, "")) for name in FIELDS}
    return template.format(**given | {"date": f"{moment:%Y-%m-%d}", "time": f"{moment:%H%M%S}"})


def _safe(value: str) -> str:
    return _UNSAFE.sub("_", value)[:_LONGEST].lstrip(".") or "none"
