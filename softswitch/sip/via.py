"""Via as the transport uses it (RFC 3261 §18, RFC 3581): our own value, and where responses go."""

from softswitch.sip.flow import Flow
from softswitch.wire.sip import Via


def via_value(flow: Flow, address: tuple[str, int], branch: str) -> str:
    """The Via of a request of ours; it asks for rport, so that answers pass NAT."""
    host, port = address
    if ":" in host:
        host = f"[{host}]"
    return f"SIP/2.0/{flow.transport.upper()} {host}:{port};branch={branch};rport"


def response_flow(via: Via, flow: Flow) -> Flow:
    """Where responses to a request go that came by `flow` with `via` on top (§18.2.2, RFC 3581 §4).

    The host is always the source's, as `received` would say. maddr is not obeyed: it would let a stranger choose who
    gets our answers.
    """
    if flow.reliable or "rport" in via.params:
        return flow
    port = via.port or 5060
    return flow if port == flow.remote[1] else Flow(flow.transport, (flow.remote[0], port), flow.listener)


def sent_by_flow(flow: Flow, port: int) -> Flow:
    """A new connection for a response whose own connection is gone (§18.2.2)."""
    return Flow(flow.transport, (flow.remote[0], port), flow.listener)
