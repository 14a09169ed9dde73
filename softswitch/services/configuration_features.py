"""What the settings of parking, paging and forwarding mean."""

from collections.abc import Iterator

from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.switch.settings import Settings

_MOST_SLOTS = 1000


def check_features(settings: Settings) -> Iterator[Finding]:
    """Parking places that are none or somebody else's, phones that forward to themselves or are not there to be
    paged."""
    numbers = {phone.number or name: name for name, phone in settings.phones.items()}
    taken: dict[str, str] = {}
    for name, lot in settings.parking.items():
        path: KeyPath = ("parking", name)
        try:
            places = lot.numbers
        except ValueError:
            yield Finding((*path, "slots"), f'"{lot.slots}" is no range of numbers', "701-720")
            continue
        if len(places) > _MOST_SLOTS:
            yield Finding((*path, "slots"), f"{len(places)} places: at most {_MOST_SLOTS}")
        for place in places:
            if place in numbers:
                yield Finding((*path, "slots"), f'"{place}" is the number of phones.{numbers[place]}')
            elif place in taken:
                yield Finding((*path, "slots"), f'"{place}" is also a place of parking.{taken[place]}')
            taken.setdefault(place, name)
        for key in ("timeout", "ring_back"):
            if not 1 <= getattr(lot, key) <= 86_400:
                yield Finding((*path, key), "must be 1 to 86400")
    for name, paging in settings.paging.items():
        if not paging.phones:
            yield Finding(("paging", name, "phones"), "name the phones that are to hear")
        for index, phone in enumerate(paging.phones):
            if phone not in settings.phones:
                yield Finding(("paging", name, "phones", index), f'no phone "{phone}"', closest(phone, settings.phones))
            elif not settings.phones[phone].intercom:
                text = f"phones.{phone} has no intercom = true: it will not be paged"
                yield Finding(("paging", name, "phones", index), text, severity="warning")
        if not 1 <= paging.seconds <= 3600:
            yield Finding(("paging", name, "seconds"), "must be 1 to 3600")
    for name, phone_settings in settings.phones.items():
        for key in ("always", "busy", "no_answer", "unavailable"):
            if getattr(phone_settings, key) == f"phone:{name}":
                yield Finding(("phones", name, key), "a phone cannot be forwarded to itself")
    for path, chain in _rounds(settings):
        yield Finding(path, f"forwardings go round: {' → '.join(chain)}")


def _rounds(settings: Settings) -> Iterator[tuple[KeyPath, list[str]]]:
    """Phones that forward everything in a circle, each circle once."""
    seen: set[str] = set()
    for start in settings.phones:
        chain = [start]
        while (to := _always(settings, chain[-1])) and to not in chain and to not in seen:
            chain.append(to)
        if to in chain and len(chain) > 1:
            yield ("phones", to, "always"), [*chain[chain.index(to) :], to]
        seen.update(chain)


def _always(settings: Settings, phone: str) -> str:
    target = settings.phones[phone].always or ""
    kind, _, name = target.partition(":")
    return name if kind == "phone" and name in settings.phones else ""
