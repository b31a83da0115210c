"""The Merkle tree hash of RFC 6962, section 2.1: roots, proofs, and the right edge that lets a tree grow.

Pure: leaves in, hashes out. A hash is 32 bytes of SHA-256; places count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf: of a zero byte and the entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children: of a byte of one and both."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: the roots of its perfect subtrees, the largest first, one for each bit set in ``size``.

    All that a tree needs to grow and to tell its root: for a million leaves at most 20 hashes.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves has no right edge of {len(self.peaks)} hashes")

    def append(self, leaf: bytes) -> Self:
        """The edge once a leaf hash has been added."""
        peaks, merged, size = list(self.peaks), leaf, self.size
        while size & 1:
            merged = node_hash(peaks.pop(), merged)
            size >>= 1
        return type(self)(self.size + 1, (*peaks, merged))

    def extend(self, leaves: Iterable[bytes]) -> Self:
        """The edge once several leaf hashes have been added."""
        edge = self
        for leaf in leaves:
            edge = edge.append(leaf)
        return edge

    def root(self) -> bytes:
        """The Merkle tree hash of all leaves."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def packed(self) -> bytes:
        """The hashes in a row, to be stored beside the size."""
        return b"".join(self.peaks)

    @classmethod
    def unpacked(cls, size: int, packed: bytes) -> Self:
        """What ``packed`` gave for a tree of ``size`` leaves. Raises ValueError where the two do not fit."""
        if len(packed) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"{len(packed)} bytes are no right edge of a tree of {size} leaves")
        return cls(size, tuple(packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash over leaf hashes."""
    level = list(leaves)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []  # the last of an odd number moves up as it is
        level = [node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0] if level else EMPTY_ROOT


def inclusion_path(leaves: Sequence[bytes], place: int) -> tuple[bytes, ...]:
    """The audit path of RFC 6962, section 2.1.1, for one leaf; from the leaf's sibling up. IndexError: no such leaf."""
    if not 0 <= place < len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves has no place {place}")
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _left_size(end - start)
        if place < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def consistency_path(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """The proof of RFC 6962, section 2.1.2, that the tree began with the one of ``old_size`` leaves.

    Empty for the empty tree and for the same one. IndexError where the tree is smaller than that.
    """
    if not 0 <= old_size <= len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves never had {old_size}")
    if old_size in {0, len(leaves)}:
        return ()
    path: list[bytes] = []
    start, end, whole = 0, len(leaves), True  # whole: the old tree's own root is known to whoever checks
    while old_size != end:
        middle = start + _left_size(end - start)
        if old_size <= middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start, whole = middle, False
    if not whole:
        path.append(root_of(leaves[start:end]))
    return tuple(reversed(path))


def includes(root: bytes, size: int, place: int, leaf: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that a leaf hash lies at ``place`` of the tree (RFC 9162, section 2.1.3.2)."""
    if not (0 <= place < size and _are_hashes(root, leaf, *path)):
        return False
    node, last, found = place, size - 1, leaf
    for hash_ in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(hash_, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_root: bytes, old_size: int, root: bytes, size: int, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the tree began with the old one (RFC 9162, section 2.1.4.2)."""
    if not (0 <= old_size <= size and _are_hashes(old_root, root, *path)):
        return False
    if old_size == size:
        return old_root == root and not path
    if old_size == 0:
        return old_root == EMPTY_ROOT and not path
    return bool(path) and _leads_to_both(old_root, old_size, root, size, path)


def _leads_to_both(old_root: bytes, old_size: int, root: bytes, size: int, path: Sequence[bytes]) -> bool:
    hashes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_found = found = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_found, found = node_hash(hash_, old_found), node_hash(hash_, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        node, last = node >> 1, last >> 1
    return last == 0 and old_found == old_root and found == root


def _left_size(size: int) -> int:
    """The largest power of two smaller than ``size``: how many leaves the left subtree has."""
    return 1 << ((size - 1).bit_length() - 1)


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
