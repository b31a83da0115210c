from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.heads import HEADS, decode_fastestdet, decode_stopline, decode_yolox
from edge.detector.suppression import MOST_CANDIDATES, keep_best, overlaps
from edge.errors import ModelError

SIZE = (64, 96)  # width, height
CAR, TRUCK = 2, 7
WANTED = np.array([CAR, TRUCK])


def logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def test_stopline_boxes_come_ready() -> None:
    output = np.zeros((1, 3, 4 + 3), np.float32)
    output[0, 1] = (1, 2, 30, 40, 0.0, 0.3, 0.9)
    found = decode_stopline(output, SIZE, np.array([1, 2]), 0.2)
    assert found.boxes.tolist() == [[1, 2, 30, 40]]
    assert found.scores == pytest.approx(np.array([[0.3, 0.9]]))


@pytest.mark.parametrize(
    ("row", "stride", "cell"), [(8 * 12 - 1, 8, (7, 11)), (96 + 5, 16, (1, 1)), (96 + 24 + 3, 32, (1, 1))]
)
def test_yolox_boxes_are_decoded_in_their_cell(row: int, stride: int, cell: tuple[int, int]) -> None:
    output = np.zeros((1, 96 + 24 + 6, 5 + 80), np.float32)
    output[0, row, :5] = (0.25, 0.5, np.log(2.0), np.log(3.0), 0.8)
    output[0, row, 5 + CAR], output[0, row, 5 + 0] = 0.5, 1.0  # a person, which nobody asked for
    found = decode_yolox(output, SIZE, WANTED, 0.1)
    x, y = (cell[0] + 0.25) * stride, (cell[1] + 0.5) * stride
    expected = [x - stride, y - 1.5 * stride, x + stride, y + 1.5 * stride]
    assert found.boxes[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert found.scores.tolist() == [pytest.approx([0.4, 0.0])]
    assert len(decode_yolox(output, SIZE, WANTED, 0.41).boxes) == 0


def test_fastestdet_boxes_are_decoded_in_their_cell() -> None:
    output = np.zeros((1, 5 + 80, 6, 4), np.float32)
    output[0, :5, 2, 3] = (0.5, np.arctanh(0.25), np.arctanh(-0.5), logit(0.25), logit(0.5))
    output[0, 5 + TRUCK, 2, 3] = 0.7
    found = decode_fastestdet(output, SIZE, WANTED, 0.1)
    x, y = (3 + 0.25) / 4 * 64, (2 - 0.5) / 6 * 96
    assert found.boxes[0].tolist() == pytest.approx([x - 8, y - 24, x + 8, y + 24], abs=1e-4)
    assert found.scores.tolist() == [pytest.approx([0.0, 0.5**0.6 * 0.7**0.4])]


@pytest.mark.parametrize("head", sorted(HEADS))
def test_an_output_of_another_shape_is_a_model_error(head: str) -> None:
    for shape in ((1, 5, 3), (2, 126, 85), (1, 7, 85, 2, 2), (5,)):
        with pytest.raises(ModelError, match=r"correct (head|it)"):
            HEADS[head](np.zeros(shape, np.float32), SIZE, WANTED, 0.1)


@pytest.mark.parametrize("head", sorted(HEADS))
def test_an_empty_road_gives_no_candidates(head: str) -> None:
    shape = (1, 85, 3, 2) if head == "fastestdet" else (1, 126, 85)
    found = HEADS[head](np.zeros(shape, np.float32), SIZE, WANTED, 0.1)
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0, 2)


BOXES = st.lists(st.tuples(*(st.integers(0, 60),) * 4, st.integers(1, 100), st.integers(0, 1)), max_size=40).map(
    lambda rows: np.array(rows, float).reshape(-1, 6)
)


@given(BOXES, st.sampled_from([0.3, 0.6]))
def test_suppression_keeps_the_best_and_drops_only_what_a_better_one_covers(rows: np.ndarray, most_iou: float) -> None:
    boxes = np.concatenate((rows[:, :2], rows[:, :2] + rows[:, 2:4]), axis=1)
    scores, kind = rows[:, 4], rows[:, 5].astype(int)
    kept = keep_best(boxes, scores, kind, most_iou).tolist()
    iou = overlaps(boxes)
    rival = (iou > most_iou) & (kind[:, None] == kind)
    assert not any(rival[a, b] for a in kept for b in kept if a != b)
    for index in set(range(len(rows))) - set(kept):
        assert any(rival[index, other] and scores[other] >= scores[index] for other in kept)
    assert scores[kept].tolist() == sorted(scores[kept], reverse=True)


def test_suppression_is_bounded() -> None:
    boxes = np.array([(10 * i, 0, 10 * i + 5, 5) for i in range(500)], float)
    assert len(keep_best(boxes, np.arange(500.0), np.zeros(500, int), 0.5)) == MOST_CANDIDATES


def test_overlap_of_two_boxes() -> None:
    iou = overlaps(np.array([(0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 20, 20)], float))
    assert iou[0, 1] == pytest.approx(1 / 3)
    assert iou[2].tolist() == [0, 0, 0]
