"""baresip: a line of its `accounts` file."""

from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, lines

_ENCRYPTION = {"off": "", "optional": "srtp", "required": "srtp-mand"}
_CODECS = {"PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1", "G722": "G722/16000/1", "opus": "opus/48000/2"}


def render(account: Account) -> ProvisionFile:
    """The line; further settings are its parameters."""
    route = f"sip:{account.server}:{account.port};transport={account.transport}"
    parameters = {
        "auth_user": account.name,
        "auth_pass": account.password,
        "outbound": f'"{route}"',
        "regint": str(account.expires),
        "audio_codecs": ",".join(_CODECS[name] for name in account.codecs if name in _CODECS),
        "mediaenc": _ENCRYPTION[account.srtp],
        "dtmfmode": "info" if account.dtmf == "info" else "",
    } | dict(account.extra)
    tail = "".join(f";{name}={value}" for name, value in parameters.items() if value)
    display = account.display.replace('"', "'")
    text = lines(f'"{display}" <sip:{account.name}@{account.domain}>{tail}')
    return ProvisionFile(f"baresip-{account.name}", "text/plain; charset=utf-8", text)
