"""What an event's document says about its vehicle, as the pictures need it: where it was when, and what was lit."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.geometry import DirectedLine
from edge.records import Box, Contact, Point, Size, VehicleClass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

US_PER_S = 1_000_000
BEYOND_US = US_PER_S // 2
_STEPS_ON = 5


@dataclass(frozen=True, slots=True)
class Subject:
    """The vehicle of a violation; times in whole microseconds, as the event rounds them, boxes in the site's grid.

    ``track`` holds its observed boxes by time, rising. ``red_us`` is when red was shown beyond doubt: from after every
    doubt about its onset until red went off, None where it was not seen to.
    """

    track: Mapping[int, Box]
    grid_px: Size
    stop_line: DirectedLine
    confirm_line: DirectedLine
    contact: Contact
    vehicle_class: VehicleClass
    cross_us: int
    confirm_us: int
    red_us: tuple[int, int | None]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Subject:
        """Read an event, signed or not yet. The document must follow the event's schema."""
        data = document["data"]
        geometry = data["geometry"]
        lines = [
            DirectedLine.across((_point(start), _point(end)), _point(geometry["direction"]))
            for start, end in (geometry["stop_line_px"], geometry["confirm_line_px"])
        ]
        return cls(
            track={in_us(row[0]): (row[1], row[2], row[3], row[4]) for row in data["track"]},
            grid_px=(geometry["size_px"][0], geometry["size_px"][1]),
            stop_line=lines[0],
            confirm_line=lines[1],
            contact=Contact(data["contact"]),
            vehicle_class=VehicleClass(data["vehicle_class"]),
            cross_us=in_us(data["crossing"]["t_cross_s"]),
            confirm_us=in_us(data["crossing"]["t_confirm_s"]),
            red_us=_red(data),
        )

    def is_red(self, t_us: int) -> bool:
        """Whether red was shown at an instant beyond doubt."""
        start_us, end_us = self.red_us
        return t_us >= start_us and (end_us is None or t_us < end_us)

    def box_near(self, t_us: int) -> Box | None:
        """About where the vehicle was: on the straight way between observations and a little beyond them, else None."""
        times = list(self.track)
        if not times or not times[0] - BEYOND_US <= t_us <= times[-1] + BEYOND_US:
            return None
        at = bisect_right(times, t_us)
        if len(times) == 1 or (at > 0 and times[at - 1] == t_us):
            return self.track[times[max(0, at - 1)]]
        # Beyond an end the way of the last observations goes on, of several since a single step is mostly noise.
        first = min(max(at - 1, 0), max(0, len(times) - 1 - _STEPS_ON)) if at == len(times) else max(at - 1, 0)
        last = min(len(times) - 1, _STEPS_ON) if at == 0 else min(at, len(times) - 1)
        share = (t_us - times[first]) / (times[last] - times[first])
        a, b = self.track[times[first]], self.track[times[last]]
        corners = [start + share * (end - start) for start, end in zip(a, b, strict=True)]
        return corners[0], corners[1], corners[2], corners[3]


def in_us(seconds: float) -> int:
    """Seconds of an event as whole microseconds, which is what they were."""
    return round(seconds * US_PER_S)


def ns_in_us(t_ns: int) -> int:
    """Nanoseconds in whole microseconds, rounded half up as the event does."""
    return (t_ns + 500) // 1000


def _point(pair: Sequence[float]) -> Point:
    return pair[0], pair[1]


def _red(data: Mapping[str, Any]) -> tuple[int, int | None]:
    red_time, deducted = data["red_time"], data["red_time"]["deductions_s"]
    onset_us = in_us(data["crossing"]["t_cross_s"]) - in_us(red_time["elapsed_s"])
    doubt_us = in_us(deducted["lamp"]) + in_us(deducted["clock"])
    edges = [(in_us(t_s), lit) for t_s, lamp, lit in data["lamps"] if lamp == "red"]
    return onset_us + doubt_us, _went_off(edges, onset_us, in_us(data["signal"]["hold_s"] or 0.0))


def _went_off(edges: Sequence[tuple[int, bool]], onset_us: int, hold_us: int) -> int | None:
    """When the red lamp went dark after its onset, for longer than it may vanish on alternating current."""
    for index, (t_us, lit) in enumerate(edges):
        back_us = next((later for later, lit_then in edges[index + 1 :] if lit_then), None)
        if t_us > onset_us and not lit and (back_us is None or back_us - t_us > hold_us):
            return t_us
    return None
