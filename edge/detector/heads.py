"""How a network's output becomes boxes: one pure function a head. A new head is one more function in ``HEADS``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from edge.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import float32, intp
    from numpy.typing import NDArray

    from edge.records import Size

_YOLOX_STRIDES = (8, 16, 32)


class Candidates(NamedTuple):
    """``boxes`` (M, 4) as x1, y1, x2, y2 in input pixels and ``scores`` (M, K), one column a wanted class."""

    boxes: NDArray[float32]
    scores: NDArray[float32]


class Head(Protocol):
    """Decodes one picture's output; ``wanted`` are class indices, candidates below ``least`` are left out.

    ``size_px`` is width and height of the input. Raises ModelError where the output has another shape.
    """

    def __call__(self, output: NDArray[float32], size_px: Size, wanted: NDArray[intp], least: float, /) -> Candidates:
        """The candidates, in the order of the output."""
        ...


def decode_stopline(output: NDArray[float32], _size_px: Size, wanted: NDArray[intp], least: float) -> Candidates:
    """Our own export: (1, N, 4 + C), boxes in input pixels and class scores, both ready to use."""
    _check(output, output.ndim == 3 and output.shape[0] == 1, wanted, 4, "(1, N, 4 + classes)")
    rows = output[0]
    scores = rows[:, 4 + wanted]
    likely = scores.max(axis=1) >= least
    return Candidates(rows[likely, :4], scores[likely])


def decode_yolox(output: NDArray[float32], size_px: Size, wanted: NDArray[intp], least: float) -> Candidates:
    """YOLOX (Ge et al., 2021, arXiv:2107.08430) exported without its decoding: (1, N, 5 + C).

    A row holds centre offsets and log sizes in strides of its cell, objectness and class scores after the sigmoid.
    """
    cells = _yolox_cells(size_px)
    shaped = output.ndim == 3 and output.shape[:2] == (1, len(cells))
    _check(output, shaped, wanted, 5, f"(1, {len(cells)}, 5 + classes)")
    likely = np.flatnonzero(output[0, :, 4] >= least)  # no class can score above the objectness
    rows, cells = output[0, likely], cells[likely]
    scores = rows[:, 4:5] * rows[:, 5 + wanted]
    centres = (rows[:, :2] + cells[:, :2]) * cells[:, 2:]
    halves = np.exp(rows[:, 2:4]) * cells[:, 2:] / 2
    boxes = np.concatenate((centres - halves, centres + halves), axis=1)
    kept = scores.max(axis=1, initial=0.0) >= least
    return Candidates(boxes[kept], scores[kept])


def decode_fastestdet(output: NDArray[float32], size_px: Size, wanted: NDArray[intp], least: float) -> Candidates:
    """FastestDet (github.com/dog-qiuqiu/FastestDet): (1, 5 + C, rows, columns), one box a cell.

    Channels are objectness, centre offsets (tanh, in cells), sizes (sigmoid, of the whole input) and class shares; the
    score weighs objectness and class as its authors do, ``objectness ** 0.6 * share ** 0.4``.
    """
    shaped = output.ndim == 4 and output.shape[0] == 1
    _check(output, shaped, wanted, 5, "(1, 5 + classes, rows, columns)", axis=1)
    rows, columns = output.shape[2:]
    flat = output[0].reshape(output.shape[1], -1)
    scores = (flat[0] ** 0.6 * flat[5 + wanted] ** 0.4).T
    likely = np.flatnonzero(scores.max(axis=1) >= least)
    cell = np.stack((likely % columns, likely // columns), axis=1)
    scale = np.array(size_px, np.float32)
    values = flat[1:5, likely].T
    centres = (cell + np.tanh(values[:, :2])) / np.array((columns, rows), np.float32) * scale
    halves = scale / (1 + np.exp(-values[:, 2:])) / 2
    boxes = np.concatenate((centres - halves, centres + halves), axis=1)
    return Candidates(boxes.astype(np.float32), scores[likely])


HEADS: Mapping[str, Head] = {
    "stopline": decode_stopline,
    "yolox": decode_yolox,
    "fastestdet": decode_fastestdet,
}


@lru_cache(maxsize=4)
def _yolox_cells(size_px: Size) -> NDArray[float32]:
    """(N, 3): column, row and stride of every cell, finest level first."""
    levels = []
    for stride in _YOLOX_STRIDES:
        columns, rows = size_px[0] // stride, size_px[1] // stride
        cells = np.arange(rows * columns)
        levels.append(np.stack((cells % columns, cells // columns, np.full(len(cells), stride)), axis=1))
    return np.concatenate(levels).astype(np.float32)


def _check(
    output: NDArray[float32], shaped: bool, wanted: NDArray[intp], values: int, shape: str, *, axis: int = -1
) -> None:
    """ModelError unless the output is ``shaped`` and ``axis`` holds every wanted class after ``values`` values."""
    if not shaped:
        raise ModelError(f"the model's output has the shape {output.shape} where its head gives {shape}: correct head")
    classes = output.shape[axis] - values
    if classes <= int(wanted.max()):
        raise ModelError(f"the model knows {classes} classes but [classes] names index {int(wanted.max())}: correct it")
