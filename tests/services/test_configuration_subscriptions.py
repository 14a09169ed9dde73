"""Settings of lamps, messages, mailboxes and mail: every fault with its key."""

from pathlib import Path

import pytest

from softswitch.services.configuration import check

BASE = '[phones.1001]\npassword = "long-enough-1"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[subscriptions]\nmin_expires = 7200", "subscriptions.min_expires"),
        ("[subscriptions]\nmax_expires = 30", "subscriptions.max_expires: must be at least min_expires = 60"),
        ("[subscriptions]\ninterval = 60.0", "subscriptions.interval"),
        ("[messages]\nmax_bytes = 5000", "messages.max_bytes"),
        ('[messages]\ntrunks = ["nowhere"]', 'messages.trunks[0]: no trunk "nowhere"'),
        ('mailbox = "office"', 'phones.1001.mailbox: no voicemail "office"'),
        ('message_waiting = "always"', "phones.1001.message_waiting: the phone has no mailbox"),
        ('[voicemail.office]\npin = "12"', "voicemail.office.pin: must be 4 to 12 digits"),
        ('[voicemail.office]\nask_pin = "always"', "voicemail.office.ask_pin"),
        ('[voicemail.office]\nnumber = "7a"', "voicemail.office.number: must be digits"),
        ('[voicemail.a]\nnumber = "7"\n[voicemail.b]\nnumber = "7"', "voicemail.b.number: is also that of voicemail.a"),
        ('[voicemail.office]\nmail = "a@b.example"', "voicemail.office.mail: there is no mail.host"),
        (
            '[voicemail.office]\nmail = "nobody"\n[mail]\nhost = "localhost"',
            'office.mail: "nobody" is no mail',
        ),
        ("[voicemail.office]\nmail_delete = true", "voicemail.office.mail_delete"),
        ('[mail]\nhost = "localhost"\nusername = "me"', "mail.password"),
        ('[mail]\nhost = "localhost"\nsecurity = "none"\nusername = "me"\npassword = "x"', "mail.security"),
        ('[codes]\nmailbox = "*45"', "codes."),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(BASE + text + "\n")
    findings = check(file)
    assert [line for line in map(str, findings) if fault in line], [*map(str, findings)]


def test_a_good_one(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        BASE + 'mailbox = "office"\n[voicemail.office]\nnumber = "701"\npin = "4321"\nmail = "a@b.example"\n'
        '[mail]\nhost = "localhost"\n'
    )
    findings = check(file)
    assert not [fault for fault in findings if fault.severity == "error"], findings
