"""A recording sent as a network camera would send it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from collections.abc import Iterator


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_listener(port: int, within_s: float = 60.0) -> None:
    """Until somebody has opened the port: a node does so once all else of it is loaded."""
    give_up_s = time.monotonic() + within_s
    wanted = f":{port:04X}"
    while not any(line.split()[1].endswith(wanted) for line in Path("/proc/net/udp").read_text().splitlines()[1:]):
        assert time.monotonic() < give_up_s, f"nobody listens to UDP port {port}"
        time.sleep(0.05)


def send_live(video: Path, port: int, seconds: float, over: threading.Event | None = None) -> None:
    """A recording's first seconds as MPEG-TS over UDP, its packets as they are, each at its own time."""
    with av.open(str(video)) as recording, av.open(f"udp://127.0.0.1:{port}", "w", "mpegts") as stream:
        source = recording.streams.video[0]
        target = stream.add_stream_from_template(source)
        start_s = time.monotonic()
        for packet in recording.demux(source):
            if packet.dts is None or packet.time_base is None or packet.dts * packet.time_base > seconds:
                break
            wait_s = max(0.0, start_s + float(packet.dts * packet.time_base) - time.monotonic())
            if over is not None and over.wait(wait_s):
                break
            if over is None:
                time.sleep(wait_s)
            packet.stream = target
            stream.mux(packet)


@contextmanager
def live(video: Path, port: int, seconds: float = 20.0) -> Iterator[None]:
    """The recording being sent for as long as the block lasts."""
    over = threading.Event()
    sender = threading.Thread(target=send_live, args=(video, port, seconds, over), name="camera")
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join(10)
