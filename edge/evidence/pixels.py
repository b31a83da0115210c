"""Pixelation: boxes of a picture become the means of coarse blocks, or black; what was there cannot be had back."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import ColorRange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy import bool_, uint8
    from numpy.typing import NDArray

    from edge.records import Box, Size

_PLANAR_420 = ("yuv420p", "yuvj420p")
_BLOCKS_ACROSS = 54  # a head at the stop line is one or two blocks wide
_LEAST_BLOCK_PX = 8
_MOST_BLOCKS_A_BOX = 6
_NO_COLOUR = 128
_BLACK = 16  # in limited range; 0 in full range


@dataclass(frozen=True, slots=True)
class Veil:
    """What of one picture is masked, in its pixels: ``boxes`` whole, ``yielding`` but for what lies in ``kept``.

    ``black`` is blackened whatever else is masked or kept.
    """

    boxes: tuple[Box, ...] = ()
    yielding: tuple[Box, ...] = ()
    kept: Box | None = None
    black: tuple[Box, ...] = ()


def pixelated(frame: av.VideoFrame, veil: Veil) -> av.VideoFrame:
    """A copy of a picture, in 4:2:0, with what is masked replaced by the means of coarse blocks.

    Every block that a box touches is masked whole. Large boxes get larger blocks, so that nearness shows no more.
    What is black is blackened before, so that no mean has anything of it, and after, so that no mean lightens it.
    """
    plain = frame if frame.format.name in _PLANAR_420 else frame.reformat(format="yuv420p")
    size_px = frame.width, frame.height
    yielding, certain = _levels(veil.yielding, size_px), _levels(veil.boxes, size_px)
    masked = av.VideoFrame(*size_px, plain.format.name)
    masked.colorspace, masked.color_range = plain.colorspace, plain.color_range
    levels = _black_level(plain), _NO_COLOUR, _NO_COLOUR
    for source, target, step, level in zip(plain.planes, masked.planes, (1, 2, 2), levels, strict=True):
        width, height = -(-frame.width // step), -(-frame.height // step)
        decoded = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)[:height, :width]
        pixels = original = _blackened(decoded, veil.black, step, level)
        for side, cells in yielding:
            pixels = _averaged(pixels, cells, side // step)
        if yielding and veil.kept is not None:
            rows, columns = _inner(veil.kept, step)
            pixels[rows, columns] = original[rows, columns]
        for side, cells in certain:
            pixels = _averaged(pixels, cells, side // step)
        room = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
        room[:height, :width] = _blackened(pixels, veil.black, step, level)
    return masked


def covered(veil: Veil, size_px: Size) -> NDArray[bool_]:
    """Which pixels (height, width) of a picture ``pixelated`` masks."""
    shown = _cover(veil.yielding, size_px)
    if veil.kept is not None:
        shown[_inner(veil.kept, 1)] = False
    shown |= _cover(veil.boxes, size_px)
    for box in veil.black:
        shown[_outer(box, 1)] = True
    return shown


def _cover(boxes: Iterable[Box], size_px: Size) -> NDArray[bool_]:
    shown = np.zeros((size_px[1], size_px[0]), np.bool_)
    for side, cells in _levels(boxes, size_px):
        shown |= cells.repeat(side, axis=0).repeat(side, axis=1)[: size_px[1], : size_px[0]]
    return shown


def _inner(box: Box, step: int) -> tuple[slice, slice]:
    """Rows and columns of a plane, one sample in ``step``, that lie inside of a box."""
    left, top, right, bottom = (2 * max(0, round(side / 2)) // step for side in box)
    return slice(top, bottom), slice(left, right)


def _black_level(frame: av.VideoFrame) -> int:
    full = frame.format.name == "yuvj420p" or frame.color_range == ColorRange.JPEG
    return 0 if full else _BLACK


def _blackened(pixels: NDArray[uint8], boxes: Iterable[Box], step: int, level: int) -> NDArray[uint8]:
    """A copy of a plane with everything in the boxes at one level."""
    blackened = pixels.copy()
    for box in boxes:
        blackened[_outer(box, step)] = level
    return blackened


def _outer(box: Box, step: int) -> tuple[slice, slice]:
    """Rows and columns of a plane, one sample in ``step``, that a box touches."""
    left, top = (max(0, floor(side)) // step for side in box[:2])
    right, bottom = (-(-max(0, ceil(side)) // step) for side in box[2:])
    return slice(top, bottom), slice(left, right)


def block_px(box: Box, width_px: int) -> int:
    """The side of the blocks that a box is made of in a picture of a width; even, as 4:2:0 halves it."""
    side = max(_LEAST_BLOCK_PX, 2 * -(-width_px // (2 * _BLOCKS_ACROSS)))
    while min(box[2] - box[0], box[3] - box[1]) > _MOST_BLOCKS_A_BOX * side:
        side *= 2
    return side


def _levels(boxes: Iterable[Box], size_px: Size) -> list[tuple[int, NDArray[bool_]]]:
    """Sides of blocks, each with the masked cells of a grid over the whole picture; smallest first."""
    by_side: dict[int, list[Box]] = {}
    for box in boxes:
        by_side.setdefault(block_px(box, size_px[0]), []).append(box)
    return [(side, _cells(by_side[side], side, size_px)) for side in sorted(by_side)]


def _cells(boxes: Iterable[Box], side: int, size_px: Size) -> NDArray[bool_]:
    cells = np.zeros((-(-size_px[1] // side), -(-size_px[0] // side)), np.bool_)
    for x1, y1, x2, y2 in boxes:
        left, top = max(0, int(x1 // side)), max(0, int(y1 // side))
        right, bottom = max(0, int(-(-x2 // side))), max(0, int(-(-y2 // side)))
        cells[top:bottom, left:right] = True
    return cells


def _averaged(pixels: NDArray[uint8], cells: NDArray[bool_], side: int) -> NDArray[uint8]:
    """A copy whose masked cells hold their mean; what a cell at the edge lacks is made up of its last row or column."""
    rows, columns = cells.shape
    height, width = pixels.shape
    work = np.empty((rows * side, columns * side), np.uint8)
    work[:height, :width] = pixels
    work[height:, :width] = pixels[-1]
    work[:, width:] = work[:, width - 1 : width]
    blocks = work.reshape(rows, side, columns, side).swapaxes(1, 2)
    means = blocks[cells].mean(axis=(1, 2)).round().astype(np.uint8)
    blocks[cells] = means[:, None, None]
    return work[:height, :width]
