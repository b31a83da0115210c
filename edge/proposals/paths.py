"""Where vehicles drove: the contact with the road of each track, thinned, with its moves and its stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.crossing import bottom_centre
from edge.records import NS_PER_S, Contact, VehicleClass
from edge.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from edge.records import Box, Detection, Point, Size
    from edge.tracker import TrackerSettings

    Array = NDArray[float64]

_STEP_S = 0.2
_MOST_PATHS = 1000
_EDGE_PX = 3.0
_LEAST_POINTS = 5
# A stop: no farther than this share of the box's height for so long.
_STILL_HEIGHTS = 0.25
_STILL_S = 1.5
# A drive: so many of its boxes' heights, and so much of the picture's height.
_DRIVE_HEIGHTS = 1.5
_DRIVE_SHARE = 0.1
# Up or down the picture at least so much for each pixel aside, as a whole and where it crosses a row.
_STEEP = 0.4
# A path is carried on by so many heights, along what the last ones of it tell.
_REACH_HEIGHTS = 1.5
_LOCAL_HEIGHTS = 0.8
# By how much a box shrinks or grows (logarithm of its height) on a drive along the line of sight.
_GROWTH = 0.25


@dataclass(frozen=True, slots=True)
class Stop:
    """A vehicle stood here: the contact, its box's width and height, and from when to when."""

    x_px: float
    y_px: float
    width_px: float
    height_px: float
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """One track where its box is whole: ``t_s``, contact ``x_px`` and ``y_px``, box ``width_px`` and ``height_px``.

    All of one length, five points a second at most.
    """

    track: int
    vehicle_class: VehicleClass
    t_s: Array
    x_px: Array
    y_px: Array
    width_px: Array
    height_px: Array

    @property
    def moved_px(self) -> Point:
        """From its first contact to its last."""
        return float(self.x_px[-1] - self.x_px[0]), float(self.y_px[-1] - self.y_px[0])

    @property
    def way_px(self) -> tuple[Point, ...]:
        """All its contacts."""
        return tuple(zip(self.x_px.tolist(), self.y_px.tolist(), strict=True))

    @property
    def contact(self) -> Contact | None:
        """The end that is seen: the rear of what shrinks on its way, the front of what grows, else None."""
        few = min(3, len(self.t_s) // 2)
        growth = float(np.log(np.median(self.height_px[-few:]) / np.median(self.height_px[:few])))
        if abs(growth) < _GROWTH:
            return None
        return Contact.FRONT if growth > 0 else Contact.REAR

    def drives(self, size_px: Size) -> bool:
        """Whether it went far enough, up or down the picture rather than across, to tell a way."""
        across, along = np.abs(self.moved_px)
        far = float(np.hypot(across, along))
        enough = far > _DRIVE_HEIGHTS * float(np.median(self.height_px)) and far > _DRIVE_SHARE * size_px[1]
        return bool(enough and along > _STEEP * across)

    def x_at(self, y_px: float) -> tuple[float, float] | None:
        """Where it is on a row, and its box's width there; carried on straight for a little, else None."""
        passed = self._passed(y_px)
        if passed is None:
            return self._carried_on(y_px)
        first, share = passed
        x, width = (
            float(values[first] + share * (values[first + 1] - values[first])) for values in (self.x_px, self.width_px)
        )
        return x, width

    def _carried_on(self, y_px: float) -> tuple[float, float] | None:
        """Where it would be on a row that it did not reach, by the last points on the way there."""
        order = np.argsort(self.y_px, kind="stable")
        x, y, width, height = (v[order] for v in (self.x_px, self.y_px, self.width_px, self.height_px))
        here = float(np.interp(y_px, y, height))
        if not y[0] - _REACH_HEIGHTS * here <= y_px <= y[-1] + _REACH_HEIGHTS * here:
            return None
        end = min(max(y_px, float(y[0])), float(y[-1]))
        fourth = float(np.sort(np.abs(y - end))[min(3, len(y) - 1)])
        near = np.abs(y - end) <= max(_LOCAL_HEIGHTS * here, fourth)
        if np.ptp(y[near]) < 1.0:
            return float(np.median(x[near])), float(np.median(width[near]))
        along = np.polynomial.polynomial.polyfit(y[near] - y_px, np.stack([x[near], width[near]], axis=1), 1)
        if abs(along[1, 0]) > 1 / _STEEP:
            return None
        return float(along[0, 0]), max(1.0, float(along[0, 1]))

    def t_at(self, y_px: float) -> float | None:
        """When it passed a row for the first time, None if it never did."""
        passed = self._passed(y_px)
        if passed is None:
            return None
        first, share = passed
        return float(self.t_s[first] + share * (self.t_s[first + 1] - self.t_s[first]))

    def _passed(self, y_px: float) -> tuple[int, float] | None:
        """The point before it first passed a row, and what share of the way to the next one was left behind then."""
        before, after = self.y_px[:-1] - y_px, self.y_px[1:] - y_px
        passed = np.flatnonzero((before < 0) != (after < 0))
        if len(passed) == 0:
            return None
        first = int(passed[0])
        return first, float(before[first] / (before[first] - after[first]))

    def stops(self) -> tuple[Stop, ...]:
        """Where it stood for a second and a half or longer, in order."""
        found = []
        first = 0
        while first < len(self.t_s):
            end = self._still_until(first)
            if self.t_s[end - 1] - self.t_s[first] >= _STILL_S:
                found.append(self._stop(first, end))
                first = end
            else:
                first += 1
        return tuple(found)

    def _still_until(self, first: int) -> int:
        """The index past the last point up to which it stays where it was at ``first``."""
        away = np.hypot(self.x_px[first:] - self.x_px[first], self.y_px[first:] - self.y_px[first])
        gone = np.flatnonzero(away > _STILL_HEIGHTS * self.height_px[first])
        return first + int(gone[0]) if len(gone) else len(self.t_s)

    def _stop(self, first: int, end: int) -> Stop:
        here = slice(first, end)
        x, y, width, height = (
            float(np.median(values[here])) for values in (self.x_px, self.y_px, self.width_px, self.height_px)
        )
        return Stop(x, y, width, height, float(self.t_s[first]), float(self.t_s[end - 1]))


class PathCollector:
    """Follows detections, frame by frame, and keeps the paths of vehicles. Boxes are in pixels of ``size_px``.

    ``dropped`` counts tracks beyond the first thousand, which are left aside.
    """

    def __init__(self, settings: TrackerSettings, size_px: Size) -> None:
        self._tracker = Tracker(settings)
        self._size_px = size_px
        self._points: dict[int, list[tuple[float, Box]]] = {}
        self._classes: dict[int, VehicleClass] = {}
        self.dropped = 0

    def frame(self, t_ns: int, detections: Sequence[Detection]) -> tuple[Box, ...]:
        """Take a frame's detections; the boxes of vehicles in it."""
        step = self._tracker.update(t_ns, detections)
        for update in step.updates:
            self._take(update.track, update.vehicle_class, t_ns / NS_PER_S, update.point.box_px)
        return tuple(update.point.box_px for update in step.updates)

    def paths(self) -> tuple[Path, ...]:
        """All paths so far that are long enough to look at."""
        return tuple(
            _path(track, self._classes[track], points)
            for track, points in self._points.items()
            if len(points) >= _LEAST_POINTS
        )

    def _take(self, track: int, vehicle_class: VehicleClass, t_s: float, box_px: Box) -> None:
        if track not in self._points and len(self._points) >= _MOST_PATHS:
            self.dropped += 1
            return
        points = self._points.setdefault(track, [])
        self._classes[track] = vehicle_class
        if self._is_whole(box_px) and (not points or t_s - points[-1][0] >= _STEP_S - 0.001):
            points.append((t_s, box_px))

    def _is_whole(self, box_px: Box) -> bool:
        """Whether a box is clear of the picture's edges, which cut off where the vehicle touches the road."""
        wide, high = self._size_px
        x1, y1, x2, y2 = box_px
        return x1 > _EDGE_PX and x2 < wide - _EDGE_PX and y1 > _EDGE_PX and y2 < high - _EDGE_PX


def _path(track: int, vehicle_class: VehicleClass, points: Iterable[tuple[float, Box]]) -> Path:
    rows = np.array([(t_s, *bottom_centre(box), box[2] - box[0], box[3] - box[1]) for t_s, box in points])
    t_s, x, y, width, height = rows.T
    return Path(track, vehicle_class, t_s, x, y, width, height)
