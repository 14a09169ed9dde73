"""SRTP for the generator's phones: each packet sealed before it goes, opened when it has come, in place."""

import os
from typing import Final

import numpy as np

from bench.media.datagrams import Ints, Octets
from softswitch.media.srtp import Cipher, Memory

SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
KEY: Final = 30
"""Octets of master key and salt."""


def keys(phones: int) -> list[tuple[bytes, bytes]]:
    """For each phone: its own key, and the one that media seals with."""
    return [(os.urandom(KEY), os.urandom(KEY)) for _ in range(phones)]


class Sealed:
    """`sent` [phones, room] holds what each phone sends next, `received` [n, room] what came last."""

    def __init__(self, keys: list[tuple[bytes, bytes]], sent: Octets, received: Octets) -> None:
        self._out = [Cipher(SUITE, own, outbound=True) for own, _ in keys]
        self._in = [Cipher(SUITE, theirs, outbound=False) for _, theirs in keys]
        self._sent, self._received = Memory(sent.reshape(-1).data), Memory(received.reshape(-1).data)
        self._room = sent.shape[1]

    def seal(self, first: int, last: int, lengths: Ints) -> Ints:
        """The new lengths of the packets of the phones `first` … `last` − 1."""
        room, memory = self._room, self._sent
        sealed = [
            self._out[phone].protect(memory, phone * room, length)
            for phone, length in zip(range(first, last), lengths.tolist(), strict=True)
        ]
        return np.array(sealed, np.int64)

    def open(self, phones: Ints, lengths: Ints) -> Ints:
        """The clear lengths of the packets received for `phones`; −1 for what was forged or came twice."""
        room, memory, ciphers = self._room, self._received, self._in
        opened = [
            ciphers[phone].unprotect(memory, n * room, length) if phone >= 0 else -1
            for n, (phone, length) in enumerate(zip(phones.tolist(), lengths.tolist(), strict=True))
        ]
        return np.array(opened, np.int64)
