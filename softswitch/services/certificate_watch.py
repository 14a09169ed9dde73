"""Our certificate's end, seen in time: an alarm that stands until there is a better one."""

from datetime import UTC, datetime
from typing import Final

from softswitch.kernel.clock import Duration, Instant
from softswitch.services.alarms import Alarms, Say
from softswitch.services.certificates import Certificate

_EVERY: Final[Duration] = 3600.0
_NAME: Final = "certificate"


class CertificateWatch:
    """`look` may be called as often as one likes: it looks once an hour, and whenever the certificate is another."""

    def __init__(self, alarms: Alarms, say: Say) -> None:
        self._alarms = alarms
        self._say = say
        self._last: Certificate | None = None
        self._due: Instant = 0.0

    def look(self, certificate: Certificate | None, warn_days: int, now: Instant) -> None:
        """`warn_days` before its end the alarm rises."""
        if certificate == self._last and now < self._due:
            return
        if certificate is not None and certificate != self._last:
            fields: dict[str, object] = {
                "subject": certificate.subject,
                "names": certificate.names,
                "ends": f"{certificate.ends:%Y-%m-%d}",
            }
            self._say("info", "tls.certificate", fields)
        self._last, self._due = certificate, now + _EVERY
        left = None if certificate is None else certificate.days_left(datetime.now(UTC))
        if certificate is None or left is None or left >= warn_days:
            self._alarms.clear(_NAME)
        elif left <= 0:
            self._alarms.set(
                _NAME, f"the certificate {certificate.file} is over since {certificate.ends:%Y-%m-%d}", now
            )
        else:
            self._alarms.set(_NAME, f"the certificate {certificate.file} ends on {certificate.ends:%Y-%m-%d}", now)
