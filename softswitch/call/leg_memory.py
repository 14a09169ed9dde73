"""What a leg must remember to be taken up by another control process: its session and, in the media process that goes
on meanwhile, its stream.

Keys are never remembered: a stream that is secured can be ended and told of, not gone on with.
"""

import msgspec
from msgspec.structs import replace

from softswitch.call.fabric import Fabric, Port
from softswitch.call.leg import Leg, LegState
from softswitch.call.stream_policy import StreamPolicy
from softswitch.kernel.clock import Instant
from softswitch.sip.codec_table import Format
from softswitch.sip.offer_answer import Negotiated
from softswitch.sip.secure_media import has_secrets
from softswitch.sip.session_memory import SessionMemory
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.control import LegSpec


class StreamMemory(msgspec.Struct, frozen=True, array_like=True):
    """What was said of the sound and agreed on (`Description`), and what media does with it. `whole`: it can be gone on
    with; not so when it is secured, when there is video beside it, or while an offer is open."""

    negotiated: Negotiated
    spec: LegSpec
    sdp: bytes
    origin: int
    version: int
    known: tuple[Format, ...]
    recorded: str
    hears: tuple[int, ...]
    wishes: int
    whole: bool


class LegMemory(msgspec.Struct, frozen=True, array_like=True):
    """A party that has answered. `id`, `slot` and `port` are those of its stream in the media process `worker`; `slot`
    is −1 when media has none. `stream` is None when nothing was agreed on."""

    peer: str
    worker: int
    id: int
    slot: int
    port: int
    policy: StreamPolicy
    session: SessionMemory
    ring_at: Instant | None
    answered_at: Instant | None
    held_at: Instant | None
    suite: str
    record_aware: bool
    recordpref: str
    stream: StreamMemory | None


def remembered(leg: Leg) -> LegMemory | None:
    """The leg as it is now; None unless the party has answered and its session stands."""
    session = leg.ua.memory(leg.session) if leg.up else None
    if session is None:
        return None
    port, spec, said = leg.port, leg.spec, leg.description
    stream = None
    if spec is not None and said.negotiated is not None:
        secured = spec.security is not None or bool(leg.suite) or has_secrets(said.sdp)
        open_offer = bool(said.pending or said.reoffered)
        stream = StreamMemory(
            replace(said.negotiated, security=None) if secured else said.negotiated,
            replace(spec, security=None) if secured else spec,
            b"" if secured else said.sdp,
            said.origin, said.version, said.known, said.recorded, tuple(leg.hears), leg.wishes,
            leg.opened and not secured and not open_offer and leg.streams is None,
        )  # fmt: skip
    return LegMemory(
        leg.peer, leg.worker, leg.id, port.slot if port is not None and leg.opened else -1,
        port.number if port is not None else 0, leg.policy, session, leg.ring_at, leg.answered_at, leg.held_at,
        leg.suite, leg.record_aware, leg.recordpref, stream,
    )  # fmt: skip


def recall(memory: LegMemory, owner: str, session: int | None, ua: UserAgent, fabric: Fabric, *, streams: bool) -> Leg:
    """The leg again, with its session resumed (None: it could not be). `streams`: its stream lives in the media
    process."""
    leg = Leg(owner, memory.peer, memory.worker, memory.policy, ua, fabric)
    leg.sip_call_id = memory.session.call_id
    if session is not None:
        leg.session = session
        fabric.sessions[session] = leg
    leg.ring_at, leg.answered_at, leg.held_at = memory.ring_at, memory.answered_at, memory.held_at
    leg.suite, leg.record_aware, leg.recordpref = memory.suite, memory.record_aware, memory.recordpref
    said, stream = leg.description, memory.stream
    if stream is not None:
        said.recall(memory.id, stream.origin, stream.version, stream.sdp, stream.known, stream.recorded)
        said.negotiated = stream.negotiated
        leg.recall(memory.id, stream.spec, frozenset(stream.hears), stream.wishes)
    else:
        leg.recall(memory.id, None, frozenset(), leg.wishes)
    if streams and memory.slot >= 0:
        said.port = Port(memory.worker, memory.slot, memory.port)
        leg.opened = leg.was_open = True
        fabric.recall_leg(leg)
    leg.state = LegState.HELD if memory.held_at is not None else LegState.UP
    return leg
