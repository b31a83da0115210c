"""``stopline receive`` from end to end: real broker, real store, trust that changes, an audit after an erasure."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.keys import create_key, load_public_keys, load_signing_key
from edge.ledger.checkpoint import of_edge, sign
from edge.ledger.merkle import Edge, leaf_hash
from edge.mqtt import Publication
from edge.receipt import Receipt, read_receipt
from edge.receive.store import open_store
from tests.broker import Listener, Mosquitto, wait_until
from tests.receive.fleet_of_cases import KEY, made, send

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.broker

STOPLINE = str(Path(sys.executable).with_name("stopline"))
ORIGIN = "main-and-3rd/edge-1"


def stopline(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([STOPLINE, *map(str, words)], capture_output=True, text=True, check=False)


class Running:
    """A receiver as the command line starts it."""

    def __init__(self, folder: Path, *words: object) -> None:
        self._said = folder / "said.txt"
        with self._said.open("w") as said:
            self.process = subprocess.Popen([STOPLINE, "receive", *map(str, words)], stdout=said, stderr=said)

    @property
    def said(self) -> str:
        return self._said.read_text()

    def wait(self) -> None:
        wait_until(lambda: "listening as r1" in self.said, what="the receiver to listen")

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    file = tmp_path / "node.pub.pem"
    file.write_bytes(KEY.public.pem)
    return file


@pytest.fixture
def receiver(tmp_path: Path, broker: Mosquitto, public: Path) -> Iterator[Running]:
    running = Running(tmp_path, "--store", tmp_path / "store", "--broker", broker.url, "--key", public, "--name", "r1")
    running.wait()
    yield running
    running.end()


def receipts(listener: Listener, store: Path) -> dict[str, Receipt]:
    keys = load_public_keys([store / "receiver.pub.pem"])
    found = [read_receipt(one.payload, keys) for one in list(listener.heard)]
    return {one.event_id: one for one in found}


def test_what_is_received_is_answered_kept_and_audited_also_after_an_erasure(
    tmp_path: Path, broker: Mosquitto, public: Path, receiver: Running
) -> None:
    some = [made(number, bundle_bytes=30_000 * (number % 2)) for number in range(1, 6)]
    edge = Edge().extend(leaf_hash(one.raw) for one in some)
    mark = Publication("stopline/v1/main-and-3rd/edge-1/checkpoint", sign(of_edge(ORIGIN, edge), KEY).encoded(), "")
    store, copy = tmp_path / "store", tmp_path / "copy"
    with Listener(broker.port, "stopline/v1/+/+/receipt/+") as listener:
        send(broker.url, [message for one in some for message in one.messages] + [mark])
        wanted = {one.id: (one.sha256, one.bundle_sha256) for one in some}
        wait_until(lambda: len(listener.heard) >= len(some), what="receipts")
        wait_until(
            lambda: {k: (r.event_sha256, r.bundle_sha256) for k, r in receipts(listener, store).items()} == wanted
        )
    assert stopline("receive", "erase", some[1].id, "--store", store).returncode == 0
    assert stopline("receive", "erase", some[1].id, "--store", store).returncode == 1
    assert receiver.end() == 0
    assert "5 events and 3 bundles stored, 0 repeated, 0 refused" in receiver.said
    exported = stopline("receive", "export", ORIGIN, "--store", store, "--out", copy)
    assert "4 events and 1 checkpoints" in exported.stdout
    audited = stopline("ledger", "audit", copy, "--key", public)
    assert audited.returncode == 0, audited.stdout
    assert "4 of 5 events are as the node logged them" in audited.stdout
    assert "Erased, with their places kept: event 2" in audited.stdout
    dropped = copy / "events.jsonl"
    dropped.write_bytes(b"".join(one.raw + b"\n" for one in some[2:]))
    assert "DROPPED" in stopline("ledger", "audit", copy, "--key", public).stdout


def test_what_is_refused_is_listed_with_its_reason(
    tmp_path: Path, broker: Mosquitto, public: Path, receiver: Running
) -> None:
    stranger = made(1, key=create_key(tmp_path / "other.key"))
    send(broker.url, list(stranger.messages) * 2)
    wait_until(lambda: "refused (unknown_key)" in receiver.said)
    receiver.end()
    (row,) = json.loads(stopline("receive", "refused", "--store", tmp_path / "store", "--json").stdout)
    assert (row["why"], row["times"]) == ("unknown_key", 2)
    assert "not trusted" in row["reason"]


def test_a_revoked_node_is_refused_from_then_on_and_its_earlier_events_stand(tmp_path: Path, broker: Mosquitto) -> None:
    trust, key_file = tmp_path / "trust", tmp_path / "node.key"
    trust.mkdir()
    for words in (
        ("ca", "new", tmp_path / "ca"),
        ("keys", "new", key_file),
        ("keys", "request", key_file, "--node", ORIGIN),
        ("ca", "sign", tmp_path / "ca", tmp_path / "node.csr", "--for", ORIGIN),
        ("ca", "crl", tmp_path / "ca", "--out", trust),
    ):
        done = stopline(*words)
        assert done.returncode == 0, done.stderr
    (trust / "ca.pem").write_bytes((tmp_path / "ca" / "ca.pem").read_bytes())
    key = load_signing_key(key_file)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    early, late = made(1, key=key, time=now), made(2, key=key, time=now)
    foreign = made(1, node="edge-7", key=key, time=now)
    running = Running(tmp_path, "--store", tmp_path / "s", "--broker", broker.url, "--trust", trust, "--name", "r1")
    try:
        with Listener(broker.port, "stopline/v1/+/+/receipt/+") as listener:
            running.wait()
            send(broker.url, [*early.messages, *foreign.messages])
            wait_until(lambda: len(listener.heard) == 1 and "belongs to" in running.said)
            assert stopline("ca", "revoke", tmp_path / "ca", "--kid", key.kid, "--reason", "stolen").returncode == 0
            assert stopline("ca", "crl", tmp_path / "ca", "--out", trust).returncode == 0
            time.sleep(3)  # the files are looked at every two seconds
            send(broker.url, [*early.messages, *late.messages])
            wait_until(lambda: "was revoked from" in running.said)
    finally:
        running.end()
    assert "1 events and 0 bundles stored, 1 repeated, 2 refused, 2 receipts" in running.said
    stopline("receive", "export", ORIGIN, "--store", tmp_path / "s", "--out", tmp_path / "copy")
    assert (tmp_path / "copy" / "events.jsonl").read_bytes() == early.raw + b"\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--broker", "mqtt://127.0.0.1:1"), "--store"),
        (("--store", "{}/s"), "No broker"),
        (("--store", "{}/s", "--broker", "mqtt://127.0.0.1:1"), "Whom to trust"),
        (("--store", "mysql://x", "--broker", "mqtt://127.0.0.1:1", "--key", "{}/node.pub.pem"), "is no store"),
        (("--store", "{}/s", "--broker", "mqtt://127.0.0.1:1", "--name", "a/b", "--key", "x"), "--name"),
        (("--store", "{}/s", "--broker", "mqtt://127.0.0.1:1", "--trust", "{}/none"), "does not exist"),
        (("--store", "{}/s", "--broker", "mqtt://127.0.0.1:1", "--key", "{}/node.pub.pem"), "is not there"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(
    tmp_path: Path, public: Path, words: tuple[str, ...], said: str
) -> None:
    done = stopline("receive", *(word.format(tmp_path) for word in words))
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--broker", "mqtt://127.0.0.1:1", "--key", "x"), ("refused",)])
def test_what_a_receiver_needs_and_lacks_is_said(words: tuple[str, ...]) -> None:
    lacking = "import sys; sys.modules['sqlalchemy'] = None; from edge.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", lacking, "receive", *words, "--store", "s"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "stopline: A receiver needs sqlalchemy, too: pip install 'stopline[receive]'\n"


def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    open_store(tmp_path / "s").close()
    done = stopline("receive", "export", "no/where", "--store", tmp_path / "s", "--out", tmp_path / "copy")
    assert done.returncode == 2
    assert "Nothing of no/where" in done.stderr
    assert not (tmp_path / "copy").exists()
