"""What one frame shows: road users in their poses, and lamps. Knows nothing of how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .mesh import Array, rotation_z

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Actor:
    """One road user in one frame: the place of its front bumper's middle on the ground, heading, paints, lamps 0..1."""

    ident: str
    kind: str
    x_m: float
    y_m: float
    heading_rad: float
    paint: tuple[float, float, float] = (0.5, 0.5, 0.5)
    paint_2: tuple[float, float, float] = (0.5, 0.5, 0.5)
    braking: bool = False
    lamps_on: bool = True
    z_m: float = 0.0

    def matrix(self) -> Array:
        """Local to world, shape (4, 4)."""
        out = np.eye(4)
        out[:3, :3] = rotation_z(self.heading_rad)
        out[:3, 3] = self.x_m, self.y_m, self.z_m
        return out


@dataclass(frozen=True, slots=True)
class FrameLook:
    """What differs from frame to frame besides the actors: lamps shown (group → letters of r, a, g), clouds, wind."""

    signals: dict[str, str] = field(default_factory=dict)
    cloud_at: tuple[float, float] = (0.0, 0.0)
    sway: tuple[float, float] = (0.0, 0.0)

    def shown(self, group: str) -> str:
        """The letters a head shows; heads over single lanes ("approach1") fall back on their approach's."""
        return self.signals.get(group, self.signals.get(group.rstrip("0123456789"), ""))
