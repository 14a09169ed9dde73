"""What the switch cannot decode, through the real switch: numbered random packets arrive as they were sent."""

import contextlib
import struct
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.interop.bridged import body, call, to, told
from tests.interop.conftest import CARRIER, LOBBY, Office
from tests.interop.numbered_peer import NumberedPeer
from tests.interop.scenario import Scenario

pytestmark = pytest.mark.interop

COUNT = 150


@pytest.fixture
def peers() -> Iterator[dict[str, NumberedPeer]]:
    """Sound and picture of both sides."""
    with contextlib.ExitStack() as stack:
        made = {}
        for seed, (name, host) in enumerate(
            (("caller", CARRIER), ("callee", LOBBY), ("caller's camera", CARRIER), ("callee's camera", LOBBY))
        ):
            made[name] = NumberedPeer(host, seed, 0xC0FFEE00 + seed)
            stack.callback(made[name].close)
        yield made


@pytest.mark.parametrize(("codec", "clock", "kinds"), [("G729", 8000, (18, 18)), ("X-unheard-of", 24000, (97, 120))])
def test_a_codec_that_we_cannot_decode(
    office: Office,
    peers: dict[str, NumberedPeer],
    codec: str,
    clock: int,
    kinds: tuple[int, int],
) -> None:
    """Bit-exact both ways, in sequence, each side with its own payload type, SSRC ours."""
    caller, callee = peers["caller"], peers["callee"]
    sizes = (20, 10, 12, 900, 4)

    def line(peer: NumberedPeer, kind: int) -> str:
        return f"m=audio {peer.port} RTP/AVP {kind}\na=rtpmap:{kind} {codec}/{clock}\na=sendrecv"

    answered, offered, trunk, phone = call(
        office, body(CARRIER, line(caller, kinds[0])), body(LOBBY, line(callee, kinds[1]))
    )
    caller.knock(to(answered[0]), callee, kinds[0])
    callee.knock(to(offered[0]), caller, kinds[1])
    caller.send(to(answered[0]), COUNT, kinds[0], sizes, clock // 50)
    callee.send(to(offered[0]), COUNT, kinds[1], sizes, clock // 50)
    for peer, other, kind in ((caller, callee, kinds[0]), (callee, caller, kinds[1])):
        seen = peer.heard(COUNT)
        assert [packet.payload for packet in seen] == [data[12:] for data in other.sent]
        assert {packet.head for packet in seen} == {0x8000 | kind}
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(seen)} == {1}
        assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(seen)} == {clock // 50}
        assert len({packet.ssrc for packet in seen}) == 1
        assert seen[0].ssrc != other.ssrc
    trunk.go_on()
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    legs = office.records()[0]["legs"]
    assert {leg["codec"] for leg in legs} == {codec}
    assert all(leg["received"] > COUNT for leg in legs)


def test_a_video_call(office: Office, peers: dict[str, NumberedPeer]) -> None:
    """Sound in PCMA and two pictures: every datagram of the cameras arrives as it was sent, up to the path's MTU, with
    or without header extensions, and so does their feedback (RFC 4585)."""
    caller, callee = peers["caller"], peers["callee"]
    camera, other_camera = peers["caller's camera"], peers["callee's camera"]

    def lines(sound: NumberedPeer, picture: NumberedPeer) -> tuple[str, ...]:
        return (
            f"m=audio {sound.port} RTP/AVP 8\na=rtpmap:8 PCMA/8000",
            f"m=video {picture.port} RTP/AVPF 99 100\na=rtpmap:99 H264/90000\na=fmtp:99 packetization-mode=1",
            "a=rtpmap:100 rtx/90000\na=fmtp:100 apt=99\na=rtcp-fb:99 nack pli\na=sendrecv",
        )

    answered, offered, trunk, phone = call(
        office, body(CARRIER, *lines(caller, camera)), body(LOBBY, *lines(callee, other_camera))
    )
    for one, where, other in ((camera, answered, other_camera), (other_camera, offered, camera)):
        one.knock(to(where[1]), other, 99)
    for sound, where in ((caller, answered), (callee, offered)):
        sound.send(to(where[0]), COUNT // 3, 8, (160,), 160)
    sizes = (1460, 1200, 5, 37, 1400)
    for picture, where in ((camera, answered), (other_camera, offered)):
        picture.send(to(where[1]), COUNT, 99, sizes, 3000)
        picture.send(to(where[1]), 10, 100, (1000,), 3000)
        picture.send(to(where[1]), COUNT, 99, sizes, 3000, first=0x90)
    pli = struct.pack("!BBHII", 0x81, 206, 2, other_camera.ssrc, camera.ssrc)
    receiver_report = struct.pack("!BBHI", 0x80, 201, 1, other_camera.ssrc)
    address, port = to(offered[1])
    other_camera.rtcp.sendto(receiver_report + pli, (address, port + 1))
    assert [packet.datagram for packet in camera.heard(len(other_camera.sent))] == other_camera.sent
    assert [packet.datagram for packet in other_camera.heard(len(camera.sent))] == camera.sent
    assert camera.reports(1) == [receiver_report + pli]
    assert other_camera.reports() == []
    assert [packet.payload for packet in caller.heard(COUNT // 3)][-30:] == [data[12:] for data in callee.sent][-30:]
    assert [packet.payload for packet in callee.heard(COUNT // 3)][-30:] == [data[12:] for data in caller.sent][-30:]
    trunk.go_on()
    trunk.wait().all_well(1)
    phone.wait().all_well(1)


def bit_for_bit(fax: NumberedPeer, there: tuple[str, int], other_fax: NumberedPeer, back: tuple[str, int]) -> None:
    """Datagrams of all lengths arrive, both ways."""
    fax.knock(there, other_fax)
    other_fax.knock(back, fax)
    for peer, where in ((fax, there), (other_fax, back)):
        peer.datagrams(where, COUNT, (3, 4, 40, 400, 1470))
    assert fax.datagrams_heard(len(other_fax.sent)) == other_fax.sent
    assert other_fax.datagrams_heard(len(fax.sent)) == fax.sent


def test_a_fax(office: Office, peers: dict[str, NumberedPeer]) -> None:
    """T.38 by re-INVITE: numbered UDPTL datagrams of all lengths arrive bit for bit, repeated ones too; then sound."""
    caller, callee = peers["caller"], peers["callee"]
    fax, other_fax = peers["caller's camera"], peers["callee's camera"]

    def image(peer: NumberedPeer) -> str:
        return f"m=image {peer.port} udptl t38\na=T38FaxVersion:0\na=T38FaxUdpEC:t38UDPRedundancy"

    def sound(peer: NumberedPeer) -> str:
        return f"m=audio {peer.port} RTP/AVP 8\na=rtpmap:8 PCMA/8000"

    phone = office.phone(
        Scenario().called().reply(180, "Ringing").reply(200, "OK", body(LOBBY, sound(callee))).receive("ACK")
        .receive("INVITE").reply(200, "OK", body(LOBBY, image(other_fax), version=2), tag=False).receive("ACK")
        .receive("INVITE").reply(200, "OK", body(LOBBY, sound(callee), version=3), tag=False).receive("ACK")
        .receive("BYE").ok()
    )  # fmt: skip
    trunk = office.call(
        Scenario().invite(body(CARRIER, sound(caller))).progress().answered().ack().pause(500)
        .reinvite(body(CARRIER, image(fax), version=2)).until_told()
        .reinvite(body(CARRIER, sound(caller), version=3)).pause(200).bye(),
        "1001",
    )  # fmt: skip
    answered, offered = told(trunk, "SIP/2.0 200", "m=image"), told(phone, "INVITE", "m=image")
    assert [media.kind for media in (*answered, *offered)] == ["image", "image"]
    assert offered[0].get("T38FaxUdpEC") == "t38UDPRedundancy"
    bit_for_bit(fax, to(answered[0]), other_fax, to(offered[0]))
    trunk.go_on()
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
    record = office.records()[0]
    kinds = [entry["kind"] for entry in office.switch.get("ledger", call=record["id"])["items"]]
    assert [kind for kind in kinds if kind.startswith(("fax.", "recording.p", "recording.r"))] == [
        "recording.paused", "fax.started", "recording.resumed", "fax.ended",
    ]  # fmt: skip


def test_a_call_that_is_a_fax_from_the_start(office: Office, peers: dict[str, NumberedPeer]) -> None:
    """T.38 in the first INVITE, without sound."""
    fax, other_fax = peers["caller's camera"], peers["callee's camera"]

    def image(peer: NumberedPeer) -> str:
        return f"m=image {peer.port} udptl t38\na=T38FaxVersion:0\na=T38FaxMaxBuffer:{peer.port}"

    answered, offered, trunk, phone = call(office, body(CARRIER, image(fax)), body(LOBBY, image(other_fax)))
    assert [media.kind for media in (*answered, *offered)] == ["image", "image"]
    assert offered[0].get("T38FaxMaxBuffer") == str(fax.port)
    assert answered[0].get("T38FaxMaxBuffer") == str(other_fax.port)
    bit_for_bit(fax, to(answered[0]), other_fax, to(offered[0]))
    trunk.go_on()
    trunk.wait().all_well(1)
    phone.wait().all_well(1)
