"""``stopline ledger`` as a person runs it: from a node's outbox to a receiver's copy, its audit and its proofs."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from edge import event
from edge.commands import ledger as command
from edge.errors import ConfigError, LedgerError
from edge.ledger import checkpoint, note, proof
from edge.outbox import Message, Outbox
from tests.command import stopline
from tests.ledger.ledgers import KEY, ORIGIN, STRANGER, changed, leaves, ledger, note_of, signed_event, uuid_of

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 12
EVENTS = ledger(SIZE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A receiver's folder: events as they came, checkpoints as they were published, leaf hashes."""
    folder = tmp_path / "copy"
    (folder / "checkpoints").mkdir(parents=True)
    write(folder, EVENTS)
    for size in (4, 8, 12):
        (folder / "checkpoints" / f"{size}.txt").write_bytes(note_of(EVENTS, size))
    (folder / "leaves.txt").write_bytes(proof.encode_leaves(leaves(EVENTS)))
    (folder / "node.pem").write_bytes(KEY.public.pem)
    (folder / "stranger.pem").write_bytes(STRANGER.public.pem)
    return folder


def write(folder: Path, lines: list[bytes] | tuple[bytes, ...]) -> None:
    (folder / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def audited(folder: Path, **options: object) -> command.AuditReport:
    return command.audit_copy(folder, [folder / "node.pem"], **options)  # type: ignore[arg-type]


def test_a_whole_copy_is_sound(copy: Path) -> None:
    outcome = stopline("ledger", "audit", copy, "--key", copy / "node.pem")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "main-and-3rd/edge-1: 12 of 12 events are as the node logged them.\n"


def test_every_fault_is_named_in_words_and_for_programs(copy: Path) -> None:
    lines = [*EVENTS]
    lines[7] = changed(lines[7])
    del lines[3]
    lines[0], lines[1] = lines[1], lines[0]
    lines.append(lines[4])
    write(copy, lines)
    outcome = stopline("ledger", "audit", copy, "--key", copy / "node.pem")
    assert outcome.code == 1
    why = "the event was changed after it was signed: its signature does not match its content"
    assert outcome.out.splitlines() == [
        f"REORDERED: event 1 ({uuid_of(0)}) on line 2 and event 2 ({uuid_of(1)}) on line 1 have changed places",
        f"REORDERED: event 2 ({uuid_of(1)}) on line 1 and event 1 ({uuid_of(0)}) on line 2 have changed places",
        f"DROPPED: event 4 is missing (after {uuid_of(2)}, before {uuid_of(4)}): it was dropped",
        f"REPLAYED: event 6 ({uuid_of(5)}) stands again on line 12: it is that of line 5, replayed",
        f"REWRITTEN: event 8 ({uuid_of(7)}) on line 7 was rewritten: {why}",
        "main-and-3rd/edge-1: 10 of 12 events are as the node logged them.",
    ]
    document = stopline("ledger", "audit", copy, "--key", copy / "node.pem", "--json").json()
    assert document["origin"] == ORIGIN
    assert not document["sound"]
    assert [(one["fault"], one["index"]) for one in document["findings"]] == [
        ("reordered", 0),
        ("reordered", 1),
        ("dropped", 3),
        ("replayed", 5),
        ("rewritten", 7),
    ]


def test_a_file_of_events_is_audited_with_the_checkpoints_that_are_named(copy: Path) -> None:
    alone = copy / "alone.jsonl"
    shutil.copy(copy / "events.jsonl", alone)
    report = command.audit_copy(alone, [copy / "node.pem"])
    assert report.audit.uncovered == tuple(range(SIZE))
    report = command.audit_copy(alone, [copy / "node.pem"], checkpoint_files=[copy / "checkpoints" / "8.txt"])
    assert report.audit.confirmed == frozenset(range(8))
    assert report.audit.uncovered == tuple(range(8, 12))


def test_an_erased_event_is_said_to_be_erased(copy: Path) -> None:
    write(copy, [*EVENTS[:5], *EVENTS[6:]])
    (copy / "leaves.txt").write_bytes(proof.encode_leaves(leaves(EVENTS), frozenset({5})))
    outcome = stopline("ledger", "audit", copy, "--key", copy / "node.pem")
    assert outcome.code == 0
    assert outcome.out.splitlines()[1] == "Erased, with their places kept: event 6."


def test_events_of_other_nodes_are_left_aside_and_counted(copy: Path) -> None:
    document = {**event.read(EVENTS[0]).document, "source": "stopline://main-and-3rd/edge-2"}
    del document["signature"]
    write(copy, [*EVENTS, event.sign(document, KEY)])
    report = audited(copy)
    assert report.sound
    assert report.others == 1


def test_a_checkpoint_that_the_key_did_not_sign_is_named(copy: Path) -> None:
    with pytest.raises(LedgerError, match=r"12\.txt cannot be relied on: .* signed by none of the trusted keys"):
        command.audit_copy(copy, [copy / "stranger.pem"])


def test_whose_ledger_is_asked_for_where_it_is_not_clear(copy: Path) -> None:
    other = checkpoint.Checkpoint("elsewhere/edge-1", 0, bytes(32))
    (copy / "checkpoint").write_bytes(checkpoint.sign(other, KEY).encoded())
    with pytest.raises(ConfigError, match="elsewhere/edge-1, main-and-3rd/edge-1"):
        audited(copy)
    assert audited(copy, origin=ORIGIN).sound


TYPO = "main-and-3rd/egde-1"


def test_an_origin_of_which_nothing_is_there_is_no_sound_ledger(copy: Path) -> None:
    outcome = stopline("ledger", "audit", copy, "--key", copy / "node.pem", "--origin", TYPO)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"stopline: {copy} holds nothing of {TYPO}, but of {ORIGIN}: correct --origin\n"
    alone = copy / "alone.jsonl"
    shutil.copy(copy / "events.jsonl", alone)
    with pytest.raises(ConfigError, match=f"but of {ORIGIN}: correct --origin"):
        command.audit_copy(alone, [copy / "node.pem"], origin=TYPO)
    write(copy, [])
    with pytest.raises(ConfigError, match=f"but of {ORIGIN}: correct --origin"):
        audited(copy, origin=TYPO)


def test_an_empty_copy_is_no_sound_ledger(copy: Path) -> None:
    write(copy, [])
    shutil.rmtree(copy / "checkpoints")
    # Leaf hashes say nothing of whose they are, and without a checkpoint nothing of what they are.
    with pytest.raises(ConfigError, match=f"holds nothing of {ORIGIN}: give a copy"):
        audited(copy, origin=ORIGIN)


def test_a_witness_that_must_have_spoken_is_missed(copy: Path) -> None:
    vkey = stopline("ledger", "key", copy / "court.key", "--name", "court/w1").out.strip()
    outcome = stopline("ledger", "audit", copy, "--key", copy / "node.pem", "--witness", vkey)
    assert outcome.code == 1
    assert outcome.out.splitlines()[0] == "NOT COUNTERSIGNED: no checkpoint bears the word of court/w1"
    witness = ["ledger", "witness", "--key", copy / "node.pem", "--sign-with", copy / "court.key"]
    witness += ["--seen", copy / "seen", "--out", copy / "checkpoints" / "cosigned.txt"]
    outcome = stopline(*witness, copy / "checkpoints" / "12.txt")
    assert outcome.out == "main-and-3rd/edge-1 at 12 events is countersigned by court/w1\n"
    report = audited(copy, witnesses=[vkey])
    assert report.sound
    assert report.countersigned == {"court/w1": 12}
    outcome = stopline(*witness, copy / "checkpoints" / "8.txt")
    assert outcome.code == 1
    assert outcome.out.startswith("REFUSED: the last checkpoint seen of main-and-3rd/edge-1 counts 12 events")


@pytest.mark.parametrize("which", ["5", uuid_of(5)])
@pytest.mark.parametrize("source", ["", "leaves.txt", "events.jsonl", "outbox.sqlite"])
def test_an_event_is_proven_from_any_source_and_checked(copy: Path, source: str, which: str) -> None:
    if source == "outbox.sqlite":
        fill(copy / source)
    given = copy / source
    if which != "5" and source in {"leaves.txt", "outbox.sqlite"}:
        with pytest.raises(LedgerError, match="name it by its index"):
            command.prove_event(given, copy / "checkpoints" / "8.txt", [copy / "node.pem"], which)
        return
    made = command.prove_event(given, copy / "checkpoints" / "8.txt", [copy / "node.pem"], which)
    (copy / "proof").write_bytes(made)
    (copy / "event").write_bytes(EVENTS[5] + b"\n")
    outcome = stopline("ledger", "check", copy / "proof", "--key", copy / "node.pem", "--event", copy / "event")
    assert (outcome.code, outcome.out) == (
        0,
        f"PROVEN: event {uuid_of(5)} has index 5 in the ledger of main-and-3rd/edge-1 at 8 events\n",
    )
    (copy / "event").write_bytes(signed_event(5, 5, salt=1))
    outcome = stopline("ledger", "check", copy / "proof", "--key", copy / "node.pem", "--event", copy / "event")
    assert outcome.code == 1
    assert outcome.out.startswith("NOT PROVEN: ")


def fill(path: Path) -> None:
    with Outbox(path) as outbox:
        for place in range(SIZE):
            raw = signed_event(place, place)
            outbox.append_numbered(lambda _, raw=raw, place=place: Message(uuid_of(place), "t", "c", raw))  # type: ignore[misc]


def test_growth_is_proven_and_checked(copy: Path) -> None:
    words = ["ledger", "prove", copy, "--checkpoint", copy / "checkpoints" / "12.txt", "--key", copy / "node.pem"]
    assert stopline(*words, "--since", 4, "--out", copy / "growth").code == 0
    check = ["ledger", "check", copy / "growth", "--key", copy / "node.pem", "--old"]
    outcome = stopline(*check, copy / "checkpoints" / "4.txt")
    assert (outcome.code, outcome.out) == (0, "PROVEN: main-and-3rd/edge-1 only grew from 4 to 12 events\n")
    outcome = stopline(*check, copy / "checkpoints" / "8.txt")
    assert outcome.code == 1
    assert "the old checkpoint counts 8" in outcome.out
    forked = (*EVENTS[:3], signed_event(3, 3, salt=1))
    (copy / "forked.txt").write_bytes(note_of(forked))
    outcome = stopline(*check, copy / "forked.txt")
    assert outcome.out == (
        "NOT PROVEN: the proof does not show that main-and-3rd/edge-1 only grew from 4 to 12 events\n"
    )


def test_leaf_hashes_are_printed_from_an_outbox(copy: Path) -> None:
    fill(copy / "outbox.sqlite")
    outcome = stopline("ledger", "leaves", copy / "outbox.sqlite")
    assert outcome.out.encode() == (copy / "leaves.txt").read_bytes()


def test_a_nodes_key_is_printed_for_other_programs(copy: Path) -> None:
    outcome = stopline("ledger", "vkey", copy / "node.pem", "--origin", ORIGIN)
    assert outcome.out.strip() == note.ecdsa_vkey(ORIGIN, KEY.public)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["audit", "absent", "--key", "node.pem"], "absent cannot be read"),
        (["audit", "."], "No key to check with"),
        (["audit", ".", "--key", "absent"], "absent does not exist"),
        (["audit", ".", "--key", "node.pem", "--witness", "nobody"], "no proper base64"),
        (["audit", ".", "--key", "node.pem", "--leaves", "node.pem"], "list of leaf hashes"),
        (["prove", ".", "--checkpoint", "checkpoints/8.txt", "--key", "node.pem", "--out", "p"], "Say what to prove"),
        (
            ["prove", ".", "--checkpoint", "checkpoints/8.txt", "--key", "node.pem", "--out", "p", "--event", "nobody"],
            "holds no event nobody",
        ),
        (["prove", ".", "--checkpoint", "node.pem", "--key", "node.pem", "--out", "p", "--since", "1"], "checkpoints"),
        (["check", "events.jsonl", "--key", "node.pem"], "no proof of a ledger"),
        (["witness", "checkpoints/8.txt", "--sign-with", "node.pem", "--seen", "s", "--out", "o"], "No key to check"),
        (["leaves", "node.pem"], "list of leaf hashes"),
        (["key", "node.pem", "--name", "court"], "node.pem exists"),
        (["key", "court.key", "--name", "the court"], "cannot name a key"),
    ],
)
def test_bad_input_ends_in_one_sentence(copy: Path, words: list[str], error: str) -> None:
    outcome = stopline("ledger", *words, cwd=copy)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    assert error in outcome.err
    assert not (copy / "p").exists()
    assert not (copy / "court.key").exists()
