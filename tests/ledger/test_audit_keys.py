"""An audit over a change of keys, and over a theft: two successive keys are clean, what a dead key signed is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edge import event
from edge.commands import ledger as command
from edge.errors import ConfigError, KeyFileError
from edge.keys.revocation import Reason, Revocation, RevocationList, sign_list
from edge.keys.succession import sign_succession
from edge.ledger import checkpoint, merkle, proof
from edge.ledger.findings import Fault
from tests.cases import signing_key, unsigned
from tests.command import stopline

if TYPE_CHECKING:
    from pathlib import Path

    from edge.keys import FileKey

ORIGIN = "main-and-3rd/edge-1"
OLD, NEW = signing_key(0x01D), signing_key(0x4E3)
BEGAN = datetime(2026, 5, 4, 8, tzinfo=UTC)
CHANGED = BEGAN + timedelta(hours=10)
EVENTS = 20
MARKS = (5, 9, 10, 15, 20)


def at(number: int) -> datetime:
    return BEGAN + timedelta(hours=number)


def made(number: int, key: FileKey, claimed: datetime | None = None) -> bytes:
    """Event ``number``, counted from 0, of that hour."""
    document = {**unsigned(sequence=number + 1, frames=3), "id": event.uuid7(1_750_000_000_000 + number, bytes(10))}
    document["time"] = (claimed or at(number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return event.sign(document, key)


def note(lines: list[bytes], size: int, key: FileKey) -> bytes:
    edge = merkle.Edge().extend(merkle.leaf_hash(raw) for raw in lines[:size])
    return checkpoint.sign(checkpoint.of_edge(ORIGIN, edge), key).encoded()


class Kept:
    """A receiver's copy with what was published beside it."""

    def __init__(self, folder: Path, lines: list[bytes], marks: dict[int, FileKey]) -> None:
        self.folder = folder / "copy"
        (self.folder / "checkpoints").mkdir(parents=True)
        (self.folder / "events.jsonl").write_bytes(b"".join(raw + b"\n" for raw in lines))
        leaves = [merkle.leaf_hash(raw) for raw in lines]
        (self.folder / "leaves.txt").write_bytes(proof.encode_leaves(leaves))
        self.notes = {size: note(lines, size, key) for size, key in marks.items()}
        for size, raw in self.notes.items():
            (self.folder / "checkpoints" / f"{size:04}").write_bytes(raw)
        self.old, self.both = folder / "old.pem", folder / "both.pem"
        self.old.write_bytes(OLD.public.pem)
        self.both.write_bytes(NEW.public.pem + OLD.public.pem)
        self.succession = folder / "node.succession.json"
        self.succession.write_bytes(sign_succession(f"stopline://{ORIGIN}", OLD, NEW, CHANGED, at(12)) + b"\n")

    def came(self, events: dict[int, datetime], marks: dict[int, datetime]) -> None:
        digests = {command.sha256(self.notes[size]).hexdigest(): when for size, when in marks.items()}
        (self.folder / "received.txt").write_bytes(command.Came(events, digests).encoded())


def keys_of(number: int) -> FileKey:
    return OLD if number < 10 else NEW


@pytest.fixture
def changed(tmp_path: Path) -> Kept:
    """A ledger of 20 events: ten by the old key, then ten by the new one."""
    lines = [made(number, keys_of(number)) for number in range(EVENTS)]
    return Kept(tmp_path, lines, {size: keys_of(size - 1) for size in MARKS})


def test_two_successive_keys_in_one_file_are_clean(changed: Kept) -> None:
    report = command.audit_copy(changed.folder, [changed.both])
    assert report.sound
    assert len(report.audit.confirmed) == EVENTS


def test_the_old_key_vouches_for_the_new_one(changed: Kept) -> None:
    words = (changed.folder, "--key", changed.old, "--succession", changed.succession)
    outcome = stopline("ledger", "audit", *words)
    assert (outcome.code, outcome.err) == (0, "")
    assert "20 of 20 events are as the node logged them.\n" in outcome.out
    assert "Signed by a key that has ended since; nothing here tells whether before: events 1 to 10." in outcome.out
    changed.came({number: at(number) for number in range(EVENTS)}, {})
    assert "ended" not in stopline("ledger", "audit", *words).out


def test_without_the_statement_the_new_key_is_unknown(changed: Kept) -> None:
    outcome = stopline("ledger", "audit", changed.folder, "--key", changed.old)
    assert outcome.code == 2
    assert "signed by none of the trusted keys" in outcome.err


def test_a_statement_by_a_stranger_is_refused(changed: Kept) -> None:
    stranger = sign_succession(f"stopline://{ORIGIN}", signing_key(0xBAD), NEW, CHANGED, at(12))
    changed.succession.write_bytes(stranger)
    with pytest.raises(KeyFileError, match="not trusted here"):
        command.audit_copy(changed.folder, [changed.old], succession_files=[changed.succession])


def test_what_the_old_key_signs_after_its_end_is_named(tmp_path: Path) -> None:
    lines = [made(number, OLD if number == 13 else keys_of(number)) for number in range(EVENTS)]
    kept = Kept(tmp_path, lines, {10: OLD, 12: NEW, 15: OLD, 20: NEW})
    report = command.audit_copy(kept.folder, [kept.old], succession_files=[kept.succession])
    named = [(one.fault, one.index) for one in report.audit.findings]
    assert named == [(Fault.ENDED, None), (Fault.ENDED, 13)]
    assert "the checkpoint of 15 events was signed by the key" in report.audit.findings[0].words
    assert "after its end, for it counts an event of 2026-05-04T22:00:00Z" in report.audit.findings[0].words
    assert len(report.audit.confirmed) == EVENTS  # a later checkpoint by the new key covers them all


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """What ``ca crl`` publishes for the node, in ``trust``."""
    (tmp_path / "trust").mkdir()
    for words in (
        ("keys", "new", tmp_path / "node.key"),
        ("keys", "request", tmp_path / "node.key", "--node", ORIGIN),
        ("ca", "new", tmp_path / "ca", "--name", "Test City"),
        ("ca", "sign", tmp_path / "ca", tmp_path / "node.csr", "--for", ORIGIN),
        ("ca", "crl", tmp_path / "ca", "--out", tmp_path / "trust"),
    ):
        outcome = stopline(*words)
        assert outcome.code == 0, outcome.err
    (tmp_path / "trust" / "ca.pem").write_bytes((tmp_path / "ca" / "ca.pem").read_bytes())
    return tmp_path


def test_after_a_theft_the_events_and_checkpoints_of_the_thief_are_named(published: Path) -> None:
    from edge.keys import load_signing_key

    node, authority = load_signing_key(published / "node.key"), load_signing_key(published / "ca" / "ca.key")
    now = datetime.now(UTC).replace(microsecond=0)
    stolen = now + timedelta(minutes=10)

    def minute(number: int) -> datetime:
        return now + timedelta(minutes=number)

    # The events 8 and 9 were covered in time and came late; 10 and 11 are the thief's, who dates 10 back.
    claimed = [*(minute(number) for number in range(10)), minute(9), minute(11)]
    lines = [made(number, node, when) for number, when in enumerate(claimed)]
    kept = Kept(published, lines, dict.fromkeys((5, 10, 11, 12), node))
    came = {number: minute(number if number < 8 else 20) for number in range(12)}
    kept.came(came, {5: minute(5), 10: minute(9), 11: minute(20), 12: minute(20)})
    trust = published / "trust"
    assert command.audit_copy(kept.folder, [], trust_folder=trust).sound
    revoked = {node.kid: Revocation(node.kid, stolen, Reason.STOLEN)}
    listed = RevocationList(9, now, now + timedelta(days=30), revoked)
    (trust / "revocations.json").write_bytes(sign_list(listed, authority) + b"\n")
    report = command.audit_copy(kept.folder, [], trust_folder=trust)
    assert [(one.fault, one.index) for one in report.audit.findings] == [
        (Fault.ENDED, None),
        (Fault.ENDED, None),
        (Fault.ENDED, 10),
        (Fault.ENDED, 11),
    ]
    assert "was not known to anybody before" in report.audit.findings[2].words
    assert report.audit.confirmed == frozenset(range(10))
    outcome = stopline("ledger", "audit", kept.folder, "--trust", trust)
    assert outcome.code == 1
    assert outcome.out.count("ENDED: ") == 4


def test_an_audit_without_any_key_says_what_to_give(changed: Kept) -> None:
    with pytest.raises(ConfigError, match="--key, or --trust"):
        command.audit_copy(changed.folder, [])


@pytest.mark.parametrize("line", ["nonsense", "2026-05-04T12:00:00Z event x", "yesterday event 4"])
def test_times_that_cannot_be_read_are_said(changed: Kept, line: str) -> None:
    (changed.folder / "received.txt").write_text(line + "\n")
    with pytest.raises(ConfigError, match="does not say when what came"):
        command.audit_copy(changed.folder, [changed.both])
