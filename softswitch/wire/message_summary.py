"""simple-message-summary documents (RFC 3842 §5.2): how many messages wait."""

from typing import Final

TYPE: Final = "application/simple-message-summary"


def message_summary(account: str, new: int, old: int) -> bytes:
    """`account` is the URI that is called to hear the messages (Message-Account)."""
    waiting = "yes" if new else "no"
    return f"Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n".encode()
