"""``stopline run`` with receivers in its node file: what an archive has confirmed is kept for its time."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.keys import create_key
from edge.outbox import Outbox
from tests.bench import path_with_chronyc
from tests.broker import Listener, Mosquitto, needs_mosquitto, wait_until
from tests.command import ROOT, running_stopline, stopline
from tests.keys.fleet import found
from tests.live import free_udp_port, send_live
from tests.receive.fleet_of_cases import made
from tests.uplink.test_receipts import RECEIVER, receiving, record

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.alone

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
AUTHORITY = pyrage.x25519.Identity.generate()


def node_file(folder: Path, url: str = "mqtt://127.0.0.1:9") -> Path:
    create_key(folder / "node.key")
    node = folder / "node.toml"
    node.write_text(
        f'schema = 1\n[node]\nid = "edge-1"\n[broker]\nurl = "{url}"\n[receiver]\nkeys = ["receiver.pub.pem"]\n'
        f'[evidence]\nrecipients = ["{AUTHORITY.to_public()}"]\nkeep_hours = 1\n'
    )
    return node


@pytest.mark.slow
@pytest.mark.replay
@pytest.mark.broker
@needs_mosquitto
@pytest.mark.parametrize("known", [True, False], ids=["clock known", "clock not known"])
def test_a_node_at_work_keeps_what_its_archive_has_confirmed(tmp_path: Path, known: bool) -> None:
    """By a clock that is known; by one that is 200 days behind it counts neither hours nor a certificate's days."""
    (tmp_path / "receiver.pub.pem").write_bytes(RECEIVER.public.pem)
    (tmp_path / "state").mkdir()
    site = tmp_path / "site.toml"
    site.write_text((CASE / "site.toml").read_text().replace('"plain-red-runner"', '"main-and-3rd"'))
    file = tmp_path / "state" / "outbox.sqlite"
    some = [made(1), made(2, bundle_bytes=40_000)]
    with Outbox(file) as outbox:
        for one in some:
            record(outbox, one)
        rows = outbox.counts().pending
    port = free_udp_port()
    camera = threading.Thread(target=send_live, args=(CASE / "video.mp4", port, 8.0))
    path = path_with_chronyc(tmp_path / "bin", 0.0005 if known else 200 * 86_400)
    with Mosquitto(tmp_path / "broker") as broker, receiving(tmp_path, broker.url), Listener(broker.port) as listener:
        words = ["--site", site, "--node", node_file(tmp_path, broker.url), "--signal", CASE / "lamps.csv"]
        found(tmp_path / "fleet").node("main-and-3rd/edge-1", days=40).replace(tmp_path / "node.key")
        with running_stopline("run", f"udp://127.0.0.1:{port}?timeout=20000000", *words, path=path) as node:
            time.sleep(2.0)
            camera.start()
            with Outbox(file) as outbox:
                wait_until(lambda: outbox.counts().kept == rows, what="every receipt")
                assert outbox.counts().delivered == rows
            wait_until(lambda: is_counted(file) is known, what="the hours")
            wait_until(lambda: [left is not None for left in days_left(listener)[-1:]] == [known], what="health")
            node.send_signal(signal.SIGTERM)
            camera.join()
            _, err = node.communicate(timeout=60)
    assert node.returncode == 0, err
    assert days_left(listener)[-1] == (pytest.approx(40, abs=0.02) if known else None)


def is_counted(file: Path) -> bool | None:
    """Whether every message that is kept has an instant at which it goes; None where some have and some have not."""
    with closing(sqlite3.connect(file)) as connection:
        begun = {due_ms > 0 for (due_ms,) in connection.execute("SELECT due_ms FROM taken WHERE state = 'kept'")}
    return begun.pop() if len(begun) == 1 else None


def days_left(listener: Listener) -> list[float | None]:
    """What each message of health told."""
    told = [json.loads(one.payload) for one in list(listener.heard) if one.topic.endswith("/health")]
    return [one["machine"]["certificate_days_left"] for one in told]


def test_a_receivers_key_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    words = ["--site", CASE / "site.toml", "--node", node_file(tmp_path), "--signal", CASE / "lamps.csv"]
    done = stopline("run", "udp://127.0.0.1:9", *words)
    assert done.code == 2
    assert "receiver.pub.pem does not exist" in done.err
    assert done.err.count("\n") == 1
