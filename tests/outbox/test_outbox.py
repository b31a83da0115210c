from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.errors import OutboxError
from edge.outbox import Counts, Kind, Message, Outbox, State

if TYPE_CHECKING:
    from pathlib import Path


def message(name: str, size: int = 10, kind: Kind = Kind.EVENT) -> Message:
    return Message(name, f"stopline/v1/site/node/{name}", "text/plain", name.encode().ljust(size, b"."), kind)


def ids(outbox: Outbox, limit: int = 1000) -> list[str]:
    return [row.message.id for row in outbox.pending(limit)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_messages_come_out_in_order_and_byte_for_byte(path: Path) -> None:
    with Outbox(path) as outbox:
        sent = [message(f"m{index}") for index in range(5)]
        for one in sent:
            outbox.append(one)
        assert [row.message for row in outbox.pending(10)] == sent
        assert ids(outbox, 2) == ["m0", "m1"]
        second = outbox.pending(2)[1].number
        assert [row.message.id for row in outbox.pending(2, after=second)] == ["m2", "m3"]


def test_what_was_appended_is_there_after_closing(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append(message("kept", kind=Kind.EVIDENCE))
    with Outbox(path) as outbox:
        assert outbox.pending(1)[0].message == message("kept", kind=Kind.EVIDENCE)


def test_delivered_messages_are_gone_and_counted(path: Path) -> None:
    with Outbox(path) as outbox:
        for index in range(4):
            outbox.append(message(f"m{index}"))
        assert outbox.delivered(["m1", "m3", "never"]) == 2
        assert outbox.delivered(["m1"]) == 0
        assert ids(outbox) == ["m0", "m2"]
        assert outbox.counts() == Counts(pending=2, refused=0, delivered=2, waiting_bytes=20)


def test_a_refused_message_keeps_its_reason_and_place_until_retried(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append(message("a"))
        outbox.append(message("b"))
        outbox.refused("a", "Not authorized " * 100)
        assert ids(outbox) == ["b"]
        kept = outbox.rows(10)[0]
        assert (kept.state, kept.refusals, kept.reason) == (State.REFUSED, 1, ("Not authorized " * 100)[:300])
        assert outbox.counts().refused == 1
        assert outbox.retry() == 1
        assert ids(outbox) == ["a", "b"]
        assert outbox.pending(1)[0].refusals == 1


def test_numbers_count_without_gaps_even_where_making_fails(path: Path) -> None:
    def numbered(number: int) -> Message:
        return message(f"n{number}")

    def failing(number: int) -> Message:
        raise RuntimeError("cannot sign")

    with Outbox(path) as outbox:
        assert outbox.append_numbered(numbered).id == "n1"
        with pytest.raises(RuntimeError, match="cannot sign"):
            outbox.append_numbered(failing)
        with pytest.raises(OutboxError, match="takes no message 'n1'"):
            outbox.append_numbered(lambda _: message("n1"))
        outbox.delivered(["n1"])
    with Outbox(path) as outbox:
        assert outbox.append_numbered(numbered).id == "n2"


def test_an_id_is_taken_once(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append(message("a"))
        with pytest.raises(OutboxError, match="takes no message 'a'"):
            outbox.append(message("a", size=50))
        assert outbox.counts() == Counts(1, 0, 0, 10)


def test_a_full_outbox_refuses_and_keeps_what_it_has(path: Path) -> None:
    with Outbox(path, max_messages=2, max_bytes=101) as outbox:  # a hundredth is for changes of state
        outbox.append(message("a", size=60))
        with pytest.raises(OutboxError, match="is full with 1 unsent messages of 60 bytes"):
            outbox.append(message("b", size=41))
        outbox.append(message("b", size=40))
        with pytest.raises(OutboxError, match="is full with 2"):
            outbox.append(message("c", size=0))
        outbox.delivered(["a"])
        outbox.append(message("c", size=60))
        assert ids(outbox) == ["b", "c"]


def test_only_its_owner_can_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        with Outbox(path) as outbox:
            outbox.append(message("a"))
            assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(before)


def test_a_delivered_payload_leaves_nothing_in_the_file(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append(Message("a", "t", "c", b"UNIQUE-CONTENT" * 300))
        outbox.delivered(["a"])
    assert b"UNIQUE-CONTENT" not in path.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"hello, I am a text file", "damaged or no outbox"), (os.urandom(8192), "damaged or no outbox")],
)
def test_a_file_that_is_no_outbox_is_refused_and_untouched(path: Path, content: bytes, words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(OutboxError, match=words):
        Outbox(path)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_refused_and_untouched(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OutboxError, match="database of something else"):
        Outbox(path)
    assert path.read_bytes() == before


def test_a_damaged_outbox_says_so(path: Path) -> None:
    with Outbox(path) as outbox:
        for index in range(200):
            outbox.append(message(f"m{index}", size=500))
    content = bytearray(path.read_bytes())
    content[4096 : len(content) - 4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)

    def use() -> None:
        with Outbox(path) as outbox:
            outbox.pending(1000)

    with pytest.raises(OutboxError, match="is damaged"):
        use()


def test_a_place_where_nothing_can_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutboxError, match="cannot be made"):
        Outbox(tmp_path / "absent" / "outbox.db")
    with pytest.raises(OutboxError, match="cannot be opened"):
        Outbox(tmp_path)


def test_a_lock_held_elsewhere_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.queue_file._BUSY_TIMEOUT_S", 0.05)
    with Outbox(path) as outbox:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OutboxError, match="held by another program"):
            outbox.append(message("a"))
        other.close()
        outbox.append(message("a"))


FILL_DISK = """
import resource, sys
from pathlib import Path
from edge.errors import OutboxError
from edge.outbox import Message, Outbox

outbox = Outbox(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # a file cannot grow beyond, as on a full disk
number = 0
try:
    while True:
        outbox.append(Message(f"m{number}", "t", "c", bytes(5000)))
        print(number, flush=True)
        number += 1
except OutboxError as error:
    print(error, file=sys.stderr)
    print(len(outbox.pending(10_000)))
    sys.exit(3)
"""


def test_a_disk_that_fills_up_is_told_and_loses_nothing(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILL_DISK, str(path)], capture_output=True, text=True, check=False)
    *accepted, readable = done.stdout.split()
    assert done.returncode == 3, done.stderr
    assert len(accepted) > 20
    assert int(readable) == len(accepted)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    with Outbox(path) as outbox:
        assert ids(outbox, 10_000) == [f"m{number}" for number in accepted]
        outbox.append(message("after"))


def test_threads_share_one_outbox(path: Path) -> None:
    with Outbox(path) as outbox, ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8)

        def work(worker: int) -> None:
            barrier.wait()
            for index in range(10):
                outbox.append_numbered(lambda number: message(f"{worker}-{index}-{number}"))  # noqa: B023 - used at once
                outbox.pending(3)
                outbox.counts()

        list(pool.map(work, range(8)))
        numbers = [int(name.rpartition("-")[2]) for name in ids(outbox)]
        assert numbers == list(range(1, 81))


APPEND_MANY = """
import sys
from pathlib import Path
from edge.outbox import Message, Outbox

with Outbox(Path(sys.argv[1])) as outbox:
    for _ in range(25):
        outbox.append_numbered(lambda number: Message(f"{sys.argv[2]}-{number}", "t", "c", b"."))
"""


def test_processes_that_start_together_share_one_file(path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", APPEND_MANY, str(path), str(index)]) for index in range(4)]
    assert [child.wait() for child in children] == [0, 0, 0, 0]
    with Outbox(path) as outbox:
        assert [int(name.rpartition("-")[2]) for name in ids(outbox)] == list(range(1, 101))


class Queue(RuleBasedStateMachine):
    """The outbox against a plain list, reopened at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []
        self.held: list[str] = []
        self.made = self.done = 0

    @initialize()
    def open(self) -> None:
        self.path = FOLDER[0] / f"{next(FRESH)}.db"
        self.outbox = Outbox(self.path)

    @rule()
    def append(self) -> None:
        self.outbox.append_numbered(lambda number: message(f"n{number}"))
        self.made += 1
        self.waiting.append(f"n{self.made}")

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(self.waiting), unique=True)) if self.waiting else []
        assert self.outbox.delivered(some) == len(some)
        self.waiting = [name for name in self.waiting if name not in some]
        self.done += len(some)

    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        if self.waiting:
            name = data.draw(st.sampled_from(self.waiting))
            self.outbox.refused(name, "no")
            self.waiting.remove(name)
            self.held.append(name)

    @rule()
    def retry(self) -> None:
        assert self.outbox.retry() == len(self.held)
        self.waiting = sorted(self.waiting + self.held, key=lambda name: int(name[1:]))
        self.held = []

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "outbox"):
            assert ids(self.outbox) == self.waiting
            size = 10 * (len(self.waiting) + len(self.held))
            assert self.outbox.counts() == Counts(len(self.waiting), len(self.held), self.done, size)

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()


FOLDER: list[Path] = []
FRESH = count()


def test_it_behaves_as_a_list_that_survives_closing(tmp_path: Path) -> None:
    FOLDER[:] = [tmp_path]
    machine = Queue.TestCase
    machine.settings = settings(
        max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    machine().runTest()
