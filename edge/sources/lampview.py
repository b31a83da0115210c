"""Lamps read in the picture, from regions that the site file names (``edge.glow`` says how pixels are judged).

Unknown goes out as all lamps dark, at once; ``edge.phases`` forgives that as long as it forgives an overlap and calls
it a fault from then on, so that what was not seen convicts nobody.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge.glow import DARK, LAMPS, HeadMemory, LampReading, read_head, states_of
from edge.records import LampEdge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edge.config import Site, View
    from edge.glow import States
    from edge.records import Box, Frame, Size
    from edge.sources.picture import Crop

_LONGEST_SIDE_PX = 96


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a group's lamps lie in the piece that is cut out of a picture; ``lamps`` is None for a whole head."""

    group: str
    crop_px: Crop
    size_px: Size
    lamps: tuple[tuple[slice, slice], ...] | None


class Detailed(Protocol):
    """A source that can keep parts of larger pictures than those it gives to be judged."""

    @property
    def detail_px(self) -> Size:
        """Width and height of the largest picture there is of each frame."""
        ...

    def keep_detail(self, parts_px: Iterable[Crop]) -> None:
        """Keep these parts of it, left, top, right, bottom on even pixels, as each frame's ``detail``."""
        ...


class LampView:
    """Reads the lamps of the groups that are ``viewed``, frame by frame in the order of their times.

    Their places are in ``grid_px``, the site's grid; ``size_px`` is the largest picture's that the source has of each
    frame, of the same aspect. Each head is cut out of it as it is, shrunk only where it is larger than 96 pixels.
    """

    def __init__(self, viewed: Mapping[str, View], grid_px: Size, size_px: Size) -> None:
        scale = (size_px[0] / grid_px[0], size_px[1] / grid_px[1])
        crops = _crops({name: _around(view, scale) for name, view in viewed.items()}, size_px)
        layouts = [_layout(name, view, scale, crops[name]) for name, view in viewed.items()]
        self._heads = [(layout, HeadMemory() if layout.lamps else None) for layout in layouts]

    @classmethod
    def for_site(cls, site: Site, size_px: Size) -> LampView:
        """All groups of a site that have a ``view``."""
        viewed = {group.id: group.view for group in site.signal_groups if group.view is not None}
        return cls(viewed, site.camera.size_px, size_px)

    @classmethod
    def on(cls, video: Detailed, site: Site) -> LampView:
        """The same on a source's largest pictures, of which it is asked to keep what is looked at."""
        view = cls.for_site(site, video.detail_px)
        video.keep_detail(view.parts_px)
        return view

    @property
    def parts_px(self) -> tuple[Crop, ...]:
        """The parts of a picture that are looked at; for ``keep_detail`` of a source that keeps no large picture."""
        return tuple(layout.crop_px for layout, _ in self._heads)

    def read(self, frame: Frame) -> tuple[LampReading, ...]:
        """What the frame shows of each group."""
        readings = []
        for layout, memory in self._heads:
            pixels = (frame.detail or frame.picture).scaled(layout.size_px, layout.crop_px)
            if memory is None or layout.lamps is None:
                states = states_of(read_head(pixels))
            else:
                states = memory.read(frame.t_ns, pixels, layout.lamps)
            readings.append(LampReading(frame.t_ns, layout.group, *states))
        return tuple(readings)


def _around(view: View, scale: tuple[float, float]) -> Box:
    """The box of all of a group's regions in the stream's pixels, with a margin where they are single lamps."""
    boxes = list(view.regions.values())
    left, top = min(box[0] for box in boxes) * scale[0], min(box[1] for box in boxes) * scale[1]
    right, bottom = max(box[2] for box in boxes) * scale[0], max(box[3] for box in boxes) * scale[1]
    margin = 0.0 if view.head_px else 0.15 * max(right - left, bottom - top)
    return left - margin, top - margin, right + margin, bottom + margin


def _crops(around: dict[str, Box], size_px: Size) -> dict[str, Crop]:
    """Cuts on even pixels inside the picture, all of one size: the scaler keeps one context a size, and few of them."""
    if not around:
        return {}
    wide = min(size_px[0] & ~1, max(_even(box[2] - box[0]) for box in around.values()))
    high = min(size_px[1] & ~1, max(_even(box[3] - box[1]) for box in around.values()))
    crops = {}
    for name, box in around.items():
        left = min(max(0, round((box[0] + box[2] - wide) / 2) & ~1), (size_px[0] & ~1) - wide)
        top = min(max(0, round((box[1] + box[3] - high) / 2) & ~1), (size_px[1] & ~1) - high)
        crops[name] = (left, top, left + wide, top + high)
    return crops


def _even(length: float) -> int:
    """The next even number that leaves a pixel of room for a cut on even pixels."""
    return 2 * (int(length + 1) // 2 + 1)


def _layout(name: str, view: View, scale: tuple[float, float], crop: Crop) -> _Layout:
    wide, high = crop[2] - crop[0], crop[3] - crop[1]
    shrink = min(1.0, _LONGEST_SIDE_PX / max(wide, high))
    size = (max(2, round(wide * shrink) & ~1), max(2, round(high * shrink) & ~1))
    if view.head_px:
        return _Layout(name, crop, size, None)
    to_x, to_y = scale[0] * size[0] / wide, scale[1] * size[1] / high
    offset = (crop[0] * size[0] / wide, crop[1] * size[1] / high)
    lamps = []
    for box in (view.red_px, view.amber_px, view.green_px):
        assert box is not None  # the site file is checked: all three or a head
        columns = _span(box[0] * to_x - offset[0], box[2] * to_x - offset[0], size[0])
        lamps.append((_span(box[1] * to_y - offset[1], box[3] * to_y - offset[1], size[1]), columns))
    return _Layout(name, crop, size, tuple(lamps))


def _span(start: float, end: float, length: int) -> slice:
    """The pixels nearest to a stretch, two at least."""
    first = min(max(0, round(start)), length - 2)
    return slice(first, min(length, max(first + 2, round(end))))


class LampWatch:
    """Lamp edges from the frames that pass through: ``frames`` on the decoding thread, ``until`` on the judging one.

    A group's edges begin with the first frame that shows it otherwise than red: until then its phase is unknown. The
    edges of a frame are there before the frame is handed on. ``readings`` holds the newest 2048 that nobody has
    taken out of it, for whoever compares them with the wires. With ``keep`` all edges stay in ``kept``.
    """

    def __init__(self, view: LampView, *, keep: bool = False) -> None:
        self._view = view
        self._shown: dict[str, States] = {}
        self._edges: deque[LampEdge] = deque(maxlen=8192)
        self.readings: deque[LampReading] = deque(maxlen=2048)
        self._keep = keep
        self.kept: list[LampEdge] = []

    def frames(self, source: Iterable[Frame]) -> Iterator[Frame]:
        """The source's frames, each read before it goes on."""
        for frame in source:
            for reading in self._view.read(frame):
                self._take(reading)
            yield frame

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The edges not given yet whose time is at most ``t_ns``."""
        while self._edges and self._edges[0].t_ns <= t_ns:
            yield self._edges.popleft()

    def _take(self, reading: LampReading) -> None:
        self.readings.append(reading)
        if reading.group not in self._shown and _tells_no_beginning(reading):
            return
        edges = tuple(edges_of(reading, self._shown.get(reading.group)))
        self._shown[reading.group] = _as_shown(reading)
        self._edges.extend(edges)
        if self._keep:
            self.kept.extend(edges)


def _tells_no_beginning(reading: LampReading) -> bool:
    """Whether nothing is known yet, or a red that nobody saw begin: how long it lasts, and after which amber."""
    states = (reading.red, reading.amber, reading.green)
    return None in states or states == (True, False, False)


def edges_of(reading: LampReading, before: States | None) -> Iterator[LampEdge]:
    """The lamps that a reading shows otherwise than ``before`` (None: all of them); unknown goes out as dark."""
    for index, (lamp, lit) in enumerate(zip(LAMPS, _as_shown(reading), strict=True)):
        if before is None or before[index] != lit:
            yield LampEdge(reading.t_ns, reading.group, lamp, bool(lit))


def _as_shown(reading: LampReading) -> States:
    states = (reading.red, reading.amber, reading.green)
    return DARK if None in states else states
