"""Plane geometry of lines and segments in a picture; x to the right, y down, pixels or metres alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import hypot

import numpy as np

from edge.records import Box, Point

Segment = tuple[Point, Point]


@dataclass(frozen=True, slots=True)
class DirectedLine:
    """A finite segment with a travel direction: the near side is negative, the far side positive.

    ``normal`` is the segment's unit normal on the side that ``direction`` points to.
    """

    start: Point
    end: Point
    normal: Point

    @classmethod
    def across(cls, segment: Segment, direction: Point) -> DirectedLine:
        """The segment seen by traffic that travels along ``direction`` (any length, not parallel to it)."""
        (x1, y1), (x2, y2) = segment
        length = hypot(x2 - x1, y2 - y1)
        nx, ny = (y1 - y2) / length, (x2 - x1) / length
        sign = 1.0 if nx * direction[0] + ny * direction[1] > 0 else -1.0
        return cls((x1, y1), (x2, y2), (sign * nx, sign * ny))

    def distance(self, point: Point) -> float:
        """Signed distance of a point to the infinite line: negative before it, positive past it."""
        return (point[0] - self.start[0]) * self.normal[0] + (point[1] - self.start[1]) * self.normal[1]

    def along(self, point: Point) -> float:
        """Where a point's foot lies on the segment: 0 at its start, 1 at its end, outside of [0, 1] beyond them."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        return ((point[0] - self.start[0]) * dx + (point[1] - self.start[1]) * dy) / (dx * dx + dy * dy)


def area(box: Box) -> float:
    """Of a box; one that is turned inside out has none."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def shared_area(a: Box, b: Box) -> float:
    """What two boxes cover both."""
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 to 1."""
    shared = shared_area(a, b)
    union = area(a) + area(b) - shared
    return shared / union if union > 0 else 0.0


def segments_cross(a: Segment, b: Segment) -> bool:
    """Whether two segments share a point, ends included."""

    def straddles(one: Segment, other: Segment) -> bool:
        return _turn(*one, other[0]) * _turn(*one, other[1]) <= 0

    return straddles(a, b) and straddles(b, a) and all(_reach(a, b, axis) for axis in (0, 1))


def _turn(p: Point, q: Point, r: Point) -> float:
    """Twice the area of a triangle, its sign by the way round; 0 where the three lie on one line."""
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


def _reach(a: Segment, b: Segment, axis: int) -> bool:
    """Whether two segments' extents meet along one axis; decides for those that lie on one line."""
    (a1, a2), (b1, b2) = (sorted(end[axis] for end in segment) for segment in (a, b))
    return a1 <= b2 and b1 <= a2


def hull_meets_box(points: tuple[Point, ...], box: Box) -> bool:
    """Whether the convex hull of some points, at least two of them apart, shares a point with a box, edges included.

    By the separating axis theorem: two convex shapes are apart exactly if a line along some side of either parts them.
    Every pair of the points is taken for a side; the pairs that are none part nothing that is not apart.
    """
    corners = tuple(product((box[0], box[2]), (box[1], box[3])))
    normals = [(p[1] - q[1], q[0] - p[0]) for p, q in combinations(points, 2)]
    for nx, ny in [(1.0, 0.0), (0.0, 1.0), *normals]:
        ours, theirs = ([nx * x + ny * y for x, y in shape] for shape in (points, corners))
        if max(ours) < min(theirs) or max(theirs) < min(ours):
            return False
    return True


def _flat(points: tuple[Point, ...]) -> bool:
    """Whether three of the points lie on one line, as nearly as matters."""
    longest = max(hypot(q[0] - p[0], q[1] - p[1]) for p, q in combinations(points, 2))
    return any(abs(_turn(*three)) <= 1e-6 * longest**2 for three in combinations(points, 3))


@dataclass(frozen=True, slots=True)
class GroundPlane:
    """The map from picture to ground, from four points known in both (direct linear transform).

    Source: Hartley and Zisserman, Multiple View Geometry, 2nd edition, section 4.1. ``matrix`` is row-major 3x3.
    """

    matrix: tuple[float, ...]

    @classmethod
    def from_points(cls, points_px: tuple[Point, ...], points_m: tuple[Point, ...]) -> GroundPlane:
        """The plane through four point pairs, no three of them on a line; ValueError otherwise."""
        if _flat(points_px) or _flat(points_m):
            raise ValueError("three of the four points lie on one line: choose the corners of a wide rectangle")
        rows = []
        for (x, y), (u, v) in zip(points_px, points_m, strict=True):
            rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
            rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
        _, _, vectors = np.linalg.svd(np.array(rows, dtype=float))
        return cls(tuple(float(value) for value in vectors[8]))

    def to_ground(self, point_px: Point) -> Point:
        """Metres on the ground under a pixel."""
        m, (x, y) = self.matrix, point_px
        w = m[6] * x + m[7] * y + m[8]
        return (m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w
