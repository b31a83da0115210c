"""Lanes across a stop line, from the paths that cross it or end at it. Pure arithmetic in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from edge.proposals.paint import PaintedLine, meets
from edge.records import Contact, VehicleClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.geometry import Segment
    from edge.proposals.paths import Path, Stop
    from edge.records import Point, Size

_TWO_WHEELS = (VehicleClass.MOTORCYCLE, VehicleClass.BICYCLE)
_CAR_IN_TWO_WHEELERS = 2.2  # 1.8 m by some 0.8 m with the rider
# Places on the line this far apart, in widths of a car there, belong to two lanes; half a lane without a neighbour.
_APART_WIDTHS = 0.6
_HALF_LANE_WIDTHS = 0.7
LANE_WIDTHS = 2 * _HALF_LANE_WIDTHS  # a lane's width in a car's
# What of a vehicle the camera sees lowest, bumper or tyre, lies behind its end or above the road: it is seen higher in
# the picture, about 0.09 of a car's width. And the line is passed at its edge towards the junction, not in its middle.
_ABOVE_PAINT_WIDTHS = {Contact.FRONT: 0.06, Contact.REAR: 0.12}
# For distances along the road: a car's box is about so wide, a camera's focal length about so much of its picture.
_CAR_M = 2.0
_FOCAL_SHARE = 0.8
_CONFIRM_M = 5.0
_WAITS_BEFORE_M = {Contact.FRONT: 1.0, Contact.REAR: 5.5}
_LEAST_CONFIRM_PX = 8.0
_STRAIGHT_WIDTHS = 0.35
_MOST_LANES = 8


@dataclass(frozen=True, slots=True)
class LaneProposal:
    """One lane in the picture; ``passed`` and ``stood`` count the vehicles it rests on."""

    stop_px: Segment
    confirm_px: Segment
    direction: Point
    contact: Contact
    width_px: float
    passed: int
    stood: int


@dataclass(frozen=True, slots=True)
class Ground:
    """The road seen in perspective: the row of its horizon and the picture's width, for rough distances."""

    horizon_px: float
    wide_px: float

    def row_after(self, y_px: float, width_px: float, metres: float) -> float:
        """The row that lies so far beyond a row (towards it if negative), where a car is ``width_px`` wide on it."""
        distance_m = _CAR_M * _FOCAL_SHARE * self.wide_px / width_px
        beyond_m = max(0.3 * distance_m, distance_m + metres)
        return self.horizon_px + (y_px - self.horizon_px) * distance_m / beyond_m

    def scale(self, from_px: float, to_px: float) -> float:
        """How much larger things are on another row."""
        return (to_px - self.horizon_px) / (from_px - self.horizon_px)


def ground_of(paths: Sequence[Path], size_px: Size) -> Ground:
    """The horizon that the paths' boxes shrink towards; a fifth of the picture down where they do not tell."""
    rows = [row for path in paths if (row := _horizon(path)) is not None]
    high = float(size_px[1])
    return Ground(min(median(rows), 0.6 * high) if rows else 0.2 * high, float(size_px[0]))


def _horizon(path: Path) -> float | None:
    """Where a box's width would be nought on the way that it took."""
    if np.ptp(path.y_px) < np.median(path.height_px):
        return None
    start, slope = np.polynomial.polynomial.polyfit(path.y_px, path.width_px, 1)
    return float(-start / slope) if slope > 0.02 and -start / slope < path.y_px.min() else None


def line_from_stops(stops: Sequence[Stop], contact: Contact, ground: Ground) -> PaintedLine | None:
    """Where the stop line must lie if the foremost vehicles that stood waited at it; level, None of no stops."""
    if not stops:
        return None
    away = contact is Contact.REAR
    foremost = min(stops, key=lambda stop: stop.y_px) if away else max(stops, key=lambda stop: stop.y_px)
    metres = _WAITS_BEFORE_M[contact] * (1 if away else -1)
    row = ground.row_after(foremost.y_px, foremost.width_px, metres)
    width = foremost.width_px * ground.scale(foremost.y_px, row)
    return PaintedLine(foremost.x_px, row, 0.0, width, waiting=len(stops))


def as_crossed(line: PaintedLine, contact: Contact) -> PaintedLine:
    """Where the bottom of a box is when its vehicle is over the paint: a little higher in the picture."""
    return PaintedLine(line.x_px, line.y_px - above_paint_px(line.width_px, contact), line.slope, line.width_px)


def above_paint_px(width_px: float, contact: Contact) -> float:
    """By how much higher than the paint's middle that is, where vehicles are so wide."""
    return _ABOVE_PAINT_WIDTHS[contact] * width_px


def lanes_across(
    line: PaintedLine, paths: Sequence[Path], contact: Contact, ground: Ground
) -> tuple[LaneProposal, ...]:
    """The lanes that paths take over a line, from the driver's left to the right, eight at most."""
    met = [(path, *at) for path in paths if (at := meets(line, path)) is not None]
    if not met:
        return ()
    width = _car_width([(path.vehicle_class, width) for path, _, width in met])
    met.sort(key=lambda one: one[1])
    heaps = [[met[0]]]
    for one in met[1:]:
        if one[1] - heaps[-1][-1][1] > _APART_WIDTHS * width:
            heaps.append([])
        heaps[-1].append(one)
    centres = [median(x for _, x, _ in heap) for heap in heaps]
    lanes = [
        _lane(line, [path for path, _, _ in heap], _edges(centres, index, width), contact, ground, width)
        for index, heap in enumerate(heaps)
    ]
    return tuple(lanes if contact is Contact.REAR else lanes[::-1])[:_MOST_LANES]


def _car_width(widths: Sequence[tuple[VehicleClass, float]]) -> float:
    """How wide a car is there: as vehicles on four wheels are, or by those on two where no other was seen."""
    wide = [width for vehicle_class, width in widths if vehicle_class not in _TWO_WHEELS]
    return median(wide) if wide else _CAR_IN_TWO_WHEELERS * median(width for _, width in widths)


def _edges(centres: Sequence[float], index: int, width: float) -> tuple[float, float, float]:
    """Left edge, centre and right edge of a lane: half-way to a neighbour, or half a lane where there is none near."""
    half = _HALF_LANE_WIDTHS * width
    here = centres[index]
    gaps = [abs(other - here) / 2 for other in centres if 0 < abs(other - here) < 3.2 * half]
    usual = min(gaps, default=half)
    left = here - centres[index - 1] if index else 4 * half
    right = centres[index + 1] - here if index + 1 < len(centres) else 4 * half
    return here - min(max(usual, half), left / 2), here, here + min(max(usual, half), right / 2)


def _lane(
    line: PaintedLine,
    paths: Sequence[Path],
    edges: tuple[float, float, float],
    contact: Contact,
    ground: Ground,
    width: float,
) -> LaneProposal:
    left, centre, right = edges
    row = line.y_at(centre)
    away = contact is Contact.REAR
    after = ground.row_after(row, width, _CONFIRM_M if away else -_CONFIRM_M)
    after = min(after, row - _LEAST_CONFIRM_PX) if away else max(after, row + _LEAST_CONFIRM_PX)
    larger = ground.scale(row, after)
    straight = _carried_on(paths, row, after, centre)
    # Whoever turns crosses the later row far aside: the confirm line is for those that go straight on.
    there = [at[0] for path in paths if (at := path.x_at(after)) is not None]
    middle = median([straight, *(x for x in there if abs(x - straight) < _STRAIGHT_WIDTHS * width * larger)])
    way = (middle - centre, after - row)
    length = float(np.hypot(*way))
    shift = line.slope * larger
    stop: Segment = ((left, line.y_at(left)), (right, line.y_at(right)))
    ends = [(middle + larger * (x - centre), after + shift * (x - centre)) for x in (left, right)]
    passed = sum(1 for path in paths if path.t_at(row) is not None)
    stood = sum(1 for path in paths if path.stops())
    direction = (way[0] / length, way[1] / length)
    return LaneProposal(stop, (ends[0], ends[1]), direction, contact, width, passed, stood)


def _carried_on(paths: Sequence[Path], row: float, after: float, centre: float) -> float:
    """Where the way before the line leads to on a later row, by the median path."""
    before = row - 0.5 * (after - row)
    ways = [centre - at[0] for path in paths if (at := path.x_at(before)) is not None]
    return centre + (2.0 * median(ways) if ways else 0.0)
