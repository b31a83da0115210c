"""Crossings of stop lines by tracks whose true motion is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.geometry import GroundPlane
from edge.passages import PassageFinder
from edge.records import TrackPoint, TrackStep, TrackUpdate, VehicleClass
from tests.core import motion as m
from tests.core.motion import MS, Motion, S, lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.passages import LaneGeometry
    from edge.records import Box, Passage, Point

FPS = [5, 10, 12.5, 25, 30, 60]


def found(
    boxes: Sequence[tuple[int, Box]], lanes: Sequence[LaneGeometry] = (), *, finish: bool = True
) -> list[Passage]:
    finder = PassageFinder(lanes or [lane()])
    passages = [passage for step in m.steps(boxes) for passage in finder.update(step)]
    return passages + finder.finish() if finish else passages


def driven(motion: Motion, fps: float = 25, duration_s: float = 6, lanes: Sequence[LaneGeometry] = ()) -> list[Passage]:
    return found(m.observed(motion, m.frame_times(fps, duration_s)), lanes)


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize(
    "travelled", [m.steady(60), m.steady(140), m.steady(300), m.braking(200, 0.4, 80), m.waiting(100, 2, 120)]
)
def test_any_frame_rate_finds_the_crossing_within_its_uncertainty(fps: float, travelled: object) -> None:
    motion = Motion(travelled)  # type: ignore[arg-type]
    true_s = motion.crossing_s(lane().stop, 0, 6)
    confirm_s = motion.crossing_s(lane().confirm, 0, 6)
    for jitter in (0.0, 0.3):
        (passage,) = found(m.observed(motion, m.frame_times(fps, 6, jitter=jitter, rng=m.dice(7))))
        assert m.within(passage, true_s)
        assert passage.t_confirm_ns is not None
        assert abs(passage.t_confirm_ns / S - confirm_s) < 0.4 / fps
        assert passage.cross_px == pytest.approx((320, 200), abs=1)


@given(st.floats(5, 60), st.floats(40, 400), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=200)
def test_the_true_crossing_always_lies_within_the_uncertainty(
    fps: float, speed: float, phase: float, seed: int
) -> None:
    motion = Motion(m.steady(speed), start=(320, 340 + phase * 40))
    (passage,) = found(m.observed(motion, m.frame_times(fps, 6, jitter=0.4, rng=m.dice(seed))))
    true_s = motion.crossing_s(lane().stop, 0, 6)
    assert m.within(passage, true_s)
    assert passage.uncertainty_ns <= (2 / fps + 0.1 * 60 / speed) * S + 2


def test_with_trembling_boxes_the_true_crossing_lies_within_the_uncertainty_in_99_of_100() -> None:
    rng = m.dice(20)
    inside = count = 0
    for _ in range(1000):
        motion = Motion(m.steady(rng.uniform(60, 300)), start=(320, rng.uniform(300, 350)))
        times_ns = m.frame_times(rng.choice(FPS), 4.5, jitter=0.3, rng=rng)
        (passage,) = found(m.observed(motion, times_ns, rng=rng, share=0.02))
        inside += m.within(passage, motion.crossing_s(lane().stop, 0, 6))
        count += 1
    assert inside >= 0.99 * count


@pytest.mark.parametrize(("x", "passages"), [(219, 0), (221, 1), (419, 1), (421, 0)])
def test_the_line_is_finite(x: float, passages: int) -> None:
    assert len(driven(Motion(m.steady(100), start=(x, 340)))) == passages


def test_the_wrong_way_is_none() -> None:
    assert driven(Motion(m.steady(100), start=(320, 60), direction=(0, 1))) == []


def test_a_drift_over_the_line_against_the_lanes_direction_is_none() -> None:
    slanted = lane(direction=(0.9, -0.3))
    assert driven(Motion(m.steady(100), start=(390, 230), direction=(-0.9, -0.35)), lanes=[slanted]) == []
    assert len(driven(Motion(m.steady(100), start=(250, 230), direction=(0.9, -0.35)), lanes=[slanted])) == 1


@pytest.mark.parametrize(("first_s", "passages"), [(1.0, 1), (1.28, 1), (1.36, 0), (1.6, 0)])
def test_the_near_side_must_be_seen_for_the_dwell(first_s: float, passages: int) -> None:
    times_ns = [t_ns for t_ns in m.frame_times(25, 5) if t_ns >= first_s * S]
    assert len(found(m.observed(Motion(m.steady(100)), times_ns))) == passages  # crosses at 1.4 s


@pytest.mark.parametrize(("last_s", "passages"), [(1.41, 0), (1.5, 0), (1.56, 0), (1.6, 1), (3, 1)])
def test_the_far_side_must_be_seen_for_the_dwell(last_s: float, passages: int) -> None:
    times_ns = [t_ns for t_ns in m.frame_times(25, 5) if t_ns <= last_s * S]
    assert len(found(m.observed(Motion(m.steady(100)), times_ns))) == passages


def test_a_track_that_ends_is_complete_at_once_and_then_forgotten() -> None:
    finder = PassageFinder([lane()])
    seen = [finder.update(step) for step in m.steps(m.observed(Motion(m.steady(100)), m.frame_times(25, 1.8)))]
    assert not any(seen)
    (passage,) = finder.update(TrackStep(2 * S, (), (1,)))
    assert passage.t_confirm_ns is None
    assert finder.finish() == []
    assert finder._paths == {}


def test_a_box_trembling_on_the_line_is_no_passage_before_it_leaves() -> None:
    rng = m.dice(3)
    for fps in (10, 25, 60):
        motion = Motion(m.waiting(140, 20, 60))
        finder = PassageFinder([lane()])
        passages = []
        for step in m.steps(m.observed(motion, m.frame_times(fps, 25), rng=rng, share=0.01)):
            now = finder.update(step)
            assert not now or step.t_ns > 20 * S
            passages += now
        assert len(passages + finder.finish()) == 1


def test_resting_on_the_line_makes_the_instant_as_uncertain_as_it_is() -> None:
    (passage,) = driven(Motion(m.waiting(141, 5, 60)), duration_s=9)
    assert passage.t_cross_ns < 1.3 * S
    assert passage.t_cross_ns + passage.uncertainty_ns > 5 * S


def test_a_vehicle_may_rest_on_the_line_for_longer_than_its_points_are_kept() -> None:
    (passage,) = driven(Motion(m.waiting(139, 100, 60)), fps=60, duration_s=104)
    assert abs(passage.t_cross_ns - 100 * S) < S
    assert len(passage.points) <= 4096


def test_a_vehicle_that_stops_past_the_line_is_not_confirmed() -> None:
    (passage,) = driven(Motion(m.braking(200, 0.4, 180)), duration_s=8)
    assert passage.t_confirm_ns is None


def test_a_confirmation_later_than_its_time_does_not_count() -> None:
    slow = Motion(m.steady(60))  # a second between the lines
    assert driven(slow, lanes=[lane(confirm_ns=1010 * MS)])[0].t_confirm_ns is not None
    assert driven(slow, lanes=[lane(confirm_ns=990 * MS)])[0].t_confirm_ns is None


def test_both_lines_crossed_between_two_frames_are_confirmed_at_once_but_not_before() -> None:
    close = lane(confirm=((220, 190), (420, 190)))
    (passage,) = driven(Motion(m.steady(300)), fps=5, lanes=[close])
    assert passage.t_confirm_ns is not None
    assert passage.t_confirm_ns >= passage.t_cross_ns


@pytest.mark.parametrize(("x", "confirmed"), [(330, True), (350, False)])
def test_leaving_to_the_side_of_the_confirm_line_is_no_confirmation(x: float, confirmed: bool) -> None:
    narrow = lane(confirm=((220, 140), (320, 140)))
    (passage,) = driven(Motion(m.steady(100), start=(x - 2, 340)), lanes=[narrow])
    assert (passage.t_confirm_ns is not None) is confirmed


@given(st.floats(0.0, 0.5), st.floats(60, 300))
def test_half_a_second_hidden_at_the_line_is_bridged(offset_s: float, speed: float) -> None:
    motion = Motion(m.steady(speed), start=(320, 400))
    true_s = 200 / speed
    times_ns = [t for t in m.frame_times(25, 6) if not true_s - offset_s < t / S < true_s - offset_s + 0.5]
    (passage,) = found(m.observed(motion, times_ns))
    assert m.within(passage, true_s)


def test_a_track_that_turns_back_and_comes_again_is_one_passage() -> None:
    there_and_back = [m.observed(Motion(m.steady(100)), m.frame_times(25, 2))]
    boxes = there_and_back[0]
    boxes += [(2 * S + t, box) for t, (_, box) in zip(m.frame_times(25, 2), reversed(boxes[:]), strict=True)]
    boxes += [(4 * S + t, box) for t, (_, box) in zip(m.frame_times(25, 2), boxes[:50], strict=True)]
    assert len(found(boxes)) == 1


def test_lanes_side_by_side_each_see_their_own() -> None:
    lanes = [
        lane(name, stop=((x, 200), (x + 100, 200)), confirm=((x, 140), (x + 100, 140)))
        for name, x in (("left", 100.0), ("middle", 200.0), ("right", 300.0))
    ]
    finder = PassageFinder(lanes)
    tracks = [
        m.steps(m.observed(Motion(m.steady(90 + x / 10), start=(x, 340)), m.frame_times(25, 5)), x)
        for x in (150, 250, 350)
    ]
    passages = []
    for together in zip(*tracks, strict=True):
        step = TrackStep(together[0].t_ns, tuple(update for each in together for update in each.updates), ())
        passages += finder.update(step)
    assert {(passage.lane, passage.track) for passage in passages} == {("left", 150), ("middle", 250), ("right", 350)}
    assert len(passages) == 3


WAYS = st.tuples(
    st.floats(230, 410), st.floats(-0.3, 0.3), st.floats(60, 300), st.sampled_from(FPS), st.integers(0, 2**32)
)


def facts(passage: Passage, shift_ns: int = 0) -> tuple[str, int, bool]:
    return passage.lane, passage.track, passage.t_confirm_ns is not None


@given(WAYS)
def test_a_mirrored_scene_gives_the_mirrored_passages(way: tuple[float, float, float, float, int]) -> None:
    x, slant, speed, fps, seed = way
    boxes = m.observed(
        Motion(m.steady(speed), start=(x, 340), direction=(slant, -1)),
        m.frame_times(fps, 5),
        rng=m.dice(seed),
        share=0.02,
    )
    turned = [(t_ns, (m.WIDTH - x2, y1, m.WIDTH - x1, y2)) for t_ns, (x1, y1, x2, y2) in boxes]
    stop: tuple[Point, Point] = ((220, 210), (420, 190))
    confirm: tuple[Point, Point] = ((220, 150), (420, 130))
    here = found(boxes, [lane(stop=stop, confirm=confirm, direction=(0.1, -1))])
    there = found(
        turned,
        [
            lane(
                stop=(m.mirrored(stop[0]), m.mirrored(stop[1])),
                confirm=(m.mirrored(confirm[0]), m.mirrored(confirm[1])),
                direction=(-0.1, -1),
            )
        ],
    )
    assert [facts(p) for p in there] == [facts(p) for p in here]
    for one, other in zip(here, there, strict=True):
        assert abs(one.t_cross_ns - other.t_cross_ns) <= 1000
        assert abs(one.uncertainty_ns - other.uncertainty_ns) <= 2000
        assert other.cross_px == pytest.approx(m.mirrored(one.cross_px), abs=1e-3)


@given(WAYS, st.integers(-(10**15), 10**18))
def test_a_shift_in_time_shifts_the_passages_exactly(
    way: tuple[float, float, float, float, int], shift_ns: int
) -> None:
    x, slant, speed, fps, seed = way
    boxes = m.observed(
        Motion(m.steady(speed), start=(x, 340), direction=(slant, -1)),
        m.frame_times(fps, 5),
        rng=m.dice(seed),
        share=0.02,
    )
    here = found(boxes)
    there = found([(t_ns + shift_ns, box) for t_ns, box in boxes])
    assert [(p.t_cross_ns + shift_ns, p.uncertainty_ns) for p in here] == [
        (p.t_cross_ns, p.uncertainty_ns) for p in there
    ]


@given(st.lists(st.tuples(st.floats(200, 440), st.floats(100, 300)), min_size=2, max_size=80))
def test_however_a_track_wanders_it_passes_a_line_at_most_once(contacts: list[tuple[float, float]]) -> None:
    boxes = [(index * 40 * MS, (x - 30, y - 40, x + 30, y)) for index, (x, y) in enumerate(contacts)]
    assert len(found(boxes)) <= 1


@pytest.mark.parametrize("fps", [5, 25])
def test_speed_is_measured_on_the_ground(fps: float) -> None:
    ground = GroundPlane.from_points(
        ((220, 340), (420, 340), (420, 140), (220, 140)), ((0, 0), (10, 0), (10, 10), (0, 10))
    )
    calibrated = lane()
    calibrated = type(calibrated)(**{**{n: getattr(calibrated, n) for n in calibrated.__slots__}, "ground": ground})
    (passage,) = driven(Motion(m.steady(200)), fps=fps, lanes=[calibrated])
    assert passage.speed_mps == pytest.approx(10)
    assert all(metres == pytest.approx((passage.t_cross_ns - t_ns) / 1e8) for t_ns, metres in passage.to_line_m)
    assert len(passage.to_line_m) >= 2
    assert driven(Motion(m.steady(200)))[0].speed_mps is None


def driven_by(boxes_of: list[list[tuple[int, Box]]]) -> list[Passage]:
    """The passages of several tracks that are seen in the same frames."""
    finder = PassageFinder([lane()])
    updates: dict[int, list[TrackUpdate]] = {}
    for track, boxes in enumerate(boxes_of, start=1):
        for t_ns, box in boxes:
            updates.setdefault(t_ns, []).append(TrackUpdate(track, VehicleClass.CAR, TrackPoint(t_ns, box, 0.9)))
    passages = [p for t_ns in sorted(updates) for p in finder.update(TrackStep(t_ns, tuple(updates[t_ns]), ()))]
    return passages + finder.finish()


def moved(boxes: list[tuple[int, Box]], dx: float, dy: float, later_ns: int = 0) -> list[tuple[int, Box]]:
    return [(t_ns + later_ns, (x1 + dx, y1 + dy, x2 + dx, y2 + dy)) for t_ns, (x1, y1, x2, y2) in boxes]


def test_two_boxes_on_one_vehicle_are_one_passage() -> None:
    whole = list(m.observed(Motion(m.steady(140)), m.frame_times(25, 6)))
    assert len(driven_by([whole, moved(whole, 6, 5)])) == 1


def test_two_abreast_in_one_lane_are_two_passages() -> None:
    left = list(m.observed(Motion(m.steady(140)), m.frame_times(25, 6)))
    width = left[0][1][2] - left[0][1][0]
    assert len(driven_by([left, moved(left, 0.9 * width, 0)])) == 2


def test_one_close_behind_another_is_a_passage_of_its_own() -> None:
    first = list(m.observed(Motion(m.steady(140)), m.frame_times(25, 6)))
    width = first[0][1][2] - first[0][1][0]
    behind_ns = round(0.7 * width / 140 / 0.04) * 40 * MS
    assert len(driven_by([first, moved(first, 0, 0, later_ns=behind_ns)])) == 2
