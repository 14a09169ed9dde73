"""RTCP of the legs: sender and receiver reports with SDES about every four seconds, BYE at the end (RFC 3550 §6).

A session has two members, so the least interval of five seconds always holds (§6.2: 5 % of 64 kbit/s would allow a
report every 0.4 s). What peers send may be a compound, or reduced in size (RFC 5506); on the port of RTP where that was
agreed (RFC 5761), else on its own (RFC 3605), or from wherever the known host sends.
"""

from typing import Final

from softswitch.kernel.clock import Duration, Instant
from softswitch.kernel.errors import PeerError
from softswitch.media.arena import Address
from softswitch.media.effects import Effect, SendReport
from softswitch.media.latch import destination
from softswitch.media.legs import Leg, Legs
from softswitch.wire import rtcp

INTERVAL: Final[Duration] = 5.0
_COMPENSATION: Final = 1.21828  # e − 3/2 (§6.3.1)
_RECENT: Duration = 2 * INTERVAL


class Reporter:
    """Reads what peers report and says what we saw. `routes`: see `Relay`."""

    __slots__ = ("_effects", "_legs", "_routes")

    def __init__(self, legs: Legs, effects: list[Effect], routes: dict[int, list[int]]) -> None:
        self._legs = legs
        self._routes = routes
        self._effects = effects

    def receive(self, leg: Leg, data: bytes, source: Address, now: Instant) -> None:
        """A datagram on the leg's RTCP port. Only the hosts that the leg knows are heard."""
        known = {address[0] for address in (leg.locked, leg.signalled, leg.spec.remote_rtcp) if address is not None}
        try:
            if source[0] not in known:
                raise PeerError("RTCP from a stranger", status=0)
            parts = rtcp.parse(data)
        except PeerError:
            leg.rejected += 1
            return
        leg.report_from = source
        leg.reports += 1
        if leg.spec.transparent:
            self._hand_on(leg, data)
            return
        ours = int(self._legs.sent["ssrc"][leg.row])
        for part in parts:
            match part:
                case rtcp.SenderReport():
                    leg.last_sr, leg.last_sr_at = rtcp.middle(part.ntp), now
                    self._blocks(leg, ours, part.blocks, now)
                case rtcp.ReceiverReport():
                    self._blocks(leg, ours, part.blocks, now)
                case rtcp.Bye():
                    if leg.ssrc in part.ssrcs:
                        leg.bye_ssrc = leg.ssrc
                case rtcp.Cname():
                    pass

    def _hand_on(self, leg: Leg, data: bytes) -> None:
        """Reports and feedback of a transparent stream are for the far end (RFC 4585, RFC 5104)."""
        for sink in self._routes.get(leg.row, ()):
            other = self._legs.by_row[sink]
            if other is not None and (to := self._to(other)) is not None:
                self._effects.append(SendReport(sink, data, to, other.spec.rtcp_mux))

    def _blocks(self, leg: Leg, ours: int, blocks: tuple[rtcp.Block, ...], now: Instant) -> None:
        for block in blocks:
            if block.ssrc == ours:
                leg.judged = True
                leg.remote_lost, leg.remote_jitter = max(block.lost, 0), block.jitter
                leg.remote_fraction = block.fraction / 256
                if leg.outlet is not None and leg.outlet.expect_loss is not None:
                    leg.outlet.expect_loss(-(-block.fraction * 100 // 256))
                if (trip := rtcp.round_trip(block, now)) >= 0:
                    leg.round_trip = trip

    def wake(self, leg: Leg, now: Instant) -> None:
        """Call about once a second: reports when it is time and anything was sent or heard."""
        if leg.spec.transparent:
            return  # the ends report to each other
        if leg.report_at == 0.0:
            if self._talks(leg):
                leg.report_at = now + self._interval() / 2  # §6.2: the first one comes early
            return
        if now < leg.report_at:
            return
        leg.report_at = now + self._interval()
        if (to := self._to(leg)) is not None:
            leg.reported = True
            self._effects.append(SendReport(leg.row, rtcp.build(*self._parts(leg, now)), to, leg.spec.rtcp_mux))

    def _interval(self) -> Duration:
        """§6.3.1: spread, so that reports of many legs do not come together."""
        return INTERVAL * self._legs.dice.uniform(0.5, 1.5) / _COMPENSATION

    def bye(self, leg: Leg, now: Instant) -> None:
        """The leg closes. Who never sent anything says no BYE (§6.3.7)."""
        if leg.target is None or leg.spec.transparent or not (leg.reported or self._legs.sent["packets"][leg.row]):
            return
        if (to := self._to(leg)) is not None:
            ssrc = int(self._legs.sent["ssrc"][leg.row])
            data = rtcp.build(*self._parts(leg, now), rtcp.Bye((ssrc,)))
            self._effects.append(SendReport(leg.row, data, to, leg.spec.rtcp_mux))

    def _talks(self, leg: Leg) -> bool:
        return leg.heard or bool(self._legs.sent["packets"][leg.row])

    def _to(self, leg: Leg) -> Address | None:
        """Back to where the peer's reports come from; before that, where SIP said, or the port after RTP's."""
        if leg.report_from is not None:
            return leg.report_from
        if leg.spec.rtcp_mux:
            return leg.target
        if leg.spec.remote_rtcp is not None and leg.target is not None and leg.spec.remote_rtcp[0] == leg.target[0]:
            return destination(leg.spec.remote_rtcp)
        if leg.target is None or leg.target[1] > 65534:
            return None
        return (leg.target[0], leg.target[1] + 1)

    def _parts(self, leg: Leg, now: Instant) -> list[rtcp.Part]:
        sent = self._legs.sent[leg.row]
        ssrc = int(sent["ssrc"])
        if not leg.cname:
            leg.cname = f"{self._legs.dice.getrandbits(64):016x}@softswitch"  # RFC 7022: random, short-term
        blocks = (self._block(leg, now),) if leg.heard else ()
        report: rtcp.Part
        if int(sent["packets"]) and now - float(sent["at"]) < _RECENT:
            rate = int(self._legs.received["rate"][leg.row])
            timestamp = (int(sent["ts"]) + int((now - float(sent["at"])) * rate)) & 0xFFFFFFFF
            report = rtcp.SenderReport(
                ssrc, rtcp.ntp_time(now), timestamp, int(sent["packets"]), int(sent["octets"]), blocks
            )
        else:
            report = rtcp.ReceiverReport(ssrc, blocks)
        return [report, rtcp.Cname(ssrc, leg.cname)]

    def _block(self, leg: Leg, now: Instant) -> rtcp.Block:
        """RFC 3550 A.3, of the stream that is heard now."""
        state = self._legs.received[leg.row]
        expected = self._legs.expected(leg) - leg.expected_before
        packets = int(state["packets"]) - leg.packets_base
        expected_now, packets_now = expected - leg.expected_reported, packets - leg.packets_reported
        leg.expected_reported, leg.packets_reported = expected, packets
        lost_now = expected_now - packets_now
        fraction = min(lost_now * 256 // expected_now, 255) if expected_now > 0 and lost_now > 0 else 0
        delay = int((now - leg.last_sr_at) * 65536) & 0xFFFFFFFF if leg.last_sr else 0
        highest = int(state["highest"]) & 0xFFFFFFFF
        jitter = int(state["jitter"])
        return rtcp.Block(leg.ssrc, fraction, expected - packets, highest, jitter, leg.last_sr, delay)
