"""Simulated nodes, each with a key, a connection and the real uplink, against a real broker; called by script/load."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge import event
from edge.config import Broker
from edge.keys import FileKey, trust
from edge.messages import Birth
from edge.outbox import Kind, Message
from edge.receive.store import open_store
from edge.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.connection import Connection as Pipe

NODES_A_PROCESS = 250
KEYS_A_FILE = 200
SITE = "load"
TICKS = os.sysconf("SC_CLK_TCK")
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. ``verified_per_core_s`` is events by CPU second; the CPU figures are seconds used by each."""

    nodes: int
    events: int
    event_bytes: int
    cores: int
    load_average: float
    verified_per_core_s: float
    connect_s: float
    send_and_store_s: float
    stored_per_s: float
    stored_per_receiver_core_s: float
    receivers: int
    receivers_cpu_s: float
    receivers_rss_mb: float
    broker_cpu_s: float
    broker_connected_rss_mb: float
    broker_peak_rss_mb: float
    nodes_cpu_s: float
    lost: int
    refused: int


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
    messages = []
    for sequence in range(1, events + 1):
        id_ = event.uuid7(1_750_000_000_000 + sequence, dice.randbytes(10))
        data = {**template["data"], "nonce": dice.randbytes(16).hex(), "evidence": None}
        one = {**template, "id": id_, "source": source, "sequence": f"{sequence:016d}", "data": data}
        del one["signature"]
        topic = f"stopline/v1/{SITE}/n{number}/event/violation"
        messages.append(Message(id_, topic, event.CONTENT_TYPE, event.sign(one, key), Kind.EVENT))
    return messages


def fleet(url: str, numbers: Sequence[int], events: int, template: dict[str, Any], pipe: Pipe) -> None:
    """Connect so many nodes and say so; on a word, let all of them report; say how much processor it took."""
    threading.stack_size(262_144)
    keys = [node_key(number) for number in numbers]
    messages = [signed(number, key, events, template) for number, key in zip(numbers, keys, strict=True)]
    queues = [Queue() for _ in numbers]
    uplinks = [
        Uplink(Broker(url=url), SITE, f"n{number}", queue, Birth("load", "0" * 64, "0" * 64, key.kid))
        for number, key, queue in zip(numbers, keys, queues, strict=True)
    ]
    pipe.send("ready")
    pipe.recv()
    for uplink in uplinks:
        uplink.start()
    for uplink in uplinks:
        uplink.wait_connected(300)
    pipe.send("connected")
    pipe.recv()
    begun_s = time.process_time()
    for queue, some in zip(queues, messages, strict=True):
        queue.fill(some)
    while any(queue.counts().pending for queue in queues):
        time.sleep(0.05)
    pipe.send(time.process_time() - begun_s)
    pipe.recv()
    for uplink in uplinks:
        threading.Thread(target=uplink.close, args=(1.0,), daemon=True).start()
    time.sleep(1.0)


def verified_per_core_s(template: dict[str, Any]) -> float:
    """Events that the library verifies in a second of one core."""
    key = node_key(0)
    raws = [one.payload for one in signed(0, key, 500, template)]
    keys = trust(key.public)
    event.verify(raws[0], keys)
    begun_s = time.process_time()
    for raw in raws * 4:
        event.verify(raw, keys)
    return len(raws) * 4 / (time.process_time() - begun_s)


def start_broker(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    if MOSQUITTO is None:
        raise SystemExit("mosquitto is not installed: run script/bootstrap")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "max_inflight_messages 0", "max_queued_messages 0"]
    config.write_text("\n".join([*lines, "set_tcp_nodelay true"]) + "\n")
    log = (folder / "mosquitto.log").open("wb")
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"mqtt://127.0.0.1:{port}"
        time.sleep(0.05)


def start_receiver(url: str, store: str, folder: Path, number: int) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("stopline")), "receive", "--store", store, "--broker", url]
    command += ["--sign-with", str(folder / "receiver.key"), "--name", f"r{number}"]
    command += [word for file in sorted(folder.glob("nodes-*.pem")) for word in ("--key", str(file))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:"))


def measure(args: argparse.Namespace, folder: Path) -> Figures:
    template = json.loads(Path("docs/example-event.jsonl").read_text())
    rate = verified_per_core_s(template)
    keys = [node_key(number) for number in range(args.nodes)]
    for start in range(0, args.nodes, KEYS_A_FILE):
        pem = b"".join(key.public.pem for key in keys[start : start + KEYS_A_FILE])
        (folder / f"nodes-{start}.pem").write_bytes(pem)
    subprocess.run([Path(sys.executable).with_name("stopline"), "keys", "new", folder / "receiver.key"], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    store_at = args.store or str(folder / "store")
    store = open_store(store_at)
    before = store.count()
    broker, url = start_broker(folder)
    receivers = [start_receiver(url, store_at, folder, number) for number in range(args.receivers)]
    pipes, processes = [], []
    try:
        for start in range(0, args.nodes, NODES_A_PROCESS):
            here, there = multiprocessing.Pipe()
            numbers = range(start, min(args.nodes, start + NODES_A_PROCESS))
            process = multiprocessing.Process(target=fleet, args=(url, numbers, args.events, template, there))
            process.start()
            pipes.append(here)
            processes.append(process)
        said(pipes)
        time.sleep(5)  # the receivers have subscribed by now
        begun_s = time.monotonic()
        tell(pipes)
        said(pipes)
        connect_s = time.monotonic() - begun_s
        connected_mb = memory_mb(broker.pid)
        before_cpu = [cpu_s(one.pid) for one in (broker, *receivers)]
        load_average = os.getloadavg()[0]
        begun_s = time.monotonic()
        tell(pipes)
        wanted = args.nodes * args.events
        stored = wait_for(store, before, wanted, args.patience)
        if stored < wanted:
            print((folder / "mosquitto.log").read_text()[-2000:], file=sys.stderr)
        if any(one.poll() is not None for one in receivers):
            raise SystemExit("a receiver has ended: see what it said above")
        took_s = time.monotonic() - begun_s
        nodes_cpu = sum(said(pipes))
        after_cpu = [cpu_s(one.pid) for one in (broker, *receivers)]
        used = [after - earlier for after, earlier in zip(after_cpu, before_cpu, strict=True)]
        return Figures(
            nodes=args.nodes,
            events=wanted,
            event_bytes=len(signed(0, keys[0], 1, template)[0].payload),
            cores=len(os.sched_getaffinity(0)),
            load_average=round(load_average, 1),
            verified_per_core_s=round(rate),
            connect_s=round(connect_s, 1),
            send_and_store_s=round(took_s, 1),
            stored_per_s=round(stored / took_s),
            stored_per_receiver_core_s=round(stored / max(sum(used[1:]), 1 / TICKS)),
            receivers=args.receivers,
            receivers_cpu_s=round(sum(used[1:]), 1),
            receivers_rss_mb=round(max(memory_mb(one.pid) for one in receivers)),
            broker_cpu_s=round(used[0], 1),
            broker_connected_rss_mb=round(connected_mb, 1),
            broker_peak_rss_mb=round(memory_mb(broker.pid, "VmHWM"), 1),
            nodes_cpu_s=round(nodes_cpu, 1),
            lost=wanted - stored,
            refused=len(store.refusals(1)),
        )
    finally:
        for pipe in pipes:
            pipe.send("end")
        for process in processes:
            process.join(20)
            process.kill()
        for receiver in receivers:
            receiver.terminate()
            receiver.wait(30)
        broker.terminate()
        broker.wait(30)
        store.close()


def tell(pipes: Sequence[Pipe]) -> None:
    for pipe in pipes:
        pipe.send("go")


def said(pipes: Sequence[Pipe]) -> list[Any]:
    return [pipe.recv() for pipe in pipes]


def wait_for(store: Any, before: int, wanted: int, patience_s: float) -> int:
    """How many events were stored; fewer than wanted only where none came for a while."""
    stored, last_s = 0, time.monotonic()
    while stored < wanted and time.monotonic() - last_s < patience_s:
        time.sleep(0.25)
        now = store.count() - before
        if now > stored:
            stored, last_s = now, time.monotonic()
    return stored


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/load", description=__doc__)
    parser.add_argument("--nodes", type=int, default=20, help="simulated nodes, each with a connection (20)")
    parser.add_argument("--events", type=int, default=500, help="events of each node (500)")
    parser.add_argument("--receivers", type=int, default=1, help="receivers that share them (1)")
    parser.add_argument("--store", help="a PostgreSQL address; a new folder if left out")
    parser.add_argument("--cores", type=int, default=2, help="how many cores all of it may use (2)")
    parser.add_argument("--patience", type=float, default=60, help="seconds without a new event before giving up (60)")
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory(prefix="stopline-load-") as name:
        figures = measure(args, Path(name))
    if args.json:
        print(json.dumps(asdict(figures), indent=2))
    else:
        print("\n".join(f"{name:28} {value:,}" for name, value in asdict(figures).items()))
    return 1 if figures.lost or figures.refused else 0


if __name__ == "__main__":
    sys.exit(main())
