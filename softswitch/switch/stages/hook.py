"""A call for which a hook is asked: it waits where it is, for the hook's time-out at most."""

from typing import TYPE_CHECKING

from softswitch.kernel.clock import Instant
from softswitch.kernel.errors import LocalError
from softswitch.switch import hooks
from softswitch.switch.stages.stage import AskingStage

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class HookStage(AskingStage):
    """Goes on to `then`, unless the answer names another target."""

    label = "routing"
    speaks = False

    def __init__(self, call: "Call", name: str, then: str) -> None:
        super().__init__(call, name)
        self._then = then
        self._number = 0
        self._since: Instant = 0.0

    def enter(self, now: Instant) -> None:
        self._since = now
        self.call.wishes.asked.add(self.at)
        asked = self.call.office.hooks.ask(self.at, self.call, now)
        if isinstance(asked, int):
            self._number = asked
            self.deadline = now + self.call.office.settings.hooks[self.at].timeout
        else:
            self._fall_back(asked, "", now)

    def leave(self, now: Instant) -> None:
        self.call.office.hooks.close(self._number)

    def wake(self, now: Instant) -> None:
        self.fail("time-out", "", now)

    def answered(self, status: int, body: bytes, now: Instant) -> None:
        """The far side answered."""
        if not 200 <= status < 300:
            self.fail("status", str(status), now)
            return
        try:
            answer, unknown = hooks.read(body)
        except LocalError as error:
            self.fail("garbage", str(error), now)
            return
        office = self.call.office
        office.hooks.succeeded(self.at)
        target, refused = hooks.take(answer, self.call, self._then)
        office.fact(
            "hook.answered", now, self.call.id, hook=self.at, took=round(now - self._since, 3), target=target,
            refused=refused, unknown=unknown, variables=sorted(answer.variables),
        )  # fmt: skip
        if refused or unknown:
            office.log(
                "warning", "a part of a hook's answer cannot be used", hook=self.at, call=self.call.id,
                refused=refused, unknown=unknown,
            )  # fmt: skip
        self.call.go(target, now)

    def fail(self, cause: hooks.Cause, detail: str, now: Instant) -> None:
        """No good answer."""
        self.call.office.hooks.failed(self.at, cause, now)
        self._fall_back(cause, detail, now)

    def _fall_back(self, cause: hooks.Cause, detail: str, now: Instant) -> None:
        hook = self.call.office.settings.hooks.get(self.at)
        target = self._then if hook is None or hook.on_error == "continue" else hook.on_error
        self.call.office.fact(
            "hook.failed", now, self.call.id, hook=self.at, cause=cause, detail=detail[:200], target=target,
            took=round(now - self._since, 3),
        )  # fmt: skip
        self.call.go(target, now)
