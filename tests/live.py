"""A recording sent as a network camera would send it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
