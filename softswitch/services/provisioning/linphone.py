"""Linphone on desktops and mobiles: remote provisioning (an XML of its rc file), fetched by link or QR code."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, element, lines

_MEDIA_ENCRYPTION = {"off": "none", "optional": "srtp", "required": "srtp"}


def render(account: Account) -> ProvisionFile:
    """The account; everything else stays as the user has it."""
    display = account.display.replace('"', "'")
    sections = {
        "proxy_0": {
            "reg_proxy": f"<sip:{account.server}:{account.port};transport={account.transport}>",
            "reg_route": f"<sip:{account.server}:{account.port};transport={account.transport};lr>",
            "reg_identity": f'"{display}" <sip:{account.name}@{account.domain}>',
            "reg_expires": str(account.expires),
            "reg_sendregister": "1",
            "publish": "0",
        },
        "auth_info_0": {
            "username": account.name,
            "userid": account.name,
            "passwd": account.password,
            "realm": account.domain,
            "domain": account.domain,
        },
        "sip": {
            "default_proxy": "0",
            "media_encryption": _MEDIA_ENCRYPTION[account.srtp],
            "media_encryption_mandatory": str(int(account.srtp == "required")),
            "use_info": str(int(account.dtmf == "info")),
            "use_rfc2833": str(int(account.dtmf in ("auto", "rfc4733"))),
        },
        "misc": dict(account.extra),
    }
    rows = [
        row
        for section, entries in sections.items()
        if entries
        for row in (
            f'  <section name="{section}">',
            *(element("entry", value, 4, name=name, overwrite="true") for name, value in entries.items()),
            "  </section>",
        )
    ]
    text = lines(
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">',
        *rows,
        "</config>",
    )
    return ProvisionFile(f"linphone-{account.name}.xml", "application/xml", text)
