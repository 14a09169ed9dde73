"""Signs callers' numbers with a key from a file."""

from typing import TYPE_CHECKING

from softswitch.switch.settings import Stir

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


class FileSigner:
    """The key is read when settings come that it was not read for: at the first signature, and after each reload. Who
    signs nothing does not load the library."""

    def __init__(self) -> None:
        self._stir: Stir | None = None
        self._key: EllipticCurvePrivateKey | None = None

    def __call__(self, stir: Stir, octets: bytes) -> bytes:
        """64 octets. Raises `LocalError` without a key that can be used."""
        from softswitch.services import stir_keys

        if self._key is None or self._stir is not stir:
            self._key, self._stir = stir_keys.private_key(stir), stir
        return stir_keys.es256(self._key, octets)
