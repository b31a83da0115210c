"""Killed at any moment, a process lets nothing go that no receipt has come for, and everything else in the end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from edge.delivery import Keeping
from edge.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 50

# A process that has everything imported forks a child for each kill. A child records events with evidence, has them
# taken and confirmed, and tells what it is about to confirm before it does so.
KILLER = """
import os, random, sys
from pathlib import Path
from edge.delivery import Keeping
from edge.outbox import Case, Kind, Message, Outbox
from tests.killing import kill_often

path, kills = Path(sys.argv[1]), int(sys.argv[2])
dice = random.Random(17)

def messages(name):
    yield Message(name, "t", "c", bytes(500))
    for end in ("", "/1", "/2"):
        yield Message(f"{name}/evidence{end}", "t", "c", bytes(20_000), Kind.EVIDENCE)

def child(run, pipe):
    dice.seed(run)
    say = lambda sign, name: os.write(pipe, f"{sign}{name}\\n".encode())
    with Outbox(path, keeping=Keeping(receipts=True, again_s=0.005, longest_s=0.01)) as outbox:
        for case in outbox.open_cases():
            outbox.complete_case(case.id, list(messages(case.id)))
        count = 0
        while True:
            name = f"e{run}-{(count := count + 1)}"
            outbox.open_case(lambda number: Case(name, b"{}"))
            outbox.complete_case(name, list(messages(name)))
            say("+", name)
            outbox.delivered([row.message.id for row in outbox.pending(dice.randrange(1, 9))])
            outbox.tend()
            first = outbox.rows(1)[0].message.id.partition("/")[0]
            if dice.random() < 0.4:
                outbox.confirmed(first, whole=False)
            elif dice.random() < 0.7:
                say("-", first)
                outbox.confirmed(first, whole=True)

kill_often(kills, child, dice, 0.03)
"""


def test_nothing_goes_without_a_receipt_when_killed_50_times(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path).close()
    command = [sys.executable, "-c", KILLER, str(path), str(KILLS)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout.split()
    accepted = {line[1:] for line in said if line.startswith("+")}
    confirmed = {line[1:] for line in said if line.startswith("-")}
    with Outbox(path, keeping=Keeping(receipts=True)) as outbox:
        rows = outbox.rows(1_000_000)
        there = {row.message.id.partition("/")[0] for row in rows}
        counts = outbox.counts()
        assert len(accepted) > KILLS
        assert accepted - confirmed - there == set()
        assert confirmed - there != set()
        # Every event is here with all of its evidence, or not at all.
        assert len(rows) == 4 * len(there)
        assert counts.waiting_bytes == sum(len(row.message.payload) for row in rows)
        assert counts.pending + counts.sent + counts.kept == len(rows)
        for name in there:
            outbox.confirmed(name, whole=True)
        while outbox.counts().kept:
            outbox.tend()
        assert outbox.rows(1) == []
        assert outbox.counts().waiting_bytes == 0
