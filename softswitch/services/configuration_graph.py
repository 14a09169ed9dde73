"""Where calls can go by a configuration: targets, what nobody reaches, and ways that go round."""

from collections.abc import Iterator
from typing import Final

from softswitch.kernel.errors import LocalError
from softswitch.services.key_lines import KeyPath
from softswitch.switch.settings import Settings
from softswitch.switch.targets import SECTIONS, Target, parse_target

_PHONE_TARGETS: Final = ("always", "no_answer", "busy", "unavailable")
_QUEUE_TARGETS: Final = ("on_max_wait", "on_full", "on_empty", "on_max_estimate", "closed", "on_holiday")
_MENU_TARGETS: Final = ("on_timeout", "on_invalid", "closed")


def targets_of(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Every target that is written somewhere, with its place."""
    for section, keys in (
        ("phones", _PHONE_TARGETS),
        ("queues", _QUEUE_TARGETS),
        ("ivr", _MENU_TARGETS),
        ("groups", ("no_answer",)),
        ("parking", ("then",)),
        ("hooks", ("next",)),
    ):
        for name, entry in getattr(settings, section).items():
            for key in keys:
                if (text := getattr(entry, key)) is not None:
                    yield (section, name, key), text
    for name, queue in settings.queues.items():
        for key, text in queue.keys.items():
            yield ("queues", name, "keys", key), text
        for number, ring in enumerate(queue.rings):
            if ring.to is not None:
                yield ("queues", name, "rings", number, "to"), ring.to
    for name, group in settings.groups.items():
        for index, text in enumerate(group.members):
            yield ("groups", name, "members", index), text
    for name, menu in settings.ivr.items():
        for key, text in menu.keys.items():
            yield ("ivr", name, "keys", key), text
        if menu.collect is not None:
            yield ("ivr", name, "collect", "next"), menu.collect.next
            if menu.collect.not_found is not None:
                yield ("ivr", name, "collect", "not_found"), menu.collect.not_found
    for name, hook in settings.hooks.items():
        if ":" in hook.on_error:
            yield ("hooks", name, "on_error"), hook.on_error
    for index, route in enumerate(settings.routes):
        if route.to:
            yield ("routes", index, "to"), route.to
        if route.closed is not None:
            yield ("routes", index, "closed"), route.closed


def prompts_of(settings: Settings) -> Iterator[tuple[KeyPath, str, str]]:
    """Every prompt that is named somewhere, or taken by default, with its place and language."""
    language = settings.server.language
    for name, menu in settings.ivr.items():
        spoken = menu.language or language
        place = ("ivr", name)
        if isinstance(menu.prompt, str):
            yield (*place, "prompt"), menu.prompt, spoken
        else:
            yield from (((*place, "prompt", index), prompt, spoken) for index, prompt in enumerate(menu.prompt))
        yield (*place, "invalid_prompt"), menu.invalid_prompt, spoken
        if menu.timeout_prompt is not None:
            yield (*place, "timeout_prompt"), menu.timeout_prompt, spoken
        if menu.languages:
            yield (*place, "language_prompt"), menu.language_prompt, spoken
        if menu.consent is not None:
            yield (*place, "consent", "prompt"), menu.consent.prompt, spoken
    for name, queue in settings.queues.items():
        spoken = queue.language or language
        for key in ("welcome", "agent_prompt", "keys_prompt"):
            if (prompt := getattr(queue, key)) is not None:
                yield ("queues", name, key), prompt, spoken
        if isinstance(queue.announce_prompt, str):
            yield ("queues", name, "announce_prompt"), queue.announce_prompt, spoken
        else:
            for index, prompt in enumerate(queue.announce_prompt or ()):
                yield ("queues", name, "announce_prompt", index), prompt, spoken
    for name, box in settings.voicemail.items():
        yield ("voicemail", name, "greeting"), box.greeting, box.language or language
    for name, survey in settings.surveys.items():
        spoken = survey.language or language
        for index, question in enumerate(survey.questions):
            yield ("surveys", name, "questions", index, "prompt"), question.spoken, spoken
        for key in ("intro", "thanks"):
            if (prompt := getattr(survey, key)) is not None:
                yield ("surveys", name, key), prompt, spoken
    for path, text in targets_of(settings):
        if (target := _parsed(text)) is not None and target.kind in ("play", "early"):
            yield path, target.name, language


def strangers_reach(settings: Settings) -> set[tuple[str, str]] | None:
    """What calls from trunks can come to, as (section, name), also by way of menus, groups and forwarded phones; None:
    anything, because a hook or a variable decides."""
    ways: dict[tuple[str, str], list[str]] = {}
    ahead: list[str] = []
    for path, text in targets_of(settings):
        if path[0] != "routes":
            ways.setdefault((str(path[0]), str(path[1])), []).append(text)
        elif settings.routes[int(path[1])].source.partition(":")[0] in ("any", "trunk"):
            ahead.append(text)
    if ahead and settings.hooks:
        return None
    reached: set[tuple[str, str]] = set()
    while ahead:
        text = ahead.pop()
        if "{" in text:
            return None
        if (target := _parsed(text)) is None:
            continue
        place = (SECTIONS.get(target.kind, target.kind), target.name)
        if place not in reached:
            reached.add(place)
            ahead += ways.get(place, ())
    return reached


def unreachable(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Queues, menus and groups that no route leads to, agents without a queue, and trunks without a route."""
    ways: dict[tuple[str, str], list[Target]] = {}
    reached: set[tuple[str, str]] = set()
    ahead: list[Target] = []
    for path, text in targets_of(settings):
        if (target := _parsed(text)) is None:
            continue
        if path[0] in ("routes", "phones"):
            ahead.append(target)
        else:
            ways.setdefault((str(path[0]), str(path[1])), []).append(target)
    while ahead:
        target = ahead.pop()
        place = (SECTIONS.get(target.kind, target.kind), target.name)
        if place not in reached:
            reached.add(place)
            ahead += ways.get(place, ())
    anywhere = bool(settings.hooks)  # they may answer with any target
    by_variable = {text.partition(":")[0] for _, text in targets_of(settings) if "{" in text}
    for section in ("queues", "ivr", "groups", "voicemail"):
        if anywhere or any(SECTIONS.get(kind) == section for kind in by_variable):
            continue
        for name in getattr(settings, section):
            if (section, name) not in reached:
                yield (section, name), "no route, menu or phone leads here"
    serving = {agent for queue in settings.queues.values() for agent in queue.agents}
    for name in settings.agents:
        if name not in serving:
            yield ("agents", name), "serves no queue"
    sources = {route.source for route in settings.routes}
    for name in settings.trunks:
        if not sources & {"any", "trunk:*", f"trunk:{name}"}:
            yield ("trunks", name), "no route takes calls from it"


def menu_loops(settings: Settings) -> Iterator[tuple[KeyPath, list[str]]]:
    """Chains of `on_timeout` that come back to themselves: without a key pressed such a call never ends."""
    following = {}
    for name, menu in settings.ivr.items():
        target = _parsed(menu.on_timeout)
        following[name] = target.name if target is not None and target.kind == "ivr" else None
    yield from ((("ivr", chain[0], "on_timeout"), chain) for chain in _cycles(following))


def dead_ends(settings: Settings) -> Iterator[KeyPath]:
    """Menus that ask for keys, and whose keys lead to menus only, however long one goes on."""
    exits: set[str] = set()
    ways: dict[str, set[str]] = {}
    asking = {name for name, menu in settings.ivr.items() if menu.keys or menu.collect is not None}
    for path, text in targets_of(settings):
        if path[0] != "ivr" or path[2] in ("on_timeout", "on_invalid", "closed"):
            continue
        target = _parsed(text)
        if target is not None and target.kind == "ivr" and target.name in asking:
            ways.setdefault(str(path[1]), set()).add(target.name)
        else:
            exits.add(str(path[1]))
    grown = True
    while grown:
        found = {name for name, onward in ways.items() if onward & exits} - exits
        exits |= found
        grown = bool(found)
    yield from (("ivr", name) for name in settings.ivr if name in asking - exits)


def trunk_cycles(settings: Settings) -> Iterator[tuple[KeyPath, list[str]]]:
    """Backups that lead back to the trunk they stand in for."""
    following = {name: trunk.backup for name, trunk in settings.trunks.items()}
    yield from ((("trunks", chain[0], "backup"), chain) for chain in _cycles(following))


def _cycles(following: dict[str, str | None]) -> Iterator[list[str]]:
    """Each cycle of a graph with one way on from each place, once, from its first name and back to it."""
    told: set[str] = set()
    for start in following:
        chain = [start]
        while (name := following.get(chain[-1])) is not None and name not in chain:
            chain.append(name)
        if name is not None:
            cycle = chain[chain.index(name) :]
            if not told & set(cycle):
                yield [*cycle, name]
            told |= set(cycle)


def _parsed(text: str | None) -> Target | None:
    try:
        return None if text is None else parse_target(text)
    except LocalError:
        return None
