"""A call from the carrier to the lobby, signalled by SIPp with descriptions of the test's own, for media of its own."""

import contextlib

from softswitch.wire.sdp import Media, parse_sdp
from tests.interop import sipp
from tests.interop.conftest import Office
from tests.interop.scenario import Scenario
from tests.interop.switch_process import wait_until


def body(host: str, *lines: str, version: int = 1) -> str:
    return "\n".join((f"v=0\no=sipp 1 {version} IN IP4 {host}\ns=-\nc=IN IP4 {host}\nt=0 0", *lines))


def told(peer: sipp.Sipp, start: str, part: str = "v=0") -> list[Media]:
    """Our media lines in the first message to `peer` that begins with `start` and has a body with `part` in it."""

    def find() -> list[Media] | None:
        with contextlib.suppress(FileNotFoundError):
            for _, way, text in peer.messages():
                if way == "received" and text.startswith(start) and "v=0" in text and part in text:
                    return list(parse_sdp(text[text.index("v=0") :].strip().encode()).media)
        return None

    found: list[Media] = wait_until(f"{start} with SDP", find)
    return found


def call(office: Office, offer: str, answer: str) -> tuple[list[Media], list[Media], sipp.Sipp, sipp.Sipp]:
    """A call from the carrier to the lobby: what the caller was answered, what the callee was offered. The
    caller hangs up when told to (`Sipp.go_on`)."""
    phone = office.phone(
        Scenario().called().reply(180, "Ringing").reply(200, "OK", answer).receive("ACK").receive("BYE").ok()
    )
    trunk = office.call(Scenario().invite(offer).progress().answered().ack().until_told().bye(), "1001")
    return told(trunk, "SIP/2.0 200"), told(phone, "INVITE"), trunk, phone


def to(media: Media) -> tuple[str, int]:
    return media.connection or "", media.port
