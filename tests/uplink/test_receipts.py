"""A node, a real broker and a real receiver: what is stored goes from the outbox, and nothing else does."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pytest

from edge.config import Broker
from edge.delivery import Keeping
from edge.keys import trust
from edge.messages import Birth
from edge.mqtt import Connection, Publication, Topics
from edge.outbox import Case, Counts, Kind, Message, Outbox
from edge.receipt import CONTENT_TYPE, Receipt, sign_receipt
from edge.receive.receiver import Receiver, Settings
from edge.receive.store import open_store
from edge.receive.trust import TrustFiles
from edge.uplink import Pauses, Uplink
from tests.broker import wait_until
from tests.cases import signing_key
from tests.receive.fleet_of_cases import KEY, Made, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.keys import FileKey
    from tests.broker import Mosquitto

pytestmark = pytest.mark.broker

TOPICS = Topics("stopline", "main-and-3rd", "edge-1")
RECEIVER = signing_key(0x4EC)
STRANGER = signing_key(0x57A)
HOUR_MS = 3_600_000
RECEIVED = datetime(2026, 5, 4, 12, tzinfo=UTC)
QUICK = Pauses(first_s=0.05, longest_s=0.2)


class Clock:
    """UTC as a test sets it."""

    def __init__(self) -> None:
        self.ms = 1_780_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: Clock) -> Iterator[Outbox]:
    keeping = Keeping(receipts=True, keep_s=72 * 3600)
    with Outbox(tmp_path / "outbox.db", keeping=keeping, utc_ms=clock) as opened:
        yield opened


@contextmanager
def sending(url: str, outbox: Outbox, told: list[str] | None = None, **more: Any) -> Iterator[Uplink]:
    """A node's uplink at work."""
    tell = (told if told is not None else []).append
    birth = Birth("0", "a", "b", KEY.kid)
    uplink = Uplink(
        Broker(url=url),
        TOPICS.site,
        TOPICS.node,
        outbox,
        birth,
        receivers=trust(RECEIVER.public),
        tell=tell,
        pauses=QUICK,
        **more,
    )
    uplink.start()
    try:
        yield uplink
    finally:
        uplink.close(0.5)


@contextmanager
def receiving(folder: Path, url: str, key: FileKey = RECEIVER) -> Iterator[Receiver]:
    """A receiver at work; its store is ``folder / "store"``."""
    public = folder / "node.pub.pem"
    public.write_bytes(KEY.public.pem)
    with open_store(str(folder / "store")) as store:
        receiver = Receiver(Broker(url=url), Settings("group", "r0"), store, TrustFiles(None, [public], store), key)
        thread = threading.Thread(target=receiver.run)
        thread.start()
        try:
            assert receiver.listening.wait(20)
            yield receiver
        finally:
            receiver.stop()
            thread.join()


def record(outbox: Outbox, one: Made) -> None:
    """Put a violation of the node into the queue, as its keeper does."""
    outbox.open_case(lambda _: Case(one.id, bytes(1000)))
    event, *evidence = one.messages
    rows = [Message(one.id, event.topic, event.content_type, event.payload)]
    for index, part in enumerate(evidence):
        name = f"{one.id}/evidence/{index}" if index else f"{one.id}/evidence"
        rows.append(Message(name, part.topic, part.content_type, part.payload, Kind.EVIDENCE))
    outbox.complete_case(one.id, rows)


def stored(folder: Path) -> dict[str, str | None]:
    """Every event in the store with the hash of its bundle."""
    with open_store(str(folder / "store")) as store:
        return {one.event_id: one.bundle_sha256 for one in store.events()}


def publish(url: str, *messages: Publication) -> None:
    connection = Connection(Broker(url=url), "somebody")
    connection.open()
    answered = 0
    for message in messages:
        connection.publish(message)
    while answered < len(messages):
        connection.pump(0.1)
        answered += len(connection.take_acks())
    connection.close()


def receipt_of(one: Made, key: FileKey = RECEIVER, **other: Any) -> Publication:
    said = Receipt(
        **{
            "event_id": one.id,
            "event_sha256": one.sha256,
            "bundle_sha256": one.bundle_sha256,
            "received": RECEIVED,
            **other,
        }
    )
    return Publication(TOPICS.receipt(one.id), sign_receipt(said, key), CONTENT_TYPE)


def test_what_is_stored_is_kept_for_its_time_and_gone(
    tmp_path: Path, broker: Mosquitto, outbox: Outbox, clock: Clock
) -> None:
    some = [made(1), made(2, bundle_bytes=9_000), made(3, bundle_bytes=60_000)]
    rows = sum(len(one.messages) for one in some)
    with sending(broker.url, outbox) as uplink:
        for one in some:
            record(outbox, one)
        wait_until(lambda: outbox.counts().sent == rows, what="the broker to take all")
        assert outbox.counts().delivered == 0
        clock.ms += HOUR_MS  # nobody was there: it goes once more, and a receiver is
        with receiving(tmp_path, broker.url):
            wait_until(lambda: outbox.counts().kept == rows, what="every receipt")
        assert outbox.counts().delivered == rows
        assert uplink.state.receipts >= len(some)
        assert uplink.state.receipts_ignored == 0
        clock.ms += 71 * HOUR_MS
        assert outbox.counts().kept == rows
        clock.ms += HOUR_MS
        wait_until(lambda: outbox.rows(1) == [], what="the copies to go")
    assert outbox.counts() == Counts(0, 0, rows, 0)
    assert stored(tmp_path) == {one.id: one.bundle_sha256 for one in some}


def test_a_receipt_reaches_a_node_that_was_away(
    tmp_path: Path, broker: Mosquitto, outbox: Outbox, clock: Clock
) -> None:
    one = made(1, bundle_bytes=9_000)
    with receiving(tmp_path, broker.url):
        pass  # from here on the broker keeps for it what comes
    with sending(broker.url, outbox):
        record(outbox, one)
        wait_until(lambda: outbox.counts().sent == 2)
    with receiving(tmp_path, broker.url) as receiver:
        wait_until(lambda: receiver.counts.receipts == 1)
    assert outbox.counts().sent == 2
    with sending(broker.url, outbox):
        wait_until(lambda: outbox.counts().kept == 2, what="the receipt")


def test_a_receiver_whose_key_is_not_named_frees_nothing(
    tmp_path: Path, broker: Mosquitto, outbox: Outbox, clock: Clock
) -> None:
    told: list[str] = []
    some = [made(number) for number in range(1, 4)]
    with receiving(tmp_path, broker.url, key=STRANGER), sending(broker.url, outbox, told) as uplink:
        for one in some:
            record(outbox, one)
        wait_until(lambda: uplink.state.receipts_ignored == 3)
        assert outbox.counts().sent == 3
        assert uplink.state.receipts == 0
        assert STRANGER.kid in (uplink.state.receipt_problem or "")
        assert [words[:34] for words in told] == [
            "A receipt was ignored, 1 so far: T",
            "A receipt was ignored, 2 so far: T",
        ]
    assert set(stored(tmp_path)) == {one.id for one in some}


def test_a_receipt_that_contradicts_the_event_frees_nothing(broker: Mosquitto, outbox: Outbox) -> None:
    one = made(1, bundle_bytes=9_000)
    good = receipt_of(one)
    bad = [
        (receipt_of(one, event_sha256="0" * 64), "of another event"),
        (receipt_of(one, bundle_sha256="0" * 64), "of other evidence"),
        (receipt_of(one, key=STRANGER), "no trusted receiver's"),
        (Publication(good.topic, good.payload.replace(b"2026", b"2027"), CONTENT_TYPE), "changed after it was signed"),
        (Publication(good.topic, b"{}", CONTENT_TYPE), "no receipt"),
        (Publication(good.topic, b"\xff" * 5000, CONTENT_TYPE), "more than 4096 bytes"),
    ]
    with sending(broker.url, outbox) as uplink:
        uplink.wait_connected(10)
        record(outbox, one)
        wait_until(lambda: outbox.counts().sent == 2)
        for number, (message, words) in enumerate(bad, start=1):
            publish(broker.url, message)
            wait_until(lambda: uplink.state.receipts_ignored == number)  # noqa: B023 - used at once
            assert words in (uplink.state.receipt_problem or "")
        assert outbox.counts().sent == 2
        publish(broker.url, receipt_of(one, bundle_sha256=None))
        wait_until(lambda: outbox.counts().kept == 1, what="the event's own receipt")
        assert outbox.counts().sent == 1
        publish(broker.url, good, receipt_of(made(7)))
        wait_until(lambda: uplink.state.receipts == 3)
        assert outbox.counts() == Counts(0, 0, 2, outbox.counts().waiting_bytes, kept=2)


def test_nobody_can_fill_a_node_by_its_topic_of_receipts(broker: Mosquitto, outbox: Outbox) -> None:
    one = made(1)
    good = receipt_of(one)
    with sending(broker.url, outbox) as uplink:
        uplink.wait_connected(10)
        record(outbox, one)
        large = Publication(good.topic, bytes(1_000_000), CONTENT_TYPE)
        publish(broker.url, large, *[Publication(good.topic, b"?", CONTENT_TYPE)] * 10, large, good)
        wait_until(lambda: uplink.state.receipts == 1)
        assert uplink.state.receipts_ignored == 10
        assert uplink.state.connections == 1


def test_what_the_broker_lost_is_sent_again_and_stored_once(
    tmp_path: Path, broker: Mosquitto, outbox: Outbox, clock: Clock
) -> None:
    some = [made(1), made(2, bundle_bytes=60_000)]
    rows = sum(len(one.messages) for one in some)
    with receiving(tmp_path, broker.url):
        pass  # from here on the broker keeps for it what comes
    with sending(broker.url, outbox) as uplink:
        for one in some:
            record(outbox, one)
        wait_until(lambda: outbox.counts().sent == rows, what="the broker to take all")
        broker.kill()
        for file in broker.folder.glob("mosquitto.db*"):
            file.unlink()
        broker.start()
        wait_until(lambda: uplink.state.connections == 2)
        with receiving(tmp_path, broker.url) as receiver:
            clock.ms += HOUR_MS - 1
            assert outbox.tend() == 0
            assert receiver.counts.events == 0, "the broker has lost it all"
            clock.ms += 1
            wait_until(lambda: outbox.counts().kept == rows, what="every receipt")
            assert receiver.counts.events == len(some)
            assert receiver.counts.repeated == 0
    assert stored(tmp_path) == {one.id: one.bundle_sha256 for one in some}


def test_a_node_without_receivers_listens_to_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    one = made(1)
    with Outbox(tmp_path / "plain.db") as outbox:
        uplink = Uplink(Broker(url=broker.url), TOPICS.site, TOPICS.node, outbox, Birth("0", "a", "b", "c"))
        uplink.start()
        record(outbox, one)
        publish(broker.url, receipt_of(one))
        assert uplink.close(10) == 0
        assert outbox.counts() == Counts(0, 0, 1, 0)
        assert uplink.state.receipts + uplink.state.receipts_ignored == 0


def test_events_go_even_where_the_broker_forbids_to_listen(outbox: Outbox) -> None:
    told: list[str] = []
    with StrictBroker() as strict:
        record(outbox, made(1))
        with sending(strict.url, outbox, told) as uplink:
            wait_until(lambda: outbox.counts().sent == 1, what="the event to be taken")
            assert uplink.state.connections == 2
    assert len(told) == 1
    assert "No receipts can come" in told[0]
    assert "Not authorized" in told[0]
    assert strict.subscriptions == 1


class StrictBroker:
    """Takes every message and refuses subscriptions, as a Mosquitto with a list of rights cannot be made to do.

    ``refused`` stands in each filter that is refused.
    """

    def __init__(self, refused: bytes = b"") -> None:
        self.subscriptions = 0
        self._refused = refused
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as stream:
                self._serve(client, stream)

    def _serve(self, client: socket.socket, stream: Any) -> None:
        while first := stream.read(1):
            length = shift = 0
            byte = 0x80
            while byte & 0x80:
                byte = stream.read(1)[0]
                length |= (byte & 0x7F) << shift
                shift += 7
            body = stream.read(length)
            kind, qos = first[0] >> 4, first[0] >> 1 & 3
            if kind == 1:
                client.sendall(bytes([0x20, 3, 0, 0, 0]))
            elif kind == 3 and qos:
                place = 2 + int.from_bytes(body[:2], "big")
                client.sendall(bytes([0x40, 2]) + body[place : place + 2])
            elif kind == 8:
                self.subscriptions += 1
                client.sendall(bytes([0x90, 4]) + body[:2] + bytes([0, 0x87 if self._refused in body else 1]))
