"""Recording servers: what is wrong with their settings is said with a way out."""

import pytest

from softswitch.acd.model import QueueSettings
from softswitch.services.configuration_checks import Known, check_settings
from softswitch.services.configuration_siprec import check_siprec
from softswitch.switch.settings import Phone, RecordingServer, Settings, Trunk

AT = "sip:srs@192.0.2.80"


def servers(**values: RecordingServer) -> Settings:
    return Settings(siprec=values)


def one(**values: object) -> Settings:
    return servers(main=RecordingServer(**{"address": AT, **values}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(queues={"a": QueueSettings(siprec="main")}), 'no recording server "main"'),
        (Settings(phones={"a": Phone(contact="sip:a@192.0.2.1", siprec="main")}), 'no recording server "main"'),
        (Settings(trunks={"a": Trunk(address="sip:a.example", siprec="main")}), 'no recording server "main"'),
        (one(backup="spare"), 'no recording server "spare"'),
        (one(backup="main"), "backups go round: main → main"),
        (one(listener="udp:192.0.2.1:5060"), "is not in sip.listen"),
        (one(codecs=()), "at least one codec"),
        (one(codecs=("G729",)), '"G729" is none that we speak'),
        (one(timeout_seconds=0.0), "must be 0.5 to 60"),
        (one(answer_seconds=2.0), "must be timeout_seconds to 60"),
        (one(retry_seconds=1.0), "at least 5"),
        (one(options_seconds=1.0), "at least 5"),
        (one(srtp="required"), "in the clear: use transport=tls"),
        (servers(a=RecordingServer(address=AT, all=True), b=RecordingServer(address=AT, all=True)), "has all calls"),
    ],
)
def test_what_is_wrong(settings: Settings, said: str) -> None:
    (finding,) = check_siprec(settings)
    assert said in finding.message


def test_a_misspelt_server_is_told_the_right_one() -> None:
    settings = Settings(queues={"a": QueueSettings(siprec="mian")}, siprec={"main": RecordingServer(address=AT)})
    (finding,) = check_siprec(settings)
    assert (finding.path, finding.suggestion) == (("queues", "a", "siprec"), "main")


def test_an_address_that_is_none_is_told_once() -> None:
    found = list(check_settings(one(address="srs.example.com"), Known({})))
    assert [finding.suggestion for finding in found if finding.path[0] == "siprec"] == ["sip:srs.example.com"]


def test_what_is_right() -> None:
    settings = servers(
        main=RecordingServer(address="sip:srs.example.com;transport=tls", backup="spare", srtp="required", all=True),
        spare=RecordingServer(address=AT),
    )
    assert not list(check_siprec(settings))
