"""A road seen by a level pinhole camera, and vehicles on it as boxes. x to the right, y ahead, z up, in metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.proposals.paths import PathCollector
from edge.records import NS_PER_S, Box, Detection, VehicleClass
from edge.tracker import TrackerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy import float64, uint8
    from numpy.typing import NDArray

SIZE = (640, 360)
FPS = 10
LENGTH_M, WIDTH_M, HEIGHT_M = 4.5, 1.8, 1.5
LINE_M = 24.0
LANES_M = (-3.4, 0.0)
_FOCAL_PX, _HORIZON_PX, _CAMERA_M = 480.0, 80.0, 6.0


def pixel(x_m: float, y_m: float, z_m: float = 0.0) -> tuple[float, float]:
    """Where a point of the world is seen."""
    return SIZE[0] / 2 + _FOCAL_PX * x_m / y_m, _HORIZON_PX + _FOCAL_PX * (_CAMERA_M - z_m) / y_m


def box(x_m: float, near_m: float) -> Box | None:
    """The box of a car whose near end is so far from the camera; None where it is not in the picture."""
    if near_m < 5:
        return None
    corners = [
        pixel(x_m + side * WIDTH_M / 2, near_m + along, up)
        for side in (-1, 1)
        for along in (0.0, LENGTH_M)
        for up in (0.0, HEIGHT_M)
    ]
    xs, ys = zip(*corners, strict=True)
    x1, y1, x2, y2 = max(0.0, min(xs)), max(0.0, min(ys)), min(640.0, max(xs)), min(360.0, max(ys))
    return (x1, y1, x2, y2) if x2 - x1 > 4 and y2 - y1 > 4 else None


@dataclass(frozen=True)
class Drive:
    """A car at a place across the road; ``near_m`` is where its near end is at a time, None if nowhere."""

    x_m: float
    near_m: Callable[[float], float | None]

    def box(self, t_s: float) -> Box | None:
        """Its box."""
        near = self.near_m(t_s)
        return None if near is None else box(self.x_m, near)


def away(
    start_s: float, speed_mps: float = 12.0, wait_at_m: float | None = None, until_s: float = 0.0
) -> Callable[[float], float | None]:
    """From under the camera into the distance; one that waits stands with its near end there until it may go."""

    def near_m(t_s: float) -> float | None:
        if t_s < start_s:
            return None
        free = 8.0 + speed_mps * (t_s - start_s)
        if wait_at_m is None or free <= wait_at_m:
            return free if free < 90 else None
        gone = wait_at_m + speed_mps * max(0.0, t_s - until_s)
        return gone if gone < 90 else None

    return near_m


def towards(
    start_s: float, speed_mps: float = 12.0, wait_at_m: float | None = None, until_s: float = 0.0
) -> Callable[[float], float | None]:
    """From far away to under the camera."""

    def near_m(t_s: float) -> float | None:
        if t_s < start_s:
            return None
        free = 80.0 - speed_mps * (t_s - start_s)
        if wait_at_m is None or free >= wait_at_m:
            return free if free > 8 else None
        gone = wait_at_m - speed_mps * max(0.0, t_s - until_s)
        return gone if gone > 8 else None

    return near_m


def watched(drives: Sequence[Drive], seconds: float) -> PathCollector:
    """What the collector made of the drives."""
    collector = PathCollector(TrackerSettings(), SIZE)
    for number in range(int(seconds * FPS)):
        t_s = number / FPS
        boxes = [seen for drive in drives if (seen := drive.box(t_s)) is not None]
        found = [Detection(seen, 0.9, VehicleClass.CAR) for seen in boxes]
        collector.frame(number * NS_PER_S // FPS, found)
    return collector


def picture(line_m: float | None = LINE_M, half_m: float = 0.25) -> NDArray[uint8]:
    """Grey road with a zebra 3 m past the stop line, and the line itself where one is given."""
    luma: NDArray[float64] = np.full((SIZE[1], SIZE[0]), 90.0)
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    ahead = _FOCAL_PX * _CAMERA_M / np.maximum(rows - _HORIZON_PX, 0.5)
    aside = (columns - SIZE[0] / 2) * ahead / _FOCAL_PX
    on_road = np.abs(aside + 1.7) < 3.4
    if line_m is not None:
        luma[on_road & (np.abs(ahead - line_m) < half_m)] = 220.0
        luma[on_road & (np.abs(ahead - line_m - 4.5) < 1.5) & (aside % 1.0 < 0.5)] = 220.0
    return np.repeat(luma.astype(np.uint8)[:, :, None], 3, axis=2)
