"""Small pictures kept from a recording, evenly spread over it however long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.records import NS_PER_S

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from edge.records import Box, Frame, Size

    Pixels = NDArray[uint8]

_FIRST_STEP_NS = 4 * NS_PER_S // 10
_MOST = 96
_WIDEST_PX = 960


def small_size(size_px: Size) -> Size:
    """The size of the kept pictures: that of the video, shrunk to 960 pixels of width where it is wider; even."""
    scale = min(1.0, _WIDEST_PX / size_px[0])
    return max(2, round(size_px[0] * scale) & ~1), max(2, round(size_px[1] * scale) & ~1)


class PictureStack:
    """Up to 96 pictures with their times and vehicles, 0.4 s apart; twice that in a longer recording, and so on."""

    def __init__(self, size_px: Size) -> None:
        self._size_px = size_px
        self._step_ns = _FIRST_STEP_NS
        self._next_ns: int | None = None
        self.times_ns: list[int] = []
        self.pictures: list[Pixels] = []
        self.boxes_px: list[tuple[Box, ...]] = []

    def frame(self, frame: Frame, boxes_px: tuple[Box, ...]) -> None:
        """Keep the frame if it is time for one; boxes in pixels of the kept pictures."""
        if self._next_ns is not None and frame.t_ns < self._next_ns:
            return
        self._next_ns = frame.t_ns + self._step_ns
        self.times_ns.append(frame.t_ns)
        self.pictures.append(frame.picture.scaled(self._size_px))
        self.boxes_px.append(boxes_px)
        if len(self.pictures) >= _MOST:
            for kept in (self.times_ns, self.pictures, self.boxes_px):
                del kept[1::2]
            # Where pictures come more slowly than they were wanted, what they come at counts.
            self._step_ns = max(2 * self._step_ns, self.times_ns[1] - self.times_ns[0])
            self._next_ns = self.times_ns[-1] + self._step_ns
