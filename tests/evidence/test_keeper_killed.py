"""A node killed at any moment between verdict and queue: every violation arrives, with its bundle, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from edge import event
from edge.evidence.keeper import RESTARTED
from edge.evidence.parts import Assembler, Parcel
from edge.keys import trust
from edge.outbox import Kind, Outbox
from tests.cases import signing_key
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from edge.outbox import Row

KILLS = 200

# One process has everything imported and forks a child for each kill. A child completes what its forerunner left open,
# then takes a violation from the same stretch of video again and again, each with stills and clip. It writes an id to a
# pipe once ``take`` has returned: what the parent reads there was promised.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from edge import event
from edge.evidence.keeper import CaseKeeper
from edge.evidence.ring import PacketRing
from edge.outbox import Outbox
from edge.sources.video import open_video
from tests.evidence.keeping import CONFIRMED_NS, CROSSED_NS, SHORT, VIDEO, Unmasked, desk, early_case

path, kills = Path(sys.argv[1]), int(sys.argv[2])
dice = random.Random(7)

def child(pipe):
    ring = PacketRing(60.0, 64_000_000)
    with open_video(VIDEO, tap=ring) as video, Outbox(path) as outbox:
        keeper = CaseKeeper(outbox, desk(), ring, SHORT, Unmasked())
        for frame in video:
            if frame.t_ns > 3_000_000_000:
                break
        while True:
            taken = []
            def make(sequence):
                event_id = event.uuid7(time.time_ns() // 1_000_000, os.urandom(10))
                taken.append(event_id)
                return event.build(early_case(), event_id=event_id, nonce=os.urandom(16), sequence=sequence)
            keeper.take(make, CROSSED_NS, CONFIRMED_NS)
            os.write(pipe, taken[0].encode() + b"\\n")
            keeper.keep_pace()

for run in range(kills):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            child(writing)
        finally:
            os._exit(1)
    os.close(writing)
    said = b""
    for _ in range(dice.randrange(7)):  # by the fifth, one at least is complete
        said += os.read(reading, 37)
    time.sleep(dice.random() * 0.1)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    while block := os.read(reading, 65536):
        said += block
    sys.stdout.write(said.decode())
    os.close(reading)
"""


@pytest.mark.slow
def test_every_violation_arrives_with_its_bundle_though_killed_200_times(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(path), str(KILLS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    promised = done.stdout.split()
    with Outbox(path) as outbox:
        left_open = {case.id for case in outbox.open_cases()}
        rows = outbox.rows(100_000)
    arrived = _arrived(rows)
    assert len(set(promised)) == len(promised) > KILLS
    assert set(promised) <= arrived.keys() | left_open
    assert not arrived.keys() & left_open
    missing = [sentence for sentences in arrived.values() for sentence in sentences]
    assert RESTARTED in missing, "no child was killed between verdict and bundle: the test tests nothing"
    assert any(not sentences for sentences in arrived.values()), "no bundle had its pictures"
    assert set(missing) <= {RESTARTED}
    sequences = [int(json.loads(row.message.payload)["sequence"]) for row in rows if row.message.kind is Kind.EVENT]
    assert len(set(sequences)) == len(sequences)
    assert len(arrived) + len(left_open) == max(sequences, default=0) or left_open


def _arrived(rows: list[Row]) -> dict[str, list[str]]:
    """What each event says is missing, once its signature and its whole bundle have been checked."""
    key = signing_key().public
    evidence: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.message.kind is Kind.EVIDENCE:
            evidence[row.message.id.partition("/")[0]].append(row)
    arrived = {}
    for row in rows:
        if row.message.kind is not Kind.EVENT:
            continue
        seen = event.verify(row.message.payload, trust(key))
        said = seen.document["data"]["evidence"]
        assembler = Assembler(seen.id, said["sent_sha256"])
        for index, part in enumerate(evidence.pop(seen.id)):
            assert part.number > row.number, "evidence stands before its event"
            assembler.add(Parcel(index, part.message.content_type, part.message.payload))
        assert assembler.whole is not None, assembler.reason
        arrived[seen.id] = said["missing"]
    assert not evidence, "evidence without its event"
    return arrived
