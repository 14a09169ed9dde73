"""Text that others wrote is one printable line before it goes into headers, mails, files and displays."""

import pytest

from softswitch.kernel.printable import printable


@pytest.mark.parametrize(
    ("text", "left_out", "replaced"),
    [
        ("Ann Lee", "Ann Lee", "Ann Lee"),
        ("Зоя \N{WHITE HEART SUIT}", "Зоя \N{WHITE HEART SUIT}", "Зоя \N{WHITE HEART SUIT}"),
        ("a\r\nBcc: b", "aBcc: b", "a??Bcc: b"),
        ("\x1b[31m\x9b0m\x7f", "[31m0m", "?[31m?0m?"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "ab", "a?b"),
        (b"\xff\x41".decode("utf-8", "surrogateescape"), "A", "?A"),
        ("", "", ""),
    ],
)
def test_signs_that_do_not_print(text: str, left_out: str, replaced: str) -> None:
    assert printable(text) == left_out
    assert printable(text, "?") == replaced
