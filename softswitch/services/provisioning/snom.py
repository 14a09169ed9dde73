"""Snom D and M series: an XML of settings (Snom, Desk Phone Configuration Files)."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, element, lines

_SAVP = {"off": "off", "optional": "optional", "required": "mandatory"}
_CODECS = {"PCMU": "pcmu", "PCMA": "pcma", "G722": "g722", "opus": "opus", "G729": "g729"}
_LANGUAGES = {"en": "English", "ru": "Russian", "uk": "Ukrainian", "lt": "English"}


def render(account: Account) -> ProvisionFile:
    """The device's own file."""
    line = {
        "user_active": "on",
        "user_realname": account.display,
        "user_name": account.name,
        "user_pname": account.name,
        "user_pass": account.password,
        "user_host": account.domain,
        "user_outbound": f"{account.server}:{account.port};transport={account.transport}",
        "user_expiry": str(account.expires),
        "user_srtp": "off" if account.srtp == "off" else "on",
        "user_savp": _SAVP[account.srtp],
        "user_dtmf_info": "sip_info_only" if account.dtmf == "info" else "off",
        "user_mailbox": account.voicemail,
        "codec_priority_list": ",".join(
            [*(_CODECS[name] for name in account.codecs if name in _CODECS), "telephone-event"]
        ),
    }
    device = {
        "language": _LANGUAGES.get(account.language, "English"),
        "utc_offset": str(round(account.utc_offset * 3600)),
        "ntp_server": account.ntp,
        "setting_server": account.url,
        "settings_refresh_timer": "86400",
        "http_user": "admin" if account.admin_password else "",
        "http_pass": account.admin_password,
        "admin_mode_password": account.admin_password,
        "intercom_enabled": "on",
    }
    rows = [element(name, value, 4, idx="1", perm="") for name, value in line.items() if name not in account.extra]
    rows += [element(name, value, 4, perm="R") for name, value in device.items() if value and name not in account.extra]
    rows += [element(name, value, 4, perm="") for name, value in account.extra.items()]
    keys = [
        element(
            "fkey",
            f"blf sip:{lamp.number}@{account.domain}" + (f"|{lamp.pickup}" if lamp.pickup else ""),
            4,
            idx=str(number),
            context="1",
            label=lamp.label,
            perm="",
        )
        for number, lamp in enumerate(account.lamps)
    ]
    text = lines(
        '<?xml version="1.0" encoding="utf-8"?>',
        "<settings>",
        '  <phone-settings e="2">',
        *rows,
        "  </phone-settings>",
        *(["  <functionKeys>", *keys, "  </functionKeys>"] if keys else []),
        "</settings>",
    )
    return ProvisionFile(f"snom-{account.mac}.xml", "application/xml", text)
