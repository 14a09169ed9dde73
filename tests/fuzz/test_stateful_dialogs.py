"""Transactions and dialogs against a peer that plays by no rules: whatever comes, the answers follow the RFCs, each
session ends once, and when time has run out nothing is left."""

import pytest

from tests.fuzz.adversary import Adversary

MATCHES = 100
MOVES = 120


@pytest.mark.parametrize("seed", range(MATCHES))
def test_matches(seed: int) -> None:
    match = Adversary(seed)
    for _ in range(MOVES):
        match.step()
    match.finish()


def test_the_adversary_gets_somewhere() -> None:
    """A match that never gets beyond the first refusal would prove nothing."""
    kinds: set[str] = set()
    for seed in range(20):
        match = Adversary(seed)
        for _ in range(MOVES):
            match.step()
        kinds |= {type(event).__name__ for event in match.world.events}
    wanted = {"Invited", "Accepted", "Rejected", "Cancelled", "Confirmed", "Ended", "Reinvited", "InDialog"}
    assert wanted <= kinds, wanted - kinds
