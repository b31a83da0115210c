"""A process that is killed at any moment loses no message that the outbox had accepted."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from edge.outbox import Message, Outbox

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 200
LANES = 2

# A process that has everything imported forks a child for each kill, so that 200 of them take seconds. A child appends
# as fast as it can and writes each id to a pipe after append has returned: what the parent reads there was promised.
# An id with a dash before it is about to be marked as delivered.
KILLER = """
import os, random, sys
from pathlib import Path
from edge.outbox import Message, Outbox
from tests.killing import kill_often

path, prefix, kills, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
dice = random.Random(seed)

def child(run, pipe):
    with Outbox(path) as outbox:
        count = 0
        while True:
            sent = outbox.append_numbered(lambda number: Message(f"{prefix}-{run}-{number}", "t", "c", bytes(2000)))
            os.write(pipe, sent.id.encode() + b"\\n")
            count += 1
            if count % 3 == 0:
                row = outbox.pending(1)[0]
                os.write(pipe, b"-" + row.message.id.encode() + b"\\n")
                outbox.delivered([row.message.id])

kill_often(kills, child, dice, 0.03)
"""


def test_nothing_accepted_is_lost_when_killed_200_times(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path).close()
    command = [sys.executable, "-c", KILLER, str(path)]
    each = str(KILLS // LANES)
    lanes = [
        subprocess.Popen([*command, f"lane{lane}", each, str(lane)], stdout=subprocess.PIPE, text=True)
        for lane in range(LANES)
    ]
    said = [line for lane in lanes for line in lane.communicate()[0].splitlines()]
    assert [lane.returncode for lane in lanes] == [0] * LANES
    accepted = {line for line in said if not line.startswith("-")}
    being_removed = {line[1:] for line in said if line.startswith("-")}
    with Outbox(path) as outbox:
        there = Counter(row.message.id for row in outbox.pending(1_000_000))
        delivered = outbox.counts().delivered
        last = int(outbox.append_numbered(lambda number: Message(str(number), "t", "c", b"")).id)
    assert len(accepted) > KILLS
    assert accepted - being_removed - set(there) == set()
    assert set(there.values()) == {1}
    # Numbers are used once and without gaps: whatever is not there was delivered.
    assert last == len(there) + delivered + 1
    assert being_removed
