"""Synthetic motion: boxes of vehicles whose true crossing times are known."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot
from random import Random
from typing import TYPE_CHECKING

from edge.geometry import DirectedLine
from edge.passages import LaneGeometry
from edge.records import Detection, TrackPoint, TrackStep, TrackUpdate, VehicleClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from edge.records import Box, Passage, Point

S = 1_000_000_000
MS = 1_000_000
WIDTH = 640.0


def dice(seed: int) -> Random:
    """Chance that is the same on every run."""
    return Random(seed)  # noqa: S311 - noise, not secrets


@dataclass(frozen=True)
class Motion:
    """A box whose bottom-centre is ``start`` plus ``travelled(t_s)`` pixels along ``direction``."""

    travelled: Callable[[float], float]
    start: Point = (320.0, 340.0)
    direction: Point = (0.0, -1.0)
    size_px: tuple[float, float] = (80.0, 60.0)

    def contact(self, t_s: float) -> Point:
        way = self.travelled(t_s) / hypot(*self.direction)
        return self.start[0] + way * self.direction[0], self.start[1] + way * self.direction[1]

    def box(self, t_s: float) -> Box:
        (x, y), (width, height) = self.contact(t_s), self.size_px
        return x - width / 2, y - height, x + width / 2, y

    def crossing_s(self, line: DirectedLine, first_s: float, last_s: float) -> float:
        """When the bottom-centre crosses a line, by bisection; it does so once between the two instants."""
        for _ in range(60):
            middle_s = (first_s + last_s) / 2
            if line.distance(self.contact(middle_s)) < 0:
                first_s = middle_s
            else:
                last_s = middle_s
        return last_s


def steady(speed: float) -> Callable[[float], float]:
    return lambda t_s: speed * t_s


def braking(speed: float, braking_from_s: float, deceleration: float) -> Callable[[float], float]:
    """Drives, then brakes to a stand."""

    def travelled(t_s: float) -> float:
        braked_s = min(max(0.0, t_s - braking_from_s), speed / deceleration)
        return speed * min(t_s, braking_from_s) + speed * braked_s - deceleration * braked_s**2 / 2

    return travelled


def waiting(way: float, until_s: float, acceleration: float) -> Callable[[float], float]:
    """Drives ``way`` pixels in the first second, stands, and leaves at ``until_s``."""
    return lambda t_s: way * min(t_s, 1.0) + acceleration * max(0.0, t_s - until_s) ** 2 / 2


def frame_times(fps: float, duration_s: float, *, jitter: float = 0.0, rng: Random | None = None) -> list[int]:
    """Instants of frames in ns; each moved by up to ``jitter`` of the interval."""
    step_ns = S / fps
    moved = (rng.uniform(-jitter, jitter) if rng else 0.0 for _ in range(int(duration_s * fps)))
    return [round((index + move) * step_ns) for index, move in enumerate(moved)]


def trembling(box: Box, rng: Random, share: float) -> Box:
    """A box whose four sides are off by a share of its height (standard deviation)."""
    height = box[3] - box[1]
    x1, y1, x2, y2 = (side + rng.gauss(0, share * height) for side in box)
    return x1, y1, x2, y2


def observed(
    motion: Motion, times_ns: Sequence[int], *, rng: Random | None = None, share: float = 0.0
) -> list[tuple[int, Box]]:
    boxes = [(t_ns, motion.box(t_ns / S)) for t_ns in times_ns]
    return [(t_ns, trembling(box, rng, share)) for t_ns, box in boxes] if rng else boxes


def steps(boxes: Iterable[tuple[int, Box]], track: int = 1) -> list[TrackStep]:
    return [
        TrackStep(t_ns, (TrackUpdate(track, VehicleClass.CAR, TrackPoint(t_ns, box, 0.9)),), ()) for t_ns, box in boxes
    ]


def detection(box: Box, score: float = 0.9, vehicle_class: VehicleClass = VehicleClass.CAR) -> Detection:
    return Detection(box, score, vehicle_class)


def lane(
    name: str = "through",
    *,
    stop: tuple[Point, Point] = ((220.0, 200.0), (420.0, 200.0)),
    confirm: tuple[Point, Point] = ((220.0, 140.0), (420.0, 140.0)),
    direction: Point = (0.0, -1.0),
    dwell_ns: int = 100 * MS,
    confirm_ns: int = 4 * S,
) -> LaneGeometry:
    return LaneGeometry(
        lane=name,
        stop=DirectedLine.across(stop, direction),
        confirm=DirectedLine.across(confirm, direction),
        direction=direction,
        dwell_ns=dwell_ns,
        confirm_ns=confirm_ns,
    )


def mirrored(point: Point) -> Point:
    return WIDTH - point[0], point[1]


def within(passage: Passage, true_s: float) -> bool:
    return abs(passage.t_cross_ns - true_s * S) <= passage.uncertainty_ns
