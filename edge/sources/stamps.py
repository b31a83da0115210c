"""Presentation times: exact, rising, and for live streams brought onto the node's monotonic clock."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from edge.records import NS_PER_S

if TYPE_CHECKING:
    from fractions import Fraction

# A camera's crystal drifts by up to 100 ppm against ours: 3 ms in this window, far below one frame.
_DRIFT_WINDOW_NS = 30 * NS_PER_S
_MOST_STEP_BACK_NS = NS_PER_S


def ticks_to_ns(ticks: int, time_base: Fraction) -> int:
    """Container ticks as nanoseconds, rounded half up, in integers throughout."""
    return (2 * ticks * time_base.numerator * NS_PER_S + time_base.denominator) // (2 * time_base.denominator)


class Stamper:
    """Turns a decoded frame's own stamps into times that rise strictly.

    AVI keeps no presentation times, only a slot a packet. FFmpeg guesses them, and guesses wrong where there are
    B-frames; but frames come out in order, so the slot of the packet that released one (its ``dts``) is its time up to
    a constant: ``decode_order``.
    """

    def __init__(self, time_base: Fraction, interval_ns: int, *, decode_order: bool = False) -> None:
        self._time_base = time_base
        self._interval_ns = interval_ns
        self._decode_order = decode_order
        self._last_ns: int | None = None
        self._shift_ns = 0
        self.gaps = 0
        self.restamped = 0

    def stamp(self, pts: int | None, dts: int | None) -> int:
        """The frame's time.

        Without a stamp it follows its predecessor by one nominal interval. A stamp that steps back a little is moved
        just past its predecessor; one that jumps back is taken for a new start, and all that follow are shifted.
        """
        ticks = dts if self._decode_order or pts is None else pts
        raw_ns = None if ticks is None else ticks_to_ns(ticks, self._time_base)
        last_ns = self._last_ns
        if last_ns is None:
            t_ns = raw_ns or 0
        elif raw_ns is None:
            t_ns = last_ns + self._interval_ns
        else:
            t_ns = self._risen(raw_ns, last_ns)
            self.gaps += 2 * (t_ns - last_ns) > 3 * self._interval_ns
        self._last_ns = t_ns
        return t_ns

    def _risen(self, raw_ns: int, last_ns: int) -> int:
        if raw_ns + self._shift_ns > last_ns:
            return raw_ns + self._shift_ns
        self.restamped += 1
        if last_ns - (raw_ns + self._shift_ns) <= _MOST_STEP_BACK_NS:
            return last_ns + self._interval_ns // 4
        self._shift_ns = last_ns + self._interval_ns - raw_ns
        return last_ns + self._interval_ns


class LiveClock:
    """Brings a live stream's own times onto the monotonic clock.

    A frame arrives at its instant plus a transport delay that is never negative, so the smallest difference seen
    between arrival and stamp, over a window short enough that the two clocks stay together, is the best offset known.
    V4L2 stamps frames with the monotonic clock itself: there the offset is zero (``is_monotonic``).
    """

    def __init__(self, *, is_monotonic: bool = False) -> None:
        self._is_monotonic = is_monotonic
        self._offsets: deque[tuple[int, int]] = deque()  # (arrival, offset), both rising: a sliding minimum
        self._last_ns = -(1 << 62)

    def to_monotonic(self, stamp_ns: int, arrival_ns: int) -> int:
        """When the frame was taken, on the clock that ``arrival_ns`` was read from; rises strictly."""
        t_ns = stamp_ns + (0 if self._is_monotonic else self._offset(stamp_ns, arrival_ns))
        self._last_ns = max(t_ns, self._last_ns + 1)
        return self._last_ns

    def _offset(self, stamp_ns: int, arrival_ns: int) -> int:
        offset = arrival_ns - stamp_ns
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((arrival_ns, offset))
        while self._offsets[0][0] < arrival_ns - _DRIFT_WINDOW_NS:
            self._offsets.popleft()
        return self._offsets[0][1]
