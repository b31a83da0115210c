"""What the broker has taken stays until a receiver has it and for as long as it is to be kept, and no longer."""

from __future__ import annotations

import sqlite3
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.delivery import Keeping
from edge.errors import OutboxError
from edge.outbox import Case, Counts, Kind, Message, Outbox, State

if TYPE_CHECKING:
    from pathlib import Path

HOUR_MS = 3_600_000
HOUR_S = 3600.0


class Clock:
    """UTC as a test sets it."""

    def __init__(self) -> None:
        self.ms = 1_780_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(path: Path, clock: Clock, *, keep_s: float = 0.0, receipts: bool = True, **more: int) -> Outbox:
    return Outbox(path, keeping=Keeping(receipts=receipts, keep_s=keep_s), utc_ms=clock, **more)


def rows_of(event_id: str, parts: int) -> list[Message]:
    evidence = [f"{event_id}/evidence", *(f"{event_id}/evidence/{index}" for index in range(1, parts))][:parts]
    return [
        Message(event_id, "t/event", "c", event_id.encode()),
        *(Message(name, "t/evidence", "c", name.encode(), Kind.EVIDENCE) for name in evidence),
    ]


def record(outbox: Outbox, event_id: str, parts: int = 0) -> list[str]:
    """An event with so many messages of evidence in the queue; gives the ids of its rows."""
    outbox.open_case(lambda _: Case(event_id, b"{}"))
    messages = rows_of(event_id, parts)
    outbox.complete_case(event_id, messages)
    return [one.id for one in messages]


def states(outbox: Outbox) -> dict[str, str]:
    return {row.message.id: row.state.value for row in outbox.rows(1000)}


def waiting(outbox: Outbox) -> list[str]:
    return [row.message.id for row in outbox.pending(1000)]


def test_what_the_broker_took_awaits_its_receipt_and_goes_with_it(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        names = record(outbox, "e1", 3)
        assert outbox.delivered(names) == 4
        assert states(outbox) == dict.fromkeys(names, "sent")
        assert waiting(outbox) == []
        assert outbox.counts() == Counts(0, 0, 0, outbox.counts().waiting_bytes, sent=4)
        assert outbox.confirmed("e1", whole=True) == 4
        assert states(outbox) == {}
        assert outbox.counts() == Counts(0, 0, 4, 0)


def test_an_event_stays_beside_its_evidence_until_that_is_confirmed(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        outbox.delivered(record(outbox, "e1", 2))
        assert outbox.confirmed("e1", whole=False) == 1
        assert states(outbox) == {"e1": "kept", "e1/evidence": "sent", "e1/evidence/1": "sent"}
        assert outbox.event("e1") == b"e1"
        assert outbox.confirmed("e1", whole=False) == 0
        clock.ms += 1000 * HOUR_MS
        assert outbox.tend() == 2
        assert waiting(outbox) == ["e1/evidence", "e1/evidence/1"]
        assert outbox.confirmed("e1", whole=True) == 2
        assert states(outbox) == {}
        assert outbox.counts().delivered == 3
        assert outbox.event("e1") is None


def test_a_receipt_frees_its_own_event_and_no_other(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        for name in ("e1", "e10", "e1-2", "e2"):
            outbox.delivered(record(outbox, name, 2))
        assert outbox.confirmed("e1", whole=True) == 3
        assert {name.partition("/")[0] for name in states(outbox)} == {"e10", "e1-2", "e2"}
        assert outbox.confirmed("never", whole=True) == 0


def test_confirmed_messages_are_kept_for_as_long_as_is_said(path: Path, clock: Clock) -> None:
    with opened(path, clock, keep_s=72 * HOUR_S) as outbox:
        names = record(outbox, "e1", 2)
        outbox.delivered(names)
        outbox.confirmed("e1", whole=True)
        assert states(outbox) == dict.fromkeys(names, "kept")
        assert outbox.counts() == Counts(0, 0, 3, outbox.counts().waiting_bytes, kept=3)
    clock.ms += 71 * HOUR_MS
    with opened(path, clock, keep_s=72 * HOUR_S) as outbox:
        outbox.confirmed("e1", whole=True)  # the same receipt again lengthens nothing
        assert outbox.tend() == 0
        assert states(outbox) == dict.fromkeys(names, "kept")
        clock.ms += HOUR_MS
        outbox.tend()
        assert states(outbox) == {}
        assert outbox.counts() == Counts(0, 0, 3, 0)


def test_without_a_receiver_the_brokers_word_begins_the_time(path: Path, clock: Clock) -> None:
    with opened(path, clock, keep_s=HOUR_S, receipts=False) as outbox:
        names = record(outbox, "e1", 1)
        outbox.delivered(names)
        assert states(outbox) == dict.fromkeys(names, "kept")
        assert waiting(outbox) == []
        clock.ms += HOUR_MS
        outbox.tend()
        assert outbox.counts() == Counts(0, 0, 2, 0)


def test_without_a_receipt_it_is_sent_again_ever_more_rarely(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        names = record(outbox, "e1", 1)
        began_ms = clock.ms
        sent_at_h: list[int] = []
        while len(sent_at_h) < 8:
            if waiting(outbox):
                assert waiting(outbox) == names
                sent_at_h.append((clock.ms - began_ms) // HOUR_MS)
                outbox.delivered(names)
            clock.ms += HOUR_MS
            assert outbox.tend() in (0, 2)
        assert sent_at_h == [0, 1, 3, 7, 15, 31, 55, 79]
        assert outbox.counts().delivered == 0


def test_a_receipt_may_be_quicker_than_the_brokers_answer(path: Path, clock: Clock) -> None:
    with opened(path, clock, keep_s=HOUR_S) as outbox:
        names = record(outbox, "e1", 1)
        assert outbox.confirmed("e1", whole=True) == 2
        assert waiting(outbox) == []
        assert outbox.delivered(names) == 2
        assert states(outbox) == dict.fromkeys(names, "kept")
        assert outbox.counts().delivered == 2


def test_a_receipt_confirms_what_waits_to_be_sent_again_or_was_refused(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        names = record(outbox, "e1", 2)
        outbox.delivered(names)
        clock.ms += HOUR_MS
        assert outbox.tend() == 3
        outbox.refused("e1/evidence", "Quota exceeded")
        assert states(outbox)["e1/evidence"] == "refused"
        assert waiting(outbox) == ["e1", "e1/evidence/1"]
        assert outbox.confirmed("e1", whole=True) == 3
        assert outbox.counts() == Counts(0, 0, 3, 0)


@pytest.mark.parametrize("days", [-400, -1, 400])
def test_a_clock_that_is_set_lengthens_no_wait(path: Path, clock: Clock, days: int) -> None:
    with opened(path, clock, keep_s=HOUR_S) as outbox:
        outbox.delivered(record(outbox, "sent", 1))
        outbox.delivered(record(outbox, "kept", 1))
        outbox.confirmed("kept", whole=True)
        clock.ms += days * 24 * HOUR_MS
        outbox.tend()
        clock.ms += HOUR_MS
        outbox.tend()
        assert "kept" not in states(outbox)
        clock.ms += 23 * HOUR_MS
        outbox.tend()
        assert waiting(outbox) == ["sent", "sent/evidence"]


def test_receivers_may_be_taken_out_of_the_node_file(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        for name in ("e1", "e2", "e3"):
            outbox.delivered(record(outbox, name, 1))
        outbox.confirmed("e2", whole=False)
        record(outbox, "e4")
    with opened(path, clock, receipts=False) as outbox:
        assert outbox.tend() == 0
        assert states(outbox) == {"e4": "pending"}
        assert outbox.counts() == Counts(1, 0, 6, 2)


def test_receivers_may_be_put_into_the_node_file(path: Path, clock: Clock) -> None:
    with opened(path, clock, receipts=False, keep_s=HOUR_S) as outbox:
        outbox.delivered(record(outbox, "e1", 1))
        record(outbox, "e2")
    with opened(path, clock) as outbox:
        outbox.delivered(["e2"])
        outbox.tend()
        assert states(outbox) == {"e2": "sent"}


def test_what_is_sent_or_kept_takes_room_and_is_never_deleted_for_it(path: Path, clock: Clock) -> None:
    with opened(path, clock, keep_s=HOUR_S, max_messages=3) as outbox:
        for name in ("e1", "e2", "e3"):
            outbox.append(Message(name, "t", "c", b"x"))
        outbox.delivered(["e1", "e2"])
        outbox.confirmed("e1", whole=True)
        with pytest.raises(
            OutboxError, match="is full with 3 messages of 3 bytes, 1 of which await a receipt and 1 are"
        ):
            outbox.append(Message("e4", "t", "c", b"x"))
        assert states(outbox) == {"e1": "kept", "e2": "sent", "e3": "pending"}
        clock.ms += HOUR_MS
        outbox.tend()
        outbox.append(Message("e4", "t", "c", b"x"))


def test_many_rows_go_a_hundred_at_a_time(path: Path, clock: Clock) -> None:
    with opened(path, clock) as outbox:
        outbox.delivered(record(outbox, "e1", 250))
        assert outbox.confirmed("e1", whole=True) == 251
        assert outbox.counts().kept == 151
        outbox.tend()
        outbox.tend()
        assert outbox.counts() == Counts(0, 0, 251, 0)


def test_a_kept_message_leaves_nothing_in_the_file(path: Path, clock: Clock) -> None:
    with opened(path, clock, keep_s=HOUR_S) as outbox:
        outbox.append(Message("e1", "t", "c", b"UNIQUE-CONTENT" * 300))
        outbox.delivered(["e1"])
        outbox.confirmed("e1", whole=True)
        clock.ms += HOUR_MS
        outbox.tend()
    assert b"UNIQUE-CONTENT" not in path.read_bytes()


def pages_written(outbox: Outbox) -> int:
    """How many pages the log has taken since the last call."""
    return int(outbox._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])


def test_nothing_is_written_again_when_a_message_changes_how_it_stands(path: Path, clock: Clock) -> None:
    """A payload costs the disk once: a card wears out by what is written to it."""
    with opened(path, clock, keep_s=HOUR_S) as outbox:
        outbox.append(Message("e1", "t", "c", bytes(1_000_000)))
        assert pages_written(outbox) > 240
        outbox.delivered(["e1"])
        outbox.confirmed("e1", whole=True)
        assert 0 < pages_written(outbox) < 20


# The tables of version 2 that version 3 adds to, as that wrote them; those of the ledger are as they were.
TO_VERSION_2 = """
DROP TABLE taken;
PRAGMA user_version = 2;
"""


def test_an_outbox_of_version_2_is_taken_over_with_all_it_holds(path: Path, clock: Clock) -> None:
    with Outbox(path) as outbox:
        names = record(outbox, "e1", 2)
        record(outbox, "e2")
        outbox.delivered(["e1", "e2"])
    connection = sqlite3.connect(path)
    connection.executescript(TO_VERSION_2)
    connection.close()
    for _ in range(2):
        with opened(path, clock) as outbox:
            assert waiting(outbox) == names[1:]
            assert outbox.counts().delivered == 2
    with opened(path, clock) as outbox:
        outbox.delivered(names[1:])
        assert outbox.confirmed("e1", whole=True) == 2
        assert states(outbox) == {}
        assert outbox.ledger().size == 2


class Life(RuleBasedStateMachine):
    """Events with evidence on their way through the outbox, against a plain model, the file reopened at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.made = 0
        self.sent: dict[str, set[str]] = {}  # rows of each event that the broker has and no receiver
        self.waits: dict[str, set[str]] = {}
        self.kept: dict[str, tuple[set[str], int | None]] = {}

    @initialize()
    def open(self) -> None:
        self.path = FOLDER[0] / f"{next(FRESH)}.db"
        self.outbox = opened(self.path, self.clock, keep_s=10 * HOUR_S)

    @rule(parts=st.integers(0, 2))
    def happen(self, parts: int) -> None:
        self.made += 1
        name = f"e{self.made}"
        self.waits[name] = set(record(self.outbox, name, parts))
        self.sent[name], self.kept[name] = set(), (set(), None)

    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        some = sorted(row for rows in self.waits.values() for row in rows)
        taken = data.draw(st.lists(st.sampled_from(some), unique=True)) if some else []
        assert self.outbox.delivered(taken) == len(taken)
        for row in taken:
            name = row.partition("/")[0]
            self.waits[name].discard(row)
            self.sent[name].add(row)

    @rule(data=st.data(), whole=st.booleans())
    def receive(self, data: st.DataObject, whole: bool) -> None:
        if not self.made:
            return
        name = data.draw(st.sampled_from(sorted(self.waits)))
        rows, due_ms = self.kept[name]
        others = {row for row in self.waits[name] | self.sent[name] | rows if row != name}
        confirmed = (
            self.waits[name] | self.sent[name]
            if whole or not others
            else ({name} & (self.waits[name] | self.sent[name]))
        )
        assert self.outbox.confirmed(name, whole=whole) == len(confirmed)
        self.waits[name] -= confirmed
        self.sent[name] -= confirmed
        rows |= confirmed
        if due_ms is None and (whole or not others) and rows:
            due_ms = self.clock.ms + 10 * HOUR_MS
        self.kept[name] = (rows, due_ms)

    @rule(hours=st.integers(1, 30))
    def pass_time(self, hours: int) -> None:
        self.clock.ms += hours * HOUR_MS
        self.outbox.tend()
        for name, (_, due_ms) in self.kept.items():
            if due_ms is not None and due_ms <= self.clock.ms:
                self.kept[name] = (set(), due_ms)
        shown = states(self.outbox)
        for name, rows in self.sent.items():  # which of them is due again the outbox alone knows
            again = {row for row in rows if shown[row] == "pending"}
            self.sent[name] -= again
            self.waits[name] |= again

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = opened(self.path, self.clock, keep_s=10 * HOUR_S)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "outbox"):
            return
        expected = {row: State.PENDING.value for rows in self.waits.values() for row in rows}
        expected |= {row: State.SENT.value for rows in self.sent.values() for row in rows}
        expected |= {row: State.KEPT.value for rows, _ in self.kept.values() for row in rows}
        assert states(self.outbox) == expected
        counts = self.outbox.counts()
        shown = list(expected.values())
        assert (counts.pending, counts.sent, counts.kept) == tuple(map(shown.count, ("pending", "sent", "kept")))
        assert counts.waiting_bytes == sum(len(row) for row in expected)

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()


FOLDER: list[Path] = []
FRESH = count()


def test_every_message_stays_until_it_is_confirmed_and_kept_long_enough(tmp_path: Path) -> None:
    FOLDER[:] = [tmp_path]
    machine = Life.TestCase
    machine.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    machine().runTest()
