"""Small grey pictures out of recordings, and what can befall a camera, done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
from PIL import Image, ImageFilter

from edge.picture_check import SMALL_PX

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray


def greys(video: Path, from_s: float, until_s: float, every_s: float = 1.0) -> list[NDArray[uint8]]:
    """Pictures of a recording as the checks look at them."""
    taken: list[NDArray[uint8]] = []
    with av.open(str(video)) as recording:
        recording.streams.video[0].thread_type = "AUTO"
        for frame in recording.decode(video=0):
            assert frame.time is not None
            if frame.time > until_s:
                break
            if frame.time >= from_s + len(taken) * every_s:
                small = frame.reformat(*SMALL_PX, format="gray", interpolation="AREA")
                taken.append(small.to_ndarray().astype(np.uint8))
    return taken


def warped(picture: NDArray[uint8], shift_px: tuple[float, float], turn_deg: float = 0.0) -> NDArray[uint8]:
    """The picture of a camera that was moved; the shift in px of a 640 px wide picture."""
    image = Image.fromarray(picture)
    if turn_deg:
        image = image.rotate(turn_deg, Image.Resampling.BICUBIC)
    dx, dy = (side * SMALL_PX[0] / 640 for side in shift_px)
    moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, -dx, 0, 1, -dy), Image.Resampling.BICUBIC)
    return np.asarray(moved)


def blurred(picture: NDArray[uint8], sigma_px: float) -> NDArray[uint8]:
    """Out of focus; sigma in px of a 640 px wide picture."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma_px * SMALL_PX[0] / 640)))
