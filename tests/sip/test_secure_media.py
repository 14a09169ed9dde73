"""SDP of secured streams: SDES (RFC 4568, 7714, 8643), DTLS-SRTP (RFC 5763, 8122, 8842), ICE (RFC 8839)."""

from base64 import b64encode
from dataclasses import replace

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.sip.secure_media import (
    KEYS,
    SUITES,
    Means,
    accepted_security,
    answer_security,
    by_ice,
    crypto_of,
    masked,
    offer_security,
    refusal,
)
from softswitch.wire.control import Dtls, Sdes
from softswitch.wire.sdp import Attribute, Media, parse_sdp

OURS = ":".join(["0A"] * 32)
THEIRS = ":".join(["BC"] * 32)
PWD = "q" * 24
MEANS = Means("accept", False, bytes(range(KEYS)), "ufrg", "p" * 24, f"sha-256 {OURS}")
BROWSER = replace(MEANS, webrtc=True)
KEY = b64encode(bytes(30)).decode()
CRYPTO = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
DTLS = (
    ("ice-ufrag", "abcd"),
    ("ice-pwd", PWD),
    ("fingerprint", f"sha-256 {THEIRS}"),
    ("setup", "actpass"),
    ("mid", "a0"),
    ("rtcp-mux", None),
)
GROUP = (("group", "BUNDLE a0"),)


def section(proto: str, *attributes: Attribute) -> Media:
    return Media("audio", 40000, proto, ("0",), "192.0.2.1", attributes=attributes)


def browser(**changes: str | None) -> Media:
    attributes = [(name, changes.get(name.replace("-", "_"), value)) for name, value in DTLS]
    kept = [pair for pair in attributes if pair[1] != "-"]
    return section("UDP/TLS/RTP/SAVPF", *kept)


def agreed(media: Media, means: Means = MEANS, session: tuple[Attribute, ...] = ()) -> object:
    return answer_security(media, session, means, "192.0.2.9", 20000)[1]


# ------------------------------------------------------------------------------------------------------------- a=crypto


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_is_read_and_answered_under_its_tag(suite: str) -> None:
    """RFC 4568 §5.1.2: the answer takes one line and keeps its tag; the key in it is ours."""
    theirs = bytes([9]) * SUITES[suite]
    media = section("RTP/SAVP", ("crypto", f"7 {suite} inline:{b64encode(theirs).decode()}"))
    lines, security = answer_security(media, (), MEANS, "192.0.2.9", 20000)
    assert security == Sdes(suite, MEANS.key(suite), theirs)
    (ours,) = crypto_of([("crypto", lines.stream.strip().removeprefix("a=crypto:"))])
    assert (ours.tag, ours.suite, ours.key) == ("7", suite, MEANS.key(suite))
    assert lines.proto == "RTP/SAVP"


def test_every_suite_has_a_key_of_its_own() -> None:
    keys = [MEANS.key(suite) for suite in SUITES]
    assert [len(key) for key in keys] == list(SUITES.values())
    assert b"".join(keys) == MEANS.keys


@pytest.mark.parametrize(
    "value",
    [
        CRYPTO,
        f"{CRYPTO}|2^20",
        f"{CRYPTO}|1048576",
        f"{CRYPTO} KDR=0",
        f"{CRYPTO} WSH=64",
        f"{CRYPTO} -unknown=may-be-ignored",
        CRYPTO.replace("inline", "INLINE"),
        CRYPTO.replace(" AES", "  AES"),
    ],
)
def test_lines_that_can_be_used(value: str) -> None:
    (crypto,) = crypto_of([("crypto", value)])
    assert crypto.key == bytes(30)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY}",
        f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=",
        f"1 AEAD_AES_128_GCM inline:{KEY}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:!!!!",
        f"{CRYPTO}|2^20|1:4",  # MKI (§6.1) is not for us
        f"{CRYPTO}|1:4",
        f"{CRYPTO};inline:{KEY}|2^20|2:4",
        f"{CRYPTO} UNENCRYPTED_SRTP",
        f"{CRYPTO} UNAUTHENTICATED_SRTP",
        f"{CRYPTO} KDR=5",
        f"{CRYPTO} whatever",
    ],
)
def test_lines_that_cannot(value: str) -> None:
    """§6.3, §7.1.2: what we do not understand makes the line unusable, not the offer."""
    assert not crypto_of([("crypto", value)])
    good = f"2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"
    security = agreed(section("RTP/SAVP", ("crypto", value), ("crypto", good)))
    assert isinstance(security, Sdes)
    assert security.suite == "AES_CM_128_HMAC_SHA1_32"


# --------------------------------------------------------------------------------------------------------------- policy


@pytest.mark.parametrize(
    ("srtp", "proto", "lines", "found"),
    [
        ("off", "RTP/AVP", (), None),
        ("off", "RTP/AVP", (("crypto", CRYPTO),), None),
        ("off", "RTP/SAVP", (("crypto", CRYPTO),), "SRTP is off"),
        ("off", "UDP/TLS/RTP/SAVPF", DTLS, "SRTP is off"),
        ("accept", "RTP/AVP", (), None),
        ("accept", "RTP/AVP", (("crypto", CRYPTO),), Sdes),  # RFC 8643
        ("accept", "RTP/SAVPF", (("crypto", CRYPTO),), Sdes),
        ("accept", "RTP/SAVP", (), "without a key"),
        ("accept", "UDP/TLS/RTP/SAVP", DTLS, Dtls),
        ("accept", "RTP/SAVPF", DTLS, Dtls),
        ("optional", "RTP/AVP", (), None),
        ("required", "RTP/AVP", (), "SRTP is required"),
        ("required", "RTP/AVP", (("crypto", CRYPTO),), Sdes),
        ("required", "RTP/SAVP", (("crypto", CRYPTO),), Sdes),
        ("required", "TCP/RTP/AVP", (), "not supported"),
    ],
)
def test_what_a_policy_takes(srtp, proto, lines, found) -> None:  # type: ignore[no-untyped-def]  # a table
    media, means = section(proto, *lines), replace(MEANS, srtp=srtp)
    if isinstance(found, str):
        assert found in refusal(media, (), means)
        with pytest.raises(PeerError) as error:
            agreed(media, means)
        assert error.value.status == 488
    else:
        assert not refusal(media, (), means)
        assert agreed(media, means) is found if found is None else isinstance(agreed(media, means), found)


@pytest.mark.parametrize("media", [section("RTP/AVP"), section("RTP/SAVP", ("crypto", CRYPTO))])
def test_a_browser_must_use_dtls(media: Media) -> None:
    """RFC 8827 §6.5: no SDES, no plain RTP."""
    assert "must offer DTLS" in refusal(media, (), BROWSER)


# ----------------------------------------------------------------------------------------------------- DTLS, ICE


def test_answer_to_a_browser() -> None:
    """RFC 5763 §5, RFC 8839: passive, lite, one candidate, its mid and bundle."""
    lines, security = answer_security(browser(), GROUP, BROWSER, "192.0.2.9", 20000)
    assert security == Dtls("sha-256", THEIRS, "passive", "ufrg", "p" * 24, "abcd", PWD)
    assert lines.session == "a=group:BUNDLE a0\r\na=ice-lite\r\n"
    assert lines.mux
    written = lines.stream.split("\r\n")
    assert "a=setup:passive" in written
    assert "a=mid:a0" in written
    assert f"a=fingerprint:sha-256 {OURS}" in written
    assert "a=candidate:1 1 UDP 2130706431 192.0.2.9 20000 typ host" in written
    assert "a=end-of-candidates" in written


def test_attributes_of_the_session_count_for_the_stream() -> None:
    media = section("UDP/TLS/RTP/SAVPF", ("rtcp-mux", None))
    assert agreed(media, BROWSER, DTLS[:4]) == agreed(browser(), BROWSER)


def test_a_peer_that_is_lite_too_is_not_waited_for() -> None:
    """RFC 8445 §2.5: nobody would check, so the addresses count as they stand."""
    assert agreed(browser(), MEANS, (("ice-lite", None),)) == Dtls("sha-256", THEIRS, "passive")


def test_dtls_without_ice() -> None:
    """RFC 5763: SIP phones."""
    assert agreed(browser(ice_ufrag="-", ice_pwd="-", setup="passive")) == Dtls("sha-256", THEIRS, "active")


def test_a_role_lasts() -> None:
    """RFC 8842 §5.3: actpass again in a re-offer does not turn the roles."""
    security = answer_security(browser(), (), BROWSER, "192.0.2.9", 20000, "active")[1]
    assert isinstance(security, Dtls)
    assert security.role == "active"


def test_the_first_strong_fingerprint_is_taken() -> None:
    strong = ":".join(["0F"] * 64)
    media = section(
        "UDP/TLS/RTP/SAVPF",
        ("fingerprint", f"sha-1 {':'.join(['AA'] * 20)}"),
        ("fingerprint", f"SHA-512 {strong.lower()}"),
        *[pair for pair in DTLS if pair[0] != "fingerprint"],
    )
    security = agreed(media)
    assert isinstance(security, Dtls)
    assert (security.fingerprint_hash, security.fingerprint) == ("sha-512", strong)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fingerprint": "sha-1 AA:BB"}, "must offer DTLS"),
        ({"fingerprint": f"sha-256 {THEIRS[:-3]}"}, "must offer DTLS"),
        ({"fingerprint": "sha-256 " + THEIRS.replace("BC", "XY")}, "must offer DTLS"),
        ({"setup": "holdconn"}, "holdconn"),
        ({"ice-ufrag": "a"}, "ICE credentials"),
        ({"ice-pwd": "short"}, "ICE credentials"),
        ({"ice-pwd": "-"}, "ICE credentials"),
        ({"rtcp-mux": "-"}, "rtcp-mux"),
    ],
)
def test_what_cannot_be_answered(changes: dict[str, str], reason: str) -> None:
    media = browser(**{name.replace("-", "_"): value for name, value in changes.items()})
    assert reason in refusal(media, (), BROWSER)


def test_a_media_process_without_certificate() -> None:
    assert "certificate" in refusal(browser(), (), replace(BROWSER, fingerprint=""))


def test_addresses_found_by_ice_say_nothing() -> None:
    assert by_ice(agreed(browser()))  # type: ignore[arg-type]  # of the helper
    assert not by_ice(None)


# --------------------------------------------------------------------------------------------------------------- offers


def described(media: str, session: str, stream: str) -> tuple[Media, tuple[Attribute, ...]]:
    text = f"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{session}m={media} 0\r\n{stream}"
    description = parse_sdp(text.encode())
    return description.media[0], description.attributes


def test_offers_follow_the_policy() -> None:
    """RFC 8643: optional keys stand beside plain RTP."""
    assert offer_security(MEANS, "a", 1).proto == "RTP/AVP"
    assert not offer_security(MEANS, "a", 1).stream
    for srtp, proto in (("optional", "RTP/AVP"), ("required", "RTP/SAVP")):
        lines = offer_security(replace(MEANS, srtp=srtp), "a", 1)  # type: ignore[arg-type]  # of the policy's words
        assert lines.proto == proto
        assert lines.stream.count("a=crypto:") == len(SUITES)


def test_the_answer_chooses_a_key() -> None:
    ours, _ = described("audio 1 RTP/SAVP", "", offer_security(replace(MEANS, srtp="required"), "a", 1).stream)
    theirs = section("RTP/SAVP", ("crypto", f"4 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"))
    suite = "AES_CM_128_HMAC_SHA1_32"
    assert accepted_security(theirs, (), ours) == Sdes(suite, MEANS.key(suite), bytes(30))


@pytest.mark.parametrize(
    "theirs",
    [
        section("RTP/SAVP"),
        section("RTP/AVP", ("crypto", CRYPTO)),
        section("RTP/SAVP", ("crypto", CRYPTO.replace("1 AES", "9 AES"))),
        section("RTP/SAVP", ("crypto", f"1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}")),
    ],
)
def test_answers_that_do_not_fit_what_was_required(theirs: Media) -> None:
    ours, _ = described("audio 1 RTP/SAVP", "", offer_security(replace(MEANS, srtp="required"), "a", 1).stream)
    with pytest.raises(PeerError) as error:
        accepted_security(theirs, (), ours)
    assert error.value.status == 488


def test_an_optional_offer_may_be_answered_plain_but_not_badly() -> None:
    ours, _ = described("audio 1 RTP/AVP", "", offer_security(replace(MEANS, srtp="optional"), "a", 1).stream)
    assert accepted_security(section("RTP/AVP"), (), ours) is None
    assert isinstance(accepted_security(section("RTP/AVP", ("crypto", CRYPTO)), (), ours), Sdes)
    with pytest.raises(PeerError):
        accepted_security(section("RTP/AVP", ("crypto", "1 NULL inline:")), (), ours)


@pytest.mark.parametrize(("setup", "role"), [("active", "passive"), ("passive", "active")])
def test_a_browser_answers_us(setup: str, role: str) -> None:
    lines = offer_security(BROWSER, "192.0.2.9", 20000)
    ours, our_session = described("audio 1 UDP/TLS/RTP/SAVPF", lines.session, lines.stream)
    security = accepted_security(browser(setup=setup), (), ours, our_session)
    assert security == Dtls("sha-256", THEIRS, role, "ufrg", "p" * 24, "abcd", PWD)


@pytest.mark.parametrize("changes", [{"setup": "actpass"}, {"fingerprint": "-"}, {"rtcp_mux": "-"}])
def test_browser_answers_that_do_not_fit(changes: dict[str, str]) -> None:
    lines = offer_security(BROWSER, "192.0.2.9", 20000)
    ours, _ = described("audio 1 UDP/TLS/RTP/SAVPF", lines.session, lines.stream)
    with pytest.raises(PeerError):
        accepted_security(browser(**{"setup": "active", **changes}), (), ours)


# -------------------------------------------------------------------------------------------------------------- secrets


def test_keys_are_masked_for_eyes() -> None:
    text = f"a=crypto:1 AES inline:{KEY}|2^20\r\na=crypto:2 X inline:abc\r\na=ice-pwd:{PWD}\r\na=ice-ufrag:abcd\r\n"
    shown = masked(text.encode()).decode()
    assert KEY not in shown
    assert PWD not in shown
    assert "abc\r" not in shown
    assert "a=crypto:1 AES inline:***|2^20" in shown
    assert "abcd" in shown
    assert repr(MEANS.keys) not in repr(MEANS)
    assert MEANS.pwd not in repr(MEANS)
    assert "\\x00" not in repr(crypto_of([("crypto", CRYPTO)]))
