"""Files for phones: each brand's own form, with what this site says; secrets of devices; what may be asked for."""

import json
import stat
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from softswitch.kernel.errors import LocalError
from softswitch.services.provisioning.account import Account, account_of
from softswitch.services.provisioning.brands import BRANDS, file_of
from softswitch.services.provisioning.mac import plain_mac
from softswitch.services.provisioning.secrets import DeviceSecrets
from softswitch.services.provisioning.site import ProvisioningSite
from softswitch.switch.settings import Brand, Codes, Device, Phone, Provisioning, Server, Settings, Sip

NAME = 'Älice <& "Co>'
PASSWORD = "pass<&>word"
XML_BRANDS: tuple[Brand, ...] = ("snom", "grandstream", "cisco", "fanvil", "linphone")


def site(brand: Brand = "yealink", **phone: object) -> Settings:
    device = Device(model=brand, mac="00:15:65:AB:CD:EF", lamps=("1002",))
    return Settings(
        server=Server(timezone="Europe/Vilnius"),
        sip=Sip(domain="pbx.example.com", listen=("udp:0.0.0.0:5060", "tcp:0.0.0.0:5062")),
        provisioning=Provisioning(listen="0.0.0.0:8443", ntp="time.example.com"),
        phones={
            "1001": Phone(**{"name": NAME, "password": PASSWORD, "device": device} | phone),  # type: ignore[arg-type]
            "1002": Phone(name="Boris", password="other"),
        },
    )


def account(brand: Brand, **phone: object) -> Account:
    return account_of(site(brand, **phone), "1001", "web-password", "https://pbx.example.com:8443/d/LINK/")


def yealink(**phone: object) -> dict[str, str]:
    first, *rows = file_of(account("yealink", **phone)).text.splitlines()
    assert first == "#!version:1.0.0.1"
    return dict(row.split(" = ", 1) for row in rows)


def values(brand: Brand, **phone: object) -> dict[str, str]:
    """Of an XML file: by tag, or by the name attribute."""
    root = ElementTree.fromstring(file_of(account(brand, **phone)).text)
    return {row.get("name") or row.tag: row.text or "" for row in root.iter() if not len(row)}


WANTED: dict[Brand, dict[str, str]] = {
    "snom": {
        "user_name": "1001",
        "user_pass": PASSWORD,
        "user_realname": NAME,
        "user_outbound": "pbx.example.com:5062;transport=tcp",
        "utc_offset": "7200",
        "fkey": "blf sip:1002@pbx.example.com|**",
        "setting_server": "https://pbx.example.com:8443/d/LINK/",
    },
    "grandstream": {
        "mac": "001565abcdef",
        "P35": "1001",
        "P34": PASSWORD,
        "P3": NAME,
        "P47": "pbx.example.com:5062",
        "P130": "1",
        "P246": "EET-2EEST,M3.5.0/3,M10.5.0/4",
        "P1363": "11",
        "P1466": "1002",
        "P237": "pbx.example.com:8443/d/LINK",
    },
    "cisco": {
        "User_ID_1_": "1001",
        "Password_1_": PASSWORD,
        "Display_Name_1_": NAME,
        "Proxy_1_": "pbx.example.com:5062",
        "SIP_Transport_1_": "TCP",
        "Time_Zone": "GMT+02:00",
        "Extended_Function_2_": "fnc=blf+sd+cp;sub=1002@$PROXY;nme=Boris",
        "Profile_Rule": "https://pbx.example.com:8443/d/LINK/$MA.xml",
    },
    "fanvil": {
        "RegisterUser": "1001",
        "RegisterPswd": PASSWORD,
        "DisplayName": NAME,
        "RegisterAddr": "pbx.example.com",
        "RegisterPort": "5062",
        "Transport": "1",
        "Value": "1002@1/ba**1002",
        "FlashServerIP": "https://pbx.example.com:8443/d/LINK/",
    },
    "linphone": {
        "reg_proxy": "<sip:pbx.example.com:5062;transport=tcp>",
        "reg_identity": '"Älice <& \'Co>" <sip:1001@pbx.example.com>',
        "passwd": PASSWORD,
        "media_encryption": "none",
    },
}


def test_every_brand_of_the_settings_has_a_file() -> None:
    assert set(BRANDS) == set(Brand.__args__)


def test_yealink() -> None:
    said = yealink()
    assert said["account.1.user_name"] == "1001"
    assert said["account.1.password"] == PASSWORD
    assert said["account.1.sip_server.1.port"] == "5062"
    assert said["account.1.sip_server.1.transport_type"] == "1"
    assert said["account.1.codec.pcma.priority"] == "1"
    assert said["account.1.codec.opus.enable"] == "0"
    assert said["linekey.2.value"] == "1002"
    assert said["linekey.2.label"] == "Boris"
    assert said["static.security.user_password"] == "admin:web-password"


@pytest.mark.parametrize("brand", XML_BRANDS)
def test_xml_brands(brand: Brand) -> None:
    said = values(brand)
    assert {key: said.get(key) for key in WANTED[brand]} == WANTED[brand]


def test_baresip_is_one_line_of_its_accounts() -> None:
    text = file_of(account("baresip")).text
    assert text.startswith('"Älice <& \'Co>" <sip:1001@pbx.example.com>;auth_user=1001;')
    assert text.count("\n") == 1


@pytest.mark.parametrize("brand", BRANDS)
def test_a_line_break_in_a_name_adds_no_setting(brand: Brand) -> None:
    text = file_of(account(brand, name="Al\naccount.1.enable = 0\r\nx")).text
    assert not any(row.startswith(("account.1.enable = 0", "x")) for row in text.splitlines()[1:])


@pytest.mark.parametrize("brand", BRANDS)
def test_further_settings_go_over_ours(brand: Brand) -> None:
    ours = {"yealink": "account.1.label", "grandstream": "P270", "cisco": "Station_Display_Name"}
    key = ours.get(brand, "Further")
    text = file_of(replace(account(brand), extra={key: "theirs-4711"})).text
    assert text.count("theirs-4711") == 1
    assert sum(row.strip().startswith((f"{key} =", f"<{key} ", f"<{key}>")) for row in text.splitlines()) <= 1


def test_srtp_is_offered_by_tls_or_when_it_is_demanded() -> None:
    assert yealink()["account.1.srtp_encryption"] == "0"
    assert yealink(srtp="required")["account.1.srtp_encryption"] == "2"
    settings = site()
    tls = replace(settings, provisioning=replace(settings.provisioning, transport="tls"))
    told = account_of(tls, "1001")
    assert (told.srtp, told.port) == ("optional", 5061)


def test_what_cannot_be_provisioned_is_said() -> None:
    settings = site()
    for phones, words in (
        ({}, "no phone 1001"),
        ({"1001": Phone(password="x")}, "no device"),
        ({"1001": replace(settings.phones["1001"], password=None, ha1={"MD5": "0" * 32})}, "a digest is not enough"),
    ):
        with pytest.raises(LocalError, match=words):
            account_of(replace(settings, phones=phones), "1001")


def test_pickup_code_and_mailbox_of_the_site_are_told() -> None:
    codes = Codes()
    said = yealink(mailbox="alice")
    assert said["linekey.2.extension"] == f"{codes.pickup}1002"
    assert said["voice_mail.number.1"] == codes.mailbox
    assert yealink()["voice_mail.number.1"] == "%NULL%"


@pytest.mark.parametrize("text", ["00:15:65:AB:CD:EF", "001565abcdef", "00-15-65-ab-cd-ef", "0015.65AB.CDEF"])
def test_hardware_addresses(text: str) -> None:
    assert plain_mac(text) == "001565abcdef"


@pytest.mark.parametrize("text", ["", "00:15:65", "00:15:65:AB:CD:EG", "../../etc/passwd"])
def test_no_hardware_addresses(text: str) -> None:
    with pytest.raises(LocalError, match="hardware address"):
        plain_mac(text)


# ------------------------------------------------------------------------------------------------------------ secrets


def test_secrets_are_made_once_kept_private_and_can_be_renewed(tmp_path: Path) -> None:
    secrets = DeviceSecrets(tmp_path)
    first = secrets.of("1001")
    assert DeviceSecrets(tmp_path).of("1001") == first
    assert secrets.of("1002").link != first.link
    assert secrets.owner(first.link) == "1001"
    assert stat.S_IMODE((tmp_path / "provisioning.json").stat().st_mode) == 0o600
    secrets.fetched("1001", 1000.0, "192.0.2.1", "Yealink " + "x" * 999)
    assert secrets.of("1001").fetched == 1000.0
    renewed = secrets.renew("1001")
    assert renewed.link != first.link
    assert secrets.owner(first.link) is None
    assert not secrets.of("1001").fetched


def test_a_broken_file_of_secrets_is_said_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "provisioning.json"
    for text in ("{", '{"1001": {"unknown": 1}}', "[]"):
        path.write_text(text)
        with pytest.raises(LocalError, match=r"provisioning\.json"):
            DeviceSecrets(tmp_path).of("1001")
        assert path.read_text() == text


def test_a_device_gets_its_own_file_and_nothing_else(tmp_path: Path) -> None:
    there = ProvisioningSite(site(), tmp_path)
    link = there.secrets.of("1001").link
    assert there.url("1001") == f"https://pbx.example.com:8443/d/{link}/"
    found = there.asked(link, "001565ABCDEF.cfg")
    assert found is not None
    assert found[0] == "1001"
    assert link in found[1].text
    for secret, name in ((link, "y000000000066.cfg"), (link, ""), (link + "x", "001565abcdef.cfg"), ("", "")):
        assert there.asked(secret, name) is None
    there.settings = replace(there.settings, phones={})
    assert there.asked(link, "001565abcdef.cfg") is None


def test_addresses_need_a_server(tmp_path: Path) -> None:
    settings = site()
    with pytest.raises(LocalError, match="not served"):
        ProvisioningSite(replace(settings, provisioning=Provisioning()), tmp_path).url("1001")
    other = replace(settings.provisioning, url="https://phones.example.com/prov/")
    url = ProvisioningSite(replace(settings, provisioning=other), tmp_path).url("1001")
    assert url.startswith("https://phones.example.com/prov/d/")
    rows = json.loads((tmp_path / "provisioning.json").read_text())
    assert url == f"https://phones.example.com/prov/d/{rows['1001']['link']}/"
