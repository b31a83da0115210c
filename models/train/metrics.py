"""Average precision with its uncertainty: COCO's own figure, and intervals by resampling pictures."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.train.boxes import Floats, covered, ious
from models.train.classes import IGNORED, PERSON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.train.teacher import Found

RECALL_POINTS = np.linspace(0, 1, 101)
RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Judged:
    """Detections of one picture against its truth at IoU 0.5.

    `scores`, `right`: one entry for each detection that counts (those on ignored regions do not).
    `found_at`, `found_px`: for each true vehicle the score (0 if none) and the box `(n, 4)` of the detection that found
    it; `rows` are those vehicles.
    """

    scores: Floats
    right: NDArray[np.bool_]
    found_at: Floats
    found_px: Floats
    rows: Floats


def vehicles_of(rows: Floats) -> Floats:
    """Rows of vehicles and ignored regions, without persons."""
    return np.asarray(rows[rows[:, 0] != PERSON], np.float32)


def judge(found: Found, rows: Floats, min_iou: float = 0.5) -> Judged:
    """Greedy matching, best score first, as COCO does; `rows` `(n, 5)` in pixels."""
    rows = vehicles_of(rows)
    ignored = rows[rows[:, 0] == IGNORED, 1:]
    objects = rows[rows[:, 0] != IGNORED]
    overlap = ious(found.boxes_px, objects[:, 1:])
    on_ignored = covered(found.boxes_px, ignored).max(1, initial=0) >= min_iou
    found_at = np.zeros(len(objects), np.float32)
    found_px = np.zeros((len(objects), 4), np.float32)
    right = np.zeros(len(found.scores), bool)
    for i in found.scores.argsort(kind="stable")[::-1]:
        free = np.where(found_at > 0, -1.0, overlap[i])
        if len(free) and free.max() >= min_iou:
            found_at[int(free.argmax())] = found.scores[i]
            found_px[int(free.argmax())] = found.boxes_px[i]
            right[i] = True
    counts = right | ~on_ignored
    return Judged(found.scores[counts], right[counts], found_at, found_px, objects)


def average_precision(judged: list[Judged]) -> float:
    """COCO's 101-point average precision over all pictures."""
    total = sum(len(j.rows) for j in judged)
    scores = np.concatenate([j.scores for j in judged]) if judged else np.zeros(0)
    if not total or not len(scores):
        return 0.0
    order = scores.argsort(kind="stable")[::-1]
    right = np.concatenate([j.right for j in judged])[order].cumsum()
    recall = right / total
    precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
    at = np.searchsorted(recall, RECALL_POINTS, side="left")
    return float(np.where(at < len(precision), precision[np.minimum(at, len(precision) - 1)], 0.0).mean())


def interval(judged: list[Judged], seed: int = 0) -> tuple[float, float]:
    """95 % interval of the average precision by drawing the pictures anew, with replacement."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(judged), (RESAMPLES, len(judged)))
    values = [average_precision([judged[i] for i in draw]) for draw in draws]
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def rates(judged: list[Judged], threshold: float) -> tuple[float, float]:
    """Recall and precision of what scores at least `threshold`."""
    found = np.concatenate([j.found_at for j in judged])
    right = sum(int(j.right[j.scores >= threshold].sum()) for j in judged)
    said = sum(int((j.scores >= threshold).sum()) for j in judged)
    return float((found >= threshold).mean()) if len(found) else 0.0, right / max(1, said)


def ground_errors(judged: Judged, size_px: tuple[int, int], threshold: float) -> Floats:
    """How far off the lower side of each vehicle's box is, down, and its middle, to the right: `(n, 2)` in pixels.

    Pixels are those of a picture 360 high. NaN where nothing of at least `threshold` found the vehicle; also down where
    the picture's lower edge cuts it, and to the right where a side edge does.
    """
    true, found = judged.rows[:, 1:], judged.found_px
    right = (found[:, 0] + found[:, 2] - true[:, 0] - true[:, 2]) / 2
    errors = np.stack([found[:, 3] - true[:, 3], right], 1) * 360 / size_px[1]
    errors[judged.found_at < max(threshold, 1e-6)] = np.nan
    errors[true[:, 3] > size_px[1] - 3, 0] = np.nan
    errors[(true[:, 0] < 3) | (true[:, 2] > size_px[0] - 3), 1] = np.nan
    return np.asarray(errors, np.float32)


def parts(found: Found, rows: Floats, threshold: float) -> int:
    """Detections of at least `threshold` that are a part of a vehicle: mostly inside one, overlapping none by half."""
    said = found.boxes_px[found.scores >= threshold]
    objects = vehicles_of(rows)[:, 1:]
    inside, overlap = covered(said, objects).max(1, initial=0), ious(said, objects).max(1, initial=0)
    return int(((inside > 0.7) & (overlap < 0.5)).sum())


def best_threshold(judged: list[Judged]) -> float:
    """The threshold with the best F1."""

    def f1(threshold: float) -> float:
        recall, precision = rates(judged, threshold)
        return 2 * recall * precision / max(1e-9, recall + precision)

    return float(max(np.arange(0.1, 0.9, 0.01), key=f1))


def coco(founds: list[Found], labels: list[Floats], sizes_px: list[tuple[int, int]]) -> dict[str, float]:
    """AP50, AP50-95 and AP50-95 by size of the one class 'vehicle', by faster-coco-eval."""
    from faster_coco_eval import COCO, COCOeval_faster  # type: ignore[import-untyped]

    truth: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for i, (found, rows) in enumerate(zip(founds, labels, strict=True)):
        for row in vehicles_of(rows):
            box = _corner_and_size(row[1:])
            crowd = int(row[0] == IGNORED)
            common = {"image_id": i, "category_id": 1, "bbox": box, "iscrowd": crowd, "ignore": crowd}
            truth.append({**common, "id": len(truth) + 1, "area": box[2] * box[3]})
        for box_px, score in zip(found.boxes_px, found.scores, strict=True):
            said.append({"image_id": i, "category_id": 1, "bbox": _corner_and_size(box_px), "score": float(score)})
    images = [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes_px)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth_set = COCO({"images": images, "annotations": truth, "categories": [{"id": 1, "name": "vehicle"}]})
        run = COCOeval_faster(truth_set, truth_set.loadRes(said), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    names = {"ap50": "AP_50", "ap50_95": "AP_all", "small": "AP_small", "medium": "AP_medium", "large": "AP_large"}
    return {ours: float(run.stats_as_dict[theirs]) for ours, theirs in names.items()}


def _corner_and_size(box: Floats) -> list[float]:
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]
