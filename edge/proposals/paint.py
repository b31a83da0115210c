"""The painted stop line in a median picture: bright, straight, unbroken over a vehicle's width, road on both sides.

A zebra is broken along the same row and a kerb has no road beyond it; both are told apart by that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edge.records import Contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64, uint8
    from numpy.typing import NDArray

    from edge.geometry import Segment
    from edge.proposals.paths import Path, Stop
    from edge.records import Box

    Array = NDArray[float64]

_LUMA = np.array([0.114, 0.587, 0.299])  # of B, G, R: ITU-R BT.601
_SLOPES = np.arange(-0.36, 0.361, 0.02)
_SAMPLES = 17
_HALF_WIDTHS = 0.55  # of the box: the stretch that must be bright
_BESIDE_WIDTHS = 0.1
_LEAST_BESIDE_PX = 4.0
_LEAST_SCORE = 12.0
_SNAP_STEPS = 25
_FULL_SCORE = 50.0
_MOST_PATHS = 40
# A vehicle that waits at the line has its contact so many heights of its box before it, from and to.
_WAITS = {Contact.FRONT: (-0.15, 1.5), Contact.REAR: (0.3, 3.0)}
_NEAR_PAST_HEIGHTS = 3.0
# A vehicle this wide, as a share of the picture's, is seen large enough for this to be the approach that is filmed.
_LARGE = 0.07
# Below this it is too small to be judged; and paint must be there under so much of the paths that cross it.
_SMALL = 0.02
_LEAST_UNDER = 0.4


@dataclass(frozen=True, slots=True)
class PaintedLine:
    """A line ``y = y_px + slope * (x - x_px)``: how far it stands out of the road, 0 to 255, and under how many paths.

    Vehicles are ``width_px`` wide there. ``waiting`` of them were seen to stand where one waits at it, ``past`` of them
    beyond it. ``total`` ranks lines.
    """

    x_px: float
    y_px: float
    slope: float
    width_px: float
    contrast: float = 0.0
    paths: int = 0
    waiting: int = 0
    past: int = 0
    total: float = 0.0

    def y_at(self, x_px: float) -> float:
        """The line's row."""
        return self.y_px + self.slope * (x_px - self.x_px)


def median_luma(pictures: Sequence[NDArray[uint8]], boxes_px: Sequence[Sequence[Box]]) -> Array:
    """What stays in BGR pictures of one size when everything that moves or stands about is gone, as luma.

    ``boxes_px`` are each picture's vehicles, left out: one that waits for most of a minute hides the line it waits at.
    A place that is never free is as it mostly is.
    """
    luma = np.stack([picture @ _LUMA for picture in pictures]).astype(np.float32)
    taken = np.zeros(luma.shape, np.bool_)
    for index, boxes in enumerate(boxes_px):
        for x1, y1, x2, y2 in boxes:
            taken[index, max(0, int(y1) - 1) : int(y2) + 2, max(0, int(x1) - 1) : int(x2) + 2] = True
    taken[:, taken.all(axis=0)] = False
    luma[taken] = np.inf
    luma.sort(axis=0)
    middle = (len(luma) - taken.sum(axis=0) - 1) // 2
    return np.asarray(np.take_along_axis(luma, middle[None], axis=0)[0], np.float64)


def contrast(luma: Array, x_px: Array, y_px: Array, slope: Array | float, width_px: Array) -> Array:
    """How far paint stands out at places of a picture, each with the width of a vehicle there; negative is none."""
    offsets = np.linspace(-_HALF_WIDTHS, _HALF_WIDTHS, _SAMPLES) * width_px[..., None]
    x = x_px[..., None] + offsets
    y = y_px[..., None] + np.asarray(slope)[..., None] * offsets
    beside = np.maximum(_LEAST_BESIDE_PX, _BESIDE_WIDTHS * width_px)[..., None]
    line = np.percentile(_sampled(luma, x, y), 20, axis=-1)
    before, after = (np.median(_sampled(luma, x, y + side * beside), axis=-1) for side in (-1, 1))
    return np.asarray(line - np.maximum(before, after))


def _sampled(luma: Array, x: Array, y: Array) -> Array:
    """The picture's values between its pixels (bilinear); places outside are those of its edge."""
    high, wide = luma.shape
    x, y = np.clip(x, 0, wide - 1.001), np.clip(y, 0, high - 1.001)
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, down = x - column, y - row
    top = luma[row, column] * (1 - right) + luma[row, column + 1] * right
    bottom = luma[row + 1, column] * (1 - right) + luma[row + 1, column + 1] * right
    return np.asarray(top * (1 - down) + bottom * down)


def snapped(luma: Array, line: Segment, reach_px: float) -> Segment | None:
    """The painted line nearest to one that was drawn, each end moved across it by ``reach_px`` at most, or None.

    Lines rather upright than level are looked for in the picture turned over.
    """
    (x1, y1), (x2, y2) = line
    if abs(y2 - y1) > abs(x2 - x1):
        turned = snapped(luma.T, ((y1, x1), (y2, x2)), reach_px)
        return None if turned is None else tuple((x, y) for y, x in turned)  # type: ignore[return-value]
    moves = np.linspace(-reach_px, reach_px, _SNAP_STEPS)
    starts, ends = (grid.ravel() for grid in np.meshgrid(y1 + moves, y2 + moves))
    middle, slopes = (starts + ends) / 2, (ends - starts) / (x2 - x1)
    width = abs(x2 - x1) / (2 * _HALF_WIDTHS)
    places = np.full_like(middle, (x1 + x2) / 2)
    found = contrast(luma, places, middle, slopes, np.full_like(middle, width))
    # Of two edges that stand out alike the nearer one.
    moved = (np.abs(starts - y1) + np.abs(ends - y2)) / (2 * reach_px)
    best = int((found - _LEAST_SCORE * moved).argmax())
    if found[best] < _LEAST_SCORE:
        return None
    return (x1, float(starts[best])), (x2, float(ends[best]))


def find_line(luma: Array, paths: Sequence[Path], stops: Sequence[Stop], contact: Contact) -> PaintedLine | None:
    """The painted line that vehicles of these paths cross or wait at, None where none stands out.

    Paths and stops are in the picture's pixels.
    """
    longest = sorted(paths, key=lambda path: -abs(path.moved_px[1]))[:_MOST_PATHS]
    found = [line for path in longest for line in _along(luma, path)]
    large = (line for line in found if line.width_px >= _SMALL * luma.shape[1])
    judged = (_supported(luma, line, longest, stops, contact) for line in large)
    return max((line for line in judged if line is not None), key=lambda line: line.total, default=None)


def _along(luma: Array, path: Path) -> list[PaintedLine]:
    """The places along one path where a line stands out most, three at most."""
    rows, x, width = _row_by_row(path, luma.shape[0])
    if len(rows) == 0:
        return []
    shape = (len(rows), len(_SLOPES))
    across, down = (np.broadcast_to(values[:, None], shape) for values in (x, rows))
    table = contrast(luma, across, down, _SLOPES[None], width[:, None])
    best = table.max(axis=1)
    lines = []
    for _ in range(3):
        row = int(best.argmax())
        if best[row] < _LEAST_SCORE:
            break
        slope = float(_SLOPES[table[row].argmax()])
        lines.append(PaintedLine(float(x[row]), float(rows[row]), slope, float(width[row])))
        best[np.abs(rows - rows[row]) < 0.25 * width[row]] = -1.0
    return lines


def _row_by_row(path: Path, high: int) -> tuple[Array, Array, Array]:
    """Every row of the picture that a path reaches, or would soon, with its place and width there."""
    rows = [(y, at) for y in range(2, high - 2) if (at := path.x_at(float(y))) is not None]
    table = np.array([(y, *at) for y, at in rows]).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _supported(
    luma: Array, line: PaintedLine, paths: Sequence[Path], stops: Sequence[Stop], contact: Contact
) -> PaintedLine | None:
    """The line with what all paths and stops say of it, None where most paths cross no paint on it."""
    seen = [under(luma, line, at) for path in paths if (at := meets(line, path)) is not None]
    good = [value for value in seen if value >= _LEAST_SCORE]
    if len(good) < max(1.0, _LEAST_UNDER * len(seen)):
        return None
    bad = sum(1 for value in seen if value < 0)
    first, last = _WAITS[contact]
    sign = 1.0 if contact is Contact.FRONT else -1.0
    ahead = [sign * (line.y_at(stop.x_px) - stop.y_px) / stop.height_px for stop in stops]
    waiting = sum(1 for heights in ahead if first <= heights <= last)
    past = sum(1 for heights in ahead if -_NEAR_PAST_HEIGHTS <= heights < first)
    total = sum(min(value, _FULL_SCORE) for value in good) - 10.0 * bad + 40.0 * min(waiting, 3) - 15.0 * min(past, 3)
    total *= min(1.0, line.width_px / (_LARGE * luma.shape[1]))
    return replace(line, contrast=float(np.mean(good)), paths=len(good), waiting=waiting, past=past, total=total)


def meets(line: PaintedLine, path: Path) -> tuple[float, float] | None:
    """Where a path crosses a line, or would soon, and the vehicle's width there; None where it does not."""
    y, at = line.y_px, None
    for _ in range(3):
        at = path.x_at(y)
        if at is None:
            return None
        y = line.y_at(at[0])
    return at


def under(luma: Array, line: PaintedLine, at: tuple[float, float]) -> float:
    """How far a line stands out at a place and width on it, a pixel or two aside forgiven."""
    rows = line.y_at(at[0]) + np.arange(-2.0, 2.1, 1.0)
    return float(contrast(luma, np.full(5, at[0]), rows, line.slope, np.full(5, at[1])).max())
