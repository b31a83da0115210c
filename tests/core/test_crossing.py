"""What boxes around a crossing say: its instant, when the whole vehicle was before the line, and doubts."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crossing import Drive, doubts, to_line, whole_before
from edge.records import Doubt, TrackPoint
from tests.core import motion as m
from tests.core.motion import MS, S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LINE = m.lane().stop  # at y = 200, driven over upwards
CROSSED_NS = 2 * S


def seen(
    heights: Callable[[float], float], fps: float = 25, size_px: tuple[float, float] = (60, 50), within_s: float = 0.8
) -> list[TrackPoint]:
    """Observations whose contact is ``heights(t)`` of its box from the line, ``t`` seconds from the crossing."""
    points = []
    count = int(within_s * fps)
    for index in range(-count, count + 1):
        t_s = (index + 0.3) / fps
        width, height = size_px
        y = 200 - heights(t_s) * height
        points.append(TrackPoint(CROSSED_NS + round(t_s * S), (320 - width / 2, y - height, 320 + width / 2, y), 0.9))
    return points


def doubted(points: Sequence[TrackPoint]) -> tuple[Doubt, ...]:
    return doubts(points, points, Drive(points, LINE, CROSSED_NS), LINE, CROSSED_NS)


@given(st.floats(0.3, 3), st.floats(-0.2, 0.2), st.floats(-0.5, 0.5), st.sampled_from([5, 12.5, 25, 60]))
def test_an_evenly_accelerated_drive_is_timed_exactly(speed: float, early_s: float, bend: float, fps: float) -> None:
    def heights(t_s: float) -> float:
        since_s = t_s - early_s
        return speed * since_s + bend * speed * since_s**2 / 2

    drive = Drive(seen(heights, fps), LINE, CROSSED_NS)
    assert drive.root_ns is not None
    assert drive.root_ns == pytest.approx(CROSSED_NS + early_s * S, abs=10_000)
    assert drive.unevenness < 1e-6


@given(st.integers(-(10**15), 10**18))
def test_a_drive_does_not_depend_on_the_hour(shift_ns: int) -> None:
    points = seen(lambda t_s: 0.7 * t_s + 0.1 * t_s**2 + 0.01)
    shifted = [TrackPoint(point.t_ns + shift_ns, point.box_px, point.score) for point in points]
    here, there = Drive(points, LINE, CROSSED_NS), Drive(shifted, LINE, CROSSED_NS + shift_ns)
    assert here.root_ns is not None
    assert there.root_ns == here.root_ns + shift_ns
    assert there.unevenness == here.unevenness


def test_trembling_boxes_are_averaged() -> None:
    rng = m.dice(4)
    for _ in range(50):
        drive = Drive(seen(lambda t_s: t_s + rng.gauss(0, 0.03)), LINE, CROSSED_NS)
        assert drive.root_ns == pytest.approx(CROSSED_NS, abs=40 * MS)
        assert 0.02 < drive.unevenness < 0.045


@pytest.mark.parametrize(
    "heights",
    [lambda _: 0.2, lambda t_s: -t_s, lambda t_s: t_s + 0.5, lambda t_s: t_s**2 + 0.01],
    ids=["stands past it", "drives back", "crossed earlier than can be", "only comes near"],
)
def test_what_does_not_rise_through_the_line_has_no_instant(heights: Callable[[float], float]) -> None:
    assert Drive(seen(heights), LINE, CROSSED_NS).root_ns is None


def test_fewer_than_five_observations_tell_no_instant() -> None:
    points = seen(lambda t_s: t_s)
    assert Drive(points[18:23], LINE, CROSSED_NS).root_ns is not None
    assert Drive(points[18:22], LINE, CROSSED_NS).root_ns is None


def test_heights_are_in_proportion_to_metres_on_a_flat_road() -> None:
    """A camera 6 m up, looking level: a contact ``z`` metres away lies ``6 f / z`` under the horizon."""

    def at(z_m: float) -> TrackPoint:
        return TrackPoint(0, (300, 100 + 4.5 * 500 / z_m, 340, 100 + 6 * 500 / z_m), 0.9)

    there = m.DirectedLine.across(((0, 100 + 6 * 500 / 20), (640, 100 + 6 * 500 / 20)), (0, -1))
    assert [to_line(at(z), there) for z in (16, 18, 20, 24, 28)] == pytest.approx([-0.8, -0.4, 0, 0.8, 1.6])


@pytest.mark.parametrize(("top", "bottom", "whole"), [(201, 260, True), (199, 260, False), (150, 190, False)])
def test_the_whole_vehicle_is_before_the_line_while_all_of_its_box_is(top: float, bottom: float, whole: bool) -> None:
    assert whole_before(TrackPoint(0, (300, top, 340, bottom), 0.9), LINE) is whole


def test_a_slanted_line_is_held_against_the_nearest_corner() -> None:
    slanted = m.DirectedLine.across(((220, 240), (420, 160)), (0, -1))
    assert whole_before(TrackPoint(0, (300, 209, 340, 260), 0.9), slanted)
    assert not whole_before(TrackPoint(0, (300, 207, 340, 260), 0.9), slanted)
    assert not whole_before(TrackPoint(0, (280, 209, 320, 260), 0.9), slanted)


EVEN = seen(lambda t_s: t_s)


def resized(
    points: Sequence[TrackPoint], wider: Callable[[float], float], taller: Callable[[float], float]
) -> list[TrackPoint]:
    """The same contacts under boxes whose sides are larger by factors that depend on the seconds from the crossing."""
    result = []
    for point in points:
        t_s = (point.t_ns - CROSSED_NS) / S
        x1, y1, x2, y2 = point.box_px
        half = (x2 - x1) / 2 * wider(t_s)
        result.append(TrackPoint(point.t_ns, (320 - half, y2 - (y2 - y1) * taller(t_s), 320 + half, y2), point.score))
    return result


def test_an_even_drive_leaves_no_doubt() -> None:
    assert doubted(EVEN) == ()
    grows = resized(EVEN, lambda t_s: exp(0.5 * t_s), lambda t_s: exp(0.5 * t_s))
    assert doubted(grows) == ()


@pytest.mark.parametrize(("gap_s", "hidden"), [(0.5, False), (0.55, False), (0.66, True)])
def test_hidden_for_long_near_the_line(gap_s: float, hidden: bool) -> None:
    points = [point for point in EVEN if not 0.0 < (point.t_ns - CROSSED_NS) / S < gap_s]
    assert (Doubt.HIDDEN in doubted(points)) is hidden


@pytest.mark.parametrize(("ago_s", "past", "back"), [(2.4, 0.35, True), (2.4, 0.25, False), (2.6, 0.35, False)])
def test_one_that_was_past_the_line_a_moment_ago(ago_s: float, past: float, back: bool) -> None:
    first = seen(lambda t_s: t_s + ago_s + past, within_s=ago_s)[0]
    points = [first, *(point for point in EVEN if point.t_ns > first.t_ns)]
    assert (Doubt.RETURNED in doubted(points)) is back


@pytest.mark.parametrize(("since_s", "late"), [(0.55, False), (0.45, True)])
def test_seen_too_late(since_s: float, late: bool) -> None:
    points = [point for point in EVEN if (point.t_ns - CROSSED_NS) / S > -since_s]
    assert (Doubt.SEEN_LATE in doubted(points)) is late


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("factor", "jumps"), [(exp(0.53), False), (exp(-0.53), False), (exp(0.55), True), (exp(-0.55), True)]
)
def test_a_box_that_jumps_in_size(side: int, factor: float, jumps: bool) -> None:
    def one(_: float) -> float:
        return 1.0

    def jumping(t_s: float) -> float:
        return factor if 0.3 < t_s < 0.5 else 1.0

    points = resized(EVEN, *((jumping, one) if side == 0 else (one, jumping)))
    assert (Doubt.JUMP in doubted(points)) is jumps


@pytest.mark.parametrize(("rate", "changes"), [(0.2, False), (0.5, True), (-0.5, True)])
def test_a_box_that_changes_its_shape(rate: float, changes: bool) -> None:
    points = resized(EVEN, lambda t_s: exp(rate * t_s), lambda _: 1.0)
    assert (doubted(points) == (Doubt.SHAPE,)) is changes


def test_a_shape_that_changes_after_the_crossing_counts_to_the_end_of_the_track() -> None:
    longer = seen(lambda t_s: t_s, within_s=2.4)
    near = [point for point in longer if abs(point.t_ns - CROSSED_NS) <= 0.8 * S]
    points = resized(longer, lambda t_s: exp(0.2 * max(0.0, t_s)), lambda _: 1.0)
    found = doubts(
        points,
        [p for p in points if any(p.t_ns == q.t_ns for q in near)],
        Drive(near, LINE, CROSSED_NS),
        LINE,
        CROSSED_NS,
    )
    assert found == (Doubt.SHAPE,)


def test_a_drive_in_jerks_is_uneven() -> None:
    jerky = seen(lambda t_s: t_s + (0.25 if int(t_s * 5) % 2 else 0.0))
    assert Doubt.UNEVEN in doubted(jerky)
    assert Doubt.UNEVEN in doubted(seen(lambda _: 0.2))


@given(st.floats(0.3, 3), st.integers(0, 2**32))
def test_boxes_that_tremble_as_detected_ones_do_are_not_doubted(speed: float, seed: int) -> None:
    rng = m.dice(seed)
    points = seen(lambda t_s: speed * t_s)
    trembling = [TrackPoint(p.t_ns, m.trembling(p.box_px, rng, 0.03), p.score) for p in points]
    assert doubted(trembling) == ()
