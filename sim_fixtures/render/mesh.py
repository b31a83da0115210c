"""Triangles in numpy: the few shapes everything in a scene is built from.

A mesh is one float32 array of shape (n, 13), three rows a triangle; the columns are
x y z (metres) | nx ny nz | r g b (linear) | paint | gloss | material | lamp.
`paint`: 0 keeps the colour, 1 and 2 take the instance's first or second paint (in the static world: a pattern's seed).
`material` and `lamp` are numbers of `Material` and `Lamp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Vertices = NDArray[np.float32]
Point = Sequence[float]
Colour = tuple[float, float, float]
COLUMNS = 13


class Material(IntEnum):
    """How the shader textures a face."""

    PLAIN = 0
    ASPHALT = 1
    SLABS = 2
    GRASS = 3
    FACADE = 4
    FOLIAGE = 5
    MARKING = 6
    BRICK = 7
    METAL = 8
    GLASS = 9
    ROOFING = 10


class Lamp(IntEnum):
    """Which of an instance's lamps lights a face."""

    NONE = 0
    HEAD = 1
    TAIL = 2
    BRAKE = 3
    RED = 4
    AMBER = 5
    GREEN = 6
    STREET = 7


class Surface:
    """What a face is made of."""

    def __init__(
        self,
        colour: Colour = (0.5, 0.5, 0.5),
        gloss: float = 0.1,
        material: Material = Material.PLAIN,
        paint: float = 0.0,
        lamp: Lamp = Lamp.NONE,
    ) -> None:
        self.colour, self.gloss, self.material, self.paint, self.lamp = colour, gloss, material, paint, lamp

    def row(self) -> Array:
        """The seven columns after position and normal."""
        return np.array([*self.colour, self.paint, self.gloss, float(self.material), float(self.lamp)])


def triangles(corners: Array, surface: Surface, normals: Array | None = None) -> Vertices:
    """Triangles of shape (n, 3, 3) with flat normals, or with the given normals of the same shape."""
    if normals is None:
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
        normals = np.repeat(flat[:, None], 3, axis=1)
    out = np.empty((len(corners) * 3, COLUMNS), np.float32)
    out[:, 0:3] = corners.reshape(-1, 3)
    out[:, 3:6] = normals.reshape(-1, 3)
    out[:, 6:] = surface.row()
    return out


def join(parts: Sequence[Vertices]) -> Vertices:
    """One mesh from many."""
    return np.concatenate(list(parts)) if parts else np.zeros((0, COLUMNS), np.float32)


def quad(a: Point, b: Point, c: Point, d: Point, surface: Surface) -> Vertices:
    """A flat quadrilateral, counter-clockwise seen from its front."""
    corners = np.array([[a, b, c], [a, c, d]], float)
    return triangles(corners, surface)


def polygon(points: Sequence[Point], surface: Surface) -> Vertices:
    """A convex flat polygon as a fan."""
    array = np.array(points, float)
    fan = [[array[0], array[i], array[i + 1]] for i in range(1, len(array) - 1)]
    return triangles(np.array(fan), surface)


def flat_rect(x0: float, y0: float, x1: float, y1: float, z: float, surface: Surface) -> Vertices:
    """A rectangle lying on the ground at height z, facing up."""
    return quad((x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z), surface)


def box(centre: Point, size: Point, surface: Surface, top: Surface | None = None) -> Vertices:
    """An axis-aligned box; `top` may give its upper face another surface."""
    (cx, cy, cz), (sx, sy, sz) = centre, (size[0] / 2, size[1] / 2, size[2] / 2)
    p = [(cx + i * sx, cy + j * sy, cz + k * sz) for k in (-1, 1) for j in (-1, 1) for i in (-1, 1)]
    sides = [(0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (2, 3, 1, 0)]
    faces = [quad(p[a], p[b], p[c], p[d], surface) for a, b, c, d in sides]
    return join([*faces, quad(p[4], p[5], p[7], p[6], top or surface)])


def loft(rings: Array, surface: Surface, crease_deg: float = 38.0, caps: bool = True) -> Vertices:
    """A skin over closed rings of shape (stations, points, 3), its normals smoothed up to the crease angle."""
    following = np.roll(rings, -1, axis=1)
    a, b, c, d = rings[:-1], following[:-1], following[1:], rings[1:]
    tris = np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3, 3), np.stack([a, c, d], 2).reshape(-1, 3, 3)])
    if caps:
        tris = np.concatenate([tris, _cap(rings[0])[:, ::-1], _cap(rings[-1])])
    return triangles(tris, surface, smooth_normals(tris, crease_deg))


def _cap(ring: Array) -> Array:
    centre = ring.mean(axis=0)
    following = np.roll(ring, -1, axis=0)
    return np.stack([np.broadcast_to(centre, ring.shape), ring, following], axis=1)


def smooth_normals(tris: Array, crease_deg: float) -> Array:
    """Normals of shape (n, 3, 3): at each corner the mean over the faces there that turn less than the crease."""
    face = np.cross(tris[:, 1] - tris[:, 0], tris[:, 2] - tris[:, 0])
    area = np.linalg.norm(face, axis=1, keepdims=True)
    unit = face / np.maximum(area, 1e-12)
    keys = np.round(tris.reshape(-1, 3) * 2000).astype(np.int64)
    _, corner_of = np.unique(keys, axis=0, return_inverse=True)
    corner_of = corner_of.reshape(-1)
    order = np.argsort(corner_of, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(corner_of[order]) > 0])
    normals = np.empty((len(tris) * 3, 3))
    limit = np.cos(np.radians(crease_deg))
    for group in np.split(order, starts[1:]):
        own = unit[group // 3]
        near = (own @ own.T) > limit
        normals[group] = near @ face[group // 3]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 1e-9, normals / np.maximum(length, 1e-9), np.repeat(unit, 3, axis=0))
    return normals.reshape(-1, 3, 3)


def tube(a: Point, b: Point, radius_a: float, radius_b: float, surface: Surface, sides: int = 8) -> Vertices:
    """A tapered limb between two points with rounded ends."""
    start, end = np.array(a, float), np.array(b, float)
    axis = end - start
    length = float(np.linalg.norm(axis))
    axis = axis / max(length, 1e-9)
    across, up = _frame(axis)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    circle = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * up
    steps = [(-0.9, 0.35, 0), (-0.5, 0.85, 0), (0.0, 1.0, 0), (0.0, 1.0, 1), (0.5, 0.85, 1), (0.9, 0.35, 1)]
    rings = []
    for along, shrink, which in steps:
        radius = radius_b if which else radius_a
        rings.append((end if which else start) + axis * along * radius + circle * radius * shrink)
    return loft(np.array(rings), surface, crease_deg=80)


def cylinder(
    a: Point, b: Point, radius: float, surface: Surface, sides: int = 12, top: float | None = None
) -> Vertices:
    """A cylinder (or cone frustum with another radius at b) with flat ends."""
    start, end = np.array(a, float), np.array(b, float)
    axis = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    across, up = _frame(axis)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    circle = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * up
    return loft(np.array([start + circle * radius, end + circle * (radius if top is None else top)]), surface, 50)


def _frame(axis: Array) -> tuple[Array, Array]:
    helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    across = np.cross(helper, axis)
    across /= np.linalg.norm(across)
    return across, np.cross(axis, across)


def blob(centre: Point, radii: Point, surface: Surface, rough: float = 0.0, seed: int = 0, detail: int = 8) -> Vertices:
    """An ellipsoid, its surface roughened by `rough` (a share of the radius)."""
    rng = np.random.default_rng(seed)
    theta = np.linspace(0.02, np.pi - 0.02, detail)
    phi = np.linspace(0, 2 * np.pi, detail * 2, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    unit = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], axis=-1)
    scale = 1 + rough * rng.uniform(-1, 1, unit.shape[:2])[..., None]
    rings = np.array(centre, float) + unit * scale * np.array(radii, float)
    return loft(rings[::-1], surface, crease_deg=75 if rough else 180)


def moved(mesh: Vertices, offset: Point = (0.0, 0.0, 0.0), heading_rad: float = 0.0, scale: float = 1.0) -> Vertices:
    """The mesh turned about z, scaled, then shifted."""
    out = mesh.copy()
    turn = rotation_z(heading_rad).astype(np.float32)
    out[:, 0:3] = out[:, 0:3] * scale @ turn.T + np.array(offset, np.float32)
    out[:, 3:6] = out[:, 3:6] @ turn.T
    return out


def mirrored_y(mesh: Vertices) -> Vertices:
    """The mesh with left and right exchanged, its faces still facing outwards."""
    out = mesh.copy()
    out[:, [1, 4]] *= -1
    return out.reshape(-1, 3, COLUMNS)[:, ::-1].reshape(-1, COLUMNS).copy()


def rotation_z(angle_rad: float) -> Array:
    """Rotation about the vertical axis, shape (3, 3)."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
