"""What a camera sensor's own words mean: its clock, the pictures it missed, its planes, its exposure. Pure."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from edge.errors import SourceError
from edge.records import NS_PER_S, EncodedPacket, VideoFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.records import PacketTap, Size
    from edge.sources.picture import Crop

_MICROSECOND = Fraction(1, 1_000_000)
_NS_PER_US = 1000
# A picture reaches us within some frames of its stamp; what claims to be older was stamped by a clock unknown to us.
_OLDEST_NS = 5 * NS_PER_S
_FUTURE_NS = NS_PER_S // 100


def whole_us(t_ns: int) -> int:
    """An instant cut to whole microseconds, which is what Picamera2's encoders count in."""
    return t_ns // _NS_PER_US * _NS_PER_US


class SensorClock:
    """Brings sensor time stamps onto CLOCK_MONOTONIC, which the lamps are read by.

    libcamera's documentation names CLOCK_BOOTTIME for ``SensorTimestamp``, while the kernel drivers of the Raspberry Pi
    stamp with CLOCK_MONOTONIC. The two differ by the time that the machine was suspended, on a Pi by nothing. So it is
    not believed but looked at: a first stamp that lies ahead of the monotonic clock was made by the other one, and
    all are shifted by the difference. Where the machine slept for less than a picture is old when it arrives, the two
    cannot be told apart; the error is then below that age.

    ``now_ns`` reads both clocks, monotonic first, as close together as it can.
    """

    def __init__(self, now_ns: Callable[[], tuple[int, int]]) -> None:
        self._now_ns = now_ns
        self._shift_ns: int | None = None

    def to_monotonic(self, stamp_ns: int) -> int:
        """The instant of a stamp. SourceError where the first one was made by neither clock."""
        if self._shift_ns is None:
            self._shift_ns = self._shift_of(stamp_ns)
        return stamp_ns + self._shift_ns

    def _shift_of(self, stamp_ns: int) -> int:
        monotonic_ns, boot_ns = self._now_ns()
        for now_ns in (monotonic_ns, boot_ns):
            if -_FUTURE_NS <= now_ns - stamp_ns <= _OLDEST_NS:
                return monotonic_ns - now_ns
        raise SourceError(
            f"the camera's pictures are stamped {abs(monotonic_ns - stamp_ns) / NS_PER_S:.1f} s beside this machine's "
            "clock, so they cannot be set against the lamps: update libcamera and the kernel together"
        )


class MissedPictures:
    """Counts the pictures between two that came, by the sequence number and by the time between them.

    The number counts what the image processor made: a picture that the sensor took while no buffer was free never got
    one, but leaves a gap in time. So whichever tells of more is believed.
    """

    def __init__(self) -> None:
        self._sequence: int | None = None
        self._t_ns: int | None = None

    def before(self, sequence: int, t_ns: int, interval_ns: int) -> int:
        """How many pictures are missing before this one, which comes ``interval_ns`` after its neighbour."""
        by_number = 0 if self._sequence is None else sequence - self._sequence - 1
        by_time = 0 if self._t_ns is None else round((t_ns - self._t_ns) / interval_ns) - 1
        self._sequence, self._t_ns = sequence, t_ns
        return max(by_number, by_time, 0)

    def restarted(self) -> None:
        """The camera was opened anew: it numbers its pictures from the start, while time went on."""
        self._sequence = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture lies in its buffer: ``stride`` is the bytes from one row of luma to the next, padding included."""

    pixel_format: str
    size_px: Size
    stride: int

    @property
    def size_bytes(self) -> int:
        """Luma and chroma with their padding."""
        return self.stride * self.size_px[1] * 3 // 2


def planar_420(buffer: NDArray[uint8], layout: Layout, crop_px: Crop | None = None) -> av.VideoFrame:
    """A buffer of YUV420 or NV12, or ``crop_px`` of it, as planar 4:2:0 without its padding.

    The one copy there is: a camera's buffer must go back at once, a picture lives until it has been looked at. A crop
    is left, top, right, bottom on even pixels inside the picture. SourceError for another format or a buffer that is
    too short.
    """
    if len(buffer) < layout.size_bytes:
        raise SourceError(f"the camera gave {len(buffer):,} bytes for a picture of {layout.size_bytes:,}: restart it")
    left, top, right, bottom = crop_px or (0, 0, *layout.size_px)
    frame = av.VideoFrame(right - left, bottom - top, "yuv420p")
    for pixels, plane, step in zip(_planes(buffer, layout), frame.planes, (1, 2, 2), strict=True):
        part = pixels[top // step : bottom // step, left // step : right // step]
        room = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        room[: part.shape[0], : part.shape[1]] = part
    return frame


def _planes(buffer: NDArray[uint8], layout: Layout) -> tuple[NDArray[uint8], ...]:
    """Views of Y, U and V."""
    (width, height), stride = layout.size_px, layout.stride
    luma = buffer[: stride * height].reshape(height, stride)[:, :width]
    chroma = buffer[stride * height : layout.size_bytes]
    if layout.pixel_format == "NV12":
        pairs = chroma.reshape(height // 2, stride)[:, :width]
        return luma, pairs[:, 0::2], pairs[:, 1::2]
    if layout.pixel_format == "YUV420":
        first, second = chroma.reshape(2, height // 2, stride // 2)[:, :, : width // 2]
        return luma, first, second
    raise SourceError(f"the camera gives pictures as {layout.pixel_format}, not as YUV420 or NV12: use another camera")


class PacketFeed:
    """Hands an encoder's packets to a tap, each with its picture's instant.

    Every picture is encoded, also one that nobody takes to be judged. ``pts`` is the stamp in microseconds since the
    machine was started, so that it goes on rising when the camera is opened anew.
    """

    def __init__(self, tap: PacketTap, clock: SensorClock, size_px: Size) -> None:
        self._tap = tap
        self._clock = clock
        self._size_px = size_px
        self._begun = False

    def put(self, data: bytes, stamp_us: int, *, is_key: bool) -> None:
        """One picture of H.264 with start codes, the parameter sets before each key picture."""
        if not self._begun:
            if not is_key:
                return
            self._tap.start(VideoFormat("h264", "", b"", self._size_px, "yuv420p", _MICROSECOND))
            self._begun = True
        self._tap.packet(EncodedPacket(data, stamp_us, stamp_us, is_key))
        t_ns = whole_us(self._clock.to_monotonic(stamp_us * _NS_PER_US))
        self._tap.frame(stamp_us, stamp_us, t_ns, is_key=is_key)

    def end(self) -> None:
        """No more packets come."""
        if self._begun:
            self._tap.end()


def limited_tuning(tuning: dict[str, Any], max_exposure_us: int | None, max_gain: float | None) -> dict[str, Any]:
    """A Raspberry Pi tuning file whose automatic exposure goes no further than the limits.

    libcamera has no control for a longest exposure; it follows the ``exposure_modes`` of ``rpi.agc``, lists of shutter
    times in µs and of gains that it walks through from bright to dark. SourceError where the file has none.
    """
    limited = deepcopy(tuning)
    modes = [mode for table in _exposure_tables(limited) for mode in table.values()]
    if not modes:
        raise SourceError(
            "the camera's tuning file sets no exposure modes to limit: remove max_exposure_us and max_gain"
        )
    for mode in modes:
        for key, most in (("shutter", max_exposure_us), ("gain", max_gain)):
            if most is not None and key in mode:
                mode[key] = [min(value, most) for value in mode[key]]
    return limited


def _exposure_tables(tuning: dict[str, Any]) -> list[dict[str, Any]]:
    """Every ``exposure_modes`` of either generation of the file's format, with one metering channel or several."""
    algorithms = tuning.get("algorithms", [tuning])
    agcs = [algorithm["rpi.agc"] for algorithm in algorithms if "rpi.agc" in algorithm]
    channels = [channel for agc in agcs for channel in agc.get("channels", [agc])]
    return [channel["exposure_modes"] for channel in channels if "exposure_modes" in channel]


def detection_size(main_px: Size, most_px: int = 640) -> Size:
    """The size to detect in where none is given: the aspect of ``main_px``, at most ``most_px`` wide, even sides."""
    width, height = main_px
    if width <= most_px:
        return main_px
    return most_px, 2 * round(most_px * height / width / 2)
