"""The figures of a leg for `LegStats`: from its row in the tables, its jitter buffer and its peer's reports."""

from softswitch.media import quality
from softswitch.media.legs import Leg, Legs
from softswitch.wire.control import LegStats


def statistics(legs: Legs, leg: Leg) -> LegStats:
    """How the leg fares so far."""
    row, codec = leg.row, leg.spec.codec
    received, sent = legs.received[row], legs.sent[row]
    sent_packets = int(sent["packets"])
    if not leg.heard and not sent_packets:
        return LegStats(leg.id, 0, 0, 0, 0, 0, 0, 0, leg.rejected, 0.0, 0, 0.0, -1.0, 0.0)
    buffer = legs.buffer(row)
    learned = buffer.learned[row]
    packets, late = int(received["packets"]), int(learned["late"])
    rate = int(received["rate"])
    expected = legs.expected(leg)
    lost = max(expected - packets, 0)
    jitter_ms = float(received["jitter"]) * 1000 / rate
    trip = leg.round_trip * 1000 if leg.round_trip >= 0 else -1.0
    loss = min((lost + late) / expected, 1.0) if expected else 0.0
    bursts = quality.burst_ratio(loss, lost, int(received["losses"]))
    now_held, mean_held = buffer.held(row)
    delay = quality.conversation(trip, 1000 * now_held)
    remote_loss = min(leg.remote_lost / sent_packets, 1.0) if sent_packets else 0.0
    remote_jitter_ms = leg.remote_jitter * 1000 / rate
    # A phone's buffer follows its jitter; twice the mean deviation is what a simple one adds.
    remote_delay = quality.conversation(trip, 2 * remote_jitter_ms)
    return LegStats(
        leg=leg.id,
        received=packets,
        received_bytes=int(received["octets"]),
        sent=sent_packets,
        sent_bytes=int(sent["octets"]),
        lost=lost,
        late=late,
        duplicate=int(received["duplicate"]),
        rejected=leg.rejected,
        jitter_ms=jitter_ms,
        remote_lost=leg.remote_lost,
        remote_jitter_ms=remote_jitter_ms,
        round_trip_ms=trip,
        mos=quality.mos(quality.rating(loss, delay, codec, bursts)) if packets else 0.0,
        expected=expected,
        concealed_ms=10 * int(learned["concealed"]),
        max_jitter_ms=max(float(received["max_jitter"]) * 1000 / rate, jitter_ms),
        buffer_ms=1000 * now_held,
        buffer_mean_ms=1000 * mean_held,
        burst_ratio=bursts,
        listening_mos=quality.mos(quality.rating(loss, 0.0, codec, bursts)) if packets else 0.0,
        remote_loss=leg.remote_fraction,
        remote_mos=quality.mos(quality.rating(remote_loss, remote_delay, codec)) if leg.judged else 0.0,
        reports=leg.reports,
        bye=leg.heard and leg.bye_ssrc == leg.ssrc,
    )
