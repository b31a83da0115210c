"""Plain box arithmetic in numpy: overlaps and suppression. Boxes are `(n, 4)` x1, y1, x2, y2 in pixels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]


def areas(boxes: Floats) -> Floats:
    """Area of each box, 0 for an empty one."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1), dtype=np.float32)


def intersections(a: Floats, b: Floats) -> Floats:
    """Intersection areas of every box of `a` (n) with every box of `b` (m), shape (n, m)."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray((bottom_right - top_left).clip(0).prod(2), dtype=np.float32)


def ious(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every pair, shape (n, m)."""
    both = intersections(a, b)
    return np.asarray(both / (areas(a)[:, None] + areas(b)[None] - both + 1e-6), dtype=np.float32)


def covered(a: Floats, b: Floats) -> Floats:
    """Share of each box of `a` that lies inside each box of `b`, shape (n, m)."""
    return np.asarray(intersections(a, b) / (areas(a)[:, None] + 1e-6), dtype=np.float32)


def suppress(boxes: Floats, scores: Floats, max_iou: float) -> Ints:
    """Greedy non-maximum suppression: indices kept, best score first."""
    order = scores.argsort(kind="stable")[::-1]
    near = ious(boxes[order], boxes[order]) >= max_iou
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~near[i, i + 1 :]
    return np.asarray(order[alive], np.int64)
