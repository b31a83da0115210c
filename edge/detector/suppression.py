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
    rivals = (overlaps(boxes[order]) > most_iou) & (kind[order, None] == kind[order])
    alive: NDArray[bool_] = np.ones(len(order), bool)
    for index in range(len(order)):
        if alive[index]:
            alive[index + 1 :] &= ~rivals[index, index + 1 :]
    return order[alive]


def overlaps(boxes: NDArray[floating]) -> NDArray[floating]:
    """Intersection over union of every pair of boxes (M, 4) as (M, M); 0 for boxes without an area."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = area[:, None] + area[None, :] - shared
    share: NDArray[floating] = shared / np.where(union > 0, union, 1)
    return share
