"""What lens, weather and sensor do to a finished picture."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .light import Light

Picture = NDArray[np.uint8]


@cache
def _unit_noise(height: int, width: int) -> NDArray[np.float32]:
    """Grain of unit strength, luma and a softer chroma, with a margin to shift it in."""
    rng = np.random.default_rng(21)
    luma = rng.normal(0, 1, (height + 64, width + 64, 1)).astype(np.float32)
    chroma = rng.normal(0, 1, (height + 64, width + 64, 3)).astype(np.float32)
    return np.asarray(luma + _softened(chroma, 1.2) * 1.2, np.float32)


class Sensor:
    """Grain, rain and blur of one camera; deterministic for a seed, one call a frame."""

    def __init__(self, light: Light, seed: int, shape: tuple[int, int]) -> None:
        self.light = light
        self.rng = np.random.default_rng([seed, 21])
        height, width = shape
        self.noise = np.clip(_unit_noise(height, width) * light.grain, -60, 60).astype(np.int16)
        self.drops = self._drops(height, width) if light.rain > 0.3 and self.rng.random() < 0.5 else None

    def _drops(self, height: int, width: int) -> NDArray[np.float32]:
        cover = np.zeros((height, width), np.float32)
        for _ in range(int(self.rng.integers(3, 14))):
            centre = (int(self.rng.integers(width)), int(self.rng.integers(height)))
            cv2.circle(cover, centre, int(self.rng.integers(3, 12)), 1.0, -1, cv2.LINE_AA)
        return _softened(cover, 1.5)[..., None]

    def expose(self, picture: Picture) -> Picture:
        """The picture as the camera delivers it."""
        out = picture
        if self.light.rain > 0:
            out = self._rain(out)
        if self.light.blur_px > 0.05:
            out = _picture(_softened(out, self.light.blur_px))
        height, width = out.shape[:2]
        y, x = int(self.rng.integers(64)), int(self.rng.integers(64))
        noise = self.noise[y : y + height, x : x + width]
        return _picture(np.clip(out.astype(np.int16) + noise, 0, 255))

    def _rain(self, picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        layer = np.zeros((height, width), np.uint8)
        count = int(220 * self.light.rain)
        slant = 0.06
        for x, y, size, shade in zip(
            self.rng.integers(0, width, count),
            self.rng.integers(-30, height, count),
            self.rng.integers(6, 30, count),
            self.rng.integers(25, 110, count),
            strict=True,
        ):
            cv2.line(layer, (int(x), int(y)), (int(x + slant * size), int(y + size)), int(shade), 1, cv2.LINE_AA)
        layer = _picture(_softened(layer, 0.7))
        brightness = 0.25 if self.light.street > 0.5 else 0.45
        out = _picture(cv2.add(picture, cv2.merge([(layer * brightness).astype(np.uint8)] * 3)))
        if self.drops is not None:
            blurred = _softened(out, 5)
            out = _picture(out * (1 - self.drops) + blurred * self.drops)
        return out


def _softened(values: NDArray[Any], sigma_px: float) -> NDArray[Any]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px))


def _picture(values: NDArray[Any]) -> Picture:
    return np.asarray(values).astype(np.uint8, copy=False)


def damage(picture: Picture, rng: np.random.Generator) -> Picture:
    """Faults for training frames: blur, motion, colour cast, contrast, low resolution."""
    out = picture
    if rng.random() < 0.25:
        out = _picture(_softened(out, float(rng.uniform(0.4, 1.6))))
    if rng.random() < 0.10:
        size = int(rng.integers(3, 8))
        kernel = np.zeros((size, size), np.float32)
        kernel[size // 2, :] = 1 / size
        out = _picture(cv2.filter2D(out, -1, kernel if rng.random() < 0.6 else kernel.T))
    if rng.random() < 0.2:
        height, width = out.shape[:2]
        share = float(rng.uniform(0.4, 0.8))
        small = cv2.resize(out, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        out = _picture(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    gain = rng.normal(1.0, 0.035, 3) * rng.uniform(0.85, 1.2)
    gamma = rng.uniform(0.75, 1.15)
    table = np.clip(((np.arange(256)[:, None] / 255.0) ** gamma * gain) * 255, 0, 255).astype(np.uint8)
    out = np.stack([table[:, c][out[..., c]] for c in range(3)], axis=-1)
    if rng.random() < 0.08:
        grey = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)
        out = _picture(cv2.merge([grey, grey, grey]))
    return out
