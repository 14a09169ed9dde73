"""Replaces, Join and Target-Dialog: which dialog they name, and what names none."""

import pytest

from softswitch.kernel.errors import PeerError
from softswitch.sip.named_dialogs import Join, Replaces, TargetDialog, join_of, replaces_of, target_dialog_of
from softswitch.wire.sip import Headers


def test_a_dialog_is_named() -> None:
    """RFC 3891 §6.1, RFC 3911 §7.1, RFC 4538 §7: parameters in any order and case, others are skipped."""
    assert Replaces.parse("9@x;From-Tag=f;to-tag=t;early-only") == Replaces("9@x", "t", "f", True)
    assert Join.parse("9@x ; to-tag = t ; from-tag=f;early-only;x=y") == Join("9@x", "t", "f")
    assert TargetDialog.parse("9@x;remote-tag=r;local-tag=l;x") == TargetDialog("9@x", "l", "r")


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", ";to-tag=1;from-tag=2", "a;to-tag=1", "a;to-tag=;from-tag=2", "a;to-tag=1;to-tag=1;from-tag=2"),
        *("a,b;to-tag=1;from-tag=2", "a b;to-tag=1;from-tag=2", 'a;to-tag="1";from-tag=2', "a;to-tag;from-tag"),
        *("a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2", "a;to-tag=1 2;from-tag=3"),
    ],
)
def test_what_names_none_is_400(text: str) -> None:
    for kind, field in ((Replaces, "Replaces"), (Join, "Join")):
        with pytest.raises(PeerError, match=field) as refused:
            kind.parse(text)
        assert refused.value.status == 400
    with pytest.raises(PeerError, match="Target-Dialog"):
        TargetDialog.parse(text.replace("to-", "local-").replace("from-", "remote-"))


def test_one_of_each_and_not_two_wishes_at_once() -> None:
    """RFC 3891 §3, RFC 3911 §4."""
    good = "a;to-tag=1;from-tag=2"
    assert join_of(Headers((("Join", good),))) == Join("a", "1", "2")
    for read, fields in (
        (replaces_of, (("Replaces", good), ("Replaces", good))),
        (replaces_of, (("Replaces", good), ("Join", good))),
        (join_of, (("Join", good), ("Join", good))),
        (target_dialog_of, (("Target-Dialog", "a;local-tag=1;remote-tag=2"),) * 2),
        (target_dialog_of, ()),
    ):
        with pytest.raises(PeerError) as refused:
            read(Headers(fields))
        assert refused.value.status == 400
