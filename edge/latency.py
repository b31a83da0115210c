"""How long things take, in a window of bounded size, and how long an event takes from its picture to its PUBACK."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from edge.records import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW: Final = 1024
_NS_PER_MS = NS_PER_S // 1000


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of the last ``WINDOW`` durations, in ms; ``count`` is how many there ever were."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Durations:
    """The last ``WINDOW`` durations. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept_ns: deque[int] = deque(maxlen=WINDOW)
        self._count = 0

    def add(self, duration_ns: int) -> None:
        """One more; the oldest goes where there are too many."""
        with self._lock:
            self._kept_ns.append(duration_ns)
            self._count += 1

    def quantiles(self) -> Quantiles | None:
        """Nearest-rank quantiles: each is a duration that was really met. None before the first."""
        with self._lock:
            ordered, count = sorted(self._kept_ns), self._count
        if not ordered:
            return None
        p50, p95, p99 = (ordered[ceil(share * len(ordered)) - 1] / _NS_PER_MS for share in (0.50, 0.95, 0.99))
        return Quantiles(count, round(p50, 1), round(p95, 1), round(p99, 1))


class Deliveries:
    """From an event's last needed picture to the broker's word that it has it; for events of this run alone.

    At most ``WINDOW`` events are waited for; the one waited for longest is given up. Any thread may call.
    """

    def __init__(self) -> None:
        self.durations = Durations()
        self._lock = threading.Lock()
        self._taken_ns: dict[str, int] = {}

    def expect(self, event_id: str, picture_ns: int) -> None:
        """An event whose last needed picture was taken then, on the monotonic clock."""
        with self._lock:
            while len(self._taken_ns) >= WINDOW:
                del self._taken_ns[next(iter(self._taken_ns))]
            self._taken_ns[event_id] = picture_ns

    def delivered_now(self, ids: Iterable[str]) -> None:
        """The broker has just taken these messages."""
        self.delivered(ids, time.monotonic_ns())

    def delivered(self, ids: Iterable[str], now_ns: int) -> None:
        """The broker has these messages; those that are no expected events are passed over."""
        with self._lock:
            pictures_ns = [found for one in ids if (found := self._taken_ns.pop(one, None)) is not None]
        for picture_ns in pictures_ns:
            self.durations.add(now_ns - picture_ns)
