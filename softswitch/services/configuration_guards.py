"""What the settings of toll-fraud guards mean: classes that exist, patterns and prefixes that can be read."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.sip.numbers import Pattern
from softswitch.switch.settings import Settings

_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")

Names = Mapping[str, Collection[str]]


def check_guards(settings: Settings, known: Names) -> Iterator[Finding]:
    """Everything that is wrong with `[guards]`, `[classes.NAME]` and the `cos` of phones and trunks."""
    guards, classes = settings.guards, known.get("classes", ())
    users: list[tuple[KeyPath, str | None]] = [
        (("guards", "cos"), guards.cos),
        (("guards", "transit_cos"), guards.transit_cos),
        *((("phones", name, "cos"), phone.cos) for name, phone in settings.phones.items()),
        *((("trunks", name, "cos"), trunk.cos) for name, trunk in settings.trunks.items()),
    ]
    for path, name in users:
        if name is not None and name not in classes:
            yield Finding(path, f'no class of service "{name}"', closest(name, classes))
    for name in settings.classes.keys() - {name for _, name in users}:
        yield Finding(("classes", name), "no phone and no trunk is of that class", severity="warning")
    for name, cos in settings.classes.items():
        for key in ("may_call", "may_not_call", "closed_may_call"):
            for index, text in enumerate(getattr(cos, key)):
                try:
                    Pattern(text)
                except LocalError as error:
                    yield Finding(("classes", name, key, index), str(error))
        if cos.hours is not None and cos.hours not in known.get("hours", ()):
            names = known.get("hours", ())
            yield Finding(("classes", name, "hours"), f'no hours "{cos.hours}"', closest(cos.hours, names))
        if cos.closed_may_call and cos.hours is None:
            yield Finding(
                ("classes", name, "closed_may_call"), "never used: the class has no hours", severity="warning"
            )
        if cos.spend_per_day and not guards.rates:
            yield Finding(("classes", name, "spend_per_day"), "nothing costs anything: [guards] has no rates")
    if guards.spend_per_day and not guards.rates:
        yield Finding(("guards", "spend_per_day"), "nothing costs anything: [guards] has no rates")
    for key in ("blocked", "countries"):
        for index, text in enumerate(getattr(guards, key)):
            yield from _prefix(("guards", key, index), text, star=key == "countries")
    for text in guards.rates:
        yield from _prefix(("guards", "rates", text), text, star=True)
    if guards.blocked:
        for name, trunk in settings.trunks.items():
            if trunk.country is None:
                told = "without a country, numbers of guards.blocked are known only when dialled internationally"
                yield Finding(("trunks", name), told, severity="warning")


def _prefix(path: KeyPath, text: str, *, star: bool) -> Iterator[Finding]:
    if _PREFIX.fullmatch(text) is None and not (star and text == "*"):
        hint = "+" + text.lstrip("+0") if text.lstrip("+0").isdigit() else ""
        yield Finding(path, f'"{text}" is not an E.164 prefix, as in "+370"' + (' or "*"' if star else ""), hint)
