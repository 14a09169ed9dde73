"""RFC 7616, RFC 8760 and RFC 3261 §22: digest authentication from both sides."""

import hashlib
import re
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip import digest as module
from softswitch.sip.digest import (
    ALGORITHMS,
    Accepted,
    Credentials,
    Denied,
    DigestServer,
    Stale,
    answer,
    ha1,
    is_stale,
    response,
)

REALM = "pbx.example.com"
URI = "sip:pbx.example.com"
NOW = 1_700_000_000.0
ALICE = Credentials("alice", "wonderland")


def server(**changes: object) -> DigestServer:
    return DigestServer(REALM, b"0123456789abcdef", **changes)  # type: ignore[arg-type]


def accounts(username: str, algorithm: str) -> str | None:
    return ha1("alice", REALM, "wonderland", algorithm) if username == "alice" else None


def claim(
    challenges: list[str], credentials: Credentials = ALICE, count: int = 1, uri: str = URI, body: bytes = b""
) -> str:
    return answer(challenges, credentials, "REGISTER", uri, body, Random(4), count)


def verify(
    digest: DigestServer,
    value: str,
    now: float = NOW,
    method: str = "REGISTER",
    uri: str = URI,
    body: bytes = b"",
    source: str = "",
    of: Callable[[str, str], str | None] = accounts,
) -> Accepted | Stale | Denied:
    return digest.verify(value, method, uri, body, now, of, source)


# --------------------------------------------------------------------------------------------------- the arithmetic


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, expected: str) -> None:
    """RFC 7616 §3.9.1."""
    secret = ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm)
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    assert response(algorithm, secret, nonce, "GET", "/dir/index.html", "auth", "00000001", cnonce, b"") == expected


def test_the_example_of_rfc_2617() -> None:
    """RFC 2617 §3.5, which most phones were built after."""
    secret = ha1("Mufasa", "testrealm@host.com", "Circle Of Life", "MD5")
    proof = response(
        "MD5", secret, "dcd98b7102dd2f0e8b11d0f600bfb0c093", "GET", "/dir/index.html", "auth", "00000001", "0a4f113b",
        b"",
    )  # fmt: skip
    assert proof == "6629fae49393a05397450978507c4ef1"


def test_sha_512_256_is_the_truncated_sha_512_with_its_own_start_values() -> None:
    """FIPS 180-4 §5.3.6.2; the hash of "abc" as NIST publishes it is checked through an A1 of that text."""
    assert ha1("a", "b", "c", "SHA-512-256") != ha1("a", "b", "c", "SHA-256")
    empty = response("SHA-512-256", "x", "n", "M", "u", "auth-int", "00000001", "c", b"abc")
    body = "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"  # NIST's example for "abc"
    a2 = hashlib.new("sha512_256", f"M:u:{body}".encode()).hexdigest()
    assert empty == hashlib.new("sha512_256", f"x:n:00000001:c:auth-int:{a2}".encode()).hexdigest()


def test_unknown_algorithms_of_ours_are_our_fault() -> None:
    with pytest.raises(LocalError):
        ha1("a", "b", "c", "SHA-1")
    with pytest.raises(LocalError):
        server(algorithms=("SHA-1",))
    with pytest.raises(LocalError):
        DigestServer(REALM, b"short")


# -------------------------------------------------------------------------------------------------------- challenge


def test_one_challenge_for_each_algorithm_in_order_of_preference() -> None:
    """RFC 8760 §2.3: most preferred first, each in a header field of its own."""
    challenges = server(algorithms=("SHA-512-256", "SHA-256", "MD5")).challenges(NOW)
    assert [re.findall(r"algorithm=([^,]+)", text) for text in challenges] == [["SHA-512-256"], ["SHA-256"], ["MD5"]]
    assert all(text.startswith(f'Digest realm="{REALM}", nonce="') for text in challenges)
    assert all('qop="auth"' in text and "stale" not in text for text in challenges)
    assert not is_stale(challenges)
    assert is_stale(server().challenges(NOW, stale=True))


def test_no_nonce_twice() -> None:
    """RFC 7616 §5.4: unique each time, also within one moment."""
    digest = server(algorithms=("MD5",))
    assert len({digest.challenges(NOW)[0] for _ in range(100)}) == 100


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_right_password_is_accepted(algorithm: str) -> None:
    digest = server(algorithms=(algorithm,))
    value = claim(digest.challenges(NOW))
    assert f"algorithm={algorithm}" in value
    assert verify(digest, value, NOW + 1) == Accepted("alice")


def test_nothing_is_kept_for_a_challenge() -> None:
    digest = server()
    for _ in range(1000):
        digest.challenges(NOW)
    for wrong in (Credentials("alice", "wrong"), Credentials("bob", "wrong")):
        verify(digest, claim(digest.challenges(NOW), wrong))
    assert digest.remembered() == 0


# ----------------------------------------------------------------------------------------------------------- denial


def test_wrong_password_and_unknown_user_look_the_same() -> None:
    """RFC 7616 §5: no enumeration of users."""
    digest = server()
    wrong = verify(digest, claim(digest.challenges(NOW), Credentials("alice", "x")))
    nobody = verify(digest, claim(digest.challenges(NOW), Credentials("bob", "wonderland")))
    assert isinstance(wrong, Denied)
    assert isinstance(nobody, Denied)
    assert (wrong.reason, wrong.status) == (nobody.reason, nobody.status) == ("unknown user or wrong password", 403)


def test_the_stand_in_for_unknown_users_opens_nothing() -> None:
    """Even who guesses the hash that stands in for an unknown user is denied."""
    digest = server(algorithms=("MD5",))
    value = claim([digest.challenges(NOW)[0].replace(', qop="auth"', "")], Credentials("bob", "x"))
    nonce = re.findall('nonce="([^"]*)"', value)[0]
    right = response("MD5", digest._nobody["MD5"], nonce, "REGISTER", URI, "", "", "", b"")
    value = re.sub('response="[^"]*"', f'response="{right}"', value)
    assert isinstance(verify(digest, value), Denied)


def test_an_unknown_user_costs_the_same_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7616 §5: the work is counted, not timed."""
    counts = []
    for name in ("alice", "bob"):
        digest = server(algorithms=("MD5",))
        value = claim(digest.challenges(NOW), Credentials(name, "wrong"))
        calls: list[bytes] = []
        original = module._HASHES["MD5"]
        monkeypatch.setitem(
            module._HASHES, "MD5", lambda data, calls=calls, of=original: (calls.append(data), of(data))[1]
        )
        verify(digest, value, of=lambda username, _: "0" * 32 if username == "alice" else None)
        monkeypatch.setitem(module._HASHES, "MD5", original)
        counts.append([len(data) for data in calls])
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Digest ", "Basic ", 400),
        ('username="alice", ', "", 400),
        ('realm="pbx.example.com", ', "", 400),
        ("uri=", "url=", 400),
        ("response=", "answer=", 400),
        ("nonce=", "nance=", 400),
        ("nc=00000001", "nc=1", 400),
        ("nc=00000001", "nc=0000000g", 400),
        ("qop=auth", "qop=auth-conf", 400),
        ("uri=", "uri=x, uri=", 400),
        ('realm="pbx.example.com"', 'realm="elsewhere"', 403),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess", 403),
        ("algorithm=SHA-256", "algorithm=SHA-512-256", 403),
        ("algorithm=SHA-256", "algorithm=MD5", 403),
        ('uri="sip:pbx.example.com"', 'uri="sip:other.example.com"', 400),
        ('response="', 'response="0', 403),
        ('username="alice"', 'username="alice', 400),
        (", qop=auth", " qop=auth", 400),
    ],
)
def test_what_is_bent_is_denied(old: str, new: str, status: int) -> None:
    """RFC 7616 §3.4; `-sess` (§3.4.2) is not offered."""
    digest = server()
    value = claim(digest.challenges(NOW))
    assert old in value
    verdict = verify(digest, value.replace(old, new))
    assert isinstance(verdict, Denied)
    assert verdict.status == status


def test_another_method_is_denied() -> None:
    digest = server()
    assert isinstance(verify(digest, claim(digest.challenges(NOW)), method="INVITE"), Denied)


@pytest.mark.parametrize(
    ("claimed", "requested", "fine"),
    [
        ("sip:pbx.example.com", "sip:PBX.example.com", True),
        ("sip:pbx.example.com", "sip:pbx.example.com:5060;transport=tcp", True),
        ("sip:1001@pbx.example.com;user=phone", "sip:1001@pbx.example.com", True),
        ("sip:pbx.example.com;transport=UDP", "sip:1002@pbx.example.com", True),
        ("sip:other.example.com", "sip:1002@pbx.example.com", False),
        ("sip:1001@pbx.example.com", "sip:1002@pbx.example.com", False),
        ("sip:pbx.example.com", "sip:pbx.example.com:5080", False),
    ],
)
def test_the_uri_may_differ_as_proxies_change_it(claimed: str, requested: str, fine: bool) -> None:
    """RFC 7616 §3.4.6, RFC 3261 §22.4 item 5."""
    digest = server()
    verdict = verify(digest, claim(digest.challenges(NOW), uri=claimed), uri=requested)
    assert isinstance(verdict, Accepted if fine else Denied)


def test_auth_int_covers_the_body() -> None:
    """RFC 7616 §3.4.3."""
    digest = server(algorithms=("SHA-256",))
    challenges = [digest.challenges(NOW)[0].replace('qop="auth"', 'qop="auth-int"')]
    value = claim(challenges, body=b"hello")
    assert "qop=auth-int" in value
    assert isinstance(verify(digest, value, body=b"hallo"), Denied)
    assert verify(digest, value, body=b"hello") == Accepted("alice")


# --------------------------------------------------------------------------------------------------- age and replay


def test_an_old_nonce_is_stale_not_denied() -> None:
    """RFC 7616 §3.3: stale tells the client that it may retry without asking its user."""
    digest = server(nonce_seconds=60.0)
    value = claim(digest.challenges(NOW))
    assert verify(digest, value, NOW + 59.9) == Accepted("alice")
    value = claim(digest.challenges(NOW))
    assert verify(digest, value, NOW + 60.0) == Stale()
    wrong = claim(digest.challenges(NOW), Credentials("alice", "x"))
    assert isinstance(verify(digest, wrong, NOW + 60.0), Denied)


def test_a_nonce_of_another_start_is_stale() -> None:
    before = DigestServer(REALM, b"fedcba9876543210")
    assert verify(server(), claim(before.challenges(NOW))) == Stale()


@pytest.mark.parametrize("nonce", ["", "x", "0.0.0", "18bcfe56800.1." + "0" * 32, "9" * 3000])
def test_a_nonce_that_was_never_ours_is_stale(nonce: str) -> None:
    challenge = f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth"'
    assert verify(server(), claim([challenge])) == Stale()


def test_a_nonce_from_the_future_is_stale() -> None:
    digest = server()
    assert verify(digest, claim(digest.challenges(NOW + 3600))) == Stale()


def test_the_same_count_again_is_a_replay() -> None:
    """RFC 7616 §3.4: the server detects replays by nc."""
    digest = server()
    challenges = digest.challenges(NOW)
    value = claim(challenges)
    assert verify(digest, value) == Accepted("alice")
    assert verify(digest, value) == Stale()
    assert verify(digest, claim(challenges, count=2)) == Accepted("alice")


def test_requests_may_overtake_each_other() -> None:
    """Over UDP counts arrive out of order; each is good once, within a window."""
    digest = server()
    challenges = digest.challenges(NOW)
    for count in (3, 1, 2, 66, 4):
        assert verify(digest, claim(challenges, count=count)) == Accepted("alice"), count
    for count in (3, 1, 2, 66, 4):
        assert verify(digest, claim(challenges, count=count)) == Stale(), count
    assert verify(digest, claim(challenges, count=1000)) == Accepted("alice")
    assert verify(digest, claim(challenges, count=900)) == Stale()  # below the window: cannot be told
    assert verify(digest, claim(challenges, count=0)) == Stale()


def test_without_qop_a_nonce_serves_once() -> None:
    """RFC 3261 §22.4 item 8: clients of RFC 2069 send no qop; nothing but the nonce then tells a replay."""
    digest = server(algorithms=("MD5",))
    challenge = digest.challenges(NOW)[0].replace(', qop="auth"', "")
    value = claim([challenge])
    assert "nc=" not in value
    assert "cnonce" not in value
    assert verify(digest, value) == Accepted("alice")
    assert verify(digest, value) == Stale()


def test_used_nonces_are_forgotten_when_they_cannot_serve_any_more() -> None:
    digest = server(nonce_seconds=100.0)
    for step in range(1000):
        now = NOW + step
        assert verify(digest, claim(digest.challenges(now)), now) == Accepted("alice")
    assert digest.remembered() <= 200


def test_memory_for_used_nonces_is_bounded() -> None:
    """Beyond the bound every nonce given out so far is stale; fresh ones work."""
    digest = server(max_nonces=10)
    kept = digest.challenges(NOW)
    for _ in range(10):
        assert verify(digest, claim(digest.challenges(NOW))) == Accepted("alice")
    full = claim(digest.challenges(NOW))
    assert verify(digest, full) == Stale()
    assert verify(digest, full) == Stale()
    assert verify(digest, claim(kept)) == Stale()
    assert digest.remembered() == 0
    assert verify(digest, claim(digest.challenges(NOW))) == Accepted("alice")


def test_a_nonce_is_good_for_its_source_only() -> None:
    """RFC 7616 §3.3 suggests to seal the client's address."""
    digest = server()
    value = claim(digest.challenges(NOW, source="192.0.2.1"))
    assert verify(digest, value, source="192.0.2.9") == Stale()
    assert verify(digest, value, source="192.0.2.1") == Accepted("alice")


def test_ours_is_picked_among_several() -> None:
    """RFC 3261 §22.3: a request may carry credentials for other realms as well."""
    digest = server()
    mine = claim(digest.challenges(NOW))
    assert digest.pick(['Digest realm="elsewhere", nonce="1"', mine]) == mine
    assert digest.pick(["Basic x"]) == "Basic x"
    assert digest.pick([]) is None


# ---------------------------------------------------------------------------------------------------------- client


def test_the_strongest_algorithm_is_taken_whatever_the_order() -> None:
    """RFC 8760 §2.4 lets the client choose; ours takes the strongest."""
    challenges = server(algorithms=("MD5", "SHA-512-256", "SHA-256")).challenges(NOW)
    assert "algorithm=SHA-512-256" in claim(challenges)


def test_unknown_ones_are_passed_over() -> None:
    """RFC 7616 §3.3: a challenge with an algorithm that is not understood is ignored."""
    value = claim(
        [
            "Basic realm=x",
            'Digest realm="r", nonce="n1", algorithm=SHA-256-sess',
            'Digest realm="r", nonce="n2", qop="auth-conf"',
            'Digest realm="r", nonce="n3", algorithm=md5, opaque="a, \\"b\\"", qop="auth-int,auth"',
        ]
    )
    assert 'nonce="n3"' in value
    assert 'opaque="a, \\"b\\""' in value
    assert "qop=auth, nc=00000001" in value


def test_algorithm_is_echoed_only_if_it_was_named() -> None:
    """RFC 7616 §3.3: absent means MD5."""
    value = claim(['Digest realm="r", nonce="n"'])
    assert "algorithm" not in value
    assert "qop" not in value


@pytest.mark.parametrize(
    ("challenges", "reason"),
    [
        ([], "none was sent"),
        (['Digest realm="r", nonce="n", algorithm=AKAv1-MD5'], "AKAv1-MD5 is not supported"),
        (['Digest realm="r"'], "without realm or nonce"),
        (["Digest"], "not a Digest header"),
        (['Digest realm="r, nonce="n"'], "not readable"),
        (['Digest realm="r", nonce="n", qop="token"'], "is not supported"),
    ],
)
def test_no_usable_challenge_is_their_fault(challenges: list[str], reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        claim(challenges)


def test_a_password_is_told_to_its_realm_only() -> None:
    with pytest.raises(PeerError, match="realm"):
        claim(server().challenges(NOW), Credentials("alice", "wonderland", realm="carrier"))
    assert claim(server().challenges(NOW), Credentials("alice", "wonderland", realm=REALM))


def test_a_password_does_not_show_in_logs() -> None:
    assert "wonderland" not in repr(ALICE)


def test_stale_is_read_from_any_challenge() -> None:
    assert is_stale(["Basic x", 'Digest realm="r", nonce="n", stale=TRUE'])
    assert not is_stale(['Digest realm="stale=true", nonce="n"'])


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=12),
    st.text(max_size=12),
    st.sampled_from(ALGORITHMS),
    st.binary(max_size=20),
)
def test_both_sides_agree(username: str, password: str, algorithm: str, body: bytes) -> None:
    """Names with quotes, backslashes, commas and any script."""
    password = password.encode("utf-8", "replace").decode()
    digest = server(algorithms=(algorithm,))
    value = claim(digest.challenges(NOW), Credentials(username, password), body=body)
    stored = ha1(username, REALM, password, algorithm)
    assert verify(digest, value, body=body, of=lambda name, _: stored if name == username else None) == Accepted(
        username
    )


@given(st.text(max_size=60), st.integers(0, 300), st.integers(0, 20))
def test_garbage_is_denied_or_stale(noise: str, place: int, cut: int) -> None:
    digest = server(algorithms=("MD5",))
    value = claim(digest.challenges(NOW))
    bent = value[:place] + noise + value[place + cut :]
    verdict = verify(digest, bent)
    assert isinstance(verdict, Denied | Stale) or verdict == Accepted("alice")
