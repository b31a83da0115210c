from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("cv2", reason="OpenCV is installed with the extra 'train' only")

from models.train.card import filled
from models.train.contestants import free_size, letterbox
from models.train.metrics import average_precision, best_threshold, coco, interval, judge
from models.train.teacher import Found

if TYPE_CHECKING:
    from models.train.boxes import Floats

CARD = (
    "a\n<!-- comparison -->\nold\n<!-- end -->\n<!-- conditions -->\n<!-- end -->\n<!-- recalls -->\n<!-- end -->\nz\n"
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
        "median_ms": 7.5,
        "median_net_ms": 6.5,
    }
    return {"set": {"pictures": 2, "boxes": 3, "labels": "exact", "detectors": {"stopline-s": ours}}}


def test_the_card_gets_its_figures_and_keeps_its_text() -> None:
    once = filled(CARD, measured())
    assert "old" not in once
    assert "0.900 (0.850 to 0.950)" in once
    assert "| set | bus | 3 | 0.500 |" in once
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
