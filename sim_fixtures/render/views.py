"""Where a scene's lamps are seen: for each signal group the boxes of one head's lenses in the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .world import build

if TYPE_CHECKING:
    from .camera import Camera
    from .mesh import Array
    from .scene import Scene
    from .world import SignalHead

Box = tuple[float, float, float, float]
LAMPS = ("red", "amber", "green")
_LENS_Z_M = (0.32, 0.0, -0.32)
_LENS_M = 0.125
_FACE_M = 0.15  # the lenses' faces lie so far before the head's middle
_OBLIQUE = 0.5  # least cosine between where a head faces and where the camera is
_SMALLEST_PX = 2.0


def lamp_views(scene: Scene) -> dict[str, dict[str, Box]]:
    """By group, the lenses' boxes of the head that shows largest, seen from the front and hidden by nothing still."""
    world = build(scene.layout)
    still = np.concatenate([world.mesh, world.crowns])[:, :3].astype(float).reshape(-1, 3, 3)
    views: dict[str, tuple[float, dict[str, Box]]] = {}
    for head in world.heads:
        group = _group(scene, head)
        if group is None:
            continue
        boxes = _boxes(scene.camera, head)
        if boxes is None or any(_hidden(scene.camera, head, z, still) for z in _LENS_Z_M):
            continue
        size = boxes["amber"][3] - boxes["amber"][1]
        if size > views.get(group, (_SMALLEST_PX, {}))[0]:
            views[group] = (size, boxes)
    return {group: boxes for group, (_, boxes) in views.items()}


def _group(scene: Scene, head: SignalHead) -> str | None:
    """The group that a head shows (as ``Scene.look`` has it); None where the scene plays none."""
    if head.group == "approach":
        return scene.lanes[-1].group
    if head.group.startswith("approach"):
        return scene.lanes[int(head.group.removeprefix("approach"))].group
    return head.group if head.group in {line.group for line in scene.timelines} else None


def _lens(head: SignalHead, z_m: float) -> Array:
    """Points on the rim of one lens, in the world."""
    facing = np.array([math.cos(head.facing_rad), math.sin(head.facing_rad), 0.0])
    across = np.array([-facing[1], facing[0], 0.0])
    angles = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    rim = np.outer(np.cos(angles), across) + np.outer(np.sin(angles), (0.0, 0.0, 1.0))
    return np.asarray(np.array(head.place_m) + facing * _FACE_M + np.array((0.0, 0.0, z_m)) + _LENS_M * rim)


def _boxes(camera: Camera, head: SignalHead) -> dict[str, Box] | None:
    """The lenses' boxes; None where the head does not face the camera or reaches out of the picture."""
    away = np.array(camera.eye_m) - np.array(head.place_m)
    cosine = (math.cos(head.facing_rad) * away[0] + math.sin(head.facing_rad) * away[1]) / np.linalg.norm(away)
    places, depth = camera.project(np.concatenate([_lens(head, z) for z in _LENS_Z_M]))
    low, high = places.min(axis=0), places.max(axis=0)
    if cosine < _OBLIQUE or depth.min() <= 0 or low.min() < 4:
        return None
    if high[0] > camera.width_px - 4 or high[1] > camera.height_px - 4:
        return None
    lenses = places.reshape(3, -1, 2)
    return {lamp: _box(lens) for lamp, lens in zip(LAMPS, lenses, strict=True)}


def _box(points: Array) -> Box:
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return round(float(left), 1), round(float(top), 1), round(float(right), 1), round(float(bottom), 1)


def _hidden(camera: Camera, head: SignalHead, z_m: float, still: Array) -> bool:
    """Whether something of the still world lies before any of a lens's rim (Moeller and Trumbore, 1997)."""
    eye = np.array(camera.eye_m)
    a, ab, ac = still[:, 0], still[:, 1] - still[:, 0], still[:, 2] - still[:, 0]
    for point in _lens(head, z_m)[::4]:
        ray = point - eye
        across = np.cross(ray, ac)
        determinant = np.einsum("ij,ij->i", ab, across)
        safe = np.where(np.abs(determinant) < 1e-12, np.inf, determinant)
        from_a = eye - a
        u = np.einsum("ij,ij->i", from_a, across) / safe
        turned = np.cross(from_a, ab)
        v = turned @ ray / safe
        t = np.einsum("ij,ij->i", ac, turned) / safe
        if bool(((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6) & (t < 0.999)).any()):
            return True
    return False
