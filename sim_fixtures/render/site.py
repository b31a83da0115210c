"""The site file of a scene: lines drawn where the bottom-centre of boxes crosses, as an installer would."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .boxes import projected, whole_box
from .pose import Actor
from .vehicles import model
from .views import LAMPS, lamp_views

if TYPE_CHECKING:
    from .camera import Camera
    from .scene import LanePlan, Scene

Line = tuple[tuple[float, float], tuple[float, float]]
_GAUGES = ("sedan", "hatch", "suv")


@dataclass(frozen=True, slots=True)
class LaneLines:
    """One lane's geometry in the picture."""

    plan: LanePlan
    stop_px: Line
    confirm_px: Line
    direction: tuple[float, float]


def bottom_centre(camera: Camera, kind: str, x_m: float, y_m: float, rear: bool) -> tuple[float, float]:
    """Bottom-centre of the box of a vehicle whose rear (or front) stands at y, heading up the approach."""
    front = y_m + (model(kind).length_m if rear else 0.0)
    places = projected(Actor("", kind, x_m, front, math.pi / 2), camera)
    box = whole_box(places, camera) if places is not None else None
    if box is None:
        raise ValueError(f"{kind} at ({x_m:.1f}, {y_m:.1f}) is not in the picture: move the camera")
    return (box[0] + box[2]) / 2, box[3]


def _line(camera: Camera, x_m: float, y_m: float, half_m: float, rear: bool) -> Line:
    ends = []
    for side in (-1, 1):
        points = np.array([bottom_centre(camera, kind, x_m + side * half_m * 0.5, y_m, rear) for kind in _GAUGES])
        ends.append(points.mean(axis=0))
    middle, reach = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2 * 2
    a, b = middle - reach, middle + reach
    return (round(float(a[0]), 1), round(float(a[1]), 1)), (round(float(b[0]), 1), round(float(b[1]), 1))


def lane_lines(scene: Scene) -> list[LaneLines]:
    """The lines of each judged lane."""
    out, rear = [], scene.view == "rear"
    half = scene.layout.lane_m * 0.5
    for plan in scene.lanes:
        stop = _line(scene.camera, plan.x_m, 0.0, half, rear)
        confirm = _line(scene.camera, plan.x_m, plan.confirm_y_m, half, rear)
        way = np.mean(np.array(confirm), axis=0) - np.mean(np.array(stop), axis=0)
        way /= np.linalg.norm(way)
        out.append(LaneLines(plan, stop, confirm, (round(float(way[0]), 3), round(float(way[1]), 3))))
    return out


def site_toml(scene: Scene) -> str:
    """The file `site.toml`."""
    lines = ["schema = 1", "", "[site]", f'id = "{scene.name.replace("_", "-")}"', "", "[camera]"]
    lines += [f"size_px = [{scene.camera.width_px}, {scene.camera.height_px}]", ""]
    views = lamp_views(scene)
    for group in dict.fromkeys(line.group for line in scene.timelines):
        lines += ["[[signal_groups]]", f'id = "{group}"', f"min_amber_s = {scene.min_amber_s:g}"]
        lines += [f"max_phase_s = {scene.max_phase_s:g}"] if scene.max_phase_s else []
        lines.append("")
        if group in views:
            boxes = (f"{lamp}_px = [{', '.join(f'{v:g}' for v in views[group][lamp])}]" for lamp in LAMPS)
            lines += ["[signal_groups.view]", *boxes, ""]
    for lane in lane_lines(scene):
        lines += ["[[lanes]]", f'id = "{lane.plan.name}"', f'signal_group = "{lane.plan.group}"']
        lines += [f"stop_line_px = {_points(lane.stop_px)}", f"confirm_line_px = {_points(lane.confirm_px)}"]
        lines += [f"direction = [{lane.direction[0]}, {lane.direction[1]}]", f'contact = "{scene.view}"']
        lines += ['turn_on_red = "allowed"'] if lane.plan.turn_on_red else []
        lines.append("")
    lines += ["[rule]", f"grace_s = {scene.grace_s:g}", f"confirm_within_s = {scene.confirm_within_s:g}"]
    lines += [f"rear_margin_s = {scene.rear_margin_s:g}"] if scene.rear_margin_s != 0.5 else []
    if scene.region_px:
        lines += ["", "[detector]", f"region_px = [{', '.join(f'{v:g}' for v in scene.region_px)}]"]
    return "\n".join(lines) + "\n"


def _points(line: Line) -> str:
    return f"[[{line[0][0]}, {line[0][1]}], [{line[1][0]}, {line[1][1]}]]"
