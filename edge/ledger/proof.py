"""Proofs as small text files that anyone can check, with this program or another.

That an event is in a ledger: c2sp.org/tlog-proof. That a ledger only grew: the request of c2sp.org/tlog-witness, which
holds an old size, a consistency proof and a checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.errors import LedgerError
from edge.ledger import merkle, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.ledger.checkpoint import Checkpoint
    from edge.ledger.note import Note

INCLUSION: Final = "c2sp.org/tlog-proof@v1"
MAX_HASHES: Final = 63
MAX_PROOF_BYTES: Final = note.MAX_NOTE_BYTES + 10_000

_NUMBERED = re.compile(r"(index|old) (0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That something lies at ``place`` (from 0) of the ledger that ``note`` is the checkpoint of."""

    place: int
    path: tuple[bytes, ...]
    note: Note

    def encoded(self) -> bytes:
        """The proof as a file."""
        return f"{INCLUSION}\nindex {self.place}\n{_lines(self.path)}\n".encode() + self.note.encoded()

    def holds(self, entry: bytes, checkpoint: Checkpoint) -> bool:
        """Whether these bytes of an event are what lies there; ``checkpoint`` is that of ``note``, verified."""
        leaf = merkle.leaf_hash(entry)
        return merkle.includes(checkpoint.root, checkpoint.size, self.place, leaf, self.path)


@dataclass(frozen=True, slots=True)
class GrowthProof:
    """That the ledger of ``note``, a checkpoint, began with what it was when it had ``old_size`` events."""

    old_size: int
    path: tuple[bytes, ...]
    note: Note

    def encoded(self) -> bytes:
        """The proof as a file, which is a request to a witness as well."""
        return f"old {self.old_size}\n{_lines(self.path)}\n".encode() + self.note.encoded()

    def holds(self, old_root: bytes, checkpoint: Checkpoint) -> bool:
        """Whether nothing of the old ledger was changed; ``checkpoint`` is that of ``note``, verified."""
        if self.old_size == 0:  # every ledger began with the empty one, whatever stood for its root
            return not self.path
        return merkle.is_consistent(old_root, self.old_size, checkpoint.root, checkpoint.size, self.path)


def prove_inclusion(leaves: Sequence[bytes], place: int, checkpoint: Checkpoint, signed: Note) -> InclusionProof:
    """The proof for one place, from all leaf hashes up to the checkpoint. Raises LedgerError where they do not fit."""
    known = _fitting(leaves, checkpoint)
    if not 0 <= place < checkpoint.size:
        raise LedgerError(
            f"The checkpoint counts {checkpoint.size} events, so none has the index {place}: take a later checkpoint"
        )
    return InclusionProof(place, merkle.inclusion_path(known, place), signed)


def prove_growth(leaves: Sequence[bytes], old_size: int, checkpoint: Checkpoint, signed: Note) -> GrowthProof:
    """The proof that the ledger only grew since ``old_size``. Raises LedgerError where it never had that size."""
    known = _fitting(leaves, checkpoint)
    if not 0 <= old_size <= checkpoint.size:
        raise LedgerError(f"The checkpoint counts {checkpoint.size} events: it cannot have grown from {old_size}")
    return GrowthProof(old_size, merkle.consistency_path(known, old_size), signed)


def parse(raw: bytes) -> InclusionProof | GrowthProof:
    """Read either kind of proof. Raises LedgerError."""
    if len(raw) > MAX_PROOF_BYTES:
        raise LedgerError(f"A proof of {len(raw)} bytes is none: give a file that 'stopline ledger prove' wrote")
    head, blank, rest = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        lines = []
    inclusion = lines[:1] == [INCLUSION]
    lines = lines[1:] if inclusion else lines
    if inclusion and lines and lines[0].startswith("extra "):
        lines = lines[1:]
    first = _NUMBERED.fullmatch(lines[0]) if lines else None
    if not blank or first is None or (first[1] == "index") is not inclusion:
        raise LedgerError("This is no proof of a ledger: give a file that 'stopline ledger prove' wrote")
    path = _path(lines[1:])
    return (InclusionProof if inclusion else GrowthProof)(int(first[2]), path, note.parse(rest))


def encode_leaves(leaves: Sequence[bytes], erased: frozenset[int] = frozenset()) -> bytes:
    """Leaf hashes as a text file: one a line, in the ledger's order; those of erased events are marked."""
    return "".join(
        note.encode64(leaf) + (" erased\n" if place in erased else "\n") for place, leaf in enumerate(leaves)
    ).encode()


def parse_leaves(raw: bytes) -> tuple[tuple[bytes, ...], frozenset[int]]:
    """What ``encode_leaves`` gave. Raises LedgerError."""
    lines = raw.decode("ascii", errors="replace").splitlines()
    marks = [line.partition(" ") for line in lines]
    if any(mark not in {"", "erased"} for _, _, mark in marks):
        raise LedgerError("The list of leaf hashes holds something else: give what 'stopline ledger leaves' wrote")
    leaves = tuple(_hash(encoded) for encoded, _, _ in marks)
    return leaves, frozenset(place for place, (_, _, mark) in enumerate(marks) if mark)


def _fitting(leaves: Sequence[bytes], checkpoint: Checkpoint) -> Sequence[bytes]:
    known = leaves[: checkpoint.size]
    if len(known) < checkpoint.size or merkle.root_of(known) != checkpoint.root:
        raise LedgerError(
            f"What is known of the ledger ({len(leaves)} events) does not lead to the checkpoint of "
            f"{checkpoint.size} events: run 'stopline ledger audit' to see where they differ"
        )
    return known


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(note.encode64(hash_) + "\n" for hash_ in hashes)


def _path(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > MAX_HASHES:
        raise LedgerError(f"A proof has at most {MAX_HASHES} hashes, this one {len(lines)}")
    return tuple(_hash(line) for line in lines)


def _hash(line: str) -> bytes:
    hash_ = note.decode64(line, "a hash")
    if len(hash_) != merkle.HASH_BYTES:
        raise LedgerError(f"{line[:60]!r} is no hash of {merkle.HASH_BYTES} bytes")
    return hash_
