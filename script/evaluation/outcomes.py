"""What the whole node makes of a recording: its passages and how its tracks score, kept on disk."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edge.commands.chain import approach_for
from edge.config import load_site
from edge.node import QueuedLamps
from edge.records import NS_PER_S
from edge.sources.timeline import read_timeline

from . import detections, tracking, true_boxes
from .recordings import CACHE, ROOT, code_of, digest_of
from .records import Outcome, Reported, TrackScore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.approach import Judged
    from edge.detector import Detector

    from .detections import Seen
    from .recordings import Recording

_CODE = code_of(
    ROOT / "edge",
    "approach.py",
    "crossing.py",
    "commands/chain.py",
    "config.py",
    "geometry.py",
    "node.py",
    "passages.py",
    "phases.py",
    "records.py",
    "rule.py",
    "sources/timeline.py",
    "tracker.py",
)
_OWN = code_of(ROOT / "script" / "evaluation", "outcomes.py", "tracking.py")


def outcome_of(recording: Recording) -> Outcome:
    """That kept from an earlier run with the same pictures, model and code, or a new one."""
    detector = detections.detector_of(recording)
    path = CACHE / "outcomes" / f"{recording.name}-{_key(recording, detector)}.json"
    if path.exists():
        return _from_json(json.loads(path.read_text(encoding="utf-8")))
    outcome = _measured(recording, detector)
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_suffix(f".{os.getpid()}.part")
    passing.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    passing.replace(path)
    return outcome


def _key(recording: Recording, detector: Detector) -> str:
    parts = detections.key_of(recording, detector), true_boxes.key_of(recording), _CODE, _OWN
    scores = str(detector.model.thresholds)
    return digest_of(*parts, scores, recording.folder / "site.toml", recording.folder / "lamps.csv")


def _from_json(kept: dict[str, Any]) -> Outcome:
    reported = tuple(Reported(**{**row, "box_px": tuple(row["box_px"])}) for row in kept["reported"])
    return Outcome(reported, _score(kept["tracks"]), _score(kept["approach"]))


def _score(kept: dict[str, Any]) -> TrackScore:
    return TrackScore(**{**kept, "hota": tuple(tuple(part) for part in kept["hota"])})


def _measured(recording: Recording, detector: Detector) -> Outcome:
    seen = detections.detections(recording, detector)
    reported = tuple(_reported(one) for one in judged(recording, detector, seen))
    truths = true_boxes.true_boxes(recording)
    tracks = list(tracking.tracked(seen, detector.model.thresholds))
    return Outcome(reported, tracking.score(truths, tracks), tracking.score(truths, tracks, recording.approach))


def judged(recording: Recording, detector: Detector, seen: Seen) -> Iterator[Judged]:
    """Every passage, in the order in which the node's main loop gives them."""
    approach = approach_for(load_site(recording.folder / "site.toml"), detector, trust_start=True)
    lamps = QueuedLamps(read_timeline(recording.folder / "lamps.csv"))
    end_ns = 0
    for t_ns, found in seen.frames():
        for edge in lamps.until(t_ns):
            approach.lamp(edge)
        yield from approach.frame(t_ns, found)
        end_ns = t_ns
    yield from approach.finish(end_ns)


def _reported(one: Judged) -> Reported:
    passage = one.passage
    nearest = min(passage.points, key=lambda point: abs(point.t_ns - passage.t_cross_ns))
    return Reported(
        lane=passage.lane,
        vehicle_class=passage.vehicle_class.value,
        t_cross_s=passage.t_cross_ns / NS_PER_S,
        verdict=one.judgement.verdict.value,
        red_at_least_s=one.judgement.red_at_least_s,
        box_px=nearest.box_px,
    )
