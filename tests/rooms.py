"""Which tests are live and how `pytest -n 2` shares the tests out.

Live tests run real processes in real time; the others run cores in virtual time and need nothing but the processor.
Sound suffers when two such tests run at once, so all that measure how good it is make one unit, which one process works
off from the start, while the other takes the remaining files one by one, those that take long first."""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

LIVE = frozenset(("api", "bench", "cli", "demo", "interop", "services", "shell"))
_SOUND = frozenset(("bench", "demo", "interop"))
_LIVE_MEDIA = ("_live.py", "_worker.py", "test_worker.py", "test_both_families.py")
_PATIENT = frozenset(  # interop by signalling, or where sound is waited for until it is right
    f"test_{name}.py"
    for name in (
        "bad_input",
        "both_families_live",
        "called_back_by_phone",
        "conference_by_phone",
        "features_by_phone",
        "flows_rfc3665",
        "flows_rfc5359",
        "habits_of_callees",
        "habits_of_callers",
        "habits_of_registering_phones",
        "keys_in_band",
        "lamps_and_mailboxes",
        "matrix",
        "nat_live",
        "next_hops_live",
        "provisioned_phones",
        "recordings_kept",
        "signed_calls",
        "sipp_calls",
        "sipp_extensions",
        "sipvicious",
        "siprec_live",
        "supervised_talks",
        "survey_by_phone",
        "tls_between_switches",
        "totals_after_kill",
        "transfers_in_queue_calls",
    )
)


def is_live(path: PurePath) -> bool:
    """`path`: of a file, below tests."""
    return path.parts[0] in LIVE or _in_media(path)


def has_sound(path: PurePath) -> bool:
    """How well something is heard is measured: that wants no other of its kind beside it."""
    return (path.parts[0] in _SOUND and path.name not in _PATIENT) or _in_media(path)


def turn(path: PurePath) -> int:
    """Ascending: what takes longest begins first."""
    return 0 if has_sound(path) else 1 if path.name in _PATIENT or path.parts[0] == "fuzz" else 2


def _in_media(path: PurePath) -> bool:
    return path.parts[0] == "media" and path.name.endswith(_LIVE_MEDIA)


class Sharing(LoadScopeScheduling):
    """One unit of all tests with sound, else a unit is a file, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        return "sound" if has_sound(file.relative_to("tests")) else str(file)
