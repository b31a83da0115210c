"""A recording as a browser can play it: H.264 in MP4, with the same times as the pictures that are judged.

What has to be converted, or is taken from a camera, lies in memory only: no picture that nobody masked reaches a disk.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av

from edge.config import Camera
from edge.errors import SourceError
from edge.records import NS_PER_S
from edge.sources.picamera import is_picamera, open_picamera
from edge.sources.video import open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.records import Frame, Size
    from edge.sources.picamera import PicameraSource
    from edge.sources.video import VideoSource

LONGEST_S: Final = 600.0
_TICKS: Final = 90_000
_PLAYED_FORMATS: Final = frozenset({"yuv420p", "yuvj420p"})


@dataclass(frozen=True, slots=True)
class Film:
    """What is watched (``path``) and what is played (``played``), which is the same where a browser can play it.

    ``first_s`` is the time of the judged pictures at which the played film begins.
    """

    name: str
    path: Path
    played: Path
    size_px: Size
    fps: float
    duration_s: float
    first_s: float


@contextmanager
def film_of(source: str, camera: Camera | None, seconds: float, tell: Callable[[str], None]) -> Iterator[Film]:
    """A recording, or the next ``seconds`` of a camera. Raises SourceError."""
    if not (is_picamera(source) or _is_live(source)) and _is_played(source):
        yield _as_it_is(source)
        return
    memory = os.memfd_create("film")
    try:
        yield _converted(source, camera, seconds, Path(f"/proc/{os.getpid()}/fd/{memory}"), tell)
    finally:
        os.close(memory)


def _is_live(source: str) -> bool:
    with open_video(source) as video:
        return video.is_live


def _is_played(source: str) -> bool:
    """Whether browsers play it as it is."""
    with av.open(source) as container:
        context = container.streams.video[0].codec_context
        return (
            "mp4" in container.format.name.split(",") and context.name == "h264" and context.pix_fmt in _PLAYED_FORMATS
        )


def _as_it_is(source: str) -> Film:
    with av.open(source) as container:
        first_s = max(0.0, (container.start_time or 0) / av.time_base)
    with open_video(source, live=False) as video:
        fps, duration_s = video.average_fps or NS_PER_S / video.interval_ns, video.duration_s or 0.0
        return Film(Path(source).name, Path(source), Path(source), video.size_px, fps, duration_s, first_s)


def _converted(source: str, camera: Camera | None, seconds: float, target: Path, tell: Callable[[str], None]) -> Film:
    """Encode its pictures again, at their own times from 0 on."""
    with _opened(source, camera) as video:
        longest_s = seconds if video.is_live else LONGEST_S
        tell(f"Recording {seconds:g} s of {source}." if video.is_live else f"Converting {source} for the browser.")
        size, interval_ns = video.size_px, video.interval_ns
        last_ns = _encode(video, target, longest_s)
    return Film(Path(source).name, target, target, size, NS_PER_S / interval_ns, last_ns / NS_PER_S, 0.0)


def _opened(source: str, camera: Camera | None) -> VideoSource | PicameraSource:
    if is_picamera(source):
        return open_picamera(source, camera or Camera(size_px=(1280, 720)))
    return open_video(source)


def _encode(video: VideoSource | PicameraSource, target: Path, longest_s: float) -> int:
    """Write the pictures as H.264; gives the time of the last one in ns. A key frame a second, for jumps."""
    first_ns, t_ns = None, 0
    wide, high = (side & ~1 for side in video.size_px)
    with av.open(str(target), "w", format="mp4") as out:
        rate = Fraction(NS_PER_S, video.interval_ns).limit_denominator(1001)
        options = {"preset": "ultrafast", "crf": "20", "g": str(max(1, round(rate))), "bf": "0"}
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = wide, high, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        for frame in _frames(video):
            first_ns = frame.t_ns if first_ns is None else first_ns
            t_ns = frame.t_ns - first_ns
            if t_ns > longest_s * NS_PER_S:
                break
            picture = av.VideoFrame.from_ndarray(frame.picture.scaled((wide, high)), format="bgr24")
            picture.pts, picture.time_base = round(t_ns * _TICKS / NS_PER_S), Fraction(1, _TICKS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    if first_ns is None:
        raise SourceError(f"{video.name} gave no picture: give a recording, or a camera that sends")
    return t_ns


def _frames(video: VideoSource | PicameraSource) -> Iterator[Frame]:
    yield from video
