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
from edge.errors import BrokerError
from edge.mqtt import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNACK = bytes([0x20, 3, 0, 0, 0])


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
