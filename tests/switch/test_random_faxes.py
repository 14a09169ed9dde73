"""Random calls of two parties that change between sound, images and video as they please, refuse, are transferred and
lose messages: what we have said, what media does and what the ledger tells agree, and nothing is left.

RANDOM_FAXES_FIRST and RANDOM_FAXES_LAST are the seeds to try."""

import os
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from softswitch.acd.model import Fact
from softswitch.call.leg import Leg
from softswitch.sip.events import OfferAnswered, Reinvited
from softswitch.sip.events import Output as SipOutput
from softswitch.switch.events import TransferCommand
from softswitch.switch.settings import Recording
from softswitch.switch.stages.talking import TalkStage
from softswitch.wire.sdp import parse_sdp
from tests.switch.site import Line, Party, Site
from tests.switch.test_fax import T38, description
from tests.switch.test_fax_from_the_start import SETTINGS

FIRST = int(os.environ.get("RANDOM_FAXES_FIRST", "0"))
LAST = int(os.environ.get("RANDOM_FAXES_LAST", "40"))
SOUND, NO_SOUND = "m=audio {} RTP/AVP 8", "m=audio 0 RTP/AVP 8"
IMAGE, NO_IMAGE = "m=image {} udptl t38", "m=image 0 udptl t38"
VIDEO = "m=video {} RTP/AVP 99\r\na=rtpmap:99 H264/90000"
LINES = {"audio": SOUND, "image": IMAGE, "video": VIDEO}
BEGINNINGS = ((SOUND,), (SOUND, VIDEO), (IMAGE, *T38), (SOUND, IMAGE), (NO_SOUND, IMAGE, *T38), (IMAGE, SOUND))
CHANGES = (
    *BEGINNINGS, (SOUND, NO_IMAGE), (SOUND, VIDEO), (SOUND, VIDEO), (SOUND, IMAGE, VIDEO), (SOUND, "a=sendonly"),
    (NO_SOUND,), (),
)  # fmt: skip
RECORDED = replace(SETTINGS, recording=Recording(directory="/recordings", calls="all"))


class Machine:
    """One party. `stubborn`: it refuses some offers, and some lines of others."""

    def __init__(self, party: Party, dice: Random, stubborn: bool) -> None:
        self.party, self._dice, self._stubborn = party, dice, stubborn
        self._version = 1
        self._happened = party._happened
        party.to_answer = self.answer
        party._happened = self.happened  # type: ignore[method-assign]

    def answer(self, offer: bytes) -> bytes:
        lines = []
        for media in parse_sdp(offer).media:
            taken = media.port and not (self._stubborn and self._dice.random() < 0.2)
            lines.append(LINES[media.kind].format(self._port() if taken else 0))
        return self.describe(tuple(lines))

    def happened(self, event: SipOutput) -> None:
        if isinstance(event, Reinvited) and self._stubborn and self._dice.random() < 0.15:
            status = self._dice.choice((488, 491, 415, 606, 500))
            self.party.perform(self.party.ua.reject_offer(event.session, status, self.party.site.now))
        else:
            self._happened(event)  # type: ignore[arg-type]

    def describe(self, lines: tuple[str, ...]) -> bytes:
        self._version += 1
        return description(self.party.remote[0], *(line.format(self._port()) for line in lines), version=self._version)

    def change(self, line: Line) -> None:
        """Offer something else, or ask for an offer."""
        party, change = self.party, self._dice.choice(CHANGES)
        party.perform(party.ua.reinvite(line.session, self.describe(change) if change else b"", party.site.now))
        if change and self._dice.random() < 0.2:
            return  # something else happens before it arrives
        party.site.settle()
        last = line.events[-1] if line.events else None
        if not change and isinstance(last, OfferAnswered):
            party.perform(party.ua.confirm(line.session, self.answer(last.response.body), party.site.now))
            party.site.settle()

    def _port(self) -> int:
        return 4000 + 2 * self._dice.randrange(30)


class Day:
    """A carrier calls the phone 1001; 1002 is there for transfers."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Random(seed)
        self.stubborn = seed % 2 == 0
        self.site = site = Site(RECORDED if seed % 3 == 0 else SETTINGS)
        parties = [site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")]
        parties.append(site.party("+37061234567", "198.51.100.10"))
        self.phone, self.other, self.carrier = [Machine(party, dice, self.stubborn) for party in parties]
        if dice.random() < 0.2:
            self.phone.party.on_invite = "ring"
        self.line = self.carrier.party.call("100", sdp=self.carrier.describe(dice.choice(BEGINNINGS)))

    def pass_by(self) -> None:
        for _ in range(self.dice.randrange(1, 12)):
            self.dice.choice((self.near, self.far, self.near, self.far, self.wait, self.transfer, self.weather))()
        self.site.lost = lambda data: False
        self.site.run(40.0)

    def near(self) -> None:
        if self.line.state == "up":
            self.carrier.change(self.line)

    def far(self) -> None:
        phone = self.phone.party
        if not phone.lines:
            return
        if phone.line.state == "ringing":
            self.dice.choice((phone.early, phone.answer))(phone.line)
        elif phone.line.state == "up":
            self.phone.change(phone.line)

    def wait(self) -> None:
        self.site.run(self.dice.random() * 3)

    def transfer(self) -> None:
        for id in tuple(self.site.switch.calls) if self.dice.random() < 0.3 else ():
            self.site.give(TransferCommand(id, self.dice.choice(("blind", "consult")), "phone:1002", "boss"))

    def weather(self) -> None:
        """Messages get lost, or do no more."""
        rain = self.dice.random() < 0.3
        self.site.lost = lambda data: rain and self.dice.random() < 0.3

    def check(self) -> None:
        """Once nothing is open any more."""
        for call in self.site.switch.calls.values():
            if isinstance(call.stage, TalkStage) and call.stage.transfer is None:
                self._check_talk(call.id, call.leg, call.stage.callee)

    def _check_talk(self, id: str, one: Leg, other: Leg) -> None:
        office, media = self.site.switch.office, self.site.media
        silent = [leg.description.silent for leg in (one, other)]
        assert (id in office.faxes.alone) is all(silent)
        if not self.stubborn:
            assert silent[0] is silent[1]
        for leg, far in ((one, other), (other, one)):
            said, faxes = leg.description, leg.session in office.faxes.by_session
            assert media.legs[leg.id] == leg.spec
            if all(silent):
                mine, theirs = (party.streams.by_kind["image"].id for party in (leg, far) if party.streams is not None)
                assert media.hears(mine) == {theirs}
            elif not any(silent) and not faxes and leg.held_at is None and far.held_at is None:
                assert far.id in media.hears(leg.id)
            if leg.streams is not None and far.streams is not None and not faxes:
                for kind in leg.streams.by_kind.keys() & far.streams.by_kind.keys():
                    hears = {far.streams.by_kind[kind].id} if leg.held_at is None and far.held_at is None else set()
                    assert media.hears(leg.streams.by_kind[kind].id) == hears
            if not faxes and not said.reoffered and not said.pending:
                have = {"audio"} if leg.negotiated is not None else set()
                have |= set() if leg.streams is None else leg.streams.by_kind.keys()
                ports = {section.kind for section in parse_sdp(said.sdp).media if section.port}
                assert have <= ports, "nothing is open that we have not said"

    def over(self) -> None:
        for machine in (self.carrier, self.phone, self.other):
            for line in tuple(machine.party.lines.values()):
                if line.state in ("up", "ringing", "calling"):
                    machine.party.hang_up(line)
        self.site.run(40.0)
        faxes = self.site.switch.office.faxes
        assert not faxes.by_session
        assert not faxes.alone
        assert not self.site.switch.office.added_streams.by_session
        kinds = Counter(fact.kind for fact in self.site.saved if isinstance(fact, Fact))
        assert kinds["fax.started"] == kinds["fax.ended"]
        assert kinds["recording.paused"] == kinds["recording.resumed"]
        self.site.nothing_left()


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_whatever_two_machines_want(seed: int) -> None:
    day = Day(seed)
    day.pass_by()
    day.check()
    day.over()
