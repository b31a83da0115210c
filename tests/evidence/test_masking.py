"""Who is masked, for how long, and who is not; and how much of the persons of a recording with known truth is left."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector import load_model
from edge.embedded import embedded_model
from edge.evidence.masking import (
    LOOK_EVERY_NS,
    Mask,
    Masker,
    MaskKind,
    Sighting,
    masks_csv,
    plan_masks,
    region_masks,
    seen_outside,
    veil_at,
)
from edge.evidence.pixels import covered
from edge.evidence.subject import Subject
from edge.records import NS_PER_S, Box, Contact, Detection, VehicleClass
from tests.cases import unsigned
from tests.evidence.frames import frames_of

ROOT = Path(__file__).resolve().parents[2]
SIZE = (640, 352)
LOW = 0.3
SUBJECT = Subject.of(unsigned())
BESIDE: Box = (500.0, 200.0, 560.0, 260.0)


def at(t_s: float, box: Box, kind: VehicleClass, score: float = 0.9) -> Sighting:
    return Sighting(round(t_s * NS_PER_S), (Detection(box, score, kind),))


def empty(t_s: float) -> Sighting:
    return Sighting(round(t_s * NS_PER_S), ())


def plan(*sightings: Sighting, subject: Subject = SUBJECT, size: tuple[int, int] = SIZE) -> tuple[Mask, ...]:
    return plan_masks(sightings, subject, size, LOW)


def subject_box(t_s: float) -> Box:
    box = SUBJECT.box_near(round(t_s * 1_000_000))
    assert box is not None
    return box


def test_a_person_is_masked_whole_and_for_a_while_before_and_after() -> None:
    person = (500.0, 200.0, 520.0, 250.0)
    (mask,) = plan(empty(41.9), at(42.0, person, VehicleClass.PERSON), empty(42.1))
    assert mask.kind is MaskKind.PERSON
    assert all(side < inner for side, inner in zip(mask.box_px[:2], person[:2], strict=True))
    assert all(side > inner for side, inner in zip(mask.box_px[2:], person[2:], strict=True))
    assert (mask.from_ns, mask.until_ns) == (41_400_000_000, 42_600_000_000)


def test_a_person_in_a_vehicle_moves_with_it_and_its_mask_does_not_stay_behind_for_long() -> None:
    van, driver = Detection(BESIDE, 0.9, VehicleClass.VAN), Detection((510, 205, 525, 230), 0.9, VehicleClass.PERSON)
    masks = plan(empty(41.9), Sighting(42 * NS_PER_S, (van, driver)), empty(42.1))
    assert {(mask.kind, mask.from_ns, mask.until_ns) for mask in masks} == {
        (MaskKind.WINDSCREEN, 41_900_000_000, 42_100_000_000),
        (MaskKind.PERSON, 41_750_000_000, 42_250_000_000),
    }


def test_a_possible_person_is_masked_like_a_certain_one() -> None:
    certain, possible = (plan(at(42.0, BESIDE, VehicleClass.PERSON, score)) for score in (0.5, 0.25))
    assert replace(certain[0], kind=MaskKind.POSSIBLE_PERSON) == possible[0]


@pytest.mark.parametrize("kind", [VehicleClass.CAR, VehicleClass.VAN, VehicleClass.TRUCK, VehicleClass.BUS])
def test_of_another_vehicle_the_upper_part_is_masked(kind: VehicleClass) -> None:
    (mask,) = plan(at(42.0, BESIDE, kind))
    assert mask.kind is MaskKind.WINDSCREEN
    assert (mask.box_px[0], mask.box_px[1], mask.box_px[2]) == BESIDE[:3]
    assert 0.5 <= (mask.box_px[3] - BESIDE[1]) / 60 < 0.7


@pytest.mark.parametrize("kind", [VehicleClass.MOTORCYCLE, VehicleClass.BICYCLE])
def test_another_rider_is_masked_whole(kind: VehicleClass) -> None:
    (mask,) = plan(at(42.0, BESIDE, kind))
    assert mask.kind is MaskKind.RIDER
    assert mask.box_px[3] > BESIDE[3]


@pytest.mark.parametrize("t_s", [41.0, 41.35, 41.843, 42.3, 42.7])
def test_the_subject_filmed_from_behind_is_not_masked(t_s: float) -> None:
    assert plan(at(t_s, subject_box(t_s), VehicleClass.CAR)) == ()


def test_long_after_its_track_nobody_knows_that_it_is_the_subject() -> None:
    assert len(plan(at(45.0, (250, 80, 310, 140), VehicleClass.CAR))) == 1


def test_what_looks_like_a_person_on_the_subject_is_its_own_lamp_unless_it_is_certain() -> None:
    x1, y1, _, y2 = subject_box(42.0)
    part = (x1 + 5, y1 + 10, x1 + 15, y2 - 5)
    assert plan(at(42.0, part, VehicleClass.PERSON, 0.4)) == ()
    assert len(plan(at(42.0, part, VehicleClass.PERSON, 0.6))) == 1
    assert len(plan(at(42.0, (x1 - 15, y1, x1 + 5, y2), VehicleClass.PERSON, 0.25))) == 1  # beside it


def test_the_subjects_windscreen_is_masked_in_front_view_at_every_observation() -> None:
    masks = plan(subject=replace(SUBJECT, contact=Contact.FRONT))
    assert {mask.kind for mask in masks} == {MaskKind.SUBJECT_WINDSCREEN}
    for t_us, box in SUBJECT.track.items():
        shown = [mask.box_px for mask in masks if mask.from_ns <= 1000 * t_us <= mask.until_ns]
        assert (box[0], box[1], box[2], (box[1] + box[3]) / 2) in shown


def test_a_rider_who_is_the_subject_is_masked_and_the_machine_is_not() -> None:
    subject = replace(SUBJECT, vehicle_class=VehicleClass.MOTORCYCLE)
    masks = plan(at(42.0, subject_box(42.0), VehicleClass.PERSON, 0.99), subject=subject)
    assert {mask.kind for mask in masks} == {MaskKind.SUBJECT_RIDER}
    assert len(masks) == len(SUBJECT.track)


def test_boxes_of_the_site_are_brought_to_the_pictures_size() -> None:
    subject = replace(SUBJECT, contact=Contact.FRONT)
    small, large = plan(subject=subject), plan(subject=subject, size=(1920, 1056))
    assert [side * 3 for side in small[0].box_px] == pytest.approx(large[0].box_px)


def test_every_picture_is_masked_by_the_sightings_on_both_of_its_sides() -> None:
    first, second = (100.0, 200.0, 140.0, 240.0), (120.0, 200.0, 160.0, 240.0)
    masks = plan(at(42.0, first, VehicleClass.CAR), at(42.12, second, VehicleClass.CAR))
    between = [mask for mask in masks if mask.from_ns <= 42_040_000_000 <= mask.until_ns]
    assert len(between) == 2


def test_masks_of_vehicles_and_doubtful_persons_yield_to_the_subjects_body_and_those_of_persons_do_not() -> None:
    t_ns = 42 * NS_PER_S
    x1, y1, x2, y2 = subject_box(42.0)
    over = (x1 - 100, y1 - 100, x2 + 100, y2 + 150)
    truck, person = VehicleClass.TRUCK, VehicleClass.PERSON
    for kind, score, left in ((truck, 0.9, True), (person, 0.4, True), (person, 0.6, False)):
        shown = covered(veil_at(t_ns, plan(at(42.0, over, kind, score)), SUBJECT, SIZE), SIZE)
        assert shown[round(y1) - 50, round(x1) - 50]
        body = shown[round(y1) + 20 : round(y2) - 1, round(x1) + 1 : round(x2) - 1]
        assert body.any() != left


SIDES = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda ends: ends[1] - ends[0] > 0.01)


@given(SIDES, SIDES, st.tuples(st.integers(16, 4096), st.integers(16, 2160)))
def test_a_region_covers_all_its_pixels_at_any_scale_and_less_than_one_more(
    across: list[float], along: list[float], size: tuple[int, int]
) -> None:
    grid = SUBJECT.grid_px
    region = (across[0] * grid[0], along[0] * grid[1], across[1] * grid[0], along[1] * grid[1])
    (mask,) = region_masks([region], SUBJECT, size, (0, 1))
    for axis, (first, last) in enumerate((across, along)):
        begins, ends = mask.box_px[axis], mask.box_px[axis + 2]
        assert first * size[axis] - 1 - 1e-6 < begins <= first * size[axis] + 1e-6
        assert last * size[axis] - 1e-6 <= ends < last * size[axis] + 1 + 1e-6
        assert (begins, ends) == (int(begins), int(ends))
        assert 0 <= begins < ends <= size[axis]


def test_a_region_is_black_at_every_instant_and_over_the_subject_itself() -> None:
    region = subject_box(42.0)
    masks = region_masks([region], SUBJECT, SIZE, (41_000_000_000, 43_000_000_000))
    for t_s in (0.0, 41.0, 42.0, 43.0, 99.0):
        veil = veil_at(round(t_s * NS_PER_S), masks, SUBJECT, SIZE)
        assert veil.black == (masks[0].box_px,)
        assert veil.boxes == veil.yielding == ()
        shown = covered(veil, SIZE)
        assert shown[round(region[1]) : round(region[3]), round(region[0]) : round(region[2])].all()


def test_who_is_wholly_in_a_region_is_not_told_of() -> None:
    regions = region_masks([(400.0, 100.0, 640.0, 300.0)], SUBJECT, SIZE, (0, 1))
    inside, across = (500.0, 200.0, 520.0, 250.0), (390.0, 200.0, 410.0, 250.0)
    seen = plan(at(42.0, inside, VehicleClass.PERSON), at(42.1, across, VehicleClass.PERSON))
    (left,) = seen_outside(seen, regions)
    assert len(seen) == 2
    assert left.box_px[0] < 400 < left.box_px[2]


def test_masks_are_recorded() -> None:
    mask = Mask(41_400_000_000, 42_600_000_000, (1.25, 2.0, 30.04, 40.0), MaskKind.PERSON)
    assert masks_csv([mask]) == b"from_s,until_s,x1,y1,x2,y2,kind\n41.400000,42.600000,1.2,2.0,30.0,40.0,person\n"


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker(load_model(embedded_model()))


def test_threads_may_share_a_masker(masker: Masker) -> None:
    frames = frames_of(ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4", 6.0, 6.3)
    alone = [masker.look(t_ns, frame) for t_ns, frame in frames]
    together: dict[int, Sighting] = {}

    def look(t_ns: int, frame: Any) -> None:
        together[t_ns] = masker.look(t_ns, frame)

    threads = [threading.Thread(target=look, args=pair) for pair in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[t_ns] for t_ns, _ in frames] == alone
    assert any(one.vehicle_class is VehicleClass.PERSON for one in alone[0].detections)


def test_a_network_of_one_size_looks_at_two_halves(masker: Masker) -> None:
    model = load_model(embedded_model())
    fixed = Masker(replace(model, input=model.input.model_copy(update={"dynamic": False})))
    frames = frames_of(ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4", 6.0, 6.01)
    assert fixed.look(*frames[0]).detections
    assert len(fixed._detectors) == 3
    assert len(masker._detectors) in {0, 2}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain_red_runner", "front_view", "rain_runner"])
def test_little_of_the_persons_in_a_recording_is_left_unmasked(name: str, masker: Masker) -> None:
    pytest.importorskip(
        "cv2", reason="the truth about persons is read from the scenes, which need OpenCV (extra 'sim')"
    )
    from sim_fixtures.render.boxes import boxes
    from sim_fixtures.render.cases import CASES

    scene = CASES[name]()
    looked: list[Sighting] = []
    frames = frames_of(ROOT / "sim_fixtures" / name / "video.mp4", 6.0, 9.0)
    size = (frames[0][1].width, frames[0][1].height)
    due_ns = 0
    for t_ns, frame in frames:
        if t_ns >= due_ns:
            looked.append(masker.look(t_ns, frame))
            due_ns = t_ns + LOOK_EVERY_NS
    nobody = replace(SUBJECT, track={})
    masks = plan_masks(looked, nobody, size, masker.low)
    left, whole = Fraction(0), 0
    for t_ns, _ in frames[::5]:
        shown = covered(veil_at(t_ns, masks, nobody, size), size)
        for person in boxes(scene.actors(t_ns / NS_PER_S), scene.camera_at(t_ns / NS_PER_S)):
            if person.label == "person":
                x1, y1, x2, y2 = (round(side) for side in person.box_px)
                part = shown[y1:y2, x1:x2]
                left, whole = left + int(np.count_nonzero(~part)), whole + part.size
    assert whole > 10_000
    assert left / whole < 0.05, float(left / whole)
