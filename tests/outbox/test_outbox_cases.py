"""Open cases: a violation is noted before its evidence is made, and replaced by event and evidence together."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.delivery import Keeping
from edge.errors import OutboxError
from edge.outbox import CASE_BYTES, CASE_MESSAGES, LEAST_PART_BYTES, Case, Kind, Message, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BALLAST = 2_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def case(name: str, size: int = 1000) -> Case:
    return Case(name, name.encode().ljust(size, b"."))


def event(name: str, size: int = 500) -> Message:
    return Message(name, "stopline/v1/s/n/event/violation", "application/json", name.encode().ljust(size, b"e"))


def evidence(name: str, index: int = 0, size: int = 500) -> Message:
    row = f"{name}/evidence/{index}" if index else f"{name}/evidence"
    return Message(row, f"stopline/v1/s/n/{row}", "application/octet-stream", bytes(size), Kind.EVIDENCE)


def ids(outbox: Outbox) -> list[str]:
    return [row.message.id for row in outbox.pending(10_000)]


def test_a_case_is_there_after_closing_and_sends_nothing(path: Path) -> None:
    with Outbox(path) as outbox:
        assert outbox.open_case(lambda number: case(f"c{number}")) == case("c1")
    with Outbox(path) as outbox:
        assert outbox.open_cases() == [case("c1")]
        assert ids(outbox) == []
        assert outbox.counts().open_cases == 1


def test_completing_puts_event_and_evidence_in_its_place_in_order(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.open_case(lambda number: case(f"c{number}"))
        outbox.open_case(lambda number: case(f"c{number}"))
        outbox.complete_case("c2", [event("c2"), evidence("c2"), evidence("c2", 1), evidence("c2", 2)])
        assert ids(outbox) == ["c2", "c2/evidence", "c2/evidence/1", "c2/evidence/2"]
        assert [one.id for one in outbox.open_cases()] == ["c1"]
        assert outbox.counts().waiting_bytes == 2000
        outbox.complete_case("c1", [event("c1"), evidence("c1")])
        assert ids(outbox)[4:] == ["c1", "c1/evidence"]
        assert outbox.counts().open_cases == 0


def test_cases_and_numbered_events_share_one_count(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append_numbered(lambda number: event(f"n{number}"))
        assert outbox.open_case(lambda number: case(f"n{number}")).id == "n2"
        assert outbox.append_numbered(lambda number: event(f"n{number}")).id == "n3"


def test_a_case_that_cannot_be_made_uses_no_number(path: Path) -> None:
    def failing(_: int) -> Case:
        raise RuntimeError("no")

    with Outbox(path) as outbox:
        with pytest.raises(RuntimeError):
            outbox.open_case(failing)
        assert outbox.open_case(lambda number: case(f"c{number}")).id == "c1"
        with pytest.raises(OutboxError, match="takes no case 'c1'"):
            outbox.open_case(lambda _: case("c1"))
        assert outbox.open_case(lambda number: case(f"c{number}")).id == "c2"


def test_a_case_is_completed_once(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.open_case(lambda _: case("c"))
        outbox.complete_case("c", [event("c"), evidence("c")])
        with pytest.raises(OutboxError, match="holds no open case 'c'"):
            outbox.complete_case("c", [event("d"), evidence("d")])
        assert ids(outbox) == ["c", "c/evidence"]


def test_a_case_whose_rows_are_refused_stays_open_and_leaves_none_of_them(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append(evidence("c", 2))
        outbox.open_case(lambda _: case("c"))
        with pytest.raises(OutboxError, match="takes no message 'c/evidence/2'"):
            outbox.complete_case("c", [event("c"), evidence("c"), evidence("c", 1), evidence("c", 2)])
        assert ids(outbox) == ["c/evidence/2"]
        assert outbox.open_cases() == [case("c")]


def test_a_full_outbox_refuses_a_case_before_anything_is_lost(path: Path) -> None:
    with Outbox(path, max_bytes=150_000) as outbox:
        first = outbox.open_case(lambda number: case(f"c{number}"))
        assert 2 * first.room_bytes < 150_000
        second = outbox.open_case(lambda number: case(f"c{number}"))
        with pytest.raises(OutboxError, match="is full with 0 unsent messages"):
            outbox.open_case(lambda number: case(f"c{number}"))
        with pytest.raises(OutboxError, match="is full"):
            outbox.append(event("x", size=20_000))
        assert [one.id for one in outbox.open_cases()] == ["c1", "c2"]
        # Both can still be completed with all that was kept for them, to the last byte.
        for one in (first, second):
            outbox.complete_case(one.id, [event(one.id, 500), evidence(one.id, size=one.room_bytes - 500)])
        assert outbox.counts().waiting_bytes == first.room_bytes + second.room_bytes
        assert outbox.append_numbered(lambda number: event(f"n{number}", size=100)).id == "n3"


def test_rows_are_kept_free_as_well(path: Path) -> None:
    rows = case("c").room_messages
    assert rows >= 3 + case("c").room_bytes // LEAST_PART_BYTES
    with Outbox(path, max_messages=rows + 1) as outbox:
        outbox.open_case(lambda _: case("c"))
        outbox.append(event("a"))
        with pytest.raises(OutboxError, match="is full with 1 unsent"):
            outbox.append(event("b"))
        parts = [evidence("c", index, size=10) for index in range(1, rows - 1)]
        outbox.complete_case("c", [event("c"), evidence("c"), *parts])
        assert len(ids(outbox)) == rows + 1


def test_a_full_outbox_has_room_for_changes_of_state(path: Path) -> None:
    with Outbox(path, max_messages=200) as outbox:
        for index in range(198):
            outbox.append(event(f"e{index}", size=1))
        with pytest.raises(OutboxError, match="is full with 198 unsent"):
            outbox.append_numbered(lambda number: event(f"n{number}"))
        for _ in range(2):
            outbox.append_numbered(lambda number: event(f"n{number}"), of_state=True)
        with pytest.raises(OutboxError, match="is full with 200 unsent"):
            outbox.append_numbered(lambda number: event(f"n{number}"), of_state=True)
        assert ids(outbox)[198:] == ["n1", "n2"]
        assert outbox.ledger().size == 2


def test_the_room_for_changes_of_state_is_of_bytes_too_and_takes_none_from_open_cases(path: Path) -> None:
    with Outbox(path, max_bytes=200_000) as outbox:
        kept = outbox.open_case(lambda _: case("c")).room_bytes
        outbox.append(event("a", size=198_000 - kept))
        with pytest.raises(OutboxError, match="is full"):
            outbox.append(event("b", size=1))
        outbox.append_numbered(lambda number: event(f"n{number}", size=2000), of_state=True)
        with pytest.raises(OutboxError, match="is full"):
            outbox.append_numbered(lambda number: event(f"n{number}", size=2), of_state=True)
        outbox.complete_case("c", [event("c"), evidence("c", size=kept - 500)])
        assert outbox.counts().waiting_bytes == 200_000


def test_an_outbox_is_full_where_one_more_case_with_pictures_does_not_fit(path: Path) -> None:
    most, most_bytes = 2 * CASE_MESSAGES, 2 * CASE_BYTES
    with Outbox(path, max_messages=most, max_bytes=most_bytes, keeping=Keeping(receipts=True)) as outbox:
        assert outbox.full() is None
        outbox.append(event("a", size=most_bytes - most_bytes // 100 - CASE_BYTES))
        assert outbox.full() is None
        outbox.append(event("b", size=1))
        assert "unsent messages" in (outbox.full() or "")
        outbox.delivered(["a"])
        assert "1 of which await a receipt" in (outbox.full() or "")
        outbox.confirmed("a", whole=True)
        assert outbox.full() is None
        for index in range(most - most // 100 - CASE_MESSAGES):
            outbox.append(event(f"e{index}", size=1))
        assert "is full with" in (outbox.full() or "")
        outbox.confirmed("b", whole=True)
        assert outbox.full() is None
        outbox.open_case(lambda _: case("c"))
        assert outbox.full() is not None, "what is kept for an open case is not free"


def test_pictures_that_do_not_fit_leave_the_case_open(path: Path) -> None:
    with Outbox(path, max_bytes=200_000) as outbox:
        outbox.open_case(lambda _: case("c"))
        outbox.append(event("other", size=100_000))
        with pytest.raises(OutboxError, match="is full with 1 unsent messages of 100000 bytes"):
            outbox.complete_case("c", [event("c"), evidence("c", size=150_000)])
        outbox.complete_case("c", [event("c"), evidence("c", size=60_000)])
        assert ids(outbox) == ["other", "c", "c/evidence"]


def test_what_was_promised_holds_though_the_limit_was_lowered_meanwhile(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.open_case(lambda _: case("c"))
    with Outbox(path, max_bytes=1000, max_messages=1) as outbox:
        outbox.complete_case("c", [event("c"), evidence("c", size=60_000)])
        assert ids(outbox) == ["c", "c/evidence"]


def test_a_completed_case_leaves_nothing_of_its_payload_behind(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.open_case(lambda _: Case("c", b"UNIQUE-CONTENT" * 300))
        outbox.complete_case("c", [event("c")])
    assert b"UNIQUE-CONTENT" not in path.read_bytes()


def test_rows_come_as_many_as_bytes_allow(path: Path) -> None:
    with Outbox(path) as outbox:
        for index in range(5):
            outbox.append(evidence("e", index + 1, size=1000))
        assert len(outbox.pending(10, max_bytes=2500)) == 2
        assert len(outbox.pending(10, max_bytes=3000)) == 3
        assert len(outbox.pending(10, max_bytes=1)) == 1
        assert len(outbox.pending(2, max_bytes=9000)) == 2


def test_people_see_waiting_rows_and_open_cases_without_their_content(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append(event("a"))
        outbox.open_case(lambda _: case("c", 700))
        outbox.refused("a", "no")
        message, open_case = outbox.listed(10)
        assert (message.id, message.kind, message.bytes, message.state) == ("a", "event", 500, "refused")
        assert message.reason == "no"
        assert (open_case.id, open_case.kind, open_case.bytes, open_case.state) == ("c", "case", 700, "open")
        assert [one.id for one in outbox.listed(1)] == ["a"]


# The tables of version 1, as it wrote them.
VERSION_1 = """
CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 200),
    kind TEXT NOT NULL CHECK (kind IN ('event', 'evidence')),
    topic TEXT NOT NULL CHECK (length(topic) BETWEEN 1 AND 1000),
    content_type TEXT NOT NULL CHECK (length(content_type) <= 200),
    payload BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'refused')),
    refusals INTEGER NOT NULL DEFAULT 0,
    reason TEXT CHECK (length(reason) <= 300)
) STRICT;
CREATE INDEX message_by_state ON message (state, number);
CREATE TABLE tally (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    sequence INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    delivered INTEGER NOT NULL
) STRICT;
INSERT INTO tally VALUES (1, 7, 2, 30, 5);
INSERT INTO message (id, kind, topic, content_type, payload) VALUES ('e6', 'event', 't', 'c', zeroblob(10));
INSERT INTO message (id, kind, topic, content_type, payload, state, refusals, reason)
    VALUES ('e7', 'event', 't', 'c', zeroblob(20), 'refused', 3, 'Not authorized');
PRAGMA application_id = 1398034256;
PRAGMA user_version = 1;
"""


@pytest.fixture
def version_1(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(VERSION_1)
    connection.close()
    return path


def test_an_outbox_of_version_1_is_taken_over_with_all_it_holds(version_1: Path) -> None:
    for _ in range(2):  # the second time it is of version 2 already
        with Outbox(version_1) as outbox:
            first, second = outbox.rows(10)
            assert (first.message.id, second.message.id, second.refusals, second.reason) == (
                "e6",
                "e7",
                3,
                "Not authorized",
            )
            counts = outbox.counts()
            assert (counts.pending, counts.refused, counts.delivered, counts.waiting_bytes) == (1, 1, 5, 30)
    with Outbox(version_1) as outbox:
        assert outbox.open_case(lambda number: case(f"e{number}")).id == "e8"
        outbox.complete_case("e8", [event("e8"), evidence("e8")])
        assert ids(outbox) == ["e6", "e8", "e8/evidence"]


def test_a_take_over_that_fails_changes_nothing(version_1: Path) -> None:
    connection = sqlite3.connect(version_1)
    connection.execute("CREATE TABLE open_case (in_the_way TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(OutboxError, match="already exists"):
        Outbox(version_1)
    connection = sqlite3.connect(version_1)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM message").fetchone() == (2,)
    connection.close()


def test_an_outbox_of_a_newer_program_is_left_alone(path: Path) -> None:
    Outbox(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(OutboxError, match=r"newer Stopline \(format 99\)"):
        Outbox(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB, truly full when it is."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(outbox: Outbox) -> list[Case]:
    """Open cases until one is refused."""
    taken: list[Case] = []
    with pytest.raises(OutboxError, match="disk is full"):  # noqa: PT012 - the last of them is refused
        while True:
            taken.append(outbox.open_case(lambda number: case(f"c{number}", 20_000)))
    return taken


@pytest.mark.parametrize("reopened", [False, True])
def test_a_full_disk_refuses_cases_and_every_one_it_took_is_completed_and_sent(
    small_disk: Path, reopened: bool
) -> None:
    file = small_disk / "outbox.db"
    (small_disk / "logs").write_bytes(bytes(2_500_000))
    with ExitStack() as stack:
        outbox = stack.enter_context(Outbox(file, ballast_bytes=BALLAST))
        taken = fill(outbox)
        (small_disk / "of-others").write_bytes(bytes(_free(small_disk)))
        assert _free(small_disk) == 0
        assert len(taken) > 5
        if reopened:
            outbox.close()
            outbox = stack.enter_context(Outbox(file, ballast_bytes=BALLAST))  # as after a restart of the node
        assert outbox.open_cases() == taken
        for one in taken:
            outbox.complete_case(one.id, [event(one.id, 20_000), evidence(one.id, size=40_000)])
        assert ids(outbox) == [name for one in taken for name in (one.id, f"{one.id}/evidence")]
        with pytest.raises(OutboxError, match="disk is full"):
            outbox.open_case(lambda _: case("too-many", 20_000))
        for _ in range(5):  # what the broker answers is noted all the same
            outbox.refused(taken[0].id, "Not authorized")
            assert outbox.retry() == 1
        for one in taken:
            assert outbox.delivered([one.id, f"{one.id}/evidence"]) == 2
        (small_disk / "logs").unlink()
        assert outbox.open_case(lambda number: case(f"c{number}", 20_000)).id == f"c{len(taken) + 1}"
        outbox.complete_case(f"c{len(taken) + 1}", [event("last")])


def test_nothing_is_held_back_where_no_case_is_open(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.open_case(lambda _: case("c"))
        assert len(list(path.parent.glob("*ballast"))) == 1
        Outbox(path).close()  # somebody looks at it meanwhile
        assert len(list(path.parent.glob("*ballast"))) == 1
        outbox.complete_case("c", [event("c")])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Cases(RuleBasedStateMachine):
    """Cases against a plain list, with a tight limit, reopened at any time: never half a case, no promise broken."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.waiting: list[str] = []
        self.made = self.used = 0

    @initialize()
    def begin(self) -> None:
        self.path = FOLDER[0] / f"{next(FRESH)}.db"
        self.outbox = Outbox(self.path, max_bytes=400_000)

    @rule(size=st.integers(0, 30_000))
    def take(self, size: int) -> None:
        try:
            self.outbox.open_case(lambda number: Case(f"c{number}", bytes(size)))
        except OutboxError as error:
            assert "full" in str(error)  # noqa: PT017 - an error is one of two good ends here
        else:
            self.made += 1
            self.open.append(f"c{self.made}")

    @rule(data=st.data(), parts=st.integers(1, 5), size=st.integers(0, 100_000))
    def complete(self, data: st.DataObject, parts: int, size: int) -> None:
        if not self.open:
            return
        name = data.draw(st.sampled_from(self.open))
        rows = [event(name), evidence(name), *(evidence(name, index, size) for index in range(1, parts + 1))]
        (kept,) = [one.room_bytes for one in self.outbox.open_cases() if one.id == name]
        try:
            self.outbox.complete_case(name, rows)
        except OutboxError as error:
            assert "full" in str(error)  # noqa: PT017
            assert sum(len(row.payload) for row in rows) > kept
        else:
            self.open.remove(name)
            self.waiting += [row.id for row in rows]

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(self.waiting), unique=True)) if self.waiting else []
        assert self.outbox.delivered(some) == len(some)
        self.waiting = [name for name in self.waiting if name not in some]

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path, max_bytes=400_000)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "outbox"):
            assert ids(self.outbox) == self.waiting
            assert [one.id for one in self.outbox.open_cases()] == self.open

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()


FOLDER: list[Path] = []
FRESH = count()


def test_cases_behave_as_a_plain_list_that_survives_closing(tmp_path: Path) -> None:
    FOLDER[:] = [tmp_path]
    machine = Cases.TestCase
    machine.settings = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    machine().runTest()


TWO_PROCESSES = """
import sys
from pathlib import Path
from edge.outbox import Outbox
Outbox(Path(sys.argv[1])).close()
"""


def test_processes_that_start_together_take_over_an_old_file_once(version_1: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", TWO_PROCESSES, str(version_1)]) for _ in range(4)]
    assert [child.wait() for child in children] == [0, 0, 0, 0]
    with Outbox(version_1) as outbox:
        assert [row.message.id for row in outbox.rows(10)] == ["e6", "e7"]
