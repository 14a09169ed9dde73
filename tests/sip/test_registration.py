"""RFC 3261 §10.2 from the client's side: registering, refreshing, failing and leaving."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from softswitch.sip.registration import (
    Output,
    Registration,
    RegistrationChanged,
    RegistrationSettings,
    SendRegister,
    State,
)
from softswitch.wire.sip import Request, Response

NOW = 1_700_000_000.0
SETTINGS = RegistrationSettings(
    "sip:carrier.example.com", "sip:acct@carrier.example.com", "sip:acct@203.0.113.7:5060", expires=600
)


def started(settings: RegistrationSettings = SETTINGS) -> tuple[Registration, Request]:
    registration = Registration(settings, Random(7))
    [send] = registration.start(NOW)
    assert isinstance(send, SendRegister)
    return registration, send.request


def reply(request: Request, status: int = 200, **headers: str) -> Response:
    request = request.copy()
    request.headers.prepend("Via", "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bK1")
    response = Response.to_request(request, status, to_tag="x")
    for name, value in headers.items():
        response.headers.add(name.replace("_", "-"), value)
    return response


def sent(outputs: list[Output]) -> Request:
    [request] = [output.request for output in outputs if isinstance(output, SendRegister)]
    return request


def told(outputs: list[Output]) -> RegistrationChanged:
    [change] = [output for output in outputs if isinstance(output, RegistrationChanged)]
    return change


def registered(settings: RegistrationSettings = SETTINGS, granted: int = 600) -> tuple[Registration, Request]:
    registration, request = started(settings)
    outputs = registration.responded(reply(request, Contact=f"<{settings.contact}>;expires={granted}"), NOW)
    assert told(outputs).registered
    return registration, request


def test_the_register_request() -> None:
    """RFC 3261 §10.2: Request-URI without user, To and From the address of record."""
    _, request = started(replace(SETTINGS, route=("<sip:proxy.example.com;lr>",)))
    assert (request.method, str(request.uri)) == ("REGISTER", "sip:carrier.example.com")
    assert str(request.to.uri) == str(request.from_.uri) == "sip:acct@carrier.example.com"
    assert request.from_.tag
    assert request.to.tag is None
    assert [str(contact.uri) for contact in request.contacts] == ["sip:acct@203.0.113.7:5060"]
    assert (request.expires, request.cseq.number) == (600, 1)
    assert request.headers.all("Route") == ["<sip:proxy.example.com;lr>"]


def test_accepted_means_registered_until_the_granted_time() -> None:
    """RFC 3261 §10.2.4: the registrar's expires counts, not ours."""
    registration, _ = registered(granted=120)
    assert registration.state is State.REGISTERED
    assert registration.registered(NOW + 119)
    assert not registration.registered(NOW + 120)
    due = registration.deadline()
    assert due is not None
    assert NOW + 90 <= due <= NOW + 108


def test_refreshes_keep_call_id_and_count_cseq() -> None:
    """RFC 3261 §10.2: the same Call-ID for all, CSeq one higher each time."""
    registration, first = registered()
    due = registration.deadline()
    assert due is not None
    assert registration.wake(due - 0.01) == []
    second = sent(registration.wake(due))
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1
    assert registration.deadline() is None
    assert registration.responded(reply(second), due) == []  # nothing new for the operator
    assert registration.registered(due + 599)


def test_a_cseq_that_a_challenge_consumed_is_not_used_again() -> None:
    """RFC 3261 §22.2: the request with credentials carries the next CSeq."""
    registration, request = started()
    request.headers.set("CSeq", "2 REGISTER")
    registration.responded(reply(request), NOW)
    assert sent(registration.wake(NOW + 600)).cseq.number == 3


def test_after_silence_the_count_leaps_over_what_challenges_may_have_used() -> None:
    registration, request = started()
    registration.failed(408, NOW)
    assert sent(registration.start(NOW)).cseq.number >= request.cseq.number + 3


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ({}, 600),
        ({"Expires": "300"}, 300),
        ({"Contact": "<sip:acct@203.0.113.7:5060>;expires=200", "Expires": "300"}, 200),
        ({"Contact": "<sip:acct@198.51.100.1:61000>;expires=200"}, 200),  # rewritten by the carrier's NAT help
        ({"Contact": "<sip:x@198.51.100.1>;expires=9, <sip:acct@203.0.113.7:5060>;expires=150"}, 150),
        ({"Contact": "<sip:x@198.51.100.1>;expires=9, <sip:y@198.51.100.1>", "Expires": "77"}, 77),
    ],
)
def test_what_a_2xx_grants(headers: dict[str, str], granted: int) -> None:
    """RFC 3261 §10.2.4."""
    registration, request = started()
    registration.responded(reply(request, **headers), NOW)
    assert registration.registered_until == NOW + granted


@pytest.mark.parametrize("contact", ["<sip:acct@203.0.113.7:5060>;expires=0", "<sip:a@h>, <sip:b@h>"])
def test_a_2xx_without_our_contact_is_no_registration(contact: str) -> None:
    registration, request = started()
    change = told(registration.responded(reply(request, Contact=contact), NOW))
    assert (change.state, change.registered) == (State.WAITING, False)


def test_too_brief_raises_the_time_and_tries_at_once() -> None:
    """RFC 3261 §10.2.8."""
    registration, request = started()
    again = sent(registration.responded(reply(request, 423, Min_Expires="3600"), NOW))
    assert (again.expires, again.cseq.number) == (3600, 2)
    registration.responded(reply(again), NOW)
    assert registration.registered_until == NOW + 3600


@pytest.mark.parametrize("least", [None, "60", "soon"])
def test_too_brief_without_a_higher_time_is_a_refusal(least: str | None) -> None:
    registration, request = started()
    outputs = registration.responded(reply(request, 423, **({"Min_Expires": least} if least else {})), NOW)
    assert told(outputs).state is State.WAITING


def test_a_carrier_that_raises_for_ever_is_not_followed() -> None:
    registration, request = started()
    asked = 0
    for least in range(1000, 9000, 1000):
        outputs = registration.responded(reply(request, 423, Min_Expires=str(least)), NOW)
        sends = [output for output in outputs if isinstance(output, SendRegister)]
        if not sends:
            break
        asked += 1
        request = sends[0].request
    assert asked == 2


def test_waiting_grows_with_each_failure_and_has_a_bound() -> None:
    """RFC 5626 §4.5: half to all of min(most, base · 2ⁿ)."""
    registration, _ = started()
    now, waits = NOW, []
    for _ in range(10):
        registration.failed(408, now)
        due = registration.deadline()
        assert due is not None
        waits.append(due - now)
        now = due
        registration.wake(now)
    for number, wait in enumerate(waits):
        most = min(300.0, 5.0 * 2**number)
        assert most / 2 <= wait <= most + 1e-6
    assert any(later > earlier for earlier, later in pairwise(waits))


def test_success_starts_the_counting_anew() -> None:
    registration, request = started()
    for _ in range(6):
        registration.failed(408, NOW)
        request = sent(registration.start(NOW))
    registration.responded(reply(request), NOW)
    registration.wake(NOW + 600)
    registration.failed(408, NOW + 600)
    due = registration.deadline()
    assert due is not None
    assert due - (NOW + 600) <= 5.0


def test_retry_after_is_obeyed() -> None:
    """RFC 3261 §20.33; a comment and parameters may follow the seconds."""
    registration, request = started()
    change = told(registration.responded(reply(request, 503, Retry_After="120 (I am in a meeting);duration=60"), NOW))
    assert change.retry_at == NOW + 120
    assert registration.deadline() == NOW + 120


@pytest.mark.parametrize("status", [401, 403, 404, 407, 400, 603])
def test_what_the_operator_must_mend_is_retried_slowly(status: int) -> None:
    """RFC 3261 §21.4.4: the request should not be repeated."""
    registration, request = started()
    change = told(registration.responded(reply(request, status), NOW))
    assert (change.state, change.status) == (State.WAITING, status)
    assert change.retry_at is not None
    assert NOW + 150 <= change.retry_at <= NOW + 300


def test_a_failing_refresh_leaves_the_trunk_usable_until_its_time_is_up() -> None:
    registration, _ = registered(granted=600)
    due = registration.deadline()
    assert due is not None
    registration.wake(due)
    change = told(registration.failed(408, due))
    assert (change.state, change.registered) == (State.RETRYING, True)
    now = due
    for _ in range(50):
        moment = registration.deadline()
        assert moment is not None
        now = moment
        outputs = registration.wake(now)
        if any(isinstance(output, RegistrationChanged) for output in outputs):
            break
        outputs = registration.failed(408, now)
        if any(isinstance(output, RegistrationChanged) for output in outputs):
            break
    assert NOW + 600 <= now <= NOW + 605
    assert not told(outputs).registered
    assert registration.state is State.WAITING
    assert registration.deadline() is not None


def test_a_lapse_between_retries_is_told_on_time_and_the_retry_stays() -> None:
    registration, _ = registered(granted=600)
    due = registration.deadline()
    assert due is not None
    refresh = sent(registration.wake(due))
    registration.responded(reply(refresh, 503, Retry_After="1000"), due)
    assert registration.deadline() == NOW + 600
    change = told(registration.wake(NOW + 600))
    assert (change.state, change.registered, change.retry_at) == (State.WAITING, False, due + 1000)
    assert registration.deadline() == due + 1000


def test_a_refused_refresh_ends_the_registration() -> None:
    registration, _ = registered()
    refresh = sent(registration.wake(NOW + 600))
    change = told(registration.responded(reply(refresh, 403), NOW + 600))
    assert (change.state, change.registered) == (State.WAITING, False)


def test_a_broken_connection_registers_anew_at_once() -> None:
    registration, _ = registered()
    outputs = registration.flow_failed(NOW + 5)
    assert not told(outputs).registered
    change = told(registration.responded(reply(sent(outputs)), NOW + 6))
    assert (change.state, change.registered) == (State.REGISTERED, True)


def test_stopping_takes_the_binding_back() -> None:
    """RFC 3261 §10.2.2: Expires 0."""
    registration, first = registered()
    leave = sent(registration.stop(NOW + 10))
    assert (leave.expires, leave.call_id) == (0, first.call_id)
    assert leave.cseq.number > first.cseq.number
    change = told(registration.responded(reply(leave), NOW + 10))
    assert (change.state, change.registered) == (State.UNREGISTERED, False)
    assert registration.deadline() is None


@pytest.mark.parametrize("status", [408, 503])
def test_stopping_does_not_hang_on_silence(status: int) -> None:
    registration, _ = registered()
    registration.stop(NOW)
    assert told(registration.failed(status, NOW + 32)).state is State.UNREGISTERED
    assert registration.deadline() is None


def test_stopping_while_trying_uses_a_cseq_that_no_challenge_can_reach() -> None:
    registration, request = started()
    assert sent(registration.stop(NOW)).cseq.number > request.cseq.number + 2


def test_stopping_while_waiting_asks_nobody() -> None:
    registration, _ = started()
    registration.failed(408, NOW)
    outputs = registration.stop(NOW)
    assert [type(output) for output in outputs] == [RegistrationChanged]
    assert registration.deadline() is None


def test_a_second_start_is_harmless() -> None:
    registration, _ = started()
    assert registration.start(NOW) == []
    registration, _ = registered()
    assert registration.start(NOW) == []


def test_an_unreadable_answer_is_a_failure() -> None:
    registration, request = started()
    response = reply(request)
    response.headers.set("Contact", "nonsense at all")
    assert told(registration.responded(response, NOW)).state is State.WAITING
    assert registration.deadline() is not None
