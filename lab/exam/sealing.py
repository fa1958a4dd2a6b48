"""The commitment: a hash that is published before the injection, and that the revealed item must match."""

import hashlib
import secrets
from dataclasses import dataclass

import msgspec

from lab.exam.items import Item

NONCE_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Seal:
    """The sealed item. The nonce keeps a player from hashing every item of the catalogue."""

    nonce: str
    seed: int
    number: int | None
    item: Item

    @property
    def commitment(self) -> str:
        """SHA-256 of the nonce and the canonical JSON of seed, template number and item, in hexadecimal."""
        sealed = {"seed": self.seed, "number": self.number, "item": self.item}
        document = msgspec.json.encode(sealed, order="sorted")
        return hashlib.sha256(bytes.fromhex(self.nonce) + document).hexdigest()


def seal(seed: int, number: int | None, item: Item) -> Seal:
    """Return an item with a fresh nonce."""
    return Seal(nonce=secrets.token_hex(NONCE_BYTES), seed=seed, number=number, item=item)
