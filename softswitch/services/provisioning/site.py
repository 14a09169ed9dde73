"""All devices of a site: their accounts with secrets and addresses, and the file behind an address."""

from pathlib import Path

from softswitch.kernel.errors import LocalError
from softswitch.services.provisioning.account import Account, account_of, provisioned
from softswitch.services.provisioning.brands import PROGRAMS, file_of
from softswitch.services.provisioning.file import ProvisionFile
from softswitch.services.provisioning.secrets import DeviceSecrets
from softswitch.switch.settings import Settings

PREFIX = "/d/"


class ProvisioningSite:
    """`settings` may be exchanged; secrets are kept in the data directory."""

    def __init__(self, settings: Settings, data_dir: Path) -> None:
        self.settings = settings
        self.secrets = DeviceSecrets(data_dir)

    def account(self, phone: str) -> Account:
        """The phone's account. Raises `LocalError`."""
        if phone not in provisioned(self.settings):
            account_of(self.settings, phone)  # says what is missing
        secret = self.secrets.of(phone)
        return account_of(self.settings, phone, secret.admin, self._base(secret.link))

    def file(self, phone: str) -> ProvisionFile:
        """What the phone's device is told. Raises `LocalError`."""
        return file_of(self.account(phone))

    def url(self, phone: str) -> str:
        """The address to enter in the device, or to show as a QR code; it finds its file's name by itself, a program
        does not. Raises `LocalError` when files are not served."""
        account = self.account(phone)
        if not account.url:
            raise LocalError("files are not served: give [provisioning] listen an address such as 0.0.0.0:8444")
        return account.url + file_of(account).name if account.brand in PROGRAMS else account.url

    def asked(self, link: str, name: str) -> tuple[str, ProvisionFile] | None:
        """The phone and its file, when `link` is the phone's and `name` one that its device asks for."""
        phone = self.secrets.owner(link)
        if phone is None or phone not in provisioned(self.settings):
            return None
        try:
            account = self.account(phone)
        except LocalError:
            return None
        file = file_of(account)
        return (phone, file) if name.lower() in _names(account, file) else None

    def _base(self, link: str) -> str:
        site = self.settings.provisioning
        if site.listen is None:
            return ""
        port = site.listen.rpartition(":")[2]
        root = site.url or f"https://{site.server or self.settings.sip.domain}:{port}"
        return f"{root.rstrip('/')}{PREFIX}{link}/"


def _names(account: Account, file: ProvisionFile) -> frozenset[str]:
    """Devices ask for several names; what is not theirs alone has nothing new for them."""
    names = {file.name.lower()}
    if account.brand == "snom":
        names.add("")  # setting_server is the whole address
    if account.brand == "grandstream":
        names.add(f"cfg{account.mac}")
    return frozenset(names)
