"""Two receivers share what comes and are killed again and again: everything is stored once, every receipt is true."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from edge.config import Broker
from edge.keys import trust
from edge.receipt import Receipt, read_receipt
from edge.receive.receiver import Receiver, Settings
from edge.receive.store import open_store
from edge.receive.trust import TrustFiles
from tests.broker import Listener, wait_until
from tests.cases import signing_key
from tests.receive.fleet_of_cases import KEY, made, send

if TYPE_CHECKING:
    from pathlib import Path

    from tests.broker import Mosquitto
    from tests.receive.postgres import Postgres

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(900)]

KILLS = 200
RECEIVERS = 2
EVENTS = 240
RECEIPT_KEY = signing_key(0x4EC)

# A process that has everything imported forks a receiver for each kill. A kill falls anywhere: while the store is
# opened, while the broker is connected to, in the middle of a transaction, between commit, receipt and acknowledgement.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from edge.config import Broker
from edge.errors import StoplineError
from edge.receive.receiver import Receiver, Settings
from edge.receive.store import open_store
from edge.receive.trust import TrustFiles
from tests.cases import signing_key

where, url, name, kills, public, secret = *sys.argv[1:4], int(sys.argv[4]), Path(sys.argv[5]), int(sys.argv[6])
dice = random.Random(name)

def receive(pipe):
    with open_store(where) as store:
        trust = TrustFiles(None, [public], store)
        receiver = Receiver(Broker(url=url), Settings("group", name), store, trust, signing_key(secret))
        os.write(pipe, b"x")
        receiver.run()

for _ in range(kills):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            receive(writing)
        finally:
            os._exit(1)
    os.close(writing)
    if dice.random() < 0.95:
        os.read(reading, 1)  # at work, or failed; otherwise killed while it begins
    os.close(reading)
    time.sleep(dice.random() * 0.25)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

# The last one lives on. What it cannot begin while its database is being restarted it begins again, as its unit would.
while True:
    try:
        receive(os.open("/dev/null", os.O_WRONLY))
    except StoplineError as error:
        print(error, file=sys.stderr)
        time.sleep(0.5)
"""


def test_killed_200_times_two_receivers_store_everything_once(
    where: str, broker: Mosquitto, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    public = tmp_path / "node.pub.pem"
    public.write_bytes(KEY.public.pem)
    some = [made(number, node, 20_000 * (number % 3)) for node in ("edge-1", "edge-2") for number in range(1, 121)]
    assert len(some) == EVENTS
    _subscribe(where, broker, public)
    lanes: list[subprocess.Popen[bytes]] = []
    with Listener(broker.port, "stopline/v1/+/+/receipt/+", "listener") as listener:
        try:
            for number in range(RECEIVERS):
                words = [where, broker.url, f"r{number}", str(KILLS // RECEIVERS), str(public), str(0x4EC)]
                lanes.append(subprocess.Popen([sys.executable, "-c", KILLER, *words]))
            sender = threading.Thread(target=_trickle, args=(broker.url, [m for one in some for m in one.messages]))
            sender.start()
            if where.startswith("postgresql"):
                _restart_often(request.getfixturevalue("server"), sender)
            sender.join()
            wanted = {one.id: one.bundle_sha256 for one in some}
            wait_until(lambda: _said(listener) == wanted, 500, "a last receipt for each event")
        finally:
            for lane in lanes:
                lane.kill()
                lane.wait()
    for heard in listener.heard:
        receipt = read_receipt(heard.payload, trust(RECEIPT_KEY.public))
        (one,) = [each for each in some if each.id == receipt.event_id]
        assert receipt.event_sha256 == one.sha256
        assert receipt.bundle_sha256 in (None, one.bundle_sha256)
    with open_store(where) as store:
        stored = list(store.events())
        assert Counter(each.event_id for each in stored) == Counter(one.id for one in some)
        assert all(store.bundle(one.id) == one.bundle for one in some)
        assert store.refusals(10) == []
        for node in ("edge-1", "edge-2"):
            assert [place for place, _, _ in store.copy_of(f"main-and-3rd/{node}").leaves] == list(range(120))


def _subscribe(where: str, broker: Mosquitto, public: Path) -> None:
    """Let each receiver begin its session; the broker keeps it for them from then on."""
    with open_store(where) as store:
        for number in range(RECEIVERS):
            settings = Settings("group", f"r{number}")
            trust_files = TrustFiles(None, [public], store)
            receiver = Receiver(Broker(url=broker.url), settings, store, trust_files, RECEIPT_KEY)
            thread = threading.Thread(target=receiver.run)
            thread.start()
            assert receiver.listening.wait(30)
            receiver.stop()
            thread.join()


def _trickle(url: str, messages: list[object]) -> None:
    """Send over half a minute, so that most kills fall in between; some messages twice."""
    dice = random.Random(1)  # noqa: S311
    while messages:
        some, messages = messages[:8], messages[8:]
        send(url, [*some, *([dice.choice(some)] if dice.random() < 0.2 else [])])  # type: ignore[list-item]
        time.sleep(0.35)


def _restart_often(server: Postgres, sender: threading.Thread) -> None:
    while sender.is_alive():
        time.sleep(5)
        server.stop("immediate")
        time.sleep(0.5)
        server.start()


def _said(listener: Listener) -> dict[str, str | None]:
    """The best that was said of each event."""
    best: dict[str, str | None] = {}
    for heard in list(listener.heard):
        receipt: Receipt = read_receipt(heard.payload, trust(RECEIPT_KEY.public))
        best[receipt.event_id] = best.get(receipt.event_id) or receipt.bundle_sha256
    return best
