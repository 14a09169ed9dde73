"""What a configuration means: names that exist, addresses, numbers and hours that can be understood."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from string import Formatter
from typing import Final

from softswitch.acd.model import QueueSettings
from softswitch.call.hours import OpeningHours
from softswitch.kernel.errors import LocalError
from softswitch.services.configuration_acd import check_agent, check_matching, check_survey
from softswitch.services.configuration_addresses import check_addresses
from softswitch.services.configuration_callers import check_callers, check_voicemail, overflow_loops
from softswitch.services.configuration_conferences import check_conferences
from softswitch.services.configuration_defence import check_defence
from softswitch.services.configuration_features import check_features
from softswitch.services.configuration_graph import (
    dead_ends,
    menu_loops,
    prompts_of,
    targets_of,
    trunk_cycles,
    unreachable,
)
from softswitch.services.configuration_guards import check_guards
from softswitch.services.configuration_identity import check_identity
from softswitch.services.configuration_pins import check_pins
from softswitch.services.configuration_provisioning import check_provisioning
from softswitch.services.configuration_routing import check_routing
from softswitch.services.configuration_sessions import check_sessions
from softswitch.services.configuration_siprec import check_siprec
from softswitch.services.configuration_subscriptions import check_subscriptions
from softswitch.services.configuration_talks import check_codes, check_supervisor, dialled_codes
from softswitch.services.configuration_tls import check_tls
from softswitch.services.configuration_values import HOST, Known, ValueChecks
from softswitch.services.faults import Finding, closest
from softswitch.services.key_lines import KeyPath
from softswitch.services.prompts import find_music, find_prompt
from softswitch.sip.numbers import Pattern
from softswitch.sip.transports import TRANSPORTS
from softswitch.switch.recording_names import FIELDS
from softswitch.switch.settings import Hours, Menu, Phone, Route, Settings, Trunk
from softswitch.switch.targets import NAME, SECTIONS, parse_target

_LISTEN: Final = re.compile(rf"(?P<transport>[a-z]+):(?P<host>{HOST}):(?P<port>\d{{1,5}})")
_HOST_PORT: Final = re.compile(rf"(?P<host>{HOST}):(?P<port>\d{{1,5}})")
_DIGITS: Final = re.compile(r"[0-9*#A-D]+")
_DIGEST_LENGTH: Final = {"MD5": 32, "SHA-256": 64, "SHA-512-256": 64}
_FIRST_PORT: Final = 1024


def check_settings(settings: Settings, known: Known) -> list[Finding]:
    """Everything that is wrong with well-formed settings."""
    checks = _Checks(settings, known)
    checks.run()
    return checks.findings


class _Checks(ValueChecks):
    """One pass over the settings. The methods are independent of each other and only add findings."""

    def run(self) -> None:
        self._numbers(self.settings, ())
        self._names()
        self._server()
        self._sip()
        self._media()
        self._api()
        self._recording()
        self.findings += check_codes(self.settings)
        self.findings += check_identity(self.settings)
        self.findings += check_features(self.settings)
        self.findings += check_conferences(self.settings)
        self.findings += check_pins(self.settings)
        for name, phone in self.settings.phones.items():
            self._phone(name, phone)
        self._extensions()
        self.findings += check_provisioning(self.settings)
        self._agents()
        for name, trunk in self.settings.trunks.items():
            self._trunk(name, trunk)
        for path, chain in trunk_cycles(self.settings):
            self._error(path, f"backups go round: {' → '.join(chain)}")
        for name, queue in self.settings.queues.items():
            self._queue(name, queue)
            self.findings += check_callers(self.settings, name, queue)
        self.findings += overflow_loops(self.settings)
        self.findings += check_subscriptions(self.settings)
        for name, server in self.settings.siprec.items():
            self._sip_uri(("siprec", name, "address"), server.address)
        self.findings += check_siprec(self.settings)
        for name, box in self.settings.voicemail.items():
            self.findings += check_voicemail(name, box)
            self._language(("voicemail", name, "language"), box.language)
        known = self.known
        for name, supervisor in self.settings.supervisors.items():
            self.findings += check_supervisor(name, supervisor, known["phones"], known["queues"], known["agents"])
        for name, group in self.settings.groups.items():
            if not group.members:
                self._error(("groups", name, "members"), "a group needs members")
        for name, menu in self.settings.ivr.items():
            self._menu(name, menu)
        for name, survey in self.settings.surveys.items():
            self._language(("surveys", name, "language"), survey.language)
            self.findings += check_survey(name, survey)
        for name, hours in self.settings.hours.items():
            self._hours(name, hours)
        for index, route in enumerate(self.settings.routes):
            self._route(index, route)
        self.findings += check_routing(self.settings, self.known.names)
        self.findings += check_sessions(self.settings)
        self.findings += check_defence(self.settings)
        self.findings += check_guards(self.settings, self.known.names)
        self.findings += check_tls(self.settings)
        for path, text in targets_of(self.settings):
            self._target(path, text)
        for path, name, language in prompts_of(self.settings):
            self._sound(path, find_prompt, name, language)
        for name, queue in self.settings.queues.items():
            self._sound(("queues", name, "music"), find_music, queue.music)
        self._roads()

    # ------------------------------------------------------------------------------------------- the file's sections

    def _server(self) -> None:
        server = self.settings.server
        self._language(("server", "language"), server.language)
        self._timezone(("server", "timezone"), server.timezone)
        if server.database != "sqlite" and not server.database.startswith(("sqlite:///", "postgresql://")):
            self._error(("server", "database"), 'must be "sqlite" or a URL that starts with postgresql://')

    def _sip(self) -> None:
        sip = self.settings.sip
        if not sip.listen:
            self._error(("sip", "listen"), "nothing to listen on")
        seen: set[str] = set()
        for index, text in enumerate(sip.listen):
            path = ("sip", "listen", index)
            match = _LISTEN.fullmatch(text)
            if match is None:
                self._error(path, f'"{text}" is not transport:address:port, as in "udp:0.0.0.0:5060"')
                continue
            if match["transport"] not in TRANSPORTS:
                hint = closest(match["transport"], TRANSPORTS)
                self._error(path, f'"{match["transport"]}" is not a transport: {", ".join(TRANSPORTS)}', hint)
            self._ip(path, match["host"].strip("[]"))
            port = self._port(path, match["port"])
            low, high = self.settings.media.ports
            if match["transport"] == "udp" and low <= port <= high + 1:
                self._error(path, f"port {port} lies within media.ports {low}–{high}")
            if text in seen:
                self._error(path, f'"{text}" is listed twice')
            seen.add(text)
        self._host_name(("sip", "domain"), sip.domain)
        self._host_name(("sip", "external_address"), sip.external_address)
        self._networks(("sip", "local_networks"), sip.local_networks)
        if not sip.min_expires <= sip.default_expires <= sip.max_expires:
            self._error(("sip", "default_expires"), "must lie between min_expires and max_expires")
        if not sip.digest_algorithms:
            self._error(("sip", "digest_algorithms"), "at least one is needed")

    def _media(self) -> None:
        media = self.settings.media
        self.findings += check_addresses(self.settings)
        low, high = media.ports
        path: KeyPath = ("media", "ports")
        if not _FIRST_PORT <= low < high <= 65535:
            self._error(path, f"must be two ports, the lower one first, from {_FIRST_PORT} to 65535")
        elif low % 2:
            self._error(path, f"must start with an even port (RFC 3550 §11): {low} is odd", str([low + 1, high]))
        else:
            calls = (high - low + 1) // 4  # two legs, each with a port for RTP and one for RTCP
            if calls < self.settings.server.max_calls:
                self._warn(path, f"hold {calls} calls at once; server.max_calls is {self.settings.server.max_calls}")
        if not media.codecs:
            self._error(("media", "codecs"), "at least one is needed")
        self._streams(("media",), media)
        if isinstance(media.workers, int) and media.workers == 0:
            self._error(("media", "workers"), "at least one is needed")

    def _api(self) -> None:
        api = self.settings.api
        match = _HOST_PORT.fullmatch(api.listen)
        if match is None:
            self._error(("api", "listen"), f'"{api.listen}" is not address:port, as in "127.0.0.1:8080"')
            return
        host = match["host"].strip("[]")
        self._port(("api", "listen"), match["port"])
        if self._ip(("api", "listen"), host) and not ip_address(host).is_loopback and not api.token:
            self._error(("api", "listen"), "an API that others can reach needs api.token")
        if api.token is not None and len(api.token) < 16:
            self._warn(("api", "token"), "short: 16 characters or more cannot be guessed")

    def _recording(self) -> None:
        path: KeyPath = ("recording", "template")
        template = self.settings.recording.template
        try:
            names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        except ValueError as error:
            self._error(path, str(error).lower())
            return
        for name in names:
            if name not in FIELDS:
                self._error(path, f"{{{name}}} is not a field", closest(name, FIELDS))
        if "call" not in names:
            self._error(path, "needs {call}: without it one recording overwrites another")
        if not template.endswith(".wav"):
            self._error(path, "must end in .wav: the ending of a converted recording follows recording.format")
        if template.startswith("voicemail/"):
            self._error(path, "voicemail/ is where messages are kept")
        if template.startswith("/") or ".." in template.split("/"):
            self._error(path, "must stay below recording.directory")

    def _phone(self, name: str, phone: Phone) -> None:
        path: KeyPath = ("phones", name)
        if phone.contact is not None:
            self._sip_uri((*path, "contact"), phone.contact)
        elif phone.password is None and not phone.ha1:
            self._error(path, "needs a password (it registers) or a contact (it has a fixed address)")
        for algorithm, digest in phone.ha1.items():
            here = (*path, "ha1", algorithm)
            if algorithm not in _DIGEST_LENGTH:
                known = ", ".join(_DIGEST_LENGTH)
                self._error(here, f"unknown algorithm: there are {known}", closest(algorithm, _DIGEST_LENGTH))
            elif not re.fullmatch(f"[0-9a-fA-F]{{{_DIGEST_LENGTH[algorithm]}}}", digest):
                self._error(here, f"must be {_DIGEST_LENGTH[algorithm]} hexadecimal digits")
        self._password((*path, "password"), phone.password, name)
        self._language((*path, "language"), phone.language)
        self._streams(path, phone)
        self._networks((*path, "accept_from"), phone.accept_from)

    def _extensions(self) -> None:
        owners: dict[str, str] = {}
        codes = dialled_codes(self.settings.codes)
        for name, phone in self.settings.phones.items():
            number = phone.number or name
            path: KeyPath = ("phones", name, "number") if phone.number else ("phones", name)
            if number in owners:
                self._error(path, f'"{number}" is also the number of phones.{owners[number]}')
            elif code := codes.get(number):
                self._error(path, f'"{number}" is also codes.{code}')
            owners.setdefault(number, name)

    def _agents(self) -> None:
        owners: dict[str, str] = {}
        for name, agent in self.settings.agents.items():
            path: KeyPath = ("agents", name)
            if agent.phone not in self.known["phones"]:
                self._error((*path, "phone"), f'no phone "{agent.phone}"', closest(agent.phone, self.known["phones"]))
            elif agent.phone in owners:
                self._warn((*path, "phone"), f"agents.{owners[agent.phone]} has this phone too: one of them at a time")
            owners.setdefault(agent.phone, name)
            for index, phone in enumerate(agent.phones):
                if phone not in self.known["phones"]:
                    self._error((*path, "phones", index), f'no phone "{phone}"', closest(phone, self.known["phones"]))
            self.findings += check_agent(name, agent)
            if agent.pin is not None and not (agent.pin.isascii() and agent.pin.isdigit()):
                self._error((*path, "pin"), "must be digits")

    def _trunk(self, name: str, trunk: Trunk) -> None:
        path: KeyPath = ("trunks", name)
        self._sip_uri((*path, "address"), trunk.address)
        self._networks((*path, "accept_from"), trunk.accept_from)
        self._host_name((*path, "domain"), trunk.domain)
        self._streams(path, trunk)
        if trunk.register and trunk.username is None:
            self._error((*path, "register"), "needs a username")
        if trunk.username is not None and trunk.password is None:
            self._error((*path, "username"), "needs a password")
        if trunk.password is not None and trunk.username is None:
            self._error((*path, "password"), "needs a username")
        if trunk.country is not None and re.fullmatch(r"\+?[1-9][0-9]{0,2}", trunk.country) is None:
            self._error((*path, "country"), 'must be a country calling code, as in "370"')
        if trunk.backup is not None and trunk.backup not in self.known["trunks"]:
            self._error((*path, "backup"), f'no trunk "{trunk.backup}"', closest(trunk.backup, self.known["trunks"]))

    def _queue(self, name: str, queue: QueueSettings) -> None:
        path: KeyPath = ("queues", name)
        seen: set[str] = set()
        for index, agent in enumerate(queue.agents):
            if agent not in self.known["agents"]:
                self._error((*path, "agents", index), f'no agent "{agent}"', closest(agent, self.known["agents"]))
            elif agent in seen:
                self._error((*path, "agents", index), f'"{agent}" is listed twice')
            seen.add(agent)
        if not queue.agents and not any(ring.agents for ring in queue.rings):
            self._warn(path, "has no agents: nobody will answer")
        self.findings += check_matching(self.settings, name, queue, self.known["agents"])
        if queue.survey is not None and queue.survey not in self.known["surveys"]:
            self._error((*path, "survey"), f'no survey "{queue.survey}"', closest(queue.survey, self.known["surveys"]))
        if queue.ring_seconds == 0:
            self._error((*path, "ring_seconds"), "must be more than 0")
        if queue.service_level.percent > 100:
            self._error((*path, "service_level", "percent"), "must be 0 to 100")
        self._language((*path, "language"), queue.language)
        if queue.announce_every and not queue.announce_prompt:
            self._error((*path, "announce_every"), "needs announce_prompt")
        for limit, where in (("max_wait", "on_max_wait"), ("max_length", "on_full")):
            if getattr(queue, where) is not None and not getattr(queue, limit):
                self._warn((*path, where), f"never used: {limit} is off")

    def _menu(self, name: str, menu: Menu) -> None:
        path: KeyPath = ("ivr", name)
        for table in ("keys", "languages"):
            for key in getattr(menu, table):
                if _DIGITS.fullmatch(key) is None:
                    self._error((*path, table, key), "is no key of a telephone: 0–9, * and #")
        for key, language in menu.languages.items():
            self._language((*path, "languages", key), language)
        self._language((*path, "language"), menu.language)
        self._hours_name((*path, "hours"), menu.hours)
        if menu.closed is not None and menu.hours is None:
            self._warn((*path, "closed"), "never used: the menu has no hours")
        if menu.keys and menu.collect is not None:
            self._error((*path, "collect"), "a menu has keys or collects digits, not both")
        if (collect := menu.collect) is not None:
            if not 1 <= collect.min <= collect.max:
                self._error((*path, "collect", "min"), "must be from 1 to max")
            if collect.end_key not in ("", *"0123456789*#"):
                self._error((*path, "collect", "end_key"), "must be one key of a telephone")
            if re.fullmatch(r"[A-Za-z][A-Za-z0-9_\-]*", collect.variable) is None:
                self._error((*path, "collect", "variable"), "must be a name of letters, digits, _ and -")
        if menu.consent is not None and menu.consent.key not in (None, *"0123456789*#"):
            self._error((*path, "consent", "key"), "must be one key of a telephone")

    def _hours(self, name: str, hours: Hours) -> None:
        path: KeyPath = ("hours", name)
        if hours.timezone is not None:
            self._timezone((*path, "timezone"), hours.timezone)
        before = len(self.findings)
        for day, spans in hours.open.items():
            self._try((*path, "open", day), OpeningHours.parse, {day: spans}, (), "UTC")
        if len(self.findings) == before:
            self._try(path, OpeningHours.parse, hours.open, (), "UTC")  # a day that is given twice
        for index, holiday in enumerate(hours.holidays):
            self._try((*path, "holidays", index), OpeningHours.parse, {}, (holiday,), "UTC")
        if not hours.open:
            self._warn(path, "never open")
        settings = self.settings
        users = {queue.hours for queue in settings.queues.values()} | {menu.hours for menu in settings.ivr.values()}
        users |= {route.hours for route in settings.routes} | {cos.hours for cos in settings.classes.values()}
        users |= {queue.callback.hours for queue in settings.queues.values() if queue.callback is not None}
        if name not in users:
            self._warn(path, "not used by any menu, queue or route")

    def _route(self, index: int, route: Route) -> None:
        path: KeyPath = ("routes", index)
        if not route.to:
            self._error((*path, "to"), "missing")
        kind, colon, name = route.source.partition(":")
        if route.source != "any":
            table = {"trunk": "trunks", "phone": "phones"}.get(kind)
            if not colon or table is None:
                hint = closest(route.source, ("any", "trunk:*", "phone:*"))
                self._error((*path, "source"), f'"{route.source}" is not any, trunk:NAME or phone:NAME', hint)
            elif name != "*" and name not in self.known[table]:
                match = closest(name, self.known[table])
                self._error((*path, "source"), f'no {kind} "{name}"', f"{kind}:{match}" if match else "")
        self._try((*path, "number"), Pattern, route.number)
        self._hours_name((*path, "hours"), route.hours)
        self._language((*path, "language"), route.language)
        if route.closed is not None and route.hours is None:
            self._warn((*path, "closed"), "never used: the route has no hours")
        for earlier, other in enumerate(self.settings.routes[:index]):
            if (other.hours is not None and other.closed is None) or other.caller or other.callers:
                continue
            if other.number in ("*", route.number) and _covers(other.source, route.source):
                self._warn(path, f"never reached: routes[{earlier}] takes its calls")
                break

    def _roads(self) -> None:
        """Ways that lead nowhere. Not told of a file with errors: one misspelt target leaves much unreached."""
        if any(finding.severity == "error" for finding in self.findings):
            return
        for path, message in unreachable(self.settings):
            self._warn(path, message)
        for path, chain in menu_loops(self.settings):
            self._warn(path, f"a caller who presses nothing goes round for ever: {' → '.join(chain)}")
        for path in dead_ends(self.settings):
            self._warn(path, "leads nowhere: no key reaches a queue, a phone or anything but menus")

    # --------------------------------------------------------------------------------------------- single values

    def _sound(self, path: KeyPath, find: Callable[..., Path], name: str, *language: str) -> None:
        try:
            find(name, *language, Path(self.settings.server.data_dir))
        except LocalError as error:
            message, _, hint = str(error).partition("; did you mean ")
            self._error(path, message, hint.strip('"?'))

    def _names(self) -> None:
        for section in (*SECTIONS.values(), "hours", "lists", "supervisors", "classes"):
            for name in getattr(self.settings, section):
                if NAME.fullmatch(name) is None:
                    self._error((section, name), "not a name: letters, digits and _ . + - only")

    def _target(self, path: KeyPath, text: str) -> None:
        try:
            target = parse_target(text)
        except LocalError as error:
            kind, colon, name = text.partition(":")
            kinds = ("echo", "answer", "hangup", "play", "early", "conference", "directory", *SECTIONS)
            hint = closest(kind, kinds) if kind not in kinds else kind if not colon else ""
            self._error(path, str(error), f"{hint}:{name}" if hint else "")
            return
        section = SECTIONS.get(target.kind)
        if section is not None and target.name not in self.known[section]:
            match = closest(target.name, self.known[section])
            hint = f"{target.kind}:{match}" if match else self._elsewhere(target.name)
            self._error(path, f'no {target.kind} "{target.name}"', hint)

    def _elsewhere(self, name: str) -> str:
        """A target of another kind that has this very name."""
        return next((f"{kind}:{name}" for kind, section in SECTIONS.items() if name in self.known[section]), "")

    def _hours_name(self, path: KeyPath, name: str | None) -> None:
        if name is not None and name not in self.known["hours"]:
            self._error(path, f'no hours "{name}"', closest(name, self.known["hours"]))


def _covers(source: str, other: str) -> bool:
    """Whether every call from `other` also comes from `source`."""
    return source in ("any", other) or (source.endswith(":*") and other.startswith(source[:-1]))
