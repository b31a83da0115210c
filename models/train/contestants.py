"""The detectors that are measured beside each other, each a call from a picture to vehicles."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from models.train.boxes import Floats, suppress
from models.train.classes import COCO, PERSON
from models.train.data import Picture
from models.train.teacher import Found, session, yolox_grid

if TYPE_CHECKING:
    from pathlib import Path

NMS_IOU = 0.6
AS_IN_NODE, FOR_PRECISION = (0.1, 200), (0.01, 1000)
"""Lowest score, and how many of the best boxes suppression looks at."""
MOST = 100
"""COCO counts at most this many boxes a picture."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Vehicles found in one picture and the milliseconds it took: all told, and in the net alone."""

    vehicles: Found
    whole_ms: float
    net_ms: float


Contestant: TypeAlias = Callable[[Picture], Seen]


def letterbox(picture: Picture, size_px: tuple[int, int], pad: int = 114) -> tuple[Floats, float]:
    """The picture shrunk into the upper left of `size_px` (width, height) as `(1, 3, h, w)`, and the scale."""
    height, width = picture.shape[:2]
    scale = min(size_px[0] / width, size_px[1] / height)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((size_px[1], size_px[0], 3), pad, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas.transpose(2, 0, 1)[None].astype(np.float32), scale


def free_size(picture: Picture, area_px: int, stride: int = 32) -> tuple[int, int]:
    """Width and height near the picture's aspect, multiples of the stride, of about the given area."""
    height, width = picture.shape[:2]
    scale = math.sqrt(area_px / (width * height))
    return (max(1, round(width * scale / stride)) * stride, max(1, round(height * scale / stride)) * stride)


def _vehicles(boxes: Floats, scores: Floats, classes: Floats, lowest: float, considered: int) -> Found:
    """Suppressed vehicles (all as one kind), best first."""
    wanted = np.flatnonzero((classes != PERSON) & (scores > lowest))
    wanted = wanted[scores[wanted].argsort(kind="stable")[::-1][:considered]]
    boxes, scores, classes = boxes[wanted], scores[wanted], classes[wanted]
    kept = suppress(boxes, scores, NMS_IOU)[:MOST]
    return Found(boxes[kept], scores[kept], classes[kept])


def _seen(began_s: float, net_s: float, boxes: Floats, scores: Floats, classes: Floats) -> Seen:
    """Time what a node would do, then look for all that average precision counts, down to the faintest."""
    _vehicles(boxes, scores, classes, *AS_IN_NODE)
    whole_ms = (time.perf_counter() - began_s) * 1e3
    return Seen(_vehicles(boxes, scores, classes, *FOR_PRECISION), whole_ms, net_s * 1e3)


def stopline(path: Path, size_px: tuple[int, int]) -> Contestant:
    """Our own model at the picture's aspect; `size_px` tells the area."""
    run = session(path)

    def look(picture: Picture) -> Seen:
        began = time.perf_counter()
        tensor, scale = letterbox(picture, free_size(picture, size_px[0] * size_px[1]))
        before = time.perf_counter()
        rows = run.run(None, {"images": tensor})[0][0]
        net_s = time.perf_counter() - before
        scores = rows[:, 4:]
        return _seen(began, net_s, rows[:, :4] / scale, scores.max(1), scores.argmax(1).astype(np.float32))

    return look


def yolox(path: Path) -> Contestant:
    """YOLOX at 416x416 as its authors feed it."""
    run = session(path)
    name = run.get_inputs()[0].name
    cells, strides = yolox_grid()
    classes = np.array(list(COCO.values()), np.float32)

    def look(picture: Picture) -> Seen:
        began = time.perf_counter()
        tensor, scale = letterbox(picture, (416, 416))
        before = time.perf_counter()
        rows = run.run(None, {name: tensor})[0][0]
        net_s = time.perf_counter() - before
        scores = rows[:, 5:][:, list(COCO)] * rows[:, 4:5]
        centres, halves = (rows[:, :2] + cells) * strides, np.exp(rows[:, 2:4]) * strides / 2
        boxes = np.asarray(np.concatenate([centres - halves, centres + halves], 1) / scale, np.float32)
        return _seen(began, net_s, boxes, scores.max(1), classes[scores.argmax(1)])

    return look


def fastestdet(path: Path, side_px: int = 352) -> Contestant:
    """FastestDet at 352x352: the picture is stretched, a cell's score is objectness^0.6 * class^0.4."""
    run = session(path)
    name = run.get_inputs()[0].name
    classes = np.array(list(COCO.values()), np.float32)

    def look(picture: Picture) -> Seen:
        began = time.perf_counter()
        small = cv2.resize(picture, (side_px, side_px)).astype(np.float32) / 255
        before = time.perf_counter()
        maps = run.run(None, {name: small.transpose(2, 0, 1)[None]})[0][0]
        net_s = time.perf_counter() - before
        side = maps.shape[1]
        y, x = np.mgrid[:side, :side]
        centre = np.stack([x + np.tanh(maps[1]), y + np.tanh(maps[2])], -1).reshape(-1, 2) / side
        half = 1.0 / (1 + np.exp(-maps[3:5].reshape(2, -1).T)) / 2
        scores = (maps[0][None] ** 0.6 * maps[5:][list(COCO)] ** 0.4).reshape(len(COCO), -1)
        whole = np.tile(picture.shape[1::-1], 2).astype(np.float32)
        boxes = np.asarray(np.concatenate([centre - half, centre + half], 1) * whole, np.float32)
        return _seen(began, net_s, boxes, np.asarray(scores.max(0), np.float32), classes[scores.argmax(0)])

    return look
