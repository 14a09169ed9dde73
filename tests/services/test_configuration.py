"""The configuration file: every fault at once, with its line and a suggestion."""

import re
import tomllib
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.configuration import ConfigurationError, check, load
from softswitch.switch.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
PHONE = '[phones.1001]\npassword = "long-enough-1"\n'
AGENT = PHONE + '[agents.alice]\nphone = "1001"\n'


def cases(name: str) -> list[tuple[str, str]]:
    """The configurations of a file, each with the fault that it names."""
    found = []
    for text in (Path(__file__).parent / "configurations" / name).read_text(encoding="utf-8").split("\n---\n")[1:]:
        text = text.strip("\n") + "\n"
        (line, fault) = next(
            (number, line.partition("#! ")[2]) for number, line in enumerate(text.split("\n"), 1) if "#! " in line
        )
        found.append((text, f"{line}: {fault}"))
    return found


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def faults(write):
    """The faults of a text as (line, key, message with suggestion)."""

    def faults(text: str) -> list[str]:
        path = write(text)
        return [str(fault).removeprefix(f"{path}:") for fault in check(path)]

    return faults


# ---------------------------------------------------------------------------------------------------- what is right


def test_the_example_loads_and_only_warns_of_its_passwords() -> None:
    settings = load(EXAMPLE)
    assert settings.routes[0].source == "trunk:carrier"
    assert settings.hours["office"].open == {"mon-fri": "09:00-18:00", "sat": "10:00-14:00"}
    assert settings.queues["support"].service_level.seconds == 20
    assert {(fault.key, fault.severity) for fault in check(EXAMPLE)} == {
        ("phones.1001.password", "warning"),
        ("phones.1002.password", "warning"),
    }


def test_what_the_example_calls_a_default_is_one() -> None:
    """A commented `key = value` without the word "example" must be what an absent key means."""
    sections = {"server", "sip", "media", "api", "recording", "codes", "transfers"}
    section, found = "", 0
    for line in EXAMPLE.read_text().splitlines():
        if match := re.match(r"\[+([\w.]+)\]", line):
            section = match[1]
        if section in sections and (match := re.match(r"# (\w+ = [^#]*)(#.*)?$", line)) and "example" not in line:
            ((key, value),) = tomllib.loads(match[1]).items()
            default = getattr(getattr(Settings(), section), key)
            assert (list(default) if isinstance(default, tuple) else default) == value, line
            found += 1
    assert found >= 10


def test_an_empty_file_is_a_switch_with_defaults(write) -> None:
    assert load(write("")) == Settings()


def test_whole_numbers_serve_as_seconds_and_dates_as_holidays(write) -> None:
    settings = load(
        write(
            AGENT
            + "[queues.q]\nagents = ['alice']\nwrap_up = 15\n[hours.h]\nsun = '10:00-12:00'\nholidays = [2026-12-25]\n"
        )
    )
    assert settings.queues["q"].wrap_up == 15.0
    assert settings.hours["h"].holidays == ("2026-12-25",)


def test_secrets_from_the_environment_and_from_files(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHONE_SECRET", "from-the-environment")
    (tmp_path / "carrier.secret").write_text("from-the-file\n")
    settings = load(
        write(
            '[phones.1]\npassword = { env = "PHONE_SECRET" }\n[trunks.c]\naddress = "sip:h"\nusername = "u"\n'
            'password = { file = "carrier.secret" }\n[api]\ntoken.env = "PHONE_SECRET"\n[[routes]]\nto = "phone:1"\n'
        )
    )
    assert settings.phones["1"].password == "from-the-environment"
    assert settings.trunks["c"].password == "from-the-file"
    assert settings.api.token == "from-the-environment"


def test_a_secret_that_is_not_there_is_a_fault(faults) -> None:
    assert faults(
        '[phones.1]\npassword = { env = "SURELY_NOT_SET" }\n[phones.2]\npassword = { file = "nowhere" }\n'
        "[phones.3]\npassword = { file = 3 }\n"
    ) == [
        "2: phones.1.password: the environment has no SURELY_NOT_SET",
        "4: phones.2.password: cannot read nowhere: No such file or directory",
        "6: phones.3.password: file must be a string",
    ]


def test_a_secret_shows_in_no_message_and_no_repr(write) -> None:
    text = (
        '[server]\ndatabase = "postgres://u:SECRET@h"\n[api]\nlisten = "0.0.0.0:80"\ntoken = "SECRET"\n[phones.1]\n'
        'password = ["SECRET"]\n[phones.2]\npassword = "SECRET"\n[phones.2.ha1]\nMD5 = "SECRET"\n'
        '[agents.a]\nphone = "2"\npin = "SECRET"\n[trunks.t]\naddress = "sip:h"\npassword = "SECRET"\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        load(write(text))
    assert len(caught.value.faults) >= 6
    assert "SECRET" not in str(caught.value) + repr(caught.value)
    good = load(
        write('[phones.1]\npassword = "SECRET-12"\n[trunks.t]\naddress = "sip:h"\nusername="u"\npassword = "SECRET"\n')
    )
    assert "SECRET" not in repr(good)


# ------------------------------------------------------------------------------------------------------ what is wrong


def test_all_faults_are_told_at_once_in_the_order_of_lines(faults) -> None:
    assert faults(
        AGENT
        + "[queues.support]\n"
        + 'strategi = "longest-idle"\n'
        + 'agents = ["alise"]\n'
        + 'wrap_up = "long"\n'
        + "[sip]\n"
        + 'listen = ["upd:0.0.0.0:5060"]\n'
        + "[[routes]]\n"
        + 'to = "queue:suport"\n'
    ) == [
        '6: queues.support.strategi: unknown key; did you mean "strategy"?',
        '7: queues.support.agents[0]: no agent "alise"; did you mean "alice"?',
        "8: queues.support.wrap_up: must be a number",
        '10: sip.listen[0]: "upd" is not a transport: udp, tcp, tls, ws, wss; did you mean "udp"?',
        '12: routes[0].to: no queue "suport"; did you mean "queue:support"?',
    ]


def test_the_error_is_ours_and_carries_the_faults(write) -> None:
    path = write("[server]\nnam = 1\n")
    with pytest.raises(LocalError, match=r'config\.toml:2: server\.nam: unknown key; did you mean "name"\?') as caught:
        load(path)
    assert isinstance(caught.value, ConfigurationError)
    assert (caught.value.faults[0].line, caught.value.faults[0].suggestion) == (2, "name")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[server]\nname = \n", "2: not TOML: invalid value"),
        ('[server]\nname = "x"\nname = "y"\n', "3: not TOML: cannot overwrite a value"),
        ('[server]\n\nname = "x', "3: not TOML: "),
        ("[server]\n[server]\n", "2: not TOML: cannot declare"),
    ],
)
def test_toml_syntax(faults, text: str, fault: str) -> None:
    (found,) = faults(text)
    assert found.startswith(fault)


def test_a_file_that_is_not_there_or_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b"[server]\nname = '\xe4'\n")
    with pytest.raises(ConfigurationError, match=r"latin\.toml:2: not UTF-8 text"):
        load(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        fault
        for part in ("", "_acd", "_callers", "_talks", "_routing", "_sessions", "_defence")
        for fault in cases(f"errors{part}.txt")
    ],
)
def test_a_fault_has_its_line_its_key_and_a_hint(faults, text: str, fault: str) -> None:
    assert [found for found in faults(text) if "warning" not in found] == [fault]


def test_a_bad_number_pattern_is_told_by_its_author(faults) -> None:
    (fault,) = faults("[[routes]]\nto = 'echo:'\nnumber = '0[1'\n")
    assert fault.startswith("3: routes[0].number: ")


def test_a_fault_makes_no_others(faults) -> None:
    """A misspelt password is no missing password, and a queue with a fault is still a queue."""
    assert faults(
        "[phones.1001]\npasword = 'long-enough-1'\n[agents.alice]\nphone = '1001'\n"
        "[queues.q]\nagents = ['alice']\nwrap_up = true\n[[routes]]\nto = 'queue:q'\n"
    ) == [
        '2: phones.1001.pasword: unknown key; did you mean "password"?',
        "7: queues.q.wrap_up: must be a number",
    ]


def test_backups_of_trunks_must_not_go_round(faults) -> None:
    text = "".join(f"[trunks.{name}]\naddress = 'sip:h'\nbackup = '{backup}'\n" for name, backup in ("ab", "bc", "cb"))
    assert "6: trunks.b.backup: backups go round: b → c → b" in faults(text)


# --------------------------------------------------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    ("text", "fault"),
    [fault for part in ("", "_acd", "_callers", "_routing", "_defence") for fault in cases(f"warnings{part}.txt")],
)
def test_a_doubt_is_a_warning_and_the_file_loads(write, faults, text: str, fault: str) -> None:
    assert fault in faults(text)
    assert isinstance(load(write(text)), Settings)


def test_menus_that_lead_on_to_a_queue_are_no_dead_end(faults) -> None:
    text = (
        AGENT + "[queues.q]\nagents = ['alice']\n[ivr.a]\nprompt = 'welcome'\nkeys = { 1 = 'ivr:b' }\n"
        "[ivr.b]\nprompt = 'welcome'\nkeys = { 9 = 'ivr:a', 0 = 'queue:q' }\n[[routes]]\nto = 'ivr:a'\n"
    )
    assert faults(text) == []


# -------------------------------------------------------------------------------------------------- lists of numbers


def test_a_list_takes_the_first_column_of_a_csv_file(write, tmp_path: Path) -> None:
    (tmp_path / "vips.csv").write_text("number;name\n+370 612 34567,Anna\n\n# gone,Berta\n+37061XXXXXX\n", "utf-8-sig")
    settings = load(
        write(
            PHONE
            + '[lists.vips]\nnumbers = ["1"]\nfile = "vips.csv"\n[[routes]]\ncallers = "vips"\nto = "phone:1001"\n'
        )
    )
    assert settings.lists["vips"].numbers == ("1", "+37061234567", "+37061XXXXXX")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"+3706\nAnna\n", 'vips.csv, line 2: "Anna" is no number'),
        (b"+3706\n+370[\n", "vips.csv, line 2: number pattern '+370[', position 5: [ without ]"),
        (b"\xff\xfe", "vips.csv is no CSV file in UTF-8"),
    ],
)
def test_a_list_s_file_is_read_to_the_letter(faults, tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "vips.csv").write_bytes(content)
    (found,) = faults(PHONE + '[lists.vips]\nfile = "vips.csv"\n[[routes]]\ncallers = "vips"\nto = "phone:1001"\n')
    assert found.startswith(f"4: lists.vips.file: {fault}")
