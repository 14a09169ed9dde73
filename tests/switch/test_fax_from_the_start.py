"""Calls that begin with T.38 (ITU-T T.38 annex D): images alone, or beside sound, of which either may be refused."""

from dataclasses import replace

import pytest

from softswitch.acd.model import Fact
from softswitch.switch.events import TransferCommand
from softswitch.switch.records import CallRecord
from softswitch.switch.settings import Media, Phone, Recording, Route, Settings, Sip, Trunk
from softswitch.wire import control
from tests.switch.site import Line, Party, Site
from tests.switch.test_fax import PASSWORD, T38, description, image, lines, section, told

SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={name: Phone(password=PASSWORD) for name in ("1001", "1002")},
    trunks={"carrier": Trunk(address="sip:198.51.100.10")},
    routes=(
        Route(source="trunk:carrier", number="100", to="phone:1001"),
        Route(source="trunk:carrier", number="300", to="echo:"),
    ),
)
AUDIO = "m=audio 4000 RTP/AVP 8"
NO_AUDIO = "m=audio 0 RTP/AVP 8"
THEIRS = ("a=T38FaxVersion:0", "a=T38MaxBitRate:9600", "a=T38FaxMaxBuffer:72", "a=T38FaxUdpEC:t38UDPFEC")


class Faxes:
    """The carrier calls a fax machine at the phone 1001, which answers what `body` says."""

    def __init__(self, body: bytes, settings: Settings = SETTINGS) -> None:
        self.site = Site(settings)
        self.fax = self.site.phone("1001", "192.0.2.10")
        self.other = self.site.phone("1002", "192.0.2.11")
        self.carrier = self.site.party("+37061234567", "198.51.100.10")
        self.sound = self.fax.to_answer
        self.fax.to_answer = lambda offer: body
        self.asked: dict[str, list[bytes]] = {"carrier": [], "fax": []}

    def call(self, *media: str, number: str = "100") -> Line:
        line = self.carrier.call(number, sdp=description("198.51.100.10", *media))
        self.site.run(1.0)
        return line

    def listen(self) -> None:
        """From now on both answer offers by what they hold, and are asked in the open."""
        for name, party in (("carrier", self.carrier), ("fax", self.fax)):
            self._answers(name, party)

    def _answers(self, name: str, party: Party) -> None:
        sound = self.sound if name == "fax" else party.to_answer

        def answer(offer: bytes) -> bytes:
            self.asked[name].append(offer)
            return sound(offer)

        party.to_answer = answer

    @property
    def offered(self) -> bytes:
        assert self.fax.line.request is not None
        return self.fax.line.request.body

    def images(self) -> dict[str, int]:
        """The streams of images in media, by their party's host."""
        legs = self.site.media.legs.items()
        return {spec.remote[0]: leg for leg, spec in legs if spec.codec == control.DATAGRAMS and spec.remote}

    def joined(self) -> bool:
        ids = list(self.images().values())
        return len(ids) == 2 and self.site.media.hears(ids[0]) == {ids[1]} and self.site.media.hears(ids[1]) == {ids[0]}

    def sounds(self) -> list[bool]:
        return [spec.send and spec.receive for spec in self.site.media.legs.values() if spec.codec == "PCMA"]

    def facts(self, *kinds: str) -> list[Fact]:
        return [fact for fact in self.site.saved if isinstance(fact, Fact) and fact.kind in kinds]

    def over(self, line: Line) -> None:
        self.carrier.hang_up(line)
        self.site.run(3.0)
        (record,) = self.site.records(CallRecord)
        assert isinstance(record, CallRecord)
        assert record.outcome == "answered"
        assert not self.site.switch.office.faxes.alone
        self.site.nothing_left()


def written(sdp: bytes) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in section(sdp).attributes]


def images_alone(settings: Settings = SETTINGS) -> tuple[Faxes, Line]:
    site = Faxes(image("192.0.2.10", 4400, *THEIRS), settings)
    line = site.call("m=image 4500 udptl t38", *T38)
    assert line.state == "up"
    return site, line


def test_images_alone() -> None:
    """What each machine says of itself reaches the other as it was written, and the datagrams pass as they are."""
    site, line = images_alone()
    assert [kind for kind, _ in lines(site.offered)] == ["image"]
    assert written(site.offered) == list(T38)
    assert [kind for kind, _ in lines(line.sdp)] == ["image"]
    assert written(line.sdp) == list(THEIRS)
    assert set(site.images()) == {"192.0.2.10", "198.51.100.10"}
    assert site.joined()
    assert [fact.data["by"] for fact in site.facts("fax.started")] == ["trunk:carrier"]
    site.over(line)
    assert len(site.facts("fax.ended")) == 1


def test_a_machine_answers_by_early_media() -> None:
    site = Faxes(image("192.0.2.10", 4400, *THEIRS))
    site.fax.on_invite = "silent"
    line = site.call("m=image 4500 udptl t38", *T38)
    site.fax.early(site.fax.line)
    assert line.status == 183
    assert site.joined()
    site.fax.answer(site.fax.line)
    assert line.state == "up"
    site.over(line)


@pytest.mark.parametrize("status", [488, 415, 606])
def test_a_machine_that_refuses(status: int) -> None:
    site = Faxes(b"")
    site.fax.on_invite = status
    line = site.call("m=image 4500 udptl t38", *T38)
    assert line.state == "over"
    assert line.status in (488, status)
    site.site.nothing_left()


def test_a_machine_that_refuses_the_only_line() -> None:
    """RFC 3264 §6: port 0 for all there was is no session."""
    site = Faxes(description("192.0.2.10", "m=image 0 udptl t38"))
    line = site.call("m=image 4500 udptl t38", *T38)
    assert (line.state, line.status) == ("over", 488)
    assert not site.images()
    site.site.nothing_left()


@pytest.mark.parametrize("order", ["sound first", "images first"])
@pytest.mark.parametrize("answered", ["both", "sound", "images"])
def test_images_beside_sound(answered: str, order: str) -> None:
    """RFC 3264 §6: the answer has as many lines, in the same order, and port 0 for what is not taken."""
    sound, images = ((AUDIO,), ("m=image 4500 udptl t38", *T38))
    first, second = (sound, images) if order == "sound first" else (images, sound)
    taken = {"audio": answered != "images", "image": answered != "sound"}
    ours = [AUDIO if taken["audio"] else NO_AUDIO, f"m=image {4400 if taken['image'] else 0} udptl t38"]
    site = Faxes(description("192.0.2.10", *ours))  # our offer has the sound first
    line = site.call(*first, *second)
    assert [kind for kind, _ in lines(site.offered)] == ["audio", "image"]
    assert all(port for _, port in lines(site.offered))
    kinds = ["audio", "image"] if order == "sound first" else ["image", "audio"]
    assert [(kind, bool(port)) for kind, port in lines(line.sdp)] == [(kind, taken[kind]) for kind in kinds]
    assert site.joined() is taken["image"]
    assert site.sounds() == ([True, True] if taken["audio"] else [])
    site.over(line)


@pytest.mark.parametrize(("audio", "images"), [(0, 4500), (4000, 0)])
def test_the_caller_has_refused_one_itself(audio: int, images: int) -> None:
    """RFC 3264 §5.1: a line with port 0 is offered by nobody."""
    body = description("192.0.2.10", f"m=image {4400} udptl t38") if images else description("192.0.2.10", AUDIO)
    site = Faxes(body)
    line = site.call(f"m=audio {audio} RTP/AVP 8", f"m=image {images} udptl t38", *T38)
    assert line.state == "up"
    assert [kind for kind, _ in lines(site.offered)] == (["image"] if images else ["audio"])
    assert [(kind, bool(port)) for kind, port in lines(line.sdp)] == [("audio", bool(audio)), ("image", bool(images))]
    site.over(line)


@pytest.mark.parametrize("who", ["fax", "carrier"])
def test_sound_after_the_fax(who: str) -> None:
    """Either machine goes over to sound by re-INVITE; the other is asked for it."""
    site, line = images_alone()
    site.listen()
    if who == "fax":
        site.fax.resume(site.fax.line, version=9)
        asked, party, theirs = site.asked["carrier"], site.fax, site.fax.line
    else:
        site.carrier.resume(line, version=9)
        asked, party, theirs = site.asked["fax"], site.carrier, line
    site.site.run(1.0)
    assert party
    assert told(theirs)[0] == 200
    (offer,) = asked
    assert [(kind, bool(port)) for kind, port in lines(offer)] == [("audio", True)], "RFC 3264 §8.3.3"
    assert site.sounds() == [True, True]
    assert not site.images()
    legs = [leg for leg, spec in site.site.media.legs.items() if spec.codec == "PCMA"]
    assert site.site.media.hears(legs[0]) == {legs[1]}
    assert site.site.media.hears(legs[1]) == {legs[0]}
    assert len(site.facts("fax.ended")) == 1
    site.over(line)


def test_a_machine_that_wants_no_sound_keeps_its_images() -> None:
    """And when the other comes back to them, they pass as before."""
    site, line = images_alone()
    happened, refused = site.fax._happened, []

    def refuse(event: object) -> None:
        if type(event).__name__ == "Reinvited":
            refused.append(event.request.body)  # type: ignore[attr-defined]
            site.fax.perform(site.fax.ua.reject_offer(event.session, 488, site.site.now))  # type: ignore[attr-defined]
        else:
            happened(event)  # type: ignore[arg-type]

    site.fax._happened = refuse  # type: ignore[method-assign]
    site.carrier.resume(line, version=9)
    site.site.run(1.0)
    assert [kind for kind, _ in lines(refused[0])] == ["audio"]
    assert set(site.images()) == {"192.0.2.10"}
    site.carrier.reoffer(line, image("198.51.100.10", 4700, *T38, version=10))
    site.site.run(1.0)
    assert told(line)[0] == 200
    assert set(site.images()) == {"192.0.2.10", "198.51.100.10"}
    assert site.joined()
    assert len(refused) == 1
    site.over(line)


def test_and_images_again() -> None:
    """Sound that came after images gives way to images like any other."""
    site, line = images_alone()
    site.listen()
    site.fax.resume(site.fax.line, version=9)
    site.site.run(1.0)
    site.carrier.to_answer = lambda offer: image("198.51.100.10", 4700, *T38)
    site.fax.reoffer(site.fax.line, image("192.0.2.10", 4600, *THEIRS, version=10))
    site.site.run(1.0)
    assert told(site.fax.line)[0] == 200
    assert set(site.images()) == {"192.0.2.10", "198.51.100.10"}
    assert site.joined()
    assert len(site.facts("fax.started")) == 2
    site.over(line)


def test_a_machine_moves() -> None:
    site, line = images_alone()
    site.fax.reoffer(site.fax.line, image("192.0.2.99", 4800, *THEIRS, version=9))
    assert told(site.fax.line)[0] == 200
    assert set(site.images()) == {"192.0.2.99", "198.51.100.10"}
    assert site.joined()
    site.over(line)


def test_a_re_invite_without_offer_is_offered_what_there_is() -> None:
    """RFC 3261 §14.2."""
    site, line = images_alone()
    now, fax = site.site.now, site.fax
    fax.perform(fax.ua.reinvite(fax.line.session, b"", now))
    site.site.settle()
    status, offer = told(fax.line)
    assert status == 200
    assert [kind for kind, _ in lines(offer)] == ["image"]
    fax.perform(fax.ua.confirm(fax.line.session, image("192.0.2.10", 4900, *THEIRS, version=9), now))
    site.site.settle()
    assert site.joined()
    site.over(line)


def test_a_transfer_brings_the_caller_sound() -> None:
    site, line = images_alone()
    site.listen()
    (id,) = site.site.switch.calls
    site.site.give(TransferCommand(id, "blind", "phone:1002", "boss"))
    site.site.run(2.0)
    assert [kind for kind, _ in lines(site.asked["carrier"][-1])] == ["audio"]
    assert site.other.line.state == "up"
    assert site.sounds() == [True, True]
    assert not site.images()
    site.over(line)


def test_images_beside_sound_give_way_to_images_alone_and_come_back() -> None:
    """A gateway that takes both at first, and turns the sound off when it hears a fax."""
    both = description("192.0.2.10", AUDIO, "m=image 4400 udptl t38")
    site = Faxes(both)
    line = site.call(AUDIO, "m=image 4500 udptl t38", *T38)
    site.carrier.to_answer = lambda offer: description("198.51.100.10", *_like(offer, "198.51.100.10"))
    site.fax.reoffer(site.fax.line, description("192.0.2.10", NO_AUDIO, "m=image 4400 udptl t38", version=2))
    site.site.run(1.0)
    status, answer = told(site.fax.line)
    assert status == 200
    assert [(kind, bool(port)) for kind, port in lines(answer)] == [("audio", False), ("image", True)]
    assert site.sounds() == [False, False]
    site.fax.reoffer(site.fax.line, description("192.0.2.10", AUDIO, "m=image 4400 udptl t38", version=3))
    site.site.run(1.0)
    assert told(site.fax.line)[0] == 200
    assert site.sounds() == [True, True]
    site.over(line)


def _like(offer: bytes, host: str) -> list[str]:
    ports = {"audio": 4000, "image": 4500}
    protocols = {"audio": "RTP/AVP 8", "image": "udptl t38"}
    return [f"m={kind} {ports[kind] if port else 0} {protocols[kind]}" for kind, port in lines(offer)]


PARTY, CARRIER = SETTINGS.phones["1001"], SETTINGS.trunks["carrier"]
OFF = [
    replace(SETTINGS, media=Media(fax="off")),
    replace(SETTINGS, phones={**SETTINGS.phones, "1001": replace(PARTY, fax="off")}),
    replace(SETTINGS, trunks={"carrier": replace(CARRIER, fax="off")}),
]


@pytest.mark.parametrize("settings", OFF)
def test_fax_off_refuses_images_at_once(settings: Settings) -> None:
    """And nobody is rung: 488 for images alone."""
    site = Faxes(b"", settings)
    line = site.call("m=image 4500 udptl t38", *T38)
    assert (line.state, line.status) == ("over", 488)
    assert not site.fax.lines
    site.site.nothing_left()


@pytest.mark.parametrize("settings", OFF)
def test_fax_off_leaves_the_sound_beside_images(settings: Settings) -> None:
    site = Faxes(description("192.0.2.10", AUDIO), settings)
    line = site.call(AUDIO, "m=image 4500 udptl t38", *T38)
    assert [(kind, bool(port)) for kind, port in lines(site.offered)] == [("audio", True)]
    assert [(kind, bool(port)) for kind, port in lines(line.sdp)] == [("audio", True), ("image", False)]
    site.over(line)


@pytest.mark.parametrize("settings", OFF)
def test_fax_off_refuses_re_invites_and_the_call_goes_on(settings: Settings) -> None:
    site = Faxes(b"", settings)
    site.fax.to_answer = site.sound
    line = site.call(AUDIO)
    site.fax.reoffer(site.fax.line, image("192.0.2.10", 4400, *T38))
    assert told(site.fax.line)[0] == 488
    assert site.sounds() == [True, True]
    site.fax.reoffer(site.fax.line, description("192.0.2.10", AUDIO, "m=image 4400 udptl t38", version=3))
    status, answer = told(site.fax.line)
    assert status == 200, "the sound is agreed on, the image is not"
    assert [(kind, bool(port)) for kind, port in lines(answer)] == [("audio", True), ("image", False)]
    site.over(line)


def test_one_party_s_word_goes_before_the_site_s() -> None:
    settings = replace(
        SETTINGS,
        media=Media(fax="off"),
        phones={**SETTINGS.phones, "1001": replace(PARTY, fax="t38")},
        trunks={"carrier": replace(CARRIER, fax="t38")},
    )
    site, line = images_alone(settings)
    assert site.joined()
    site.over(line)


def test_the_switch_itself_has_no_images() -> None:
    site = Faxes(b"")
    line = site.call("m=image 4500 udptl t38", *T38, number="300")
    assert (line.state, line.status) == ("over", 488)
    site.site.nothing_left()


@pytest.mark.parametrize("line", ["m=image 4500 tcp t38", "m=image 4500 udptl t39", "m=video 4500 RTP/AVP 99"])
def test_nothing_that_can_be_passed_on(line: str) -> None:
    site = Faxes(b"")
    calling = site.call(line)
    assert (calling.state, calling.status) == ("over", 488)
    assert not site.fax.lines
    site.site.nothing_left()


def test_a_recording_is_paused_meanwhile() -> None:
    site, line = images_alone(replace(SETTINGS, recording=Recording(directory="/recordings", calls="all")))
    assert [fact.data["reason"] for fact in site.facts("recording.paused")] == ["fax"]
    site.listen()
    site.fax.resume(site.fax.line, version=9)
    site.site.run(1.0)
    assert len(site.facts("recording.resumed")) == 1
    site.over(line)


def test_secured_sound_has_no_images_beside_it() -> None:
    """UDPTL is in the clear."""
    keys = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    site = Faxes(description("192.0.2.11", AUDIO))
    site.other.call("1001", sdp=description("192.0.2.11", "m=audio 4000 RTP/SAVP 8", keys, "m=image 4500 udptl t38"))
    site.site.run(1.0)
    assert [kind for kind, _ in lines(site.offered)] == ["audio"]
    assert [(kind, bool(port)) for kind, port in lines(site.other.line.sdp)] == [("audio", True), ("image", False)]
    site.other.hang_up(site.other.line)
    site.site.nothing_left()
