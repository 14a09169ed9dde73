"""A telephone on a UDP socket: it registers, calls and is called, with the SIP core that the switch has, and real RTP.

Everything runs in the current asyncio loop; one `Metronome` serves all phones of a process.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from softswitch.demo.stream import Metronome, RtpStream
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.shell.clock import start_clock
from softswitch.sip.digest import Credentials
from softswitch.sip.events import (
    Accepted,
    Cancelled,
    Confirmed,
    Ended,
    InDialog,
    Invitation,
    Invited,
    OfferAnswered,
    Output,
    Progressed,
    Reinvited,
    Rejected,
    Requested,
    Responded,
    SessionId,
    TimedOut,
    TxId,
)
from softswitch.sip.flow import Flow, Send
from softswitch.sip.offer_answer import Capabilities, accept, answer, make_offer
from softswitch.sip.registration import Output as RegistrationOutput
from softswitch.sip.registration import Registration, RegistrationSettings, SendRegister
from softswitch.sip.registration import State as RegistrationState
from softswitch.sip.user_agent import UserAgent
from softswitch.wire.sip import BadMessage, Headers, NameAddr, Uri, parse

_BUFFER: Final = 1 << 20


class CallState(StrEnum):
    """Where a call of a phone stands."""

    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Account:
    """What the phone is at the switch: `proxy` is (IP address, port), `domain` the host of its address."""

    user: str
    password: str
    domain: str
    proxy: tuple[str, int]
    name: str = ""


class PhoneCall:
    """One call. `status` is the final status when it failed, `ended_by` says who hung up: `us`, `peer` or nobody."""

    def __init__(self, phone: "Phone", stream: RtpStream, number: str, incoming: bool) -> None:
        self._phone = phone
        self.session: SessionId = 0
        self.stream = stream
        self.number = number
        self.incoming = incoming
        self.state = CallState.RINGING if incoming else CallState.CALLING
        self.headers: Headers = Headers()
        self.status = 0
        self.ended_by = ""
        self.began = asyncio.get_running_loop().time()
        self.answered_at = 0.0
        self.ended_at = 0.0
        self.offer = b""
        self.description = b""
        self.up = asyncio.Event()
        self.over = asyncio.Event()

    async def answered(self, seconds: float) -> bool:
        """Wait until it is answered; False when it failed or nobody answered in time."""
        await first(self.up, self.over, seconds=seconds)
        return self.state is CallState.TALKING

    async def ended(self, seconds: float) -> bool:
        """Wait for its end; False when that did not come in time."""
        await first(self.over, seconds=seconds)
        return self.over.is_set()

    def ring(self) -> None:
        """180."""
        self._phone.run(self._phone.agent.ring(self.session, 180, self._phone.now()))

    def answer(self) -> None:
        """200 with our side of the stream; without a common codec the call is refused."""
        if self.state is CallState.RINGING and self.incoming:
            self._phone.answer(self)

    def reject(self, status: int) -> None:
        """Refuse an incoming call."""
        if self.state is CallState.RINGING:
            self._phone.finish(self, "us", status)
            self._phone.run(self._phone.agent.reject(self.session, status, self._phone.now()))

    def hang_up(self) -> None:
        """CANCEL, BYE, or 480; harmless when it is over."""
        if self.state is not CallState.ENDED:
            self._phone.finish(self, "us", 0)
            self._phone.run(self._phone.agent.hang_up(self.session, self._phone.now()))


class Phone:
    """`on_call` is started as a task for each incoming call; without it calls are refused with 486."""

    def __init__(
        self,
        account: Account,
        metronome: Metronome,
        dice: Random,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        codecs: tuple[str, ...] = ("PCMA", "PCMU"),
        on_call: Callable[[PhoneCall], Awaitable[None]] | None = None,
    ) -> None:
        self.account = account
        self.address = address
        self.now = start_clock()
        self.on_call = on_call
        self.calls: dict[SessionId, PhoneCall] = {}
        self._loop = asyncio.get_running_loop()
        self._metronome = metronome
        self._dice = dice
        self._codecs = codecs
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((address, port))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.agent = UserAgent(self, dice)
        self._proxy = Flow("udp", account.proxy)
        self._credentials = Credentials(account.user, account.password) if account.password else None
        self._registration: Registration | None = None
        self._registering: TxId = -1
        self._settled = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop.add_reader(self._socket, self._readable)

    # ------------------------------------------------------------------------------------- where we are (`Addressing`)

    def signalling(self, flow: Flow) -> tuple[str, int]:
        """For Via and Contact."""
        return self.address, self.port

    def media(self, remote_host: str) -> str:
        """For SDP."""
        return self.address

    def source(self, remote_host: str) -> str:
        """We have one address."""
        return self.address

    def reliable(self, flow: Flow) -> Flow | None:
        """We speak UDP only."""
        return None

    # ---------------------------------------------------------------------------------------------------------- verbs

    async def register(self, expires: int = 300, seconds: float = 10.0) -> None:
        """Register, and stay registered until `unregister`. Raises `LocalError` when the switch refuses."""
        account = self.account
        settings = RegistrationSettings(
            f"sip:{account.domain}",
            f"sip:{account.user}@{account.domain}",
            f"sip:{account.user}@{self.address}:{self.port}",
            expires,
        )
        self._registration = Registration(settings, self._dice)
        self._settled.clear()
        self._register(self._registration.start(self.now()))
        await first(self._settled, seconds=seconds)
        if self._registration.state is not RegistrationState.REGISTERED:
            raise LocalError(f"phone {account.user} cannot register: {self._registration.state}")

    async def unregister(self, seconds: float = 5.0) -> None:
        """Take the registration back."""
        if self._registration is not None:
            self._settled.clear()
            self._register(self._registration.stop(self.now()))
            if self._registration.state is not RegistrationState.UNREGISTERED:
                await first(self._settled, seconds=seconds)

    def dial(self, number: str, *, caller: str = "", name: str = "") -> PhoneCall:
        """Call a number; `caller` is shown instead of our own."""
        account = self.account
        call = PhoneCall(self, self._stream(), number, incoming=False)
        call.description = make_offer(self._capabilities(call.stream), self._dice.getrandbits(31), 1)
        invitation = Invitation(
            uri=f"sip:{_escaped(number)}@{account.domain}",
            from_=NameAddr(name or account.name, Uri("sip", caller or account.user, None, account.domain)),
            to=NameAddr("", Uri("sip", number, None, account.domain)),
            body=call.description,
            credentials=self._credentials,
            contact_user=account.user,
        )
        call.session, outputs = self.agent.invite(invitation, self._proxy, self.now())
        self.calls[call.session] = call
        self.run(outputs)
        return call

    def answer(self, call: PhoneCall) -> None:
        """Take an incoming call."""
        try:
            body, agreed = answer(call.offer, self._capabilities(call.stream), self._dice.getrandbits(31), 1)
        except PeerError as error:
            call.reject(error.status)
            return
        call.description = body
        call.stream.start(agreed)
        self._talk(call)
        self.run(self.agent.accept(call.session, body, self.now()))

    async def close(self) -> None:
        """Hang up and give the socket back; the last answers get a moment."""
        for call in tuple(self.calls.values()):
            call.hang_up()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    # ------------------------------------------------------------------------------------------------------- machinery

    def run(self, outputs: list[Output]) -> None:
        """Perform what the user agent decided."""
        for output in outputs:
            match output:
                case Send(flow, data):
                    self._send(flow, data)
                case Invited():
                    self._invited(output)
                case Progressed(session, response):
                    self._progressed(session, response.body)
                case Accepted(session, response):
                    self._accepted(session, response.headers, response.body)
                case Rejected(session, status):
                    self._finished(session, "peer", status)
                case Cancelled(session) | Ended(session):
                    self._finished(session, "peer", 0)
                case Reinvited(session, request):
                    self._reinvited(session, request.body)
                case Confirmed() | OfferAnswered():
                    pass
                case InDialog(tx=tx):
                    self.run(self.agent.respond(tx, 200, self.now()))
                case Requested(tx, request):
                    status = 200 if request.method in ("OPTIONS", "NOTIFY", "MESSAGE") else 405
                    self.run(self.agent.respond(tx, status, self.now()))
                case Responded(tx, response) if tx == self._registering and self._registration is not None:
                    self._register(self._registration.responded(response, self.now()))
                    self._settled.set()
                case TimedOut(tx) if tx == self._registering and self._registration is not None:
                    self._register(self._registration.failed(408, self.now()))
                    self._settled.set()
        self._arm()

    def finish(self, call: PhoneCall, by: str, status: int) -> None:
        """The call is over."""
        if call.state is CallState.ENDED:
            return
        call.state = CallState.ENDED
        call.ended_by = by
        call.status = status
        call.ended_at = self._loop.time()
        call.stream.close()
        self.calls.pop(call.session, None)
        call.over.set()

    def _finished(self, session: SessionId, by: str, status: int) -> None:
        call = self.calls.get(session)
        if call is not None:
            self.finish(call, by, status)

    def _invited(self, event: Invited) -> None:
        request = event.request
        if self.on_call is None:
            self.run(self.agent.reject(event.session, 486, self.now()))
            return
        call = PhoneCall(self, self._stream(), request.from_.uri.username, incoming=True)
        call.session, call.offer, call.headers = event.session, request.body, request.headers
        self.calls[call.session] = call
        task = asyncio.ensure_future(self.on_call(call))
        assert isinstance(task, asyncio.Task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _progressed(self, session: SessionId, body: bytes) -> None:
        call = self.calls.get(session)
        if call is None:
            return
        if call.state is CallState.CALLING:
            call.state = CallState.RINGING
        if body:
            call.stream.start(accept(body, call.description))

    def _accepted(self, session: SessionId, headers: Headers, body: bytes) -> None:
        call = self.calls.get(session)
        if call is None:
            return
        call.headers = headers
        try:
            call.stream.start(accept(body, call.description))
        except PeerError:
            call.hang_up()
            return
        self._talk(call)

    def _talk(self, call: PhoneCall) -> None:
        call.state = CallState.TALKING
        call.answered_at = self._loop.time()
        call.up.set()

    def _reinvited(self, session: SessionId, body: bytes) -> None:
        call = self.calls.get(session)
        if call is None:
            return
        if not body:
            self.run(self.agent.accept_offer(session, call.description, self.now()))
            return
        number = self._dice.getrandbits(31)
        try:
            ours, agreed = answer(body, self._capabilities(call.stream), number, 1, previous=call.description)
        except PeerError as error:
            self.run(self.agent.reject_offer(session, error.status, self.now()))
            return
        call.description = ours
        call.stream.start(agreed)
        self.run(self.agent.accept_offer(session, ours, self.now()))

    def _register(self, outputs: list[RegistrationOutput]) -> None:
        for output in outputs:
            if isinstance(output, SendRegister):
                self._registering, more = self.agent.request(output.request, self._proxy, self.now(), self._credentials)
                self.run(more)
        self._arm()

    def _capabilities(self, stream: RtpStream) -> Capabilities:
        return Capabilities(self._codecs, True, self.address, stream.port, offer_rtcp_mux=True)

    def _stream(self) -> RtpStream:
        return RtpStream(self._metronome, self.address, self._dice)

    def _send(self, flow: Flow, data: bytes) -> None:
        try:
            self._socket.sendto(data, flow.remote)
        except OSError:
            self._loop.call_soon(lambda: self.run(self.agent.flow_failed(flow, self.now())))

    def _readable(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                data, source = self._socket.recvfrom(65535)
            except BlockingIOError:
                return
            except OSError:  # ICMP: the switch is away; the transactions' timers will tell
                continue
            if data.strip():
                self._receive(data, Flow("udp", (source[0], source[1])))

    def _receive(self, data: bytes, flow: Flow) -> None:
        try:
            message = parse(data)
        except BadMessage as error:
            self.run(self.agent.receive_bad(error, flow, self.now()))
            return
        except PeerError:
            return
        self.run(self.agent.receive(message, flow, self.now()))

    def _arm(self) -> None:
        due = [self.agent.deadline(), self._registration.deadline() if self._registration else None]
        times = [at for at in due if at is not None]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if times:
            self._timer = self._loop.call_later(max(0.0, min(times) - self.now()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self.now()
        self.run(self.agent.wake(now))
        if self._registration is not None:
            due = self._registration.deadline()
            if due is not None and due <= now:
                self._register(self._registration.wake(now))


async def first(*events: asyncio.Event, seconds: float) -> None:
    """Until one of the events is set, or the time is over."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _escaped(number: str) -> str:
    """A dialled number as the user part of a URI (RFC 3261 §25.1)."""
    return number.replace("#", "%23")
