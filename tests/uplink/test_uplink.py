"""The uplink on a real broker: what it promises while all goes well, and when the broker or the network does not."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest

from edge.config import Broker
from edge.errors import BrokerError
from edge.messages import Birth, Frames, Health, Signal
from edge.mqtt import MAX_IN_FLIGHT, Connection, Publication, Topics
from edge.outbox import Message, Outbox, State
from edge.records import Fault, Phase
from edge.uplink import MAX_TELEMETRY, Pauses, Uplink
from tests.broker import Authority, Listener, Mosquitto, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.broker

BIRTH = Birth(software="0.1.0", model_sha256="a7" * 32, site_sha256="5b" * 32, kid="kid-of-the-node")
TOPICS = Topics("stopline", "main-and-3rd", "edge-1")
QUICK = Pauses(first_s=0.05, longest_s=0.2, refused_first_s=1.0, refused_longest_s=1.0)
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def settings(broker: Mosquitto, **more: Any) -> Broker:
    return Broker.model_validate({"url": broker.url, **more})


def uplink_of(broker: Broker, outbox: Outbox, pauses: Pauses = QUICK) -> Uplink:
    return Uplink(broker, TOPICS.site, TOPICS.node, outbox, BIRTH, pauses=pauses)


def fill(outbox: Outbox, count: int, size: int = 200, topic: str = TOPICS.violation) -> list[str]:
    names = []
    for _ in range(count):
        sent = outbox.append_numbered(lambda number: Message(f"e{number}", topic, CONTENT_TYPE, bytes([65]) * size))
        names.append(sent.id)
    return names


def events(listener: Listener) -> list[str]:
    return [dict(one.properties["UserProperty"])["id"] for one in listener.on(TOPICS.violation)]


def test_what_the_outbox_holds_arrives_once_and_is_gone(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    names = fill(outbox, 50)
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    assert uplink.close(20) == 0
    wait_until(lambda: len(events(listener)) >= 50)
    assert events(listener) == names
    assert outbox.counts().delivered == 50
    assert uplink.state.problem is None
    assert not uplink.state.running


def test_what_is_appended_later_goes_as_well(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    uplink.wait_connected(10)
    for count in (1, 2, 3):
        fill(outbox, 1)
        wait_until(lambda: outbox.counts().delivered == count)  # noqa: B023 - used at once
    assert uplink.close(5) == 0


def test_messages_say_what_they_are(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    fill(outbox, 1)
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    uplink.wait_connected(10)
    uplink.send_health(Health(12.5, Frames(300, 1, 0, 25.0, 0.04), passages={"on_green": 4}))
    uplink.send_signal(Signal("north", Phase.FAULT, 3.25, Fault.DARK))
    wait_until(lambda: listener.on(TOPICS.signal) and listener.on(TOPICS.violation))
    assert uplink.close(5) == 0
    event, health, signal = (listener.on(topic)[0] for topic in (TOPICS.violation, TOPICS.health, TOPICS.signal))
    assert event.properties["ContentType"] == CONTENT_TYPE
    assert event.properties["UserProperty"] == [("id", "e1"), ("kind", "event")]
    assert "MessageExpiryInterval" not in event.properties
    assert (event.qos, event.retained) == (1, False)
    assert 0 < health.properties["MessageExpiryInterval"] <= 300
    assert 0 < signal.properties["MessageExpiryInterval"] <= 60
    assert json.loads(health.payload)["passages"] == {"on_green": 4}
    assert json.loads(signal.payload) == {"fault": "dark", "group": "north", "phase": "fault", "t_s": 3.25}


def test_status_and_birth_are_kept_for_those_who_come_later(
    broker: Mosquitto, listener: Listener, outbox: Outbox
) -> None:
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    wait_until(lambda: listener.on(TOPICS.birth), what="the end of the greeting")
    with Listener(broker.port, name="late", session_s=0) as late:
        wait_until(lambda: late.on(TOPICS.birth) and late.on(TOPICS.status))
        assert all(one.retained for one in late.heard)
        assert late.on(TOPICS.status)[0].payload == b"online"
        assert json.loads(late.on(TOPICS.birth)[0].payload)["kid"] == "kid-of-the-node"
    fill(outbox, 1)
    uplink.close(5)
    with Listener(broker.port, name="later", session_s=0) as later:
        wait_until(lambda: later.on(TOPICS.status))
        assert later.on(TOPICS.status)[0].payload == b"offline"


def test_a_node_that_dies_is_reported_offline_by_the_broker(
    broker: Mosquitto, listener: Listener, tmp_path: Path
) -> None:
    program = f"""
import time
from pathlib import Path
from edge.config import Broker
from edge.outbox import Outbox
from edge.messages import Birth
from edge.uplink import Uplink
uplink = Uplink(Broker(url={broker.url!r}), {TOPICS.site!r}, {TOPICS.node!r}, Outbox(Path({str(tmp_path / "o.db")!r})),
                Birth("0", "a", "b", "c"))
uplink.start()
time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", program])
    wait_until(lambda: listener.on(TOPICS.status), what="the node to come online")
    child.kill()
    child.wait()
    wait_until(lambda: len(listener.on(TOPICS.status)) == 2, what="the last will")
    assert [one.payload for one in listener.on(TOPICS.status)] == [b"online", b"offline"]


@pytest.mark.alone
def test_a_killed_broker_costs_nothing(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    uplink.wait_connected(10)
    names: list[str] = []
    for _ in range(4):
        names += fill(outbox, 60)
        time.sleep(0.05)
        broker.kill()
        names += fill(outbox, 20)
        broker.start()
        # What the broker has taken but not passed on when it is killed is its own to lose: so the listener is there.
        wait_until(lambda: listener.connected)
    assert uplink.close(60) == 0
    wait_until(lambda: set(events(listener)) == set(names), what="every event")
    assert uplink.state.connections >= 3


def test_an_event_in_flight_goes_again_with_the_same_id(outbox: Outbox) -> None:
    fill(outbox, 1)
    with DeafBroker() as deaf:
        uplink = uplink_of(Broker(url=deaf.url), outbox)
        uplink.start()
        wait_until(lambda: deaf.published >= 3)  # status, birth, event
        deaf.hang_up()
        wait_until(lambda: deaf.published >= 6)
        assert uplink.close(0.1) == 1
    assert outbox.pending(1)[0].message.id == "e1"


def test_never_more_than_20_are_under_way(outbox: Outbox) -> None:
    fill(outbox, 100)
    with DeafBroker() as deaf:
        uplink = uplink_of(Broker(url=deaf.url), outbox)
        uplink.start()
        wait_until(lambda: deaf.published >= MAX_IN_FLIGHT)
        time.sleep(0.5)
        assert deaf.published == MAX_IN_FLIGHT
        assert uplink.state.in_flight == MAX_IN_FLIGHT
        assert uplink.close(0.1) == 100
    assert outbox.counts().pending == 100


def test_pahos_own_queue_stays_short_on_a_real_broker(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = []
    publish = Connection.publish

    def watched(connection: Connection, publication: Publication) -> int:
        mid = publish(connection, publication)
        lengths.append(max(len(connection._client._out_messages), len(connection._client._out_packet)))
        return mid

    monkeypatch.setattr(Connection, "publish", watched)
    fill(outbox, 500)
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    assert uplink.close(30) == 0
    assert len(lengths) >= 503
    assert 0 < max(lengths) <= MAX_IN_FLIGHT


def test_a_small_receive_maximum_is_kept(outbox: Outbox) -> None:
    fill(outbox, 30)
    with DeafBroker(receive_maximum=5) as deaf:
        uplink = uplink_of(Broker(url=deaf.url), outbox)
        uplink.start()
        wait_until(lambda: deaf.published >= 5)
        time.sleep(0.3)
        assert deaf.published == 5
        uplink.close(0.1)


def test_a_denied_topic_keeps_its_rows_with_the_reason(folder: Path, outbox: Outbox) -> None:
    acl = folder / "acl"
    acl.write_text("topic readwrite #\ntopic deny stopline/v1/main-and-3rd/edge-1/event/violation\n")
    acl.chmod(0o644)
    running = Mosquitto(folder / "broker", options=(f"acl_file {acl}",))
    with running, Listener(running.port) as listener:
        denied = fill(outbox, 10)
        allowed = fill(outbox, 5, topic="stopline/v1/main-and-3rd/edge-1/other")
        uplink = uplink_of(settings(running), outbox)
        uplink.start()
        wait_until(lambda: outbox.counts().delivered == 5)
        wait_until(lambda: outbox.rows(1)[0].refusals >= 2, what="a second attempt")
        assert events(listener) == []
        assert "Not authorized" in (uplink.state.refusal or "")
        assert "violation" in (uplink.state.refusal or "")
        assert uplink.close(1) == 10
        kept = outbox.rows(100)
        assert [row.message.id for row in kept] == denied
        assert len(allowed) == 5
        assert {row.reason for row in kept if row.state is State.REFUSED} == {"Not authorized"}


def test_a_refusal_that_is_lifted_lets_the_rows_go(folder: Path, outbox: Outbox) -> None:
    acl = folder / "acl"
    acl.write_text("topic readwrite #\ntopic deny stopline/v1/main-and-3rd/edge-1/event/violation\n")
    acl.chmod(0o644)
    running = Mosquitto(folder / "broker", options=(f"acl_file {acl}",))
    with running, Listener(running.port) as listener:
        names = fill(outbox, 3)
        uplink = uplink_of(settings(running), outbox)
        uplink.start()
        wait_until(lambda: outbox.counts().refused == 3)
        acl.write_text("topic readwrite #\n")
        assert running.process is not None
        running.process.send_signal(1)  # mosquitto reads its files anew
        wait_until(lambda: outbox.counts().delivered == 3)
        wait_until(lambda: uplink.state.refusal is None)
        assert uplink.close(5) == 0
        wait_until(lambda: events(listener) == names)


def test_events_go_even_where_the_node_may_say_nothing_of_itself(folder: Path, outbox: Outbox) -> None:
    acl = folder / "acl"
    acl.write_text("topic write stopline/v1/main-and-3rd/edge-1/event/violation\n")
    acl.chmod(0o644)
    with Mosquitto(folder / "broker", options=(f"acl_file {acl}",)) as running:
        fill(outbox, 5)
        uplink = uplink_of(settings(running), outbox)
        uplink.start()
        wait_until(lambda: outbox.counts().delivered == 5)
        assert "broker refuses messages on stopline/v1/main-and-3rd/edge-1/" in (uplink.state.refusal or "")
        assert uplink.close(5) == 0


def test_a_message_too_large_for_the_broker_stays_behind_alone(folder: Path, outbox: Outbox) -> None:
    with Mosquitto(folder / "broker", options=("max_packet_size 20000",)) as running:
        fill(outbox, 1, size=30_000)
        fill(outbox, 3)
        uplink = uplink_of(settings(running), outbox)
        uplink.start()
        wait_until(lambda: outbox.counts().delivered == 3)
        assert uplink.close(0.5) == 1
        assert "Packet too large" in (outbox.rows(1)[0].reason or "")


def test_telemetry_is_bounded_and_what_is_dropped_is_counted(outbox: Outbox) -> None:
    uplink = uplink_of(Broker(url=f"mqtt://127.0.0.1:{free_port()}"), outbox)
    for index in range(MAX_TELEMETRY + 10):
        uplink.send_signal(Signal("north", Phase.RED, float(index)))
    assert uplink.state.telemetry_dropped == 10
    assert uplink.close(0) == 0


def test_the_last_counters_still_go_at_closing(broker: Mosquitto, listener: Listener, outbox: Outbox) -> None:
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    uplink.wait_connected(10)
    uplink.send_health(Health(99.0, Frames(7, 0, 0, 25.0, 0.04)))
    uplink.close(5)
    wait_until(lambda: len(listener.on(TOPICS.status)) == 2)
    assert json.loads(listener.on(TOPICS.health)[-1].payload)["frames"]["judged"] == 7


def test_closing_without_a_broker_ends_in_time_and_keeps_everything(outbox: Outbox) -> None:
    fill(outbox, 3)
    uplink = uplink_of(Broker(url=f"mqtt://127.0.0.1:{free_port()}"), outbox)
    uplink.start()
    began = time.monotonic()
    assert uplink.close(0.5) == 3
    assert time.monotonic() - began < 3
    assert "nothing listens" in (uplink.state.problem or "")
    assert not uplink.state.running


def test_the_worker_has_a_name_and_ends(broker: Mosquitto, outbox: Outbox) -> None:
    before = set(threading.enumerate())
    uplink = uplink_of(settings(broker), outbox)
    uplink.start()
    started = set(threading.enumerate()) - before
    assert {thread.name for thread in started} == {"uplink"}
    uplink.close(5)
    assert not any(thread.is_alive() for thread in started)


def problem(broker: Broker, outbox: Outbox) -> str:
    """What the user is told of a broker that cannot be used."""
    uplink = uplink_of(broker, outbox)
    uplink.start()
    try:
        wait_until(lambda: uplink.state.problem, what="a word about it")
        with pytest.raises(BrokerError) as caught:
            uplink.wait_connected(0.2)
        assert not uplink.state.connected
        assert uplink.state.connections == 0
    finally:
        uplink.close(0)
    return str(caught.value)


@pytest.mark.parametrize("url", ["mqtt://host:99999", "mqtt://:1883", "mqtt://host:port"])
def test_a_bad_address_is_refused_at_once(url: str, outbox: Outbox) -> None:
    with pytest.raises(BrokerError, match="write it as mqtt://host:1883"):
        uplink_of(Broker(url=url), outbox)


def test_an_unreachable_broker_is_named(outbox: Outbox) -> None:
    port = free_port()
    assert f"127.0.0.1:{port} is not there" in problem(Broker(url=f"mqtt://127.0.0.1:{port}"), outbox)
    assert "is not found" in problem(Broker(url="mqtt://no-such-host.invalid"), outbox)


def test_a_server_that_is_no_broker_is_named(outbox: Outbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        said = problem(Broker(url=f"mqtt://127.0.0.1:{server.getsockname()[1]}"), outbox)
        thread.join()
    assert "127.0.0.1" in said


def test_a_refused_connack_is_not_connected(folder: Path, outbox: Outbox) -> None:
    passwords = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "node", "secret"], check=True, capture_output=True)
    passwords.chmod(0o644)
    running = Mosquitto(folder / "broker", options=(f"password_file {passwords}",), anonymous=False)
    secret = folder / "secret"
    secret.write_text("secret\n")
    with running:
        assert "does not let this client in" in problem(settings(running), outbox)
        fill(outbox, 2)
        uplink = uplink_of(settings(running, username="node", password_file=secret), outbox)
        uplink.start()
        assert uplink.close(10) == 0
        fill(outbox, 1)
        named = Broker(url=f"mqtt://node:secret@127.0.0.1:{running.port}")
        uplink = uplink_of(named, outbox)
        uplink.start()
        assert uplink.close(10) == 0


@pytest.fixture
def ours(folder: Path) -> Authority:
    return Authority(folder / "ours", "ours")


@pytest.fixture
def secured(folder: Path, ours: Authority) -> Any:
    cert, key = ours.issue("server", server=True)
    listener = (f"cafile {ours.file}", f"certfile {cert}", f"keyfile {key}", "require_certificate true")
    with Mosquitto(folder / "broker", listener=(*listener, "use_identity_as_username true")) as running:
        yield running


def secure(running: Mosquitto, ca: Path, pair: tuple[Path, Path] | None) -> Broker:
    cert, key = pair or (None, None)
    return Broker(url=f"mqtts://127.0.0.1:{running.port}", ca=ca, cert=cert, key=key)


def test_mutual_tls(secured: Mosquitto, ours: Authority, outbox: Outbox) -> None:
    fill(outbox, 40, size=20_000)
    uplink = uplink_of(secure(secured, ours.file, ours.issue("edge-1")), outbox)
    uplink.start()
    uplink.wait_connected(10)
    assert uplink.close(20) == 0


def test_a_foreign_broker_is_not_talked_to(secured: Mosquitto, ours: Authority, folder: Path, outbox: Outbox) -> None:
    foreign = Authority(folder / "foreign", "foreign")
    assert "not trusted" in problem(secure(secured, foreign.file, ours.issue("edge-1")), outbox)


def test_a_broker_with_another_name_is_not_talked_to(folder: Path, ours: Authority, outbox: Outbox) -> None:
    cert, key = ours.issue("elsewhere", server=True, host="10.1.2.3")
    listener = (f"cafile {ours.file}", f"certfile {cert}", f"keyfile {key}")
    with Mosquitto(folder / "broker", listener=listener) as running:
        assert "not trusted" in problem(secure(running, ours.file, None), outbox)


def test_without_a_trusted_client_certificate_nobody_is_let_in(
    secured: Mosquitto, ours: Authority, folder: Path, outbox: Outbox
) -> None:
    foreign = Authority(folder / "foreign", "foreign")
    assert "client certificate" in problem(secure(secured, ours.file, None), outbox)
    assert "client certificate" in problem(secure(secured, ours.file, foreign.issue("edge-1")), outbox)


def test_tls_towards_a_plain_port_is_told(broker: Mosquitto, ours: Authority, outbox: Outbox) -> None:
    assert "does not speak TLS" in problem(secure(broker, ours.file, None), outbox)


def test_plain_towards_a_tls_port_is_told(secured: Mosquitto, outbox: Outbox) -> None:
    assert "does it want TLS" in problem(settings(secured), outbox)


def test_bad_certificate_files_are_refused_at_once(ours: Authority, folder: Path, outbox: Outbox) -> None:
    cert, key = ours.issue("edge-1")
    _, other = ours.issue("edge-2")
    text = folder / "text"
    text.write_text("hello")
    url = "mqtts://127.0.0.1"
    wrong = {
        "cannot be used as the broker's CA": {"ca": text},
        "No such file": {"ca": folder / "absent"},
        "must belong together": {"ca": ours.file, "cert": cert, "key": other},
        "needs both": {"ca": ours.file, "cert": cert},
        "cannot be read as a password file": {"ca": ours.file, "password_file": folder / "absent"},
    }
    for words, files in wrong.items():
        with pytest.raises(BrokerError, match=words):
            uplink_of(Broker.model_validate({"url": url, **files}), outbox)
    with pytest.raises(BrokerError, match="use mqtts://"):
        uplink_of(Broker(url="mqtt://127.0.0.1", ca=ours.file, cert=cert, key=key), outbox)


class DeafBroker:
    """Accepts every client and every message and never answers one: what it has counted is what was under way."""

    def __init__(self, receive_maximum: int | None = None) -> None:
        self.published = 0
        limit = b"" if receive_maximum is None else b"\x21" + receive_maximum.to_bytes(2, "big")
        self._connack = bytes([0x20, 3 + len(limit), 0, 0, len(limit)]) + limit
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def hang_up(self) -> None:
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                self._client, _ = self._server.accept()
            except OSError:
                return
            with self._client:
                self._listen(self._client.makefile("rb"))

    def _listen(self, stream: Any) -> None:
        with stream:
            while first := stream.read(1):
                length = shift = 0
                more = True
                while more:
                    byte = stream.read(1)[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    more = bool(byte & 0x80)
                stream.read(length)
                if first[0] >> 4 == 1 and self._client is not None:
                    self._client.sendall(self._connack)
                self.published += first[0] >> 4 == 3
