"""Whether the picture is of use at all: dark, over-exposed, covered, blurred or frozen. Pure, on small grey pictures.

The thresholds stand far from what night, rain and fog give on the fixtures and on real junction cameras, and from what
the spoilt pictures of the tests give; docs/arming.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from edge.health import CheckName, Finding, Outcome
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

SMALL_PX: Final = (320, 180)
FROZEN_AFTER_S: Final = 2.0  # and a second more before it counts (health.PATIENCE)
SILENT_AFTER_S: Final = 2.0

_BLOCK_PX = 10
_LIGHT_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """What a picture must keep. Levels are of 255, shares of all pixels or blocks.

    ``least_light``: the level that the brightest half per cent reaches. ``most_white``: the share at 250 or above.
    ``least_textured``: the share of blocks in which anything can be told apart. ``most_blur``: of gradients, what
    blurring once more leaves.
    """

    least_light: float = 40.0
    most_white: float = 0.5
    least_textured: float = 0.05
    most_blur: float = 0.72


@dataclass(frozen=True, slots=True)
class PictureFigures:
    """What the limits are held against."""

    light: float
    white: float
    textured: float
    blur: float


def measure(grey: NDArray[uint8]) -> PictureFigures:
    """The figures of a grey picture (height, width), best of ``SMALL_PX``."""
    level = grey.astype(np.float32)
    return PictureFigures(
        light=float(np.quantile(level, 1 - _LIGHT_SHARE)),
        white=float(np.mean(grey >= 250)),
        textured=float(np.mean(_block_contrast(level) > 2.0)),
        blur=_blur(level),
    )


def _block_contrast(level: NDArray[float32]) -> NDArray[float32]:
    """The standard deviation within each block, the borders left out."""
    rows, columns = level.shape[0] // _BLOCK_PX, level.shape[1] // _BLOCK_PX
    blocks = level[: rows * _BLOCK_PX, : columns * _BLOCK_PX].reshape(rows, _BLOCK_PX, columns, _BLOCK_PX)
    return np.asarray(blocks.std(axis=(1, 3)), np.float32)


def _blur(level: NDArray[float32]) -> float:
    """How much of the strong gradients is left when the picture is blurred once more, 0 (sharp) to 1.

    After F. Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric",
    2007: a blurred picture hardly changes by more blur. Contrast does not matter, so fog does not look like blur.
    """
    sharp = np.abs(np.diff(level, axis=1))
    width = 5
    summed = np.cumsum(np.pad(level, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    again = np.abs(np.diff((summed[:, width:] - summed[:, :-width]) / width, axis=1))
    middle = sharp[:, width // 2 : -(width // 2)]
    strong = middle >= max(2.0, float(np.quantile(middle, 0.95)))
    total = float(middle[strong].sum())
    return float(again[strong].sum() / total) if total else 1.0


class PictureCheck:
    """Looks at pictures as they come, a few a second, and at how long none has come or changed."""

    def __init__(self, limits: PictureLimits | None = None) -> None:
        self._limits = limits or PictureLimits()
        self._last: NDArray[uint8] | None = None
        self._changed_ns = 0
        self._finding = Finding(CheckName.PICTURE, Outcome.UNKNOWN, "No picture has come yet: look at the camera.")

    def look(self, grey: NDArray[uint8], t_ns: int) -> None:
        """Take a picture of ``t_ns``, on the clock that ``finding`` is asked by."""
        if self._last is None or not np.array_equal(grey, self._last):
            self._changed_ns = t_ns
        self._last = grey
        self._finding = _finding(self._words(measure(grey), t_ns))

    def finding(self, last_frame_ns: int | None, now_ns: int) -> Finding:
        """What is to be said now; ``last_frame_ns`` is when the last picture came, None before the first."""
        if last_frame_ns is not None and now_ns - last_frame_ns > SILENT_AFTER_S * NS_PER_S:
            return _finding(
                f"No picture has come for more than {SILENT_AFTER_S:g} s: look at the camera and its cable."
            )
        return self._finding

    def _words(self, figures: PictureFigures, t_ns: int) -> str | None:
        """What is wrong, or None."""
        limits = self._limits
        if t_ns - self._changed_ns > FROZEN_AFTER_S * NS_PER_S:
            return "The picture is frozen: it has not changed in any point; restart the camera."
        if figures.light < limits.least_light:
            return "The picture is dark: look whether the camera is covered or the street lighting is out."
        if figures.white > limits.most_white:
            return "The picture is over-exposed: look whether light falls into the lens, or limit the exposure."
        if figures.textured < limits.least_textured:
            return "The picture shows nothing: look whether the camera is covered or fogged."
        if figures.blur > limits.most_blur:
            return "The picture is blurred: clean the window and focus the lens."
        return None


def _finding(words: str | None) -> Finding:
    if words is None:
        return Finding(CheckName.PICTURE, Outcome.OK, "The picture is usable.")
    return Finding(CheckName.PICTURE, Outcome.NOT_OK, words)
