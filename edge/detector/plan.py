"""Where the approach's region lies in the network's input, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import float32, float64
    from numpy.typing import NDArray

    from edge.detector.model import InputFormat
    from edge.records import Box, Size


@dataclass(frozen=True, slots=True)
class InputPlan:
    """``crop_px`` of a stored picture is scaled to ``content_px`` and laid at ``offset_px`` of an ``input_px`` input.

    ``crop_px`` is left, top, right, bottom, the others are x before y. ``grid_per_picture`` turns a stored picture's
    pixels into the site file's grid.
    """

    crop_px: tuple[int, int, int, int]
    content_px: Size
    offset_px: Size
    input_px: Size
    grid_per_picture: tuple[float, float]

    def to_grid(self, boxes: NDArray[float32]) -> NDArray[float64]:
        """Boxes (M, 4) in input pixels as boxes in the site's grid, cut off at the region's edge."""
        left, top, right, bottom = self.crop_px
        inside = np.clip((boxes - _twice(self.offset_px)) / _twice(self.content_px), 0.0, 1.0)
        picture = inside * _twice((right - left, bottom - top)) + _twice((left, top))
        return picture * _twice(self.grid_per_picture)


def _twice(pair: tuple[float, float]) -> NDArray[float64]:
    """An x and a y for both corners of a box."""
    return np.array((*pair, *pair), np.float64)


def plan_input(form: InputFormat, grid_px: Size, region_px: Box | None, picture_px: Size) -> InputPlan:
    """Fit the region (in the site's grid; None for all of it) of pictures of ``picture_px`` to a model's input.

    A dynamic model is fed the region at its own aspect; what a fixed input has left over is padded on both sides.
    """
    crop = _even_crop(region_px or (0, 0, *grid_px), grid_px, picture_px)
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    input_px = _dynamic_size(form, width / height) if form.dynamic else form.size_px
    scale = min(input_px[0] / width, input_px[1] / height)
    content = (min(input_px[0], max(1, round(width * scale))), min(input_px[1], max(1, round(height * scale))))
    offset = ((input_px[0] - content[0]) // 2, (input_px[1] - content[1]) // 2)
    return InputPlan(crop, content, offset, input_px, (grid_px[0] / picture_px[0], grid_px[1] / picture_px[1]))


def _even_crop(region: Box, grid_px: Size, picture_px: Size) -> tuple[int, int, int, int]:
    """The region in the stored picture, grown to even pixels (4:2:0 chroma) and cut off at the picture's edge."""
    (left, right), (top, bottom) = (
        _even_span(region[axis], region[axis + 2], picture_px[axis] / grid_px[axis], picture_px[axis])
        for axis in (0, 1)
    )
    return left, top, right, bottom


def _even_span(low: float, high: float, per_grid: float, end: int) -> tuple[int, int]:
    first = 2 * int(min(max(low * per_grid, 0), end - 2) // 2)
    last = 2 * ceil(high * per_grid / 2)
    return first, min(max(last, first + 2), end)


def _dynamic_size(form: InputFormat, aspect: float) -> Size:
    """Multiples of the stride whose aspect is nearest to the region's at about the area of ``size_px``."""
    area = form.size_px[0] * form.size_px[1]
    width = max(1, round(sqrt(area * aspect) / form.stride)) * form.stride
    height = max(1, round(width / aspect / form.stride)) * form.stride
    return width, height
