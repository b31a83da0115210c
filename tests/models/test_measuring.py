from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV is installed with the extra 'train' only")

from models.train.card import filled
from models.train.contestants import free_size, letterbox
from models.train.metrics import average_precision, best_threshold, coco, ground_errors, interval, judge, parts
from models.train.teacher import Found

if TYPE_CHECKING:
    from models.train.boxes import Floats

CARD = (
    "a\n<!-- comparison -->\nold\n<!-- end -->\n<!-- conditions -->\n<!-- end -->\n<!-- recalls -->\n<!-- end -->\n"
    "<!-- ground -->\n<!-- end -->\nz\n"
)


def measured() -> dict[str, object]:
    share = {"boxes": 3, "recall": 0.5}
    ours = {
        "ap50": 0.9,
        "ap50_95": 0.6,
        "ap50_interval": [0.85, 0.95],
        "recall_at_high": 0.8,
        "precision_at_high": 0.7,
        "ap50_by_condition": {"night": {"pictures": 2, "ap50": 0.4, "interval": [0.3, 0.5]}},
        "recall_by_class": {"bus": share},
        "recall_by_height_px": {"16-32": share},
        "ground": {
            "bus": {"vehicles": 3, "down_px": [-1.0, 0.5, 2.0], "right_px": [0, 0, 0.1], "down_share": [-0.1, 0, 0.2]}
        },
        "median_ms": 7.5,
        "median_net_ms": 6.5,
    }
    return {"set": {"pictures": 2, "boxes": 3, "labels": "exact", "detectors": {"stopline-s": ours}}}


def test_the_card_gets_its_figures_and_keeps_its_text() -> None:
    once = filled(CARD, measured())
    assert "old" not in once
    assert "0.900 (0.850 to 0.950)" in once
    assert "| set | bus | 3 | 0.500 |" in once
    assert "| set: bus | 3 | -1.0, +0.5, +2.0 | -10, +0, +20 | +0.0, +0.0, +0.1 |" in once
    assert once.startswith("a\n")
    assert once.endswith("z\n")
    assert filled(once, measured()) == once


def test_a_card_without_a_place_is_refused() -> None:
    with pytest.raises(SystemExit, match="comparison"):
        filled("nothing here", measured())


@pytest.mark.parametrize("shape", [(360, 640), (640, 640), (1080, 1920), (300, 900)])
def test_the_input_keeps_area_and_aspect(shape: tuple[int, int]) -> None:
    picture = np.zeros((*shape, 3), np.uint8)
    width, height = free_size(picture, 512 * 288)
    assert width % 32 == height % 32 == 0
    assert 0.85 < width * height / (512 * 288) < 1.15
    tensor, scale = letterbox(picture, (width, height))
    assert tensor.shape == (1, 3, height, width)
    assert round(shape[1] * scale) <= width


def some_scene(seed: int) -> tuple[Found, Floats]:
    """Vehicles, most of them found a little off, and a few false boxes."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 500, (12, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 90, (12, 2))], 1).astype(np.float32)
    shaken = boxes[:9] + rng.normal(0, 4, (9, 4))
    said = np.concatenate([shaken, boxes[9:] + 300]).astype(np.float32)
    rows = np.concatenate([np.zeros((12, 1)), boxes], 1).astype(np.float32)
    return Found(said, rng.uniform(0.1, 1, 12).astype(np.float32), np.zeros(12, np.float32)), rows


def test_our_average_precision_is_that_of_coco() -> None:
    pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is installed with the extra 'train' only")
    scenes = [some_scene(seed) for seed in range(20)]
    theirs = coco([f for f, _ in scenes], [r for _, r in scenes], [(1000, 1000)] * 20)["ap50"]
    judged = [judge(f, r) for f, r in scenes]
    assert average_precision(judged) == pytest.approx(theirs, abs=0.002)
    low, high = interval(judged)
    assert low < theirs < high
    assert 0.1 <= best_threshold(judged) < 0.9


def test_a_box_that_reaches_too_far_down_is_told_in_pixels_of_a_picture_360_high() -> None:
    rows = np.array([[0, 100, 100, 200, 200], [0, 300, 650, 400, 720], [0, 600, 100, 700, 200]], np.float32)
    said = rows[:2, 1:] + np.array([[2, 0, 6, 8], [0, 0, 0, -4]], np.float32)
    found = Found(said, np.array([0.9, 0.8], np.float32), np.zeros(2, np.float32))
    errors = ground_errors(judge(found, rows), (1280, 720), 0.3)
    assert errors[0].tolist() == pytest.approx([4.0, 2.0])
    assert np.isnan(errors[1, 0])  # the picture's edge cuts it
    assert errors[1, 1] == 0
    assert np.isnan(errors[2]).all()  # not found
    assert np.isnan(ground_errors(judge(found, rows), (1280, 720), 0.95)).all()


def test_a_box_on_a_part_of_a_vehicle_is_counted() -> None:
    rows = np.array([[3, 100, 100, 200, 300]], np.float32)
    boxes = np.array([[100, 100, 200, 300], [105, 100, 195, 160], [400, 100, 480, 160]], np.float32)
    found = Found(boxes, np.array([0.9, 0.7, 0.8], np.float32), np.zeros(3, np.float32))
    assert parts(found, rows, 0.5) == 1
    assert parts(found, rows, 0.75) == 0
