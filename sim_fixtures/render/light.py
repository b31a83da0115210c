"""Light and weather of a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Rgb = tuple[float, float, float]
CONDITIONS = ("day", "overcast", "low_sun", "night", "night_wet", "rain", "fog", "dusk")


@dataclass(frozen=True, slots=True)
class Light:
    """What the shaders need to know; radiances are relative, `exposure` scales them to the picture."""

    sun_azimuth_rad: float = 0.8
    sun_elevation_rad: float = 0.8
    sun: Rgb = (3.2, 2.9, 2.5)
    zenith: Rgb = (0.30, 0.50, 0.95)
    horizon: Rgb = (0.72, 0.82, 0.95)
    ambient: float = 0.55
    clouds: float = 0.35
    fog_per_m: float = 0.0012
    fog: Rgb = (0.7, 0.78, 0.88)
    wet: float = 0.0
    rain: float = 0.0
    street: float = 0.0
    street_colour: Rgb = (1.0, 0.72, 0.42)
    vehicle_lamps: float = 0.0
    exposure: float = 0.62
    grain: float = 2.0
    blur_px: float = 0.0
    cloud_shadow: float = 0.0
    seed: int = 0

    def sun_direction(self) -> Rgb:
        """Unit vector towards the sun."""
        c = math.cos(self.sun_elevation_rad)
        return c * math.cos(self.sun_azimuth_rad), c * math.sin(self.sun_azimuth_rad), math.sin(self.sun_elevation_rad)


def light_for(condition: str, seed: int, sun_azimuth_rad: float | None = None) -> Light:  # noqa: PLR0911 - a table
    """A light of the named condition; the seed varies it."""
    rng = np.random.default_rng([seed, CONDITIONS.index(condition)])
    azimuth = float(rng.uniform(0, 2 * math.pi)) if sun_azimuth_rad is None else sun_azimuth_rad
    u = rng.uniform
    if condition == "day":
        k = u(0.75, 1.1)
        return Light(
            azimuth,
            u(0.5, 1.15),
            (3.3 * k, 3.0 * k, 2.6 * k),
            clouds=u(0, 0.6),
            ambient=u(0.5, 0.75),
            exposure=u(0.5, 0.7),
            seed=seed,
        )
    if condition == "overcast":
        grey = u(0.75, 1.0)
        return Light(
            azimuth,
            u(0.6, 1.1),
            (0.35, 0.34, 0.33),
            (0.62 * grey, 0.66 * grey, 0.72 * grey),
            (0.8 * grey, 0.82 * grey, 0.85 * grey),
            u(0.9, 1.15),
            0.9,
            u(0.001, 0.003),
            (0.74, 0.76, 0.79),
            wet=float(rng.choice([0, 0, 0.35])),
            exposure=u(0.6, 0.85),
            seed=seed,
        )
    if condition == "low_sun":
        k = u(0.8, 1.15)
        return Light(
            azimuth,
            u(0.16, 0.36),
            (3.6 * k, 2.7 * k, 1.7 * k),
            (0.28, 0.42, 0.75),
            (0.95, 0.75, 0.55),
            u(0.35, 0.5),
            u(0, 0.4),
            0.0012,
            (0.85, 0.74, 0.6),
            exposure=u(0.55, 0.75),
            seed=seed,
        )
    if condition == "dusk":
        return Light(
            azimuth,
            0.3,
            (0.10, 0.09, 0.10),
            (0.16, 0.20, 0.36),
            (0.5, 0.36, 0.32),
            u(0.6, 0.8),
            u(0.2, 0.8),
            0.0015,
            (0.34, 0.32, 0.36),
            street=u(0.3, 0.7),
            vehicle_lamps=u(0.5, 0.8),
            exposure=u(1.2, 1.7),
            grain=4,
            wet=float(rng.choice([0, 0, 0.6])),
            seed=seed,
        )
    if condition in ("night", "night_wet"):
        wet = u(0.7, 1.0) if condition == "night_wet" else 0.0
        tint = [(1.0, 0.68, 0.36), (1.0, 0.88, 0.7), (0.85, 0.93, 1.0)][int(rng.integers(3))]
        return Light(
            azimuth,
            0.9,
            (0.0, 0.0, 0.0),
            (0.012, 0.016, 0.03),
            (0.05, 0.042, 0.04),
            u(0.6, 1.0),
            0.4,
            0.001,
            (0.03, 0.028, 0.03),
            wet=wet,
            rain=float(rng.choice([0, 0.5])) if wet else 0.0,
            street=u(0.8, 1.5),
            street_colour=tint,
            vehicle_lamps=1.0,
            exposure=u(1.1, 1.7),
            grain=u(4, 8),
            seed=seed,
        )
    if condition == "rain":
        grey = u(0.55, 0.8)
        return Light(
            azimuth,
            1.0,
            (0.08, 0.08, 0.08),
            (0.5 * grey, 0.54 * grey, 0.6 * grey),
            (0.68 * grey, 0.7 * grey, 0.74 * grey),
            u(0.85, 1.05),
            1.0,
            u(0.004, 0.009),
            (0.55 * grey, 0.58 * grey, 0.62 * grey),
            wet=u(0.7, 1.0),
            rain=u(0.5, 1.0),
            vehicle_lamps=0.7,
            exposure=u(0.75, 1.0),
            grain=3,
            blur_px=u(0, 0.5),
            seed=seed,
        )
    fog = u(0.5, 0.72)
    return Light(
        azimuth,
        1.0,
        (0.06, 0.06, 0.06),
        (fog, fog, fog * 1.02),
        (fog, fog, fog * 1.02),
        u(0.8, 1.0),
        1.0,
        u(0.010, 0.022),
        (fog, fog, fog * 1.02),
        wet=0.3,
        vehicle_lamps=0.8,
        exposure=u(0.5, 0.72),
        grain=3,
        seed=seed,
    )
