"""Callers' numbers signed outward and verified inward: what is claimed of a call, and what a trunk makes of it.

The key is the shell's. ES256 takes some 30 µs in OpenSSL, so `Office.sign` is a plain function that is handed in: a
question that comes back as an event would cost a turn of the loop and a stage for every call. Certificates are fetched,
and services asked, by the shell in its own time (`VerifyCaller`, `AskHook`), while the call waits in its own stage.
"""

from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from softswitch.call.dial import Destination
from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError, PeerError
from softswitch.sip import passport
from softswitch.sip.numbers import e164
from softswitch.sip.passport import Attestation, Claim, Verdict, canonical
from softswitch.sip.privacy import asserted
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.ownership import owns
from softswitch.switch.settings import Stir, Trunk
from softswitch.wire.plain_text import encode
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.switch.call import Call
    from softswitch.switch.office import Office

Sign: TypeAlias = Callable[[Stir, bytes], bytes]
"""`(settings, octets)` → ES256 signature, 64 octets. Raises `LocalError` without a key that can be used."""


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """A signature that a signing service is to make: who calls whom (canonical numbers), with what attestation."""

    orig: str
    dest: str
    attestation: Attestation


def no_key(stir: Stir, octets: bytes) -> bytes:
    """A switch that signs nothing."""
    raise LocalError("this switch has no key to sign with")


def identity(call: "Call", name: str, shown: str, dialled: str, now: Instant) -> list[tuple[str, str]]:
    """Identity and Date for a call that shows `shown` and goes to `dialled` over the trunk `name`, which wants them.
    When a service is to sign, it is noted in `call.unsigned`."""
    office = call.office
    trunk, stir = office.settings.trunks[name], office.settings.stir
    orig, dest = _canonical(shown, trunk), _canonical(dialled, trunk)
    if not orig or not dest:
        office.log("info", "call goes out unsigned: no telephone numbers", call=call.id, trunk=name)
        return []
    attest = attestation(call, trunk, shown)
    passes = bool(call.identities) and call.verstat == passport.PASSED and shown == call.caller
    if stir.signing_service:  # it makes no `div`, without which the signature would be for another call
        call.unsigned[f"trunk:{name}"] = Wanted(orig, dest, attest)
        return []
    try:
        if passes:
            return [*(("Identity", text) for text in call.identities), *_passed_on(call, stir, orig, dest, trunk, now)]
        octets = passport.shaken(stir.x5u or "", orig, dest, int(now), attest, origid(office, stir))
        signature = office.sign(stir, octets)
    except LocalError as error:
        office.log("error", "call goes out unsigned", call=call.id, trunk=name, reason=str(error))
        return []
    return [("Identity", passport.field(octets, signature, stir.x5u or "", "shaken")), _date(now)]


def stamped(ringing: Ringing, signatures: Mapping[str, str], now: Instant) -> Ringing:
    """The same with what a service has signed, by party."""
    waves = []
    for wave in ringing.waves:
        to = tuple(_with(one, signatures.get(one.peer, ""), now) for one in wave.destinations)
        waves.append(msgspec.structs.replace(wave, destinations=to))
    return msgspec.structs.replace(ringing, waves=tuple(waves))


def _with(to: Destination, signature: str, now: Instant) -> Destination:
    if not signature:
        return to
    return msgspec.structs.replace(to, headers=(*to.headers, ("Identity", signature), _date(now)))


def attestation(call: "Call", trunk: Trunk, shown: str) -> Attestation:
    """RFC 8588 §4: A, the number is ours; B, we know who calls but not by what right; C, it came from outside."""
    if owns(call, trunk, shown):
        return "A"
    return "C" if call.source.startswith("trunk:") else "B"


def origid(office: "Office", stir: Stir) -> str:
    return stir.origid or passport.origination(f"{office.settings.server.name}@{office.settings.sip.domain}")


def claimed(call: "Call", request: Request, trunk: Trunk, now: Instant) -> Claim | Verdict:
    """What a call that came over a trunk claims."""
    try:
        callers = [one.uri.number for one in asserted(request.headers)]
    except PeerError:
        callers = []
    origins = {_canonical(number, trunk) for number in callers or [request.from_.uri.number]}
    called = {call.called, request.to.uri.number, request.uri.number}
    destinations = {_canonical(number, trunk) for number in called} | {canonical(number) for number in called}
    fields = request.headers.all("Identity")
    return passport.claim(fields, origins - {""}, destinations - {""}, now, call.office.settings.stir.max_age)


def signing_request(wanted: Wanted, now: Instant, id: str) -> bytes:
    """The question to a signing service (ATIS-1000082 §7.3)."""
    claims = {
        "attest": wanted.attestation,
        "dest": {"tn": [wanted.dest]},
        "iat": int(now),
        "orig": {"tn": wanted.orig},
        "origid": id,
    }
    return encode({"signingRequest": claims})


def verification_request(fields: Sequence[str], claim: Claim, now: Instant) -> bytes:
    """The question to a verification service (ATIS-1000082 §7.4)."""
    body = {
        "from": {"tn": claim.proofs[0].number},
        "to": {"tn": [claim.called]},
        "time": int(now),
        "identity": ", ".join(fields),
    }
    return encode({"verificationRequest": body})


def signed_by_service(body: bytes) -> str:
    """The Identity header field in a signing service's answer; empty: there is none."""
    text = _member(body, "signingResponse").get("identity")
    usable = isinstance(text, str) and len(text) <= passport.MOST_LENGTH and text.isprintable()
    return str(text) if usable else ""


def verified_by_service(body: bytes) -> Verdict:
    """A verification service's answer."""
    answer = _member(body, "verificationResponse")
    code, attest = answer.get("reasoncode"), answer.get("attest")
    why = str(answer.get("reasontext") or answer.get("reasondesc") or "")[:100]
    if answer.get("verstat") == passport.PASSED:
        return Verdict(0, why, attest if attest in ("A", "B", "C") else "")
    default = passport.INVALID if answer.get("verstat") == passport.FAILED else passport.UNREACHABLE
    return Verdict(code if isinstance(code, int) and code in passport.PHRASES else default, why)


def _member(body: bytes, name: str) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    member = answer.get(name) if isinstance(answer, dict) else None
    return member if isinstance(member, dict) else {}


def _passed_on(call: "Call", stir: Stir, orig: str, dest: str, trunk: Trunk, now: Instant) -> list[tuple[str, str]]:
    """A call that came signed keeps its signature; that it goes to somebody else is signed by us (RFC 8946)."""
    by = _canonical(call.called, trunk)
    if by == dest or not by or not stir.x5u:
        return []
    octets = passport.diverted(stir.x5u, orig, dest, by, int(now))
    return [("Identity", passport.field(octets, call.office.sign(stir, octets), stir.x5u, "div"))]


def _date(now: Instant) -> tuple[str, str]:
    return "Date", formatdate(now, usegmt=True)  # RFC 8224 §6.1 step 3


def _canonical(number: str, trunk: Trunk) -> str:
    full = e164(number, trunk.country, trunk.national_prefix, trunk.international_prefix)
    return canonical(full) if full.startswith("+") or trunk.country is None else ""
