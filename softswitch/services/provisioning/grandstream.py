"""Grandstream GXP, GRP and HT series: `cfgMAC.xml` with P values (Grandstream, Provisioning Guide)."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, element, lines

_TRANSPORTS = {"udp": 0, "tcp": 1, "tls": 2}
_SRTP = {"off": 0, "optional": 1, "required": 2}
_CODECS = {"PCMU": 0, "PCMA": 8, "G722": 9, "G729": 18, "opus": 123}  # payload types as the device numbers them
_CODEC_SLOTS = (57, 58, 59, 60, 61, 62)
_LANGUAGES = {"en": "en", "ru": "ru", "uk": "uk", "lt": "lt"}
_BLF = 11


def render(account: Account) -> ProvisionFile:
    """The device's own file. Lamps are its virtual multi-purpose keys, after the line's own."""
    values: dict[str, object] = {
        "P271": 1,
        "P270": account.number,
        "P47": f"{account.server}:{account.port}",
        "P35": account.name,
        "P36": account.name,
        "P34": account.password,
        "P3": account.display,
        "P31": 1,
        "P32": max(1, account.expires // 60),
        "P130": _TRANSPORTS[account.transport],
        "P183": _SRTP[account.srtp],
        "P2301": int(account.dtmf == "inband"),
        "P2302": int(account.dtmf in ("auto", "rfc4733")),
        "P2303": int(account.dtmf == "info"),
        "P33": account.voicemail,
        "P30": account.ntp,
        "P64": "customize",
        "P246": account.posix_timezone,
        "P1362": _LANGUAGES.get(account.language, "en"),
        "P2": account.admin_password,
        "P212": 2,
        "P237": account.url.removeprefix("https://").rstrip("/"),
        "P194": 2,
    }
    ours = [_CODECS[name] for name in account.codecs if name in _CODECS]
    for slot, payload_type in zip(_CODEC_SLOTS, ours + ours[-1:] * len(_CODEC_SLOTS), strict=False):
        values[f"P{slot}"] = payload_type
    for index, lamp in enumerate(account.lamps):
        values[f"P{1363 + 2 * index}"] = _BLF
        values[f"P{1364 + 2 * index}"] = 0
        values[f"P{1465 + 2 * index}"] = lamp.label
        values[f"P{1466 + 2 * index}"] = lamp.number
    if account.lamps and account.lamps[0].pickup:
        values["P1347"] = account.lamps[0].pickup
    values = {key: value for key, value in values.items() if value != ""} | dict(account.extra)
    text = lines(
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<gs_provision version="1">',
        element("mac", account.mac),
        '  <config version="1">',
        *(element(name, str(value), 4) for name, value in values.items()),
        "  </config>",
        "</gs_provision>",
    )
    return ProvisionFile(f"cfg{account.mac}.xml", "application/xml", text)
