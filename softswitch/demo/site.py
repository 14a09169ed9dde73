"""The demo's switch: its configuration, its process, and how it is ended."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import httpx

from softswitch.kernel.dice import token
from softswitch.kernel.errors import LocalError
from softswitch.shell.run_dir import ApiAccess, read_access

LANGUAGES: Final = {"1": "en", "2": "ru", "3": "uk", "4": "lt"}
QUEUES: Final = {"1": "support", "2": "sales"}
NUMBER: Final = "+37052000100"
CARRIER_HOST: Final = "127.0.0.2"  # an address of its own: what comes from there is the carrier's
OWN_PHONE: Final = "2000"
RING_SECONDS: Final = 5.0
_FIRST_PHONE: Final = 1001
_NAMES: Final = ("anna", "boris", "carla", "dmytro", "egle", "felix", "greta", "hanna", "ivan", "jonas")
_MEDIA_PORTS: Final = 2000
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0
_PR_SET_PDEATHSIG: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent of the demo with a telephone."""

    agent: str
    phone: str
    password: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the configuration says and the phones must know. `listen` is where the switch binds, `address` how
    phones reach it."""

    listen: str
    address: str
    port: int
    carrier_port: int
    media_ports: tuple[int, int]
    api_port: int
    seats: tuple[Seat, ...]
    own_password: str

    @property
    def proxy(self) -> tuple[str, int]:
        """Where our own phones send SIP: they are on this machine."""
        return ("127.0.0.1" if self.listen == "0.0.0.0" else self.listen), self.port

    @property
    def domain(self) -> str:
        """The realm, and the host of addresses: what one types into a telephone."""
        return self.address


def make_plan(listen: str, port: int | None, agents: int, dice: Random) -> Plan:
    """Choose names, passwords and free ports. `port` None: 5060 if it is free. Raises `LocalError` when `port` is
    taken."""
    if port is None:
        port = 5060 if _is_free(listen, 5060) else _free_udp(listen)
    elif port == 0:
        port = _free_udp(listen)
    elif not _is_free(listen, port):
        raise LocalError(f"port {port} of {listen} is taken by another program; choose another with --port")
    seats = tuple(
        Seat(_NAMES[number] if number < len(_NAMES) else f"agent{number + 1}", str(_FIRST_PHONE + number), token(dice))
        for number in range(agents)
    )
    address = _lan_address() if listen == "0.0.0.0" else listen
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        api_port = sock.getsockname()[1]
    low = dice.randrange(10_000, 14_000) * 2  # below what the system gives to others
    return Plan(
        listen, address, port, _free_udp(CARRIER_HOST), (low, low + _MEDIA_PORTS - 1), api_port, seats, token(dice, 40)
    )


def configuration(plan: Plan, data_dir: Path) -> str:
    """The configuration file of the demo."""
    languages = ", ".join(f'{key} = "{language}"' for key, language in LANGUAGES.items())
    everyone = ", ".join(f'"{seat.agent}"' for seat in plan.seats)
    some = ", ".join(f'"{seat.agent}"' for seat in plan.seats[: max(1, len(plan.seats) // 2)])
    phones = "\n".join(
        f'[phones.{seat.phone}]\nname = "{seat.agent.capitalize()}"\npassword = "{seat.password}"\n'
        f'[agents.{seat.agent}]\nname = "{seat.agent.capitalize()}"\nphone = "{seat.phone}"\n'
        for seat in plan.seats
    )
    return f"""# Made by `softswitch demo`.
[server]
name = "demo"
data_dir = "{data_dir}"
max_calls = {_MEDIA_PORTS // 4}
drain_seconds = 5

[sip]
domain = "{plan.domain}"
listen = ["udp:{plan.listen}:{plan.port}", "tcp:{plan.listen}:{plan.port}"]

[media]
address = "{plan.listen}"
ports = [{plan.media_ports[0]}, {plan.media_ports[1]}]

[api]
listen = "127.0.0.1:{plan.api_port}"

[log]
level = "warning"
file = "{data_dir}/demo.log"

{phones}
[phones.{OWN_PHONE}]
name = "You"
password = "{plan.own_password}"
[agents.you]
phone = "{OWN_PHONE}"

[trunks.carrier]
address = "sip:{CARRIER_HOST}:{plan.carrier_port}"
caller_id = "{NUMBER}"
country = "370"
options_seconds = 5

[queues.support]
agents = [{everyone}, "you"]
ring_seconds = {RING_SECONDS}
retry_after = 2
wrap_up = 1
max_no_answer = 5
announce_position = 8
service_level = {{ seconds = 5, percent = 80 }}

[queues.sales]
agents = [{some}]
ring_seconds = {RING_SECONDS}
retry_after = 2
wrap_up = 0.5
max_no_answer = 5
priority = 10
service_level = {{ seconds = 5, percent = 80 }}

[ivr.welcome]
prompt = ["welcome", "press-one-for-agent"]
languages = {{ {languages} }}
repeat = 1
on_timeout = "queue:support"

[ivr.welcome.keys]
1 = "queue:support"
2 = "queue:sales"
9 = "echo:"

[[routes]]
from = "trunk:carrier"
number = "{NUMBER}"
to = "ivr:welcome"

[[routes]]
from = "phone:*"
number = "100"
to = "ivr:welcome"

[[routes]]
from = "phone:*"
number = "101"
to = "queue:support"

[[routes]]
from = "phone:*"
number = "102"
to = "queue:sales"

[[routes]]
from = "phone:*"
number = "00."
to = "trunk:carrier"
"""


class SwitchProcess:
    """`softswitch run` as a child of ours; what it says goes to `output` in the data directory."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.data_dir = folder / "var"
        self.config = folder / "demo.toml"
        self.output = folder / "switch.out"
        self.access = ApiAccess("", "")
        self._process: asyncio.subprocess.Process | None = None
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.config.write_text(configuration(plan, self.data_dir), encoding="utf-8")
        self.config.chmod(0o600)

    @property
    def pid(self) -> int:
        """Of the supervisor; 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Until it takes calls. Raises `LocalError` with what the switch said when it did not start."""
        with self.output.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "softswitch.cli", "run", "--config", str(self.config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us: we end it in order
                preexec_fn=_die_with(os.getpid()),
            )
        limit = time.monotonic() + _START_SECONDS
        async with httpx.AsyncClient(trust_env=False) as client:
            while not await self._ready(client):
                if self._process.returncode is not None or time.monotonic() > limit:
                    raise LocalError(f"the switch did not start:\n{self.said()}")
                await asyncio.sleep(0.05)

    async def _ready(self, client: httpx.AsyncClient) -> bool:
        """Whether it says that calls are welcome."""
        access = read_access(self.data_dir)
        if access is None:
            return False
        self.access = access
        try:
            return (await client.get(f"{access.url}/health")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def said(self) -> str:
        """What it wrote to its outputs and log, the last lines."""
        lines: list[str] = []
        for path in (self.output, self.data_dir / "demo.log"):
            if path.exists():
                lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-30:])

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> int:
        """Drain and end; the exit code. Kills what does not end by itself."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.returncode or 0


def _die_with(parent: int) -> Callable[[], None]:
    """The switch is drained by the kernel's signal when we are killed."""

    def arrange() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
            except OSError:
                return False
    return True


def _free_udp(host: str) -> int:
    for _ in range(20):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind((host, 0))
            except OSError as error:
                raise LocalError(f"cannot use the address {host}: {error.strerror}") from error
            port: int = sock.getsockname()[1]
        if _is_free(host, port):
            return port
    raise LocalError(f"no free port on {host}")


def _lan_address() -> str:
    """The address by which others on the network reach this machine; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])
