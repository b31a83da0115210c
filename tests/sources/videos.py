"""Small videos, written for a test."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

SIZE = (160, 96)
MILLISECOND = Fraction(1, 1000)


def picture(index: int, size: tuple[int, int] = SIZE) -> NDArray[uint8]:
    """Textured RGB that moves with ``index``, so that no two frames code alike."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return np.stack(((x + 7 * index) % 256, (2 * y + x + index) % 256, (x * y // 16 + 3 * index) % 256), 2).astype("u1")


def write_video(
    path: Path,
    frames: int = 60,
    *,
    times_ms: Iterable[int] | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    size: tuple[int, int] = SIZE,
) -> Path:
    """25 frames a second, or at the times given."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECOND if times_ms else Fraction(1, 25)
        for index, ticks in enumerate(times_ms or range(frames)):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts, frame.time_base = ticks, stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path
