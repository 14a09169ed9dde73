"""The four tables against RFC 3261 figures 5 to 8 and RFC 6026 §7, arrow by arrow, and what no arrow leads to."""

from random import Random

import pytest
from sip_peer import OFFER, UDP, Addresses, request

from softswitch.sip.timers import Timers
from softswitch.sip.transaction import ClientTransaction, Input, Machine, ServerTransaction, State
from softswitch.sip.transaction_client import INVITE_CLIENT, NON_INVITE_CLIENT
from softswitch.sip.transaction_layer import TransactionLayer
from softswitch.sip.transaction_server import INVITE_SERVER, NON_INVITE_SERVER
from softswitch.wire.sip import Response, parse

FIGURE_5 = """
CALLING TIMER_A CALLING send
CALLING TIMER_B TERMINATED tell
CALLING TRANSPORT_ERROR TERMINATED tell
CALLING R1XX PROCEEDING tell
CALLING R2XX ACCEPTED tell
CALLING R3XX_6XX COMPLETED send tell
PROCEEDING R1XX PROCEEDING tell
PROCEEDING R2XX ACCEPTED tell
PROCEEDING R3XX_6XX COMPLETED send tell
PROCEEDING TIMER_B TERMINATED tell
COMPLETED R3XX_6XX COMPLETED send
COMPLETED TRANSPORT_ERROR TERMINATED
COMPLETED TIMER_D TERMINATED
ACCEPTED R2XX ACCEPTED tell
ACCEPTED TIMER_M TERMINATED
"""
FIGURE_6 = """
TRYING TIMER_E TRYING send
TRYING TIMER_F TERMINATED tell
TRYING TRANSPORT_ERROR TERMINATED tell
TRYING R1XX PROCEEDING tell
TRYING R2XX COMPLETED tell
TRYING R3XX_6XX COMPLETED tell
PROCEEDING TIMER_E PROCEEDING send
PROCEEDING TIMER_F TERMINATED tell
PROCEEDING TRANSPORT_ERROR TERMINATED tell
PROCEEDING R1XX PROCEEDING tell
PROCEEDING R2XX COMPLETED tell
PROCEEDING R3XX_6XX COMPLETED tell
COMPLETED TIMER_K TERMINATED
"""
FIGURE_7 = """
PROCEEDING REQUEST PROCEEDING send
PROCEEDING TIMER_100 PROCEEDING send
PROCEEDING R1XX PROCEEDING send
PROCEEDING R2XX ACCEPTED send
PROCEEDING R3XX_6XX COMPLETED send
PROCEEDING TRANSPORT_ERROR PROCEEDING tell
ACCEPTED REQUEST ACCEPTED
ACCEPTED R2XX ACCEPTED send
ACCEPTED ACK ACCEPTED tell
ACCEPTED TRANSPORT_ERROR ACCEPTED tell
ACCEPTED TIMER_L TERMINATED
COMPLETED REQUEST COMPLETED send
COMPLETED TIMER_G COMPLETED send
COMPLETED TRANSPORT_ERROR COMPLETED tell
COMPLETED TIMER_H TERMINATED tell
COMPLETED ACK CONFIRMED
CONFIRMED ACK CONFIRMED
CONFIRMED TIMER_I TERMINATED
"""
FIGURE_8 = """
TRYING REQUEST TRYING
TRYING R1XX PROCEEDING send
TRYING R2XX COMPLETED send
TRYING R3XX_6XX COMPLETED send
TRYING TRANSPORT_ERROR TRYING tell
TRYING TIMER_J TERMINATED
PROCEEDING REQUEST PROCEEDING send
PROCEEDING R1XX PROCEEDING send
PROCEEDING R2XX COMPLETED send
PROCEEDING R3XX_6XX COMPLETED send
PROCEEDING TRANSPORT_ERROR PROCEEDING tell
PROCEEDING TIMER_J TERMINATED
COMPLETED REQUEST COMPLETED send
COMPLETED TRANSPORT_ERROR TERMINATED
COMPLETED TIMER_J TERMINATED
"""
FIGURES = [
    pytest.param(INVITE_CLIENT, FIGURE_5, id="figure 5"),
    pytest.param(NON_INVITE_CLIENT, FIGURE_6, id="figure 6"),
    pytest.param(INVITE_SERVER, FIGURE_7, id="figure 7"),
    pytest.param(NON_INVITE_SERVER, FIGURE_8, id="figure 8"),
]
STATUS = {Input.R1XX: 180, Input.R2XX: 200, Input.R3XX_6XX: 486}


def arrows(figure):
    for line in figure.split("\n"):
        if line:
            state, what, after, *effects = line.split()
            yield State[state], Input[what], State[after], set(effects)


def put_into(machine: Machine, state: State):
    """A layer and a transaction of that machine in `state`, with something to send again."""
    layer = TransactionLayer(Addresses(), Random(1), Timers())
    method = "INVITE" if machine in (INVITE_CLIENT, INVITE_SERVER) else "OPTIONS"
    message = parse(request(method, body=OFFER))
    kind = ClientTransaction if machine in (INVITE_CLIENT, NON_INVITE_CLIENT) else ServerTransaction
    extra = () if kind is ClientTransaction else (1,)
    tx = kind(machine, "key", message, UDP, *extra)
    tx.state = state
    tx.data = _Sent
    return layer, tx, message


_Sent = object()


@pytest.mark.parametrize(("machine", "figure"), FIGURES)
def test_every_arrow(machine, figure):
    for state, what, after, effects in arrows(figure):
        layer, tx, message = put_into(machine, state)
        response = Response.to_request(message, STATUS[what], None, "tag") if what in STATUS else None
        told = layer.step(tx, what, response, 10.0)
        name = f"{state.name} {what.name}"
        assert tx.state is after, name
        assert told == ("tell" in effects), name
        assert bool(layer.out) == ("send" in effects), name


@pytest.mark.parametrize(("machine", "figure"), FIGURES)
def test_nothing_else_happens(machine, figure):
    """What has no arrow is ignored."""
    drawn = {(state, what) for state, what, _, _ in arrows(figure)}
    for state in State:
        for what in Input:
            if (state, what) not in drawn:
                layer, tx, _ = put_into(machine, state)
                assert layer.step(tx, what, None, 10.0) is False
                assert (tx.state, layer.out, len(layer.deadlines)) == (state, [], 0)
