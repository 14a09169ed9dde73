"""Fax by T.38 within a call: asked for by one party, agreed on by the other, passed through, and back to sound."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact, QueueSettings
from softswitch.switch.events import MediaLost, Reported, TransferCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Agent, Phone, Recording, Route, Settings, Sip, Trunk
from softswitch.wire import control
from softswitch.wire.sdp import Media, parse_sdp
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)},
    agents={"alice": Agent(phone="1002", logged_in=True)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    queues={"support": QueueSettings(agents=("alice",))},
    routes=(
        Route(source="trunk:carrier", number="100", to="phone:1001"),
        Route(source="trunk:carrier", number="200", to="queue:support"),
    ),
    recording=Recording(directory="/recordings", calls="all"),
)
T38 = (
    "a=T38FaxVersion:0",
    "a=T38MaxBitRate:14400",
    "a=T38FaxFillBitRemoval:0",
    "a=T38FaxTranscodingMMR",
    "a=T38FaxRateManagement:transferredTCF",
    "a=T38FaxMaxBuffer:262",
    "a=T38FaxMaxDatagram:90",
    "a=T38FaxUdpEC:t38UDPRedundancy",
)


def description(host: str, *lines: str, version: int = 2) -> bytes:
    head = ("v=0", f"o=- 1 {version} IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0")
    return "\r\n".join([*head, *lines, ""]).encode()


def image(host: str, port: int, *attributes: str, version: int = 2) -> bytes:
    return description(host, f"m=image {port} udptl t38", *attributes, version=version)


class Talk:
    """A caller of the carrier's talks with a fax machine at the phone 1001."""

    def __init__(self, settings: Settings = SETTINGS, number: str = "100") -> None:
        self.site = Site(settings)
        self.fax = self.site.phone("1001", "192.0.2.10")
        self.agent = self.site.phone("1002", "192.0.2.11")
        self.carrier = self.site.party("+37061234567", "198.51.100.10")
        self.line = self.carrier.call(number)
        self.site.run(1.0)
        self.sound = self.carrier.to_answer
        self.asked: list[bytes] = []

    def far_answers(self, party: Party, body: bytes | int) -> None:
        """What a party says to offers with images; sound it answers as ever."""
        sound = party.to_answer

        def answer(offer: bytes) -> bytes:
            self.asked.append(offer)
            if b"m=image" not in offer:
                return sound(offer)
            assert isinstance(body, bytes)
            return body

        party.to_answer = answer
        if isinstance(body, int):
            happened = party._happened

            def refuse(event: object) -> None:
                if type(event).__name__ == "Reinvited" and b"m=image" in event.request.body:  # type: ignore[attr-defined]
                    self.asked.append(event.request.body)  # type: ignore[attr-defined]
                    session = event.session  # type: ignore[attr-defined]
                    party.perform(party.ua.reject_offer(session, body, self.site.now))
                else:
                    happened(event)  # type: ignore[arg-type]

            party._happened = refuse  # type: ignore[method-assign]

    def facts(self, *kinds: str) -> list[Fact]:
        return [fact for fact in self.site.saved if isinstance(fact, Fact) and fact.kind in kinds]

    def images(self) -> dict[tuple[str, int], int]:
        """The streams of images in media: by their party's address."""
        legs = self.site.media.legs
        return {spec.remote: leg for leg, spec in legs.items() if spec.codec == control.DATAGRAMS and spec.remote}

    def over(self) -> None:
        self.carrier.hang_up(self.line)
        self.site.run(3.0)
        (record,) = self.site.records(CallRecord)
        assert isinstance(record, CallRecord)
        assert record.outcome == "answered"
        assert not self.site.switch.office.faxes.by_session
        self.site.nothing_left()


def told(line: Line) -> tuple[int, bytes]:
    """The final answer to the last offer: status and body."""
    event = line.events[-1]
    return getattr(event, "status", 200), getattr(getattr(event, "response", None), "body", b"")


def lines(sdp: bytes) -> list[tuple[str, int]]:
    return [(media.kind, media.port) for media in parse_sdp(sdp).media]


def section(sdp: bytes) -> Media:
    return next(media for media in parse_sdp(sdp).media if media.kind == "image")


def version(sdp: bytes) -> int:
    return int(parse_sdp(sdp).origin.version)


def faxing(talk: Talk) -> None:
    talk.far_answers(talk.carrier, image("198.51.100.10", 4500, *T38[:2], "a=T38FaxMaxDatagram:400"))
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38))


def test_the_machine_asks_and_the_carrier_agrees() -> None:
    talk = Talk()
    faxing(talk)
    (offer,) = talk.asked
    ours = section(offer)
    assert lines(offer) == [("image", ours.port)], "the line of the sound has changed its kind (RFC 3264 §8.3.3)"
    assert [f"a={name}" if value is None else f"a={name}:{value}" for name, value in ours.attributes] == list(T38)
    status, answer = told(talk.fax.line)
    assert status == 200
    assert section(answer).attributes == (
        ("T38FaxVersion", "0"), ("T38MaxBitRate", "14400"), ("T38FaxMaxDatagram", "400"),
    )  # fmt: skip
    images = talk.images()
    assert set(images) == {("192.0.2.10", 4400), ("198.51.100.10", 4500)}
    one, other = images.values()
    assert talk.site.media.hears(one) == {other}
    assert talk.site.media.hears(other) == {one}
    sounds = [spec for spec in talk.site.media.legs.values() if spec.codec == "PCMA"]
    assert len(sounds) == 2
    assert not any(spec.send or spec.receive for spec in sounds), "nobody misses the sound"
    assert [fact.data["by"] for fact in talk.facts("fax.started")] == ["phone:1001"]
    assert talk.facts("recording.paused")[0].data["reason"] == "fax"
    talk.over()


def test_images_too_come_from_where_the_party_speaks() -> None:
    """A stranger that sends to all ports gets no fax (`media/latch.py`)."""
    talk = Talk()
    faxing(talk)
    specs = [spec for spec in talk.site.media.legs.values() if spec.codec == control.DATAGRAMS]
    assert {spec.host for spec in specs} == {"192.0.2.10", "198.51.100.10"}
    talk.over()


def test_the_carrier_asks_and_the_machine_agrees() -> None:
    talk = Talk()
    talk.far_answers(talk.fax, image("192.0.2.10", 4400, *T38))
    talk.carrier.reoffer(talk.line, description("198.51.100.10", "m=audio 0 RTP/AVP 8", "m=image 4500 udptl t38", *T38))
    status, answer = told(talk.line)
    assert status == 200
    assert [kind for kind, _ in lines(answer)] == ["audio", "image"]
    assert lines(answer)[0][1] == 0
    assert set(talk.images()) == {("192.0.2.10", 4400), ("198.51.100.10", 4500)}
    talk.over()


@pytest.mark.parametrize("who", ["machine", "carrier"])
def test_back_to_sound(who: str) -> None:
    talk = Talk()
    faxing(talk)
    talk.site.run(30.0)
    before = version(talk.asked[-1])
    if who == "machine":
        talk.fax.resume(talk.fax.line, version=9)
    else:
        talk.far_answers(talk.fax, b"")
        talk.carrier.resume(talk.line, version=9)
    talk.site.run(1.0)
    offer = talk.asked[-1]
    assert [kind for kind, _ in lines(offer)] == ["audio"]
    if who == "machine":
        assert version(offer) == before + 1, "RFC 3264 §8"
    assert not talk.images()
    sounds = [spec for spec in talk.site.media.legs.values() if spec.codec == "PCMA"]
    assert [spec.send and spec.receive for spec in sounds] == [True, True]
    assert talk.facts("fax.ended")[0].data["seconds"] == pytest.approx(30.0, abs=0.1)
    assert len(talk.facts("recording.resumed")) == 1
    talk.over()


def test_fax_after_fax_counts_versions_up() -> None:
    talk = Talk()
    faxing(talk)
    talk.fax.resume(talk.fax.line, version=9)
    talk.site.run(1.0)
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38, version=10))
    assert len(talk.images()) == 2
    talk.fax.resume(talk.fax.line, version=11)
    talk.site.run(1.0)
    versions = [version(offer) for offer in talk.asked]
    assert versions == list(range(versions[0], versions[0] + 4)), "though the sound is what it was the last time"
    talk.over()


@pytest.mark.parametrize("status", [488, 415, 500, 603, 606])
def test_a_carrier_that_refuses_leaves_the_sound(status: int) -> None:
    talk = Talk()
    talk.far_answers(talk.carrier, status)
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38))
    assert told(talk.fax.line)[0] == 488
    assert [fact.data["status"] for fact in talk.facts("fax.refused")] == [status]
    untouched(talk)


def untouched(talk: Talk) -> None:
    """The sound passes as before."""
    assert not talk.images()
    sounds = [spec for spec in talk.site.media.legs.values() if spec.codec == "PCMA"]
    assert [spec.send and spec.receive for spec in sounds] == [True, True]
    assert not talk.facts("recording.paused")
    talk.over()


def test_a_carrier_that_answers_without_an_image_is_asked_for_sound() -> None:
    talk = Talk()
    talk.far_answers(talk.carrier, description("198.51.100.10", "m=image 0 udptl t38"))
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38))
    talk.site.run(1.0)
    assert told(talk.fax.line)[0] == 488
    assert [kind for kind, _ in lines(talk.asked[-1])] == ["audio"]
    untouched(talk)


PARTY = SETTINGS.phones["1001"]
CARRIER = SETTINGS.trunks["carrier"]


@pytest.mark.parametrize(
    ("settings", "number", "body"),
    [
        (replace(SETTINGS, phones={**SETTINGS.phones, "1001": replace(PARTY, fax="off")}), "100", b""),
        (replace(SETTINGS, trunks={"carrier": replace(CARRIER, fax="off")}), "100", b""),
        (SETTINGS, "200", b""),  # an agent's call
        (SETTINGS, "100", description("192.0.2.10", "m=image 4400 tcp t38")),
        (SETTINGS, "100", description("192.0.2.10", "m=image 4400 udptl t39")),
        (SETTINGS, "100", image("0.0.0.0", 4400)),
    ],
)
def test_who_has_no_fax_goes_on_with_sound(settings: Settings, number: str, body: bytes) -> None:
    talk = Talk(settings, number)
    party = talk.agent if number == "200" else talk.fax
    party.reoffer(party.line, body or image(party.remote[0], 4400, *T38))
    assert told(party.line)[0] == 488
    assert [fact.data["status"] for fact in talk.facts("fax.refused")] == [488]
    untouched(talk)


@pytest.mark.parametrize("who", ["machine", "carrier"])
def test_who_hangs_up_within_a_fax_leaves_nothing(who: str) -> None:
    talk = Talk()
    faxing(talk)
    if who == "machine":
        talk.fax.hang_up(talk.fax.line)
        talk.site.run(1.0)
        assert talk.line.state == "over"
    else:
        talk.carrier.hang_up(talk.line)
    assert not talk.images()
    assert not any(b"m=audio" in offer for offer in talk.asked), "nobody is asked for sound who is hung up on"
    assert not talk.site.switch.office.faxes.by_session
    talk.site.nothing_left()


def test_a_caller_who_leaves_while_the_far_party_is_asked() -> None:
    talk = Talk()
    talk.site.lost = lambda data: data.startswith(b"INVITE") and b"m=image" in data and b"198.51.100.10" in data
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38))
    talk.fax.hang_up(talk.fax.line)
    talk.site.run(40.0)
    assert not talk.images()
    assert not talk.site.switch.office.faxes.by_session
    talk.site.nothing_left()


def test_a_transfer_brings_the_caller_back_to_sound() -> None:
    talk = Talk()
    faxing(talk)
    (id,) = talk.site.switch.calls
    talk.site.give(TransferCommand(id, "blind", "phone:1002", "boss"))
    talk.site.run(2.0)
    assert [kind for kind, _ in lines(talk.asked[-1])] == ["audio"]
    assert talk.agent.line.state == "up"
    assert not talk.images()
    talk.over()


def test_the_machine_moves_within_the_fax() -> None:
    talk = Talk()
    faxing(talk)
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4800, *T38, version=3))
    assert told(talk.fax.line)[0] == 200
    assert set(talk.images()) == {("192.0.2.10", 4800), ("198.51.100.10", 4500)}
    assert len(talk.asked) == 1, "the carrier is not asked again"
    talk.over()


def test_media_that_dies_within_a_fax_ends_the_call() -> None:
    talk = Talk()
    faxing(talk)
    talk.site.media = type(talk.site.media)()
    talk.site.give(MediaLost(0))
    talk.site.give(Reported(0, (talk.site.media.ready(),)))
    assert talk.line.state == "over"
    talk.site.nothing_left()


def late(talk: Talk, party: Party) -> list[int]:
    """A party that thinks before it answers an image: its sessions that wait for that."""
    happened, waiting = party._happened, []

    def think(event: object) -> None:
        if type(event).__name__ == "Reinvited" and b"m=image" in event.request.body:  # type: ignore[attr-defined]
            talk.asked.append(event.request.body)  # type: ignore[attr-defined]
            waiting.append(event.session)  # type: ignore[attr-defined]
        else:
            happened(event)  # type: ignore[arg-type]

    party._happened = think  # type: ignore[method-assign]
    return waiting


def test_a_carrier_that_takes_its_time() -> None:
    """The machine that asked hears 100 meanwhile, and sends its re-INVITE no more (RFC 3261 §17.2.1)."""
    talk = Talk()
    waiting = late(talk, talk.carrier)
    sent: list[bytes] = []
    talk.site.lost = lambda data: sent.append(data) is not None
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38))
    talk.site.run(5.0)
    assert sum(data.startswith(b"INVITE") and b"c=IN IP4 192.0.2.10" in data for data in sent) == 1
    assert not talk.images()
    (session,) = waiting
    answer = image("198.51.100.10", 4500, *T38)
    talk.carrier.perform(talk.carrier.ua.accept_offer(session, answer, talk.site.now))
    talk.site.settle()
    assert told(talk.fax.line)[0] == 200
    assert len(talk.images()) == 2
    talk.over()


def test_both_ask_at_once() -> None:
    """RFC 3261 §14.1: 491 both ways; whoever comes first the next time has the fax."""
    talk = Talk()
    talk.far_answers(talk.carrier, image("198.51.100.10", 4500, *T38))
    talk.far_answers(talk.fax, image("192.0.2.10", 4400, *T38))
    now, fax, carrier = talk.site.now, talk.fax, talk.carrier
    fax.perform(fax.ua.reinvite(fax.line.session, image("192.0.2.10", 4400, *T38), now))
    carrier.perform(carrier.ua.reinvite(talk.line.session, image("198.51.100.10", 4500, *T38), now))
    talk.site.run(30.0)
    assert set(talk.images()) == {("192.0.2.10", 4400), ("198.51.100.10", 4500)}
    talk.over()


def test_an_offer_that_is_taken_back() -> None:
    """CANCEL for the re-INVITE (RFC 3261 §9): the carrier, which agrees all the same, is asked for sound again."""
    talk = Talk()
    waiting = late(talk, talk.carrier)
    talk.fax.reoffer(talk.fax.line, image("192.0.2.10", 4400, *T38))
    fax = next(iter(talk.site.switch.office.faxes.by_session.values()))
    machine = fax._near
    office = talk.site.switch.office
    session = office.ua._sessions.get(machine.session)
    assert session is not None
    assert session.answering is not None
    cancel = session.answering.request
    assert cancel is not None
    office.ua._sessions.receive_cancel(session, session.answering, cancel, talk.site.now)
    office.drive(office.ua._take())
    talk.site.effects(talk.site.switch.wake(talk.site.now))
    talk.site.settle()
    assert told(talk.fax.line)[0] == 487
    (asked,) = waiting
    talk.carrier.perform(talk.carrier.ua.accept_offer(asked, image("198.51.100.10", 4500, *T38), talk.site.now))
    talk.site.run(1.0)
    assert not talk.images()
    talk.over()


def test_a_consultation_brings_both_back_to_sound() -> None:
    talk = Talk()
    faxing(talk)
    machine: list[bytes] = []
    sound = talk.fax.to_answer
    talk.fax.to_answer = lambda offer: machine.append(offer) or sound(offer)  # type: ignore[func-returns-value]
    (id,) = talk.site.switch.calls
    talk.site.give(TransferCommand(id, "consult", "phone:1002", "boss"))
    talk.site.run(2.0)
    assert not talk.images()
    assert [kind for kind, _ in lines(talk.asked[-1])] == ["audio"]
    assert [kind for kind, _ in lines(machine[-1])] == ["audio"]
    talk.over()


def test_who_takes_the_machine_s_place_has_no_fax() -> None:
    """INVITE with Replaces (RFC 3891): the carrier is asked for sound, and talks with the one who came."""
    talk = Talk()
    faxing(talk)
    leg = next(one for call in talk.site.switch.calls.values() for one in call.stage.legs())
    ids = talk.site.switch.office.ua.dialog_of(leg.session)
    assert ids is not None
    replaces = f"{ids.call_id};to-tag={ids.local_tag};from-tag={ids.remote_tag}"
    talk.fax.call("1001", headers=(("Replaces", replaces),))
    talk.site.run(2.0)
    assert not talk.images()
    assert not talk.site.switch.office.faxes.by_session
    assert [kind for kind, _ in lines(talk.asked[-1])] == ["audio"]
    assert talk.line.state == talk.fax.line.state == "up"
    talk.carrier.hang_up(talk.line)
    talk.site.nothing_left()


def test_who_shows_recording_is_told_after_the_fax() -> None:
    talk = Talk()
    for call in talk.site.switch.calls.values():
        call.leg.record_aware = True
        assert call.recording.running
    talk.asked.clear()
    faxing(talk)
    assert [kind for offer in talk.asked for kind, _ in lines(offer)] == ["image"]
    talk.fax.resume(talk.fax.line, version=9)
    talk.site.run(1.0)
    assert [kind for offer in talk.asked for kind, _ in lines(offer)][:2] == ["image", "audio"]
    assert parse_sdp(talk.asked[-1]).media[0].get("record") == "on"
    talk.over()
