"""Whatever comes, in whatever state: an answer or silence, never an exception, and nothing left in the end."""

from random import Random

import pytest
from sip_peer import ANSWER, NOTHING, OFFER, TCP, UDP, World, answer, request, within

from softswitch.wire.sip import BadMessage, Request, parse

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "OPTIONS", "REGISTER", "PRACK", "FOO")
PIECES = (b"tag=theirs", b"z9hG4bK", b"sip:", b"192.0.2.1", b"1 INVITE", b"\r\n", b";", b"<", b">", b",", b'"', b"")


def mutate(data, dice):
    """`data` with a few bytes changed, cut, doubled or swapped for a telling piece."""
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(data))
        end = at + dice.randrange(12)
        match dice.randrange(4):
            case 0:
                data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[end:]
            case 2:
                data = data[:end] + data[at:]
            case _:
                data = data[:at] + dice.choice(PIECES) + data[end:]
        if not data:
            return b"\r\n"
    return data


def feed(world, data, flow):
    """As the shell does it."""
    try:
        message = parse(data)
    except BadMessage as error:
        for send in world.ua.receive_bad(error, flow, world.now):
            assert send.data.startswith((b"SIP/2.0 4", b"SIP/2.0 5"))
        return
    world.take(world.ua.receive(message, flow, world.now))


def verbs(world, dice):
    """A random verb on a random session or request, at a random moment."""
    number = dice.randrange(1, 40)
    name, arguments = dice.choice(
        (
            ("ring", (number, 180)),
            ("accept", (number, ANSWER)),
            ("reject", (number, 486)),
            ("hang_up", (number,)),
            ("confirm", (number, ANSWER)),
            ("reinvite", (number, dice.choice((OFFER, b"")))),
            ("accept_offer", (number, ANSWER)),
            ("reject_offer", (number, 488)),
            ("send_in_dialog", (number, "INFO")),
            ("respond", (number, 200)),
        )
    )
    world.do(name, *arguments)


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_anything(seed):
    """RFC 3261 §17: inputs without a row are ignored."""
    dice = Random(seed)
    world = World()
    flows = (UDP, TCP)
    for _ in range(300):
        flow = dice.choice(flows)
        ours = [message for _, _, message in world.sent[-12:]]
        match dice.randrange(7):
            case 0 if world.ua.counts()["sessions"] < 8:
                world.call(dice.choice((OFFER, b"")), flow)
            case 1:
                method = dice.choice(METHODS)
                body = dice.choice((b"", OFFER))
                number, cseq = dice.randrange(6), dice.randrange(1, 4)
                feed(world, request(method, f"z9hG4bK{number}", f"call-{number}", cseq, body=body), flow)
            case 2 | 3 if ours:
                one = dice.choice(ours)
                if isinstance(one, Request):
                    status = dice.choice((100, 180, 200, 401, 408, 481, 486, 491, 503))
                    reply = answer(one, status, dice.choice(("x", "y")), body=dice.choice((b"", OFFER)))
                    feed(world, reply.to_bytes(), flow)
                else:
                    method, cseq = dice.choice(METHODS), dice.randrange(1, 9)
                    feed(world, within(one, method, cseq, body=dice.choice((b"", OFFER))), flow)
            case 4 | 5:
                verbs(world, dice)
            case _:
                if dice.random() < 0.1:
                    world.do("flow_failed", flow)
                world.advance(dice.choice((0, 0.3, 2, 20)))
    for number in range(1, 400):
        world.do("hang_up", number)
        world.do("respond", number, 200)
    world.silent_in_the_end()


def test_mutated_messages_get_an_answer_or_silence():
    """RFC 4475 in spirit: 3,000 broken datagrams against a live call."""
    dice = Random(1)
    world = World()
    _, ok = world.talking_as_uas()
    _, invite, _ = world.talking_as_uac()
    good = [
        request("INVITE", "z9hG4bKnew", "call-2", body=OFFER),
        within(ok, "INVITE", 5, body=OFFER),
        within(ok, "INFO", 6),
        within(ok, "ACK", 1),
        answer(invite, 200, body=ANSWER).to_bytes(),
        answer(invite, 180).to_bytes(),
        request("REGISTER", "z9hG4bKreg"),
        request("CANCEL"),
    ]
    for _ in range(3000):
        feed(world, mutate(dice.choice(good), dice), UDP)
        if dice.random() < 0.02:
            world.advance(5)
    for number in range(1, 4000):
        world.do("hang_up", number)
    world.advance(4000)
    assert world.ua.counts() == NOTHING
