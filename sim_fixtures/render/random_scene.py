"""Junctions, cameras and lights drawn by chance, for training frames and for generated cases."""

from __future__ import annotations

import numpy as np

from .camera import Camera
from .light import Light, light_for
from .mesh import Material
from .world import Layout


def random_layout(seed: int) -> Layout:
    """A junction's plan."""
    rng = np.random.default_rng([seed, 11])
    u = rng.uniform
    white = u(0.55, 0.8)
    lanes_in = int(rng.choice([1, 2, 2, 3]))
    return Layout(
        lanes_in=lanes_in,
        lanes_out=int(rng.choice([1, 2, 2, 3])) if lanes_in > 1 else 1,
        lane_m=u(3.1, 3.7),
        cross_lanes=int(rng.choice([1, 2, 2])),
        pavement_m=u(1.8, 5.0),
        crossing=bool(rng.random() < 0.75),
        median_m=float(rng.choice([0.0, 0.0, u(1.0, 3.0)])),
        marking=(white, white, white * u(0.85, 1.0)),
        stop_m=u(0.3, 0.6),
        asphalt=u(0.06, 0.2),
        ground=Material.GRASS if rng.random() < 0.6 else Material.SLABS,
        building_share=u(0.3, 1.0),
        trees=int(rng.integers(0, 26)),
        seed=int(seed),
    )


def random_camera(layout: Layout, seed: int, view: str) -> Camera:
    """A camera that sees the approach well: `view` is "rear" or "front"."""
    rng = np.random.default_rng([seed, 12])
    u = rng.uniform
    middle = layout.median_m / 2 + layout.lanes_in * layout.lane_m / 2
    height = u(4.2, 8.0)
    side = middle + u(-2.5, 4.0)
    if view == "rear":
        back = u(16, 27)
        focal = back * u(1.05, 1.45)
        return Camera((side, -back, height), (middle + u(-0.8, 0.8), u(2.0, 6.0), 0.0), focal, roll_rad=u(-0.02, 0.02))
    ahead = layout.box_far_m + u(4, 14)
    focal = (ahead + 4) * u(1.0, 1.4)
    return Camera((side, ahead, height), (middle + u(-0.8, 0.8), u(-6.0, -1.0), 0.0), focal, roll_rad=u(-0.02, 0.02))


def wild_camera(layout: Layout, seed: int) -> Camera:
    """Any camera over the junction: wider variety than `random_camera`, for training only."""
    rng = np.random.default_rng([seed, 13])
    u = rng.uniform
    if rng.random() < 0.55:
        base = random_camera(layout, seed, "rear" if rng.random() < 0.5 else "front")
        target = (base.target_m[0] + u(-4, 4), base.target_m[1] + u(-6, 8), 0.0)
        return Camera(base.eye_m, target, base.focal_mm * u(0.75, 1.5), roll_rad=u(-0.05, 0.05))
    corner_x = layout.right_m + u(0, 5) if rng.random() < 0.6 else layout.left_m - u(0, 5)
    y = u(-32, layout.box_far_m + 25)
    target = (u(-8, 8), u(-12, layout.box_far_m + 6), 0.0)
    if abs(target[1] - y) < 8:
        target = (target[0], y + (16 if y < 0 else -16), 0.0)
    return Camera((corner_x, y, u(3.2, 9.0)), target, u(17, 48), roll_rad=u(-0.05, 0.05))


def node_camera(layout: Layout, seed: int) -> Camera:
    """A camera as at a node, at times so near that vehicles pass right below it; for training."""
    rng = np.random.default_rng([seed, 15])
    u = rng.uniform
    base = random_camera(layout, seed, "rear" if rng.random() < 0.6 else "front")
    x, y, height = base.eye_m
    nearer = u(0.35, 0.75) if rng.random() < 0.25 else 1.0
    eye = (x, y * nearer if y < 0 else layout.box_far_m * (nearer - 1) + y, height)
    target = (base.target_m[0] + u(-1.5, 1.5), base.target_m[1] + u(-3, 3), 0.0)
    return Camera(eye, target, base.focal_mm * nearer * u(0.85, 1.2), roll_rad=u(-0.03, 0.03))


def random_light(seed: int, condition: str | None = None) -> Light:
    """A light; without a condition one is drawn."""
    rng = np.random.default_rng([seed, 14])
    names = ["day", "overcast", "low_sun", "night", "night_wet", "rain", "fog", "dusk"]
    pick = condition or str(rng.choice(names, p=[0.30, 0.14, 0.13, 0.12, 0.09, 0.09, 0.05, 0.08]))
    return light_for(pick, seed)
