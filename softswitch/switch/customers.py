"""Customers: who calls, found in memory by number or by id, and kept in the store.

A customer says how its calls are treated: a head start in seconds, the language, an agent of its own, the skills that
it needs, a queue. The table is read at start; every change goes to memory and store in one step.
"""

from collections.abc import Iterable, Iterator

import msgspec

from softswitch.acd.model import Needs


class Customer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`id` is the account number or whatever the site calls its customers by. `numbers` as calls bring them (E.164).
    `head_start`: seconds, below zero for those who can wait. `needs`: least proficiency (0-100) by skill."""

    id: str
    name: str = ""
    numbers: tuple[str, ...] = ()
    head_start: float = 0.0
    language: str = ""
    agent: str = ""
    needs: Needs = ()
    queue: str = ""
    notes: str = ""


class ForgottenCustomer(msgspec.Struct, frozen=True, gc=False):
    """The customer is deleted."""

    id: str


class Customers:
    """All of them by id and by number. A number that two have belongs to the one who came last."""

    def __init__(self) -> None:
        self._by_id: dict[str, Customer] = {}
        self._by_number: dict[str, Customer] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Customer]:
        return iter(self._by_id.values())

    def get(self, id: str) -> Customer | None:
        """By account number."""
        return self._by_id.get(id)

    def calling(self, number: str) -> Customer | None:
        """Who calls from `number`."""
        return self._by_number.get(number)

    def load(self, customers: Iterable[Customer]) -> None:
        """What the store has."""
        for customer in customers:
            self.put(customer)

    def put(self, customer: Customer) -> None:
        """New, or in place of the one with that id."""
        self.remove(customer.id)
        self._by_id[customer.id] = customer
        for number in customer.numbers:
            self._by_number[number] = customer

    def remove(self, id: str) -> bool:
        """Whether there was one."""
        old = self._by_id.pop(id, None)
        if old is None:
            return False
        for number in old.numbers:
            if self._by_number.get(number) is old:
                del self._by_number[number]
        return True


class LastAgents:
    """Who talked last with a number. Numbers that nobody talked with for `seconds` are forgotten from the front: the
    table is in order of time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._last: dict[str, tuple[str, float]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def talked(self, number: str, agent: str, at: float) -> None:
        """An agent talks with the number."""
        last = self._last
        last.pop(number, None)
        last[number] = (agent, at)
        while True:
            oldest = next(iter(last))
            if last[oldest][1] + self.seconds >= at or oldest == number:
                return
            del last[oldest]

    def of(self, number: str, now: float) -> str:
        """The agent, or nothing when it is too long ago."""
        agent, at = self._last.get(number, ("", 0.0))
        return agent if agent and at + self.seconds >= now else ""
