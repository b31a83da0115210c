"""Time-aware two-stage association after ByteTrack (Zhang et al., ECCV 2022), numpy only.

What differs from the paper: motion is predicted over the true interval between frames, lifetimes are in seconds, and
boxes are widened by the doubt about a young track's speed, so that 5 and 60 frames a second give the same tracks.
Output points are the detector's own boxes, never predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.records import NS_PER_S, Detection, TrackPoint, TrackStep, TrackUpdate, VehicleClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Standard deviations in units of the box's height (position) or of its logarithm (size), per second where a rate.
_NOISE = np.array([0.05, 0.05, 0.06, 0.06])
_DRIFT = np.array([0.3, 0.3, 0.1, 0.1, 2.5, 2.5, 0.5, 0.5])
_UNKNOWN_SPEED = np.array([4.0, 4.0, 0.6, 0.6])
_MAX_WIDENING = 0.6
_PART_SHARE = 0.75
_TWO_WHEELS = (VehicleClass.MOTORCYCLE, VehicleClass.BICYCLE)


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Scores from ``high`` start and keep tracks, those from ``low`` keep them only; lifetimes in seconds."""

    high: float = 0.45
    low: float = 0.1
    lost_after_s: float = 1.5
    tentative_s: float = 0.3
    min_overlap: float = 0.1
    min_overlap_low: float = 0.2


class _Track:
    """A constant-velocity Kalman filter over (centre x, centre y, log width, log height) and their rates."""

    __slots__ = ("classes", "covariance", "hits", "seen_ns", "state", "track")

    def __init__(self, track: int, t_ns: int, detection: Detection) -> None:
        measured = _measure(np.array([detection.box_px]))[0]
        height = np.exp(measured[3])
        scale = np.array([height, height, 1, 1])
        self.track = track
        self.seen_ns = t_ns
        self.hits = 1
        self.state = np.concatenate([measured, np.zeros(4)])
        self.covariance = np.diag(np.concatenate([_NOISE * scale, _UNKNOWN_SPEED * scale]) ** 2)
        self.classes: dict[VehicleClass, float] = {detection.vehicle_class: detection.score}

    def predict(self, dt_s: float) -> None:
        """Move on by ``dt_s`` seconds."""
        height = np.exp(self.state[3])
        scale = np.array([height, height, 1, 1, height, height, 1, 1])
        self.state[:4] += self.state[4:] * dt_s
        p = self.covariance
        # F P F' with F = [[I, dt I], [0, I]], written out in blocks.
        p[:4, :4] += dt_s * (p[4:, :4] + p[:4, 4:]) + dt_s * dt_s * p[4:, 4:]
        p[:4, 4:] += dt_s * p[4:, 4:]
        p[4:, :4] = p[:4, 4:].T
        p[np.diag_indices(8)] += (_DRIFT * scale) ** 2 * dt_s

    def correct(self, t_ns: int, detection: Detection) -> None:
        """Take the detection matched to this track."""
        measured = _measure(np.array([detection.box_px]))[0]
        height = np.exp(measured[3])
        noise = np.diag((_NOISE * np.array([height, height, 1, 1])) ** 2)
        gain = np.linalg.solve(self.covariance[:4, :4] + noise, self.covariance[:4]).T
        self.state += gain @ (measured - self.state[:4])
        self.covariance -= gain @ self.covariance[:4]
        self.seen_ns = t_ns
        self.hits += 1
        so_far = self.classes.get(detection.vehicle_class, 0.0)
        self.classes[detection.vehicle_class] = so_far + detection.score

    def widening(self) -> float:
        """By how many of its own heights the predicted place may be off (one standard deviation), bounded."""
        variance = max(self.covariance[0, 0], self.covariance[1, 1])
        return float(min(_MAX_WIDENING, np.sqrt(variance) / np.exp(self.state[3])))

    def update(self, detection: Detection) -> TrackUpdate:
        """The record of this track's observation in the current frame."""
        vehicle_class = max(self.classes, key=lambda name: (self.classes[name], name))
        return TrackUpdate(self.track, vehicle_class, TrackPoint(self.seen_ns, detection.box_px, detection.score))


class Tracker:
    """Gives detections of successive frames lasting numbers, from 1; persons are left aside."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._settings = settings or TrackerSettings()
        self._tracks: list[_Track] = []
        self._numbers = 0
        self._t_ns: int | None = None
        self.skipped = 0

    def update(self, t_ns: int, detections: Sequence[Detection]) -> TrackStep:
        """Take one frame's detections; a frame that is not later than the one before is skipped and counted."""
        if self._t_ns is not None and t_ns <= self._t_ns:
            self.skipped += 1
            return TrackStep(self._t_ns, (), ())
        if self._t_ns is not None:
            for track in self._tracks:
                track.predict((t_ns - self._t_ns) / NS_PER_S)
        self._t_ns = t_ns
        s = self._settings
        vehicles = [d for d in detections if d.vehicle_class is not VehicleClass.PERSON]
        strong = [d for d in vehicles if d.score >= s.high]
        weak = [d for d in vehicles if s.low <= d.score < s.high]
        matched, unmatched, left = self._match(t_ns, self._tracks, strong, s.min_overlap)
        rest, _, _ = self._match(t_ns, left, weak, s.min_overlap_low)
        born = [self._start(t_ns, detection) for detection in unmatched if not _is_part(detection, strong)]
        ended = self._give_up(t_ns)
        updates = sorted((*matched, *rest, *born), key=lambda update: update.track)
        return TrackStep(t_ns, tuple(updates), ended)

    def _match(
        self, t_ns: int, tracks: list[_Track], detections: list[Detection], least: float
    ) -> tuple[list[TrackUpdate], list[Detection], list[_Track]]:
        """Pair tracks with detections by overlap; give the pairs' updates, the detections and tracks left over."""
        updates, used, taken = [], set(), set()
        for row, column in pair(_overlap(tracks, detections), least):
            tracks[row].correct(t_ns, detections[column])
            updates.append(tracks[row].update(detections[column]))
            used.add(column)
            taken.add(row)
        unmatched = [d for index, d in enumerate(detections) if index not in used]
        return updates, unmatched, [track for index, track in enumerate(tracks) if index not in taken]

    def _start(self, t_ns: int, detection: Detection) -> TrackUpdate:
        self._numbers += 1
        track = _Track(self._numbers, t_ns, detection)
        self._tracks.append(track)
        return track.update(detection)

    def _give_up(self, t_ns: int) -> tuple[int, ...]:
        """Forget tracks unseen for too long; a track seen but once is given up sooner."""
        s = self._settings
        ended = [
            track
            for track in self._tracks
            if t_ns - track.seen_ns > (s.lost_after_s if track.hits > 1 else s.tentative_s) * NS_PER_S
        ]
        self._tracks = [track for track in self._tracks if track not in ended]
        return tuple(track.track for track in ended)


def _is_part(detection: Detection, others: Sequence[Detection]) -> bool:
    """Whether a box lies mostly inside a stronger one: a door or a cab of a vehicle that is seen as a whole.

    Somebody on two wheels in front of a car or lorry is none of its parts.
    """
    x1, y1, x2, y2 = detection.box_px
    for other in others:
        alike = detection.vehicle_class not in _TWO_WHEELS or other.vehicle_class in _TWO_WHEELS
        if other.score > detection.score and alike:
            width = min(x2, other.box_px[2]) - max(x1, other.box_px[0])
            height = min(y2, other.box_px[3]) - max(y1, other.box_px[1])
            if min(width, height) > 0 and width * height >= _PART_SHARE * (x2 - x1) * (y2 - y1):
                return True
    return False


def _measure(boxes_px: Array) -> Array:
    """Boxes ``(n, 4)`` as (centre x, centre y, log width, log height)."""
    size = np.maximum(boxes_px[:, 2:] - boxes_px[:, :2], 1.0)
    return np.concatenate([(boxes_px[:, :2] + boxes_px[:, 2:]) / 2, np.log(size)], axis=1)


def _overlap(tracks: Sequence[_Track], detections: Sequence[Detection]) -> Array:
    """Intersection over union ``(tracks, detections)``, both boxes widened by the doubt about the track's place."""
    if not tracks or not detections:
        return np.zeros((len(tracks), len(detections)))
    states = np.array([track.state[:4] for track in tracks])
    wide = np.array([track.widening() for track in tracks]) * np.exp(states[:, 3])
    half = np.exp(states[:, 2:]) / 2 + wide[:, None]
    a = np.concatenate([states[:, :2] - half, states[:, :2] + half], axis=1)[:, None, :]
    b = np.array([d.box_px for d in detections])[None] + wide[:, None, None] * np.array([-1, -1, 1, 1])
    inner = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None).prod(-1)
    areas = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1)
    overlap: Array = inner / (areas - inner)
    return overlap


def pair(overlap: Array, least: float) -> list[tuple[int, int]]:
    """Pair rows with columns, the greatest overlap first, none below ``least``; ties go to the lower numbers."""
    pairs: list[tuple[int, int]] = []
    free = overlap.copy()
    while free.size and free.max() >= least:
        row, column = divmod(int(free.argmax()), free.shape[1])
        pairs.append((row, column))
        free[row, :] = free[:, column] = -1.0
    return pairs
