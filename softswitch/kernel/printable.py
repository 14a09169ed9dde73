"""Text that others wrote, on its way into a header field, a file of lines or a display."""


def printable(text: str, instead: str = "") -> str:
    """`text` with `instead` for every sign that does not print (`str.isprintable`): control characters, line ends,
    signs that turn the direction of writing, bytes that were no UTF-8."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else instead for sign in text)
