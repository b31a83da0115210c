"""Compares ways of tracking on simulated junction boxes; the figures of docs/adr/0002-tracker.md come from here.

Run ``python -m tests.core.tracker_comparison`` with trackeval and scipy installed; it is no test, and CI runs it not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from edge.records import VehicleClass
from edge.tracker import Tracker, TrackerSettings
from tests.core import motion as m
from tests.core.motion import Motion, S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from edge.records import Box, Detection

# A queue that stands at red and leaves, lane by lane; heights and gaps in pixels.
_LANES = ((150.0, 0.12), (300.0, 0.0), (450.0, -0.12))
_DURATION_S = 40.0


@dataclass(frozen=True)
class Scene:
    """Ground truth boxes and what a detector made of them, frame by frame; truths are numbered."""

    times_ns: list[int]
    truths: list[dict[int, Box]]
    detections: list[list[Detection]]


def vehicles(rng: Random) -> list[tuple[float, Motion]]:
    """Free traffic in the first half, then a dense queue that stands and leaves one after the other."""
    found = []
    for x, slant in _LANES:
        t_s = rng.uniform(0, 2)
        while t_s < 18:
            height = rng.uniform(35, 70)
            size = (height * rng.uniform(1.0, 1.5), height)
            found.append((t_s, Motion(m.steady(rng.uniform(90, 320)), (x, 350.0), (slant, -1.0), size)))
            t_s += rng.uniform(1.2, 4.0)
        way = 190.0
        for place in range(4):
            enters_s = 21 + place * 1.3 + rng.uniform(0, 0.4)
            leaves_s = 31 - enters_s + place * 1.1
            height = rng.uniform(42, 50)
            motion = Motion(m.waiting(way, leaves_s, 60.0), (x, 350.0), (slant, -1.0), (height * 1.2, height))
            found.append((enters_s, motion))
            way -= 46.0
    return found


def scene(fps: float, seed: int) -> Scene:
    """Boxes that tremble, are missed, weak or hidden behind a pole, with false ones between."""
    rng = m.dice(seed)
    traffic = vehicles(rng)
    times_ns = m.frame_times(fps, _DURATION_S, jitter=0.2, rng=rng)
    scene = Scene(times_ns, [], [])
    for t_ns in times_ns:
        inside = {}
        for number, (enters_s, motion) in enumerate(traffic):
            box = motion.box(t_ns / S - enters_s)
            if t_ns / S >= enters_s and box[1] > 0:
                inside[number] = box
        scene.truths.append(inside)
        scene.detections.append(_detected(inside, rng))
    return scene


def _detected(inside: dict[int, Box], rng: Random) -> list[Detection]:
    found = []
    for box in inside.values():
        behind_pole = 140 < box[3] < 165 and 280 < box[0] < 330
        score = min(0.99, rng.gauss(0.7, 0.18))
        if not behind_pole and score > 0.1 and rng.random() > 0.04:
            kind = VehicleClass.TRUCK if rng.random() < 0.1 else VehicleClass.CAR
            found.append(m.detection(m.trembling(box, rng, 0.03), score, kind))
    if rng.random() < 0.05:
        x, y = rng.uniform(50, 600), rng.uniform(80, 340)
        found.append(m.detection((x - 25, y - 40, x + 25, y), rng.uniform(0.1, 0.6)))
    return found


def ours(settings: TrackerSettings) -> Callable[[Scene], list[dict[int, Box]]]:
    def follow(scene: Scene) -> list[dict[int, Box]]:
        tracker = Tracker(settings)
        steps = [tracker.update(t, found) for t, found in zip(scene.times_ns, scene.detections, strict=True)]
        return [{update.track: update.point.box_px for update in step.updates} for step in steps]

    return follow


def nearest_box(scene: Scene) -> list[dict[int, Box]]:
    """The plainest tracker: the greatest overlap with each track's last box, which lives for five frames."""
    last: dict[int, tuple[Box, int]] = {}
    results: list[dict[int, Box]] = []
    number = 0
    for index, found in enumerate(scene.detections):
        frame: dict[int, Box] = {}
        last = {track: seen for track, seen in last.items() if index - seen[1] <= 5}
        for each in found:
            if each.score < 0.45:
                continue
            free = {track: iou(box, each.box_px) for track, (box, _) in last.items() if track not in frame}
            best = max(free, key=lambda track: free[track], default=None)
            if best is None or free[best] < 0.2:
                number += 1
                best = number
            frame[best] = each.box_px
            last[best] = (each.box_px, index)
        results.append(frame)
    return results


def iou(a: Box, b: Box) -> float:
    inner = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return inner / (area - inner)


def scores(scene: Scene, results: Sequence[dict[int, Box]]) -> tuple[float, float, int, float]:
    """HOTA and IDF1 (both 0 to 100), identity switches, and tracks for each true vehicle."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    truth_numbers = {number: index for index, number in enumerate(sorted({n for f in scene.truths for n in f}))}
    track_numbers = {number: index for index, number in enumerate(sorted({n for f in results for n in f}))}
    data = {
        "num_timesteps": len(scene.truths),
        "gt_ids": [np.array([truth_numbers[n] for n in frame], dtype=int) for frame in scene.truths],
        "tracker_ids": [np.array([track_numbers[n] for n in frame], dtype=int) for frame in results],
        "similarity_scores": [
            np.array([[iou(a, b) for b in there.values()] for a in here.values()]).reshape(len(here), len(there))
            for here, there in zip(scene.truths, results, strict=True)
        ],
        "num_gt_ids": len(truth_numbers),
        "num_tracker_ids": len(track_numbers),
        "num_gt_dets": sum(map(len, scene.truths)),
        "num_tracker_dets": sum(map(len, results)),
    }
    hota = HOTA().eval_sequence(data)["HOTA"].mean() * 100
    idf1 = Identity(quiet).eval_sequence(data)["IDF1"] * 100
    switches = int(CLEAR(quiet).eval_sequence(data)["IDSW"])
    return hota, idf1, switches, len(track_numbers) / len(truth_numbers)


CANDIDATES: dict[str, Callable[[Scene], list[dict[int, Box]]]] = {
    "nearest box, no motion": nearest_box,
    "ours": ours(TrackerSettings()),
}


def main() -> None:
    sys.stdout.write("| tracker | fps | HOTA | IDF1 | switches | tracks a vehicle | ms a frame |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    for name, follow in CANDIDATES.items():
        for fps in (5, 25, 60):
            figures = []
            for seed in range(4):
                played = scene(fps, seed)
                began_s = perf_counter()
                results = follow(played)
                spent_ms = (perf_counter() - began_s) * 1000 / len(played.times_ns)
                figures.append((*scores(played, results), spent_ms))
            hota, idf1, switches, tracks, spent_ms = np.mean(figures, axis=0)
            sys.stdout.write(
                f"| {name} | {fps} | {hota:.1f} | {idf1:.1f} | {switches:.1f} | {tracks:.2f} | {spent_ms:.2f} |\n"
            )


if __name__ == "__main__":
    main()
