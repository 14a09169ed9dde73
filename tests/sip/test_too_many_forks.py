"""A callee that goes on making up To tags: what it costs us is bounded, and the call is not disturbed."""

from sip_peer import ANSWER, World, answer

from softswitch.sip.events import Accepted, Ended
from softswitch.sip.session_terms import Terms
from softswitch.sip.session_uac import MOST_FORKS

MANY = 500


def test_early_dialogs_without_end():
    world = World()
    session, invite = world.call()
    for number in range(MANY):
        world.receive(answer(invite, 180, tag=f"t{number}"))
    assert world.ua.counts()["dialogs"] == MOST_FORKS
    world.receive(answer(invite, 200, tag="another", body=ANSWER))
    assert [event.session for event in world.named(Accepted)] == [session]
    assert world.ua.counts()["dialogs"] == 1
    (bye,) = world.do("hang_up", session)
    world.receive(answer(bye, 200, tag="another"))
    world.silent_in_the_end()


def test_reliable_early_dialogs_without_end():
    """Each would have its PRACK, repeated for 32 s."""
    world = World()
    session, invite = world.call(terms=Terms(reliable="supported"))
    sent = []
    for number in range(MANY):
        headers = (("Require", "100rel"), ("RSeq", "1"))
        sent += world.receive(answer(invite, 183, f"t{number}", ANSWER, headers))
    assert len(sent) == MOST_FORKS
    world.do("hang_up", session)
    world.receive(answer(invite, 487))
    world.silent_in_the_end()


def test_answers_of_forks_without_end():
    """Each would have its ACK, kept for the next repetition, and its BYE."""
    world = World()
    session, invite = world.call()
    world.receive(answer(invite, 200, tag="one", body=ANSWER))
    sent = []
    for number in range(MANY):
        sent += world.receive(answer(invite, 200, tag=f"t{number}", body=ANSWER))
    assert len(sent) <= 2 * MOST_FORKS
    assert not world.named(Ended)
    for message in sent:
        if message.method == "BYE":
            world.receive(answer(message, 200, tag=message.to.tag))
    (bye,) = world.do("hang_up", session)
    world.receive(answer(bye, 200, tag="one"))
    world.silent_in_the_end()
