"""A site with conferences: four phones, a carrier, and what the tests ask of a room."""

from dataclasses import replace

from softswitch.acd.model import Fact
from softswitch.switch.conferences import Member, Room
from softswitch.switch.events import ConferenceCommand, Effect, RemoveFile, ToMedia
from softswitch.switch.settings import Conference, Phone, Recording, Route, ServiceClass, Settings, Sip, Trunk
from softswitch.wire.control import FileItem, Record
from tests.switch.site import Line, Party, Site

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={
        "1001": Phone(password="correct horse", name="Ann Smith"),
        "1002": Phone(password="correct horse", name="Jonas Žukauskas"),
        "1003": Phone(password="correct horse", name="Ганна Коваль", cos="inside"),
        "1004": Phone(password="correct horse", name="Ann-Marie Smythe"),
    },
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    classes={"inside": ServiceClass(may_call=("1XXX",))},
    recording=Recording(directory="/recordings"),
    routes=(
        Route(source="trunk:carrier", number="100", to="conference:board"),
        Route(source="trunk:carrier", number="200", to="directory:"),
        Route(source="phone:*", number="9.", to="trunk:carrier", strip=1),
        Route(source="phone:*", number="411", to="directory:"),
    ),
)


def moderated(**more: object) -> Settings:
    """Settings with the conference `board` at 600: 1234 for members, 9876 for moderators."""
    rules: dict[str, object] = {"number": "600", "pin": "1234", "moderator_pin": "9876", **more}
    return replace(SETTINGS, conferences={"board": Conference(**rules)})  # type: ignore[arg-type]  # of many types


def open_room(**more: object) -> Settings:
    """The same without PINs; phone 1001 is the moderator."""
    return moderated(**{"pin": None, "moderator_pin": None, "moderators": ("1001",), **more})


class Meeting(Site):
    """Phones 1001 to 1004 and the carrier."""

    def __init__(self, settings: Settings, workers: int = 1) -> None:
        self.spoken: list[str] = []  # files of names that were asked for
        super().__init__(settings, workers=workers)
        self.phones = [self.phone(f"100{n}", f"192.0.2.1{n}") for n in range(1, 5)]
        self.carrier = self.party("+37061234567", "198.51.100.10")

    def effects(self, effects: list[Effect]) -> None:
        """A spoken name is thrown away once, and not while it is heard."""
        for effect in effects:
            if isinstance(effect, ToMedia):
                records = [command for command in effect.commands if isinstance(command, Record)]
                self.spoken += [one.path for one in records if "/names/call-" in one.path]
            elif isinstance(effect, RemoveFile):
                assert effect.path in self.spoken
                assert effect.path not in self.removed
                played = [item for media in self.processes for play in media.players.values() for item in play.items]
                assert effect.path not in [item.path for item in played if isinstance(item, FileItem)]
        super().effects(effects)

    @property
    def room(self) -> Room:
        return self.switch.office.conferences.by_name["board"]

    def member(self, party: Party) -> Member:
        peer = "trunk:carrier" if party is self.carrier else f"phone:{party.name}"
        return next(member for member in self.room.members.values() if member.leg.peer == peer)

    def key(self, party: Party, digits: str) -> None:
        """Keys of a party by RFC 4733."""
        peer = "trunk:carrier" if party is self.carrier else f"phone:{party.name}"
        for digit in digits:
            leg = next(leg for leg in self.switch.office.fabric.legs.values() if leg.peer == peer and not leg.over)
            self.press(leg.id, digit)

    def come(self, party: Party, pin: str = "") -> Line:
        """Dial the conference, and type the PIN."""
        line = party.call("100" if party is self.carrier else "600")
        if pin:
            self.key(party, f"{pin}#")
        return line

    @property
    def heard(self) -> dict[str, tuple[float, float]]:
        """By party: how loud it speaks in the room and hears it, as media has it."""
        members = self.processes[self.room.worker].rooms[self.room.id]
        legs = {member.leg.id: member.leg.peer.partition(":")[2] for member in self.room.members.values()}
        return {legs[id]: gains for id, gains in members.items() if id in legs}

    def said(self, number: int = -1) -> tuple[str, ...]:
        """What was played last, without the language."""
        return tuple(name.removeprefix("en/") for name in self.media.played[number])

    def facts(self, kind: str) -> list[Fact]:
        return [record for record in self.saved if isinstance(record, Fact) and record.kind == kind]

    def order(self, verb: str, **what: str) -> None:
        self.give(ConferenceCommand("board", verb, **what))  # type: ignore[arg-type]  # a literal
