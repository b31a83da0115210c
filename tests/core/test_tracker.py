"""Tracks of simulated vehicles, whatever the frame rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import TrackStep, VehicleClass
from edge.tracker import Tracker, TrackerSettings, pair
from tests.core import motion as m
from tests.core.motion import MS, Motion, S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.records import Box, Detection

FPS = [5, 10, 25, 60]


def tracked(
    frames: Sequence[tuple[int, Sequence[Detection]]], settings: TrackerSettings | None = None
) -> list[TrackStep]:
    tracker = Tracker(settings)
    return [tracker.update(t_ns, detections) for t_ns, detections in frames]


def watched(
    motions: Sequence[Motion], fps: float, duration_s: float, *, hidden: Callable[[float, Box], bool] = lambda *_: False
) -> list[tuple[int, list[Detection]]]:
    frames = []
    for t_ns in m.frame_times(fps, duration_s):
        boxes = [motion.box(t_ns / S) for motion in motions]
        frames.append((t_ns, [m.detection(box) for box in boxes if not hidden(t_ns / S, box)]))
    return frames


def numbers(steps: Sequence[TrackStep]) -> set[int]:
    return {update.track for step in steps for update in step.updates}


def owners(steps: Sequence[TrackStep], motions: Sequence[Motion]) -> list[set[int]]:
    """Which tracks each vehicle's own boxes came to belong to."""
    found: list[set[int]] = [set() for _ in motions]
    for step in steps:
        boxes = {motion.box(step.t_ns / S): index for index, motion in enumerate(motions)}
        for update in step.updates:
            found[boxes[update.point.box_px]].add(update.track)
    return found


def separate(steps: Sequence[TrackStep], motions: Sequence[Motion]) -> bool:
    """Whether every vehicle was one track of its own."""
    found = owners(steps, motions)
    return all(len(tracks) == 1 for tracks in found) and len(set.union(*found)) == len(motions)


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("speed", [20, 100, 200])
def test_lanes_of_vehicles_are_one_track_each_at_any_frame_rate(fps: float, speed: float) -> None:
    motions = [Motion(m.steady(speed + x / 20), (x, 340)) for x in (100, 200, 300, 400, 500)]
    assert separate(tracked(watched(motions, fps, 300 / (speed + 25))), motions)


@pytest.mark.parametrize("fps", FPS)
def test_vehicles_that_cross_each_other_keep_their_numbers(fps: float) -> None:
    motions = [Motion(m.steady(150), (100, 240), (1, 0)), Motion(m.steady(150), (540, 262), (-1, 0), (60, 42))]
    assert separate(tracked(watched(motions, fps, 2.8)), motions)


@pytest.mark.parametrize("fps", FPS)
def test_a_queue_with_small_gaps_leaves_as_it_came(fps: float) -> None:
    queue = [Motion(m.waiting(0, 1.5 + place, 50), (320, 200 + 46 * place), size_px=(50, 42)) for place in range(4)]
    assert separate(tracked(watched(queue, fps, 4.5)), queue)


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("hidden_s", [0.5, 1.2])
def test_a_vehicle_hidden_for_a_while_is_the_same_after(fps: float, hidden_s: float) -> None:
    motions = [Motion(m.steady(100))]
    steps = tracked(watched(motions, fps, 3, hidden=lambda t_s, _: 1 < t_s < 1 + hidden_s))
    assert numbers(steps) == {1}


def test_one_hidden_for_longer_than_its_life_is_another() -> None:
    steps = tracked(watched([Motion(m.steady(20))], 25, 5, hidden=lambda t_s, _: 1 < t_s < 2.7))
    assert numbers(steps) == {1, 2}
    assert [step.ended for step in steps if step.ended] == [(1,)]


@pytest.mark.parametrize("fps", FPS)
def test_missed_frames_trembling_and_false_boxes_leave_the_vehicle_whole(fps: float) -> None:
    rng = m.dice(5)
    motion = Motion(m.steady(90))
    frames = []
    for t_ns in m.frame_times(fps, 3.5, jitter=0.3, rng=rng):
        boxes = [m.trembling(motion.box(t_ns / S), rng, 0.03)] if rng.random() > 0.2 else []
        false = [(x, 40.0, x + 30, 60.0) for x in (rng.uniform(0, 600),) if rng.random() < 0.1]
        frames.append((t_ns, [m.detection(box) for box in boxes] + [m.detection(box, 0.5) for box in false]))
    vehicle = [u for step in tracked(frames) for u in step.updates if u.point.box_px[2] - u.point.box_px[0] > 50]
    tracks = {update.track for update in vehicle}
    assert len(tracks) == 1


def test_weak_detections_keep_a_track_but_start_none() -> None:
    box = (100.0, 100.0, 160.0, 150.0)
    strong, weak, faint = m.detection(box, 0.9), m.detection(box, 0.2), m.detection(box, 0.05)
    assert numbers(tracked([(i * 40 * MS, [weak]) for i in range(50)])) == set()
    steps = tracked([(0, [strong]), *((i * 40 * MS, [weak]) for i in range(1, 100))])
    assert [len(step.updates) for step in steps] == [1] * 100
    assert numbers(steps) == {1}
    assert [len(step.updates) for step in tracked([(0, [strong]), (40 * MS, [faint])])] == [1, 0]


def test_a_strong_detection_has_the_first_choice() -> None:
    at_place, beside = (100.0, 100.0, 160.0, 150.0), (110.0, 105.0, 170.0, 155.0)
    steps = tracked([(0, [m.detection(at_place)]), (40 * MS, [m.detection(at_place, 0.3), m.detection(beside, 0.8)])])
    assert [(u.track, u.point.box_px) for u in steps[1].updates] == [(1, beside)]


def test_output_is_the_detectors_own_box_with_its_time_and_score() -> None:
    detection = m.detection((1.5, 2.5, 31.25, 42.125), 0.77)
    (update,) = tracked([(123, [detection])])[0].updates
    assert (update.point.t_ns, update.point.box_px, update.point.score) == (123, detection.box_px, 0.77)


def test_a_track_is_of_the_class_that_most_of_its_score_names() -> None:
    box = (100.0, 100.0, 160.0, 150.0)
    kinds = [(VehicleClass.TRUCK, 0.5), (VehicleClass.CAR, 0.9), (VehicleClass.CAR, 0.9), (VehicleClass.TRUCK, 0.5)]
    steps = tracked([(i * 40 * MS, [m.detection(box, score, kind)]) for i, (kind, score) in enumerate(kinds)])
    assert [step.updates[0].vehicle_class for step in steps] == [VehicleClass.TRUCK] + [VehicleClass.CAR] * 3


def test_persons_are_left_aside() -> None:
    person = m.detection((100, 100, 120, 150), 0.99, VehicleClass.PERSON)
    assert tracked([(0, [person])])[0].updates == ()


def test_a_frame_that_is_not_later_is_skipped_and_counted() -> None:
    tracker = Tracker()
    box = m.detection((100, 100, 160, 150))
    tracker.update(S, [box])
    assert tracker.update(S, [box]) == TrackStep(S, (), ())
    assert tracker.update(0, [box]) == TrackStep(S, (), ())
    assert tracker.skipped == 2
    assert [u.track for u in tracker.update(S + 1, [box]).updates] == [1]


def test_a_single_flash_is_given_up_soon_a_vehicle_later() -> None:
    box = m.detection((100, 100, 160, 150))
    flash = tracked([(0, [box]), (300 * MS, []), (301 * MS, []), (3 * S, [])])
    assert [step.ended for step in flash] == [(), (), (1,), ()]
    vehicle = tracked([(0, [box]), (100 * MS, [box]), (1600 * MS, []), (1601 * MS, []), (3 * S, [])])
    assert [step.ended for step in vehicle] == [(), (), (), (1,), ()]


BOXES = st.builds(
    lambda x, y, w, h, score: m.detection((x, y, x + w, y + h), score),
    st.floats(-50, 640),
    st.floats(-50, 360),
    st.floats(0, 300),
    st.floats(0, 200),
    st.floats(0, 1),
)
FRAMES = st.lists(st.tuples(st.integers(1, 2 * S), st.lists(BOXES, max_size=5)), max_size=25)


def timed(frames: list[tuple[int, list[Detection]]], start_ns: int = 0) -> list[tuple[int, list[Detection]]]:
    result = []
    for interval_ns, detections in frames:
        start_ns += interval_ns
        result.append((start_ns, detections))
    return result


@given(FRAMES, st.integers(-(10**15), 10**18))
def test_whatever_comes_numbers_rise_ends_come_once_and_nothing_depends_on_the_hour(
    frames: list[tuple[int, list[Detection]]], shift_ns: int
) -> None:
    steps = tracked(timed(frames))
    ended = [track for step in steps for track in step.ended]
    assert len(ended) == len(set(ended))
    gone: set[int] = set()
    greatest = 0
    for step, (_, detections) in zip(steps, frames, strict=True):
        tracks = [update.track for update in step.updates]
        assert tracks == sorted(set(tracks))
        assert not gone & set(tracks)
        assert all(
            track <= greatest or track == greatest + 1 + rank
            for rank, track in enumerate(t for t in tracks if t > greatest)
        )
        assert len(tracks) <= len(detections)
        greatest = max([greatest, *tracks])
        gone |= set(step.ended)
    assert tracked(timed(frames)) == steps
    shifted = tracked(timed(frames, shift_ns))
    assert [[u.track for u in step.updates] for step in shifted] == [[u.track for u in step.updates] for step in steps]


def test_memory_stays_bounded_under_hours_of_noise() -> None:
    rng = m.dice(9)
    tracker = Tracker()
    alive = 0
    for frame in range(3000):
        x, y = rng.uniform(0, 600), rng.uniform(0, 300)
        tracker.update(frame * 40 * MS, [m.detection((x, y, x + 30, y + 30))])
        alive = max(alive, len(tracker._tracks))
    assert alive < 60


def test_pairs_go_by_the_greatest_overlap_and_none_below_the_least() -> None:
    overlap = np.array([[0.5, 0.6], [0.4, 0.9]])
    assert pair(overlap, 0.3) == [(1, 1), (0, 0)]
    assert pair(overlap, 0.5) == [(1, 1), (0, 0)]
    assert pair(overlap, 0.51) == [(1, 1)]
    assert pair(np.zeros((0, 3)), 0.1) == []


def test_a_part_of_a_vehicle_starts_no_track_but_a_rider_in_front_of_it_does() -> None:
    lorry = m.detection((100, 50, 300, 250), 0.9, VehicleClass.TRUCK)
    cab = m.detection((110, 60, 200, 150), 0.6, VehicleClass.CAR)
    rider = m.detection((220, 150, 250, 240), 0.6, VehicleClass.MOTORCYCLE)
    steps = tracked([(index * 40 * MS, [lorry, cab, rider]) for index in range(5)])
    assert [{update.vehicle_class for update in step.updates} for step in steps] == [
        {VehicleClass.TRUCK, VehicleClass.MOTORCYCLE}
    ] * 5


def test_a_car_that_is_half_hidden_by_another_starts_its_own_track() -> None:
    near = m.detection((100, 100, 200, 200), 0.9)
    far = m.detection((110, 60, 190, 150), 0.6)
    (step,) = tracked([(0, [near, far])])
    assert len(step.updates) == 2
