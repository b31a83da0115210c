"""A process that is killed at any moment leaves every case either open or complete with all its rows, never between."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

from edge.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 150
LANES = 2

# A process that has everything imported forks a child for each kill. A child first completes what the one before left
# open, as a node does when it starts, then opens and completes cases of two to six rows as fast as it can, and delivers
# some. It writes to a pipe what it was promised, after the promise: an id once open, "+" and the id once complete.
KILLER = """
import os, random, sys
from pathlib import Path
from edge.outbox import Case, Kind, Message, Outbox
from tests.killing import kill_often

path, prefix, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
dice = random.Random(prefix)

def rows(name, parts):
    yield Message(name, "event", "c", str(parts).encode())
    for index in range(parts):
        yield Message(f"{name}/evidence/{index}", "evidence", "c", bytes(3000), Kind.EVIDENCE)

def complete(outbox, case, pipe):
    parts = int(case.payload)
    outbox.complete_case(case.id, list(rows(case.id, parts)))
    os.write(pipe, b"+" + case.id.encode() + b"\\n")

def child(run, pipe):
    lucky = random.Random(f"{prefix}{run}")
    with Outbox(path) as outbox:
        for case in outbox.open_cases():
            if case.id.startswith(prefix):
                complete(outbox, case, pipe)
        while True:
            parts = lucky.randint(1, 5)
            case = outbox.open_case(lambda number: Case(f"{prefix}-{run}-{number}", str(parts).encode()))
            os.write(pipe, case.id.encode() + b"\\n")
            if lucky.random() < 0.8:
                complete(outbox, case, pipe)

kill_often(kills, child, dice, 0.12)
"""


def test_no_case_is_lost_or_halved_when_killed_150_times(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path).close()
    command = [sys.executable, "-c", KILLER, str(path)]
    lanes = [
        subprocess.Popen([*command, f"lane{lane}", str(KILLS // LANES)], stdout=subprocess.PIPE, text=True)
        for lane in range(LANES)
    ]
    said = [line for lane in lanes for line in lane.communicate()[0].splitlines()]
    assert [lane.returncode for lane in lanes] == [0] * LANES
    opened = {line for line in said if not line.startswith("+")}
    completed = {line[1:] for line in said if line.startswith("+")}
    with Outbox(path) as outbox:
        still_open = {case.id for case in outbox.open_cases()}
        rows: dict[str, set[str]] = defaultdict(set)
        parts: dict[str, int] = {}
        order: list[str] = []
        for row in outbox.rows(1_000_000):
            name, _, part = row.message.id.partition("/")
            rows[name].add(part)
            order.append(name)
            if not part:
                parts[name] = int(row.message.payload)
    assert len(opened) > KILLS
    assert opened <= still_open | set(rows), "a case that was taken is gone"
    assert completed <= set(rows), "a case that was complete is not"
    assert not still_open & set(rows), "a case is open and complete at once"
    assert set(parts) == set(rows), "evidence without its event"
    for name, there in rows.items():
        assert there == {"", *(f"evidence/{index}" for index in range(parts[name]))}, "half a case"
    # The rows of a case stand together, whoever else writes: so none is sent without the rest being there.
    assert [name for index, name in enumerate(order) if index == 0 or order[index - 1] != name] == list(rows)
    assert completed, "the kills came too early"
    assert len(still_open) + len(rows) >= len(opened)
