"""Cisco 6800, 7800 and 8800 with multiplatform firmware: a flat profile (Cisco, XML Reference Guide for MPP)."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, element, lines

_CODECS = {"PCMU": "G711u", "PCMA": "G711a", "G722": "G722", "G729": "G729a", "opus": "OPUS"}
_DTMF = {"auto": "Auto", "rfc4733": "AVT", "inband": "InBand", "info": "INFO"}
_SRTP = {"optional": "Optional", "required": "Required"}
_SLOTS = ("Preferred_Codec_1_", "Second_Preferred_Codec_1_", "Third_Preferred_Codec_1_")


def render(account: Account) -> ProvisionFile:
    """The device's own file."""
    hours, minutes = divmod(round(abs(account.utc_offset) * 60), 60)
    values = {
        "Line_Enable_1_": "Yes",
        "Extension_1_": "1",
        "Display_Name_1_": account.display,
        "User_ID_1_": account.name,
        "Auth_ID_1_": account.name,
        "Use_Auth_ID_1_": "Yes",
        "Password_1_": account.password,
        "Proxy_1_": f"{account.server}:{account.port}",
        "SIP_Transport_1_": account.transport.upper(),
        "Register_1_": "Yes",
        "Register_Expires_1_": str(account.expires),
        "DTMF_Tx_Method_1_": _DTMF[account.dtmf],
        "Use_Pref_Codec_Only_1_": "No",
        "Voice_Mail_Number": account.voicemail,
        "Primary_NTP_Server": account.ntp,
        "Time_Zone": f"GMT{'-' if account.utc_offset < 0 else '+'}{hours:02}:{minutes:02}",
        "Station_Display_Name": account.display,
        "Admin_Password": account.admin_password,
        "Profile_Rule": f"{account.url}$MA.xml" if account.url else "",
        "Resync_Periodic": "86400",
        "Resync_From_SIP": "Yes",
    }
    # SRTP keys may travel by TLS only: the device refuses to do otherwise.
    if account.srtp in _SRTP and account.transport == "tls":
        values["Secure_Call_Serv"] = "Yes"
        values["Secure_Call_Option_1_"] = _SRTP[account.srtp]
    codecs = [_CODECS[name] for name in account.codecs if name in _CODECS]
    values |= dict(zip(_SLOTS, codecs, strict=False))
    for key, lamp in enumerate(account.lamps, 2):
        values[f"Extension_{key}_"] = "Disabled"
        values[f"Short_Name_{key}_"] = lamp.label
        values[f"Extended_Function_{key}_"] = (
            f"fnc=blf+sd{'+cp' if lamp.pickup else ''};sub={lamp.number}@$PROXY;nme={lamp.label.replace(';', ' ')}"
        )
    if account.lamps and account.lamps[0].pickup:
        values["Call_Pickup_Code"] = account.lamps[0].pickup
    values = {key: value for key, value in values.items() if value} | dict(account.extra)
    rows = (element(name, value, ua="na") for name, value in values.items())
    text = lines('<?xml version="1.0" encoding="UTF-8"?>', "<flat-profile>", *rows, "</flat-profile>")
    return ProvisionFile(f"{account.mac}.xml", "application/xml", text)
