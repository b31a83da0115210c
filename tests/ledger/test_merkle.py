"""The Merkle tree against the vectors of the Certificate Transparency reference, and against RFC 6962 word for word."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ledger.merkle import (
    EMPTY_ROOT,
    Edge,
    consistency_path,
    includes,
    inclusion_path,
    is_consistent,
    leaf_hash,
    node_hash,
    root_of,
)

# Published with the reference implementation of Certificate Transparency: leaf inputs, the root over the first 1 to 8
# of them, audit paths (leaf, counted from 1, and tree size) and consistency proofs (old size, size).
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
PROOFS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in INPUTS]
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")

leaf_lists = st.integers(0, 130).map(lambda size: [leaf_hash(f"entry {number}".encode()) for number in range(size)])


def hashes(texts: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)


def recursive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + recursive_root(leaves[:k]) + recursive_root(leaves[k:])).digest()


def recursive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m < k:
        return [*recursive_path(m, leaves[:k]), recursive_root(leaves[k:])]
    return [*recursive_path(m - k, leaves[k:]), recursive_root(leaves[:k])]


def recursive_proof(m: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [recursive_root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m <= k:
        return [*recursive_proof(m, leaves[:k], whole=whole), recursive_root(leaves[k:])]
    return [*recursive_proof(m - k, leaves[k:], whole=False), recursive_root(leaves[:k])]


def wrong_paths(path: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """The path with something added, taken away or changed, as the reference's own tests do it."""
    flipped = [(*path[:at], bytes([path[at][0] ^ 8]) + path[at][1:], *path[at + 1 :]) for at in range(len(path))]
    return [
        (*path, b""),
        (b"", *path),
        (*path, SOME_HASH),
        (SOME_HASH, *path),
        *flipped,
        *([path[:-1], (path[0], *path)] if path else []),
        *([(path[0], SOME_HASH, *path[1:])] if len(path) > 1 else []),
    ]


def test_the_hashes_of_leaf_node_and_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert root_of([]) == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert Edge().extend(LEAVES[:size]).root().hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("number", "size"), PATHS)
def test_published_audit_paths(number: int, size: int) -> None:
    path, root = hashes(PATHS[number, size]), bytes.fromhex(ROOTS[size - 1])
    place, leaf = number - 1, LEAVES[number - 1]
    assert inclusion_path(LEAVES[:size], place) == path
    assert includes(root, size, place, leaf, path)
    for other in {place - 1, place + 1, place ^ 2} - {place}:
        assert not includes(root, size, other, leaf, path)
    for other in {size * 2, size // 2, 0} - {size}:
        assert not includes(root, other, place, leaf, path)
    for wrong in wrong_paths(path):
        assert not includes(root, size, place, leaf, wrong)
    for wrong_hash in (b"", b"WrongLeaf", SOME_HASH, EMPTY_ROOT):
        assert not includes(root, size, place, wrong_hash, path)
        assert not includes(wrong_hash, size, place, leaf, path)


@pytest.mark.parametrize(("old_size", "size"), PROOFS)
def test_published_consistency_proofs(old_size: int, size: int) -> None:
    path = hashes(PROOFS[old_size, size])
    old_root, root = bytes.fromhex(ROOTS[old_size - 1]), bytes.fromhex(ROOTS[size - 1])
    assert consistency_path(LEAVES[:size], old_size) == path
    assert is_consistent(old_root, old_size, root, size, path)
    for wrong in wrong_paths(path):
        assert not is_consistent(old_root, old_size, root, size, wrong)
    if path:
        for other in {old_size - 1, old_size + 1, old_size ^ 2}:
            assert not is_consistent(old_root, other, root, size, path)
        for other in {size * 2, size // 2}:
            assert not is_consistent(old_root, old_size, root, other, path)
        assert not is_consistent(root, old_size, old_root, size, path)
        assert not is_consistent(old_root, old_size, root, size, ())
    for wrong_hash in (b"", b"WrongRoot", SOME_HASH):
        assert not is_consistent(wrong_hash, old_size, root, size, path)
        assert not is_consistent(old_root, old_size, wrong_hash, size, path)


def test_a_ledger_never_shrinks_and_the_empty_one_is_where_all_began() -> None:
    root = bytes.fromhex(ROOTS[7])
    assert is_consistent(EMPTY_ROOT, 0, root, 8, ())
    assert not is_consistent(SOME_HASH, 0, root, 8, ())
    assert not is_consistent(EMPTY_ROOT, 0, root, 8, (SOME_HASH,))
    assert not is_consistent(root, 8, bytes.fromhex(ROOTS[6]), 7, ())


@settings(max_examples=60, deadline=None)
@given(leaf_lists, st.data())
def test_proofs_are_those_of_the_recursive_definition_and_hold(leaves: list[bytes], data: st.DataObject) -> None:
    root = recursive_root(leaves)
    assert root_of(leaves) == root
    old_size = data.draw(st.integers(0, len(leaves)))
    old_root = recursive_root(leaves[:old_size])
    path = consistency_path(leaves, old_size)
    if old_size:
        assert list(path) == recursive_proof(old_size, leaves)
    assert is_consistent(old_root, old_size, root, len(leaves), path)
    if leaves:
        place = data.draw(st.integers(0, len(leaves) - 1))
        inclusion = inclusion_path(leaves, place)
        assert list(inclusion) == recursive_path(place, leaves)
        assert includes(root, len(leaves), place, leaves[place], inclusion)


@settings(max_examples=60, deadline=None)
@given(leaf_lists.filter(bool), st.data())
def test_a_changed_leaf_is_proven_by_no_path_and_consistent_with_nothing(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size = len(leaves)
    place = data.draw(st.integers(0, size - 1))
    old_size = data.draw(st.integers(place + 1, size))
    changed = [*leaves[:place], leaf_hash(b"another"), *leaves[place + 1 :]]
    root = root_of(changed)
    assert not includes(root, size, place, leaves[place], inclusion_path(leaves, place))
    assert not includes(root, size, place, leaves[place], inclusion_path(changed, place))
    old_root = root_of(leaves[:old_size])
    assert not is_consistent(old_root, old_size, root, size, consistency_path(changed, old_size))
    assert not is_consistent(old_root, old_size, root, size, consistency_path(leaves, old_size))


@given(leaf_lists)
def test_an_edge_stays_small_and_survives_being_stored(leaves: list[bytes]) -> None:
    edge = Edge().extend(leaves)
    assert len(edge.peaks) == len(leaves).bit_count()
    again = Edge.unpacked(edge.size, edge.packed())
    assert again == edge
    assert again.append(SOME_HASH).root() == root_of([*leaves, SOME_HASH])


@pytest.mark.parametrize(("size", "packed"), [(3, b"x" * 32), (1, b"x" * 31), (0, b"x" * 32)])
def test_a_damaged_edge_is_refused(size: int, packed: bytes) -> None:
    with pytest.raises(ValueError, match="right edge"):
        Edge.unpacked(size, packed)


@pytest.mark.parametrize("place", [-1, 8])
def test_there_is_no_path_to_what_is_not_there(place: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path(LEAVES, place)


@pytest.mark.parametrize("old_size", [-1, 9])
def test_there_is_no_proof_from_a_size_the_tree_never_had(old_size: int) -> None:
    with pytest.raises(IndexError):
        consistency_path(LEAVES, old_size)
