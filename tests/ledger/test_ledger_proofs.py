"""Proof files: each event of a ledger and each step of its growth, checked as anyone would, refused when changed."""

from __future__ import annotations

import base64
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import LedgerError
from edge.ledger import checkpoint, merkle, note, proof
from tests.docs.pages import ROOT, blocks
from tests.ledger.ledgers import KEY, KEYS, checkpoint_of, leaves, ledger, signed_event

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = ledger(30)
LEAVES = leaves(EVENTS)


def inclusion(place: int, size: int = 30) -> bytes:
    one = checkpoint_of(EVENTS, size)
    return proof.prove_inclusion(LEAVES, place, one, checkpoint.sign(one, KEY)).encoded()


@cache
def as_the_page_shows_it() -> Callable[[str, bytes], bool]:
    """The check on the page about the ledger."""
    [shown] = [block for block in blocks(ROOT / "docs" / "ledger.md") if block.language == "python"]
    names: dict[str, Any] = {}
    exec(shown.text, names)  # noqa: S102 - it is our own page
    check: Callable[[str, bytes], bool] = names["in_ledger"]
    return check


def check_by_hand(raw: bytes, event: bytes) -> bool:
    return as_the_page_shows_it()(raw.decode(), event)


@pytest.mark.parametrize("place", range(30))
def test_each_event_is_proven_to_be_in_the_ledger(place: int) -> None:
    raw = inclusion(place)
    read = proof.parse(raw)
    assert isinstance(read, proof.InclusionProof)
    assert read.encoded() == raw
    signed = checkpoint.verify_note(read.note, KEYS.values())
    assert read.holds(EVENTS[place], signed.checkpoint)
    assert check_by_hand(raw, EVENTS[place])
    for other in (EVENTS[place - 1], signed_event(place, place, salt=1)):
        assert not read.holds(other, signed.checkpoint)
        assert not check_by_hand(raw, other)


def test_an_inclusion_proof_looks_as_c2sp_writes_it() -> None:
    lines = inclusion(5, 8).decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 5"]
    assert [len(base64.b64decode(line)) for line in lines[2:5]] == [32, 32, 32]
    assert lines[5:8] == ["", "main-and-3rd/edge-1", "8"]


def test_extra_data_in_another_programs_proof_are_let_be() -> None:
    raw = inclusion(5)
    assert proof.parse(raw.replace(b"\nindex", b"\nextra bm90aGluZw==\nindex")) == proof.parse(raw)


@pytest.mark.parametrize("old_size", range(31))
def test_each_growth_is_proven(old_size: int) -> None:
    one, old_root = checkpoint_of(EVENTS), merkle.root_of(LEAVES[:old_size])
    made = proof.prove_growth(LEAVES, old_size, one, checkpoint.sign(one, KEY))
    read = proof.parse(made.encoded())
    assert read == made
    assert read.holds(old_root, one)
    if old_size:
        assert not read.holds(merkle.root_of(LEAVES[1 : old_size + 1]), one)


def test_no_proof_is_made_from_other_leaves_than_the_checkpoints() -> None:
    one = checkpoint_of(EVENTS)
    signed = checkpoint.sign(one, KEY)
    for other in (LEAVES[:29], (*LEAVES[:29], LEAVES[0])):
        with pytest.raises(LedgerError, match="does not lead to the checkpoint of 30 events"):
            proof.prove_inclusion(other, 3, one, signed)
        with pytest.raises(LedgerError, match="does not lead"):
            proof.prove_growth(other, 3, one, signed)
    with pytest.raises(LedgerError, match="none has the index 30"):
        proof.prove_inclusion(LEAVES, 30, one, signed)
    with pytest.raises(LedgerError, match="cannot have grown from 31"):
        proof.prove_growth(LEAVES, 31, one, signed)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"index 5\n\n",
        inclusion(5).replace(b"@v1", b"@v2"),
        inclusion(5).replace(b"index 5", b"index 05"),
        inclusion(5).replace(b"index 5", b"old 5"),
        inclusion(5).replace(b"index 5\n", b"index 5\nAAAA\n"),
        inclusion(5).replace(b"index 5\n", b"index 5\n" + (note.encode64(bytes(32)) + "\n").encode() * 64),
        b"old 5\n" + b"\xff\n\n",
        b"x" * 300_000,
    ],
)
def test_what_is_no_proof_is_refused(raw: bytes) -> None:
    with pytest.raises(LedgerError):
        proof.parse(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_proof_or_refused_in_words(raw: bytes) -> None:
    for given_bytes in (raw, b"c2sp.org/tlog-proof@v1\nindex " + raw, b"old 3\n" + raw):
        with pytest.raises(LedgerError):
            proof.parse(given_bytes)


@given(st.integers(0, 30), st.sets(st.integers(0, 29)))
def test_lists_of_leaf_hashes_survive_being_written(size: int, places: set[int]) -> None:
    erased = frozenset(place for place in places if place < size)
    assert proof.parse_leaves(proof.encode_leaves(LEAVES[:size], erased)) == (LEAVES[:size], erased)


@pytest.mark.parametrize(
    "raw",
    [b"AAAA\n", b"{}\n", b"\xff\n", proof.encode_leaves(LEAVES[:1])[:-1] + b" gone\n"],
    ids=["short", "braces", "no text", "another word"],
)
def test_what_is_no_list_of_leaf_hashes_is_refused(raw: bytes) -> None:
    with pytest.raises(LedgerError):
        proof.parse_leaves(raw)
