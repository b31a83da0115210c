"""What the boxes around a crossing say of it: its instant, and whether they are one vehicle's. Pure arithmetic.

Distances are in heights: pixels to the stop line over the box's own height. On a flat road both shrink alike with
distance, so heights are in proportion to metres along the road, without calibration.
"""

from __future__ import annotations

from itertools import pairwise
from math import log, sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING

from edge.records import NS_PER_S, Box, Doubt, Point, TrackPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.geometry import DirectedLine

NEAR_NS = 800_000_000
"""Observations this long before and after a crossing speak of it."""

EDGE_HEIGHTS = 0.1
"""A box's bottom edge is good to about this share of its height (docs/adr/0006): a doubt in time by the speed there."""

_FEWEST = 5
_FARTHEST_S = 0.4
_HIDDEN_NS = 600_000_000
_SEEN_NS = 500_000_000
_BACK_NS = 2_500_000_000
_BACK_HEIGHTS = 0.3
_SIZE_STEP = 0.5
_SIZE_STEP_PER_S = 1.0
_SHAPE = 0.3
_LAST_NS = 400_000_000
_UNEVEN_HEIGHTS = 0.1


def contact_point(point: TrackPoint) -> Point:
    """Where an observed vehicle visibly touches the road."""
    return bottom_centre(point.box_px)


def bottom_centre(box_px: Box) -> Point:
    """The middle of a box's bottom edge: the visible contact with the road, which is what crosses a line."""
    x1, _, x2, y2 = box_px
    return (x1 + x2) / 2, y2


def height_px(point: TrackPoint) -> float:
    """A box's height, at least a pixel."""
    return max(1.0, point.box_px[3] - point.box_px[1])


def width_px(point: TrackPoint) -> float:
    """A box's width, at least a pixel."""
    return max(1.0, point.box_px[2] - point.box_px[0])


def to_line(point: TrackPoint, line: DirectedLine) -> float:
    """Signed distance of the contact from a line in heights of the box: negative before it."""
    return line.distance(contact_point(point)) / height_px(point)


def whole_before(point: TrackPoint, line: DirectedLine) -> bool:
    """Whether all of a box is before the line, and so all of the vehicle in it, its unseen front included."""
    x1, y1, x2, y2 = point.box_px
    return all(line.distance(corner) < 0 for corner in ((x1, y1), (x2, y1), (x1, y2), (x2, y2)))


class Drive:
    """A parabola through the distances around a crossing (least squares): an even drive over the line.

    ``root_ns`` is the instant at which it rises through the line, None where it does not within 0.4 s of ``t_ns`` or
    there are too few observations. ``unevenness`` is the root mean square of what it leaves, in heights.
    """

    def __init__(self, near: Sequence[TrackPoint], line: DirectedLine, t_ns: int) -> None:
        self.root_ns: int | None = None
        self.unevenness = float("inf")
        if len(near) < _FEWEST:
            return
        times_s = [(point.t_ns - t_ns) / NS_PER_S for point in near]
        heights = [to_line(point, line) for point in near]
        a, b, c = _parabola(times_s, heights)
        rest = (u - (a + b * t + c * t * t) for t, u in zip(times_s, heights, strict=True))
        self.unevenness = sqrt(fmean(r * r for r in rest))
        root_s = _rising_root(a, b, c)
        if root_s is not None and abs(root_s) <= _FARTHEST_S:
            self.root_ns = t_ns + round(root_s * NS_PER_S)


def _parabola(times_s: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """Least squares of ``a + b t + c t²`` by the normal equations; at least three different times."""
    s0, s1, s2, s3, s4 = (sum(t**power for t in times_s) for power in range(5))
    v0, v1, v2 = (sum(v * t**power for t, v in zip(times_s, values, strict=True)) for power in range(3))
    m0, m1, m2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    whole = s0 * m0 + s1 * m1 + s2 * m2
    a = (v0 * m0 + v1 * m1 + v2 * m2) / whole
    b = (v0 * m1 + v1 * (s0 * s4 - s2 * s2) + v2 * (s1 * s2 - s0 * s3)) / whole
    c = (v0 * m2 + v1 * (s1 * s2 - s0 * s3) + v2 * (s0 * s2 - s1 * s1)) / whole
    return a, b, c


def _rising_root(a: float, b: float, c: float) -> float | None:
    """Where a parabola rises through nought, if it does; nothing cancels where it is nearly straight."""
    under = b * b - 4 * a * c
    if under < 0 or b + sqrt(under) <= 0:
        return None
    return -2 * a / (b + sqrt(under))


def doubts(
    points: Sequence[TrackPoint], near: Sequence[TrackPoint], drive: Drive, line: DirectedLine, t_ns: int
) -> tuple[Doubt, ...]:
    """Why a track's boxes may not be one vehicle's own where it crosses ``line`` at ``t_ns``; nothing if they are.

    ``points`` are the whole track, ``near`` those of it around the crossing, both in order of time.
    """
    steps = tuple(pairwise(near))
    last_ns = max(t_ns, points[-1].t_ns - _LAST_NS)
    before, after = (_shape([p for p in near if (p.t_ns >= t_ns) is past]) for past in (False, True))
    found = {
        Doubt.HIDDEN: any(after.t_ns - before.t_ns > _HIDDEN_NS for before, after in steps),
        Doubt.SEEN_LATE: t_ns - points[0].t_ns < _SEEN_NS,
        Doubt.RETURNED: any(to_line(p, line) > _BACK_HEIGHTS for p in points if 0 < t_ns - p.t_ns < _BACK_NS),
        Doubt.JUMP: any(_jumps(before, after) for before, after in steps),
        Doubt.SHAPE: _differ(before, after) or _differ(before, _shape([p for p in points if p.t_ns >= last_ns])),
        Doubt.UNEVEN: drive.root_ns is None or drive.unevenness > _UNEVEN_HEIGHTS,
    }
    return tuple(doubt for doubt, holds in found.items() if holds)


def _jumps(before: TrackPoint, after: TrackPoint) -> bool:
    """Whether a box grew or shrank from one observation to the next as no vehicle does."""
    most = _SIZE_STEP + _SIZE_STEP_PER_S * (after.t_ns - before.t_ns) / NS_PER_S
    return any(abs(log(size(after) / size(before))) > most for size in (height_px, width_px))


def _shape(points: Sequence[TrackPoint]) -> float | None:
    """The median logarithm of height over width, None of no boxes. Nearness alone does not change it."""
    return median(log(height_px(p) / width_px(p)) for p in points) if points else None


def _differ(one: float | None, other: float | None) -> bool:
    return one is None or other is None or abs(one - other) > _SHAPE
