"""The sample rights for Mosquitto: a node may write below its own name, and read its receipts; nothing else."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.mqtt import Connection, Publication, Topics
from tests.broker import MOSQUITTO, Listener, Mosquitto
from tests.command import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.broker, pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")]


def refusal(broker: Mosquitto, user: str, topic: str) -> str | None:
    """What the broker answers to a user who writes to a topic; None where it takes the message."""
    connection = Connection(Broker(url=f"mqtt://{user}@127.0.0.1:{broker.port}"), f"test-{user}")
    connection.open()
    connection.publish(Publication(topic, b"{}", "application/json"))
    acks = connection.take_acks()
    while not acks:
        connection.pump(0.1)
        acks = connection.take_acks()
    connection.close()
    return acks[0].refusal


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker with the sample rights."""
    folder: Path = tmp_path_factory.mktemp("rights")
    rights = folder / "mosquitto.acl"
    shutil.copyfile(ROOT / "firmware-config" / "mosquitto.acl", rights)
    rights.chmod(0o644)
    with Mosquitto(folder / "broker", options=(f"acl_file {rights}",)) as running:
        yield running


def test_a_node_writes_below_its_own_name_only(broker: Mosquitto) -> None:
    topics = Topics("stopline", "main-and-3rd", "edge-1")
    mine = topics.violation
    with Listener(broker.port):
        assert refusal(broker, "edge-1", mine) is None
        assert refusal(broker, "edge-2", mine) is not None
        for evidence in (topics.evidence("01976f3e"), topics.evidence("01976f3e", 3)):
            assert refusal(broker, "edge-1", evidence) is None
            assert refusal(broker, "edge-2", evidence) is not None
            assert refusal(broker, "review", evidence) is not None
        assert refusal(broker, "edge-1", "other/topic") is not None
        assert refusal(broker, "review", mine) is not None
        assert refusal(broker, "receive", mine) is not None
        assert refusal(broker, "receive", topics.receipt("01976f3e")) is None


def listening(broker: Mosquitto, user: str, *filters: str) -> Connection:
    connection = Connection(Broker(url=f"mqtt://{user}@127.0.0.1:{broker.port}"), f"listening-{user}")
    connection.open()
    for topic_filter in filters:
        connection.subscribe(topic_filter)
    return connection


def heard(connection: Connection, count: int) -> set[str]:
    """The topics of the first so many messages and of whatever comes right behind them."""
    topics: list[str] = []
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        connection.pump(0.1)
        topics += [one.topic for one in connection.take_received()]
        if len(topics) >= count:
            until_s = min(until_s, time.monotonic() + 0.3)
    connection.close()
    return set(topics)


def test_a_node_reads_its_own_receipts_only(broker: Mosquitto) -> None:
    mine, other = (Topics("stopline", "main-and-3rd", node) for node in ("edge-1", "edge-2"))
    node = listening(broker, "edge-1", mine.receipt("+"), other.receipt("+"), mine.violation, "stopline/#")
    receiver = listening(broker, "receive", "$share/group/stopline/v1/+/+/event/violation", "stopline/v1/+/+/receipt/+")
    for user, topic in (
        ("receive", other.receipt("e2")),
        ("edge-1", mine.violation),
        ("edge-2", other.violation),
        ("receive", mine.receipt("e1")),
    ):
        assert refusal(broker, user, topic) is None
    assert heard(node, 1) == {mine.receipt("e1")}
    assert heard(receiver, 4) == {mine.receipt("e1"), other.receipt("e2"), mine.violation, other.violation}
