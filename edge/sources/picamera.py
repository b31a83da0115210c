"""Pictures from a Raspberry Pi's own camera, through Picamera2: a small stream to judge, a large one for the evidence.

The small stream comes as Frames, with parts of the large one where they are asked for. The large one is encoded as it
comes, by the Pi 4's hardware or by libx264, and goes to the tap alone. Picamera2 keeps the newest picture only, so a
slow consumer costs pictures, never time: what was missed is counted.
"""

from __future__ import annotations

import atexit
import threading
import time
from concurrent.futures import CancelledError, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from edge.errors import ConfigError, SourceError
from edge.records import Frame
from edge.sources.picture import DecodedPicture, KeptParts, Scalers
from edge.sources.sensor import (
    Layout,
    MissedPictures,
    PacketFeed,
    SensorClock,
    detection_size,
    limited_tuning,
    planar_420,
    whole_us,
)
from edge.sources.video import VideoStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import TypeVar

    import av

    from edge.config import Camera
    from edge.records import PacketTap, Size
    from edge.sources.picture import Crop

    _Part = TypeVar("_Part", Crop, None)

# libcamera itself calls a camera silent after one second.
TIMEOUT_S: Final = 2.0

_US_PER_S = 1_000_000
_NS_PER_US = 1000
# One with us, two with the encoder, one that Picamera2 keeps; the rest are the sensor's.
_BUFFERS = 6
_HARDWARE_ENCODER = Path("/dev/video11")
_MOST_REOPENINGS = 3
_PAUSE_S = 1.0
# A driver that hangs does so for ever; a healthy one stops within a picture or two.
_CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class PicameraSettings:
    """What to ask of a camera; sizes are width and height, ``number`` counts the cameras from 0."""

    number: int
    main_px: Size
    detect_px: Size
    frame_rate: float
    max_exposure_us: int | None = None
    max_gain: float | None = None

    @classmethod
    def of_site(cls, camera: Camera, number: int = 0) -> Self:
        """The settings that a site file names."""
        main_px = camera.stream_px or camera.size_px
        detect_px = camera.detect_px or detection_size(main_px)
        return cls(number, main_px, detect_px, camera.frame_rate, camera.max_exposure_us, camera.max_gain)

    @property
    def interval_us(self) -> int:
        """From one picture to the next."""
        return round(_US_PER_S / self.frame_rate)


def is_picamera(source: str) -> bool:
    """Whether a source's name on the command line means a camera of the Pi: ``picamera`` or ``picamera:1``."""
    return source.partition(":")[0] == "picamera"


def open_picamera(
    source: str,
    camera: Camera,
    *,
    timeout_s: float = TIMEOUT_S,
    tap: PacketTap | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> PicameraSource:
    """Open ``picamera`` or ``picamera:NUMBER`` as the site file's ``[camera]`` asks.

    A picture must come within ``timeout_s``, else the camera is opened anew. Raises SourceError where Picamera2 or the
    camera is missing, or cannot do what is asked.
    """
    number = source.partition(":")[2] or "0"
    if not number.isdecimal():
        raise SourceError(f'"{source}" names no camera: write picamera, or picamera:1 for the second one')
    return PicameraSource(
        source, PicameraSettings.of_site(camera, int(number)), timeout_s=timeout_s, tap=tap, tell=tell
    )


class PicameraSource:
    """An open camera: iterate once for its frames, then close it (or use it in a ``with``).

    Where no picture comes in time the camera is flushed, closed and opened anew; where that does not help either the
    iteration ends in a SourceError, so that systemd starts the node from the beginning. ``tell`` is given a sentence
    whenever the camera is lost; ``reopened`` counts how often it was opened anew. In ``stats``, ``decoded`` counts the
    pictures that the camera made and ``dropped`` those of them that nobody took.
    """

    is_live = True

    def __init__(
        self,
        name: str,
        settings: PicameraSettings,
        *,
        timeout_s: float = TIMEOUT_S,
        tap: PacketTap | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.stats = VideoStats()
        self.reopened = 0
        self.size_px: Size = settings.detect_px
        self.detail_px: Size = settings.main_px
        self.average_fps = settings.frame_rate
        self.interval_ns = settings.interval_us * _NS_PER_US
        self._settings = settings
        self._timeout_s = timeout_s
        self._tell = tell
        self._clock = SensorClock(_both_clocks)
        self._feed = None if tap is None else PacketFeed(tap, self._clock, settings.main_px)
        self._missed = MissedPictures()
        self._scalers = Scalers()
        self._parts_px: tuple[Crop, ...] = ()
        self._changing = threading.Lock()
        self._over = threading.Event()
        self._begun = False
        self._last_ns = -1
        self._camera: _OpenCamera | None = _OpenCamera(settings, self._feed)

    def keep_detail(self, parts_px: Iterable[Crop]) -> None:
        """Give each frame these parts of the large picture too, on even pixels of it; before frames are asked for."""
        self._parts_px = tuple(parts_px)

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they come. SourceError where the camera has failed for good."""
        if self._begun or self._over.is_set():
            raise SourceError(f"{self.name} was read already: open it again")
        self._begun = True
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        failures = 0
        try:
            while not self._over.is_set():
                taken = self._take()
                if taken is not None:
                    failures = 0
                    yield from self._frame(taken)
                elif not self._over.is_set():
                    failures += 1
                    self._reopen(failures)
        finally:
            self.close()

    def _take(self) -> _Taken | None:
        """The next picture, None where it does not come in time."""
        camera = self._camera
        return None if camera is None else camera.take(self._timeout_s, self._parts_px)

    def _frame(self, taken: _Taken) -> Iterator[Frame]:
        t_ns = whole_us(self._clock.to_monotonic(taken.stamp_ns))
        if t_ns <= self._last_ns:
            self.stats.restamped += 1
            return
        self._last_ns = t_ns
        missed = self._missed.before(taken.sequence, t_ns, taken.interval_ns or self.interval_ns)
        self.stats.gaps += missed > 0
        self.stats.dropped += missed
        self.stats.decoded += missed + 1
        detail = KeptParts(self.detail_px, taken.parts, self._scalers) if taken.parts else None
        yield Frame(t_ns, self.stats.decoded - 1, DecodedPicture(taken.frame, self._scalers), detail)

    def _reopen(self, failures: int) -> None:
        """Let go of a silent camera and try it anew."""
        if failures > _MOST_REOPENINGS:
            raise SourceError(
                f"{self.name} gave no picture though it was opened anew {_MOST_REOPENINGS} times: check its ribbon "
                "cable and power"
            )
        self._tell(f"{self.name} gave no picture for {self._timeout_s:g} s; it is opened anew")
        with self._changing:
            camera, self._camera = self._camera, None
            if camera is not None and (hinders := camera.close()):
                raise SourceError(
                    f"{self.name} is not let go by its driver ({hinders}): restart the node, and the Pi if that does "
                    "not help"
                )
            if self._over.is_set():
                return
            self.reopened += 1
            self._missed.restarted()
            try:
                self._camera = _OpenCamera(self._settings, self._feed)
            except SourceError as error:
                self._tell(str(error))
                self._over.wait(_PAUSE_S)  # then taken for a camera that stays silent

    def stop(self) -> None:
        """Let the frames end with the next picture; may be called anywhere, in a signal handler too."""
        self._over.set()

    def close(self) -> None:
        """Let go of the camera; whoever waits for a picture is told that none comes."""
        self._over.set()
        with self._changing:
            camera, self._camera = self._camera, None
            if camera is not None and (hinders := camera.close()):
                self._tell(f"{self.name} is not let go by its driver ({hinders}) before this program has ended")
            if self._feed is not None:
                self._feed.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Taken:
    """A picture as it came: the sensor's stamp and number, and the camera's own interval where it tells one.

    ``parts`` are cut from the large stream's picture of the same instant.
    """

    stamp_ns: int
    sequence: int
    interval_ns: int | None
    frame: av.VideoFrame
    parts: dict[Crop, av.VideoFrame]


class _OpenCamera:
    """One opened Picamera2 that delivers; everything foreign is translated here."""

    def __init__(self, settings: PicameraSettings, feed: PacketFeed | None) -> None:
        module = _picamera2()
        self._hinders: str | None = f"no answer for {_CLOSE_S:g} s"
        try:
            self._camera = module.Picamera2(settings.number, tuning=_tuning(module, settings))
        except (RuntimeError, OSError, LookupError, ValueError) as error:
            raise SourceError(
                f"camera {settings.number} cannot be opened ({_root(error)}): check its ribbon cable, that no other "
                "program uses it, and what 'rpicam-hello --list-cameras' says"
            ) from None
        try:
            self._start(module, settings, feed)
        except BaseException as error:
            self.close()
            if isinstance(error, (RuntimeError, OSError, LookupError, ValueError)):
                raise SourceError(
                    f"camera {settings.number} cannot be started ({_root(error)}): try it alone"
                ) from None
            raise

    def _start(self, module: Any, settings: PicameraSettings, feed: PacketFeed | None) -> None:
        self._camera.configure(_configuration(self._camera, settings))
        self._layouts = _layouts(self._camera.camera_configuration(), settings)
        _check_rate(self._camera.camera_controls, settings)
        if feed is not None:
            encoder = _encoder(module, settings)
            output = _output(feed, encoder)
            self._camera.start_encoder(encoder, output, name="main", quality=module.encoders.Quality.HIGH)
        self._camera.start()

    def take(self, timeout_s: float, parts_px: tuple[Crop, ...]) -> _Taken | None:
        """The newest picture; None where none comes in time or the camera is being closed."""
        try:
            # A number, always: waiting without one never ends once the camera has fallen silent.
            with self._camera.captured_request(wait=timeout_s) as request:
                return self._taken(request, parts_px)
        except (TimeoutError, CancelledError):
            return None

    def _taken(self, request: Any, parts_px: tuple[Crop, ...]) -> _Taken:
        metadata = request.get_metadata()
        lores = request.request.buffers[request.stream_map["lores"]]
        interval_us = metadata.get("FrameDuration")
        return _Taken(
            metadata["SensorTimestamp"],
            lores.metadata.sequence,
            None if interval_us is None else interval_us * _NS_PER_US,
            self._copied(request, "lores", [None])[None],
            self._copied(request, "main", parts_px) if parts_px else {},
        )

    def _copied(self, request: Any, stream: str, parts_px: Iterable[_Part]) -> dict[_Part, av.VideoFrame]:
        """Parts of one stream's picture, None for the whole, copied out of its buffer."""
        with _picamera2().MappedArray(request, stream, reshape=False, write=False) as mapped:
            return {part: planar_420(mapped.array, self._layouts[stream], part) for part in parts_px}

    def close(self) -> str | None:
        """Flush, stop and let go; says what hinders it, which only the end of the process can mend."""
        closer = threading.Thread(target=self._close, name="picamera-close", daemon=True)
        closer.start()
        closer.join(_CLOSE_S)
        if self._hinders is not None:
            atexit.unregister(self._camera.close)  # it would hang the end of the process as well
        return self._hinders

    def _close(self) -> None:
        with suppress(InvalidStateError):
            self._camera.cancel_all_and_flush()  # else a stop waits behind the request that never comes
        try:
            self._camera.stop_encoder()
            self._camera.close()
        except (RuntimeError, OSError) as error:
            self._hinders = _root(error)
        else:
            self._hinders = None


def require_picamera2() -> None:
    """ConfigError where Picamera2 cannot be loaded: to be known before a node is put together for its camera."""
    _picamera2()


def _picamera2() -> Any:
    """The module, loaded when a camera is asked for: it exists on a Pi, and its import takes a second.

    ConfigError where it cannot be loaded: no restart of the node mends that.
    """
    try:
        import picamera2
        import picamera2.encoders
        import picamera2.outputs
    except ImportError as error:
        raise ConfigError(
            f"a camera of the Pi needs Picamera2, which is not here (no {error.name}): run 'apt install "
            "python3-picamera2' and make the venv with --system-site-packages"
        ) from None
    except (ValueError, AttributeError) as error:
        raise ConfigError(
            f"Picamera2 cannot be loaded ({error}): where the venv has a newer numpy than the system, install "
            "simplejpeg into the venv too"
        ) from None
    return picamera2


def _tuning(module: Any, settings: PicameraSettings) -> dict[str, Any] | None:
    """The camera's own tuning with limits to its automatic exposure, None where there are none."""
    if settings.max_exposure_us is None and settings.max_gain is None:
        return None
    model = module.Picamera2.global_camera_info()[settings.number]["Model"]
    try:
        tuning = module.Picamera2.load_tuning_file(f"{model}.json")
    except RuntimeError:
        raise SourceError(
            f"there is no tuning file for a camera {model}, whose exposure could be limited: remove max_exposure_us "
            "and max_gain from the site file"
        ) from None
    return limited_tuning(tuning, settings.max_exposure_us, settings.max_gain)


def _configuration(camera: Any, settings: PicameraSettings) -> Any:
    """Both streams at one fixed rate, the lens, if it moves, at infinity."""
    import libcamera

    fixed: dict[str, Any] = {"FrameDurationLimits": (settings.interval_us, settings.interval_us)}
    if "LensPosition" in camera.camera_controls:
        fixed |= {"AfMode": libcamera.controls.AfModeEnum.Manual, "LensPosition": 0.0}
    return camera.create_video_configuration(
        main={"size": settings.main_px, "format": "YUV420"},
        lores={"size": settings.detect_px, "format": "YUV420"},
        raw=None,
        # The encoded stream does not say what its colours are, and this is what is taken for granted then.
        colour_space=libcamera.ColorSpace.Smpte170m(),
        buffer_count=_BUFFERS,
        controls=fixed,
        display=None,
    )


def _layouts(configuration: dict[str, Any], settings: PicameraSettings) -> dict[str, Layout]:
    """How both streams lie in memory. SourceError where the camera made other sizes of those asked for."""
    layouts = {}
    for stream, asked in (("main", settings.main_px), ("lores", settings.detect_px)):
        given = configuration[stream]
        size_px = tuple(given["size"])
        if size_px != asked:
            raise SourceError(
                f"the camera gives {size_px[0]} x {size_px[1]} and not {asked[0]} x {asked[1]} pictures: set "
                f"camera.{'stream_px' if stream == 'main' else 'detect_px'} in the site file to what it can"
            )
        layouts[stream] = Layout(given["format"], asked, given["stride"])
    return layouts


def _check_rate(controls: dict[str, Any], settings: PicameraSettings) -> None:
    shortest_us = controls["FrameDurationLimits"][0]
    if shortest_us > 1.01 * settings.interval_us:
        raise SourceError(
            f"the camera takes at most {_US_PER_S / shortest_us:.0f} pictures a second at this size: lower "
            "camera.frame_rate in the site file, or stream_px"
        )


def _encoder(module: Any, settings: PicameraSettings) -> Any:
    """H.264 with a key picture a second: in hardware on a Pi 4, by libx264 on a Pi 5 and elsewhere."""
    # Where it finds no camera hardware at all Picamera2 believes to be on a Pi 4, so its device is looked for too.
    is_pi_4 = module.get_platform() is module.Platform.VC4 and _HARDWARE_ENCODER.exists()
    kind = module.encoders.H264Encoder if is_pi_4 else module.encoders.LibavH264Encoder
    rate = Fraction(settings.frame_rate).limit_denominator(1000)
    return kind(repeat=True, iperiod=max(1, round(settings.frame_rate)), framerate=rate)


def _output(feed: PacketFeed, encoder: Any) -> Any:
    """What Picamera2 hands encoded pictures to: an Output of its own kind, which it insists on."""
    from picamera2.outputs import Output

    class ToFeed(Output):  # type: ignore[misc]  # Picamera2 is not typed
        """Passes each packet on with its picture's stamp, which the encoder counts from its first one."""

        def outputframe(
            self, frame: bytes, keyframe: bool = True, timestamp: int = 0, *_: object, **__: object
        ) -> None:
            feed.put(bytes(frame), encoder.firsttimestamp + timestamp, is_key=keyframe)

    return ToFeed()


def _root(error: BaseException) -> str:
    """The words of the first cause; Picamera2 wraps it in one or two that say nothing."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(".") or type(error).__name__


def _both_clocks() -> tuple[int, int]:
    return time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
