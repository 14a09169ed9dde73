"""RFC 5627: what a registrar gives to phones that ask for GRUUs, and what it knows again."""

import json

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.sip import gruu
from softswitch.sip.registrar import Binding, Outcome, Registrar
from softswitch.wire.sip import NameAddr, Uri
from tests.sip.test_registrar import AOR, HERE, NOW, PHONE, contacts_of, register

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
CONTACT = f'{HERE};+sip.instance="<{INSTANCE}>"'
ASKS = ("Supported: path, gruu",)
KEY = b"k" * 32


def given(outcome: Outcome) -> tuple[Uri, Uri]:
    """Public and temporary one of the first contact."""
    params = NameAddr.parse(contacts_of(outcome)[0]).params
    return tuple(Uri.parse((params[name] or "").strip('"')) for name in ("pub-gruu", "temp-gruu"))  # type: ignore[return-value]


def test_both_are_in_the_answer() -> None:
    """§5.1 and §3.1: the public one is the address of record with the instance, the other one names nobody."""
    registrar = Registrar(secret=KEY)
    public, temporary = given(registrar.register(AOR, register(CONTACT, extra=ASKS), PHONE, NOW))
    assert str(public) == f"sip:1001@pbx.example.com;gr={INSTANCE}"
    assert (temporary.host, temporary.params) == ("pbx.example.com", {"gr": None})
    assert "1001" not in str(temporary)
    assert gruu.is_temporary(temporary)
    assert not gruu.is_temporary(public)
    binding = registrar.hidden(temporary, NOW)
    assert binding is not None
    assert binding.aor == AOR


def test_each_refresh_brings_another_temporary_one_and_the_older_ones_stay_good() -> None:
    """§5.1."""
    registrar = Registrar(secret=KEY)
    found = [given(registrar.register(AOR, register(CONTACT, extra=ASKS, cseq=n), PHONE, NOW)) for n in (1, 2, 3)]
    assert len({str(public) for public, _ in found}) == 1
    assert len({str(temporary) for _, temporary in found}) == 3
    assert all(registrar.hidden(temporary, NOW) for _, temporary in found)


def test_a_new_call_id_and_the_end_make_them_invalid() -> None:
    registrar = Registrar(secret=KEY)
    _, first = given(registrar.register(AOR, register(CONTACT, extra=ASKS), PHONE, NOW))
    _, second = given(registrar.register(AOR, register(CONTACT, extra=ASKS, call_id="b"), PHONE, NOW))
    assert registrar.hidden(first, NOW) is None
    assert registrar.hidden(second, NOW) is not None
    assert registrar.hidden(second, NOW + 4000) is None, "expired"
    registrar.register(AOR, register(CONTACT, extra=ASKS, call_id="b", cseq=2, expires=0), PHONE, NOW)
    assert registrar.hidden(second, NOW) is None
    assert not registrar._temporary


def test_they_outlive_a_restart() -> None:
    registrar = Registrar(secret=KEY)
    _, temporary = given(registrar.register(AOR, register(CONTACT, extra=ASKS), PHONE, NOW))
    rows = [json.loads(json.dumps(binding.as_row())) for binding in registrar.snapshot()]
    again = Registrar(secret=b"another")
    again.restore(tuple(Binding.from_row(row) for row in rows), NOW)
    assert again.hidden(temporary, NOW) is not None


def test_who_does_not_ask_or_has_no_instance_gets_none() -> None:
    """§5.1; who asks later gets them then."""
    registrar = Registrar(secret=KEY)
    for contact, extra in ((CONTACT, ()), (HERE, ASKS)):
        (answer,) = contacts_of(registrar.register(AOR, register(contact, extra=extra, cseq=1), PHONE, NOW))
        assert "gruu" not in answer
        registrar.register(AOR, register("*", expires=0, cseq=2), PHONE, NOW)
    registrar.register(AOR, register(CONTACT, cseq=3), PHONE, NOW)
    assert given(registrar.register(AOR, register(CONTACT, cseq=4, extra=ASKS), PHONE, NOW))
    assert "gruu" not in contacts_of(registrar.register(AOR, register(CONTACT, cseq=5), PHONE, NOW))[0]


def test_what_a_phone_says_of_gruus_is_not_believed() -> None:
    registrar = Registrar(secret=KEY)
    contact = f'{CONTACT};pub-gruu="sip:1002@pbx.example.com;gr=x";temp-gruu="sip:evil@x;gr"'
    (answer,) = contacts_of(registrar.register(AOR, register(contact, extra=ASKS), PHONE, NOW))
    assert "1002" not in answer
    assert "evil" not in answer
    assert answer.count("pub-gruu") == 1


def test_a_gruu_is_no_contact() -> None:
    """§5.1: 403; one of another domain is a contact like any other."""
    registrar = Registrar(secret=KEY)
    assert registrar.register(AOR, register("<sip:1001@pbx.example.com;gr=x>", extra=ASKS), PHONE, NOW).status == 403
    assert registrar.register(AOR, register("<sip:1001@other.example.com;gr=x>", extra=ASKS), PHONE, NOW).status == 200


def test_odd_instances_are_escaped() -> None:
    uri = gruu.public(Uri.parse("sip:1001@pbx.example.com"), '"<urn:x;y=é >"')
    assert str(uri) == "sip:1001@pbx.example.com;gr=urn:x%3By%3D%C3%A9%20"
    assert Uri.parse(str(uri)).params["gr"] is not None


@pytest.mark.parametrize("user", ["tgruu.", "tgruu.zz", "tgruu." + "0" * 48, "tgruu." + "0" * 46, "tgruu.é", "tgruu"])
def test_forged_ones_stand_for_nobody(user: str) -> None:
    registrar = Registrar(secret=KEY)
    registrar.register(AOR, register(CONTACT, extra=ASKS), PHONE, NOW)
    try:
        uri = Uri.parse(f"sip:{user}@pbx.example.com;gr")
    except PeerError:
        return
    assert registrar.hidden(uri, NOW) is None


def test_a_bit_that_was_changed_is_noticed() -> None:
    registrar = Registrar(secret=KEY)
    _, good = given(registrar.register(AOR, register(CONTACT, extra=ASKS), PHONE, NOW))
    text = good.user or ""
    for place in range(len("tgruu."), len(text)):
        other = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
        assert registrar.hidden(Uri.parse(f"sip:{other}@pbx.example.com;gr"), NOW) is None
