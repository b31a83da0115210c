"""What is right, read from the scene itself: crossings on the ground and in the picture, phase, red time, verdict."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .signals import PHASES
from .site import LaneLines, Line, lane_lines
from .vehicles import CLASSES, model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .scene import RoadUser, Scene

SAMPLE_S = 0.1
SEEN_S = 0.4
DOUBT_S = 0.1  # about what a node deducts from the red time for its own doubt: bounds lie that much later


@dataclass(frozen=True, slots=True)
class Passage:
    """One crossing in the picture and its right verdict; `clear_s` is how far it lies from any other verdict."""

    lane: str
    t_cross_s: float
    t_confirm_s: float | None
    phase: str
    red_elapsed_s: float | None
    verdict: str
    clear_s: float


def side(line: Line, point: tuple[float, float], direction: tuple[float, float]) -> float:
    """Signed distance in pixels of a point from a line, positive past it in the direction of travel."""
    (x1, y1), (x2, y2) = line
    nx, ny = -(y2 - y1), x2 - x1
    scale = math.hypot(nx, ny) * (1 if nx * direction[0] + ny * direction[1] > 0 else -1)
    return ((point[0] - x1) * nx + (point[1] - y1) * ny) / scale


def along(line: Line, point: tuple[float, float]) -> float:
    """Where a point lies along a segment: 0 at its first end, 1 at its second."""
    (x1, y1), (x2, y2) = line
    dx, dy = x2 - x1, y2 - y1
    return ((point[0] - x1) * dx + (point[1] - y1) * dy) / (dx * dx + dy * dy)


Track = list[tuple[float, float, float]]


def bottom_centre_at(scene: Scene, user: RoadUser, t_s: float) -> tuple[float, float] | None:
    """Bottom-centre of its whole box at a time."""
    box = scene.box(user, t_s)
    return None if box is None else ((box[0] + box[2]) / 2, box[3])


def bottom_centres(scene: Scene, user: RoadUser) -> Track:
    """(t, x, y) of the bottom-centre of its box, sampled over the recording while it is near the junction."""
    out = []
    for t in np.arange(0.0, scene.duration_s, SAMPLE_S):
        if -32 < user.motion.place(float(t)) < 32:
            point = bottom_centre_at(scene, user, float(t))
            if point is not None:
                out.append((float(t), *point))
    return out


def crossing(
    scene: Scene,
    user: RoadUser,
    track: Track,
    line: Line,
    direction: tuple[float, float],
    slack: float = 0.0,
    after_s: float = -1.0,
) -> float | None:
    """When a road user crosses a finite line in the direction, to half a millisecond; None if it does not."""
    for (t0, x0, y0), (t1, x1, y1) in itertools.pairwise(track):
        if (
            t1 - t0 > 1.5 * SAMPLE_S
            or t1 < after_s
            or not side(line, (x0, y0), direction) < 0 <= side(line, (x1, y1), direction)
        ):
            continue
        low, high = t0, t1
        while high - low > 0.0005:
            middle = (low + high) / 2
            point = bottom_centre_at(scene, user, middle)
            low, high = (middle, high) if point is None or side(line, point, direction) < 0 else (low, middle)
        point = bottom_centre_at(scene, user, high)
        if point is not None and -slack <= along(line, point) <= 1 + slack:
            return (low + high) / 2
    return None


def passages(scene: Scene, user: RoadUser, lines: list[LaneLines]) -> list[Passage]:
    """Every crossing of any lane's stop line by the bottom-centre of its box."""
    track = bottom_centres(scene, user)
    out = []
    for lane in lines:
        t_cross = crossing(scene, user, track, lane.stop_px, lane.direction)
        if t_cross is None:
            continue
        t_confirm = crossing(scene, user, track, lane.confirm_px, lane.direction, 0.1, t_cross)
        if t_confirm is not None and t_confirm - t_cross > scene.confirm_within_s:
            t_confirm = None
        out.append(_judged(scene, lane, t_cross, t_confirm))
    return out


def _judged(scene: Scene, lane: LaneLines, t_cross: float, t_confirm: float | None) -> Passage:
    timeline = scene.timeline(lane.plan.group)
    shown = timeline.shown(t_cross)
    stuck = scene.max_phase_s is not None and t_cross - timeline.since(t_cross) >= scene.max_phase_s
    faulty = stuck or _in_fault(scene, lane, t_cross)
    phase = "fault" if faulty else PHASES[shown]
    elapsed = t_cross - timeline.since(t_cross) if phase == "red" else None
    verdict = "lamp_fault" if faulty else _verdict(scene, lane, shown, elapsed, t_cross, t_confirm)
    clear = min((abs(t_cross - t) for t, _ in timeline.changes), default=math.inf)
    if elapsed is not None:
        edges = [scene.grace_s + DOUBT_S]
        if scene.view == "rear":
            edges.append(scene.grace_s + scene.rear_margin_s + DOUBT_S)
        clear = min([clear, *(abs(elapsed - edge) for edge in edges)])
    if verdict == "violation" and t_confirm is not None:
        clear = min(clear, scene.confirm_within_s - (t_confirm - t_cross))
    return Passage(lane.plan.name, t_cross, t_confirm, phase, elapsed, verdict, clear)


def _in_fault(scene: Scene, lane: LaneLines, t_s: float) -> bool:
    """Whether a wrong aspect was shown since the last green that was seen to begin properly."""
    fault, since = False, -math.inf
    changes = scene.timeline(lane.plan.group).changes
    for index, (t, state) in enumerate(changes):
        if t > t_s:
            break
        if scene.max_phase_s is not None and index and t - since >= scene.max_phase_s:
            fault = True
        if state not in PHASES:
            fault = True
        elif state == "g" and index:
            fault = False
        since = t
    return fault


def _verdict(
    scene: Scene, lane: LaneLines, shown: str, elapsed: float | None, t_cross: float, t_confirm: float | None
) -> str:
    if elapsed is None:
        return {"g": "on_green", "a": "on_amber", "ra": "on_red_amber"}[shown]
    amber = scene.timeline(lane.plan.group).amber_before(t_cross)
    if amber is not None and amber < scene.min_amber_s - 1e-6:
        return "short_amber"
    if elapsed <= scene.grace_s:
        return "within_grace"
    if scene.view == "rear" and elapsed - scene.rear_margin_s <= scene.grace_s:
        return "rear_margin"
    if t_confirm is None:
        return "turn_permitted" if lane.plan.turn_on_red else "stopped_past_line"
    return "violation"


def _ground(scene: Scene, user: RoadUser) -> dict[str, float | None]:
    """When front and rear are over the stop and the confirm line on the ground (distance is y before a turn)."""
    length = model(user.kind).length_m
    confirm = scene.lanes[user.lane].confirm_y_m if user.lane is not None else 5.0
    marks = {"front_stop_s": 0.0, "rear_stop_s": length, "front_confirm_s": confirm, "rear_confirm_s": confirm + length}
    out: dict[str, float | None] = {}
    for name, s in marks.items():
        t = user.motion.when(s)
        out[name] = round(t, 4) if t is not None and 0 <= t <= scene.duration_s else None
    return out


def truth(scene: Scene) -> dict[str, Any]:
    """The contents of `truth.json`."""
    lines = lane_lines(scene)
    vehicles, rows = [], []
    for user in scene.users:
        label = model(user.kind).label
        if label == "person":
            continue
        entry: dict[str, object] = {
            "id": user.ident,
            "class": label,
            "kind": user.kind,
            "length_m": round(model(user.kind).length_m, 2),
        }
        entry["lane"] = None if user.lane is None else scene.lanes[user.lane].name
        if user.lane is not None:
            entry.update(_ground(scene, user))
        found = passages(scene, user, lines)
        rows += [{"vehicle": user.ident, "class": label, **_row(passage)} for passage in found]
        vehicles.append(entry)
    rows.sort(key=lambda row: float(str(row["t_cross_s"])))
    return {
        "schema": 1,
        "case": scene.name,
        "seed": scene.seed,
        "condition": scene.condition,
        "view": scene.view,
        "size_px": [scene.camera.width_px, scene.camera.height_px],
        "fps": scene.fps,
        "duration_s": scene.duration_s,
        "passages": rows,
        "vehicles": vehicles,
        **scene.extra,
    }


def _row(passage: Passage) -> dict[str, object]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 4)

    return {
        "lane": passage.lane,
        "t_cross_s": rounded(passage.t_cross_s),
        "t_confirm_s": rounded(passage.t_confirm_s),
        "phase": passage.phase,
        "red_elapsed_s": rounded(passage.red_elapsed_s),
        "verdict": passage.verdict,
        "clear_s": round(min(passage.clear_s, 99.0), 3),
    }


def truth_json(scene: Scene) -> str:
    """`truth` as text."""
    return as_text(truth(scene))


def with_seen(content: dict[str, Any], box_rows: Iterable[Sequence[object]]) -> dict[str, Any]:
    """The truth with `seen` in each passage: the least share of the vehicle visible within `SEEN_S` of its crossing.

    `box_rows` are those of `boxes.csv.gz`; a vehicle without a box at an instant is wholly hidden then.
    """
    visible: dict[float, dict[str, float]] = {}
    for t, ident, *_, share in box_rows:
        visible.setdefault(float(str(t)), {})[str(ident)] = float(str(share))
    for row in content["passages"]:
        near = [boxes for t, boxes in visible.items() if abs(t - row["t_cross_s"]) <= SEEN_S]
        row["seen"] = round(min((boxes.get(row["vehicle"], 0.0) for boxes in near), default=0.0), 2)
    return content


def as_text(content: dict[str, Any]) -> str:
    """A truth as JSON text, one passage and one vehicle a line."""
    parts = []
    for key, value in content.items():
        if key in ("passages", "vehicles"):
            items = ",\n".join("    " + json.dumps(item) for item in value)
            parts.append(f'  "{key}": [\n{items}\n  ]' if items else f'  "{key}": []')
        else:
            parts.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


__all__ = ["CLASSES", "Passage", "as_text", "passages", "truth", "truth_json", "with_seen"]
