"""The true box of every road user in every frame, from the scene alone: no picture is rendered for it.

A recording's scene is made again from its seed. What hides what is found by painting convex outlines from far to near
over the depths of the static world; that agrees with the renderer's own masks to a few hundredths (a test compares).
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge.errors import SourceError
from sim_fixtures.render.boxes import whole_box
from sim_fixtures.render.camera import NEAR_M
from sim_fixtures.render.cases import CASES
from sim_fixtures.render.generate import chunk
from sim_fixtures.render.site import site_toml
from sim_fixtures.render.vehicles import model, model_points
from sim_fixtures.render.world import build

from .detections import save
from .recordings import CACHE, ROOT, code_of, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy import float32, float64, int64, uint8
    from numpy.typing import NDArray

    from sim_fixtures.render.camera import Camera
    from sim_fixtures.render.pose import Actor
    from sim_fixtures.render.scene import Scene

    from .recordings import Recording

_SAME_S = 0.001
_OCCLUDER_M = 0.5
NEAREST_M = 0.6
_NEARER_M = 0.3
_TINY_PX = 8.0
_WHOLE = 0.9
_GAP = 255
_RENDER = ROOT / "sim_fixtures" / "render"
_CODE = code_of(
    _RENDER, "boxes.py", "camera.py", "mesh.py", "motion.py", "pose.py", "scene.py", "vehicles.py", "world.py"
)
_OWN = code_of(ROOT / "script" / "evaluation", "true_boxes.py")
LABELS = ("car", "van", "truck", "bus", "motorcycle", "bicycle", "person")


@dataclass(frozen=True, slots=True)
class TrueBoxes:
    """`counts` (frames,) and `rows` (boxes, 7): road user's number, class's index in LABELS, visible share, x1 to y2.

    The box encloses what is visible; a road user that is wholly hidden has none. `idents` names the numbers.
    """

    idents: tuple[str, ...]
    counts: NDArray[int64]
    rows: NDArray[float64]

    def frames(self) -> Iterator[NDArray[float64]]:
        """The rows of each frame."""
        ends = self.counts.cumsum()
        for count, end in zip(self.counts.tolist(), ends.tolist(), strict=True):
            yield self.rows[end - count : end]


def scene_of(recording: Recording) -> Scene:
    """The scene that a recording shows. Raises SourceError where today's renderer would make another one."""
    scene = _made(recording)
    if site_toml(scene) != (recording.folder / "site.toml").read_text(encoding="utf-8") or _moved(recording, scene):
        raise SourceError(f"{recording.folder} was made by another version of the renderer: make it again")
    return scene


def _moved(recording: Recording, scene: Scene) -> bool:
    """Whether a vehicle of the truth is not in the scene, or its front is over the line at another time."""
    told = json.loads((recording.folder / "truth.json").read_text(encoding="utf-8"))["vehicles"]
    motions = {user.ident: user.motion for user in scene.users}
    for vehicle in told:
        front_s, motion = vehicle.get("front_stop_s"), motions.get(vehicle["id"])
        now_s = None if motion is None else motion.when(0.0)
        if motion is None or (front_s is not None and (now_s is None or abs(now_s - front_s) > _SAME_S)):
            return True
    return False


def _made(recording: Recording) -> Scene:
    if recording.name in CASES:
        return CASES[recording.name]()
    seed, index = divmod(recording.seed, 1000)
    return chunk(seed, index, recording.condition, recording.fps, recording.duration_s)


def key_of(recording: Recording) -> str:
    """Names what the boxes depend on: the truth, and the code that places things and boxes them."""
    return digest_of(recording.folder / "truth.json", _CODE, _OWN)


def true_boxes(recording: Recording) -> TrueBoxes:
    """Those kept from an earlier run, or new ones."""
    path = _path(recording)
    if path.exists():
        with np.load(path) as kept:
            return TrueBoxes(tuple(kept["idents"].tolist()), kept["counts"], kept["rows"])
    made = boxes_of(scene_of(recording))
    save(path, idents=np.array(made.idents), counts=made.counts, rows=made.rows)
    return made


def _path(recording: Recording) -> Path:
    return CACHE / "true-boxes" / f"{recording.name}-{key_of(recording)}.npz"


def boxes_of(scene: Scene) -> TrueBoxes:
    """The boxes of all frames of a scene."""
    numbers = {user.ident: number for number, user in enumerate(scene.users)}
    frames = [frame_boxes(scene, index / scene.fps) for index in range(round(scene.duration_s * scene.fps))]
    rows = [(numbers[ident], *row) for frame in frames for ident, row in frame.items()]
    counts = np.array([len(frame) for frame in frames], np.int64)
    return TrueBoxes(tuple(numbers), counts, np.array(rows, np.float64).reshape(-1, 7))


def frame_boxes(scene: Scene, t_s: float) -> dict[str, tuple[float, ...]]:
    """For each road user seen at an instant: class's index, visible share, box."""
    camera = scene.camera_at(t_s)
    shift = np.array(scene.shake.offset(t_s)) if scene.shake else np.zeros(2)
    depths = static_depths(scene, camera)
    outlines = _outlines(scene.actors(t_s), camera)
    painted = np.full((camera.height_px, camera.width_px), _GAP, np.uint8)
    areas = [_paint(painted, number, outline, depths) for number, outline in enumerate(outlines)]
    found = {}
    for number, outline in enumerate(outlines):
        seen = _seen(painted, number, outline, areas[number])
        box = whole_box(outline.hull_px + shift, camera)
        if box is not None and seen is not None:
            share, inner = seen
            kept = box if share > _WHOLE else _cut(box, inner + np.tile(shift, 2))
            # What reaches behind the camera has no outline to hold a box against: it counts as hidden.
            found[outline.ident] = (float(LABELS.index(outline.label)), share if outline.whole else 0.0, *kept)
    return found


@dataclass(frozen=True, slots=True)
class _Outline:
    """A road user's convex outline (n, 2), its least depth, whether it is wholly before the camera, its part."""

    ident: str
    label: str
    hull_px: NDArray[float64]
    near_m: float
    whole: bool
    part: tuple[slice, slice]


def _outlines(actors: list[Actor], camera: Camera) -> list[_Outline]:
    """Of those that are not tiny, far ones first."""
    found = []
    for actor in actors:
        matrix = actor.matrix()
        places, depths = camera.project(model_points(actor.kind) @ matrix[:3, :3].T + matrix[:3, 3])
        ahead = depths > NEAREST_M
        box = whole_box(places[ahead], camera) if ahead.sum() >= 3 else None
        if box is None or box[3] - box[1] < _TINY_PX:
            continue
        hull = cv2.convexHull(places[ahead].astype(np.float32)).reshape(-1, 2).astype(np.float64)
        part = slice(int(box[1]), math.ceil(box[3]) + 1), slice(int(box[0]), math.ceil(box[2]) + 1)
        label, near_m = model(actor.kind).label, float(depths[ahead].min())
        found.append(_Outline(actor.ident, label, hull, near_m, bool(ahead.all()), part))
    return sorted(found, key=lambda one: -one.near_m)


def _paint(painted: NDArray[uint8], number: int, outline: _Outline, depths: NDArray[float32]) -> int:
    """Paint an outline where no static thing stands before it; gives its area inside the picture."""
    room = painted[outline.part]
    drawn = np.zeros(room.shape, np.uint8)
    corner = np.array([outline.part[1].start, outline.part[0].start])
    cv2.fillConvexPoly(drawn, (outline.hull_px - corner).round().astype(np.int32), 1)
    inside = drawn.astype(bool)
    room[inside & (depths[outline.part] > outline.near_m - _NEARER_M)] = number
    return int(inside.sum())


def _seen(painted: NDArray[uint8], number: int, outline: _Outline, area: int) -> tuple[float, NDArray[float64]] | None:
    """The share of an outline that stayed visible, and the box about that."""
    mine = painted[outline.part] == number
    count = int(mine.sum())
    if not count:
        return None
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    top, left = outline.part[0].start, outline.part[1].start
    box = np.array([left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1], np.float64)
    return min(1.0, count / area), box


def _cut(box: tuple[float, ...], inner: NDArray[float64]) -> tuple[float, ...]:
    low, high = np.maximum(box[:2], inner[:2]), np.minimum(box[2:], inner[2:])
    return (*low.tolist(), *np.maximum(high, low + 1).tolist())


@functools.lru_cache(maxsize=4)
def _depths(layout: object, camera: Camera) -> NDArray[float32]:
    world = build(layout)  # type: ignore[arg-type]
    corners = np.concatenate([world.mesh[:, :3], world.crowns[:, :3]]).astype(np.float64)
    corners = corners[(corners[:, 2].reshape(-1, 3).max(axis=1) > _OCCLUDER_M).repeat(3)]
    places, depths = camera.project(corners)
    triangles, far = places.reshape(-1, 3, 2), depths.reshape(-1, 3)
    before = (far.min(axis=1) > NEAR_M) & (np.abs(triangles) < 20_000).all(axis=(1, 2))
    picture = np.full((camera.height_px, camera.width_px), np.inf, np.float32)
    order = np.flatnonzero(before)[far[before].mean(axis=1).argsort()[::-1]]
    for index in order:
        cv2.fillConvexPoly(picture, triangles[index].round().astype(np.int32), float(far[index].mean()))
    return picture


def static_depths(scene: Scene, camera: Camera) -> NDArray[float32]:
    """How far away the static world is at each pixel, infinite where nothing but ground is."""
    return _depths(scene.layout, camera)
