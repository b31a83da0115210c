"""Whether the camera still looks where it was commissioned: the present view laid over a reference. Pure, numpy only.

Both are medians over several pictures, so that what drives or walks through is in neither, and of both only the
direction of edges is kept (orientation correlation: A. J. Fitch et al., BMVC 2002; here with doubled angles, so that
an edge looks the same when dark and bright change sides, as they do from day to night). Patches all over the picture
each say where they find themselves again; a similarity transform that enough of them agree on is the answer.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edge.errors import ConfigError
from edge.health import CheckName, Finding, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy import complex64, float32, float64, uint8
    from numpy.typing import NDArray

    from edge.records import Box, Size

VIEW_PX: Final = (320, 180)
PATCH_PX: Final = 48
MOVED_SHARE: Final = 2.4 / 640  # of the picture's width: 3 px of 640 are found, its error taken off

_STEP_PX = 24
_SOFT = 6.0  # levels a pixel from which an edge counts half
_LEAST_ENERGY = 40.0
_LEAST_PEAK = 0.22
_LEAST_LEAD = 1.25
_AGREE_PX = 1.0
_LEAST_AGREEING = 6
_LEAST_SHARE = 0.35
_REACH_PX = 2  # one for the smoothing, one for the slope


@dataclass(frozen=True, slots=True)
class Features:
    """Doubled edge directions, weighted 0 to 1 by how clear each edge is: complex64 of ``VIEW_PX`` (height, width)."""

    edges: NDArray[complex64]

    def without(self, boxes: Iterable[Box], grid_px: Size) -> Features:
        """The same with no edge in any of the boxes (pixels of ``grid_px``), as far as what lies in them can reach."""
        x, y = (of / grid for of, grid in zip(VIEW_PX, grid_px, strict=True))
        inside = np.zeros(self.edges.shape, np.bool_)
        for left, top, right, bottom in boxes:
            inside[floor(top * y) : ceil(bottom * y), floor(left * x) : ceil(right * x)] = True
        steps = product(range(-_REACH_PX, _REACH_PX + 1), repeat=2)
        reached = np.any([np.roll(inside, step, (0, 1)) for step in steps], axis=0)  # round the border, as _smooth does
        return Features(np.where(reached, np.complex64(0), self.edges))

    def packed(self) -> bytes:
        """As they are kept on the disk: two signed bytes a pixel, compressed. No picture can be made of it."""
        out = io.BytesIO()
        both = np.stack([self.edges.real, self.edges.imag])
        np.savez_compressed(out, edges=np.rint(both * 127).astype(np.int8))
        return out.getvalue()

    @classmethod
    def unpacked(cls, raw: bytes) -> Features:
        """Raises ConfigError for what is no reference view."""
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as kept:
                both = kept["edges"].astype(np.float32) / 127
            if both.shape != (2, VIEW_PX[1], VIEW_PX[0]):
                raise ValueError("shape")  # noqa: TRY301 - one sentence for all that can be wrong
        except Exception:  # noqa: BLE001 - numpy and zipfile share no base
            raise ConfigError("the reference view is damaged: run 'stopline commission' again") from None
        return cls((both[0] + 1j * both[1]).astype(np.complex64))


@dataclass(frozen=True, slots=True)
class Match:
    """How the present view lies on the reference.

    ``shift_px`` is the largest movement of any patch that agrees, in px of ``VIEW_PX``; None where too few agree.
    ``agreeing`` of ``told`` patches that could tell anything; ``there`` of them have clear edges now.
    """

    shift_px: float | None
    turn_deg: float
    agreeing: int
    told: int
    there: int


def features(pictures: Sequence[NDArray[uint8]]) -> Features:
    """The edges of the median over grey pictures of ``VIEW_PX``, each (height, width)."""
    level = np.median(np.stack(pictures), axis=0).astype(np.float32)
    level = _smooth(_smooth(level, 0), 1)
    slope = np.zeros(level.shape, np.complex64)
    slope.real[:, 1:-1] = (level[:, 2:] - level[:, :-2]) / 2
    slope.imag[1:-1] = (level[2:] - level[:-2]) / 2
    power = (slope.real**2 + slope.imag**2).astype(np.float32)
    return Features((slope**2 / (power + np.float32(_SOFT**2))).astype(np.complex64))


def _smooth(level: NDArray[float32], axis: int) -> NDArray[float32]:
    return (np.roll(level, 1, axis) + 2 * level + np.roll(level, -1, axis)) / np.float32(4)


def match(reference: Features, present: Features) -> Match:
    """Lay the present view over the reference, in place and shifted as a whole: whichever more patches agree on."""
    tries = {(0, 0), _whole_shift(reference, present)}
    found = [_match_patches(reference, present, start) for start in sorted(tries)]
    return max(found, key=lambda one: (one.shift_px is not None, one.agreeing))


def _whole_shift(reference: Features, present: Features) -> tuple[int, int]:
    """The shift (x, y) of the whole picture at which most edges lie on each other."""
    window = np.hanning(VIEW_PX[1])[:, None] * np.hanning(VIEW_PX[0])[None]
    spectrum = np.fft.fft2(present.edges * window) * np.conj(np.fft.fft2(reference.edges * window))
    surface = np.fft.ifft2(spectrum).real
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    return _signed(int(column), VIEW_PX[0]), _signed(int(row), VIEW_PX[1])


def _signed(place: int, size: int) -> int:
    return place - size if place > size // 2 else place


def _match_patches(reference: Features, present: Features, start: tuple[int, int]) -> Match:
    centres, was, now = _patches(reference.edges, present.edges, start)
    strong = np.sum(np.abs(was) ** 2, axis=(1, 2)) > _LEAST_ENERGY
    centres, was, now = centres[strong], was[strong], now[strong]
    there = int(np.sum(np.sum(np.abs(now) ** 2, axis=(1, 2)) > _LEAST_ENERGY / 2))
    moved, sure = _correlate(was, now)
    centres, moved = centres[sure], moved[sure] + np.array(start)
    agreeing, turn, scale_moves = _agreement(centres, moved)
    if agreeing.sum() < max(_LEAST_AGREEING, _LEAST_SHARE * len(centres)):
        return Match(None, 0.0, int(agreeing.sum()), len(strong[strong]), there)
    return Match(float(scale_moves.max()), turn, int(agreeing.sum()), len(strong[strong]), there)


def _patches(
    was: NDArray[complex64], now: NDArray[complex64], start: tuple[int, int]
) -> tuple[NDArray[float64], NDArray[complex64], NDArray[complex64]]:
    """The patches of both that lie on each other when the present is shifted back by ``start``, and their centres."""
    width, height = VIEW_PX
    places = [
        (left, top)
        for top in range(0, height - PATCH_PX + 1, _STEP_PX)
        for left in range(0, width - PATCH_PX + 1, _STEP_PX)
        if 0 <= left + start[0] <= width - PATCH_PX and 0 <= top + start[1] <= height - PATCH_PX
    ]
    window = np.hanning(PATCH_PX + 2)[1:-1].astype(np.float32)
    window = window[:, None] * window[None]
    first, second = np.zeros((2, len(places), PATCH_PX, PATCH_PX), np.complex64)
    for index, (x, y) in enumerate(places):
        first[index] = was[y : y + PATCH_PX, x : x + PATCH_PX] * window
        x, y = x + start[0], y + start[1]  # noqa: PLW2901 - the same place in the present view
        second[index] = now[y : y + PATCH_PX, x : x + PATCH_PX] * window
    return np.array(places, np.float64).reshape(-1, 2) + PATCH_PX / 2, first, second


def _correlate(was: NDArray[complex64], now: NDArray[complex64]) -> tuple[NDArray[float64], NDArray[np.bool_]]:
    """By how much (x, y) each patch has moved, to a fraction of a pixel, and whether that is sure."""
    surface = np.fft.ifft2(np.fft.fft2(now) * np.conj(np.fft.fft2(was))).real
    norm = np.sqrt(np.sum(np.abs(was) ** 2, axis=(1, 2)) * np.sum(np.abs(now) ** 2, axis=(1, 2))) + 1e-6
    surface = surface / norm[:, None, None]
    moved, sure = np.zeros((len(was), 2)), np.zeros(len(was), np.bool_)
    for index, one in enumerate(surface):
        row, column = divmod(int(one.argmax()), PATCH_PX)
        peak = one[row, column]
        around = np.roll(one, (PATCH_PX // 2 - row, PATCH_PX // 2 - column), (0, 1))
        middle = PATCH_PX // 2
        moved[index] = (
            _signed(column, PATCH_PX) + _vertex(around[middle, middle - 1 : middle + 2]),
            _signed(row, PATCH_PX) + _vertex(around[middle - 1 : middle + 2, middle]),
        )
        around[middle - 4 : middle + 5, middle - 4 : middle + 5] = 0
        sure[index] = peak > _LEAST_PEAK and peak > _LEAST_LEAD * around.max()
    return moved, sure


def _vertex(three: NDArray[float64]) -> float:
    """Where the parabola through three values has its top, from the middle one."""
    bend = three[0] - 2 * three[1] + three[2]
    return float(np.clip(0.5 * (three[0] - three[2]) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _agreement(centres: NDArray[float64], moved: NDArray[float64]) -> tuple[NDArray[np.bool_], float, NDArray[float64]]:
    """Which patches move by one similarity transform, its turn in degrees, and how far it moves each of them, in px.

    Every pair of patches proposes a transform; the one that most agree with is fitted again to all of those.
    """
    count = len(centres)
    if count < 2:
        return np.zeros(count, np.bool_), 0.0, np.zeros(0)
    at, to = centres @ (1, 1j), (centres + moved) @ (1, 1j)
    first, second = np.triu_indices(count, 1)
    apart = at[second] - at[first]
    far = np.abs(apart) > 2 * PATCH_PX
    first, second, apart = first[far], second[far], apart[far]
    slopes = (to[second] - to[first]) / apart
    likely = np.abs(slopes - 1) < 0.2
    first, slopes = first[likely], slopes[likely]
    if not len(first):
        return np.zeros(count, np.bool_), 0.0, np.zeros(0)
    offsets = to[first] - slopes * at[first]
    near = np.abs(slopes[:, None] * at + offsets[:, None] - to) < _AGREE_PX
    best = near[int(near.sum(axis=1).argmax())]
    slope, offset = _fit(at[best], to[best])
    agreeing = np.abs(slope * at + offset - to) < _AGREE_PX
    if agreeing.sum() >= 2:
        slope, offset = _fit(at[agreeing], to[agreeing])
    return agreeing, float(np.degrees(np.angle(slope))), np.abs(slope * at + offset - at)[agreeing]


def _fit(at: NDArray[Any], to: NDArray[Any]) -> tuple[complex, complex]:
    """The similarity ``to = slope * at + offset`` with the least squares."""
    middle, there = at.mean(), to.mean()
    power = float(np.sum(np.abs(at - middle) ** 2))
    slope = complex(np.sum((to - there) * np.conj(at - middle)) / power) if power else 1 + 0j
    return slope, complex(there - slope * middle)


class ViewCheck:
    """Looks at the view every few seconds and says whether it is that of the reference.

    ``grid_px`` is the site's grid, in whose pixels the shift is reported; more than ``most_px`` of it is a move.
    """

    def __init__(self, reference: Features, grid_px: Size, most_px: float | None = None) -> None:
        self._reference = reference
        self._scale = grid_px[0] / VIEW_PX[0]
        self._most_px = grid_px[0] * MOVED_SHARE if most_px is None else most_px

    def finding(self, pictures: Sequence[NDArray[uint8]]) -> Finding:
        """What the last few grey pictures of ``VIEW_PX`` say, some seconds of them."""
        found = match(self._reference, features(pictures))
        if found.shift_px is None:
            return self._untold(found)
        shift_px = round(found.shift_px * self._scale, 1)
        if shift_px > self._most_px:
            words = (
                f"The camera was moved: the picture lies {shift_px:g} px from the commissioned one, over "
                f"{self._most_px:.3g}; turn it back, or draw the lines anew and run 'stopline commission'."
            )
            return Finding(CheckName.VIEW, Outcome.NOT_OK, words, shift_px)
        words = f"The view is the commissioned one, within {shift_px:g} px."
        return Finding(CheckName.VIEW, Outcome.OK, words, shift_px)

    def _untold(self, found: Match) -> Finding:
        """Another view where edges are as clear as the reference's and hardly one is in place; else untold."""
        if found.told >= 2 * _LEAST_AGREEING and found.there > 0.8 * found.told and found.agreeing < 0.1 * found.told:
            words = "The view is not the commissioned one: turn the camera back, or run 'stopline commission' again."
            return Finding(CheckName.VIEW, Outcome.NOT_OK, words)
        words = "Too little can be told apart to compare the view with the commissioned one (night, fog, rain)."
        return Finding(CheckName.VIEW, Outcome.UNKNOWN, words)


def hash_of(packed: bytes) -> str:
    """The hash by which a commissioning names its reference view."""
    return sha256(packed).hexdigest()
