"""A receiver whose connection is cut again and again while thousands of messages wait for it loses none of them."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.receive.receiver import Receiver, Settings
from edge.receive.store import open_store
from edge.receive.trust import TrustFiles
from tests.broker import Listener, wait_until
from tests.cases import signing_key
from tests.line import Line
from tests.receive.fleet_of_cases import KEY, made, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.receive.store import Store
    from tests.broker import Mosquitto

pytestmark = pytest.mark.broker

EVENTS = 2_000
CUTS = 6


@contextmanager
def receiving(folder: Path, url: str, store: Store) -> Iterator[Receiver]:
    public = folder / "node.pub.pem"
    public.write_bytes(KEY.public.pem)
    trust = TrustFiles(None, [public], store)
    receiver = Receiver(Broker(url=url), Settings("group", "r0"), store, trust, signing_key(0x4EC))
    thread = threading.Thread(target=receiver.run)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stop()
        thread.join()


@pytest.fixture
def waiting(tmp_path: Path, broker: Mosquitto) -> list[str]:
    """Events that wait at the broker for a receiver which was there before."""
    with open_store(tmp_path / "store") as store, receiving(tmp_path, broker.url, store) as receiver:
        assert receiver.listening.wait(30)
    some = [made(number) for number in range(1, EVENTS + 1)]
    send(broker.url, [message for one in some for message in one.messages])
    return [one.id for one in some]


def test_cut_under_a_backlog_everything_arrives_once(tmp_path: Path, broker: Mosquitto, waiting: list[str]) -> None:
    dice = random.Random(6)  # noqa: S311 - the same every time
    with (
        open_store(tmp_path / "store") as store,
        open_store(tmp_path / "store") as watched,
        Listener(broker.port, "stopline/v1/+/+/receipt/+") as listener,
        Line(broker.port, bytes_per_s=2_000_000) as line,
        receiving(tmp_path, line.url, store) as receiver,
    ):
        for _ in range(CUTS):
            assert receiver.listening.wait(30)
            time.sleep(0.4 * dice.random())
            assert watched.count() < EVENTS, "all came before the last cut: let more events wait"
            line.cut()
        wait_until(lambda: watched.count() == EVENTS, 60, "every event")
        wait_until(lambda: len({one.topic for one in list(listener.heard)}) == EVENTS, 30, "a receipt for each")
        assert Counter(one.event_id for one in watched.events()) == Counter(waiting)
        assert watched.refusals(1) == []


@pytest.mark.usefixtures("waiting")
def test_the_first_of_a_backlog_is_stored_while_the_rest_is_on_its_way(tmp_path: Path, broker: Mosquitto) -> None:
    """The broker's word on the subscription comes behind the backlog: who waits for it, waits too long."""
    with (
        open_store(tmp_path / "store") as store,
        open_store(tmp_path / "store") as watched,
        Line(broker.port, bytes_per_s=60_000) as line,
        receiving(tmp_path, line.url, store) as receiver,
    ):
        assert receiver.listening.wait(2)
        wait_until(lambda: watched.count() > 0, 5, "a first event")
        assert line.passed < 300_000
        line.bytes_per_s = None
        wait_until(lambda: watched.count() == EVENTS, 30, "every event")
