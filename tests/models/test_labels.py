from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV is installed with the extra 'train' only")

from models.train.augment import PAD, example, recorded, warped
from models.train.classes import BUS, CAR, IGNORED, MOTORCYCLE, PERSON, SOME_VEHICLE
from models.train.data import Sample, completed, read_labels, without_copies

if TYPE_CHECKING:
    from models.train.boxes import Floats


def human(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 5)


def teacher(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 6)


def test_broken_lines_and_foreign_classes_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.2 0.4\n3 0.5 0.5 0.2 0.2\n 0.1\n0 0.1 0.1 0.4 0.4\n", "utf-8")
    rows = read_labels(path, {0: CAR})
    assert np.allclose(rows, [[CAR, 0.4, 0.3, 0.6, 0.7], [CAR, 0, 0, 0.3, 0.3]])


def test_the_teacher_names_a_vehicle_whose_class_is_open() -> None:
    rows = completed(human((SOME_VEHICLE, 0, 0, 0.4, 0.4)), teacher((BUS, 0.6, 0.01, 0, 0.4, 0.4)))
    assert rows[:, 0].tolist() == [BUS]


def test_a_named_vehicle_keeps_its_name_and_its_box() -> None:
    rows = completed(human((CAR, 0, 0, 0.4, 0.4)), teacher((BUS, 0.9, 0.01, 0, 0.4, 0.4)))
    assert np.allclose(rows, [[CAR, 0, 0, 0.4, 0.4]])


def test_what_only_the_teacher_sees_is_added_or_when_unsure_ignored() -> None:
    rows = completed(human(), teacher((CAR, 0.8, 0, 0, 0.2, 0.2), (CAR, 0.2, 0.5, 0.5, 0.7, 0.7)))
    assert sorted(rows[:, 0].tolist()) == [IGNORED, CAR]


def test_a_part_of_a_labelled_vehicle_is_no_further_one() -> None:
    rows = completed(human((CAR, 0, 0, 0.8, 0.8)), teacher((CAR, 0.9, 0.1, 0.1, 0.3, 0.3)))
    assert len(rows) == 1


def test_a_rider_belongs_to_the_motorcycle() -> None:
    rows = completed(human(), teacher((MOTORCYCLE, 0.7, 0.4, 0.5, 0.6, 0.8), (PERSON, 0.7, 0.42, 0.3, 0.58, 0.7)))
    assert rows[:, 0].tolist() == [MOTORCYCLE]
    assert np.allclose(rows[0, 1:], [0.4, 0.3, 0.6, 0.8])


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (9, 16, 3)).astype(np.uint8).repeat(20, 0).repeat(20, 1)


def test_mirrored_copies_of_held_out_pictures_are_dropped(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "held.png"
    cv2.imwrite(str(path), picture(1))
    mirrored = Sample(Path("m"), "rendered", human(), np.ascontiguousarray(picture(1)[:, ::-1]))
    other = Sample(Path("o"), "rendered", human(), picture(2))
    kept = without_copies([mirrored, other], [Sample(path, "rendered", human())])
    assert [s.path.name for s in kept] == ["o"]


@pytest.mark.parametrize("mosaic", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_boxes_stay_on_their_vehicles_through_augmentation(mosaic: bool, seed: int) -> None:
    bgr = np.full((180, 320, 3), 90, np.uint8)
    bgr[60:120, 100:200] = (0, 0, 255)
    rows = human((CAR, 100 / 320, 60 / 180, 200 / 320, 120 / 180))
    made = example([Sample(Path(), "rendered", rows, bgr)] * 4, (256, 160), np.random.default_rng(seed), mosaic=mosaic)
    assert made.bgr.shape == (160, 256, 3)
    for kind, x1, y1, x2, y2 in made.rows:
        assert 0 <= x1 < x2 <= 256
        assert 0 <= y1 < y2 <= 160
        inside = made.bgr[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1].astype(int)
        if kind == CAR and x2 - x1 > 12 and y2 - y1 > 12:
            outside = np.median(made.bgr.reshape(-1, 3), 0)
            assert np.abs(np.median(inside.reshape(-1, 3), 0) - outside).max() > 8


@pytest.mark.parametrize(
    "move", [(0.8, 0.8, 0.0, 0.0), (-0.8, 0.8, 256.0, 0.0), (0.3, 0.3, 90.0, 20.5), (-1.7, 1.7, 430.25, -60.0)]
)
def test_a_scaled_or_mirrored_picture_lies_exactly_under_its_labels(move: tuple[float, float, float, float]) -> None:
    bgr = np.full((180, 320, 3), PAD, np.uint8)
    bgr[60:120, 110:190] = 255
    light = warped(bgr, move, (256, 160))[..., 0].astype(float) - PAD
    sx, sy, left, top = move
    assert light.sum(0) @ (np.arange(256) + 0.5) / light.sum() == pytest.approx(150 * sx + left, abs=0.06)
    assert light.sum(1) @ (np.arange(160) + 0.5) / light.sum() == pytest.approx(90 * sy + top, abs=0.06)


def test_a_recorded_picture_keeps_its_place_and_loses_detail() -> None:
    bgr = picture(3)
    rng = np.random.default_rng(0)
    fine, coarse = (np.abs(recorded(bgr, crf, rng).astype(int) - bgr).mean() for crf in (18, 42))
    assert fine < 6 < coarse
