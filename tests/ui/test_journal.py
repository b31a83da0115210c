"""The journal of decisions: checked as it is read, shared by threads and processes, durable before anybody is told."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge.decisions import Choice, Decision, Noted, Reason, Standing, check_chain, sign_decision
from edge.errors import StoreError
from edge.keys import trust
from edge.ui.journal import Journal
from tests.cases import signing_key
from tests.command import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.keys import FileKey

KEY, COLLEAGUE, FORGER = signing_key(0xDEC), signing_key(0xDED), signing_key(0xBAD)
KEYS = trust(KEY.public, COLLEAGUE.public)
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
EVENTS = [f"{number:064x}" for number in range(200)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A journal of three decisions."""
    file = tmp_path / "decisions.jsonl"
    journal = Journal(file, KEYS)
    journal.add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)
    journal.add(Choice.REJECT, Reason.MADE_WAY, EVENTS[1], NOW, KEY)
    journal.add(Choice.ERASE, None, EVENTS[2], NOW, KEY)
    return file


def standing(journal: Journal, event: str) -> Standing | None:
    noted = journal.latest(event)
    return None if noted is None else noted.standing


def flaws(file: Path) -> list[object]:
    return list(check_chain(file.read_bytes().splitlines(), KEYS))


def test_a_decision_is_read_back_as_it_was_made(file: Path) -> None:
    again = Journal(file, KEYS)
    decision = Decision(EVENTS[1], Choice.REJECT, Reason.MADE_WAY, NOW, KEY.kid)
    assert again.latest(EVENTS[1]) == Noted(decision, Standing.HOLDS)
    assert again.latest(EVENTS[3]) is None
    assert again.unverified == 0
    assert again.erased_in("2026-05") == 1
    assert again.erased_in("2026-06") == 0
    assert flaws(file) == []


def test_what_was_decided_last_counts(file: Path) -> None:
    journal = Journal(file, KEYS)
    journal.add(Choice.REJECT, Reason.OTHER_VEHICLE, EVENTS[0], NOW, KEY)
    noted = journal.latest(EVENTS[0])
    assert noted is not None
    assert noted.decision.choice is Choice.REJECT


def test_two_reviewers_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    one, other = Journal(file, KEYS), Journal(file, KEYS)
    one.add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)
    other.add(Choice.CONFIRM, None, EVENTS[1], NOW, COLLEAGUE)
    one.refresh()
    assert standing(one, EVENTS[1]) is Standing.HOLDS
    assert flaws(file) == []


def test_a_forged_line_counts_as_no_decision_and_the_next_one_goes_on(file: Path) -> None:
    journal = Journal(file, KEYS)
    with file.open("ab") as opened:
        opened.write(sign_decision(Decision(EVENTS[0], Choice.ERASE, None, NOW, KEY.kid), None, FORGER) + b"\n")
        opened.write(sign_decision(Decision(EVENTS[3], Choice.ERASE, None, NOW, FORGER.kid), None, FORGER) + b"\n")
        opened.write(file.read_bytes().splitlines()[0] + b"\n")
    journal.refresh()
    assert standing(journal, EVENTS[3]) is Standing.KEY_UNKNOWN
    assert standing(journal, EVENTS[0]) is Standing.OUT_OF_PLACE
    assert (journal.unverified, journal.erased_in("2026-05")) == (3, 1)
    journal.add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)
    assert standing(journal, EVENTS[0]) is Standing.HOLDS
    assert Journal(file, KEYS).unverified == journal.unverified == 3


def test_whose_key_is_not_known_does_not_count(file: Path) -> None:
    journal = Journal(file, trust(COLLEAGUE.public))
    assert {standing(journal, event) for event in EVENTS[:3]} == {Standing.KEY_UNKNOWN}
    assert journal.unverified == 3


@pytest.fixture
def often() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often")
def test_threads_read_each_line_once(tmp_path: Path) -> None:
    file = tmp_path / "decisions.jsonl"
    ours, theirs = Journal(file, KEYS), Journal(file, KEYS)
    ends = threading.Event()

    def look() -> None:
        while not ends.is_set():
            ours.refresh()
            ours.erased_in("2026-05")

    with ThreadPoolExecutor(6) as pool:
        looking = [pool.submit(look) for _ in range(4)]
        adding = [
            pool.submit(add_hundred, journal, start, key)
            for start, journal, key in ((0, ours, KEY), (100, theirs, COLLEAGUE))
        ]
        for one in adding:
            one.result()
        ends.set()
        for one in looking:
            one.result()
    ours.refresh()
    assert {standing(ours, event) for event in EVENTS} == {Standing.HOLDS}
    assert (ours.unverified, ours.erased_in("2026-05")) == (0, 200)
    assert flaws(file) == []


def add_hundred(journal: Journal, start: int, key: FileKey) -> None:
    for event in EVENTS[start : start + 100]:
        journal.add(Choice.ERASE, None, event, NOW, key)


def test_a_line_that_is_being_written_is_waited_for(file: Path) -> None:
    journal = Journal(file, KEYS)
    line = sign_decision(Decision(EVENTS[3], Choice.CONFIRM, None, NOW, KEY.kid), journal._place.last, KEY) + b"\n"
    with file.open("ab", buffering=0) as writer, ThreadPoolExecutor(1) as pool:
        fcntl.flock(writer, fcntl.LOCK_EX)
        writer.write(line[:100])
        reading = pool.submit(journal.refresh)
        with pytest.raises(TimeoutError):
            reading.result(timeout=0.2)
        writer.write(line[100:])
        fcntl.flock(writer, fcntl.LOCK_UN)
        reading.result(timeout=10)
    assert standing(journal, EVENTS[3]) is Standing.HOLDS


def test_a_broken_file_is_not_gone_on_with(file: Path) -> None:
    whole = file.read_bytes()
    journal = Journal(file, KEYS)
    file.write_bytes(whole + b'{"half')
    for broken in (lambda: Journal(file, KEYS), journal.refresh):
        with pytest.raises(StoreError, match="broken line"):
            broken()
    file.write_bytes(whole + whole.splitlines()[0] + b"\n{}\n")
    for broken in (lambda: Journal(file, KEYS), journal.refresh, journal.refresh):
        with pytest.raises(StoreError, match=r"Line 5 of .* is no decision"):
            broken()
    file.write_bytes(whole)
    journal.refresh()
    assert journal.unverified == 0


@pytest.mark.parametrize("done", ["shortened", "replaced", "taken away"])
def test_a_file_that_is_another_than_it_was_is_told(file: Path, done: str) -> None:
    journal = Journal(file, KEYS)
    raw = file.read_bytes()
    if done == "shortened":
        os.truncate(file, raw.rindex(b"\n", 0, -1) + 1)
    else:
        file.unlink()
    if done == "replaced":
        (file.parent / "other").write_bytes(b"x")  # so that it is not the same inode anew
        file.write_bytes(raw)
    with pytest.raises(StoreError, match="shortened or replaced"):
        journal.refresh()
    with pytest.raises(StoreError, match="shortened or replaced"):
        journal.add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)


def test_a_disk_without_room_takes_a_whole_line_or_nothing(file: Path) -> None:
    before = file.read_bytes()
    program = (
        "import resource; from tests.ui.test_journal import *; from pathlib import Path\n"
        f"file = Path({str(file)!r}); journal = Journal(file, KEYS)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100},) * 2)\n"
        "journal.add(Choice.CONFIRM, None, EVENTS[3], NOW, KEY)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "cannot be written" in done.stderr
    assert file.read_bytes() == before


def test_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        Journal(tmp_path / "none" / "decisions.jsonl", KEYS).add(Choice.CONFIRM, None, EVENTS[0], NOW, KEY)
    with pytest.raises(StoreError, match="cannot be read"):
        Journal(tmp_path, KEYS)


def test_the_file_is_the_reviewers_alone(file: Path) -> None:
    assert os.stat(file).st_mode & 0o777 == 0o600  # noqa: PTH116
