"""A node that is killed at any moment while it sends loses no event: each arrives at least once, with one id."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.messages import Birth
from edge.outbox import Outbox
from edge.uplink import Uplink
from tests.broker import Listener, Mosquitto, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.broker

KILLS = 200
NODES = 4

# A process that has everything imported forks a node for each kill, so that 200 of them take seconds. A node sends from
# its outbox while events keep coming in; it writes each id to a pipe once the outbox has accepted it.
KILLER = """
import os, random, sys, time
from pathlib import Path
from edge.config import Broker
from edge.outbox import Message, Outbox
from edge.messages import Birth
from edge.uplink import Uplink
from tests.killing import kill_often

path, url, name, kills = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
dice = random.Random(name)
topic = f"stopline/v1/site/{name}/event/violation"

def message(number):
    return Message(f"{name}-{number}", topic, "text/plain", f"{name} {number}".encode())

def node(run, pipe):
    outbox = Outbox(path)
    Uplink(Broker(url=url), "site", name, outbox, Birth("0", "a", "b", "c")).start()
    while True:
        os.write(pipe, outbox.append_numbered(message).id.encode() + b"\\n")
        time.sleep(dice.random() * 0.02)

kill_often(kills, node, dice, 0.15, at_work=1.0)
"""


def test_nothing_is_lost_when_the_node_is_killed_200_times_while_sending(broker: Mosquitto, tmp_path: Path) -> None:
    names = [f"node-{index}" for index in range(NODES)]
    each = str(KILLS // NODES)
    with Listener(broker.port, "stopline/v1/#") as listener:
        killers = [
            subprocess.Popen(
                [sys.executable, "-c", KILLER, str(tmp_path / f"{name}.db"), broker.url, name, each],
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in names
        ]
        accepted = {line for killer in killers for line in killer.communicate()[0].splitlines()}
        assert [killer.returncode for killer in killers] == [0] * NODES
        reached_before = set(arrived(listener))
        for name in names:
            with Outbox(tmp_path / f"{name}.db") as outbox:
                uplink = Uplink(Broker(url=broker.url), "site", name, outbox, Birth("0", "a", "b", "c"))
                uplink.start()
                assert uplink.close(30) == 0
        wait_until(lambda: accepted <= set(arrived(listener)), what="every accepted event")
        payloads = arrived(listener)
    assert len(accepted) > KILLS
    assert len(reached_before) > KILLS / 4, "the kills came too early to hit the sending"
    assert all(len(set(copies)) == 1 for copies in payloads.values()), "one id, two contents"


def arrived(listener: Listener) -> dict[str, list[bytes]]:
    """Every copy of every event, by id."""
    copies: dict[str, list[bytes]] = defaultdict(list)
    for one in list(listener.heard):
        if one.topic.endswith("/event/violation"):
            copies[dict(one.properties["UserProperty"])["id"]].append(one.payload)
    return copies
