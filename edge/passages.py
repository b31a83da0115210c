"""Finds directed crossings of stop lines in tracks. Pure: nothing here knows a clock.

A passage is a track whose bottom-centre changes from the near to the far side of the finite stop line, seen clearly on
both sides for the dwell time, its instant interpolated between observations. It is reported once, when its confirm line
has been crossed or can no longer be crossed in time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import hypot
from typing import TYPE_CHECKING

from edge.crossing import EDGE_HEIGHTS, NEAR_NS, Drive, contact_point, doubts, height_px, whole_before, width_px
from edge.records import NS_PER_S, Passage, Point, TrackPoint, TrackStep, TrackUpdate, VehicleClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.geometry import DirectedLine, GroundPlane

_SPEED_NS = 400_000_000
_KEPT_POINTS = 4096
_REMEMBERED = 64
_SAME_WITHIN_S = 0.5


@dataclass(frozen=True, slots=True)
class LaneGeometry:
    """One lane's lines as traffic sees them; ``dwell_ns`` and ``confirm_ns`` as ``config.Rule`` defines them."""

    lane: str
    stop: DirectedLine
    confirm: DirectedLine
    direction: Point
    dwell_ns: int
    confirm_ns: int
    ground: GroundPlane | None = None


@dataclass(slots=True)
class _Crossing:
    """A crossing on its way to becoming a passage: between which two observations it fell, and what followed.

    ``left_ns`` is when the track was last clearly before the line, ``past_ns`` when it came clearly past it, first
    observed there as ``past``; ``near`` are the observations around it from which instant, speed and doubts come.
    ``whole_before_ns`` is when all of the vehicle was last surely before the line, its unseen front included.
    """

    t_ns: int
    before: TrackPoint
    after: TrackPoint
    left_ns: int
    whole_before_ns: int
    near: list[TrackPoint]
    past_ns: int = 0
    past: TrackPoint | None = None
    seen_past: bool = False
    t_confirm_ns: int | None = None


@dataclass(slots=True)
class _Progress:
    """How far one track has come in one lane. What matters of its past is kept here, since its points are bounded."""

    clear_since_ns: int | None = None
    last_clear: TrackPoint | None = None
    left_ns: int = 0
    whole_before_ns: int | None = None
    crossing: _Crossing | None = None
    done: bool = False


@dataclass(slots=True)
class _Path:
    """What is known of one track: its raw points, bounded, and how far it has come in every lane."""

    points: list[TrackPoint] = field(default_factory=list)
    vehicle_class: VehicleClass = VehicleClass.CAR
    lanes: dict[str, _Progress] = field(default_factory=dict)


class PassageFinder:
    """Follows every track over every lane's lines."""

    def __init__(self, lanes: Sequence[LaneGeometry]) -> None:
        self._lanes = tuple(lanes)
        self._paths: dict[int, _Path] = {}
        self._recent: deque[Passage] = deque(maxlen=_REMEMBERED)
        self.duplicates = 0

    def update(self, step: TrackStep) -> list[Passage]:
        """Take one frame's tracks; give the passages that are complete, in the order of their crossings."""
        found: list[Passage] = []
        for update in step.updates:
            self._extend(update)
        for track, path in self._paths.items():
            ended = track in step.ended
            found.extend(self._complete(track, path, step.t_ns, ended=ended))
        for track in step.ended:
            self._paths.pop(track, None)
        found = [passage for passage in found if self._is_new(passage)]
        return sorted(found, key=lambda passage: (passage.t_cross_ns, passage.lane, passage.track))

    def finish(self) -> list[Passage]:
        """The recording is over: give what was crossed and seen past the line, confirmed or not."""
        tracks = tuple(self._paths)
        return self.update(TrackStep(max((p.points[-1].t_ns for p in self._paths.values()), default=0), (), tracks))

    def _is_new(self, passage: Passage) -> bool:
        """Whether no other box on the same vehicle has made this passage already; remembers it if so."""
        if any(same_vehicle(passage, other) for other in self._recent):
            self.duplicates += 1
            return False
        self._recent.append(passage)
        return True

    def _extend(self, update: TrackUpdate) -> None:
        path = self._paths.setdefault(update.track, _Path())
        path.vehicle_class = update.vehicle_class
        path.points.append(update.point)
        if len(path.points) > _KEPT_POINTS:
            del path.points[: _KEPT_POINTS // 4]
        for lane in self._lanes:
            progress = path.lanes.setdefault(lane.lane, _Progress())
            if not progress.done:
                _follow(path.points, lane, progress)

    def _complete(self, track: int, path: _Path, now_ns: int, *, ended: bool) -> Iterable[Passage]:
        for lane in self._lanes:
            progress = path.lanes[lane.lane]
            crossing = progress.crossing
            if crossing is None or progress.done or not crossing.seen_past:
                continue
            late = now_ns - crossing.t_ns > lane.confirm_ns
            if crossing.t_confirm_ns is not None or late or ended:
                progress.done = True
                yield _passage(track, path, lane, crossing)


def same_vehicle(one: Passage, other: Passage) -> bool:
    """Whether two passages of a lane are of one vehicle that had two boxes on it.

    Two vehicles cannot cross a line at one place at once: the second is at least the first one's length behind. Seen
    as flat as a camera on a pole sees the road, that length is still over 0.4 of a vehicle's width in the picture.
    """
    apart_s = abs(one.t_cross_ns - other.t_cross_ns) / NS_PER_S
    if one.lane != other.lane or apart_s > _SAME_WITHIN_S:
        return False
    width_px = max(_width_px(one), _width_px(other))
    aside_px = hypot(one.cross_px[0] - other.cross_px[0], one.cross_px[1] - other.cross_px[1])
    return aside_px < 0.5 * width_px and apart_s * max(_speed_px(one), _speed_px(other)) < 0.4 * width_px


def _width_px(passage: Passage) -> float:
    nearest = min(passage.points, key=lambda point: abs(point.t_ns - passage.t_cross_ns))
    return width_px(nearest)


def _speed_px(passage: Passage) -> float:
    """Pixels a second of the contact around the crossing."""
    near = [point for point in passage.points if abs(point.t_ns - passage.t_cross_ns) <= _SPEED_NS]
    if len(near) < 2:
        return 0.0
    (x1, y1), (x2, y2) = contact_point(near[0]), contact_point(near[-1])
    return hypot(x2 - x1, y2 - y1) * NS_PER_S / (near[-1].t_ns - near[0].t_ns)


def _follow(points: Sequence[TrackPoint], lane: LaneGeometry, progress: _Progress) -> None:
    """Take a track's newest point into account for one lane."""
    after = points[-1]
    now = lane.stop.distance(contact_point(after))
    if progress.whole_before_ns is None or whole_before(after, lane.stop):
        progress.whole_before_ns = after.t_ns
    if now < -_clearance_px(after):
        progress.last_clear = after
        if progress.clear_since_ns is None:
            progress.clear_since_ns = after.t_ns
    if len(points) == 1:
        return
    before = points[-2]
    was = lane.stop.distance(contact_point(before))
    if progress.last_clear is before:
        progress.left_ns = _rises(before, after, was + _clearance_px(before), now + _clearance_px(after))
    if now < 0:
        # Back on the near side before it was clearly past: a trembling box, not a crossing.
        if progress.crossing is not None and not progress.crossing.seen_past:
            progress.crossing = None
        return
    if was < 0 and progress.crossing is None:
        progress.crossing = _crossing(points, lane, progress)
    if progress.crossing is not None:
        _follow_crossing(points, lane, progress.crossing)


def _follow_crossing(points: Sequence[TrackPoint], lane: LaneGeometry, crossing: _Crossing) -> None:
    """Take the newest point of a track that has crossed into account: whether it is clearly past, and confirmed."""
    before, after = points[-2], points[-1]
    if after.t_ns <= crossing.after.t_ns + NEAR_NS:
        crossing.near.append(after)
    if not crossing.seen_past:
        was, now = (lane.stop.distance(contact_point(point)) - _clearance_px(point) for point in (before, after))
        if now <= 0:
            crossing.past = None
        elif crossing.past is None:
            crossing.past = after
            crossing.past_ns = _rises(before, after, was, now)
        crossing.seen_past = crossing.past is not None and after.t_ns - crossing.past.t_ns >= lane.dwell_ns
    if crossing.t_confirm_ns is None:
        crossing.t_confirm_ns = _confirm(points, lane, crossing)


def _crossing(points: Sequence[TrackPoint], lane: LaneGeometry, progress: _Progress) -> _Crossing | None:
    """The crossing of the stop line between the last two points, or None where it does not count.

    It counts where it meets the finite line, and the track was clearly on the near side at least the dwell time before
    and has come from there in the lane's direction.
    """
    before, after = points[-2], points[-1]
    t_ns = _interpolated(before, after, lane.stop)
    if progress.last_clear is None or progress.clear_since_ns is None or t_ns - progress.clear_since_ns < lane.dwell_ns:
        return None
    (x1, y1), (x2, y2) = contact_point(progress.last_clear), contact_point(after)
    forwards = (x2 - x1) * lane.direction[0] + (y2 - y1) * lane.direction[1] > 0
    if not forwards or not 0 <= lane.stop.along(_between(before, after, t_ns)) <= 1:
        return None
    near = [point for point in points[:-1] if point is before or before.t_ns - point.t_ns <= NEAR_NS]
    whole_ns = before.t_ns if progress.whole_before_ns is None else progress.whole_before_ns
    return _Crossing(t_ns, before, after, progress.left_ns, whole_ns, near)


def _clearance_px(point: TrackPoint) -> float:
    return EDGE_HEIGHTS * height_px(point)


def _confirm(points: Sequence[TrackPoint], lane: LaneGeometry, crossing: _Crossing) -> int | None:
    """When the confirm line was crossed between the last two points, within its time, else None."""
    before, after = points[-2], points[-1]
    if not lane.confirm.distance(contact_point(before)) < 0 <= lane.confirm.distance(contact_point(after)):
        return None
    t_ns = max(crossing.t_ns, _interpolated(before, after, lane.confirm))
    on_line = -0.1 <= lane.confirm.along(_between(before, after, t_ns)) <= 1.1
    return t_ns if on_line and t_ns - crossing.t_ns <= lane.confirm_ns else None


def _interpolated(before: TrackPoint, after: TrackPoint, line: DirectedLine) -> int:
    """The instant at which a track crossed a line, from two points on either side of it."""
    was, now = line.distance(contact_point(before)), line.distance(contact_point(after))
    return _rises(before, after, was, now)


def _rises(before: TrackPoint, after: TrackPoint, was: float, now: float) -> int:
    """When a quantity that was negative and is no longer so went through zero; ``after`` where it still is negative."""
    if now < 0:
        return after.t_ns
    return before.t_ns + round((after.t_ns - before.t_ns) * (-was / (now - was)))


def _between(before: TrackPoint, after: TrackPoint, t_ns: int) -> Point:
    share = (t_ns - before.t_ns) / (after.t_ns - before.t_ns)
    (x1, y1), (x2, y2) = contact_point(before), contact_point(after)
    return x1 + share * (x2 - x1), y1 + share * (y2 - y1)


def _passage(track: int, path: _Path, lane: LaneGeometry, crossing: _Crossing) -> Passage:
    before, after = crossing.before, crossing.after
    drive = Drive(crossing.near, lane.stop, crossing.t_ns)
    t_ns = crossing.t_ns if drive.root_ns is None else drive.root_ns
    bracket_ns = max(t_ns - before.t_ns, after.t_ns - t_ns)
    # How long the contact was too near to the line to tell its side: short for one that drives over it, long for one
    # that comes to rest on it.
    edge_ns = max(t_ns - crossing.left_ns, crossing.past_ns - t_ns)
    return Passage(
        lane=lane.lane,
        track=track,
        vehicle_class=path.vehicle_class,
        t_cross_ns=t_ns,
        uncertainty_ns=bracket_ns + edge_ns,
        t_confirm_ns=None if crossing.t_confirm_ns is None else max(t_ns, crossing.t_confirm_ns),
        speed_mps=_speed_mps(crossing, lane.ground),
        cross_px=(where := _between(before, after, crossing.t_ns)),
        points=tuple(path.points),
        to_line_m=_to_line_m(path.points, lane.ground, where, before.t_ns),
        whole_before_ns=crossing.whole_before_ns,
        doubts=doubts(path.points, crossing.near, drive, lane.stop, t_ns),
    )


def _to_line_m(
    points: Sequence[TrackPoint], ground: GroundPlane | None, where: Point, until_ns: int
) -> tuple[tuple[int, float], ...]:
    """Each point's time and distance on the ground to the crossing, up to an instant; nothing without calibration."""
    if ground is None:
        return ()
    x, y = ground.to_ground(where)
    places = [(point.t_ns, ground.to_ground(contact_point(point))) for point in points if point.t_ns <= until_ns]
    return tuple((t_ns, hypot(place[0] - x, place[1] - y)) for t_ns, place in places)


def _speed_mps(crossing: _Crossing, ground: GroundPlane | None) -> float | None:
    """Speed over ground around the crossing, from the ends of the observed stretch; None without calibration."""
    if ground is None:
        return None
    first_ns, last_ns = crossing.before.t_ns - _SPEED_NS, crossing.after.t_ns + _SPEED_NS
    near = [point for point in crossing.near if first_ns <= point.t_ns <= last_ns]
    (x1, y1), (x2, y2) = (ground.to_ground(contact_point(point)) for point in (near[0], near[-1]))
    return hypot(x2 - x1, y2 - y1) * NS_PER_S / (near[-1].t_ns - near[0].t_ns)
