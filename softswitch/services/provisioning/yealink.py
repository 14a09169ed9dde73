"""Yealink T, W and CP series: `MAC.cfg` (Yealink, Auto Provisioning Guide, firmware V83 and later)."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, lines

_TRANSPORTS = {"udp": 0, "tcp": 1, "tls": 2}
_SRTP = {"off": 0, "optional": 1, "required": 2}
_DTMF = {"auto": 1, "rfc4733": 1, "inband": 0, "info": 2}
_CODECS = {"PCMU": "pcmu", "PCMA": "pcma", "G722": "g722", "opus": "opus", "G729": "g729"}
_LANGUAGES = {"en": "English", "ru": "Russian", "uk": "Ukrainian", "lt": "Lithuanian"}
_LINE, _BLF = 15, 16


def render(account: Account) -> ProvisionFile:
    """The device's own file."""
    settings: dict[str, object] = {
        "account.1.enable": 1,
        "account.1.label": account.number,
        "account.1.display_name": account.display,
        "account.1.user_name": account.name,
        "account.1.auth_name": account.name,
        "account.1.password": account.password,
        "account.1.sip_server.1.address": account.server,
        "account.1.sip_server.1.port": account.port,
        "account.1.sip_server.1.transport_type": _TRANSPORTS[account.transport],
        "account.1.sip_server.1.expires": account.expires,
        "account.1.srtp_encryption": _SRTP[account.srtp],
        "account.1.dtmf.type": _DTMF[account.dtmf],
        "account.1.subscribe_mwi": int(bool(account.voicemail)),
        "account.1.subscribe_mwi_to_vm": 0,
        "voice_mail.number.1": account.voicemail,
        "account.1.nat.rport": 1,
        "features.intercom.allow": 1,
        "lang.gui": _LANGUAGES.get(account.language, "English"),
        "local_time.ntp_server1": account.ntp,
        "local_time.time_zone": f"{account.utc_offset:+g}",
        "local_time.summer_time": 2,
        "static.security.user_password": f"admin:{account.admin_password}" if account.admin_password else "",
        "static.auto_provision.power_on": 1,
        "static.auto_provision.repeat.enable": 1,
        "static.auto_provision.repeat.minutes": 1440,
        "static.auto_provision.server.url": account.url,
    }
    ours = [_CODECS[name] for name in account.codecs if name in _CODECS]
    for codec in _CODECS.values():
        settings[f"account.1.codec.{codec}.enable"] = int(codec in ours)
        if codec in ours:
            settings[f"account.1.codec.{codec}.priority"] = ours.index(codec) + 1
    if account.lamps:
        settings["linekey.1.type"] = _LINE
    for key, lamp in enumerate(account.lamps, 2):
        settings[f"linekey.{key}.type"] = _BLF
        settings[f"linekey.{key}.line"] = 1
        settings[f"linekey.{key}.value"] = lamp.number
        settings[f"linekey.{key}.label"] = lamp.label
        settings[f"linekey.{key}.extension"] = f"{lamp.pickup}{lamp.number}" if lamp.pickup else ""
    settings |= account.extra
    # An empty value would be kept from before; %NULL% takes it away.
    rows = (f"{key} = {str(value) or '%NULL%'}" for key, value in settings.items())
    return ProvisionFile(f"{account.mac}.cfg", "text/plain; charset=utf-8", lines("#!version:1.0.0.1", *rows))
