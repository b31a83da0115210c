from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

import av
import pytest

from edge.evidence.clip import Clip, ClipWriter
from tests.sources.videos import SIZE, picture

if TYPE_CHECKING:
    from pathlib import Path

TIMES_MS = [0, 40, 80, 130, 131, 400, 440, 2440, 2480]  # with a gap, a hurry and a long gap


def written(times_ms: list[int] = TIMES_MS, *, size: tuple[int, int] = SIZE, start_ms: int = 0) -> Clip:
    writer = ClipWriter(size, 25.0, len(times_ms))
    for index, time_ms in enumerate(times_ms):
        frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
        writer.add((start_ms + time_ms) * 1_000_000, frame)
    return writer.finish()


def test_each_picture_keeps_its_own_time() -> None:
    clip = written(start_ms=70_123)
    with av.open(io.BytesIO(clip.data)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([time_ms / 1000 for time_ms in TIMES_MS])
    assert clip.span_s == (70.123, 72.603)


def test_the_same_pictures_give_the_same_bytes() -> None:
    times_ms = list(range(0, 4000, 40))
    assert written(times_ms).data == written(times_ms).data


def test_a_browser_can_play_it_before_all_has_come() -> None:
    data = written().data
    kinds, place = [], 0
    while place < len(data):
        kinds.append(data[place + 4 : place + 8])
        place += int.from_bytes(data[place : place + 4], "big")
    assert kinds[0] == b"ftyp"
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert place == len(data)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.codec_context.profile) == ("h264", "yuv420p", "High")


def test_nothing_in_it_tells_when_or_with_what_it_was_written() -> None:
    data = written().data
    assert b"Lavf" not in data
    header = data.index(b"mvhd")
    assert data[header + 8 : header + 16] == bytes(8)  # creation and modification time


def test_pictures_of_odd_sides_lose_one_line() -> None:
    with av.open(io.BytesIO(written(size=(161, 97)).data)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (160, 96)


def test_one_picture_makes_a_clip() -> None:
    assert written([0], start_ms=5).span_s == (0.005, 0.005)


def test_a_long_clip_has_room_for_its_index() -> None:
    clip = written(list(range(0, 80_000, 40)), size=(64, 48))
    with av.open(io.BytesIO(clip.data)) as container:
        assert sum(1 for _ in container.demux(video=0)) >= 2000


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is not here")
def test_the_ffmpeg_program_plays_it_without_a_word(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    file.write_bytes(written(list(range(0, 2000, 40))).data)
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(file), "-f", "null", "-"], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


PAGE = b"""<video id="clip" muted src="clip.mp4"></video><script>
const clip = document.getElementById("clip"), tell = words => fetch("told", {method: "POST", body: words});
clip.onseeked = () => tell(`${clip.videoWidth} x ${clip.videoHeight}, ${clip.duration} s`);
clip.onloadeddata = () => { clip.currentTime = 1; };
clip.onerror = () => tell(clip.error.message);
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="the chromium program is not here")
def test_a_browser_plays_it(tmp_path: Path) -> None:
    files = {"/": ("text/html", PAGE), "/clip.mp4": ("video/mp4", written(list(range(0, 2000, 40))).data)}
    told: Queue[bytes] = Queue()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files.get(self.path, ("text/plain", b""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            told.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        words = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--remote-debugging-port=0",
        ]
        page = f"http://127.0.0.1:{server.server_port}/"
        browser = subprocess.Popen(["chromium", *words, page], stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            assert told.get(timeout=60) == b"160 x 96, 2 s"
        finally:
            os.killpg(browser.pid, signal.SIGKILL)  # the browser is a family of processes
            browser.wait(20)
            server.shutdown()
            serving.join(20)
