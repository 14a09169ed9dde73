"""A plain RTP relay, as one would write it on uvloop: a protocol object a socket, each packet passed on as it comes.

It reads one JSON line {"phones": [[host, port] …], "pairs": [[a, b] …]}, answers the ports that the phones send to,
and relays between the two of a pair until its input ends. No RTP is looked at and no RTCP is spoken, so it is the least
that a relay in Python can do with one callback a packet.
"""

import asyncio
import json
import os
import resource
import sys
from contextlib import suppress
from typing import Any

import uvloop


class _Leg(asyncio.DatagramProtocol):
    peer: "_Leg"
    transport: asyncio.DatagramTransport

    def __init__(self, phone: tuple[str, int]) -> None:
        self.phone = phone

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        peer = self.peer
        peer.transport.sendto(data, peer.phone)


async def _relay() -> None:
    loop = asyncio.get_running_loop()
    asked = json.loads(sys.stdin.readline())
    legs = []
    for host, port in asked["phones"]:
        leg = _Leg((host, port))
        await loop.create_datagram_endpoint(lambda leg=leg: leg, local_addr=("127.0.0.1", 0))  # type: ignore[misc]
        legs.append(leg)
    for a, b in asked["pairs"]:
        legs[a].peer, legs[b].peer = legs[b], legs[a]
    print(json.dumps([leg.transport.get_extra_info("sockname")[1] for leg in legs]), flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with suppress(OSError):
        os.nice(-10)  # as the media process
    uvloop.run(_relay())
