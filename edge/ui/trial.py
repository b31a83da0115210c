"""What a draft makes of a recording: kept tracks judged again, by the code that judges on the road. Pure."""

from __future__ import annotations

from math import ceil, floor, hypot
from typing import TYPE_CHECKING, Any

from edge.approach import Approach, phase_times
from edge.geometry import GroundPlane
from edge.phases import SignalPhases
from edge.records import NS_PER_S, Phase
from edge.tracker import TrackerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.approach import Judged
    from edge.config import Calibration, SignalGroup, Site
    from edge.geometry import Segment
    from edge.records import LampEdge, PhaseInterval, Point, Size, TrackStep

Band = tuple[float, float, str, str | None]

_BEYOND_M = 10
_MOST_GRID_M = 60
_GRID_STEPS = 24


class Trial:
    """Judges steps of the tracker as they come, with all lamp edges known beforehand."""

    def __init__(self, site: Site, edges: Sequence[LampEdge], clock_uncertainty_s: float) -> None:
        self._approach = Approach(site, TrackerSettings(), trust_start=True, clock_uncertainty_s=clock_uncertainty_s)
        self._edges = edges
        self._fed = 0
        self._finished = False
        self.taken = 0
        self.until_ns = 0
        self.judged: list[Judged] = []

    def take(self, steps: Iterable[TrackStep]) -> None:
        """The next steps, in order."""
        for step in steps:
            self._feed(step.t_ns)
            self.judged.extend(self._approach.step(step))
            self.until_ns = step.t_ns
            self.taken += 1

    def finish(self) -> None:
        """The recording is over; said once or more often."""
        if not self._finished:
            self._finished = True
            self.judged.extend(self._approach.finish(self.until_ns))

    @property
    def groups(self) -> frozenset[str]:
        """The signal groups that it knows."""
        return frozenset(self._approach.phases)

    def bands(self, group: str) -> list[Band]:
        """A signal group's phases so far: from, to, phase and fault; seconds."""
        return _bands(self._approach.phases[group], self.until_ns)

    def _feed(self, t_ns: int) -> None:
        while self._fed < len(self._edges) and self._edges[self._fed].t_ns <= t_ns:
            self._approach.lamp(self._edges[self._fed])
            self._fed += 1


def phase_bands(group: SignalGroup, edges: Iterable[LampEdge], until_ns: int) -> list[Band]:
    """What a signal group's recorded lamps make of it without any passage: as ``Trial.bands``."""
    phases = SignalPhases(phase_times(group), trust_start=True)
    for edge in edges:
        if edge.t_ns <= until_ns:
            phases.feed(edge)
    phases.advance(until_ns)
    return _bands(phases, until_ns)


def _bands(phases: SignalPhases, until_ns: int) -> list[Band]:
    bands = [_band(one, until_ns) for one in phases.intervals]
    return [band for band in bands if band[1] > band[0]]


def _band(one: PhaseInterval, until_ns: int) -> Band:
    end_ns = until_ns if one.end_ns is None else min(one.end_ns, until_ns)
    return max(0, one.start_ns) / NS_PER_S, end_ns / NS_PER_S, one.phase.value, one.fault and one.fault.value


def told(one: Judged) -> dict[str, Any]:
    """A judged passage for the page."""
    passage, judgement = one.passage, one.judgement
    return {
        "lane": passage.lane,
        "track": passage.track,
        "class": passage.vehicle_class.value,
        "t_s": round(passage.t_cross_ns / NS_PER_S, 3),
        "uncertainty_s": round(passage.uncertainty_ns / NS_PER_S, 3),
        "confirm_s": None if passage.t_confirm_ns is None else round(passage.t_confirm_ns / NS_PER_S, 3),
        "at_px": [round(value, 1) for value in passage.cross_px],
        "verdict": judgement.verdict.value,
        "phase": judgement.phase.value,
        "fault": judgement.fault and judgement.fault.value,
        "red_s": judgement.red_elapsed_s,
        "red_at_least_s": judgement.red_at_least_s,
        "speed_mps": passage.speed_mps,
        "doubts": [doubt.value for doubt in passage.doubts],
    }


def widths_at(line: Segment, steps: Iterable[TrackStep]) -> list[float]:
    """How wide the boxes are whose lower edge lies on a rather level line, or within a tenth of their height of it."""
    (x1, y1), (x2, y2) = sorted(line)
    found = []
    for step in steps:
        for left, top, right, bottom in (one.point.box_px for one in step.updates):
            x = (left + right) / 2
            if x1 <= x <= x2 and abs(y1 + (y2 - y1) * (x - x1) / (x2 - x1) - bottom) < (bottom - top) / 10:
                found.append(right - left)
    return found


def spans(edges: Sequence[LampEdge], end_s: float) -> list[tuple[float, float, str]]:
    """What one group's lamps show, as they are read, without debouncing: from, to, aspect."""
    shown: dict[str, bool] = {}
    bands: list[tuple[float, float, str]] = []
    for index, edge in enumerate(edges):
        shown[edge.lamp.value] = edge.lit
        if index + 1 < len(edges) and edges[index + 1].t_ns == edge.t_ns:
            continue
        to_s = edges[index + 1].t_ns / NS_PER_S if index + 1 < len(edges) else end_s
        lit = frozenset(lamp for lamp, is_lit in shown.items() if is_lit)
        bands.append((edge.t_ns / NS_PER_S, to_s, _ASPECTS.get(lit, Phase.UNKNOWN.value)))
    return bands


_ASPECTS = {
    frozenset({"red"}): Phase.RED.value,
    frozenset({"amber"}): Phase.AMBER.value,
    frozenset({"green"}): Phase.GREEN.value,
    frozenset({"red", "amber"}): Phase.RED_AMBER.value,
}


def metre_grid(calibration: Calibration | None, size_px: Size) -> list[tuple[Point, Point]]:
    """Lines a metre apart on the ground round the calibrated rectangle, as they are seen before the horizon."""
    if calibration is None:
        return []
    plane = GroundPlane.from_points(calibration.points_m, calibration.points_px)  # from the ground to the picture
    xs, ys = zip(*calibration.points_m, strict=True)
    columns, rows = _metres(xs), _metres(ys)
    lines = [
        *([(float(x), y) for y in _steps(rows)] for x in columns),
        *([(x, float(y)) for x in _steps(columns)] for y in rows),
    ]
    ahead = _side(plane, calibration.points_m[0])
    seen = ([plane.to_ground(point) for point in line if _side(plane, point) == ahead] for line in lines)
    return [(kept[0], kept[-1]) for line in seen if len(kept := _near(line, size_px)) > 1]


def _metres(values: Sequence[float]) -> range:
    """Whole metres from a little before the least to a little after the greatest."""
    first = floor(min(values)) - _BEYOND_M
    return range(first, min(ceil(max(values)) + _BEYOND_M, first + _MOST_GRID_M) + 1)


def _steps(metres: range) -> list[float]:
    """Places along a line, close enough to cut it well where it leaves the picture."""
    return [metres[0] + (metres[-1] - metres[0]) * step / _GRID_STEPS for step in range(_GRID_STEPS + 1)]


def _side(plane: GroundPlane, point: Point) -> bool:
    """On which side of the picture's horizon a place on the ground lies."""
    m = plane.matrix
    return m[6] * point[0] + m[7] * point[1] + m[8] > 0


def _near(line: Sequence[Point], size_px: Size) -> list[Point]:
    """The points of a line that are not far outside of the picture."""
    reach = 2 * hypot(*size_px)
    return [(round(x, 1), round(y, 1)) for x, y in line if abs(x) < reach and abs(y) < reach]
