"""Non-maximum suppression: one box an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import bool_, floating, intp
    from numpy.typing import NDArray

# More objects than an approach can hold; bounds the time that a noisy picture may take.
MOST_CANDIDATES = 200


def keep_best(
    boxes: NDArray[floating], scores: NDArray[floating], kind: NDArray[intp], most_iou: float
) -> NDArray[intp]:
    """Indices of the boxes (M, 4) kept, best score first: none overlaps a better one of its ``kind`` (M,) too much.

    Greedy, over the best ``MOST_CANDIDATES``; equal scores keep their order, so that the result is always the same.
    """
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    compatible = (overlaps(boxes[order]) <= most_iou) | (kind[order, None] != kind[order])
    alive: NDArray[bool_] = np.ones(len(order), bool)
    for index in range(len(order)):
        if alive[index]:
            alive[index + 1 :] &= compatible[index, index + 1 :]
    return order[alive]


def overlaps(boxes: NDArray[floating]) -> NDArray[floating]:
    """Intersection over union of every pair of boxes (M, 4) as (M, M); 0 for boxes without an area."""
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T)
    width = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    height = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area = (x2 - x1) * (y2 - y1)
    union = area[:, None] + area - shared
    share: NDArray[floating] = shared / np.where(union > 0, union, 1)
    return share
