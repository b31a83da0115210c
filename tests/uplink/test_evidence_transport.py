"""Evidence on a real broker: in parts that fit it, over breaks, never again what was acknowledged, whole at the end."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from edge.config import Broker
from edge.event import CONTENT_TYPE
from edge.evidence.parts import LIST_TYPE, PART_TYPE, Assembler, Parcel, split
from edge.evidence.seal import SEALED_TYPE
from edge.messages import Birth, Frames, Health
from edge.mqtt import Ack, Connection, Publication, Topics
from edge.outbox import Case, Kind, Message, Outbox
from edge.uplink import MAX_BYTES_IN_FLIGHT, Pauses, Uplink
from tests.broker import Heard, Listener, Mosquitto, wait_until
from tests.uplink.test_uplink import DeafBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.broker, pytest.mark.alone]

TOPICS = Topics("stopline", "main-and-3rd", "edge-1")
BIRTH = Birth(software="0.1.0", model_sha256="a7" * 32, site_sha256="5b" * 32, kid="kid-of-the-node")
QUICK = Pauses(first_s=0.05, longest_s=0.2, refused_first_s=1.0, refused_longest_s=1.0)


def uplink_of(broker: Mosquitto, outbox: Outbox) -> Uplink:
    return Uplink(Broker(url=broker.url), TOPICS.site, TOPICS.node, outbox, BIRTH, pauses=QUICK)


def record(outbox: Outbox, event_id: str, content: bytes, part_bytes: int) -> list[str]:
    """Open a case and complete it with its evidence; gives the ids of its rows."""
    outbox.open_case(lambda _: Case(event_id, bytes(1000)))
    rows = [Message(event_id, TOPICS.violation, CONTENT_TYPE, event_id.encode())]
    for parcel in split(event_id, SEALED_TYPE, content, part_bytes):
        row = f"{event_id}/evidence/{parcel.index}" if parcel.index else f"{event_id}/evidence"
        topic = TOPICS.evidence(event_id, parcel.index)
        rows.append(Message(row, topic, parcel.content_type, parcel.payload, Kind.EVIDENCE))
    outbox.complete_case(event_id, rows)
    return [row.id for row in rows]


def assembled(heard: list[Heard], event_id: str, content: bytes) -> Assembler:
    """What a receiver makes of all that it heard of an event's evidence."""
    target = Assembler(event_id, hashlib.sha256(content).hexdigest())
    for one in heard:
        place, _, index = one.topic.removeprefix(TOPICS.evidence("")).partition("/")
        if place == event_id:
            target.add(Parcel(int(index or 0), one.properties["ContentType"], one.payload))
    return target


def test_small_evidence_travels_whole_after_its_event(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    record(outbox, "e1", b"sealed", 1000)
    uplink = uplink_of(broker, outbox)
    uplink.start()
    assert uplink.close(20) == 0
    wait_until(lambda: listener.on(TOPICS.evidence("e1")))
    heard = [one.topic for one in listener.heard if "/event/" in one.topic or "/evidence/" in one.topic]
    assert heard == [TOPICS.violation, TOPICS.evidence("e1")]
    (sent,) = listener.on(TOPICS.evidence("e1"))
    assert (sent.payload, sent.properties["ContentType"]) == (b"sealed", SEALED_TYPE)
    assert bytes.fromhex(sent.properties["CorrelationData"]) == b"e1"
    assert dict(sent.properties["UserProperty"]) == {"id": "e1/evidence", "kind": "evidence"}
    assert (sent.qos, sent.retained) == (1, False)
    assert "MessageExpiryInterval" not in sent.properties
    assert "PayloadFormatIndicator" not in sent.properties


def test_large_evidence_passes_a_broker_that_takes_small_packets_only(folder: Path, outbox: Outbox) -> None:
    content = os.urandom(400_000)
    with Mosquitto(folder / "broker", options=("max_packet_size 20000",)) as broker, Listener(broker.port) as listener:
        rows = record(outbox, "e1", content, 16_384)
        uplink = uplink_of(broker, outbox)
        uplink.start()
        assert uplink.close(30) == 0
        wait_until(lambda: len([one for one in listener.heard if "/evidence/" in one.topic]) >= len(rows) - 1)
        heard = [one for one in list(listener.heard) if "/evidence/" in one.topic]
    assert heard[0].properties["ContentType"] == LIST_TYPE
    assert heard[0].properties["PayloadFormatIndicator"] == 1
    assert {one.properties["ContentType"] for one in heard[1:]} == {PART_TYPE}
    assert {bytes.fromhex(one.properties["CorrelationData"]) for one in heard} == {b"e1"}
    assert [one.topic for one in heard[1:]] == [TOPICS.evidence("e1", index) for index in range(1, len(rows) - 1)]
    whole = assembled(heard, "e1", content).whole
    assert whole is not None
    assert (whole.data, whole.content_type) == (content, SEALED_TYPE)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    watched = Wire()
    publish, take_acks = Connection.publish, Connection.take_acks

    def publishing(connection: Connection, publication: Publication) -> int:
        mid = publish(connection, publication)
        watched.published(connection, mid, publication)
        time.sleep(0.002)  # as on a line that is slower than this machine: something is left to be interrupted
        return mid

    def taking(connection: Connection) -> list[Ack]:
        acks = take_acks(connection)
        watched.answered(connection, acks)
        return acks

    monkeypatch.setattr(Connection, "publish", publishing)
    monkeypatch.setattr(Connection, "take_acks", taking)
    yield watched
    assert watched.again == []


class Wire:
    """Watches what goes over every connection: ``again`` must stay empty, ``most_bytes`` low."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._under_way: dict[int, tuple[str, int]] = {}
        self.acknowledged: set[str] = set()
        self.sent: Counter[str] = Counter()
        self.again: list[str] = []
        self.most_bytes = 0

    def published(self, connection: Connection, mid: int, publication: Publication) -> None:
        if connection is not self._connection:  # what was under way before is not answered any more
            self._connection = connection
            self._under_way.clear()
        row = dict(publication.user_properties).get("id")
        if row is None:
            return
        if row in self.acknowledged:
            self.again.append(row)
        self.sent[row] += 1
        self._under_way[mid] = (row, len(publication.payload))
        self.most_bytes = max(self.most_bytes, sum(size for _, size in self._under_way.values()))

    def answered(self, connection: Connection, acks: list[Ack]) -> None:
        for ack in acks if connection is self._connection else ():
            row, _ = self._under_way.pop(ack.mid, (None, 0))
            if row is not None and ack.refusal is None:
                self.acknowledged.add(row)


@pytest.mark.parametrize("killed", [False, True])
def test_a_broker_that_goes_midway_gets_the_rest_and_nothing_again(
    folder: Path, outbox: Outbox, wire: Wire, killed: bool
) -> None:
    contents = {f"e{number}": os.urandom(600_000) for number in range(40)}  # more than goes out in one glance
    with (
        Mosquitto(folder / "broker", options=("max_packet_size 20000",)) as broker,
        Listener(broker.port) as listener,
        Outbox(outbox._path) as watched,  # which does not queue up for the uplink's own lock
    ):
        rows = [row for name, content in contents.items() for row in record(outbox, name, content, 16_384)]
        uplink = uplink_of(broker, outbox)
        uplink.start()
        for kill in range(1, 4):
            wait_until(lambda: watched.counts().delivered >= kill * len(rows) // 5, 120)  # noqa: B023 - used at once
            broker.kill() if killed else broker.stop()
            left = watched.counts().pending
            assert 0 < left < len(rows)
            time.sleep(0.2)
            broker.start()
            wait_until(lambda: listener.connected)
        assert uplink.close(60) == 0
        assert uplink.state.connections >= 4
        if not killed:  # else what it has taken but not passed on is its own to lose
            wait_until(lambda: all(assembled(listener.heard, *one).whole for one in contents.items()))
    assert wire.again == []
    assert wire.acknowledged == set(wire.sent) == set(rows)
    # Sent twice is at most what was under way at each kill.
    assert sum(wire.sent.values()) - len(rows) <= 3 * 20


def test_a_node_that_stops_midway_goes_on_where_it_was(folder: Path, tmp_path: Path, wire: Wire) -> None:
    content = os.urandom(3_000_000)
    with Mosquitto(folder / "broker") as broker, Listener(broker.port) as listener:
        with Outbox(tmp_path / "o.db") as outbox:
            rows = record(outbox, "e1", content, 16_384)
            uplink = uplink_of(broker, outbox)
            uplink.start()
            wait_until(lambda: outbox.counts().delivered > 20)
            left = uplink.close(0)
            assert 0 < left < len(rows)
        with Outbox(tmp_path / "o.db") as outbox:
            uplink = uplink_of(broker, outbox)
            uplink.start()
            assert uplink.close(30) == 0
        wait_until(lambda: assembled(listener.heard, "e1", content).whole)
    assert sum(wire.sent.values()) - len(rows) <= 20


def test_large_rows_are_few_at_a_time(broker: Mosquitto, outbox: Outbox, wire: Wire) -> None:
    record(outbox, "e1", os.urandom(40_000_000), 1_000_000)
    uplink = uplink_of(broker, outbox)
    uplink.start()
    assert uplink.close(60) == 0
    assert 2_000_000 < wire.most_bytes <= MAX_BYTES_IN_FLIGHT


def test_a_row_larger_than_the_bound_goes_alone(broker: Mosquitto, outbox: Outbox, wire: Wire) -> None:
    for number in range(3):
        record(outbox, f"e{number}", os.urandom(6_000_000), 6_000_000)
    uplink = uplink_of(broker, outbox)
    uplink.start()
    assert uplink.close(60) == 0
    assert wire.most_bytes < 6_001_000


def test_bytes_under_way_are_bounded_where_nobody_answers(outbox: Outbox) -> None:
    record(outbox, "e1", os.urandom(20_000_000), 1_000_000)
    with DeafBroker() as deaf:
        uplink = Uplink(Broker(url=deaf.url), TOPICS.site, TOPICS.node, outbox, BIRTH, pauses=QUICK)
        uplink.start()
        # Status, birth, event, list, and as many parts as the bound allows beside the two small ones.
        wait_until(lambda: deaf.published >= 7)
        time.sleep(0.5)
        assert deaf.published == 7
        assert uplink.close(0.1) == 22


def test_a_refused_part_keeps_its_row_and_the_rest_goes(folder: Path, outbox: Outbox) -> None:
    acl = folder / "acl"
    acl.write_text(f"topic readwrite #\ntopic deny {TOPICS.evidence('e1', 2)}\n")
    acl.chmod(0o644)
    content = os.urandom(60_000)
    with (
        Mosquitto(folder / "broker", options=(f"acl_file {acl}",)) as broker,
        Listener(broker.port) as listener,
    ):
        rows = record(outbox, "e1", content, 16_384)
        uplink = uplink_of(broker, outbox)
        uplink.start()
        wait_until(lambda: outbox.counts().delivered == len(rows) - 1)
        assert [row.message.id for row in outbox.rows(10)] == ["e1/evidence/2"]
        wait_until(lambda: outbox.counts().refused == 1)
        assert "1 of 4 parts are missing: 2" in assembled(listener.heard, "e1", content).reason
        acl.write_text("topic readwrite #\n")
        assert broker.process is not None
        broker.process.send_signal(1)
        wait_until(lambda: outbox.counts().delivered == len(rows))
        assert uplink.close(5) == 0
        wait_until(lambda: assembled(listener.heard, "e1", content).whole)


def quiet_port() -> int:
    """A free port that no outgoing connection is given: a thousand attempts at one that is may meet themselves."""
    for port in range(20_000 + os.getpid() % 5000, 30_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


class LeapingClock:
    """Time that passes as fast as nothing happens: every wait is over at once and counts in full."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self.waits = 0
        self.hold = threading.Event()
        self.until_s = float("inf")

    def now_s(self) -> float:
        return self._now_s + time.monotonic() / 1e6  # within a connection it goes on, slowly

    def wait(self, event: threading.Event, timeout_s: float) -> None:
        if self._now_s >= self.until_s:
            self.hold.wait(20)
        self._now_s += timeout_s
        self.waits += 1
        event.wait(0)


def test_a_day_without_a_broker_loses_nothing_and_asks_once_a_minute(folder: Path, outbox: Outbox) -> None:
    port = quiet_port()
    clock = LeapingClock()
    began_s = clock.now_s()
    contents: dict[str, bytes] = {}
    rows: list[str] = []
    uplink = Uplink(Broker(url=f"mqtt://127.0.0.1:{port}"), TOPICS.site, TOPICS.node, outbox, BIRTH, clock=clock)
    clock.until_s = began_s
    uplink.start()
    for hour in range(1, 25):  # every hour a violation, and counters as often as the node says them
        contents[f"e{hour}"] = os.urandom(40_000)
        rows += record(outbox, f"e{hour}", contents[f"e{hour}"], 16_384)
        for _ in range(50):
            uplink.send_health(Health(hour * 3600.0, Frames(1, 0, 0, 25.0, 0.04)))
        clock.until_s = began_s + hour * 3600
        clock.hold.set()
        wait_until(lambda: clock.now_s() >= clock.until_s, what="an hour to pass")
        clock.hold.clear()
    assert "nothing listens" in (uplink.state.problem or "")
    assert clock.now_s() - began_s >= 86_400
    assert 86_400 / 60 <= clock.waits <= 86_400 / 30 + 20
    assert outbox.counts().pending == len(rows)
    assert uplink.state.telemetry_dropped == 24 * 50 - 256
    with Mosquitto(folder / "broker", port=port) as broker, Listener(broker.port) as listener:
        clock.until_s = float("inf")
        clock.hold.set()
        uplink.wait_connected(20)
        wait_until(lambda: outbox.counts().delivered == len(rows))
        wait_until(lambda: all(assembled(listener.heard, *one).whole for one in contents.items()))
        heard = [
            dict(one.properties["UserProperty"])["id"] for one in listener.heard if "UserProperty" in one.properties
        ]
        assert heard == rows, "each once, in the order they happened"
        assert uplink.close(10) == 0


class JumpingClock:
    """The machine's own time, and what a test adds to it."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def now_s(self) -> float:
        return time.monotonic() + self.added_s

    def wait(self, event: threading.Event, timeout_s: float) -> None:
        event.wait(min(timeout_s, 0.05))


def test_a_slow_line_gets_the_time_that_so_many_bytes_take(outbox: Outbox) -> None:
    record(outbox, "e1", os.urandom(2_000_000), 2_000_000)
    clock = JumpingClock()
    with DeafBroker() as deaf:
        uplink = Uplink(Broker(url=deaf.url), TOPICS.site, TOPICS.node, outbox, BIRTH, pauses=QUICK, clock=clock)
        uplink.start()
        wait_until(lambda: deaf.published >= 4)  # status, birth, event, evidence
        clock.added_s = 280.0  # 2 MB at 64 kbit/s and a minute more are 310 s
        time.sleep(0.5)
        assert uplink.state.connections == 1
        clock.added_s = 320.0
        wait_until(lambda: uplink.state.connections == 2, what="a new connection")
        assert uplink.close(0.0) == 2


def test_properties_stay_as_they_were_for_events(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    outbox.append(Message("e1", TOPICS.violation, CONTENT_TYPE, b"{}"))
    uplink = uplink_of(broker, outbox)
    uplink.start()
    assert uplink.close(10) == 0
    wait_until(lambda: listener.on(TOPICS.violation))
    properties: dict[str, Any] = listener.on(TOPICS.violation)[0].properties
    assert "CorrelationData" not in properties
    assert properties["PayloadFormatIndicator"] == 1
