"""The approach that a camera films: its traffic's way, its stop line, its lanes, and what each rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from edge.proposals.lanes import as_crossed, ground_of, lanes_across, line_from_stops
from edge.proposals.paint import PaintedLine, find_line, meets, under
from edge.records import Contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from edge.proposals.lanes import LaneProposal
    from edge.proposals.paths import Path, Stop
    from edge.records import Box, Size

    Array = NDArray[float64]

# Of 255: from where paint is seen, and from where on it is ruled out even beside a lane that has it.
_PAINT_STANDS_OUT, _NO_PAINT = 12.0, -5.0
_BESIDE_WIDTHS = 2.2


class Ground(StrEnum):
    """What a stop line rests on, the surest first."""

    PAINT = "paint"
    STOPS = "stops"
    GUESS = "guess"


@dataclass(frozen=True, slots=True)
class ApproachProposal:
    """Lanes with their line; ``line`` is where boxes cross, ``ground`` what it rests on."""

    contact: Contact
    line: PaintedLine
    ground: Ground
    lanes: tuple[LaneProposal, ...]
    paths: tuple[Path, ...]
    region_px: Box


def propose_approach(paths: Sequence[Path], luma: Array, size_px: Size) -> ApproachProposal | None:
    """The approach among all the paths seen; ``luma`` is the median picture, of ``size_px`` as the paths are."""
    found = [one for contact in Contact if (one := _of_contact(paths, luma, size_px, contact)) is not None]
    order = list(Ground)
    return max(found, key=lambda one: (-order.index(one.ground), one.line.total), default=None)


def _of_contact(paths: Sequence[Path], luma: Array, size_px: Size, contact: Contact) -> ApproachProposal | None:
    """The best approach whose vehicles are seen from behind, or from the front."""
    driven = tuple(path for path in paths if path.contact is contact and path.drives(size_px))
    if not driven:
        return None
    stops = [stop for path in driven for stop in path.stops()]
    ground = ground_of(driven, size_px)
    painted = find_line(luma, driven, stops, contact)
    if painted is not None:
        line, rests = painted, Ground.PAINT
    elif (stood := line_from_stops(_large(stops, size_px), contact, ground)) is not None:
        line, rests = replace(stood, total=float(len(stops))), Ground.STOPS
    else:
        line, rests = _guess(driven), Ground.GUESS
    crossed = as_crossed(line, contact) if rests is Ground.PAINT else line
    used = _over(line, driven, luma) if rests is Ground.PAINT else driven
    lanes = tuple(lane for lane in lanes_across(crossed, used, contact, ground) if _inside(lane, size_px))
    if not lanes:
        return None
    told = replace(line, x_px=crossed.x_px, y_px=crossed.y_px)
    return ApproachProposal(contact, told, rests, lanes, used, _region(lanes, size_px))


def _large(stops: Sequence[Stop], size_px: Size) -> list[Stop]:
    """Stops near enough to the camera to belong to the approach that it films."""
    return [stop for stop in stops if stop.width_px > 0.05 * size_px[0]]


def _guess(paths: Sequence[Path]) -> PaintedLine:
    """The middle of the ways driven, for want of anything better."""
    x, y, width = (float(np.median(np.concatenate([getattr(p, of) for p in paths]))) for of in _COLUMNS)
    return PaintedLine(x, y, 0.0, width, total=float(len(paths)))


_COLUMNS = ("x_px", "y_px", "width_px")


def _over(line: PaintedLine, paths: Sequence[Path], luma: Array) -> tuple[Path, ...]:
    """The paths that lead over paint, and those beside them where paint may be worn, dark or hidden."""
    met = [(path, at, under(luma, line, at)) for path in paths if (at := meets(line, path)) is not None]
    sure = [at[0] for _, at, stands_out in met if stands_out >= _PAINT_STANDS_OUT]

    def beside(x: float, width: float) -> bool:
        return any(abs(x - other) < _BESIDE_WIDTHS * width for other in sure)

    return tuple(
        path
        for path, at, stands_out in met
        if stands_out >= _PAINT_STANDS_OUT or (stands_out > _NO_PAINT and beside(*at))
    )


def _inside(lane: LaneProposal, size_px: Size) -> bool:
    """Whether the middle of both lines lies in the picture."""
    for (x1, y1), (x2, y2) in (lane.stop_px, lane.confirm_px):
        if not (0 < (x1 + x2) / 2 < size_px[0] and 0 < (y1 + y2) / 2 < size_px[1]):
            return False
    return True


def _region(lanes: Sequence[LaneProposal], size_px: Size) -> Box:
    """Around the lanes from three car widths before the stop line to a car's height past the confirm line."""
    width = max(lane.width_px for lane in lanes)
    points = [point for lane in lanes for point in (*lane.stop_px, *lane.confirm_px)]
    before = [
        (x - 4 * width * lane.direction[0], y - 4 * width * lane.direction[1])
        for lane in lanes
        for x, y in lane.stop_px
    ]
    xs, ys = zip(*points, *before, strict=True)
    left, top = max(0.0, min(xs) - width), max(0.0, min(ys) - 1.5 * width)
    return left, top, min(float(size_px[0]), max(xs) + width), min(float(size_px[1]), max(ys) + 0.5 * width)
