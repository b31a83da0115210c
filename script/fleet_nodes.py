"""Simulated nodes for script/load: each with a key, a connection and events that were signed beforehand.

A fleet is what runs in one process. Up to a few thousand nodes each have the node's real uplink, with its thread; tens
of thousands would need as many threads, so there each has the real connection alone and one loop serves them all.
"""

from __future__ import annotations

import random
import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge import event
from edge.config import Broker
from edge.keys import FileKey
from edge.messages import Birth, encoded
from edge.mqtt import MAX_IN_FLIGHT, Connection, Publication, Topics
from edge.outbox import Kind, Message
from edge.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from multiprocessing.connection import Connection as Pipe

SITE: Final = "load"

_SESSION_S = 3600
_WAKE_S = 5.0  # between looks at every connection, which then keeps itself alive


@dataclass(frozen=True, slots=True)
class Row:
    """A message of the queue."""

    number: int
    message: Message
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of it."""

    pending: int
    refused: int = 0


class Queue:
    """An outbox without a disk: a thousand nodes have a thousand disks, this machine has one."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()

    def fill(self, messages: Iterable[Message]) -> None:
        with self._lock:
            self._rows.update((one.id, Row(number, one)) for number, one in enumerate(messages, start=1))

    def pending(self, limit: int, *, after: int = 0, max_bytes: int | None = None) -> list[Row]:
        del max_bytes  # events are small
        with self._lock:
            found = (row for row in self._rows.values() if row.number > after)
            return [row for row, _ in zip(found, range(limit), strict=False)]

    def delivered(self, ids: Iterable[str]) -> int:
        with self._lock:
            return sum(self._rows.pop(id_, None) is not None for id_ in ids)

    def refused(self, message_id: str, reason: str) -> None:
        raise SystemExit(f"the broker refuses {message_id}: {reason}")

    def retry(self) -> int:
        return 0

    def event(self, event_id: str) -> bytes | None:
        with self._lock:
            return self._rows[event_id].message.payload if event_id in self._rows else None

    def confirmed(self, event_id: str, *, whole: bool) -> int:
        return self.delivered([event_id] if whole else [])

    def tend(self) -> int:
        return 0

    def counts(self) -> Left:
        with self._lock:
            return Left(len(self._rows))


def node_key(number: int) -> FileKey:
    """A key of its own for each node, the same every time: for measurements only."""
    private = ec.derive_private_key(0x10AD + number, ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return FileKey.from_pem(private.private_bytes(*form))


def signed(number: int, key: FileKey, events: int, template: dict[str, Any]) -> list[Message]:
    """A node's events, each with its own id, nonce and sequence; no bundles."""
    dice = random.Random(number)  # noqa: S311 - the same every time
    source = f"stopline://{SITE}/n{number}"
    topic = Topics("stopline", SITE, f"n{number}").violation
    messages = []
    for sequence in range(1, events + 1):
        id_ = event.uuid7(1_750_000_000_000 + sequence, dice.randbytes(10))
        data = {**template["data"], "nonce": dice.randbytes(16).hex(), "evidence": None}
        one = {**template, "id": id_, "source": source, "sequence": f"{sequence:016d}", "data": data}
        del one["signature"]
        messages.append(Message(id_, topic, event.CONTENT_TYPE, event.sign(one, key), Kind.EVENT))
    return messages


class Threaded:
    """Nodes with the real uplink."""

    def __init__(self, url: str, numbers: Sequence[int], keys: Sequence[FileKey]) -> None:
        threading.stack_size(262_144)
        self._queues = [Queue() for _ in numbers]
        self._uplinks = [
            Uplink(Broker(url=url), SITE, f"n{number}", queue, _birth(key))
            for number, key, queue in zip(numbers, keys, self._queues, strict=True)
        ]

    def connect(self) -> None:
        for uplink in self._uplinks:
            uplink.start()
        for uplink in self._uplinks:
            uplink.wait_connected(300)

    def serve(self, pipe: Pipe) -> None:
        """Stay connected until there is a word."""
        pipe.poll(None)

    def report(self, messages: Sequence[list[Message]]) -> None:
        for queue, some in zip(self._queues, messages, strict=True):
            queue.fill(some)
        while any(queue.counts().pending for queue in self._queues):
            time.sleep(0.05)

    def close(self) -> None:
        for uplink in self._uplinks:
            threading.Thread(target=uplink.close, args=(1.0,), daemon=True).start()
        time.sleep(1.0)


class Looped:
    """Nodes that connect, greet and listen for receipts as the uplink does, without its threads."""

    def __init__(self, url: str, numbers: Sequence[int], keys: Sequence[FileKey]) -> None:
        self._nodes = [_Node(Broker(url=url), number, key) for number, key in zip(numbers, keys, strict=True)]
        self._by_file: dict[int, _Node] = {}
        self._poll = select.epoll()
        self._wake_s = 0.0

    def connect(self) -> None:
        for node in self._nodes:
            node.connect()
            self._by_file[node.connection.fileno()] = node
            self._poll.register(node.connection.fileno(), select.EPOLLIN)
            self._step(0.0)

    def serve(self, pipe: Pipe) -> None:
        """Stay connected until there is a word."""
        while not pipe.poll():
            self._step(0.5)

    def report(self, messages: Sequence[list[Message]]) -> None:
        for node, some in zip(self._nodes, messages, strict=True):
            node.waiting.extend(some)
        while any(node.waiting or node.unanswered for node in self._nodes):
            for node in self._nodes:
                node.say()
            self._step(0.05)

    def close(self) -> None:
        for node in self._nodes:
            node.connection.close()

    def _step(self, timeout_s: float) -> None:
        for file, _ in self._poll.poll(timeout_s, 256):
            self._by_file[file].look()
        if time.monotonic() >= self._wake_s:
            self._wake_s = time.monotonic() + _WAKE_S
            for node in self._by_file.values():
                node.look()


class _Node:
    def __init__(self, broker: Broker, number: int, key: FileKey) -> None:
        self._topics = Topics(broker.prefix, SITE, f"n{number}")
        self._birth = Publication(self._topics.birth, encoded(_birth(key)), "application/json", retain=True)
        will = Publication(self._topics.status, b"offline", "text/plain", retain=True)
        name = f"stopline-{SITE}-n{number}"
        self.connection = Connection(
            broker, name, will=will, session_s=_SESSION_S, unacknowledged=MAX_IN_FLIGHT, keepalive_s=60
        )
        self.waiting: list[Message] = []
        self.unanswered = 0

    def connect(self) -> None:
        self.connection.open()
        self.connection.subscribe(self._topics.receipt("+"))
        self._publish(Publication(self._topics.status, b"online", "text/plain", retain=True))
        self._publish(self._birth)

    def say(self) -> None:
        while self.waiting and self.connection.room > 0:
            one = self.waiting.pop()
            self._publish(Publication(one.topic, one.payload, one.content_type))

    def look(self) -> None:
        self.connection.pump(0.0)
        self.unanswered -= len(self.connection.take_acks())
        for receipt in self.connection.take_received():
            self.connection.acknowledge(receipt)

    def _publish(self, publication: Publication) -> None:
        self.connection.publish(publication)
        self.unanswered += 1


def fleet(kind: type[Threaded | Looped], url: str, numbers: Sequence[int], events: int, template: dict[str, Any],
          pipe: Pipe) -> None:  # fmt: skip
    """On a word connect so many nodes, on the next let all of them report; says how much processor each step took."""
    keys = [node_key(number) for number in numbers]
    messages = [signed(number, key, events, template) for number, key in zip(numbers, keys, strict=True)]
    nodes = kind(url, numbers, keys)
    pipe.send("ready")
    pipe.recv()
    pipe.send(_cpu_s(nodes.connect))
    pipe.send(_cpu_s(lambda: nodes.serve(pipe)))
    pipe.recv()
    pipe.send(_cpu_s(lambda: nodes.report(messages)))
    nodes.serve(pipe)
    pipe.recv()
    nodes.close()


def _cpu_s(step: Callable[[], None]) -> float:
    begun_s = time.process_time()
    step()
    return time.process_time() - begun_s


def _birth(key: FileKey) -> Birth:
    return Birth("load", "0" * 64, "0" * 64, key.kid)
