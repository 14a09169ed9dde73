"""Two families of errors: theirs and ours. An error carries its answer."""


class SwitchError(Exception):
    """The root of every error that the switch raises by itself."""


class PeerError(SwitchError):
    """The other side broke the protocol, or asked for what it may not have.

    `status` is the SIP status that answers it (RFC 3261 §21); 0 means that silence is the only answer.
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class LocalError(SwitchError):
    """We (the program, its configuration or its machine) are at fault; the text tells the operator what to do."""
