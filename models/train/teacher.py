"""Boxes that a larger public detector finds, at high resolution, to complete human labels.

The teacher is YOLOX-nano (input 416x416, BGR 0-255, padded with 114). Every picture is looked at whole and in four
overlapping tiles, each plain and mirrored; boxes cut by an inner tile edge are dropped and the rest is fused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime as ort

from models.train.boxes import Floats, ious
from models.train.classes import COCO, NATURAL_ASPECT, PERSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SIDE_PX = 416
TILE_SHARE = 0.6
FUSE_IOU = 0.55
LOWEST_SCORE = 0.12


@dataclass(frozen=True, slots=True)
class Found:
    """Detections in one picture: boxes `(n, 4)` in its pixels, scores `(n,)`, classes `(n,)` of ours."""

    boxes_px: Floats
    scores: Floats
    classes: Floats

    @classmethod
    def join(cls, parts: list[Found]) -> Found:
        """All detections of several parts of one picture."""
        return cls(
            np.concatenate([p.boxes_px for p in parts]),
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.classes for p in parts]),
        )


def session(path: Path, threads: int = 1) -> ort.InferenceSession:
    """A CPU session that leaves the other cores alone."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def yolox_grid(side_px: int = SIDE_PX) -> tuple[Floats, Floats]:
    """Cell origins `(n, 2)` in cells and strides `(n, 1)` in pixels, in the order of YOLOX's output rows."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        n = side_px // stride
        y, x = np.mgrid[:n, :n]
        cells.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((n * n, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


class Teacher:
    """YOLOX-nano, asked for our classes."""

    def __init__(self, path: Path) -> None:
        self._session = session(path)
        self._input = self._session.get_inputs()[0].name
        self._cells, self._strides = yolox_grid()

    def look(self, picture: np.ndarray, lowest: float = LOWEST_SCORE) -> Found:
        """Detections in one BGR picture of any size, before suppression."""
        height, width = picture.shape[:2]
        scale = min(SIDE_PX / height, SIDE_PX / width)
        small = cv2.resize(picture, (round(width * scale), round(height * scale)))
        canvas = np.full((SIDE_PX, SIDE_PX, 3), 114, np.float32)
        canvas[: small.shape[0], : small.shape[1]] = small
        rows = self._session.run(None, {self._input: canvas.transpose(2, 0, 1)[None]})[0][0]
        scores = rows[:, 5:][:, list(COCO)] * rows[:, 4:5]
        best = scores.argmax(1)
        keep = scores.max(1) > lowest
        centres = (rows[:, :2] + self._cells) * self._strides
        halves = np.exp(rows[:, 2:4]) * self._strides / 2
        boxes = np.concatenate([centres - halves, centres + halves], 1)[keep] / scale
        classes = np.array(list(COCO.values()), np.float32)[best]
        return Found(boxes.astype(np.float32), scores.max(1)[keep], classes[keep])

    def look_closely(self, picture: np.ndarray) -> Found:
        """Fused detections of the whole picture and its tiles, plain and mirrored."""
        plain = self._tiled(picture)
        mirrored = self._tiled(np.ascontiguousarray(picture[:, ::-1]))
        boxes = mirrored.boxes_px.copy()
        boxes[:, [0, 2]] = picture.shape[1] - boxes[:, [2, 0]]
        return fuse([plain, Found(boxes, mirrored.scores, mirrored.classes)])

    def _tiled(self, picture: np.ndarray) -> Found:
        height, width = picture.shape[:2]
        parts = [self.look(picture)]
        tile_h, tile_w = int(height * TILE_SHARE), int(width * TILE_SHARE)
        for top in (0, height - tile_h):
            for left in (0, width - tile_w):
                found = self.look(picture[top : top + tile_h, left : left + tile_w])
                parts.append(_placed(found, (left, top), (tile_w, tile_h), (width, height)))
        return Found.join(parts)


def _placed(found: Found, at_px: tuple[int, int], tile_px: tuple[int, int], whole_px: tuple[int, int]) -> Found:
    """A tile's detections in the whole picture, without those that an inner edge of the tile cuts."""
    boxes, margin = found.boxes_px, 4
    whole = np.ones(len(boxes), bool)
    for axis in (0, 1):
        if at_px[axis] > 0:
            whole &= boxes[:, axis] > margin
        if at_px[axis] + tile_px[axis] < whole_px[axis]:
            whole &= boxes[:, axis + 2] < tile_px[axis] - margin
    offset = np.array([*at_px, *at_px], np.float32)
    return Found(boxes[whole] + offset, found.scores[whole], found.classes[whole])


def fuse(views: list[Found]) -> Found:
    """One box per object: clusters by overlap (vehicles as one kind), coordinates averaged by score.

    The score is the mean over the views of each view's best, so that what only one view sees counts half.
    """
    every = Found.join(views)
    view = np.concatenate([np.full(len(v.scores), i) for i, v in enumerate(views)])
    left = every.scores.argsort(kind="stable")[::-1]
    boxes, scores, classes = [], [], []
    while len(left):
        best = left[0]
        alike = (every.classes[left] == PERSON) == (every.classes[best] == PERSON)
        near = alike & (ious(every.boxes_px[best][None], every.boxes_px[left])[0] > FUSE_IOU)
        near[0] = True
        members = left[near]
        weights = every.scores[members]
        boxes.append((every.boxes_px[members] * weights[:, None]).sum(0) / weights.sum())
        scores.append(sum(max(weights[view[members] == i], default=0.0) for i in range(len(views))) / len(views))
        classes.append(every.classes[best])
        left = left[~near]
    shape = np.array(boxes, np.float32).reshape(-1, 4)
    return Found(shape, np.array(scores, np.float32), np.array(classes, np.float32))


def natural_size(dataset: str, width_px: int, height_px: int) -> tuple[int, int]:
    """Width and height of a picture with its makers' stretching to a square undone."""
    if width_px != height_px or dataset not in NATURAL_ASPECT:
        return width_px, height_px
    return width_px, round(width_px / NATURAL_ASPECT[dataset])


def _pictures(datasets: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(datasets.glob("*/*/images/*.jpg")):
        yield path.relative_to(datasets).parts[0], path


def label_all(teacher_path: Path, datasets: Path, cache: Path) -> None:
    """Write what the teacher sees in every picture to `cache` (JSON lines: file, rows of class, score, box 0-1)."""
    done = {json.loads(line)["file"] for line in _lines(cache)}
    teacher = Teacher(teacher_path)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("a", encoding="ascii") as out:
        for dataset, path in _pictures(datasets):
            name = str(path.relative_to(datasets))
            if name in done:
                continue
            picture = cv2.imread(str(path))
            assert picture is not None, path
            size = natural_size(dataset, picture.shape[1], picture.shape[0])
            found = teacher.look_closely(cv2.resize(picture, size))
            unit = found.boxes_px / np.array([*size, *size], np.float32)
            rows = np.concatenate([found.classes[:, None], found.scores[:, None], unit.clip(0, 1)], 1)
            out.write(json.dumps({"file": name, "rows": rows.round(5).tolist()}) + "\n")
            out.flush()


def _lines(cache: Path) -> Iterable[str]:
    return cache.read_text("ascii").splitlines() if cache.exists() else ()


def cached(cache: Path) -> dict[str, Floats]:
    """File → rows of class, score, x1, y1, x2, y2 in 0-1, as `label_all` wrote them."""
    read = map(json.loads, _lines(cache))
    return {r["file"]: np.array(r["rows"], np.float32).reshape(-1, 6) for r in read}
