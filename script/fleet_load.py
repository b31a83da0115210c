"""Simulated nodes against a real broker and real receivers, and what it takes; called by script/load."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet_nodes import Looped, Threaded, fleet, node_key, signed

from edge import event
from edge.keys import trust
from edge.receive.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection as Pipe

NODES_A_PROCESS = 250
LOOPED_A_PROCESS = 1250
KEYS_A_FILE = 200
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
    idle_s: float
    broker_idle_core_percent: float
    nodes_idle_core_percent: float
    send_and_store_s: float
    stored_per_s: float
    stored_per_receiver_core_s: float
    receivers: int
    receivers_cpu_s: float
    receivers_rss_mb: float
    broker_cpu_s: float
    broker_empty_rss_mb: float
    broker_connected_rss_mb: float
    broker_peak_rss_mb: float
    nodes_cpu_s: float
    lost: int
    refused: int


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


class Nodes:
    """The simulated nodes, in several processes that are told what to do next."""

    def __init__(self, args: argparse.Namespace, url: str, template: dict[str, Any]) -> None:
        kind, a_process = (Looped, LOOPED_A_PROCESS) if args.looped else (Threaded, NODES_A_PROCESS)
        self._pipes: list[Pipe] = []
        self._processes = []
        for start in range(0, args.nodes, a_process):
            here, there = multiprocessing.Pipe()
            numbers = range(start, min(args.nodes, start + a_process))
            process = multiprocessing.Process(target=fleet, args=(kind, url, numbers, args.events, template, there))
            process.start()
            self._pipes.append(here)
            self._processes.append(process)
        self.said()

    def tell(self) -> None:
        """Let all of them take their next step."""
        for pipe in self._pipes:
            pipe.send("go")

    def said(self) -> float:
        """Wait until all have done it; gives the processor time that it took."""
        return sum(said for pipe in self._pipes if isinstance(said := pipe.recv(), float))

    def end(self) -> None:
        for pipe in self._pipes:
            pipe.send("end")
        for process in self._processes:
            process.join(20)
            process.kill()


def prepare(args: argparse.Namespace, folder: Path) -> None:
    """The nodes' public keys and the receivers' key, in files."""
    for start in range(0, args.nodes, KEYS_A_FILE):
        numbers = range(start, min(args.nodes, start + KEYS_A_FILE))
        (folder / f"nodes-{start}.pem").write_bytes(b"".join(node_key(number).public.pem for number in numbers))
    command = [str(Path(sys.executable).with_name("stopline")), "keys", "new", str(folder / "receiver.key")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def measure(args: argparse.Namespace, folder: Path) -> Figures:
    template = json.loads(Path("docs/example-event.jsonl").read_text())
    rate = verified_per_core_s(template)
    prepare(args, folder)
    store_at = args.store or str(folder / "store")
    broker, url = start_broker(folder)
    empty_mb = memory_mb(broker.pid)
    receivers = [start_receiver(url, store_at, folder, number) for number in range(args.receivers)]
    nodes = Nodes(args, url, template)
    try:
        time.sleep(5)  # the receivers have subscribed by now
        begun_s = time.monotonic()
        nodes.tell()
        nodes.said()
        connect_s = time.monotonic() - begun_s
        connected_mb, connected_cpu = memory_mb(broker.pid), cpu_s(broker.pid)
        time.sleep(args.idle)
        idle_cpu = cpu_s(broker.pid) - connected_cpu
        report = reported(args, nodes, store_at, [broker, *receivers])
        if report.stored < args.nodes * args.events:
            print((folder / "mosquitto.log").read_text()[-2000:], file=sys.stderr)
        if any(one.poll() is not None for one in receivers):
            raise SystemExit("a receiver has ended: see what it said above")
        return Figures(
            nodes=args.nodes,
            events=args.nodes * args.events,
            event_bytes=len(signed(0, node_key(0), 1, template)[0].payload),
            cores=len(os.sched_getaffinity(0)),
            load_average=round(report.load_average, 1),
            verified_per_core_s=round(rate),
            connect_s=round(connect_s, 1),
            idle_s=args.idle,
            broker_idle_core_percent=round(100 * idle_cpu / max(args.idle, 1), 1),
            nodes_idle_core_percent=round(100 * report.nodes_idle_cpu_s / max(args.idle, 1), 1),
            send_and_store_s=round(report.took_s, 1),
            stored_per_s=round(report.stored / report.took_s),
            stored_per_receiver_core_s=round(report.stored / max(sum(report.cpu_s[1:]), 1 / TICKS)),
            receivers=args.receivers,
            receivers_cpu_s=round(sum(report.cpu_s[1:]), 1),
            receivers_rss_mb=round(max(memory_mb(one.pid) for one in receivers)),
            broker_cpu_s=round(report.cpu_s[0], 1),
            broker_empty_rss_mb=round(empty_mb, 1),
            broker_connected_rss_mb=round(connected_mb, 1),
            broker_peak_rss_mb=round(memory_mb(broker.pid, "VmHWM"), 1),
            nodes_cpu_s=round(report.nodes_cpu_s, 1),
            lost=args.nodes * args.events - report.stored,
            refused=report.refused,
        )
    finally:
        nodes.end()
        for process in (*receivers, broker):
            process.terminate()
            process.wait(30)


@dataclass(frozen=True, slots=True)
class Report:
    """What it took until all that was reported was stored. ``cpu_s`` is of the broker, then of each receiver."""

    load_average: float
    stored: int
    refused: int
    took_s: float
    cpu_s: list[float]
    nodes_idle_cpu_s: float
    nodes_cpu_s: float


def reported(
    args: argparse.Namespace, nodes: Nodes, store_at: str, processes: Sequence[subprocess.Popen[bytes]]
) -> Report:
    with open_store(store_at) as store:
        load_average, before, before_cpu = os.getloadavg()[0], store.count(), [cpu_s(one.pid) for one in processes]
        begun_s = time.monotonic()
        nodes.tell()
        idle_cpu = nodes.said()
        stored = wait_for(store, before, args.nodes * args.events, args.patience)
        took_s = time.monotonic() - begun_s
        used = [cpu_s(one.pid) - earlier for one, earlier in zip(processes, before_cpu, strict=True)]
        refused = len(store.refusals(1))
        return Report(load_average, stored, refused, took_s, used, idle_cpu, nodes.said())


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
    parser.add_argument("--looped", action="store_true", help="one loop for many nodes, in place of a thread for each")
    parser.add_argument("--idle", type=float, default=0, help="seconds to stay connected before anybody reports (0)")
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
