from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("cv2", reason="OpenCV is installed with the extra 'train' only")

from models.train.boxes import Floats, covered, ious, suppress
from models.train.metrics import average_precision, judge
from models.train.teacher import Found, fuse


def boxes(*rows: tuple[float, float, float, float]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


corner = st.floats(0, 100, width=32)
size = st.floats(1, 100, width=32)
box = st.tuples(corner, corner, size, size).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


@given(box, box)
def test_overlap_is_symmetric_and_bounded(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    one, other = np.array([a], np.float32), np.array([b], np.float32)
    assert 0 <= ious(one, other)[0, 0] <= 1
    assert np.isclose(ious(one, other), ious(other, one)).all()
    assert ious(one, one)[0, 0] > 0.99


def test_half_of_a_box_inside_another() -> None:
    assert np.isclose(covered(boxes((0, 0, 10, 10)), boxes((5, 0, 50, 50)))[0, 0], 0.5)


def test_suppression_keeps_the_best_of_a_cluster_and_what_stands_apart() -> None:
    found = boxes((0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60))
    assert suppress(found, np.array([0.5, 0.9, 0.3], np.float32), 0.5).tolist() == [1, 2]


def test_what_one_view_alone_sees_counts_half() -> None:
    car, once = (0.0, 0.0, 10.0, 10.0), (40.0, 40.0, 60.0, 60.0)
    plain = Found(boxes(car, once), np.array([0.8, 0.6], np.float32), np.zeros(2, np.float32))
    mirrored = Found(boxes(car), np.array([0.8], np.float32), np.zeros(1, np.float32))
    fused = fuse([plain, mirrored])
    assert np.allclose(sorted(fused.scores), [0.3, 0.8])


def test_perfect_detections_have_precision_one() -> None:
    truth = np.array([[0, 0, 0, 10, 10], [2, 30, 30, 60, 60]], np.float32)
    found = Found(truth[:, 1:], np.array([0.9, 0.8], np.float32), truth[:, 0])
    assert average_precision([judge(found, truth)]) == 1.0


def test_a_second_box_on_one_vehicle_is_false_and_one_on_an_ignored_place_is_not_counted() -> None:
    truth = np.array([[0, 0, 0, 10, 10], [-2, 30, 30, 60, 60]], np.float32)
    found = Found(
        boxes((0, 0, 10, 10), (0, 0, 10, 9), (31, 31, 59, 59)), np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, "f4")
    )
    judged = judge(found, truth)
    assert judged.right.tolist() == [True, False]
