"""Where a road user is along its path at any time: scripted drives of constant-acceleration legs, sampled motion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .mesh import Array

STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class Motion:
    """Distance of the front bumper along the path (m; 0 at the stop line) and speed (m/s), sampled at `t_s`."""

    t_s: Array
    s_m: Array
    v_mps: Array

    def place(self, t_s: float) -> float:
        """Distance at a time; steady motion is assumed beyond the samples."""
        if t_s > self.t_s[-1]:
            return float(self.s_m[-1] + self.v_mps[-1] * (t_s - self.t_s[-1]))
        if t_s < self.t_s[0]:
            return float(self.s_m[0] - self.v_mps[0] * (self.t_s[0] - t_s))
        return float(np.interp(t_s, self.t_s, self.s_m))

    def speed(self, t_s: float) -> float:
        """Speed at a time."""
        return float(np.interp(t_s, self.t_s, self.v_mps))

    def braking(self, t_s: float) -> bool:
        """Whether the brake lamps are lit: slowing down noticeably, or standing."""
        now, later = self.speed(t_s), self.speed(t_s + 0.2)
        return now < 0.3 or later - now < -0.12

    def when(self, s_m: float) -> float | None:
        """The first time the front bumper is at a distance, None if never."""
        past = np.flatnonzero(self.s_m >= s_m)
        if not len(past):
            return None if self.v_mps[-1] < 0.05 else float(self.t_s[-1] + (s_m - self.s_m[-1]) / self.v_mps[-1])
        i = int(past[0])
        if i == 0:
            return None if self.v_mps[0] < 0.05 else float(self.t_s[0] - (self.s_m[0] - s_m) / self.v_mps[0])
        share = (s_m - self.s_m[i - 1]) / max(self.s_m[i] - self.s_m[i - 1], 1e-9)
        return float(self.t_s[i - 1] + share * (self.t_s[i] - self.t_s[i - 1]))

    def shifted(self, by_s: float) -> Motion:
        """The same motion later by `by_s`."""
        return Motion(self.t_s + by_s, self.s_m, self.v_mps)


@dataclass(slots=True)
class Drive:
    """A scripted drive, leg by leg; each leg has constant acceleration. Ends by `motion` or `timed`."""

    s_m: float = -60.0
    v_mps: float = 12.0
    t_s: float = 0.0
    _samples: list[tuple[float, float, float]] = field(default_factory=list)

    def _leg(self, duration_s: float, acceleration: float) -> Drive:
        steps = max(1, math.ceil(duration_s / STEP_S))
        for i in range(steps):
            t = duration_s * i / steps
            self._samples.append(
                (self.t_s + t, self.s_m + self.v_mps * t + acceleration * t * t / 2, self.v_mps + acceleration * t)
            )
        self.s_m += self.v_mps * duration_s + acceleration * duration_s**2 / 2
        self.v_mps = max(0.0, self.v_mps + acceleration * duration_s)
        self.t_s += duration_s
        return self

    def cruise_to(self, s_m: float) -> Drive:
        """Keep the speed until a place."""
        return self._leg((s_m - self.s_m) / self.v_mps, 0.0) if s_m > self.s_m else self

    def change_speed(self, v_mps: float, acceleration: float = 2.0) -> Drive:
        """Speed up or slow down to a speed."""
        signed = acceleration if v_mps > self.v_mps else -acceleration
        return self._leg((v_mps - self.v_mps) / signed, signed) if abs(v_mps - self.v_mps) > 1e-6 else self

    def stop_at(self, s_m: float, deceleration: float = 2.2) -> Drive:
        """Keep the speed, then brake to a halt at a place."""
        self.cruise_to(s_m - self.v_mps**2 / (2 * deceleration))
        needed = self.v_mps**2 / (2 * max(s_m - self.s_m, 0.01))
        self._leg(self.v_mps / needed, -needed)
        self.v_mps = 0.0
        return self

    def wait(self, duration_s: float) -> Drive:
        """Stand still for a time."""
        return self._leg(duration_s, 0.0)

    def wait_until(self, t_s: float) -> Drive:
        """Stand still until a time (of an unshifted drive)."""
        return self._leg(max(t_s - self.t_s, 0.0), 0.0) if t_s > self.t_s else self

    def motion(self) -> Motion:
        """The drive as it is timed."""
        array = np.array([*self._samples, (self.t_s, self.s_m, self.v_mps)])
        return Motion(array[:, 0], array[:, 1], array[:, 2])

    def timed(self, s_m: float, t_s: float) -> Motion:
        """The drive shifted in time so that the front bumper first is at `s_m` at `t_s`."""
        motion = self.motion()
        at = motion.when(s_m)
        assert at is not None, f"the drive never reaches {s_m} m"
        return motion.shifted(t_s - at)


@dataclass(frozen=True, slots=True)
class Path:
    """A way over the ground: distances (m) and places (x, y); straight on beyond both ends."""

    s_m: Array
    xy_m: Array

    def place(self, s_m: float) -> tuple[float, float]:
        """Ground place at a distance."""
        s, p = self.s_m, self.xy_m
        if s_m < s[0]:
            along = (p[1] - p[0]) / (s[1] - s[0])
            x, y = p[0] + along * (s_m - s[0])
        elif s_m > s[-1]:
            along = (p[-1] - p[-2]) / (s[-1] - s[-2])
            x, y = p[-1] + along * (s_m - s[-1])
        else:
            x, y = np.interp(s_m, s, p[:, 0]), np.interp(s_m, s, p[:, 1])
        return float(x), float(y)

    def heading(self, s_m: float, length_m: float) -> float:
        """Heading of a vehicle whose front is at a distance: along the chord of its wheelbase."""
        (x1, y1), (x0, y0) = self.place(s_m - 0.15 * length_m), self.place(s_m - 0.8 * length_m)
        return math.atan2(y1 - y0, x1 - x0)


def straight(x_m: float, y_m: float, heading_rad: float) -> Path:
    """A straight path whose distance 0 lies at (x, y)."""
    along = np.array([math.cos(heading_rad), math.sin(heading_rad)])
    return Path(np.array([-200.0, 200.0]), np.array([x_m, y_m]) + np.outer([-200.0, 200.0], along))


def weaving(x_m: float, wobble_m: float, seed: int) -> Path:
    """A path up a lane that is not quite straight, as people drive."""
    s = np.arange(-200.0, 200.5, 2.0)
    phase = np.random.default_rng(seed).uniform(0, 6.28, 2)
    x = x_m + wobble_m * (0.6 * np.sin(s / 17 + phase[0]) + 0.4 * np.sin(s / 7.3 + phase[1]))
    return Path(s, np.stack([x, s], axis=1))


def turning(x_m: float, turn_at_m: float, radius_m: float, right: bool = True) -> Path:
    """Up the lane at x, then a quarter circle to the right (or left), then straight on."""
    angles = np.linspace(0, math.pi / 2, 24)
    sign = 1 if right else -1
    arc = np.stack([x_m + sign * radius_m * (1 - np.cos(angles)), turn_at_m + radius_m * np.sin(angles)], axis=1)
    points = np.concatenate([[[x_m, -200.0]], arc, [[arc[-1, 0] + sign * 200, arc[-1, 1]]]])
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))] - 200.0
    return Path(steps, points)
