from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.outbox import Outbox
from tests.broker import MOSQUITTO, Listener, Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the broker's own."""
    return tmp_path_factory.mktemp("broker")


@pytest.fixture
def broker(folder: Path) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    with Mosquitto(folder / "broker") as running:
        yield running


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    with Listener(broker.port) as subscriber:
        yield subscriber


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db") as made:
        yield made
