"""A recording as a browser can play it: H.264 in MP4, with the same times as the pictures that are judged.

What has to be converted, or is taken from a camera, lies in memory only: no picture that nobody masked reaches a disk.
Where the system has no such memory (Linux has), a recording is converted into a folder that goes with the page, since
it lies on a disk already, and a camera is refused.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av

from edge.config import Camera
from edge.errors import SourceError
from edge.records import NS_PER_S
from edge.sources.picamera import is_picamera, open_picamera
from edge.sources.video import is_endless, open_video

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

    ``first_s`` is the time of the judged pictures at which the played film begins. ``used_s`` is how much of its
    beginning is watched, None where that is all. ``began_ns`` is when a camera's first picture was taken, on the node's
    monotonic clock.
    """

    name: str
    path: Path
    played: Path
    size_px: Size
    fps: float
    duration_s: float
    first_s: float
    used_s: float | None = None
    began_ns: int | None = None


def is_camera(source: str) -> bool:
    """Whether pictures come from it without an end."""
    return is_picamera(source) or is_endless(source)


@contextmanager
def film_of(source: str, tell: Callable[[str], None]) -> Iterator[Film]:
    """A recording, or its first ten minutes where it is longer. Raises SourceError."""
    with open_video(source, live=False) as video:
        duration_s = video.duration_s or 0.0
    if duration_s > LONGEST_S:
        tell(f"{source} is {duration_s / 60:.0f} minutes long: its first {LONGEST_S / 60:g} are watched.")
    if _is_played(source):
        yield _as_it_is(source)
        return
    tell(f"Converting {source} for the browser.")
    with _memory() as target, open_video(source, live=False) as video:
        yield _converted(video, target, LONGEST_S, lambda _t_s: True)


@contextmanager
def film_taken(source: str, camera: Camera | None, seconds: float, going_on: Callable[[float], bool]) -> Iterator[Film]:
    """The next ``seconds`` of a camera; ``going_on`` is told how many are there, and ends it by False.

    Raises SourceError.
    """
    if not hasattr(os, "memfd_create"):
        raise SourceError(
            f"{source} is a camera, whose pictures may lie in memory alone, which this system cannot do: use Linux, or "
            "give a recording"
        )
    with _memory() as target:
        with _opened(source, camera) as video:
            film = _converted(video, target, seconds, going_on)
        yield film


@contextmanager
def _memory() -> Iterator[Path]:
    """A file that no disk holds, where the system has such; else one in a folder that goes afterwards."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory(prefix="stopline-film-") as folder:
            yield Path(folder, "film.mp4")
        return
    memory = os.memfd_create("film")
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{memory}")
    finally:
        os.close(memory)


def _is_played(source: str) -> bool:
    """Whether browsers play it as it is, in the pixels that are judged: not turned nor stretched by what it says."""
    with av.open(source) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        is_known = (
            "mp4" in container.format.name.split(",") and context.name == "h264" and context.pix_fmt in _PLAYED_FORMATS
        )
        return is_known and (stream.sample_aspect_ratio or 1) == 1 and not _turned(container)


def _turned(container: av.container.InputContainer) -> int:
    """By how many degrees it says that it is to be turned for whoever watches it."""
    with suppress(av.error.FFmpegError):
        for frame in container.decode(video=0):
            return int(frame.rotation)
    return 0


def _as_it_is(source: str) -> Film:
    with av.open(source) as container:
        first_s = max(0.0, (container.start_time or 0) / av.time_base)
    with open_video(source, live=False) as video:
        fps, duration_s = video.average_fps or NS_PER_S / video.interval_ns, video.duration_s or 0.0
        used_s = LONGEST_S if duration_s > LONGEST_S else None
        return Film(Path(source).name, Path(source), Path(source), video.size_px, fps, duration_s, first_s, used_s)


def _converted(
    video: VideoSource | PicameraSource, target: Path, seconds: float, going_on: Callable[[float], bool]
) -> Film:
    """Encode its pictures again, at their own times from 0 on, for so many seconds."""
    began_ns, last_ns, is_cut = _encode(video, target, seconds, going_on)
    name, fps = Path(video.name).name, NS_PER_S / video.interval_ns
    used_s = seconds if is_cut and not video.is_live else None
    return Film(
        name, target, target, video.size_px, fps, last_ns / NS_PER_S, 0.0, used_s, began_ns if video.is_live else None
    )


def _opened(source: str, camera: Camera | None) -> VideoSource | PicameraSource:
    if is_picamera(source):
        return open_picamera(source, camera or Camera(size_px=(1280, 720)))
    return open_video(source)


def _encode(
    video: VideoSource | PicameraSource, target: Path, seconds: float, going_on: Callable[[float], bool]
) -> tuple[int, int, bool]:
    """Write the pictures as H.264, a key frame a second for jumps.

    Gives the source's time of the first one, the film's of the last one (ns), and whether there would have been more.
    """
    began_ns, t_ns, is_cut = None, 0, False
    wide, high = (side & ~1 for side in video.size_px)
    with av.open(str(target), "w", format="mp4") as out:
        rate = Fraction(NS_PER_S, video.interval_ns).limit_denominator(1001)
        options = {"preset": "ultrafast", "crf": "20", "g": str(max(1, round(rate))), "bf": "0"}
        stream = out.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = wide, high, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
        for frame in _frames(video):
            began_ns = frame.t_ns if began_ns is None else began_ns
            is_cut = frame.t_ns - began_ns > seconds * NS_PER_S
            if is_cut or not going_on((frame.t_ns - began_ns) / NS_PER_S):
                break
            t_ns = frame.t_ns - began_ns
            picture = av.VideoFrame.from_ndarray(frame.picture.scaled((wide, high)), format="bgr24")
            picture.pts, picture.time_base = round(t_ns * _TICKS / NS_PER_S), Fraction(1, _TICKS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    if began_ns is None:
        raise SourceError(f"{video.name} gave no picture: give a recording, or a camera that sends")
    return began_ns, t_ns, is_cut


def _frames(video: VideoSource | PicameraSource) -> Iterator[Frame]:
    yield from video
