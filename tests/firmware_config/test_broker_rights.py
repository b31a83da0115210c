"""The sample rights for Mosquitto: a node may write below its own name and nowhere else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.mqtt import Connection, Publication, Topics
from tests.broker import MOSQUITTO, Listener, Mosquitto
from tests.command import ROOT

if TYPE_CHECKING:
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


def test_a_node_writes_below_its_own_name_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("rights")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    rights = folder / "mosquitto.acl"
    shutil.copyfile(ROOT / "firmware-config" / "mosquitto.acl", rights)
    rights.chmod(0o644)
    topics = Topics("stopline", "main-and-3rd", "edge-1")
    mine = topics.violation
    with Mosquitto(folder / "broker", options=(f"acl_file {rights}",)) as broker, Listener(broker.port):
        assert refusal(broker, "edge-1", mine) is None
        assert refusal(broker, "edge-2", mine) is not None
        for evidence in (topics.evidence("01976f3e"), topics.evidence("01976f3e", 3)):
            assert refusal(broker, "edge-1", evidence) is None
            assert refusal(broker, "edge-2", evidence) is not None
            assert refusal(broker, "review", evidence) is not None
        assert refusal(broker, "edge-1", "other/topic") is not None
        assert refusal(broker, "review", mine) is not None
