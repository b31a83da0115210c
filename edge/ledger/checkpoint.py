"""Checkpoints (c2sp.org/tlog-checkpoint): how many events a node has logged, and the root over all of them, signed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.errors import LedgerError
from edge.ledger import note
from edge.ledger.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge.keys import PublicKey, SigningKey
    from edge.ledger.merkle import Edge
    from edge.ledger.note import Note, WitnessKey

CONTENT_TYPE: Final = "text/plain; charset=utf-8"

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ledger of ``origin`` (``SITE/NODE``) when it held ``size`` events."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed: three lines."""
        return f"{self.origin}\n{self.size}\n{note.encode64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose node's signature holds, with the note it came in and the keys that signed it."""

    checkpoint: Checkpoint
    note: Note
    kids: tuple[str, ...] = ()

    def cosigned_s(self, witness: WitnessKey) -> int | None:
        """When a witness countersigned it, in seconds since 1970; None where it did not, or wrongly."""
        times = [witness.time_of(self.note.text, line) for line in self.note.by(witness.name, witness.key_id)]
        return times[0] if times else None


def origin_of(site: str, node: str) -> str:
    """The name of a node's ledger."""
    return f"{site}/{node}"


def of_edge(origin: str, edge: Edge) -> Checkpoint:
    """The checkpoint of a ledger as it stands."""
    return Checkpoint(origin, edge.size, edge.root())


def sign(checkpoint: Checkpoint, key: SigningKey) -> Note:
    """The checkpoint as a note, signed by its node."""
    text = checkpoint.text()
    return note.Note(text, (note.sign_ecdsa(text, checkpoint.origin, key),))


def read(text: str) -> Checkpoint:
    """The content of a checkpoint's note. Raises LedgerError where it is none; lines after the third are let be."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise LedgerError("The checkpoint needs three lines: whose ledger, how many events, the root over them")
    origin, size, root = lines[:3]
    if not _NUMBER.fullmatch(size):
        raise LedgerError(f"The checkpoint of {origin} counts {size[:40]!r} events, which is no number")
    hash_ = note.decode64(root, "the root of a checkpoint")
    if len(hash_) != HASH_BYTES:
        raise LedgerError(f"The root in the checkpoint of {origin} has {len(hash_)} bytes and not {HASH_BYTES}")
    return Checkpoint(origin, int(size), hash_)


def verify(raw: bytes, keys: Mapping[str, PublicKey]) -> SignedCheckpoint:
    """Read a checkpoint and check that a trusted key of its node signed it. Raises LedgerError in a reader's words."""
    return verify_note(note.parse(raw), keys.values())


def verify_note(signed: Note, keys: Iterable[PublicKey]) -> SignedCheckpoint:
    """As ``verify``, for a note that has been read already."""
    checkpoint = read(signed.text)
    known = [(key, line) for key in keys for line in signed.by(checkpoint.origin, note.ecdsa_key_id(key))]
    if not known:
        raise LedgerError(
            f"The checkpoint of {checkpoint.origin} at {checkpoint.size} events is signed by none of the trusted keys"
        )
    if not all(note.ecdsa_holds(signed.text, line, key) for key, line in known):
        raise LedgerError(
            f"The checkpoint of {checkpoint.origin} at {checkpoint.size} events was changed: its signature is wrong"
        )
    return SignedCheckpoint(checkpoint, signed, tuple(key.kid for key, _ in known))
