"""RFC 4475: SIP torture test messages. One test a message, with the outcome that the RFC asks for.

The vectors are the octets of the RFC's archive (those of §3.1.1 checked against its published digests).
"""

from pathlib import Path

import pytest

from softswitch.wire.sip import BadMessage, Request, Response, parse
from softswitch.wire.sip.grammar import unescape

VECTORS = Path(__file__).parent / "rfc4475"


def octets(name: str) -> bytes:
    return (VECTORS / f"{name}.dat").read_bytes()


def request(name: str) -> Request:
    message = parse(octets(name))
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    message = parse(octets(name))
    assert isinstance(message, Response)
    return message


def rejected(name: str, status: int = 400) -> Request:
    """The message is refused with `status`, and can be answered: what is left of it is returned."""
    with pytest.raises(BadMessage) as caught:
        parse(octets(name))
    assert caught.value.status == status
    partial = caught.value.partial
    assert partial is not None
    answer = Response.to_request(partial, status, to_tag="t")
    assert answer.headers.get("Via") is not None
    assert answer.headers.get("CSeq") is not None
    assert answer.to_bytes().startswith(f"SIP/2.0 {status} ".encode())
    return partial


def dropped(name: str) -> None:
    """The message is refused in silence."""
    with pytest.raises(BadMessage) as caught:
        parse(octets(name))
    assert caught.value.status == 0
    assert caught.value.partial is None


def test_every_vector_has_its_test() -> None:
    names = {path.stem for path in VECTORS.glob("*.dat")}
    assert len(names) == 49
    assert names <= {name.rpartition("_")[2] for name in globals() if name.startswith("test_")}


# ------------------------------------------------------------------------------------------- 3.1.1 valid messages


def test_a_short_tortuous_invite_wsinv() -> None:
    """RFC 4475 §3.1.1.1: folding, blanks, compact forms, comma lists, unknown fields: all well formed."""
    message = request("wsinv")
    assert message.method == "INVITE"
    assert message.uri.params == {"unknownparam": None}
    assert (message.uri.user, message.uri.host) == ("vivekg", "chair-dnrc.example.com")
    assert str(message.to.uri) == "sip:vivekg@chair-dnrc.example.com"
    assert message.to.tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert (message.cseq.number, message.cseq.method) == (9, "INVITE")
    assert [(via.transport, via.host, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert not message.via.unique
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert [dict(route.uri.params) for route in message.route] == [
        {"lr": None, "unknownwith": "value", "unknown-no-value": None}
    ]
    (contact,) = message.contacts
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert len(message.body) == 150


def test_wide_range_of_valid_characters_intmeth() -> None:
    """RFC 4475 §3.1.1.2: unusual characters everywhere that tokens, URIs, words and quoted strings allow."""
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.cseq.method == message.method
    assert message.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.via.branch == "z9hG4bK-.!%66*_+`'~"
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params["fromparam''~+*_!.-%"] == '"работающий"'
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_valid_use_of_the_percent_escaping_mechanism_esc01() -> None:
    """RFC 4475 §3.1.1.3: an escape is the character, but an escaped `@` or `:` delimits nothing."""
    message = request("esc01")
    assert message.uri.user == "sips%3Auser%40example.com"
    assert message.uri.username == "sips:user@example.com"
    assert message.uri.host == "example.net"
    assert message.to.uri.user == "user"
    assert message.from_.uri.username == "I have spaces"
    assert message.contacts[0].uri.user == "caller"
    assert message.contacts[0].uri.params.keys() == {"lr", "name"}
    assert unescape(message.contacts[0].uri.params["name"] or "") == "value%41"


def test_escaped_nulls_in_uris_escnull() -> None:
    """RFC 4475 §3.1.1.4: %00 is a character like others, and cuts nothing short."""
    message = request("escnull")
    assert message.to.uri.username == "null-\x00-null"
    assert [contact.uri.username for contact in message.contacts] == ["\x00", "\x00\x00"]
    assert [contact.uri.user for contact in message.contacts] == ["%00", "%00%00"]


def test_percent_that_is_not_an_escape_esc02() -> None:
    """RFC 4475 §3.1.1.5: in a method, a display name or a field name % means itself."""
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display == message.from_.display == "%Z%45"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]
    assert message.headers.get("C%6Fntact") == "<sip:alias2@host2.example.com>"


def test_no_blank_between_display_name_and_angle_bracket_lwsdisp() -> None:
    """RFC 4475 §3.1.1.6."""
    message = request("lwsdisp")
    assert message.from_.display == "caller"
    assert message.from_.tag == "323"


def test_long_values_in_header_fields_longreq() -> None:
    """RFC 4475 §3.1.1.7: nothing is cut."""
    message = request("longreq")
    assert message.to.display == f"I have a user name of {'extreme' * 10} proportion"
    assert message.to.uri.port == 6000
    assert message.to.uri.params[f"longparam{'name' * 25}"] == "shortvalue"
    assert message.from_.tag == f"12{'982' * 50}424"
    assert message.call_id == f"longreq.one{'really' * 20}longcallid"
    assert len(message.vias) == 34
    assert message.via.host == "sip33.example.com"
    assert message.vias[-1].branch == f"very{'long' * 50}branchvalue"


def test_extra_trailing_octets_in_a_datagram_dblreq() -> None:
    """RFC 4475 §3.1.1.8: what follows Content-Length octets of body is ignored."""
    message = request("dblreq")
    assert message.method == "REGISTER"
    assert message.body == b""
    assert b"INVITE" not in message.to_bytes()


def test_semicolons_in_the_user_part_semiuri() -> None:
    """RFC 4475 §3.1.1.9: they belong to the user and are no URI parameters."""
    message = request("semiuri")
    assert message.uri.user == "user;par=u%40example.net"
    assert message.uri.username == "user;par=u@example.net"
    assert message.uri.host == "example.com"
    assert message.uri.params == {}
    assert len(message.headers.all("Accept")) == 6


def test_varied_and_unknown_transports_transports() -> None:
    """RFC 4475 §3.1.1.10."""
    assert [via.transport for via in request("transports").vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_multipart_mime_message_mpart01() -> None:
    """RFC 4475 §3.1.1.11: the body is octets, not text."""
    message = request("mpart01")
    assert message.content_type == "multipart/mixed"
    assert len(message.body) == 553
    assert bytes.fromhex("30820152") in message.body
    assert message.to_bytes().endswith(message.body)


def test_unusual_reason_phrase_unreason() -> None:
    """RFC 4475 §3.1.1.12: reserved and UTF-8 characters are allowed."""
    message = response("unreason")
    assert message.status == 200
    assert message.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"


def test_empty_reason_phrase_noreason() -> None:
    """RFC 4475 §3.1.1.13."""
    message = response("noreason")
    assert (message.status, message.reason) == (100, "")
    assert message.to_bytes().startswith(b"SIP/2.0 100 \r\n")


# ----------------------------------------------------------------------------------------- 3.1.2 invalid messages


def test_extraneous_separators_badinv01() -> None:
    """RFC 4475 §3.1.2.1: 400."""
    rejected("badinv01")


def test_content_length_larger_than_the_message_clerr() -> None:
    """RFC 4475 §3.1.2.2: 400 over UDP."""
    assert rejected("clerr").call_id == "clerr.0ha0isndaksdjweiafasdk3"


def test_negative_content_length_ncl() -> None:
    """RFC 4475 §3.1.2.3: 400."""
    rejected("ncl")


def test_overlarge_scalars_in_a_request_scalar02() -> None:
    """RFC 4475 §3.1.2.4: 400 for the CSeq; an overlarge expiry is the largest one."""
    partial = rejected("scalar02")
    assert partial.expires == 2**32 - 1
    sound = octets("scalar02").replace(b"36893488147419103232", b"1").replace(b"rds: 300", b"rds: 70")
    message = parse(sound)
    assert message.expires == 2**32 - 1
    with pytest.raises(BadMessage):
        parse(octets("scalar02").replace(b"36893488147419103232", b"1"))  # Max-Forwards over 255


def test_overlarge_scalars_in_a_response_scalarlg() -> None:
    """RFC 4475 §3.1.2.5: a response with such a CSeq is discarded."""
    dropped("scalarlg")


def test_unterminated_quoted_string_quotbal() -> None:
    """RFC 4475 §3.1.2.6: 400."""
    partial = rejected("quotbal")
    assert Response.to_request(partial, 400).headers.get("To") == '"Mr. J. User <sip:j.user@example.com>'


def test_angle_brackets_around_the_request_uri_ltgtruri() -> None:
    """RFC 4475 §3.1.2.7: 400."""
    rejected("ltgtruri")


def test_blank_within_the_request_uri_lwsruri() -> None:
    """RFC 4475 §3.1.2.8: 400."""
    rejected("lwsruri")


def test_several_blanks_in_the_request_line_lwsstart() -> None:
    """RFC 4475 §3.1.2.9: a liberal element takes them for one, and sends one."""
    message = request("lwsstart")
    assert message.to_bytes().startswith(b"INVITE sip:user@example.com SIP/2.0\r\n")


def test_blanks_at_the_end_of_the_request_line_trws() -> None:
    """RFC 4475 §3.1.2.10: ignored, and not sent on."""
    message = request("trws")
    assert message.to_bytes().startswith(b"OPTIONS sip:remote-target@example.com SIP/2.0\r\n")


def test_escaped_headers_in_the_request_uri_escruri() -> None:
    """RFC 4475 §3.1.2.11: 400."""
    rejected("escruri")


def test_invalid_time_zone_in_date_baddate() -> None:
    """RFC 4475 §3.1.2.12: a liberal element may ignore it: Date decides nothing here."""
    assert request("baddate").headers.get("Date") == "Fri, 01 Jan 2010 16:00:00 EST"


def test_contact_with_headers_outside_angle_brackets_regbadct() -> None:
    """RFC 4475 §3.1.2.13: 400."""
    rejected("regbadct")


def test_blanks_within_addr_spec_badaspec() -> None:
    """RFC 4475 §3.1.2.14: a liberal element ignores them."""
    message = request("badaspec")
    assert str(message.to) == '"Watson, Thomas" <sip:t.watson@example.org>'


def test_characters_that_are_no_token_in_a_display_name_baddn() -> None:
    """RFC 4475 §3.1.2.15: a liberal element infers the quotes."""
    message = request("baddn")
    assert str(message.to) == '"Watson, Thomas" <sip:t.watson@example.org>'
    assert message.from_.tag == "43"


def test_unknown_protocol_version_badvers() -> None:
    """RFC 4475 §3.1.2.16: 505."""
    rejected("badvers", 505)


def test_method_of_cseq_differs_mismatch01() -> None:
    """RFC 4475 §3.1.2.17: 400."""
    rejected("mismatch01")


def test_unknown_method_and_cseq_differs_mismatch02() -> None:
    """RFC 4475 §3.1.2.18: 400 (or 501)."""
    assert rejected("mismatch02").method == "NEWMETHOD"


def test_overlarge_response_code_bigcode() -> None:
    """RFC 4475 §3.1.2.19: dropped."""
    dropped("bigcode")


# -------------------------------------------------------------------------- 3.2 transaction layer, 3.3 application


def test_missing_transaction_identifier_badbranch() -> None:
    """RFC 4475 §3.2.1: the magic cookie alone identifies nothing."""
    message = request("badbranch")
    assert message.via.branch == "z9hG4bK"
    assert not message.via.unique


def test_missing_required_header_fields_insuf() -> None:
    """RFC 4475 §3.3.1: 400, although Call-ID, From and To cannot be copied."""
    answer = Response.to_request(rejected("insuf"), 400, to_tag="x")
    assert "Call-ID" not in answer.headers
    assert "To" not in answer.headers


def test_request_uri_with_unknown_scheme_unkscm() -> None:
    """RFC 4475 §3.3.2: well formed; the layer above answers 416."""
    uri = request("unkscm").uri
    assert (uri.scheme, uri.user) == ("nobodyknowsthisscheme", "totallyopaquecontent")


def test_request_uri_with_atypical_scheme_novelsc() -> None:
    """RFC 4475 §3.3.3: well formed; 416 above."""
    uri = request("novelsc").uri
    assert uri.scheme == "soap.beep"
    assert str(uri) == "soap.beep://192.0.2.103:3002"


def test_unknown_schemes_in_header_fields_unksm2() -> None:
    """RFC 4475 §3.3.4: well formed; a registrar has no use for such a To."""
    message = request("unksm2")
    assert message.to.uri.scheme == "isbn"
    assert message.from_.uri.scheme == "http"
    assert message.from_.tag == "3234233"
    assert [contact.uri.scheme for contact in message.contacts] == ["name"]


def test_proxy_require_and_require_bext01() -> None:
    """RFC 4475 §3.3.5: 420 above lists what is not supported."""
    message = request("bext01")
    assert message.headers.all("Require") == ["nothingSupportsThis", "nothingSupportsThisEither"]
    assert message.headers.all("Proxy-Require") == ["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]


def test_unknown_content_type_invut() -> None:
    """RFC 4475 §3.3.6: 415 above."""
    assert request("invut").content_type == "application/unknownformat"


def test_unknown_authorization_scheme_regaut01() -> None:
    """RFC 4475 §3.3.7: passed up as text; a registrar treats it as missing."""
    assert request("regaut01").headers.get("Authorization") == "NoOneKnowsThisScheme opaque-data=here"


def test_multiple_values_in_single_value_fields_multi01() -> None:
    """RFC 4475 §3.3.8: 400."""
    rejected("multi01")


def test_multiple_content_lengths_mcl01() -> None:
    """RFC 4475 §3.3.9: 400: nobody knows how long the body is."""
    rejected("mcl01")


def test_response_with_a_second_via_of_broadcast_bcast() -> None:
    """RFC 4475 §3.3.10: a UAC sees two Vias and drops it (RFC 3261 §8.1.3.3); nothing goes to the second."""
    assert [via.host for via in response("bcast").vias] == ["192.0.2.198", "255.255.255.255"]


def test_max_forwards_of_zero_zeromf() -> None:
    """RFC 4475 §3.3.11: valid; 483 above, or an answer if it is for us."""
    assert request("zeromf").max_forwards == 0


def test_register_with_a_contact_parameter_cparam01() -> None:
    """RFC 4475 §3.3.12: without angle brackets the parameter is Contact's."""
    (contact,) = request("cparam01").contacts
    assert contact.params == {"unknownparam": None}
    assert str(contact.uri) == "sip:+19725552222@gw1.example.net"


def test_register_with_a_uri_parameter_cparam02() -> None:
    """RFC 4475 §3.3.13: within angle brackets it is the URI's."""
    (contact,) = request("cparam02").contacts
    assert contact.params == {}
    assert str(contact.uri) == "sip:+19725552222@gw1.example.net;unknownparam"


def test_register_with_an_escaped_header_regescrt() -> None:
    """RFC 4475 §3.3.14: a contact may carry header fields, which stay with its URI."""
    message = request("regescrt")
    (contact,) = message.contacts
    assert contact.uri.headers == {"Route": "%3Csip:sip.example.com%3E"}
    assert str(contact.uri) == "sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    assert message.route == ()


def test_unacceptable_accept_offering_sdp01() -> None:
    """RFC 4475 §3.3.15: well formed; 406 above."""
    assert request("sdp01").headers.all("Accept") == ["text/nobodyKnowsThis"]


# --------------------------------------------------------------------------------------- 3.4 backward compatibility


def test_invite_with_rfc_2543_syntax_inv2543() -> None:
    """RFC 4475 §3.4.1: no branch, no From tag, no Max-Forwards, no Content-Length, no `lr`: still a request."""
    message = request("inv2543")
    assert message.via.branch is None
    assert message.from_.tag is None
    assert message.max_forwards is None
    assert message.to.params == {"user": "phone"}
    assert dict(message.record_route[0].uri.params) == {"maddr": "ss1.example.com"}
    assert len(message.body) == 105


# ------------------------------------------------------------------------------------------------ and back again


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.dat")))
def test_what_is_read_is_written_with_the_same_meaning(name: str) -> None:
    """RFC 3261 §7.3.1: order among different names, folding and compact forms carry no meaning."""
    try:
        first = parse(octets(name))
    except BadMessage:
        return
    second = parse(first.to_bytes())
    first.headers.remove("Content-Length")
    second.headers.remove("Content-Length")
    assert second.headers == first.headers
    assert second.body == first.body
    assert second.vias == first.vias
    assert second.contacts == first.contacts
    if isinstance(first, Request):
        assert isinstance(second, Request)
        assert (second.method, second.uri) == (first.method, first.uri)
    else:
        assert isinstance(second, Response)
        assert (second.status, second.reason) == (first.status, first.reason)
