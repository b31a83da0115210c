"""The witness: countersigns what grew, refuses what was changed, cut or forked, and remembers across a crash."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from edge.commands.ledger import check_proof, countersign, create_witness_key
from edge.errors import LedgerError
from edge.ledger import checkpoint, note, proof, witness
from tests.ledger.ledgers import KEY, KEYS, ORIGIN, checkpoint_of, leaves, ledger, note_of, signed_event

if TYPE_CHECKING:
    from pathlib import Path

    from edge.commands.ledger import Witnessed
    from edge.ledger.note import WitnessKey

EVENTS = ledger(30)
FORKED = (*EVENTS[:10], signed_event(10, 10, salt=1), *EVENTS[11:])


class Court:
    """A witness with its key, its folder and what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen = folder / "seen"
        self.secret = folder / "court.key"
        self.key: WitnessKey = create_witness_key(self.secret, "court/w1")
        (folder / "node.pem").write_bytes(KEY.public.pem)

    def asked(self, raw: bytes) -> Witnessed:
        request = self.folder / "request"
        request.write_bytes(raw)
        return countersign(request, [self.folder / "node.pem"], self.secret, self.seen)

    def last(self) -> int | None:
        found = witness.Record(self.seen).last(ORIGIN, KEYS)
        return found.checkpoint.size if found else None


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


def growth(events: tuple[bytes, ...], old_size: int, size: int | None = None) -> bytes:
    one = checkpoint_of(events, size)
    return proof.prove_growth(leaves(events), old_size, one, checkpoint.sign(one, KEY)).encoded()


def test_a_ledger_is_countersigned_from_its_first_checkpoint_on(court: Court) -> None:
    first = court.asked(note_of(EVENTS, 4))
    assert first.words == "main-and-3rd/edge-1 at 4 events is countersigned by court/w1"
    for old, size in ((4, 5), (5, 5), (5, 16), (16, 30)):
        found = court.asked(growth(EVENTS, old, size))
        assert found.countersigned is not None
        signed = checkpoint.verify(found.countersigned, KEYS)
        assert signed.checkpoint == checkpoint_of(EVENTS, size)
        assert signed.cosigned_s(court.key) is not None
        assert court.last() == size


def test_the_same_checkpoint_is_countersigned_again(court: Court) -> None:
    court.asked(note_of(EVENTS, 4))
    assert court.asked(note_of(EVENTS, 4)).countersigned is not None


def test_a_fork_of_one_size_is_refused_and_both_checkpoints_are_kept(court: Court) -> None:
    court.asked(note_of(EVENTS, 12))
    found = court.asked(note_of(FORKED, 12))
    assert found.countersigned is None
    assert "two different ledgers of 12 events" in found.words
    assert found.fork_file is not None
    kept = note.parse_many(found.fork_file.read_bytes())
    assert [checkpoint.verify_note(one, KEYS.values()).checkpoint for one in kept] == [
        checkpoint_of(EVENTS, 12),
        checkpoint_of(FORKED, 12),
    ]
    assert court.last() == 12


@pytest.mark.parametrize("old_size", [12, 11, 20])
def test_a_ledger_that_was_changed_and_went_on_is_refused(court: Court, old_size: int) -> None:
    court.asked(note_of(EVENTS, old_size))
    found = court.asked(growth(FORKED, old_size))
    assert found.countersigned is None
    assert "something of them was changed" in found.words
    assert court.last() == old_size


def test_a_change_behind_what_was_seen_is_growth_like_any_other(court: Court) -> None:
    court.asked(note_of(EVENTS, 10))
    assert court.asked(growth(FORKED, 10)).countersigned is not None


def test_a_cut_ledger_and_an_old_checkpoint_are_refused(court: Court) -> None:
    court.asked(note_of(EVENTS, 12))
    assert "only 11" in court.asked(note_of(EVENTS, 11)).words
    assert "only 11" in court.asked(growth(EVENTS, 5, 11)).words


def test_a_proof_from_elsewhere_says_from_where_it_must_be(court: Court) -> None:
    court.asked(note_of(EVENTS, 12))
    for raw in (note_of(EVENTS, 20), growth(EVENTS, 11, 20), growth(EVENTS, 13, 20)):
        found = court.asked(raw)
        assert found.countersigned is None
        assert "'stopline ledger prove --since 12'" in found.words


def test_a_first_checkpoint_needs_no_proof_and_takes_none(court: Court) -> None:
    assert "without a proof" in court.asked(growth(EVENTS, 4, 20)).words
    assert court.last() is None


def test_a_checkpoint_that_the_node_did_not_sign_is_no_request(court: Court) -> None:
    forged = note_of(EVENTS, 4).replace(b"\n4\n", b"\n5\n")
    with pytest.raises(LedgerError, match="was changed"):
        court.asked(forged)
    assert court.last() is None


def test_nodes_are_kept_apart(court: Court) -> None:
    court.asked(note_of(EVENTS, 12))
    other = checkpoint.Checkpoint("main-and-3rd/edge_1", 3, bytes(32))
    assert court.asked(checkpoint.sign(other, KEY).encoded()).countersigned is not None
    assert court.last() == 12


def test_what_was_seen_is_remembered_before_the_signature_is_given(court: Court) -> None:
    """So that a crash in between costs a signature, and never lets two ledgers be countersigned."""
    found = court.asked(note_of(EVENTS, 12))
    [kept] = [path for path in court.seen.iterdir() if path.suffix == ".checkpoint"]
    assert kept.read_bytes() == found.countersigned


def test_of_two_ledgers_put_before_it_at_once_the_witness_countersigns_one(court: Court) -> None:
    court.asked(note_of(EVENTS, 10))
    requests = [court.folder / f"request-{number}" for number in range(12)]
    for number, request in enumerate(requests):
        request.write_bytes(growth(FORKED if number % 2 else EVENTS, 10, 11 + number // 2))

    def asked(request: Path) -> bytes | None:
        return countersign(request, [court.folder / "node.pem"], court.secret, court.seen).countersigned

    for _ in range(6):
        with ThreadPoolExecutor(len(requests)) as pool:
            signed = [checkpoint.verify(raw, KEYS).checkpoint for raw in pool.map(asked, requests) if raw]
    signed += [checkpoint.verify(raw, KEYS).checkpoint for raw in map(asked, requests) if raw]
    ledgers = [events for events in (EVENTS, FORKED) if any(one == checkpoint_of(events, one.size) for one in signed)]
    assert len(ledgers) == 1


def test_a_damaged_memory_is_an_error_and_no_new_beginning(court: Court) -> None:
    court.asked(note_of(EVENTS, 12))
    [kept] = [path for path in court.seen.iterdir() if path.suffix == ".checkpoint"]
    kept.write_bytes(kept.read_bytes().replace(b"\n12\n", b"\n11\n"))
    with pytest.raises(LedgerError, match="was changed"):
        court.asked(note_of(FORKED, 12))


def test_a_key_that_others_can_read_or_that_is_none_is_refused(court: Court) -> None:
    court.secret.chmod(0o644)
    with pytest.raises(LedgerError, match="chmod 600"):
        court.asked(note_of(EVENTS, 4))
    court.secret.chmod(0o600)
    court.secret.write_text("PRIVATE+KEY+court/w1+00000000+AAAA\n", encoding="utf-8")
    with pytest.raises(LedgerError, match="no witness's key"):
        court.asked(note_of(EVENTS, 4))


def test_a_key_is_never_replaced(court: Court) -> None:
    with pytest.raises(LedgerError, match="exists"):
        create_witness_key(court.secret, "court/w1")
    assert court.secret.stat().st_mode & 0o777 == 0o600


def test_who_checks_a_proof_can_ask_for_the_witness(court: Court) -> None:
    court.asked(note_of(EVENTS, 30))
    signed = witness.Record(court.seen).last(ORIGIN, KEYS)
    assert signed is not None
    (court.folder / "event").write_bytes(EVENTS[3])
    path = court.folder / "proof"
    path.write_bytes(proof.prove_inclusion(leaves(EVENTS), 3, signed.checkpoint, signed.note).encoded())
    options = {"event_file": court.folder / "event", "witnesses": [court.key.vkey]}
    assert check_proof(path, [court.folder / "node.pem"], **options).holds  # type: ignore[arg-type]
    alone = checkpoint.sign(signed.checkpoint, KEY)
    path.write_bytes(proof.prove_inclusion(leaves(EVENTS), 3, signed.checkpoint, alone).encoded())
    found = check_proof(path, [court.folder / "node.pem"], **options)  # type: ignore[arg-type]
    assert (found.holds, found.words) == (False, "the checkpoint is not countersigned by court/w1")
