"""Lines, segments and the ground plane."""

from __future__ import annotations

from math import hypot

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.geometry import DirectedLine, GroundPlane, hull_meets_box, segments_cross

POINTS = st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000))


def test_the_near_side_is_negative_whichever_way_the_line_is_drawn() -> None:
    for segment in (((0, 100), (200, 100)), ((200, 100), (0, 100))):
        line = DirectedLine.across(segment, (0.3, -1))
        assert line.distance((50, 130)) == pytest.approx(-30)
        assert line.distance((50, 80)) == pytest.approx(20)
        assert line.normal == pytest.approx((0, -1))


def test_along_runs_from_start_to_end() -> None:
    line = DirectedLine.across(((10, 0), (30, 0)), (0, 1))
    assert [line.along((x, 55)) for x in (0, 10, 20, 30, 40)] == [-0.5, 0, 0.5, 1, 1.5]


@given(POINTS, POINTS, POINTS, POINTS)
def test_a_turned_direction_turns_the_sign(start: tuple, end: tuple, way: tuple, point: tuple) -> None:  # type: ignore[type-arg]
    assume(hypot(end[0] - start[0], end[1] - start[1]) > 1)
    there = DirectedLine.across((start, end), way)
    back = DirectedLine.across((start, end), (-way[0], -way[1]))
    assume(abs(there.normal[0] * way[0] + there.normal[1] * way[1]) > 1e-6)
    assert there.distance(point) == pytest.approx(-back.distance(point))
    assert hypot(*there.normal) == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b", "cross"),
    [
        (((0, 0), (10, 10)), ((0, 10), (10, 0)), True),
        (((0, 0), (10, 0)), ((10, 0), (20, 5)), True),
        (((0, 0), (10, 0)), ((0, 1), (10, 1)), False),
        (((0, 0), (10, 0)), ((5, 1), (5, 9)), False),
        (((0, 0), (10, 0)), ((11, 0), (20, 0)), False),
        (((0, 0), (10, 0)), ((5, 0), (20, 0)), True),
        (((3, 0), (3, 10)), ((3, 11), (3, 20)), False),
    ],
)
def test_segments_that_share_a_point_cross(a: tuple, b: tuple, cross: bool) -> None:  # type: ignore[type-arg]
    assert segments_cross(a, b) is cross
    assert segments_cross(b, a) is cross


def test_the_ground_plane_maps_its_points_and_what_lies_between() -> None:
    pixels = ((100.0, 300.0), (500.0, 300.0), (400.0, 100.0), (200.0, 100.0))
    metres = ((0.0, 0.0), (8.0, 0.0), (8.0, 20.0), (0.0, 20.0))
    plane = GroundPlane.from_points(pixels, metres)
    for pixel, metre in zip(pixels, metres, strict=True):
        assert plane.to_ground(pixel) == pytest.approx(metre, abs=1e-6)
    # The diagonals' crossing is the same point in both planes.
    assert plane.to_ground((300.0, 500 / 3)) == pytest.approx((4.0, 10.0))


@pytest.mark.parametrize("which", ["pixels", "metres"])
def test_three_points_on_one_line_make_no_plane(which: str) -> None:
    good = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))
    bad = ((0.0, 0.0), (5.0, 5.0), (10.0, 10.0), (0.0, 10.0))
    with pytest.raises(ValueError, match="one line"):
        GroundPlane.from_points(*((bad, good) if which == "pixels" else (good, bad)))


@given(
    st.tuples(POINTS, POINTS, POINTS, POINTS),
    st.tuples(POINTS, POINTS),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_hull_meets_every_box_that_holds_a_point_of_it(points: tuple, ends: tuple, shares: list[float]) -> None:  # type: ignore[type-arg]
    assume(sum(shares) > 0.1 and any(point != points[0] for point in points))
    inside = [
        sum(share * point[axis] for share, point in zip(shares, points, strict=True)) / sum(shares) for axis in (0, 1)
    ]
    (x1, x2), (y1, y2) = (sorted((inside[axis] - 1e-6, ends[0][axis])) for axis in (0, 1))
    assert hull_meets_box(points, (x1, y1, x2 + 1e-5, y2 + 1e-5))
