"""The brands, and the file of each."""

from collections.abc import Mapping
from typing import Final

from softswitch.services.provisioning import baresip, cisco, fanvil, grandstream, linphone, snom, yealink
from softswitch.services.provisioning.account import Account
from softswitch.services.provisioning.file import ProvisionFile, Render
from softswitch.switch.settings import Brand

BRANDS: Final[Mapping[Brand, Render]] = {
    "yealink": yealink.render,
    "snom": snom.render,
    "grandstream": grandstream.render,
    "cisco": cisco.render,
    "fanvil": fanvil.render,
    "linphone": linphone.render,
    "baresip": baresip.render,
}
PROGRAMS: Final = frozenset({"linphone", "baresip"})
"""They have no hardware address."""


def file_of(account: Account) -> ProvisionFile:
    """The file for the account's device."""
    return BRANDS[account.brand](account)
