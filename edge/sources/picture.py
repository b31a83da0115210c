"""A decoded picture that stays in the decoder's own planes until somebody asks for pixels."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.records import Size

Crop = tuple[int, int, int, int]

_PLANAR_420 = ("yuv420p", "yuvj420p")
# One swscale context a conversion in use; a node asks for two or three (the detector's input, stills, the clip).
_MOST_SCALERS = 8


class Scalers:
    """The swscale contexts of one source, shared by its pictures since setting one up costs as much as using it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: dict[tuple[Size, Size], VideoReformatter] = {}

    def to_bgr(self, frame: av.VideoFrame, size_px: Size) -> NDArray[uint8]:
        """``frame`` as BGR at ``size_px``; area averaging when it shrinks, bicubic when it grows."""
        shrinks = size_px[0] * size_px[1] < frame.width * frame.height
        how = Interpolation.AREA if shrinks else Interpolation.BICUBIC
        with self._lock:  # a context must not serve two threads at once
            scaler = self._scaler(((frame.width, frame.height), size_px))
            scaled = scaler.reformat(frame, *size_px, format="bgr24", interpolation=how, threads=1)
        return scaled.to_ndarray()  # type: ignore[return-value]  # bgr24 is always uint8

    def _scaler(self, sizes: tuple[Size, Size]) -> VideoReformatter:
        if sizes not in self._ready:
            if len(self._ready) >= _MOST_SCALERS:
                self._ready.pop(next(iter(self._ready)))
            self._ready[sizes] = VideoReformatter()
        return self._ready[sizes]


class DecodedPicture:
    """One frame of a video; its pixels are converted when asked for, at the size asked for."""

    __slots__ = ("_frame", "_scalers")

    def __init__(self, frame: av.VideoFrame, scalers: Scalers) -> None:
        self._frame = frame
        self._scalers = scalers

    @property
    def size_px(self) -> Size:
        """Width and height of the stored picture."""
        return self._frame.width, self._frame.height

    def scaled(self, size_px: Size, crop_px: Crop | None = None) -> NDArray[uint8]:
        """The picture, or ``crop_px`` (left, top, right, bottom) of it, as BGR uint8 at ``size_px`` (width, height).

        A crop must lie inside the picture and its corners on even pixels, where 4:2:0 chroma has its samples.
        """
        whole = crop_px is None or crop_px == (0, 0, *self.size_px)
        frame = self._frame if whole or crop_px is None else _cropped(self._frame, crop_px)
        return self._scalers.to_bgr(frame, size_px)


class KeptParts:
    """Parts of a picture of which the whole was not kept; ``size_px`` is the whole's."""

    __slots__ = ("_parts", "_scalers", "size_px")

    def __init__(self, size_px: Size, parts: Mapping[Crop, av.VideoFrame], scalers: Scalers) -> None:
        self.size_px = size_px
        self._parts = parts
        self._scalers = scalers

    def scaled(self, size_px: Size, crop_px: Crop | None = None) -> NDArray[uint8]:
        """A part that was kept, and no other, as BGR uint8 at ``size_px`` (width, height)."""
        assert crop_px is not None, "the whole picture was not kept"
        assert crop_px in self._parts, "that part of the picture was not asked for"
        return self._scalers.to_bgr(self._parts[crop_px], size_px)


def _cropped(frame: av.VideoFrame, crop_px: Crop) -> av.VideoFrame:
    """The crop in planes of its own: a copy of the part is several times cheaper than scaling what surrounds it."""
    if frame.format.name not in _PLANAR_420:
        frame = frame.reformat(format="yuv420p")
    left, top, right, bottom = crop_px
    part = av.VideoFrame(right - left, bottom - top, frame.format.name)
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    for source, target, step in zip(frame.planes, part.planes, (1, 2, 2), strict=True):
        pixels = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)
        room = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
        rows, columns = -(-(bottom - top) // step), -(-(right - left) // step)
        room[:rows, :columns] = pixels[top // step : top // step + rows, left // step : left // step + columns]
    return part
