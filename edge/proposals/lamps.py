"""Signal heads in a recording, from places that are red for a while and have green beside them otherwise.

Red and green of one head take turns, hardly ever show together, and have an amber between them in time and place. A
head is ranked by how many vehicles drove on its green and how few on its red.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.glow import LAMPS, UNKNOWN, HeadMemory, light_of
from edge.records import NS_PER_S, Lamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy import bool_, float64, uint8
    from numpy.typing import NDArray

    from edge.glow import States
    from edge.proposals.approach import ApproachProposal
    from edge.proposals.pictures import PictureStack
    from edge.records import Box

    Array = NDArray[float64]
    Pixels = NDArray[uint8]
    Series = NDArray[bool_]

_LEAST_SWING = 18.0  # of 255: by how much more coloured light a lit lamp has than a dark one
_LEAST_SHARE, _MOST_SHARE = 0.05, 0.95
_LEAST_PICTURES = 3
_MOST_PIXELS = 20_000
_MOST_SPOTS = 200
_LEAST_APART_PX, _MOST_APART_SHARE = 3.5, 0.12
_TOGETHER, _EITHER = 0.05, 0.6
_MOST_CHANGES_SHARE = 0.2
_LAMP_SHARE = 0.39  # half a lamp's box in distances from lamp to lamp
_LEAST_HALF_PX = 1.0
_LEAST_READ = 0.8
_WHITE_CORE = -0.5  # correlation of colour and light
_MOST_HEADS = 4


@dataclass(frozen=True, slots=True)
class HeadProposal:
    """One signal head: a box a lamp; ``on_green`` and ``on_red`` count the vehicles that drove over the line then.

    ``read_share`` of the pictures in which its red or its green place glows are read so by the node's own classifier.
    """

    lamps_px: dict[Lamp, Box]
    read_share: float
    on_green: int
    on_red: int

    @property
    def whole_px(self) -> Box:
        """Around all of its lamps."""
        left, top, right, bottom = zip(*self.lamps_px.values(), strict=True)
        return min(left), min(top), max(right), max(bottom)

    @property
    def rank(self) -> tuple[float, float]:
        """Greater is better: agreement with the traffic, then size."""
        left, top, right, bottom = self.whole_px
        return self.on_green - 2.0 * self.on_red, max(right - left, bottom - top)

    def told(self) -> str:
        """What it rests on, in a sentence."""
        return (
            f"Red and green by turns at one place; read rightly in {self.read_share:.0%} of the pictures looked at. "
            f"Vehicles that drove over the line on its green: {self.on_green}, on its red: {self.on_red}."
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Spot:
    """Pixels next to each other that are coloured at the same times; ``lit`` says in which pictures."""

    x_px: float
    y_px: float
    extent_px: float
    lit: Series


def find_heads(stack: PictureStack, approach: ApproachProposal) -> tuple[HeadProposal, ...]:
    """The signal heads that may be the approach's, the likeliest first, four at most."""
    if len(stack.pictures) < 2 * _LEAST_PICTURES:
        return ()
    reds, greens = (_spots(stack.pictures, lamp) for lamp in (Lamp.RED, Lamp.GREEN))
    most_px = _MOST_APART_SHARE * stack.pictures[0].shape[0]
    pairs = [(red, green) for red in reds for green in greens if _take_turns(red, green, most_px)]
    crossed_s = [t_s for path in approach.paths if (t_s := path.t_at(approach.line.y_px)) is not None]
    heads = [head for red, green in pairs if (head := _head(stack, red, green, crossed_s)) is not None]
    return _apart(sorted(heads, key=lambda head: head.rank, reverse=True))


def _coloured(pictures: Sequence[Pixels], lamp: Lamp) -> Pixels:
    """The red, or green, light of every pixel in every picture, 0 to 255: colour counts more the brighter it is.

    So a lens in the sun, coloured but dark, is told from a lamp; as ``edge.glow.read_head`` does it.
    """
    planes = []
    for picture in pictures:
        blue, green, red = np.moveaxis(picture.astype(np.int16), -1, 0)
        cold = np.minimum(green, blue + blue // 10)
        plane = red - np.maximum(green, blue) if lamp is Lamp.RED else cold - red
        bright = (picture.max(axis=2) / np.float32(255)) ** 2
        planes.append(np.clip(plane * bright, 0, 255).astype(np.uint8))
    return np.stack(planes)


def _spots(pictures: Sequence[Pixels], lamp: Lamp) -> list[_Spot]:
    """Places that are coloured in some pictures and not in others, and do not flicker."""
    strength = _coloured(pictures, lamp)
    swings, lit = _lit(strength)
    count = lit.sum(axis=0)
    changes = (lit[1:] != lit[:-1]).sum(axis=0)
    total = len(lit)
    some = (count >= max(_LEAST_PICTURES, _LEAST_SHARE * total)) & (count <= _MOST_SHARE * total)
    steady = changes <= max(2, _MOST_CHANGES_SHARE * total)
    groups = _connected(some & steady & swings)
    return [_spot(pictures, strength, group) for group in groups[:_MOST_SPOTS]]


def _lit(strength: Pixels | Array) -> tuple[NDArray[bool_], NDArray[bool_]]:
    """Which places swing, and when they are on the upper side; the two most extreme pictures are left aside."""
    aside = _LEAST_PICTURES - 1
    ordered = np.partition(strength, (aside, len(strength) - 1 - aside), axis=0)
    low, high = ordered[aside].astype(np.float32), ordered[-1 - aside].astype(np.float32)
    return high - low >= _LEAST_SWING, strength > (low + high) / 2


def _connected(mask: NDArray[bool_]) -> list[list[tuple[int, int]]]:
    """Groups of neighbouring pixels, the largest first; none of a mask that is no set of small spots."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    if len(left) > _MOST_PIXELS:
        return []
    groups = []
    while left:
        group = [left.pop()]
        for row, column in group:
            around = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= around
            group.extend(around)
        groups.append(group)
    return sorted(groups, key=len, reverse=True)


def _spot(pictures: Sequence[Pixels], strength: Pixels, group: Iterable[tuple[int, int]]) -> _Spot:
    rows, columns = np.array(list(group)).T
    values = strength[:, rows, columns].astype(np.float64)
    weights = values.max(axis=0)
    strongest = np.argsort(weights)[-9:]
    colour = np.median(values[:, strongest], axis=1)
    light = np.array([np.median(light_of(one[rows[strongest], columns[strongest]])) for one in pictures])
    extent = float(max(np.ptp(rows), np.ptp(columns))) + 1.0
    x_px, y_px = float(columns @ weights / weights.sum()), float(rows @ weights / weights.sum())
    return _Spot(x_px, y_px, extent, _lit_by(colour, light))


def _lit_by(colour: Array, light: Array) -> Series:
    """When a place is lit: while it is coloured, but for a lamp that is white when lit and coloured by the sun else."""
    swings, by_light = _lit(light[:, None])
    _, by_colour = _lit(colour[:, None])
    is_white = bool(swings[0]) and float(np.corrcoef(colour, light)[0, 1]) < _WHITE_CORE
    return by_light[:, 0] if is_white else by_colour[:, 0]


def _take_turns(red: _Spot, green: _Spot, most_px: float) -> bool:
    """Whether a red and a green spot can be of one head: red above or on the left, never both, with a pause between."""
    right, down = green.x_px - red.x_px, green.y_px - red.y_px
    apart = float(np.hypot(right, down))
    upright = down > 0 and abs(right) <= 0.25 * down
    level = right > 0 and abs(down) <= 0.25 * right
    near = max(_LEAST_APART_PX, 0.8 * max(red.extent_px, green.extent_px))
    if not (upright or level) or not near <= apart <= most_px:
        return False
    if np.mean(red.lit & green.lit) > _TOGETHER or np.mean(red.lit | green.lit) < _EITHER:
        return False
    jumps = green.lit[:-1] & red.lit[1:]
    return not bool(jumps.any())


def _lamps(red: _Spot, green: _Spot) -> dict[Lamp, Box]:
    """A box a lamp, amber half-way between red and green."""
    half = max(_LEAST_HALF_PX, _LAMP_SHARE * float(np.hypot(green.x_px - red.x_px, green.y_px - red.y_px)) / 2)
    middle = ((red.x_px + green.x_px) / 2, (red.y_px + green.y_px) / 2)
    places = ((red.x_px, red.y_px), middle, (green.x_px, green.y_px))
    # A pixel's own middle lies half a pixel past its number.
    return {
        lamp: (x + 0.5 - half, y + 0.5 - half, x + 0.5 + half, y + 0.5 + half)
        for lamp, (x, y) in zip(LAMPS, places, strict=True)
    }


def _head(stack: PictureStack, red: _Spot, green: _Spot, crossed_s: Sequence[float]) -> HeadProposal | None:
    """The head of these two as the node's own classifier reads it, None where it reads it otherwise too often."""
    lamps = _lamps(red, green)
    seen = _seen(stack, lamps)
    glows = [index for index in range(len(seen)) if red.lit[index] != green.lit[index]]
    read = float(np.mean([seen[index] == (_GREEN if green.lit[index] else _RED) for index in glows]))
    if read < _LEAST_READ:
        return None
    at = [_shown(stack.times_ns, seen, t_s) for t_s in crossed_s]
    return HeadProposal(lamps, read, on_green=at.count(_GREEN), on_red=at.count(_RED))


_RED: States = (True, False, False)
_GREEN: States = (False, False, True)


def _seen(stack: PictureStack, lamps: dict[Lamp, Box]) -> list[States]:
    """What each picture shows of lamps at these places; nothing where they reach out of it."""
    high, wide = stack.pictures[0].shape[:2]
    left, top, right, bottom = HeadProposal(lamps, 0.0, 0, 0).whole_px
    margin = 0.15 * max(right - left, bottom - top) + 1
    x1, y1 = int(left - margin), int(top - margin)
    x2, y2 = int(right + margin) + 1, int(bottom + margin) + 1
    if min(left, top, x1, y1) < 0 or x2 > wide or y2 > high:
        return [UNKNOWN] * len(stack.pictures)
    boxes = tuple((_span(box[1] - y1, box[3] - y1), _span(box[0] - x1, box[2] - x1)) for box in lamps.values())
    memory = HeadMemory()
    return [
        memory.read(t_ns, picture[y1:y2, x1:x2], boxes)
        for t_ns, picture in zip(stack.times_ns, stack.pictures, strict=True)
    ]


def _span(start: float, end: float) -> slice:
    first = max(0, round(start))
    return slice(first, max(first + 2, round(end)))


def _shown(times_ns: Sequence[int], seen: Sequence[States], t_s: float) -> States:
    """What the picture nearest in time showed."""
    nearest = min(range(len(times_ns)), key=lambda index: abs(times_ns[index] - t_s * NS_PER_S))
    return seen[nearest]


def _apart(heads: Iterable[HeadProposal]) -> tuple[HeadProposal, ...]:
    """Without those that overlap a better one."""
    kept: list[HeadProposal] = []
    for head in heads:
        if all(_clear(head.whole_px, other.whole_px) for other in kept) and len(kept) < _MOST_HEADS:
            kept.append(head)
    return tuple(kept)


def _clear(one: Box, other: Box) -> bool:
    return one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
