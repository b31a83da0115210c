from __future__ import annotations

import re
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from edge import event, monitor
from edge.config import Broker
from edge.errors import BrokerError
from edge.keys import SigningKey, trust
from edge.monitor import Check, SeenEvent, Tally
from edge.mqtt import Connection, Publication, Topics
from edge.records import VehicleClass
from tests.broker import free_port, wait_until
from tests.cases import EVENT_ID, NONCE, case, signing_key

if TYPE_CHECKING:
    from tests.broker import Mosquitto

pytestmark = pytest.mark.broker

KEY = signing_key()
TRUSTED = trust(KEY.public)
TOPIC = Topics("stopline", "main-and-3rd", "edge-1").violation


def signed(number: int, key: SigningKey = KEY) -> bytes:
    document = event.build(case(3), event_id=EVENT_ID[:-2] + f"{number:02x}", nonce=NONCE, sequence=number)
    return event.sign(document, key)


def send(broker: Mosquitto, *payloads: bytes, topic: str = TOPIC) -> None:
    connection = Connection(Broker(url=broker.url), "sender")
    connection.open()
    for payload in payloads:
        connection.publish(Publication(topic, payload, event.CONTENT_TYPE))
    answered = 0
    while answered < len(payloads):
        connection.pump(0.1)
        answered += len(connection.take_acks())
    connection.close()


def seen_of(broker: Mosquitto, *payloads: bytes, count: int | None = None) -> list[SeenEvent]:
    """What a watcher sees of these payloads; they are sent once its subscription stands."""
    watching = monitor.watch(
        Broker(url=broker.url),
        "stopline",
        TRUSTED,
        seconds=10,
        stop_after=count or len(payloads),
        on_ready=lambda: send(broker, *payloads),
    )
    return list(watching)


def test_a_genuine_event_is_shown_with_what_it_says(broker: Mosquitto) -> None:
    (seen,) = seen_of(broker, signed(1))
    assert (seen.check, seen.reason, seen.repeated) == (Check.VERIFIED, None, False)
    assert (seen.site, seen.node, seen.lane) == ("main-and-3rd", "edge-1", "through")
    assert (seen.vehicle_class, seen.red_at_least_s) == (VehicleClass.CAR, 1.494983)
    assert seen.time == "2025-06-14T06:00:41.843392Z"
    assert event.verify(seen.payload, TRUSTED).sequence == 1


def test_what_is_not_genuine_is_told_apart_and_not_shown(broker: Mosquitto) -> None:
    changed = signed(1).replace(b'"car"', b'"bus"')
    stranger = signed(2, signing_key(0xBEEF))
    first, second, third = seen_of(broker, changed, stranger, b"hello")
    assert [one.check for one in (first, second, third)] == [Check.INVALID, Check.KEY_NOT_TRUSTED, Check.INVALID]
    assert "changed after it was signed" in (first.reason or "")
    assert "key is not trusted" in (second.reason or "")
    assert (first.lane, second.lane, third.lane) == (None, None, None)
    assert first.payload == changed


def test_a_repeated_event_is_marked_and_does_not_count(broker: Mosquitto) -> None:
    once, twice = signed(1), signed(2)
    seen = seen_of(broker, once, once, twice, count=2)
    assert [one.repeated for one in seen] == [False, True, False]
    tally = Tally()
    for one in seen:
        tally.add(one)
    assert tally == Tally(verified=2, repeated=1)


def test_every_site_and_node_is_heard_and_nothing_else(broker: Mosquitto) -> None:
    def send_all() -> None:
        send(broker, b"x", topic="stopline/v1/here/there/health")
        send(broker, signed(1), topic="stopline/v1/other-site/node-9/event/violation")

    watching = monitor.watch(Broker(url=broker.url), "stopline", TRUSTED, seconds=2, on_ready=send_all)
    assert [(one.site, one.node) for one in watching] == [("other-site", "node-9")]


def test_it_ends_in_time_where_nothing_comes(broker: Mosquitto) -> None:
    assert list(monitor.watch(Broker(url=broker.url), "stopline", TRUSTED, seconds=0.3)) == []


@pytest.mark.alone
def test_a_restarted_broker_is_connected_to_anew(broker: Mosquitto) -> None:
    ready = threading.Event()
    seen: list[SeenEvent] = []

    def work() -> None:
        seen.extend(monitor.watch(Broker(url=broker.url), "stopline", TRUSTED, stop_after=2, on_ready=ready.set))

    watcher = threading.Thread(target=work)
    watcher.start()
    assert ready.wait(10)
    send(broker, signed(1))
    wait_until(lambda: len(seen) == 1)
    broker.stop()
    broker.start()
    send(broker, signed(2))  # the broker keeps it for the watcher's session
    watcher.join(20)
    assert [one.check for one in seen] == [Check.VERIFIED] * 2


def test_an_absent_broker_is_told_at_once() -> None:
    with pytest.raises(BrokerError, match="is not there"):
        list(monitor.watch(Broker(url=f"mqtt://127.0.0.1:{free_port()}"), "stopline", TRUSTED, seconds=5))


def test_leaving_early_says_goodbye(broker: Mosquitto) -> None:
    watching = monitor.watch(Broker(url=broker.url), "stopline", TRUSTED, on_ready=lambda: send(broker, signed(1)))
    assert next(watching).check is Check.VERIFIED
    assert isinstance(watching, Generator)
    watching.close()
    wait_until(lambda: re.search(r"Client stopline-inspect-\w+ disconnected", broker.log()))
