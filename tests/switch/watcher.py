"""A phone with lamps: it subscribes, and remembers what it was told."""

from xml.etree import ElementTree

from softswitch.kernel.clock import Instant
from softswitch.sip.events import Output, Responded, SipEvent
from softswitch.sip.flow import Flow, Send
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sip import Headers, Request, Response, Uri
from tests.switch.site import Party, Site

_NS = "{urn:ietf:params:xml:ns:dialog-info}"


class _Ears:
    """The phone's user agent, but that NOTIFYs go to the watcher first."""

    def __init__(self, ua: UserAgent, watcher: "Watcher") -> None:
        self._ua = ua
        self._watcher = watcher

    def __getattr__(self, name: str) -> object:
        return getattr(self._ua, name)

    def receive(self, message: Request | Response, flow: Flow, now: Instant) -> list[Output]:
        if isinstance(message, Request) and message.method in ("NOTIFY", "MESSAGE"):
            return self._watcher.told(message, flow)
        return self._ua.receive(message, flow, now)


class Watcher(Party):
    """`notified` are the NOTIFYs that came (each once), `received` the MESSAGEs. `notify_status` answers NOTIFY; 0: not
    at all."""

    def __init__(self, site: Site, name: str, host: str, password: str = "correct horse") -> None:
        super().__init__(site, name, host, 5060, password)
        self.ua = _Ears(self.ua, self)  # type: ignore[assignment]
        self.notified: list[Request] = []
        self.received: list[Request] = []
        self.replies: list[Response] = []
        self.notify_status = 200
        self.message_status = 200
        self._cseq = 1
        self.register()
        self.replies.clear()

    def told(self, message: Request, flow: Flow) -> list[Output]:
        kept = self.notified if message.method == "NOTIFY" else self.received
        if all(one.via.branch != message.via.branch for one in kept):
            kept.append(message)
        status = self.notify_status if message.method == "NOTIFY" else self.message_status
        if not status:
            return []
        return [Send(flow, Response.to_request(message, status, None, "phone").to_bytes())]

    def _happened(self, event: SipEvent) -> None:
        if isinstance(event, Responded):
            self.replies.append(event.response)
        super()._happened(event)

    def send(
        self, method: str, number: str, *fields: tuple[str, str], body: bytes = b"", to: str = "", call_id: str = ""
    ) -> Response:
        """A request outside calls; its final response. `to` and `call_id`: in that dialog."""
        headers = Headers()
        headers.add("From", f"<sip:{self.name}@pbx.test>;tag=me{self.name}")
        headers.add("To", to or f"<sip:{number}@pbx.test>")
        headers.add("Contact", f"<sip:{self.name}@{self.remote[0]}:{self.remote[1]}>")
        if call_id:
            self._cseq += 10
            headers.add("Call-ID", call_id)
            headers.add("CSeq", f"{self._cseq} {method}")
        for name, value in fields:
            headers.add(name, value)
        request = Request(method, Uri.parse(f"sip:{number}@pbx.test"), headers, body)
        before = len(self.replies)
        _, outputs = self.ua.request(request, self.flow, self.site.now, self.credentials)
        self.perform(outputs)
        self.site.settle()
        assert len(self.replies) == before + 1
        return self.replies[-1]

    def subscribe(self, number: str, event: str = "dialog", expires: int = 3600) -> Response:
        return self.send("SUBSCRIBE", number, ("Event", event), ("Expires", str(expires)))

    def again(self, ok: Response, number: str, event: str = "dialog", expires: int = 3600) -> Response:
        to = ok.headers.get("To") or ""
        fields = (("Event", event), ("Expires", str(expires)))
        return self.send("SUBSCRIBE", number, *fields, to=to, call_id=ok.call_id)

    def lamps(self) -> list[list[tuple[str, str]]]:
        """What the NOTIFYs of `dialog` said, each as (state, direction)."""
        found = []
        for notify in self.notified:
            if (notify.headers.get("Event") or "").startswith("dialog"):
                root = ElementTree.fromstring(notify.body)
                assert root.get("version") is not None
                assert root.get("state") == "full"
                found.append([(one.findtext(f"{_NS}state") or "", one.get("direction") or "") for one in root])
        return found

    def dialogs(self) -> list[ElementTree.Element]:
        """The dialog elements of the last NOTIFY."""
        return list(ElementTree.fromstring(self.notified[-1].body))
