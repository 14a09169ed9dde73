"""Which codec a call gets: as little transcoding as possible, and what we cannot decode from end to end."""

from dataclasses import replace

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.sip.events import Reinvited
from softswitch.switch.events import Reported
from softswitch.switch.settings import Agent, Media, Phone, Recording, Route, Settings, Sip, Trunk
from softswitch.wire.control import LegSpec
from softswitch.wire.sdp import Media as Section
from softswitch.wire.sdp import parse_sdp
from tests.switch.site import Line, Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    media=Media(codecs=("PCMA", "PCMU", "G722", "opus")),
    phones={
        "1001": Phone(password=PASSWORD),
        "1002": Phone(password=PASSWORD, busy="queue:support"),
        "1003": Phone(password=PASSWORD),
    },
    agents={"anna": Agent(phone="1003", logged_in=True)},
    queues={"support": QueueSettings(agents=("anna",), wrap_up=0.0)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
    routes=(Route(source="phone:*", number="9.", to="trunk:carrier"), Route(number="300", to="queue:support")),
)


def description(host: str, formats: str, *attributes: str, direction: str = "sendrecv") -> bytes:
    lines = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", f"m=audio 4000 RTP/AVP {formats}"]
    return "\r\n".join([*lines, *(f"a={text}" for text in attributes), f"a={direction}", ""]).encode()


def two(settings: Settings = SETTINGS) -> tuple[Site, Party, Party]:
    site = Site(settings)
    return site, site.phone("1001", "192.0.2.10"), site.phone("1002", "192.0.2.11")


def audio(sdp: bytes) -> Section:
    return parse_sdp(sdp).media[0]


def offered(party: Party) -> Section:
    assert party.line.request is not None
    return audio(party.line.request.body)


def specs(site: Site) -> tuple[LegSpec, LegSpec]:
    """What media was told of the caller and of the callee."""
    call = next(iter(site.switch.calls.values()))
    return site.media.legs[call.leg.id], site.media.legs[call.stage.legs()[0].id]


def names(section: Section) -> list[str]:
    return [entry.encoding for entry in section.rtpmaps().values() if entry.encoding != "telephone-event"]


# ------------------------------------------------------------------------------------------------- no transcoding


def test_the_callee_is_offered_the_caller_s_codecs_first() -> None:
    """In the caller's order: whatever the callee takes of them needs no transcoding."""
    site, alice, bob = two()
    alice.codecs, bob.codecs = ("G722", "PCMU"), ("PCMU", "PCMA")
    line = alice.call("1002")
    assert names(offered(bob)) == ["G722", "PCMU", "PCMA", "opus"]
    assert names(audio(line.sdp)) == ["PCMU"]  # bob has no G722; alice's second is better than transcoding
    caller, callee = specs(site)
    assert caller.codec == callee.codec == "PCMU"
    alice.hang_up(line)
    site.nothing_left()


def test_what_the_two_do_not_share_is_transcoded() -> None:
    site, alice, bob = two()
    alice.codecs, bob.codecs = ("G722",), ("PCMU",)
    alice.call("1002")
    caller, callee = specs(site)
    assert (caller.codec, callee.codec) == ("G722", "PCMU")
    alice.hang_up(alice.line)
    site.nothing_left()


def test_early_media_has_fixed_the_codec() -> None:
    """RFC 3264 §4: the answer in the 183 is the answer; a later callee is offered that codec first."""
    settings = replace(SETTINGS, phones=SETTINGS.phones | {"1002": Phone(password=PASSWORD, busy="phone:1003")})
    site, alice, bob = two(settings)
    carol = site.phone("1003", "192.0.2.12")
    alice.codecs, bob.codecs, carol.codecs = ("PCMA", "G722", "PCMU"), ("G722",), ("G722", "PCMA")
    bob.on_invite = "ring"
    line = alice.call("1002")
    bob.early(bob.line)
    assert names(audio(line.sdp)) == ["G722"]
    bob.reject(bob.line, 486)
    assert names(offered(carol))[0] == "G722"
    assert {spec.codec for spec in specs(site)} == {"G722"}
    alice.hang_up(line)
    site.nothing_left()


def test_opus_parameters_go_from_end_to_end() -> None:
    """RFC 7587 §6.1: what a receiver likes is for its sender, which is the far phone when nothing is transcoded."""
    site, alice, bob = two()
    wish = "maxplaybackrate=48000; stereo=1"
    bob.to_answer = lambda offer: description("192.0.2.11", "96", "rtpmap:96 opus/48000/2", "fmtp:96 usedtx=1")
    line = alice.call("1002", sdp=description("192.0.2.10", "112 8", "rtpmap:112 opus/48000/2", f"fmtp:112 {wish}"))
    assert offered(bob).fmtp(111) == wish
    assert (audio(line.sdp).formats, audio(line.sdp).fmtp(112)) == (("112",), "usedtx=1")
    caller, callee = specs(site)
    assert (caller.payload_type, caller.fmtp) == (112, wish)
    assert (callee.payload_type, callee.fmtp) == (96, "usedtx=1")
    assert [(other.codec, other.arrives) for other in callee.also] == [("opus", 111)]  # RFC 3264 §5.1
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize(("align", "codec"), [(False, "G722"), (True, "PCMA")])
def test_a_queued_caller_is_asked_for_the_agent_s_codec(align: bool, codec: str) -> None:
    """RFC 3261 §14: the queue answered in the caller's first codec; the agent has the second one only."""
    site, alice, _ = two(replace(SETTINGS, media=replace(SETTINGS.media, align=align)))
    anna = site.phone("1003", "192.0.2.12")
    alice.codecs, anna.codecs = ("G722", "PCMA"), ("PCMA",)
    line = alice.call("300")
    site.run(2.0)
    caller, callee = specs(site)
    assert (caller.codec, callee.codec) == (codec, "PCMA")
    assert len([event for event in line.events if isinstance(event, Reinvited)]) == align
    alice.hang_up(line)
    site.nothing_left()


def test_nobody_is_asked_for_a_codec_that_it_did_not_offer() -> None:
    site, alice, _ = two(replace(SETTINGS, media=replace(SETTINGS.media, align=True)))
    anna = site.phone("1003", "192.0.2.12")
    alice.codecs, anna.codecs = ("G722",), ("PCMA",)
    line = alice.call("300")
    site.run(2.0)
    assert not any(isinstance(event, Reinvited) for event in line.events)
    alice.hang_up(line)
    site.nothing_left()


# --------------------------------------------------------------------------------------- what we cannot decode


G729 = ("18", "rtpmap:18 G729/8000", "fmtp:18 annexb=no")


def test_two_phones_that_have_g729_only() -> None:
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *G729)
    line = alice.call("1002", sdp=description("192.0.2.10", *G729))
    assert line.state == "up"
    assert names(offered(bob)) == ["G729"]  # nothing that the caller could not hear
    assert audio(line.sdp).fmtp(18) == "annexb=no"
    assert {(spec.codec, spec.payload_type, spec.fmtp) for spec in specs(site)} == {("G729", 18, "")}
    alice.hang_up(line)
    site.nothing_left()


def test_a_codec_that_nobody_has_heard_of_passes_with_its_parameters_and_number() -> None:
    site, alice, bob = two()
    own = ("97 8", "rtpmap:97 X-lattice/24000", "fmtp:97 rate=9;frames=3")
    bob.to_answer = lambda offer: description("192.0.2.11", "100", "rtpmap:100 x-lattice/24000", "fmtp:100 rate=5")
    line = alice.call("1002", sdp=description("192.0.2.10", *own))
    section = offered(bob)
    assert names(section) == ["PCMA", "PCMU", "G722", "opus", "X-lattice"]  # behind ours
    assert section.fmtp(97) == "rate=9;frames=3"
    assert audio(line.sdp).fmtp(97) == "rate=5"  # what bob answered, for alice
    caller, callee = specs(site)
    assert (caller.codec.lower(), caller.payload_type, caller.clock) == ("x-lattice", 97, 24000)
    assert (callee.codec.lower(), callee.payload_type, callee.clock) == ("x-lattice", 100, 24000)
    alice.hang_up(line)
    site.nothing_left()


def test_a_number_of_ours_is_not_taken_from_us() -> None:
    """The caller's 111 is opus in our offer: its codec gets another number there, and keeps 111 with the caller."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", "112", "rtpmap:112 X-own/8000")
    line = alice.call("1002", sdp=description("192.0.2.10", "111 8", "rtpmap:111 X-own/8000"))
    maps = {payload: entry.encoding for payload, entry in offered(bob).rtpmaps().items()}
    assert (maps[111], maps[112]) == ("opus", "X-own")
    caller, callee = specs(site)
    assert (caller.payload_type, callee.payload_type) == (111, 112)
    alice.hang_up(line)
    site.nothing_left()


def test_amr_framings_are_told_apart() -> None:
    """RFC 4867 §8.1: octet-aligned and bandwidth-efficient streams differ though the name is one."""
    site, alice, bob = two()
    both = ("96 97", "rtpmap:96 AMR/8000", "fmtp:96 octet-align=1", "rtpmap:97 AMR/8000", "fmtp:97 mode-set=7")
    bob.to_answer = lambda offer: description("192.0.2.11", "97", "rtpmap:97 AMR/8000", "fmtp:97 mode-set=7")
    line = alice.call("1002", sdp=description("192.0.2.10", *both))
    assert audio(line.sdp).formats == ("97",)
    caller, callee = specs(site)
    assert caller.payload_type == callee.payload_type == 97
    assert caller.fmtp == callee.fmtp
    alice.hang_up(line)
    site.nothing_left()


@pytest.mark.parametrize("where", ["media", "caller", "callee"])
def test_pass_through_can_be_switched_off(where: str) -> None:
    settings = SETTINGS
    if where == "media":
        settings = replace(SETTINGS, media=replace(SETTINGS.media, passthrough=False))
    else:
        name = {"caller": "1001", "callee": "1002"}[where]
        phones = SETTINGS.phones | {name: Phone(password=PASSWORD, passthrough=False)}
        settings = replace(SETTINGS, phones=phones)
    site, alice, _ = two(settings)
    line = alice.call("1002", sdp=description("192.0.2.10", *G729))
    assert line.status == 488
    site.nothing_left()


def test_what_the_configuration_lists_passes_even_so() -> None:
    """`codecs` names it for both: that is leave enough."""
    settings = replace(SETTINGS, media=Media(codecs=("PCMA", "G729"), passthrough=False))
    site, alice, bob = two(settings)
    bob.to_answer = lambda offer: description("192.0.2.11", *G729)
    line = alice.call("1002", sdp=description("192.0.2.10", "18 8", *G729[1:]))
    assert names(offered(bob)) == ["G729", "PCMA"]
    assert {spec.codec for spec in specs(site)} == {"G729"}
    alice.hang_up(line)
    site.nothing_left()


def test_a_codec_that_we_decode_and_the_configuration_leaves_out_stays_out() -> None:
    settings = replace(SETTINGS, media=Media(codecs=("PCMA",)))
    site, alice, bob = two(settings)
    alice.call("1002", sdp=description("192.0.2.10", "9 0 8"))
    assert names(offered(bob)) == ["PCMA"]
    alice.hang_up(alice.line)
    site.nothing_left()


def test_a_trunk_passes_g729_too() -> None:
    site, alice, _ = two()
    carrier = site.party("carrier", "198.51.100.10")
    carrier.to_answer = lambda offer: description("198.51.100.10", *G729)
    line = alice.call("9123", sdp=description("192.0.2.10", "18 8", *G729[1:]))
    assert names(offered(carrier))[-1] == "G729"
    assert {spec.codec for spec in specs(site)} == {"G729"}
    alice.hang_up(line)
    site.nothing_left()


def test_a_delayed_offer_is_made_of_what_the_callee_took() -> None:
    """RFC 3264 §4: an INVITE without SDP. The callee was offered what we can mix; so is the caller, its codec first."""
    site, alice, bob = two()
    alice.codecs, bob.codecs = ("G722", "PCMU"), ("PCMU",)
    line = alice.call("1002", sdp=False)
    assert names(audio(line.sdp))[0] == "PCMU"
    alice.hang_up(line)
    site.nothing_left()


def test_a_codec_that_media_lacks_is_not_used() -> None:
    """Opus without libopus: said at the start, and left out of every offer and answer."""
    site, alice, bob = two()
    site.media.codecs = ("PCMU", "PCMA", "G722")
    site.give(Reported(0, (site.media.ready(),)))
    assert [log.fields["codecs"] for log in site.logs if log.level == "error" and "codecs" in log.fields] == [["opus"]]
    alice.codecs = ("opus", "PCMA")
    alice.call("1002")
    assert names(offered(bob)) == ["PCMA", "PCMU", "G722"]
    alice.hang_up(alice.line)
    site.nothing_left()


# ------------------------------------------------------------------------- when we should speak and cannot


def test_a_queue_needs_a_codec_that_we_know() -> None:
    """488 for a caller with nothing but G.729: nobody would hear the music."""
    site, alice, _ = two()
    assert alice.call("300", sdp=description("192.0.2.10", *G729)).status == 488
    line = alice.call("300", sdp=description("192.0.2.10", "18 0", *G729[1:]))
    assert names(audio(line.sdp)) == ["PCMU"]
    alice.hang_up(line)
    site.nothing_left()


def test_a_recorded_call_is_offered_no_pass_through_unless_there_is_nothing_else() -> None:
    settings = replace(SETTINGS, recording=Recording(calls="all"))
    site, alice, bob = two(settings)
    alice.call("1002", sdp=description("192.0.2.10", "18 8", *G729[1:]))
    assert "G729" not in names(offered(bob))
    alice.hang_up(alice.line)
    bob.to_answer = lambda offer: description("192.0.2.11", *G729)
    line = alice.call("1002", sdp=description("192.0.2.10", *G729))
    assert line.state == "up"
    assert site.media.recorders  # of silence, in step with the call
    told = [log for log in site.logs if "only passes through" in log.event]
    assert [log.fields["peer"] for log in told] == ["phone:1001", "phone:1002"]
    alice.hang_up(line)
    site.nothing_left()


def test_hold_of_a_codec_that_we_cannot_play_is_silent_and_logged_once() -> None:
    """No re-INVITE: the far phone could not follow, and the codec is wanted again at the end of the hold."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *G729)
    line = alice.call("1002", sdp=description("192.0.2.10", *G729))
    for _ in range(2):
        alice.reoffer(line, description("192.0.2.10", *G729, direction="sendonly"))
        caller, _ = specs(site)
        assert not caller.send
        alice.reoffer(line, description("192.0.2.10", *G729))
    assert {spec.codec for spec in specs(site)} == {"G729"}
    assert len([log for log in site.logs if "only passes through" in log.event]) == 1
    assert not any(isinstance(event, Reinvited) for event in bob.line.events)
    alice.hang_up(line)
    site.nothing_left()


def test_a_later_offer_without_the_codec_in_use_is_refused() -> None:
    """RFC 3261 §14.2: 488 and the session stays, for the other end has nothing but that codec."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", *G729)
    line = alice.call("1002", sdp=description("192.0.2.10", "18 8", *G729[1:]))
    alice.reoffer(line, description("192.0.2.10", "8"))
    assert {spec.codec for spec in specs(site)} == {"G729"}
    assert any(getattr(event, "status", 0) == 488 for event in line.events)
    alice.hang_up(line)
    site.nothing_left()


def early_in_g729_then_busy(site: Site, alice: Party, bob: Party, formats: str) -> Line:
    """The caller hears a G.729 announcement of the callee's side, which then is busy: on to the queue."""
    bob.on_invite = "ring"
    bob.to_answer = lambda offer: description("192.0.2.11", *G729)
    line = alice.call("1002", sdp=description("192.0.2.10", formats, *G729[1:]))
    bob.early(bob.line)
    assert names(audio(line.sdp)) == ["G729"]
    bob.reject(bob.line, 486)
    return line


def test_a_caller_whom_early_media_left_with_g729_is_asked_for_a_codec_that_we_know() -> None:
    site, alice, bob = two()
    line = early_in_g729_then_busy(site, alice, bob, "18 8")
    site.run(1.0)
    (again,) = [event for event in line.events if isinstance(event, Reinvited)]
    assert names(audio(again.request.body))[0] == "PCMA"
    assert parse_sdp(again.request.body).origin.version > parse_sdp(line.sdp).origin.version
    call = next(iter(site.switch.calls.values()))
    assert site.media.legs[call.leg.id].codec == "PCMA"
    assert not [log for log in site.logs if "only passes through" in log.event]
    alice.hang_up(line)
    site.nothing_left()


def test_one_who_has_no_other_waits_in_silence() -> None:
    site, alice, bob = two()
    line = early_in_g729_then_busy(site, alice, bob, "18")
    assert line.state == "up"
    assert not any(isinstance(event, Reinvited) for event in line.events)
    assert len([log for log in site.logs if "only passes through" in log.event]) == 1
    alice.hang_up(line)
    site.nothing_left()


# ----------------------------------------------------------------------------------------------------- packet times


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [(20, (), 20), (30, (), 30), (20, ("ptime:40",), 40), (20, ("ptime:40", "maxptime:30"), 20),
     (30, ("maxptime:20",), 10), (20, ("ptime:7",), 20), (20, ("ptime:0", "maxptime:0"), 20), (20, ("ptime:500",), 20)],
)  # fmt: skip
def test_packet_times(ours: int, theirs: tuple[str, ...], agreed: int) -> None:
    """RFC 8866 §6.4, §6.5: their wish if we can, ours without one, never more than they take; nonsense is no wish."""
    settings = replace(SETTINGS, media=replace(SETTINGS.media, packet_ms=ours))
    site, alice, bob = two(settings)
    line = alice.call("1002", sdp=description("192.0.2.10", "8", *theirs))
    assert offered(bob).ptime == ours
    assert audio(line.sdp).ptime == agreed
    assert specs(site)[0].packet_ms == agreed
    alice.hang_up(line)
    site.nothing_left()


def test_each_party_has_its_own_packet_time() -> None:
    """Asymmetric, too: 60 ms to the one, 10 ms to the other."""
    phones = SETTINGS.phones | {"1002": Phone(password=PASSWORD, packet_ms=10)}
    site, alice, bob = two(replace(SETTINGS, phones=phones))
    bob.to_answer = lambda offer: description("192.0.2.11", "8", "ptime:10", "maxptime:10")
    alice.call("1002", sdp=description("192.0.2.10", "8", "ptime:60"))
    assert offered(bob).ptime == 10
    caller, callee = specs(site)
    assert (caller.packet_ms, callee.packet_ms, callee.max_packet_ms) == (60, 10, 10)
    alice.hang_up(alice.line)
    site.nothing_left()


def test_an_answer_with_two_codecs_leaves_both_open() -> None:
    """RFC 3264 §6.1: it may send either, mid-call, without a word."""
    site, alice, bob = two()
    bob.to_answer = lambda offer: description("192.0.2.11", "8 0 101", "rtpmap:101 telephone-event/8000")
    alice.call("1002", sdp=description("192.0.2.10", "8"))
    _, callee = specs(site)
    assert (callee.codec, [(other.codec, other.payload_type) for other in callee.also]) == ("PCMA", [("PCMU", 0)])
    alice.hang_up(alice.line)
    site.nothing_left()
