"""What is wrong with parking, paging and forwarding, with line and suggestion."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check

PHONES = '[phones.1001]\npassword = "long-enough-1"\n[phones.1002]\npassword = "long-enough-2"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[parking.main]\nslots = "701-"', 'slots: "701-" is no range of numbers; did you mean "701-720"?'),
        ('[parking.main]\nslots = "720-701"', 'slots: "720-701" is no range of numbers'),
        ('[parking.main]\nslots = "99-101"', 'slots: "99-101" is no range of numbers'),
        ('[parking.main]\nslots = "1000-9999"', "slots: 9000 places: at most 1000"),
        ('[parking.main]\nslots = "1001-1003"', 'slots: "1001" is the number of phones.1001'),
        ('[parking.a]\nslots = "701"\n[parking.b]\nslots = "700-702"', 'slots: "701" is also a place of parking.a'),
        ('[parking.main]\nslots = "701"\ntimeout = 0.5', "timeout: must be 1 to 86400"),
        ('[parking.main]\nslots = "701"\nthen = "phone:1009"', "then:"),
        ("[paging.all]\nphones = []", "phones: name the phones that are to hear"),
        ('[paging.all]\nphones = ["1003"]', 'no phone "1003"'),
        ('[paging.all]\nphones = ["1001"]', "phones.1001 has no intercom = true: it will not be paged"),
        ('[paging.all]\nphones = ["1001"]\nseconds = 0', "seconds: must be 1 to 3600"),
        ('[[routes]]\nnumber = "7"\nto = "park:nowhere"', "nowhere"),
        ('[[routes]]\nnumber = "7"\nto = "page:nowhere"', "nowhere"),
        ('[codes]\npark = "*80"', '"*80"'),
        ('[codes]\nintercom = "*7"', "which takes a number"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(PHONES + text + "\n", encoding="utf-8")
    assert any(fault in str(found) for found in check(path)), [str(found) for found in check(path)]


def test_forwardings_that_go_round_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        PHONES.replace('-1"\n', '-1"\nalways = "phone:1002"\n').replace('-2"\n', '-2"\nalways = "phone:1001"\n')
        + '[phones.1003]\npassword = "long-enough-3"\nbusy = "phone:1003"\n',
        encoding="utf-8",
    )
    faults = [str(found) for found in check(path)]
    assert sum("forwardings go round: 1001 → 1002 → 1001" in fault for fault in faults) == 1, faults
    assert sum("a phone cannot be forwarded to itself" in fault for fault in faults) == 1


def test_a_complete_example_has_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        PHONES.replace('-1"\n', '-1"\nintercom = true\npickup_groups = ["sales"]\nalways = "phone:1002"\n')
        + '[parking.main]\nslots = "701-720"\nthen = "phone:1001"\n[paging.all]\nphones = ["1001"]\n'
        + '[[routes]]\nnumber = "799"\nfrom = "phone:*"\nto = "page:all"\n'
        + '[[routes]]\nnumber = "700"\nfrom = "phone:*"\nto = "park:main"\n[codes.in_call]\nwho = "phones"\n',
        encoding="utf-8",
    )
    assert [str(found) for found in check(path)] == []
