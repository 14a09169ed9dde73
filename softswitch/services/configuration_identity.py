"""What the settings of identity mean: own numbers, who is trusted, how diversions are told."""

from collections.abc import Iterator

from softswitch.kernel.errors import LocalError
from softswitch.services.faults import Finding
from softswitch.services.key_lines import KeyPath
from softswitch.sip.numbers import Pattern
from softswitch.switch.settings import Settings


def check_identity(settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong with well-formed settings of identity."""
    for name, phone in settings.phones.items():
        yield from _patterns(("phones", name, "numbers"), phone.numbers)
    for name, trunk in settings.trunks.items():
        path: KeyPath = ("trunks", name)
        yield from _patterns((*path, "numbers"), trunk.numbers)
        if trunk.number_form == "national" and trunk.country is None:
            yield Finding((*path, "number_form"), "needs country: without it no number is national")
        if trunk.trusted is False and trunk.identity in ("p-asserted-identity", "remote-party-id"):
            text = "never used: a trunk with trusted = false is told nothing but From"
            yield Finding((*path, "identity"), text, severity="warning")
    for index, route in enumerate(settings.routes):
        if route.diverted_from is not None:
            yield from _patterns(("routes", index, "diverted_from"), (route.diverted_from,), single=True)


def _patterns(path: KeyPath, numbers: tuple[str, ...], single: bool = False) -> Iterator[Finding]:
    for index, number in enumerate(numbers):
        try:
            Pattern(number)
        except LocalError as error:
            yield Finding(path if single else (*path, index), str(error))
