"""Complaint: overload at about 20 calls/s, more CPUs do not help; a query per member every 100 ms
(signalwire/freeswitch#2458).

Ours: everything that a call needs is in memory; the core that serves it can ask nobody, and one more agent costs
nothing.
"""

import subprocess
import sys

from softswitch.acd.model import QueueSettings
from softswitch.switch.settings import Agent, Phone, Route, Settings, Sip, Trunk
from tests.acd.test_cost_stays_flat import flat, operations
from tests.switch.site import Site


def steps_of_a_call(agents: int) -> int:
    """Bytecodes from INVITE to the end of the wrap-up in a centre of so many agents, all ready."""
    names = [f"agent{number}" for number in range(agents)]
    phones = {name: Phone(contact=f"sip:{name}@192.0.3.1:5060") for name in names[1:]}
    site = Site(
        Settings(
            sip=Sip(domain="pbx.test"),
            phones={"agent0": Phone(password="correct horse"), **phones},
            agents={name: Agent(phone=name, logged_in=True) for name in names},
            trunks={"carrier": Trunk(address="sip:198.51.100.10")},
            queues={"support": QueueSettings(agents=tuple(names), strategy="in-order")},
            routes=(Route(source="trunk:carrier", number="100", to="queue:support"),),
        )
    )
    phone, carrier = site.phone("agent0", "192.0.2.10"), site.party("+37061234567", "198.51.100.10")
    phone.on_invite = "answer"

    def call() -> None:
        line = carrier.call("100")
        assert phone.line.state == "up"
        carrier.hang_up(line)

    call()  # what is made at the first call is not counted
    site.run(40.0)
    return operations(call)


def test_a_queued_call_costs_the_same_with_ten_and_with_five_hundred_agents() -> None:
    assert flat([steps_of_a_call(agents) for agents in (10, 500)])


def test_the_core_of_the_switch_knows_no_database() -> None:
    """What serves a call has not even the means to ask: its modules load without store, sockets or event loop."""
    unwanted = "('sqlalchemy', 'sqlite3', 'asyncio')"
    check = f"import sys, softswitch.switch.switch; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
