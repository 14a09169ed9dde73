"""A call whose caller's number is proved, or that is signed by a service, before it goes on: it waits where it is, for
`stir.timeout` at most."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from softswitch.kernel.clock import Instant
from softswitch.sip.passport import FAILED, PHRASES, UNREACHABLE, Claim, Verdict
from softswitch.switch import stir
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.events import HookAnswered, VerifyCaller
from softswitch.switch.stages.dialling import DialStage
from softswitch.switch.stages.stage import AskingStage
from softswitch.wire.sip import Request

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class VerifyStage(AskingStage):
    """What the call claims is proved by a certificate, or by a service that is asked `question`; then `go_on` routes
    the call, unless the trunk wants calls refused that are not proved."""

    label = "routing"
    speaks = False

    def __init__(
        self, call: "Call", found: Claim | Verdict, question: bytes, reject: bool, go_on: Callable[[Instant], None]
    ) -> None:
        super().__init__(call, "stir")
        self._found = found
        self._question = question
        self._reject = reject
        self._go_on = go_on
        self._number = 0
        self._since: Instant = 0.0

    def enter(self, now: Instant) -> None:
        office, settings = self.call.office, self.call.office.settings.stir
        self._since = now
        if isinstance(self._found, Verdict):
            self.verified(self._found, now)
            return
        self.deadline = now + settings.timeout
        if self._question:
            url = f"{settings.verification_service}/stir/v1/verification"
            self._number = office.hooks.post(self.call, url, settings.timeout, self._question, settings.token or "")
        else:
            self._number = office.hooks.waits(self.call)
            office.outbox.append(VerifyCaller(self._number, self._found.proofs, settings))

    def leave(self, now: Instant) -> None:
        self.call.office.hooks.close(self._number)

    def wake(self, now: Instant) -> None:
        self.verified(Verdict(UNREACHABLE, "time-out"), now)

    def answered(self, status: int, body: bytes, now: Instant) -> None:
        """The service answered."""
        if 200 <= status < 300:
            self.verified(stir.verified_by_service(body), now)
        else:
            self.verified(Verdict(UNREACHABLE, f"status {status}"), now)

    def fail(self, cause: Literal["time-out", "unreachable"], detail: str, now: Instant) -> None:
        """The service did not answer."""
        self.verified(Verdict(UNREACHABLE, f"{cause} {detail}".strip()[:100]), now)

    def verified(self, verdict: Verdict, now: Instant) -> None:
        """What was found."""
        if isinstance(self._found, Claim) and not verdict.status:
            verdict = Verdict(0, verdict.why, self._found.attestation)
        if settle(self.call, verdict, self._reject, now, took=now - self._since):
            self._go_on(now)


def verifying(call: "Call", request: Request, go_on: Callable[[Instant], None], now: Instant) -> VerifyStage:
    """The stage of a call that came over a trunk which wants its callers verified."""
    settings = call.office.settings
    trunk = settings.trunks[call.source.partition(":")[2]]
    call.identities = tuple(request.headers.all("Identity"))
    found = stir.claimed(call, request, trunk, now)
    question = b""
    if settings.stir.verification_service and isinstance(found, Claim):
        question = stir.verification_request(call.identities, found, now)
    return VerifyStage(call, found, question, trunk.stir.verify == "reject", go_on)


def settle(call: "Call", verdict: Verdict, reject: bool, now: Instant, took: float = 0.0) -> bool:
    """The call knows what was found. False: it was refused for that."""
    office = call.office
    call.verstat, call.attestation = verdict.verstat, verdict.attestation
    call.vouched = call.vouched and verdict.verstat != FAILED
    office.fact(
        "caller.verified", now, call.id, verstat=call.verstat, attestation=verdict.attestation, status=verdict.status,
        why=verdict.why, took=round(took, 3),
    )  # fmt: skip
    if not verdict.status:
        return True
    header = f'STIR;cause={verdict.status};text="{PHRASES.get(verdict.status, "Invalid")}"'  # RFC 9410
    office.log(
        "warning" if reject else "info", "caller's number is not proved", call=call.id, source=call.source,
        status=verdict.status, reason=verdict.why,
    )  # fmt: skip
    if not reject:
        call.stir_reason = header
        return True
    call.facts.outcome, call.facts.cause = "rejected", verdict.status
    call.end(now, verdict.status, by="switch", reason=verdict.why, header=header)
    return False


class SignStage(AskingStage):
    """A signing service is asked for what the call's way out wants signed; then what `ringing` says is rung. What is
    not had in time goes out unsigned."""

    label = "routing"
    speaks = False

    def __init__(self, call: "Call", ringing: Ringing) -> None:
        super().__init__(call, ringing.target)
        self._ringing = ringing
        self._asked: dict[int, str] = {}  # question -> party
        self._signatures: dict[str, str] = {}

    def enter(self, now: Instant) -> None:
        call, office, settings = self.call, self.call.office, self.call.office.settings.stir
        self.deadline = now + settings.timeout
        url, id = f"{settings.signing_service}/stir/v1/signing", stir.origid(office, settings)
        for peer, wanted in call.unsigned.items():
            body = stir.signing_request(wanted, now, id)
            self._asked[office.hooks.post(call, url, settings.timeout, body, settings.token or "")] = peer
        call.unsigned.clear()

    def leave(self, now: Instant) -> None:
        for number in self._asked:
            self.call.office.hooks.close(number)

    def wake(self, now: Instant) -> None:
        self.fail("time-out", "", now)

    def heard(self, event: HookAnswered, now: Instant) -> None:
        """The service answered one question, or not."""
        peer = self._asked.pop(event.number, "")
        signed = stir.signed_by_service(event.body) if 200 <= event.status < 300 else ""
        if not signed:
            self.fail("unreachable", event.error or f"status {event.status} without an identity", now)
            return
        self._signatures[peer] = signed
        if not self._asked:
            self._ring(now)

    def fail(self, cause: Literal["time-out", "unreachable"], detail: str, now: Instant) -> None:
        """The service did not answer as it should."""
        reason = f"signing service: {cause} {detail}".strip()[:200]
        self.call.office.log("error", "call goes out unsigned", call=self.call.id, reason=reason)
        self._ring(now)

    def _ring(self, now: Instant) -> None:
        self.call.move(DialStage(self.call, stir.stamped(self._ringing, self._signatures, now)), now)
