"""Fanvil X and V series: `MAC.cfg` as an XML of its modules (Fanvil, Auto Provision, format 2)."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, element, lines

_TRANSPORTS = {"udp": "0", "tcp": "1", "tls": "3"}
_DTMF = {"auto": "3", "rfc4733": "1", "inband": "0", "info": "2"}
_CRYPTO = {"off": "0", "optional": "2", "required": "1"}
_CODECS = {"PCMU": "PCMU", "PCMA": "PCMA", "G722": "G722", "G729": "G729", "opus": "opus"}
_LANGUAGES = {"en": "en", "ru": "ru", "uk": "uk", "lt": "lt"}
_MEMORY_KEY = "1"


def render(account: Account) -> ProvisionFile:
    """The device's own file. Further settings go into the line's part."""
    line = {
        "PhoneNumber": account.name,
        "DisplayName": account.display,
        "SipName": account.number,
        "RegisterAddr": account.server,
        "RegisterPort": str(account.port),
        "RegisterUser": account.name,
        "RegisterPswd": account.password,
        "RegisterTTL": str(account.expires),
        "EnableReg": "1",
        "Transport": _TRANSPORTS[account.transport],
        "LocalDomain": account.domain,
        "DTMFMode": _DTMF[account.dtmf],
        "MWINum": account.voicemail,
        "MediaCrypto": _CRYPTO[account.srtp],
        "AudioCodecMap": ",".join(_CODECS[name] for name in account.codecs if name in _CODECS),
    } | dict(account.extra)
    keys = [
        row
        for index, lamp in enumerate(account.lamps, 1)
        for row in (
            f'      <Fkey index="{index}">',
            element("Type", _MEMORY_KEY, 8),
            element("Value", f"{lamp.number}@1/ba{lamp.pickup}{lamp.number if lamp.pickup else ''}", 8),
            element("Title", lamp.label, 8),
            "      </Fkey>",
        )
    ]
    text = lines(
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<sysConf>",
        element("Version", "2.0000000000"),
        "  <sip>",
        '    <line index="1">',
        *(element(name, value, 6) for name, value in line.items()),
        "    </line>",
        "  </sip>",
        "  <phone>",
        "    <date>",
        element("EnableSNTP", str(int(bool(account.ntp))), 6),
        element("SNTPServer", account.ntp, 6),
        "    </date>",
        "    <display>",
        element("DefaultLanguage", _LANGUAGES.get(account.language, "en"), 6),
        "    </display>",
        "  </phone>",
        *(
            (
                "  <web>",
                '    <account index="1">',
                element("Name", "admin", 6),
                element("Password", account.admin_password, 6),
                element("Level", "10", 6),
                "    </account>",
                "  </web>",
            )
            if account.admin_password
            else ()
        ),
        *(("  <dsskey>", '    <internal index="1">', *keys, "    </internal>", "  </dsskey>") if keys else ()),
        *(
            (
                "  <ap>",
                element("FlashServerIP", account.url, 4),
                element("FlashProtocol", "5", 4),  # HTTPS
                element("FlashMode", "1", 4),  # after each start
                "  </ap>",
            )
            if account.url
            else ()
        ),
        "</sysConf>",
    )
    return ProvisionFile(f"{account.mac}.cfg", "application/xml", text)
