"""One approach as the node judges it: tracker, passages, phases and rule together. Pure: no I/O, clock or thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.geometry import DirectedLine, GroundPlane
from edge.passages import LaneGeometry, PassageFinder
from edge.phases import PhaseTimes, SignalPhases
from edge.records import NS_PER_S, Judgement, Passage
from edge.rule import LaneRule, judge, latest_crossing_ns
from edge.tracker import Tracker, TrackerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.config import Calibration, Lane, SignalGroup, Site
    from edge.records import Detection, LampEdge, TrackStep

_WAITING = 256


@dataclass(frozen=True, slots=True)
class Judged:
    """A passage, its verdict, and the lamp edges that it rests on: those of its group, without gaps up to the hold."""

    passage: Passage
    judgement: Judgement
    lamps: tuple[LampEdge, ...]


class Approach:
    """Takes lamp edges and detections in the order of their times; gives every passage with its verdict.

    A passage waits for its verdict until the phases at its crossing and its confirm line are settled, so that neither
    the verdict nor the edges that it rests on depend on how edges and frames interleave.
    """

    def __init__(
        self, site: Site, tracker: TrackerSettings, *, trust_start: bool, clock_uncertainty_s: float = 0.0
    ) -> None:
        self._site = site
        self._tracker = Tracker(tracker)
        self._finder = PassageFinder([_geometry(site, lane) for lane in site.lanes])
        self._rules = {lane.id: _rule(site, lane, clock_uncertainty_s) for lane in site.lanes}
        self.phases = {
            group.id: SignalPhases(phase_times(group), trust_start=trust_start) for group in site.signal_groups
        }
        self._waiting: list[Passage] = []

    def set_clock_uncertainty(self, seconds: float) -> None:
        """Deduct so much from every red time from now on: how closely lamps read in the picture are known.

        It follows from the camera's rate, which is not known before the camera is there.
        """
        self._rules = {lane.id: _rule(self._site, lane, seconds) for lane in self._site.lanes}

    @property
    def skipped(self) -> int:
        """Frames that were not later than the one before, and so were left out."""
        return self._tracker.skipped

    @property
    def duplicates(self) -> int:
        """Passages left out since another box on the same vehicle had made them."""
        return self._finder.duplicates

    def lamp(self, edge: LampEdge) -> None:
        """Take a raw lamp edge; groups that the site does not know are left aside."""
        if edge.group in self.phases:
            self.phases[edge.group].feed(edge)

    def frame(self, t_ns: int, detections: Sequence[Detection]) -> list[Judged]:
        """Take the objects of one frame, boxes in the site's grid; all edges up to ``t_ns`` have been fed."""
        return self.step(follow(self._tracker, t_ns, detections))

    def step(self, step: TrackStep) -> list[Judged]:
        """Take what the tracker made of a frame, where it was kept to be judged again."""
        for phases in self.phases.values():
            phases.advance(step.t_ns)
        self._waiting.extend(self._finder.update(step))
        return self._judge_settled()

    def finish(self, end_ns: int) -> list[Judged]:
        """The recording ended at ``end_ns``: judge what is left, the lamps staying as they were."""
        for group in self._site.signal_groups:
            times = phase_times(group)
            self.phases[group.id].advance(end_ns + times.filter_ns + times.transition_ns + 2)
        self._waiting.extend(self._finder.finish())
        return self._judge(len(self._waiting))

    def _judge_settled(self) -> list[Judged]:
        """Judge what can be judged, and the longest waiting where too many wait: nothing waits without bound."""
        return self._judge(max(0, len(self._waiting) - _WAITING))

    def _judge(self, at_least: int) -> list[Judged]:
        """Judge the settled passages and the first ``at_least`` of all that wait, in the order of crossing."""
        due = [passage for index, passage in enumerate(self._waiting) if index < at_least or self._settled(passage)]
        kept = {id(passage) for passage in due}
        self._waiting = [passage for passage in self._waiting if id(passage) not in kept]
        return [self._judged(passage) for passage in sorted(due, key=lambda passage: passage.t_cross_ns)]

    def _settled(self, passage: Passage) -> bool:
        return self._phases_of(passage).settled_ns >= _shown_until_ns(passage)

    def _phases_of(self, passage: Passage) -> SignalPhases:
        return self.phases[self._group_of(passage).id]

    def _group_of(self, passage: Passage) -> SignalGroup:
        return self._site.group(self._site.lane(passage.lane).signal_group)

    def _judged(self, passage: Passage) -> Judged:
        phases = self._phases_of(passage)
        shown = phases.at(passage.t_cross_ns)
        # Up to where no later edge can change what was shown when it crossed and when it was confirmed.
        end_ns = _shown_until_ns(passage) + phases.times.filter_ns
        # From just before the amber that led to this phase, so that amber and order can be computed again.
        amber_ns = shown.amber_ns or 0
        lamps = phases.edges_between(shown.start_ns - amber_ns - 2 * NS_PER_S, end_ns)
        return Judged(passage, judge(passage, shown, self._rules[passage.lane]), lamps)


def _shown_until_ns(passage: Passage) -> int:
    """The last instant at which the lamps matter: to the verdict, or to the picture at the confirm line."""
    latest_ns = latest_crossing_ns(passage)
    return latest_ns if passage.t_confirm_ns is None else max(latest_ns, passage.t_confirm_ns)


def follow(tracker: Tracker, t_ns: int, detections: Sequence[Detection]) -> TrackStep:
    """A frame's objects to the tracker, as they are recorded: what is judged is what can be judged again."""
    return tracker.update(t_ns, [_as_recorded(detection) for detection in detections])


def _as_recorded(detection: Detection) -> Detection:
    """A detection to the hundredth of a pixel, as events record it."""
    x1, y1, x2, y2 = detection.box_px
    return replace(detection, box_px=(round(x1, 2), round(y1, 2), round(x2, 2), round(y2, 2)))


def _geometry(site: Site, lane: Lane) -> LaneGeometry:
    return LaneGeometry(
        lane=lane.id,
        stop=DirectedLine.across(lane.stop_line_px, lane.direction),
        confirm=DirectedLine.across(lane.confirm_line_px, lane.direction),
        direction=lane.direction,
        dwell_ns=ns(site.rule.dwell_s),
        confirm_ns=ns(site.rule.confirm_within_s),
        ground=_ground(site.calibration),
    )


def _ground(calibration: Calibration | None) -> GroundPlane | None:
    if calibration is None:
        return None
    return GroundPlane.from_points(calibration.points_px, calibration.points_m)


def _rule(site: Site, lane: Lane, clock_uncertainty_s: float) -> LaneRule:
    return LaneRule(
        contact=lane.contact,
        grace_s=site.rule.grace_s,
        rear_margin_s=site.rule.rear_margin_s,
        vehicle_length_m=site.rule.vehicle_length_m,
        lamp_uncertainty_s=site.group(lane.signal_group).uncertainty_s,
        clock_uncertainty_s=clock_uncertainty_s,
        turn_on_red=lane.turn_on_red == "allowed",
    )


def phase_times(group: SignalGroup) -> PhaseTimes:
    """A signal group's settings in the units of the phase machine."""
    return PhaseTimes(
        debounce_ns=ns(group.debounce_s),
        hold_ns=ns(group.hold_s),
        transition_ns=ns(group.transition_s),
        max_phase_ns=ns(group.max_phase_s),
        min_amber_ns=None if group.min_amber_s is None else ns(group.min_amber_s),
    )


def ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NS_PER_S)
