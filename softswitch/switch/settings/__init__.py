"""The settings of a switch as plain values: what the configuration file says, after checking.

Field names are the configuration's keys. `services/configuration` reads TOML into these classes (pydantic validates
the annotations, unknown keys are errors) and finds the line of every fault. Times are seconds. Targets are strings
`kind:name`, parsed by `switch/targets.py`.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from softswitch.acd.model import DEFAULT_ACD, AcdSettings, QueueSettings
from softswitch.switch.settings.common import STRICT, Target
from softswitch.switch.settings.conferences import Conference, ConferenceKeys
from softswitch.switch.settings.defence import Defence
from softswitch.switch.settings.features import Paging, Parking
from softswitch.switch.settings.guards import Guards, ServiceClass
from softswitch.switch.settings.mail import Mail
from softswitch.switch.settings.menus import Collect, Consent, Hours, Menu, Route, Voicemail
from softswitch.switch.settings.parties import Agent, Phone, RingGroup, Trunk
from softswitch.switch.settings.provisioning import Brand, Device, Provisioning
from softswitch.switch.settings.routing import Hook, NumberList
from softswitch.switch.settings.server import Api, ApiToken, Log, Server
from softswitch.switch.settings.sip import LEARN, Media, Sip
from softswitch.switch.settings.siprec import RecordingServer
from softswitch.switch.settings.stir import Stir, TrunkStir
from softswitch.switch.settings.subscriptions import Messages, Subscriptions
from softswitch.switch.settings.surveys import Statistics, Survey, SurveyQuestion
from softswitch.switch.settings.talks import Codes, InCall, Recording, Supervising, Supervisor, Transfers
from softswitch.switch.settings.transports import Tls, WebSocket

__all__ = [
    "LEARN",
    "STRICT",
    "Agent",
    "Api",
    "ApiToken",
    "Brand",
    "Codes",
    "Collect",
    "Conference",
    "ConferenceKeys",
    "Consent",
    "Defence",
    "Device",
    "Guards",
    "Hook",
    "Hours",
    "InCall",
    "Log",
    "Mail",
    "Media",
    "Menu",
    "Messages",
    "NumberList",
    "Paging",
    "Parking",
    "Phone",
    "Provisioning",
    "Recording",
    "RecordingServer",
    "RingGroup",
    "Route",
    "Server",
    "ServiceClass",
    "Settings",
    "Sip",
    "Statistics",
    "Stir",
    "Subscriptions",
    "Supervising",
    "Supervisor",
    "Survey",
    "SurveyQuestion",
    "Target",
    "Tls",
    "Transfers",
    "Trunk",
    "TrunkStir",
    "Voicemail",
    "WebSocket",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    server: Server = field(default_factory=Server)
    sip: Sip = field(default_factory=Sip)
    tls: Tls = field(default_factory=Tls)
    websocket: WebSocket = field(default_factory=WebSocket)
    media: Media = field(default_factory=Media)
    api: Api = field(default_factory=Api)
    log: Log = field(default_factory=Log)
    recording: Recording = field(default_factory=Recording)
    codes: Codes = field(default_factory=Codes)
    acd: AcdSettings = DEFAULT_ACD
    statistics: Statistics = field(default_factory=Statistics)
    stir: Stir = field(default_factory=Stir)
    transfers: Transfers = field(default_factory=Transfers)
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    messages: Messages = field(default_factory=Messages)
    mail: Mail = field(default_factory=Mail)
    provisioning: Provisioning = field(default_factory=Provisioning)
    phones: dict[str, Phone] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    trunks: dict[str, Trunk] = field(default_factory=dict)
    queues: dict[str, QueueSettings] = field(default_factory=dict)
    groups: dict[str, RingGroup] = field(default_factory=dict)
    ivr: dict[str, Menu] = field(default_factory=dict)
    surveys: dict[str, Survey] = field(default_factory=dict)
    voicemail: dict[str, Voicemail] = field(default_factory=dict)
    parking: dict[str, Parking] = field(default_factory=dict)
    paging: dict[str, Paging] = field(default_factory=dict)
    conferences: dict[str, Conference] = field(default_factory=dict)
    hours: dict[str, Hours] = field(default_factory=dict)
    supervisors: dict[str, Supervisor] = field(default_factory=dict)
    lists: dict[str, NumberList] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    classes: dict[str, ServiceClass] = field(default_factory=dict)
    siprec: dict[str, RecordingServer] = field(default_factory=dict)
    guards: Guards = field(default_factory=Guards)
    defence: Defence = field(default_factory=Defence)
    routes: tuple[Route, ...] = ()
