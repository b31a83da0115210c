"""Boxes in the picture, from projected mesh corners and from masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .vehicles import model, model_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .camera import Camera
    from .mesh import Array
    from .pose import Actor, Picture

# How much of its convex outline a road user's silhouette fills.
FILL = {"car": 0.95, "van": 0.96, "truck": 0.93, "bus": 0.97, "motorcycle": 0.78, "bicycle": 0.62, "person": 0.72}
NEAREST_M = 0.6


@dataclass(frozen=True, slots=True)
class PictureBox:
    """One road user in one picture: its box clipped at the edge; the shares of it that are inside and unhidden.

    Of a road user partly behind the camera, which has a box of its seen pixels only, `inside` is a share of corners.
    """

    ident: str
    label: str
    box_px: tuple[float, float, float, float]
    inside: float
    visible: float


def projected(actor: Actor, camera: Camera) -> Array | None:
    """Picture places (n, 2) of all its mesh corners; None when any lies behind the camera."""
    places, ahead = _corners(actor, camera)
    return places if ahead.all() else None


def _corners(actor: Actor, camera: Camera) -> tuple[Array, NDArray[np.bool_]]:
    """Picture places (n, 2) of its mesh corners, and which of them lie far enough ahead of the camera to be true."""
    local = model_points(actor.kind)
    matrix = actor.matrix()
    places, depth = camera.project(local @ matrix[:3, :3].T + matrix[:3, 3])
    return places, np.asarray(depth > NEAREST_M)


def whole_box(places: Array, camera: Camera) -> tuple[float, float, float, float] | None:
    """The box about the part of projected corners' outline that lies in the picture; None when none does."""
    w, h = camera.width_px, camera.height_px
    low, high = places.min(axis=0), places.max(axis=0)
    if (low >= high).any() or low[0] >= w or low[1] >= h or (high <= 0).any():
        return None
    if (low < 0).any() or high[0] > w or high[1] > h:
        hull = cv2.convexHull(places.astype(np.float32))
        area, part = cv2.intersectConvexConvex(hull, _frame(camera))
        if area <= 0 or part is None:
            return None
        low, high = part.reshape(-1, 2).min(axis=0), part.reshape(-1, 2).max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _frame(camera: Camera) -> NDArray[np.float32]:
    w, h = camera.width_px, camera.height_px
    return np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)


def outline_areas(places: Array, camera: Camera) -> tuple[float, float]:
    """Areas in px² of the convex outline, whole and inside the picture."""
    hull = cv2.convexHull(places.astype(np.float32))
    whole = float(cv2.contourArea(hull))
    inside, _ = cv2.intersectConvexConvex(hull, _frame(camera))
    return whole, float(inside)


def boxes(actors: list[Actor], camera: Camera, mask: Picture | None = None) -> list[PictureBox]:
    """Boxes of all actors that touch the picture. With a mask the box is that of the pixels seen.

    An actor partly behind the camera is told of with a mask alone.
    """
    out = []
    for index, actor in enumerate(actors):
        places, ahead = _corners(actor, camera)
        if not ahead.all():
            part = None if mask is None else _cut_box(actor, places[ahead], mask == index + 1)
            out += [] if part is None else [part]
            continue
        box = whole_box(places, camera)
        if box is None:
            continue
        whole, inside = outline_areas(places, camera)
        label, visible = model(actor.kind).label, 1.0
        if mask is not None:
            x0, y0 = int(box[0]), int(box[1])
            shown = mask[y0 : int(box[3]) + 1, x0 : int(box[2]) + 1] == index + 1
            seen = _seen_box(shown, (x0, y0))
            if seen is None:
                continue
            visible = min(1.0, np.count_nonzero(shown) / max(inside * FILL[label], 1.0))
            box = seen
        out.append(PictureBox(actor.ident, label, box, inside / max(whole, 1e-6), visible))
    return out


def _seen_box(shown: NDArray[np.bool_], at_px: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """The box about the pixels shown of a part of the picture whose upper left corner is given; None without any."""
    rows, cols = np.nonzero(shown)
    if not len(rows):
        return None
    x, y = at_px
    return float(x + cols.min()), float(y + rows.min()), float(x + cols.max() + 1), float(y + rows.max() + 1)


def _cut_box(actor: Actor, places: Array, shown: NDArray[np.bool_]) -> PictureBox | None:
    """What is seen of an actor partly behind the camera, whose corners ahead of it lie at `places`."""
    box = _seen_box(shown, (0, 0))
    if box is None or not len(places):
        return None
    height, width = shown.shape
    inside = ((places >= 0) & (places < (width, height))).all(axis=1).mean()
    filled = np.count_nonzero(shown) / max((box[2] - box[0]) * (box[3] - box[1]), 1.0)
    return PictureBox(actor.ident, model(actor.kind).label, box, float(inside), min(1.0, float(filled)))
