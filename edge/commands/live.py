"""The camera and the lamps of a node at work. Both are there before they are opened: what waits for them is told."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from edge.approach import phase_times
from edge.commands.chain import VIEW, check_views, fits_grid, watch_for, wiring
from edge.errors import ConfigError, SourceError
from edge.lampagreement import AgreementTimes, CheckedLamps, LampAgreement, agreement_finding
from edge.messages import Inputs
from edge.node import QueuedLamps
from edge.records import NS_PER_S
from edge.sources.gpio import open_gpio
from edge.sources.picamera import is_picamera, open_picamera, require_picamera2
from edge.sources.steady import SteadyVideo, awaited
from edge.sources.timeline import read_timeline
from edge.sources.video import is_endless, open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from edge.config import Site
    from edge.evidence.ring import PacketRing
    from edge.health import Finding
    from edge.node import LampFeed
    from edge.records import Frame, LampEdge
    from edge.sources.gpio import GpioLamps, LampPins
    from edge.sources.picamera import PicameraSource

    LiveVideo = SteadyVideo | PicameraSource

_NETWORK_SETTLE_S = 1.0  # such a camera's frames are stamped as they arrive


class LiveCamera:
    """The node's camera, from before it is opened; ``tell`` is given a sentence where it is waited for or lost.

    Raises ConfigError for a source that is no camera, or a Pi's where Picamera2 is missing.
    """

    def __init__(self, source: str, site: Site, ring: PacketRing, tell: Callable[[str], None]) -> None:
        if not is_picamera(source) and not is_endless(source):
            raise ConfigError(
                f"{source} is no camera: give an rtsp:// URL or /dev/video0; 'stopline replay' takes a recording"
            )
        if is_picamera(source):
            require_picamera2()
        self.source = source
        self._site = site
        self._ring = ring
        self._tell = tell
        self._over = threading.Event()
        self._video: LiveVideo | None = None

    def open(self) -> LiveVideo | None:
        """Wait for it; None where it was stopped. SourceError where it is not there in time, or is another."""
        video = self._video = awaited(self._opened, self._over, self._tell)
        if video is None:
            return None
        if not fits_grid(self._site, video.size_px):
            (width, height), (grid_width, grid_height) = video.size_px, self._site.camera.size_px
            raise SourceError(
                f"{self.source} gives {width} x {height} pixels, another aspect than the site's camera.size_px of "
                f"{grid_width} x {grid_height}: set the camera as it was when the lines were drawn"
            )
        if self._over.is_set():
            video.stop()
        return video

    def _opened(self) -> LiveVideo:
        if is_picamera(self.source):
            return open_picamera(self.source, self._site.camera, tap=self._ring, tell=self._tell)
        return SteadyVideo(lambda: open_video(self.source, tap=self._ring), self._tell)

    @property
    def dropped(self) -> int:
        """Pictures that nobody took in time; may be asked from any thread."""
        return 0 if self._video is None else self._video.stats.dropped

    @property
    def reopened(self) -> int:
        """How often it was opened anew; may be asked from any thread."""
        return 0 if self._video is None else self._video.reopened

    def stop(self) -> None:
        """Let the pictures end, or the waiting for the first one; may be called in a signal handler."""
        self._over.set()
        if self._video is not None:
            self._video.stop()

    def close(self) -> None:
        """Let go of it; harmless when done twice."""
        if self._video is not None:
            self._video.close()


@dataclass(frozen=True, slots=True)
class AskedLamps:
    """Where the command line and the site file say that the lamps come from.

    ``recorded`` is a timeline for a bench, ``pins`` are the wired inputs, ``compared`` the groups whose wires are held
    against the picture. Neither recorded nor pins: the picture alone tells.
    """

    recorded: tuple[LampEdge, ...] | None
    pins: tuple[LampPins, ...]
    compared: tuple[str, ...] = ()

    @classmethod
    def of(cls, signal: Path | None, site: Site, file: Path) -> AskedLamps:
        """What was asked for by ``--signal`` and in the site's ``file``. ConfigError where a lane would have none."""
        if signal == VIEW:
            check_views(site, file)
            return cls(None, ())
        if signal is not None:
            return cls(read_timeline(signal), ())
        pins = tuple(_all_wired(site))
        wired = {one.group for one in pins}
        compared = tuple(group.id for group in site.signal_groups if group.view and group.id in wired)
        return cls(None, pins, compared)


def _all_wired(site: Site) -> list[LampPins]:
    """The lamp inputs; ConfigError where a lane's signal group has none."""
    pins = wiring(site)
    unwired = {lane.signal_group for lane in site.lanes} - {group.group for group in pins}
    if unwired:
        raise ConfigError(f"signal group {min(unwired)} has no pins in the site file: add [signal_groups.pins] to it")
    return pins


class LiveLamps:
    """The lamps of a node at work: wires are read from ``with`` on, the picture's from ``join`` on."""

    def __init__(self, asked: AskedLamps, site: Site, source: str) -> None:
        self._asked = asked
        self._site = site
        self._stack = ExitStack()
        self._wired: WiredLamps | None = None
        self._agreement: LampAgreement | None = None
        if asked.compared:
            times = {group: phase_times(site.group(group)) for group in asked.compared}
            self._agreement = LampAgreement(times, _agreement_times(source))

    def __enter__(self) -> Self:
        if self._asked.pins:
            self._wired = self._stack.enter_context(_wired_lamps(self._asked.pins))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def finding(self) -> Callable[[], Finding] | None:
        """How wires and picture agree now; None where there is nothing to compare."""
        agreement = self._agreement
        return None if agreement is None else lambda: agreement_finding(agreement, time.monotonic_ns())

    def counts(self) -> Inputs | None:
        """What the wired inputs have been through; None where there are none. May be asked from any thread."""
        return None if self._wired is None else self._wired.counts()

    def join(self, video: LiveVideo) -> JoinedLamps:
        """The lamps beside an open camera's pictures, in which some may be read."""
        if self._asked.recorded is not None:
            return JoinedLamps(PlayedLamps(self._asked.recorded), video)
        if self._wired is None:
            watch = watch_for(self._site, video)
            return JoinedLamps(watch, watch.frames(video), doubt_s=video.interval_ns / NS_PER_S)
        if self._agreement is None:
            return JoinedLamps(self._wired, video)
        watch = watch_for(self._site, video)
        checked = CheckedLamps(self._wired.until, watch.readings, self._agreement)
        return JoinedLamps(checked, watch.frames(video))


@dataclass(frozen=True, slots=True)
class JoinedLamps:
    """Where lamp edges come from, and the frames to be judged; ``doubt_s`` is what the edges' times may be off."""

    feed: LampFeed
    frames: Iterable[Frame]
    doubt_s: float = 0.0


def _agreement_times(source: str) -> AgreementTimes:
    """A Pi's camera and V4L2 stamp frames themselves; a network camera's are stamped as they arrive."""
    own_stamps = is_picamera(source) or source.startswith(("/dev/", "v4l2:"))
    return AgreementTimes() if own_stamps else AgreementTimes(settle_s=_NETWORK_SETTLE_S)


@contextmanager
def _wired_lamps(pins: Iterable[LampPins]) -> Iterator[WiredLamps]:
    queue = QueuedLamps()
    with open_gpio(list(pins), queue.put) as inputs:
        yield WiredLamps(queue, inputs)


class WiredLamps:
    """Edges from the pins; now and then every input is read, so that one that has died is noticed."""

    def __init__(self, queue: QueuedLamps, inputs: GpioLamps) -> None:
        self._queue = queue
        self._inputs = inputs
        self._check_ns = 0

    def counts(self) -> Inputs:
        """What the inputs have been through; may be asked from any thread."""
        counts = self._inputs.counts
        return Inputs(counts.edges, counts.unseen, counts.overruns, round(counts.slowest_ns / 1e6, 1))

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The edges up to an instant. SourceError where an input is gone."""
        if t_ns >= self._check_ns:
            self._check_ns = t_ns + NS_PER_S
            self._inputs.check()
        return self._queue.until(t_ns)


class PlayedLamps:
    """A recorded timeline for a bench without wires: its time 0 is the first frame's."""

    def __init__(self, edges: tuple[LampEdge, ...]) -> None:
        self._edges = edges
        self._queue: QueuedLamps | None = None

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The edges up to an instant."""
        if self._queue is None:
            self._queue = QueuedLamps(replace(edge, t_ns=edge.t_ns + t_ns) for edge in self._edges)
        return self._queue.until(t_ns)
