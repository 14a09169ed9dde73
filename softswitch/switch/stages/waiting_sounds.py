"""What a waiting caller hears: music, and over it one message after the other. A message never cuts another off; all
are cut by the agent's answer, because leaving the queue takes the player back."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softswitch.switch.call import Call


class WaitingSounds:
    """`say` names its message by a kind: of those that have to wait for their turn only the latest of a kind is
    kept, for a position is stale soon."""

    def __init__(self, call: "Call", music: str) -> None:
        self._call = call
        self.music = music
        self._player = 0
        self._waiting: dict[str, tuple[str, ...]] = {}
        self._held = False

    def begin(self) -> None:
        """Music, unless something is being said."""
        if not self._player and not self._held:
            self._call.music(self.music)

    def say(self, kind: str, *prompts: str) -> None:
        """Say it now, or when what is being said has ended. Nothing is kept while the line is held."""
        if self._held:
            return
        if self._player:
            self._waiting.pop(kind, None)
            self._waiting[kind] = prompts
        else:
            self._player = self._call.play_prompts(*prompts)

    def played(self, player: int) -> None:
        """A message has ended."""
        if player != self._player or self._held:
            return
        self._player = 0
        if self._waiting:
            kind = next(iter(self._waiting))
            self._player = self._call.play_prompts(*self._waiting.pop(kind))
        else:
            self._call.music(self.music)

    def hold(self) -> None:
        """Somebody else speaks to the caller now."""
        self._held = True
        self._player = 0
        self._waiting.clear()

    def release(self) -> None:
        """Back to the music."""
        self._held = False
        self._call.music(self.music)
