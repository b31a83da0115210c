"""A case drawn: lamps as bands, and the vehicle's distance to the stop line over time. SVG as text; pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import TYPE_CHECKING, Any, Final

from edge.geometry import DirectedLine, GroundPlane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from edge.records import Point

_WIDTH, _HEIGHT = 960, 490
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 936, 128, 432
_LAMPS: Final = (("red", 20), ("amber", 40), ("green", 60))
_BAND = 14
_LEAD_S, _TAIL_S, _FARTHEST_S = 1.0, 0.4, 12.0


@dataclass(frozen=True, slots=True)
class _Scale:
    """A stretch of values laid onto a stretch of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, about: int) -> Iterator[float]:
        """Round values inside, some ``about`` of them."""
        rough = (self.high - self.low) / about
        power = 10.0 ** floor(log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        value = -floor(-self.low / step) * step
        while value <= self.high + 1e-9:
            yield round(value, 6)
            value += step


@dataclass(frozen=True, slots=True)
class _Course:
    """The vehicle's way: seconds since red began, and its distance past the stop line (negative before it)."""

    places: tuple[tuple[float, float], ...]
    unit: str

    def at(self, t_s: float) -> float:
        """The distance at an instant, between observations or at the nearest end."""
        for (t1, d1), (t2, d2) in zip(self.places, self.places[1:], strict=False):
            if t1 <= t_s <= t2:
                return d1 + (d2 - d1) * (t_s - t1) / (t2 - t1)
        return self.places[0][1] if t_s < self.places[0][0] else self.places[-1][1]


def lamps_and_distance(data: Mapping[str, Any]) -> str:
    """The drawing for the ``data`` of an event. Time counts from the beginning of red."""
    crossing, red = data["crossing"], data["red_time"]
    onset_s = crossing["t_cross_s"] - red["elapsed_s"]
    course = _course(data, onset_s)
    first_s, last_s = course.places[0][0], course.places[-1][0]
    begin_s = min(first_s, max(0.0, red["elapsed_s"] - _FARTHEST_S)) - _LEAD_S
    x = _Scale(begin_s, last_s + _TAIL_S, _LEFT, _RIGHT)
    far = max(abs(distance) for _, distance in course.places)
    low, high = min(d for _, d in course.places) - 0.06 * far, max(d for _, d in course.places) + 0.1 * far
    y = _Scale(low, high, _TOP, _BOTTOM)
    parts = [
        *_bands(data["lamps"], onset_s, x),
        *_axes(x, y, course.unit),
        *_red(data, x),
        *_way(course, x, y),
        *_moments(data, onset_s, course, x, y),
    ]
    label = "Lamps as bands, and the vehicle's distance to the stop line over time"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _course(data: Mapping[str, Any], onset_s: float) -> _Course:
    geometry, calibration = data["geometry"], data["calibration"]
    start, end = (_point(place) for place in geometry["stop_line_px"])
    towards = (start[0] + geometry["direction"][0], start[1] + geometry["direction"][1])
    contacts = [(row[0], ((row[1] + row[3]) / 2, float(row[4]))) for row in data["track"]]
    unit = "pixels"
    if calibration is not None:
        quads = [tuple(map(_point, calibration[name])) for name in ("points_px", "points_m")]
        to_ground = GroundPlane.from_points(*quads).to_ground
        start, end, towards = to_ground(start), to_ground(end), to_ground(towards)
        contacts = [(t_s, to_ground(place)) for t_s, place in contacts]
        unit = "metres"
    line = DirectedLine.across((start, end), (towards[0] - start[0], towards[1] - start[1]))
    return _Course(tuple((t_s - onset_s, line.distance(place)) for t_s, place in contacts), unit)


def _point(place: Sequence[float]) -> Point:
    return float(place[0]), float(place[1])


def _bands(lamps: Sequence[Sequence[Any]], onset_s: float, x: _Scale) -> Iterator[str]:
    for lamp, top in _LAMPS:
        yield _label(_LEFT - 12, top + 11, lamp, anchor="end")
        yield f'<rect class="rail" x="{_LEFT}" y="{top}" width="{_RIGHT - _LEFT}" height="{_BAND}" rx="3"/>'
        edges = [(t_s - onset_s, lit) for t_s, name, lit in lamps if name == lamp]
        ends = [t_s for t_s, _ in edges[1:]] + [x.high]
        for (t_s, lit), end_s in zip(edges, ends, strict=True):
            left, right = max(t_s, x.low), min(end_s, x.high)
            if lit and left < right:
                box = f'x="{x(left)}" y="{top}" width="{x(right) - x(left):.1f}" height="{_BAND}"'
                yield f'<rect class="{lamp}" {box} rx="3"/>'


def _axes(x: _Scale, y: _Scale, unit: str) -> Iterator[str]:
    for value in x.ticks(9):
        yield _line("grid", x(value), _TOP, x(value), _BOTTOM)
        yield _label(x(value), _BOTTOM + 20, f"{value:g}", anchor="middle")
    for value in y.ticks(6):
        yield _line("grid", _LEFT, y(value), _RIGHT, y(value))
        yield _label(_LEFT - 12, y(value) + 4, f"{abs(value):g}", anchor="end")
    yield _label((_LEFT + _RIGHT) / 2, _BOTTOM + 44, "seconds after red began", anchor="middle")
    yield _label(_LEFT + 8, _TOP + 18, f"{unit} before the stop line")
    yield _label(_LEFT + 8, _BOTTOM - 10, f"{unit} past it")
    yield _line("stop", _LEFT, y(0), _RIGHT, y(0))
    yield _label(_LEFT + 8, y(0) - 7, "stop line", kind="strong")


def _red(data: Mapping[str, Any], x: _Scale) -> Iterator[str]:
    """Where red began, and how much of it is beyond doubt at the crossing."""
    begins = max(0.0, x.low)
    yield f'<rect class="wash" x="{x(begins)}" y="{_TOP}" width="{_RIGHT - x(begins):.1f}" height="{_BOTTOM - _TOP}"/>'
    if x.low <= 0:
        yield _line("onset", x(0), _TOP - 22, x(0), _BOTTOM)
    least_s = data["red_time"]["at_least_s"]
    start, end, height = x(begins), x(max(least_s, begins)), _TOP - 14
    yield _line("least", start, height, end, height)
    yield _line("least", end, height - 5, end, height + 5)
    words = f"red for at least {least_s:.2f} s, every doubt taken off"
    late = start > (_LEFT + _RIGHT) / 2
    yield _label(_RIGHT if late else start, height - 8, words, anchor="end" if late else "start", kind="least")


def _way(course: _Course, x: _Scale, y: _Scale) -> Iterator[str]:
    places = [(x(t_s), y(distance)) for t_s, distance in course.places]
    yield f'<polyline class="path" points="{" ".join(f"{left},{top}" for left, top in places)}"/>'
    thin = 1 + len(places) // 200
    for left, top in places[::thin]:
        yield f'<circle class="seen" cx="{left}" cy="{top}" r="2"/>'


def _moments(data: Mapping[str, Any], onset_s: float, course: _Course, x: _Scale, y: _Scale) -> Iterator[str]:
    crossing = data["crossing"]
    t_s, doubt_s, confirm_s = (
        crossing["t_cross_s"] - onset_s,
        crossing["uncertainty_s"],
        crossing["t_confirm_s"] - onset_s,
    )
    width = max(1.0, x(t_s + doubt_s) - x(t_s - doubt_s))
    yield f'<rect class="doubt" x="{x(t_s - doubt_s)}" y="{_TOP}" width="{width:.1f}" height="{_BOTTOM - _TOP}"/>'
    yield f'<circle class="hit" cx="{x(t_s)}" cy="{y(0)}" r="5"/>'
    yield _label(
        x(t_s - doubt_s) - 8, y(0) + 20, f"crossed at {t_s:.2f} s ± {doubt_s:.2f} s", anchor="end", kind="strong"
    )
    yield _line("mark", x(confirm_s), _TOP, x(confirm_s), _BOTTOM)
    yield f'<circle class="hit" cx="{x(confirm_s)}" cy="{y(course.at(confirm_s))}" r="5"/>'
    yield _label(x(confirm_s) - 8, _TOP + 18, "confirm line", anchor="end", kind="strong")


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _label(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f'<text{marked} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
