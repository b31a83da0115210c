"""The ledger in the outbox's file: an event and its place are one, whatever fails, and whenever the node is killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edge.errors import LedgerError, OutboxError
from edge.ledger import merkle, store
from edge.outbox import Case, Kind, Message, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 60


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite") as opened:
        yield opened


def message(number: int, kind: Kind = Kind.EVENT) -> Message:
    return Message(f"{kind}-{number}", "t", "c", f"{kind} {number}".encode(), kind)


def hashes(*numbers: int) -> tuple[bytes, ...]:
    return tuple(merkle.leaf_hash(message(number).payload) for number in numbers)


def test_a_new_ledger_is_empty(outbox: Outbox) -> None:
    assert outbox.ledger() == merkle.Edge()
    assert outbox.leaves() == ()


def test_numbered_events_are_logged_in_their_order_and_stay_when_delivered(outbox: Outbox) -> None:
    for number in range(1, 40):
        outbox.append_numbered(message)
        assert outbox.ledger().size == number
    outbox.delivered([f"event-{number}" for number in range(1, 40)])
    assert outbox.leaves() == hashes(*range(1, 40))
    assert outbox.ledger().root() == merkle.root_of(hashes(*range(1, 40)))


def test_a_message_without_a_number_is_not_logged(outbox: Outbox) -> None:
    outbox.append(message(1))
    assert outbox.ledger().size == 0


def test_the_ledger_waits_for_the_oldest_open_case(outbox: Outbox) -> None:
    for number in (1, 2, 3):
        outbox.open_case(lambda sequence: Case(f"event-{sequence}", b"{}"))
        assert outbox.ledger().size == 0, number
    outbox.append_numbered(message)
    outbox.complete_case("event-2", [message(2), message(2, Kind.EVIDENCE)])
    assert outbox.ledger().size == 0
    outbox.complete_case("event-1", [message(1)])
    assert outbox.leaves() == hashes(1, 2)
    outbox.complete_case("event-3", [message(3)])
    assert outbox.leaves() == hashes(1, 2, 3, 4)


def test_what_could_not_be_queued_is_not_logged(outbox: Outbox) -> None:
    def fails(_number: int) -> Message:
        raise OutboxError("nothing to send")

    with pytest.raises(OutboxError, match="nothing to send"):
        outbox.append_numbered(fails)
    outbox.append_numbered(message)
    with pytest.raises(OutboxError, match="takes no message"):
        outbox.append_numbered(lambda _: message(1))
    outbox.append_numbered(message)
    assert outbox.leaves() == hashes(1, 2)


def test_a_case_is_completed_with_one_event(outbox: Outbox) -> None:
    outbox.open_case(lambda sequence: Case(f"event-{sequence}", b"{}"))
    for messages in ([message(1, Kind.EVIDENCE)], [message(1), message(2)]):
        with pytest.raises(OutboxError, match="one event and its evidence"):
            outbox.complete_case("event-1", messages)
    assert outbox.counts().open_cases == 1
    assert outbox.counts().pending == 0


def test_the_ledger_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    for number in range(1, 8):
        with Outbox(path) as outbox:
            outbox.append_numbered(message)
            assert outbox.leaves() == hashes(*range(1, number + 1))


def test_a_place_is_given_once() -> None:
    connection = sqlite3.connect(":memory:")
    store.create(connection)
    store.log(connection, 0, b"one")
    with pytest.raises(LedgerError, match="logged once"):
        store.log(connection, 0, b"another")
    assert store.leaves(connection) == (merkle.leaf_hash(b"one"),)


def test_events_numbered_before_there_was_a_ledger_have_empty_places() -> None:
    connection = sqlite3.connect(":memory:")
    store.create(connection, begins=3)
    store.log(connection, 1, b"completed late")
    store.log(connection, 3, b"the first")
    assert store.leaves(connection) == (*[store.BEFORE] * 3, merkle.leaf_hash(b"the first"))


def test_growing_costs_the_same_however_long_the_ledger_is() -> None:
    """Appending reads the right edge and no leaf before it."""
    connection = sqlite3.connect(":memory:")
    store.create(connection, begins=5000)
    connection.execute("DELETE FROM leaf WHERE place < 5000")
    store.log(connection, 5000, b"the next")
    edge = store.edge(connection)
    assert edge.size == 5001
    assert edge.root() == merkle.root_of([*[store.BEFORE] * 5000, merkle.leaf_hash(b"the next")])


# A child logs events as fast as it can, one case in three left open for a while, and says each root after the call that
# made it durable: what the parent reads there may have been published as a checkpoint.
KILLED = """
import os, random, sys
from pathlib import Path
from edge.outbox import Case, Message, Outbox
from tests.killing import kill_often

path, kills = Path(sys.argv[1]), int(sys.argv[2])
dice = random.Random(6962)

def child(run, pipe):
    with Outbox(path) as outbox:
        while True:
            for case in outbox.open_cases():
                if dice.random() < 0.5:
                    outbox.complete_case(case.id, [Message(case.id, "t", "c", case.payload)])
            if dice.random() < 0.3:
                outbox.open_case(lambda number: Case(f"e{number}", f"event {number}".encode()))
            else:
                outbox.append_numbered(lambda number: Message(f"e{number}", "t", "c", f"event {number}".encode()))
            edge = outbox.ledger()
            os.write(pipe, f"{edge.size} {edge.root().hex()}\\n".encode())

kill_often(kills, child, dice, 0.03)
"""


def test_killed_at_any_moment_the_ledger_is_consistent_with_every_root_it_has_told(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    command = [sys.executable, "-c", KILLED, str(path), str(KILLS)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    told = [line.split() for line in outcome.stdout.splitlines() if len(line.split()) == 2]
    with Outbox(path) as outbox:
        for case in outbox.open_cases():
            outbox.complete_case(case.id, [Message(case.id, "t", "c", case.payload)])
        leaves, edge = outbox.leaves(), outbox.ledger()
        last = int(outbox.append_numbered(lambda number: Message(str(number), "t", "c", b"")).id)
    assert len(told) > KILLS
    assert leaves == tuple(merkle.leaf_hash(f"event {number}".encode()) for number in range(1, last))
    assert edge == merkle.Edge().extend(leaves)
    grown, roots = merkle.Edge(), {0: merkle.EMPTY_ROOT.hex()}
    for leaf in leaves:
        grown = grown.append(leaf)
        roots[grown.size] = grown.root().hex()
    assert [(size, root) for size, root in told if roots[int(size)] != root] == []
