"""The fixed pinhole camera. World: x right of the travel, y along it, z up, metres; picture: x right, y down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .mesh import Array

NEAR_M = 0.5
FAR_M = 700.0


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera stands, what it looks at, its 35 mm equivalent focal length, its picture size, its roll."""

    eye_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    focal_mm: float
    width_px: int = 640
    height_px: int = 360
    roll_rad: float = 0.0

    def view(self) -> Array:
        """World to camera, shape (4, 4); the camera looks along its -z."""
        eye = np.array(self.eye_m)
        forward = np.array(self.target_m) - eye
        forward /= np.linalg.norm(forward)
        side = np.cross(forward, (0.0, 0.0, 1.0))
        side /= np.linalg.norm(side)
        up = np.cross(side, forward)
        c, s = math.cos(self.roll_rad), math.sin(self.roll_rad)
        side, up = c * side + s * up, c * up - s * side
        out = np.eye(4)
        out[0, :3], out[1, :3], out[2, :3] = side, up, -forward
        out[:3, 3] = -out[:3, :3] @ eye
        return out

    def projection(self) -> Array:
        """OpenGL clip matrix, shape (4, 4); 36 mm is the width of the full-frame sensor."""
        f = 2 * self.focal_mm / 36.0
        aspect = self.width_px / self.height_px
        a = -(FAR_M + NEAR_M) / (FAR_M - NEAR_M)
        b = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
        return np.array([[f, 0, 0, 0], [0, f * aspect, 0, 0], [0, 0, a, b], [0, 0, -1, 0]], float)

    def matrix(self) -> Array:
        """World to clip space, shape (4, 4)."""
        return self.projection() @ self.view()

    def project(self, points_m: Array) -> tuple[Array, Array]:
        """Picture places (n, 2) in pixels and depths (n,) in metres of world points (n, 3)."""
        matrix = camera_matrix(self)
        clip = points_m @ matrix[:, :3].T + matrix[:, 3]
        w = np.where(np.abs(clip[:, 3]) < 1e-6, 1e-6, clip[:, 3])
        x = (clip[:, 0] / w * 0.5 + 0.5) * self.width_px
        y = (0.5 - clip[:, 1] / w * 0.5) * self.height_px
        return np.stack([x, y], axis=1), clip[:, 3]


@lru_cache(maxsize=64)
def camera_matrix(camera: Camera) -> Array:
    """`Camera.matrix`, remembered."""
    return camera.matrix()
