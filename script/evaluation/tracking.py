"""Tracks against true boxes: HOTA (Luiten et al., IJCV 2021), IDF1 and identity switches, by TrackEval.

What nobody could be asked to follow counts neither way: a vehicle that is lower than 16 pixels in the picture, more
than half hidden, or reaches behind the camera. A track's box on such a vehicle is taken out, as MOTChallenge does with
its distractors. A track on a person or on nothing is wrong.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import StoplineError
from edge.tracker import Tracker, TrackerSettings
from models.train.boxes import Floats, covered, ious

from .records import TrackScore
from .true_boxes import LABELS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy import int64
    from numpy.typing import NDArray

    from edge.detector.model import Thresholds

    from .detections import Seen
    from .true_boxes import TrueBoxes

LEAST_HEIGHT_PX = 16
LEAST_VISIBLE = 0.5
SAME_IOU = 0.5

Frame = tuple[Floats, Floats]


def tracked(seen: Seen, thresholds: Thresholds) -> Iterator[Floats]:
    """What the node's tracker makes of each frame: rows of number, x1, y1, x2, y2."""
    tracker = Tracker(TrackerSettings(high=thresholds.high, low=thresholds.low))
    for t_ns, detections in seen.frames():
        updates = tracker.update(t_ns, detections).updates
        yield np.array([(one.track, *one.point.box_px) for one in updates], np.float32).reshape(-1, 5)


def score(truths: TrueBoxes, tracks: Sequence[Floats], only: Collection[str] | None = None) -> TrackScore:
    """Score the tracks of one recording, frame by frame; `only` names the road users that must be followed."""
    numbers = np.array([n for n, ident in enumerate(truths.idents) if only is None or ident in only])
    played = zip(truths.frames(), tracks, strict=True)
    return evaluated([fair(true.astype(np.float32), found, numbers) for true, found in played])


def fair(true: Floats, found: Floats, numbers: NDArray[int64]) -> Frame:
    """One frame's true boxes that must be followed and the tracks that count, both rows of number, x1 to y2."""
    vehicle = true[:, 1] != LABELS.index("person")
    fit = (true[:, 2] >= LEAST_VISIBLE) & (true[:, 6] - true[:, 4] >= LEAST_HEIGHT_PX)
    needed = vehicle & fit & np.isin(true[:, 0], numbers)
    spared = vehicle & ~needed
    overlap = ious(found[:, 1:], true[:, 3:])
    on_needed = overlap[:, needed].max(axis=1, initial=0.0)
    on_spared = overlap[:, spared].max(axis=1, initial=0.0)
    inside = covered(found[:, 1:], true[spared][:, 3:]).max(axis=1, initial=0.0)
    drop = (on_needed < SAME_IOU) & (np.maximum(on_spared, inside) >= SAME_IOU)
    return true[needed][:, [0, 3, 4, 5, 6]], found[~drop]


def _metrics() -> Any:
    """TrackEval's metrics; it prints on import what else it could do. Raises StoplineError where it is missing."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from trackeval import metrics  # type: ignore[import-untyped]
    except ImportError:
        raise StoplineError(
            "tracks are scored by TrackEval, which is not installed: pip install --no-deps trackeval==1.3.0 scipy"
        ) from None
    return metrics


def evaluated(frames: Sequence[Frame]) -> TrackScore:
    """Score frames of true and tracked boxes by TrackEval."""
    metrics, data = _metrics(), _as_trackeval(frames)
    quiet = {"PRINT_CONFIG": False}
    hota = metrics.HOTA().eval_sequence(data)
    identity = metrics.Identity(quiet).eval_sequence(data)
    clear = metrics.CLEAR(quiet).eval_sequence(data)
    hits, false, missed, association = (
        tuple(float(v) for v in hota[name]) for name in ("HOTA_TP", "HOTA_FP", "HOTA_FN", "AssA")
    )
    return TrackScore(
        hota=(hits, false, missed, association),
        id_hits=int(identity["IDTP"]),
        id_misses=int(identity["IDFN"]),
        id_false=int(identity["IDFP"]),
        switches=int(clear["IDSW"]),
        vehicles=data["num_gt_ids"],
    )


def _as_trackeval(frames: Sequence[Frame]) -> dict[str, Any]:
    true_ids, truths = _numbered([true[:, 0] for true, _ in frames])
    track_ids, tracks = _numbered([found[:, 0] for _, found in frames])
    return {
        "num_timesteps": len(frames),
        "gt_ids": truths,
        "tracker_ids": tracks,
        "similarity_scores": [ious(true[:, 1:], found[:, 1:]) for true, found in frames],
        "num_gt_ids": true_ids,
        "num_tracker_ids": track_ids,
        "num_gt_dets": sum(map(len, truths)),
        "num_tracker_dets": sum(map(len, tracks)),
    }


def _numbered(frames: Sequence[Floats]) -> tuple[int, list[NDArray[int64]]]:
    """Numbers made to run from 0 without gaps, and how many there are."""
    known = np.unique(np.concatenate(frames)) if frames else np.zeros(0)
    return len(known), [np.searchsorted(known, frame).astype(np.int64) for frame in frames]


def hota(scores: Sequence[TrackScore]) -> float:
    """HOTA over recordings: TrackEval's way of adding them up, averaged over the overlaps 0.05 to 0.95."""
    hits, false, missed, association = (np.array([one.hota[part] for one in scores]) for part in range(4))
    total = hits.sum(axis=0)
    if not (total + missed.sum(axis=0)).any():
        return float("nan")
    found = total / np.maximum(1, total + false.sum(axis=0) + missed.sum(axis=0))
    associated = (association * hits).sum(axis=0) / np.maximum(1e-10, total)
    return float(np.sqrt(found * associated).mean())


def idf1(scores: Sequence[TrackScore]) -> float:
    """IDF1 over recordings (Ristani et al., 2016)."""
    hits, missed = sum(one.id_hits for one in scores), sum(one.id_misses for one in scores)
    false = sum(one.id_false for one in scores)
    return hits / (hits + 0.5 * (missed + false)) if hits + missed else float("nan")


def switches_per_100(scores: Sequence[TrackScore]) -> float:
    """Identity switches in 100 true vehicles."""
    vehicles = sum(one.vehicles for one in scores)
    return 100 * sum(one.switches for one in scores) / vehicles if vehicles else float("nan")
