"""The connection towards a broker that sends nonsense, and what is not the broker's doing."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import contextmanager, suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.errors import BrokerError, SubscriptionError
from edge.mqtt import Connection, Publication

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNACK = bytes([0x20, 3, 0, 0, 0])
KEPT = bytes([0x20, 3, 1, 0, 0])  # the session is there still
TEN_AT_MOST = bytes([0x20, 6, 0, 0, 3, 0x21, 0, 10])
SUBACK_REFUSED = bytes([0x90, 4, 0, 1, 0, 0x87])


@contextmanager
def answering(answers: list[bytes]) -> Iterator[str]:
    """A server that gives each client in turn one of these answers and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(1000)
                    client.sendall(answer)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        thread.join(30)


def noise(dice: Random) -> bytes:
    """Bytes that begin like one MQTT packet or another."""
    body = dice.randbytes(dice.randrange(0, 40))
    return bytes([dice.randrange(16) << 4 | dice.randrange(16), len(body)]) + body + dice.randbytes(dice.randrange(3))


@pytest.mark.parametrize("greeting", [b"", CONNACK])
def test_nonsense_from_the_broker_is_a_broker_error_and_nothing_else(greeting: bytes) -> None:
    dice = Random(7)  # noqa: S311 - the same nonsense every time
    answers = [greeting + noise(dice) for _ in range(300)]
    with answering(answers) as url:
        for _ in answers:
            connection = Connection(Broker(url=url), "client")
            with pytest.raises(BrokerError):
                talk(connection)
            connection.close()


def talk(connection: Connection) -> None:
    connection.open()
    while True:
        connection.pump(1.0)


def test_in_a_kept_session_the_word_on_a_subscription_is_not_waited_for() -> None:
    with answering([KEPT + SUBACK_REFUSED]) as url:
        connection = Connection(Broker(url=url), "client", session_s=60)
        connection.open()
        connection.subscribe("some/topic")
        with pytest.raises(SubscriptionError, match="refuses some/topic to this client: Not authorized"):
            connection.pump(1.0)
        connection.close()


def test_in_a_new_session_it_is_waited_for() -> None:
    with answering([CONNACK + SUBACK_REFUSED]) as url:
        connection = Connection(Broker(url=url), "client", session_s=60)
        connection.open()
        with pytest.raises(SubscriptionError, match="refuses some/topic"):
            connection.subscribe("some/topic")
        connection.close()


@pytest.mark.parametrize(("greeting", "room"), [(CONNACK, 50), (TEN_AT_MOST, 10)])
def test_as_many_publications_may_be_under_way_as_asked_for_and_allowed(greeting: bytes, room: int) -> None:
    with answering([greeting]) as url:
        connection = Connection(Broker(url=url), "client", in_flight=50)
        connection.open()
        assert connection.room == room
        for left in range(room, 0, -1):
            assert connection.room == left
            connection.publish(Publication("topic", b"content", "text/plain"))
        assert connection.room == 0
        connection.close()


def test_received_messages_are_taken_within_bounds() -> None:
    messages = [bytes([0x30, 2 + 5 + 1 + 10]) + b"\0\5topic\0" + bytes([number]) * 10 for number in range(5)]
    with answering([CONNACK + b"".join(messages)]) as url:
        connection = Connection(Broker(url=url), "client")
        connection.open()
        for _ in messages:
            assert connection.pump(1.0)
        taken = [connection.take_received(2), connection.take_received(None, 1), connection.take_received(9, 11)]
        assert [[one.payload[0] for one in some] for some in taken] == [[0, 1], [2], [3, 4]]
        assert connection.take_received(1, 1) == []
        connection.close()


def test_what_a_signal_handler_raises_is_not_taken_for_the_brokers_doing() -> None:
    class AskedToStop(Exception):  # noqa: N818
        pass

    def ask(_number: int, _frame: object) -> None:
        raise AskedToStop

    previous = signal.signal(signal.SIGALRM, ask)
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            connection = Connection(Broker(url=f"mqtt://127.0.0.1:{silent.getsockname()[1]}"), "client")
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(AskedToStop):
                connection.open()
            connection.close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
