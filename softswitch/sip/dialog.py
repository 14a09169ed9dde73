"""Dialogs (RFC 3261 §12): what both ends remember, the requests made from it, and where those go."""

from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address

from softswitch.kernel.errors import PeerError
from softswitch.sip.events import Fields
from softswitch.sip.flow import Flow
from softswitch.sip.transports import DIALLED, KEPT, SECURE, TRANSPORTS, port_of, transport_of
from softswitch.wire.sip import Headers, NameAddr, Request, Response, Uri

_TARGET_REFRESH = frozenset(("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"))  # carry our Contact


@dataclass(slots=True)
class Dialog:
    """`local` and `remote` are From and To values with tags, from our side. `route_set` are Route values, next hop
    first. `target` is the remote target. `flow` is how the peer's messages came, `contact` our Contact value."""

    call_id: str
    local: str
    remote: str
    local_tag: str
    remote_tag: str
    local_cseq: int
    remote_cseq: int
    route_set: tuple[str, ...]
    target: Uri
    flow: Flow
    contact: str
    max_forwards: int = 70

    def request(
        self, method: str, headers: Fields = (), body: bytes = b"", content_type: str = "", number: int | None = None
    ) -> Request:
        """A request within the dialog (§12.2.1.1); `number` is the CSeq of an ACK, others count up. Via is missing."""
        if number is None:
            self.local_cseq += 1
            number = self.local_cseq
        uri = self.target
        fields = Headers()
        if self.route_set:
            routes = self.route_set
            first = NameAddr.parse(routes[0]).uri
            if "lr" not in first.params:
                # A strict router next (§12.2.1.1): it finds itself in the Request-URI, our target comes last.
                uri, routes = first, (*routes[1:], f"<{self.target}>")
            fields.extend([("Route", route) for route in routes])
        fields.extend(
            (
                ("Max-Forwards", str(self.max_forwards)),
                ("From", self.local),
                ("To", self.remote),
                ("Call-ID", self.call_id),
                ("CSeq", f"{number} {method}"),
            )
        )
        if method in _TARGET_REFRESH:
            fields.add("Contact", self.contact)
        fields.extend(headers)
        if body:
            fields.add("Content-Type", content_type)
        return Request(method, uri, fields, body)

    def fork(self, response: Response) -> "Dialog":
        """The sibling dialog that another 2xx to the same INVITE makes (§13.2.2.4)."""
        contacts = response.contacts
        return replace(
            self,
            remote=response.headers.get("To") or "",
            remote_tag=response.to.tag or "",
            local_cseq=response.cseq.number,
            remote_cseq=0,
            route_set=_routes(response)[::-1],
            target=contacts[0].uri if contacts else self.target,
        )

    def next_flow(self) -> Flow:
        """Where the next request goes: the first route, or the remote target (§12.2.1.1, §8.1.2)."""
        hop = NameAddr.parse(self.route_set[0]).uri if self.route_set else self.target
        return next_hop(hop, self.flow)

    def other_flow(self) -> Flow | None:
        """A new connection to the next hop, for when the one in use turns out to be closed (§18.1.1)."""
        flow = self.flow
        if not flow.reliable or flow.connection == 0 or not TRANSPORTS[flow.transport].dialled:
            return None
        hop = NameAddr.parse(self.route_set[0]).uri if self.route_set else self.target
        return Flow(flow.transport, (flow.remote[0], port_of(hop, flow.transport)), flow.listener)

    def refresh(self, message: Request | Response) -> None:
        """A target refresh request or its 2xx may move the remote target (§12.2.1.2, §12.2.2)."""
        contacts = message.contacts
        if contacts:
            self.target = contacts[0].uri

    def take_cseq(self, number: int) -> bool:
        """Whether a request with CSeq `number` is in order (§12.2.2); remembers it if so."""
        if number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True


def uac_dialog(request: Request, response: Response, flow: Flow, contact: str) -> Dialog:
    """The dialog that `response` makes at the side that sent `request` (§12.1.2)."""
    contacts = response.contacts
    return Dialog(
        call_id=response.call_id,
        local=request.headers.get("From") or "",
        remote=response.headers.get("To") or "",
        local_tag=request.from_.tag or "",
        remote_tag=response.to.tag or "",
        local_cseq=request.cseq.number,
        remote_cseq=0,
        route_set=_routes(response)[::-1],
        target=contacts[0].uri if contacts else request.uri,
        flow=flow,
        contact=contact,
    )


def uas_dialog(request: Request, local_tag: str, flow: Flow, contact: str) -> Dialog:
    """The dialog that our response makes at the side that received `request` (§12.1.1)."""
    contacts = request.contacts
    if not contacts:
        raise PeerError("a dialog needs a Contact")
    return Dialog(
        call_id=request.call_id,
        local=f"{request.headers.get('To')};tag={local_tag}",
        remote=request.headers.get("From") or "",
        local_tag=local_tag,
        remote_tag=request.from_.tag or "",
        local_cseq=0,
        remote_cseq=request.cseq.number,
        route_set=_routes(request),
        target=contacts[0].uri,
        flow=flow,
        contact=contact,
    )


def takes_update(message: Request | Response) -> bool:
    """Whether the sender says that it takes UPDATE (RFC 3311 §5.1)."""
    return "update" in message.headers.tokens("Allow")


def _routes(message: Request | Response) -> tuple[str, ...]:
    return tuple(message.headers.all("Record-Route")) if "Record-Route" in message.headers else ()


def next_hop(uri: Uri, flow: Flow) -> Flow:
    """The flow to `uri`, given that the peer speaks to us by `flow`.

    The core resolves no names: a host name stays with `flow`, and so does a private address that is not the peer's
    own (the peer sits behind NAT, RFC 3261 knows no better). A reliable flow to the same host is used again. Who speaks
    to us by TLS or WebSocket is never answered by anything less (RFC 5630), nor by a connection of ours to an address,
    which no certificate names: its flow is used as long as it lives (RFC 5923, RFC 7118 §5). Nor is one opened to who
    speaks by UDP or TCP and writes `transport=TLS` in a sip: Contact, as phones do that have it configured somewhere.
    """
    if flow.transport in KEPT:
        return flow
    host = uri.host
    same = host == flow.remote[0] or host == f"[{flow.remote[0]}]"
    transport = transport_of(uri, flow.transport)
    if same and transport == flow.transport:
        if flow.reliable:
            return flow
        port = 5060 if uri.port is None else uri.port
        return flow if port in (0, flow.remote[1]) else Flow(transport, (flow.remote[0], port), flow.listener)
    if not same and not _reachable(host):
        return flow
    if transport not in DIALLED or uri.port == 0 or (transport in SECURE and uri.scheme == "sip"):
        return flow
    address = host.strip("[]")
    listener = flow.listener if transport == flow.transport else 0
    return Flow(transport, (address, port_of(uri, transport)), listener)


@lru_cache(maxsize=4096)
def _reachable(host: str) -> bool:
    """Whether `host` is an address that can be reached from outside its own network."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return not (address.is_private or address.is_link_local or address.is_unspecified or address.is_multicast)


def contact_value(flow: Flow, address: tuple[str, int], user: str = "", scheme: str = "sip") -> str:
    """Our Contact for peers on `flow`: `<sip:user@host:port;transport=tcp>`; UDP is the default and left out. `sips`
    where the Request-URI said so (RFC 3261 §8.1.1.8, §12.1.1), else `sip`."""
    host, port = address
    if ":" in host:
        host = f"[{host}]"
    parameter = "" if flow.transport == "udp" else f";transport={TRANSPORTS[flow.transport].parameter}"
    return f"<{scheme}:{user + '@' if user else ''}{host}:{port}{parameter}>"
