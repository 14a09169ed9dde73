"""A caller whose carrier knows tones only: no telephone-event in the SDP, keys as G.711 sound."""

import pytest

from tests.interop.conftest import CARRIER, Office
from tests.interop.rtp_peer import RtpPeer
from tests.interop.scenario import Scenario, sdp
from tests.interop.switch_process import free_port, wait_until

pytestmark = pytest.mark.interop


def test_tones_choose_in_a_menu(office: Office) -> None:
    """The prompt plays meanwhile; key 1 leads to the queue, and speech (a tone of 1350 Hz) is no key."""
    caller = RtpPeer(1350.0, free_port(host=CARRIER), CARRIER)
    try:
        body = sdp(port=caller.port).replace(" 0 101", "").replace("a=rtpmap:101 telephone-event/8000\n", "")
        body = body.replace("a=rtpmap:0 PCMU/8000\n", "").replace("a=fmtp:101 0-16\n", "")
        assert "101" not in body
        trunk = office.call(Scenario().invite(body).progress().answered().ack().until_told().bye(), "3000")
        wait_until("the menu's prompt", lambda: caller.packets() > 25)
        caller.dial("1")

        def in_queue() -> bool:
            calls = office.switch.get("calls")["items"]
            return bool(calls) and calls[0]["queue"] == "support"

        wait_until("the queue", in_queue)
        trunk.go_on()
        trunk.wait().all_well(1)
    finally:
        caller.close()
    said = lambda: [row["data"]["keys"] for row in office.switch.get("ledger", kind="menu.left")["items"]]  # noqa: E731
    wait_until("the key in the ledger", lambda: "1" in said())
