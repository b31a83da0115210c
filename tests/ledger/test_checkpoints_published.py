"""Checkpoints on a real broker: what a receiver with nothing but an MQTT client collects is enough for an audit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from edge.commands.ledger import audit_copy
from edge.config import Broker, Ledger
from edge.keys import trust
from edge.ledger import checkpoint
from edge.ledger.merkle import root_of
from edge.ledger.publisher import Publisher, Source
from edge.messages import Birth, Frames, Health
from edge.outbox import Message, Outbox
from edge.uplink import Pauses, Uplink
from tests.broker import Listener, Mosquitto, needs_mosquitto, wait_until
from tests.ledger.ledgers import KEY, KEYS, ORIGIN, ledger, signed_event, uuid_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.broker import Heard

pytestmark = [pytest.mark.broker, needs_mosquitto]

TOPIC = "stopline/v1/main-and-3rd/edge-1/checkpoint"
BIRTH = Birth("0.1.0", "a7" * 32, "5b" * 32, KEY.kid)


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder / "broker") as running:
        yield running


class Node:
    """The part of a node between its outbox and its broker."""

    def __init__(self, broker: Mosquitto, path: Path, every_events: int = 1) -> None:
        self.outbox = Outbox(path)
        pauses = Pauses(first_s=0.05, longest_s=0.2)
        self.uplink = Uplink(Broker(url=broker.url), "main-and-3rd", "edge-1", self.outbox, BIRTH, pauses=pauses)
        source = Source(ORIGIN, KEY, self.outbox.ledger)
        self.publisher = Publisher(source, Ledger(every_events=every_events), self.uplink.send_checkpoint)
        self.uplink.start()

    def log(self) -> None:
        topic = self.uplink.topics.violation
        self.outbox.append_numbered(
            lambda number: Message(uuid_of(number - 1), topic, "c", signed_event(number - 1, number - 1))
        )

    def close(self) -> None:
        self.publisher.finish()
        self.uplink.close(10)
        self.outbox.close()


def checkpoints(listener: Listener) -> list[Heard]:
    return [heard for heard in listener.heard if heard.topic == TOPIC]


def sizes(listener: Listener) -> list[int]:
    return [checkpoint.verify(heard.payload, KEYS).checkpoint.size for heard in checkpoints(listener)]


def test_a_receivers_own_copy_passes_its_audit(broker: Mosquitto, tmp_path: Path) -> None:
    with Listener(broker.port) as listener:
        node = Node(broker, tmp_path / "outbox.sqlite")
        node.uplink.wait_connected(10)
        for number in range(5):
            node.publisher.look(2.0 * number)
            wait_until(lambda number=number: sizes(listener)[-1:] == [number])  # type: ignore[misc]
            node.log()
        node.close()
        wait_until(lambda: sizes(listener) == [0, 1, 2, 3, 4, 5])
        events = [heard.payload for heard in listener.heard if heard.topic.endswith("/event/violation")]
        heard = checkpoints(listener)
    assert {one.qos for one in heard} == {1}
    assert tuple(events) == ledger(5)
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "events.jsonl").write_bytes(b"".join(raw + b"\n" for raw in events))
    (folder / "checkpoints.txt").write_bytes(b"\n".join(one.payload for one in heard))
    (tmp_path / "node.pem").write_bytes(KEY.public.pem)
    report = audit_copy(folder, [tmp_path / "node.pem"])
    assert report.sound
    assert report.audit.confirmed == frozenset(range(5))


def test_the_newest_checkpoint_is_retained_for_whoever_comes_later(broker: Mosquitto, tmp_path: Path) -> None:
    node = Node(broker, tmp_path / "outbox.sqlite", every_events=100)
    for _ in range(3):
        node.log()
    node.close()
    with Listener(broker.port, topic=TOPIC, name="later") as listener:
        wait_until(lambda: listener.heard)
        [heard] = listener.heard
    assert heard.retained
    assert heard.properties["ContentType"] == "text/plain; charset=utf-8"
    signed = checkpoint.verify(heard.payload, trust(KEY.public))
    assert signed.checkpoint.size == 3


def test_a_checkpoint_given_while_the_broker_is_away_comes_when_it_is_back(broker: Mosquitto, tmp_path: Path) -> None:
    node = Node(broker, tmp_path / "outbox.sqlite")
    node.uplink.wait_connected(10)
    broker.kill()
    for number in range(4):
        node.log()
        node.publisher.look(2.0 * number)
        time.sleep(0.05)
    broker.start()
    with Listener(broker.port) as listener:
        wait_until(lambda: sizes(listener)[-1:] == [4], timeout_s=30)
        node.close()


def test_the_last_checkpoint_is_said_before_the_goodbye(broker: Mosquitto, tmp_path: Path) -> None:
    with Listener(broker.port) as listener:
        node = Node(broker, tmp_path / "outbox.sqlite")
        node.uplink.wait_connected(10)
        for number in range(200):
            node.uplink.send_health(Health(float(number), Frames(number, 0, 0, 0.0, None)))
        node.log()
        node.close()
        wait_until(lambda: sizes(listener)[-1:] == [1])
        wait_until(lambda: listener.heard[-1].payload == b"offline")


def test_a_node_started_again_continues_its_ledger(broker: Mosquitto, tmp_path: Path) -> None:
    with Listener(broker.port) as listener:
        for start in (0, 3, 6):
            node = Node(broker, tmp_path / "outbox.sqlite")
            node.publisher.look(0)
            assert node.outbox.ledger().size == start
            for _ in range(3):
                node.log()
            node.close()
        wait_until(lambda: sizes(listener)[-1:] == [9])
        told = {checkpoint.verify(heard.payload, KEYS).checkpoint for heard in checkpoints(listener)}
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        leaves = outbox.leaves()
    assert {(one.size, root_of(leaves[: one.size])) for one in told} == {(one.size, one.root) for one in told}
