"""What the page plays: the recording itself where a browser can play it, else a copy in memory with the same times."""

from __future__ import annotations

import struct
import time
from fractions import Fraction
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import av
import pytest

from edge.errors import SourceError
from edge.sources.video import open_video
from edge.ui.film import film_of, film_taken
from tests.live import free_udp_port, live
from tests.recordings import Recording

if TYPE_CHECKING:
    from pathlib import Path

VIDEO = Recording("plain_red_runner").video


def said(words: str) -> None:
    assert words


def times_ns(video: object) -> list[int]:
    with open_video(str(video), live=False) as opened:
        return [frame.t_ns for frame in opened]


def remuxed(target: Path, codec: str, count: int = 50) -> Path:
    """The first pictures of a recording in another container and codec."""
    with av.open(str(VIDEO)) as recording, av.open(str(target), "w") as out:
        stream: Any = out.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for frame in list(recording.decode(video=0))[:count]:
            picture = frame.reformat(format="yuv420p")
            picture.pict_type = 0
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return target


def test_a_recording_that_browsers_play_is_played_as_it_is() -> None:
    with film_of(str(VIDEO), said) as film:
        assert film.path == film.played == VIDEO
        assert (film.name, film.size_px, film.fps, film.first_s) == ("video.mp4", (640, 360), 25.0, 0.0)
        assert film.duration_s == pytest.approx(26.0)


def test_a_recording_that_a_browser_would_stretch_is_shown_as_it_is_judged(tmp_path: Path) -> None:
    source = tmp_path / "stretched.mp4"
    with av.open(str(VIDEO)) as recording, av.open(str(source), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 360, "yuv420p"
        stream.sample_aspect_ratio = Fraction(2, 1)
        for frame in islice(recording.decode(video=0), 5):
            out.mux(stream.encode(frame.reformat(320, 360, format="yuv420p")))
        out.mux(stream.encode())
    assert shown_as_judged(source) == (320, 360)


def test_a_recording_that_a_browser_would_turn_is_shown_as_it_is_judged(tmp_path: Path) -> None:
    source = tmp_path / "turned.mp4"
    source.write_bytes(turned_round(remuxed(tmp_path / "upright.mp4", "libx264", 5).read_bytes()))
    with av.open(str(source)) as container:
        assert abs(next(container.decode(video=0)).rotation) == 180
    assert shown_as_judged(source) == (640, 360)


def turned_round(content: bytes) -> bytes:
    """An MP4 whose matrix says to turn its pictures by 180 degrees (ISO/IEC 14496-12, section 8.3.2)."""
    one = 1 << 16
    upright, turned = (struct.pack(">9i", way, 0, 0, 0, way, 0, 0, 0, 1 << 30) for way in (one, -one))
    at = content.index(upright, content.index(b"tkhd"))
    return content[:at] + turned + content[at + len(turned) :]


def shown_as_judged(source: Path) -> tuple[int, int]:
    """The size of the film's pictures, which nothing turns or stretches and which are those that are judged."""
    with film_of(str(source), said) as film, av.open(str(film.played)) as played, open_video(source) as judged:
        assert film.path == film.played != source
        assert (played.streams.video[0].sample_aspect_ratio or 1) == 1
        first, theirs = next(played.decode(video=0)), next(iter(judged))
        assert first.rotation == 0
        seen = first.to_ndarray(format="bgr24").astype(int) - theirs.picture.scaled(judged.size_px)
        assert abs(seen).mean() < 6
        assert film.size_px == judged.size_px == (first.width, first.height)
        return judged.size_px


@pytest.mark.parametrize(("name", "codec"), [("road.mkv", "libx264"), ("road.avi", "mpeg4"), ("road.mp4", "mpeg4")])
def test_any_other_is_converted_in_memory_with_its_times(tmp_path: Path, name: str, codec: str) -> None:
    source = remuxed(tmp_path / name, codec)
    true_ns = times_ns(source)
    with film_of(str(source), said) as film:
        assert sorted(tmp_path.iterdir()) == [source]
        with av.open(str(film.played)) as played:
            stream = played.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        found_ns = times_ns(film.path)
        assert len(found_ns) == len(true_ns)
        offset = true_ns[0]
        assert [round(t / 1e6) for t in found_ns] == [round((t - offset) / 1e6) for t in true_ns]
        played_from = film.played
    assert not played_from.exists()


@pytest.mark.alone
def test_a_camera_is_recorded_in_memory(tmp_path: Path) -> None:
    port = free_udp_port()
    seconds: list[float] = []
    with (
        live(VIDEO, port, 15),
        film_taken(f"udp://127.0.0.1:{port}", None, 4, lambda t_s: seconds.append(t_s) is None) as film,
    ):
        assert film.duration_s == pytest.approx(4, abs=0.2)
        assert film.used_s is None
        assert film.began_ns is not None
        assert 0 < time.monotonic_ns() - film.began_ns - 4e9 < 10e9
        assert seconds == sorted(seconds)
        assert seconds[0] == 0
        steps_s = [(b - a) / 1e9 for a, b in pairwise(times_ns(film.path))]
        assert len(steps_s) > 80
        assert sorted(steps_s)[len(steps_s) // 2] == pytest.approx(0.04, abs=0.01)
    assert not list(tmp_path.iterdir())


def test_of_a_long_recording_the_beginning_is_used_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.ui.film.LONGEST_S", 1.0)
    told: list[str] = []
    for source in (VIDEO, remuxed(tmp_path / "road.mkv", "libx264")):
        with film_of(str(source), told.append) as film:
            assert film.used_s == 1.0
        assert "minutes long" in told[0]
        told.clear()
    with film_of(str(remuxed(tmp_path / "short.mkv", "libx264", 20)), told.append) as film:
        assert film.used_s is None
    assert told == [f"Converting {tmp_path / 'short.mkv'} for the browser."]


def test_without_memory_for_pictures_a_recording_is_converted_on_disk_and_no_camera_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.memfd_create")
    source = remuxed(tmp_path / "road.mkv", "libx264")
    with film_of(str(source), said) as film:
        assert len(times_ns(film.path)) == 50
        folder = film.path.parent
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    with pytest.raises(SourceError, match="use Linux, or give a recording"):
        film_taken("rtsp://camera.example/1", None, 4, lambda _t_s: True).__enter__()


def test_what_is_no_recording_is_told(tmp_path: Path) -> None:
    (tmp_path / "road.mp4").write_bytes(b"no film")
    with pytest.raises(SourceError, match="no recording"), film_of(str(tmp_path / "road.mp4"), said):
        pass
