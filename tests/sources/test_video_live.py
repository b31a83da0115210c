from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import SourceError
from edge.sources.video import open_video
from tests.sources.videos import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.alone

# FFmpeg writes the header of an RTSP session while holding Python's lock, so the camera is a process of its own.
CAMERA = """
import sys, time
from fractions import Fraction
import av
from tests.sources.videos import picture
url, frames = sys.argv[1], int(sys.argv[2])
for attempt in range(100):
    try:
        out = av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"})
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        out.start_encoding()
        break
    except av.error.ConnectionRefusedError:
        time.sleep(0.1)
for index in range(frames):
    frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
    frame.pts, frame.time_base = index, Fraction(1, 25)
    out.mux(stream.encode(frame))
    time.sleep(0.04)
out.close()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_rtsp_camera_is_read_on_the_monotonic_clock_and_its_end_is_a_failure() -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/live"
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", CAMERA, url, "80"], cwd=root) as camera:
        started_ns = time.monotonic_ns()
        with open_video(url, options={"rtsp_flags": "listen", "listen_timeout": "20"}, timeout_s=25) as video:
            assert video.is_live
            times: list[int] = []
            with pytest.raises(SourceError, match="ended its stream"):
                times.extend(frame.t_ns for frame in video)
        camera.wait(timeout=20)
    assert len(times) >= 30
    assert all(later > earlier for earlier, later in pairwise(times))
    assert started_ns < times[0] < times[-1] <= time.monotonic_ns()
    assert times[-1] - times[0] == pytest.approx(40_000_000 * (len(times) - 1), rel=0.1)


def test_a_camera_that_falls_silent_is_a_source_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        accepted: list[socket.socket] = []
        waiter = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        waiter.start()
        with pytest.raises(SourceError, match="cannot be opened"):
            open_video(f"tcp://127.0.0.1:{port}", timeout_s=0.5)
        waiter.join(timeout=5)
        accepted[0].close()


class Stalled:
    """A network camera that sends what it has and then nothing more."""

    def __init__(self, data: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(data,))
        self._thread.start()

    def _serve(self, data: bytes) -> None:
        connection, _ = self._server.accept()
        with connection:
            connection.sendall(data)
            self._over.wait(30)

    def close(self) -> None:
        self._over.set()
        self._thread.join(timeout=5)
        self._server.close()


@pytest.fixture
def stalled(tmp_path: Path) -> Iterator[Stalled]:
    camera = Stalled(write_video(tmp_path / "start.ts", 100).read_bytes())
    yield camera
    camera.close()


def test_a_camera_that_stalls_is_a_source_error(stalled: Stalled) -> None:
    with open_video(stalled.url, timeout_s=1) as video:
        assert video.is_live
        with pytest.raises(SourceError, match="no picture came in time"):
            list(video)


def test_a_stalled_camera_can_be_closed(stalled: Stalled) -> None:
    with open_video(stalled.url, timeout_s=2) as video:
        iter(video)
        time.sleep(0.3)
    assert not any(thread.name == "video-reader" for thread in threading.enumerate())


def test_a_live_source_drops_the_oldest_and_counts_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "fast.mp4", 60)
    with open_video(path, live=True) as video:
        frames = iter(video)
        first = next(frames)
        while video.stats.decoded < 60:
            time.sleep(0.01)
        rest = list(frames)
        stats = video.stats
    assert len(rest) <= 4
    assert rest[-1].sequence == 59
    assert first.sequence < rest[0].sequence
    assert stats.dropped == 60 - 1 - len(rest)


def test_closing_a_live_source_ends_its_thread(tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / "long.mp4", 200), live=True) as video:
        next(iter(video))
        assert any(thread.name == "video-reader" for thread in threading.enumerate()) or video.stats.decoded == 200
    assert not any(thread.name == "video-reader" for thread in threading.enumerate())
