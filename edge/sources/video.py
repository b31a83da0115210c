"""Pictures from files, network cameras (RTSP) and V4L2 devices, through PyAV.

A recorded file is lossless: it waits for its consumer. A live source cannot wait: its reader drops the oldest picture
that nobody took and counts it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import av
import av.error

from edge.errors import SourceError
from edge.records import NS_PER_S, EncodedPacket, Frame, Size, VideoFormat
from edge.sources.picture import DecodedPicture, Scalers
from edge.sources.stamps import LiveClock, Stamper
from edge.sources.wholeness import missing_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from edge.records import PacketTap
    from edge.sources.picture import Crop

_LIVE_SCHEMES = ("rtsp", "rtsps", "rtmp", "srt", "tcp", "udp", "v4l2")
_DECODER_THREADS = 2
_LIVE_BACKLOG = 4
_NOMINAL_INTERVAL_NS = NS_PER_S // 25
_SHORTEST_NS = NS_PER_S // 1000


@dataclass(slots=True)
class VideoStats:
    """What a source has met so far; counters only rise.

    ``gaps`` counts steps over one and a half nominal intervals, ``restamped`` stamps that did not rise, ``dropped``
    live pictures that nobody took in time.
    """

    decoded: int = 0
    corrupt_packets: int = 0
    corrupt_frames: int = 0
    gaps: int = 0
    restamped: int = 0
    dropped: int = 0


def open_video(
    url: str | Path,
    *,
    live: bool | None = None,
    options: Mapping[str, str] | None = None,
    timeout_s: float = 5.0,
    tap: PacketTap | None = None,
) -> VideoSource:
    """Open a recording, an RTSP URL or a V4L2 device (``/dev/video0``); ``live=None`` decides by the URL.

    ``options`` are handed to FFmpeg's demuxer; ``timeout_s`` bounds opening and every read of a live source. ``tap``
    is given the compressed stream as it is read. Raises SourceError where there is nothing to open, or nothing that
    could be decoded.
    """
    name = str(url)
    endless = is_endless(name)
    check_address(name)
    container = _open(name, dict(options or {}), timeout_s if endless else None)
    try:
        return VideoSource(
            name, container, live=endless if live is None else live, endless=endless, timeout_s=timeout_s, tap=tap
        )
    except BaseException:
        container.close()
        raise


def is_endless(name: str) -> bool:
    """Whether an address is that of a camera or a stream: it goes on until it is closed."""
    return name.startswith("/dev/") or name.partition(":")[0].lower() in _LIVE_SCHEMES


def check_address(name: str) -> None:
    """SourceError where there is nothing to open, as far as that can be told without opening it."""
    if is_endless(name):
        return
    if "://" in name:
        raise SourceError(f"{name} is no address that is read here: give an rtsp:// URL, /dev/video0 or a recording")
    _check_file(Path(name))


def _check_file(path: Path) -> None:
    if not path.exists():
        raise SourceError(f"{path} does not exist: give the path of a recording, an rtsp:// URL or /dev/video0")
    if path.is_dir():
        raise SourceError(f"{path} is a folder: give the path of a recording in it")
    try:
        missing = missing_bytes(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): give a file this user may read") from None
    if missing:
        raise SourceError(f"{path} was cut short, {missing:,} bytes of the recording are missing: copy it again")


def _open(name: str, options: dict[str, str], timeout_s: float | None) -> av.container.InputContainer:
    device = name.startswith(("/dev/", "v4l2:"))
    if name.lower().startswith("rtsp"):
        options.setdefault("rtsp_transport", "tcp")  # UDP loses packets silently
    try:
        return av.open(
            name.removeprefix("v4l2:"), mode="r", format="v4l2" if device else None, options=options, timeout=timeout_s
        )
    except av.error.InvalidDataError:
        raise SourceError(
            f"{name} is no recording that can be read: give a whole video file such as MP4, Matroska or AVI"
        ) from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if timeout_s is None and isinstance(error, (av.error.EOFError, UnicodeError)):
            raise SourceError(f"{name} is damaged in its header: copy it again or give another recording") from None
        words = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{name} cannot be opened ({words}): check the address") from None


class VideoSource:
    """An open video: iterate once for its frames, then close it (or use it in a ``with``).

    ``size_px`` is width and height, ``average_fps`` and ``interval_ns`` the nominal rate; ``duration_s`` and
    ``frame_count`` are the container's estimates, None where it makes none.
    """

    def __init__(
        self,
        name: str,
        container: av.container.InputContainer,
        *,
        live: bool,
        endless: bool,
        timeout_s: float,
        tap: PacketTap | None = None,
    ) -> None:
        if not container.streams.video:
            raise SourceError(f"{name} holds no video stream: give a file with pictures in it")
        self.name = name
        self.is_live = live
        self.stats = VideoStats()
        self._endless = endless
        self._timeout_s = timeout_s
        self._container = container
        self._stream = container.streams.video[0]
        # PyAV gives a stream of an unknown or damaged kind no codec, and then no width.
        if getattr(self._stream, "codec_context", None) is None or not self._stream.width:
            raise SourceError(
                f"{name} sent no picture that can be decoded while it was opened: have it send H.264, with a key frame "
                "every second or two"
                if endless
                else f"{name} holds video of a kind that cannot be decoded here: convert it to H.264"
            )
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = _DECODER_THREADS
        self._tap = tap
        self._scalers = Scalers()
        self.size_px: Size = (self._stream.width, self._stream.height)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.average_fps: float | None = float(rate) if rate else None
        # A damaged header may state any rate.
        self.interval_ns = min(max(round(NS_PER_S / rate), _SHORTEST_NS), NS_PER_S) if rate else _NOMINAL_INTERVAL_NS
        self.duration_s = self._duration_s()
        self.frame_count = self._frame_count()
        self._reader: _Reader | None = None
        self._finished = False

    @property
    def detail_px(self) -> Size:
        """The size of the largest picture there is of each frame: of the one that is judged."""
        return self.size_px

    def keep_detail(self, parts_px: Iterable[Crop]) -> None:
        """Nothing is to be done for it: each frame's picture is whole, and is the largest there is."""

    def _duration_s(self) -> float | None:
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return None if self._container.duration is None else self._container.duration / av.time_base

    def _frame_count(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        return round(self.duration_s * self.average_fps) if self.duration_s and self.average_fps else None

    def __iter__(self) -> Iterator[Frame]:
        """Frames in the order they are shown. SourceError where the source fails, which an end of file is not."""
        if self._finished or self._reader is not None:
            raise SourceError(f"{self.name} was read already: open it again")
        if self.is_live:
            self._reader = _Reader(self.read(), self.stats)
            return iter(self._reader)
        self._finished = True
        return self.read()

    def read(self) -> Iterator[Frame]:
        """Every frame, decoded in the caller's thread."""
        tap = self._tap
        if tap is None:
            yield from self._frames()
            return
        tap.start(self._format())
        try:
            yield from self._frames()
        finally:
            tap.end()

    def _frames(self) -> Iterator[Frame]:
        stamper = self._stamper()
        stats = self.stats
        pictures = self._current() if self._endless else ((frame, None) for frame in self._decoded())
        clock = LiveClock(is_monotonic="v4l2" in self._container.format.name)
        for frame, arrival_ns in pictures:
            if (frame.width, frame.height) != self.size_px:
                raise SourceError(f"{self.name} changes its picture size midway: give a recording of one size")
            t_ns = stamper.stamp(frame.pts, frame.dts)
            if arrival_ns is not None:
                t_ns = clock.to_monotonic(t_ns, arrival_ns)
            stats.gaps, stats.restamped = stamper.gaps, stamper.restamped
            stats.corrupt_frames += frame.is_corrupt
            stats.decoded += 1
            if self._tap is not None:
                self._tap.frame(frame.pts, frame.dts, t_ns, is_key=frame.key_frame)
            yield Frame(t_ns, stats.decoded - 1, DecodedPicture(frame, self._scalers))
        self._check_end()

    def _current(self) -> Iterator[tuple[av.VideoFrame, int]]:
        """A live stream's pictures with the instants they arrived at.

        Opening a stream gathers its first second; those pictures come all at once and would be taken for new ones. So
        what needed no waiting for is dropped, until one did. Pictures from before the first clock report have no stamp.
        """
        current = False
        last_ns = time.monotonic_ns()
        for frame in self._decoded():
            arrival_ns = time.monotonic_ns()
            current = current or 2 * (arrival_ns - last_ns) > self.interval_ns
            last_ns = arrival_ns
            if current and frame.pts is not None:
                yield frame, arrival_ns
            else:
                self.stats.decoded += 1
                self.stats.dropped += 1

    def _stamper(self) -> Stamper:
        time_base = self._stream.time_base
        assert time_base is not None  # FFmpeg sets one for every stream it opens
        return Stamper(time_base, self.interval_ns, decode_order=self._container.format.name == "avi")

    def _format(self) -> VideoFormat:
        context = self._stream.codec_context
        assert self._stream.time_base is not None  # FFmpeg sets one for every stream it opens
        return VideoFormat(
            codec=context.name,
            codec_tag=context.codec_tag,
            extradata=bytes(context.extradata or b""),
            size_px=self.size_px,
            pixel_format=context.pix_fmt or "",
            time_base=self._stream.time_base,
        )

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            if self._tap is not None and packet.size:
                self._tap.packet(EncodedPacket(bytes(packet), packet.pts, packet.dts, packet.is_keyframe))
            self.stats.corrupt_packets += packet.is_corrupt
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                self.stats.corrupt_packets += 1
            except av.error.EOFError:
                return

    def _packets(self) -> Iterator[av.Packet[Any]]:
        while True:
            try:
                yield from self._container.demux(self._stream)
            except IndexError:
                self.stats.corrupt_packets += 1  # PyAV trips over a packet of a stream that appeared midway: read on
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, OSError) as error:
                words = "no picture came in time" if isinstance(error, av.error.ExitError) else error.strerror
                raise SourceError(
                    f"{self.name} failed after {self.stats.decoded} pictures ({words}): check it"
                ) from None
            else:
                return

    def _check_end(self) -> None:
        if self._endless:
            raise SourceError(f"{self.name} ended its stream: check the camera and its network")
        if not self.stats.decoded:
            raise SourceError(f"{self.name} holds no picture that could be decoded: give another recording")

    def close(self) -> None:
        """Stop the reader, if any, and let go of the file or camera."""
        self._finished = True
        reader, self._reader = self._reader, None
        if reader is None or reader.stop(2 * self._timeout_s):
            self._container.close()  # never under a thread that still reads from it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Reader:
    """Reads a live source on a thread of its own and keeps the newest pictures for whoever comes.

    Nothing that it holds leads back to it once it has ended. A circle would keep the decoder and its pictures until
    Python looks for circles, which may be hours: a camera that is opened anew again and again would fill the memory.
    """

    def __init__(self, frames: Iterator[Frame], stats: VideoStats) -> None:
        self._stats = stats
        self._backlog: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, args=(frames,), name="video-reader", daemon=True)
        self._thread.start()

    def _run(self, frames: Iterator[Frame]) -> None:
        try:
            for frame in frames:
                if not self._keep(frame):
                    return
        except BaseException as error:  # noqa: BLE001 - carried over to the consumer's thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _keep(self, frame: Frame) -> bool:
        with self._changed:
            if len(self._backlog) >= _LIVE_BACKLOG:
                self._backlog.popleft()
                self._stats.dropped += 1
            self._backlog.append(frame)
            self._changed.notify_all()
            return not self._ended

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._backlog or self._ended)
                if not self._backlog:
                    break
                frame = self._backlog.popleft()
            yield frame
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # which its own traceback would hold

    def stop(self, within_s: float) -> bool:
        """End the thread, which a silent camera holds up for its time-out; tells whether it ended."""
        with self._changed:
            self._ended = True
            self._backlog.clear()
            self._changed.notify_all()
        self._thread.join(within_s)
        self._error = None
        return not self._thread.is_alive()
