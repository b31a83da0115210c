"""A scene: everything that is recorded, as functions of time. Truth and picture are both read from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .boxes import projected, whole_box
from .pose import Actor, FrameLook
from .vehicles import model

if TYPE_CHECKING:
    from .camera import Camera
    from .light import Light
    from .mesh import Array
    from .motion import Motion, Path
    from .signals import Timeline
    from .world import Layout

SIGHT_M = 145.0  # along a path, either way from its stop line
MARGIN = 1.05  # pictures that shake are rendered this much larger, then cut


@dataclass(frozen=True, slots=True)
class RoadUser:
    """Somebody who moves; `lane` is the index of the judged lane it drives in, None for everybody else."""

    ident: str
    kind: str
    path: Path
    motion: Motion
    lane: int | None = None
    paint: tuple[float, float, float] = (0.5, 0.5, 0.5)
    paint_2: tuple[float, float, float] = (0.5, 0.5, 0.5)
    lamps_on: bool = True
    z_m: float = 0.0  # people walk on the pavement

    def actor(self, t_s: float) -> Actor:
        """Its pose at a time."""
        s = self.motion.place(t_s)
        x, y = self.path.place(s)
        kind, length = self.kind, model(self.kind).length_m
        if kind.startswith("person"):
            stride = int(s / 0.35) % 4 if self.motion.speed(t_s) > 0.1 else 1
            kind = ("person_a", "person_b", "person_c", "person_d")[stride]
        heading = self.path.heading(s, length)
        return Actor(
            self.ident, kind, x, y, heading, self.paint, self.paint_2, self.motion.braking(t_s), self.lamps_on, self.z_m
        )


@dataclass(frozen=True, slots=True)
class LanePlan:
    """A judged lane as the site file will name it."""

    name: str
    group: str
    x_m: float
    confirm_y_m: float = 5.0
    turn_on_red: bool = False
    turn_line: bool = False  # the confirm line lies close, so that turning vehicles cross it too


@dataclass(frozen=True, slots=True)
class Shake:
    """A camera that trembles in the wind: amplitude in pixels, main frequency in Hz."""

    amplitude_px: float
    frequency_hz: float = 1.7
    seed: int = 0

    def offset(self, t_s: float) -> tuple[float, float]:
        """Shift of the picture at a time, in pixels."""
        phase = np.random.default_rng(self.seed).uniform(0, 6.28, 6)
        tones = [
            math.sin(2 * math.pi * self.frequency_hz * k * t_s + phase[i]) / k for i, k in enumerate((1.0, 1.63, 2.9))
        ]
        other = [
            math.sin(2 * math.pi * self.frequency_hz * k * t_s + phase[3 + i]) / k
            for i, k in enumerate((0.87, 1.9, 3.1))
        ]
        gust = 0.55 + 0.45 * math.sin(0.45 * t_s + phase[0])
        return self.amplitude_px * gust * sum(tones) / 1.6, self.amplitude_px * gust * sum(other) / 1.6


@dataclass(frozen=True, slots=True)
class Scene:
    """One recording."""

    name: str
    seed: int
    layout: Layout
    camera: Camera
    view: str  # "rear" or "front"
    light: Light
    condition: str
    duration_s: float
    fps: float
    lanes: tuple[LanePlan, ...]
    timelines: tuple[Timeline, ...]
    users: tuple[RoadUser, ...]
    min_amber_s: float = 3.0
    grace_s: float = 0.5
    confirm_within_s: float = 4.0
    rear_margin_s: float = 0.5
    max_phase_s: float | None = None
    shake: Shake | None = None
    moved_camera: Camera | None = None
    moved_at_s: float = math.inf
    swaying: bool = False
    region_px: tuple[float, float, float, float] | None = None
    title: str = ""
    story: str = ""
    extra: dict[str, object] = field(default_factory=dict)

    def camera_at(self, t_s: float) -> Camera:
        """The camera's pose at a time, shaking left aside."""
        return self.moved_camera if self.moved_camera is not None and t_s >= self.moved_at_s else self.camera

    def timeline(self, group: str) -> Timeline:
        """A group's timeline."""
        return next(line for line in self.timelines if line.group == group)

    def look(self, t_s: float) -> FrameLook:
        """What changes besides the road users."""
        signals = {line.group: line.shown(t_s) for line in self.timelines}
        for index, lane in enumerate(self.lanes):
            signals[f"approach{index}"] = self.timeline(lane.group).shown(t_s)
        signals["approach"] = self.timeline(self.lanes[-1].group).shown(t_s)
        wind = (
            (0.10 * math.sin(1.3 * t_s) + 0.05 * math.sin(3.1 * t_s), 0.07 * math.sin(1.7 * t_s + 1))
            if self.swaying
            else (0.0, 0.0)
        )
        return FrameLook(signals, (0.004 * t_s, 0.011 * t_s), wind)

    def actors(self, t_s: float) -> list[Actor]:
        """The poses of everybody who may be in sight at a time."""
        return [user.actor(t_s) for user in self.users if -SIGHT_M < user.motion.place(t_s) < SIGHT_M]

    def places(self, user: RoadUser, t_s: float) -> Array | None:
        """Picture places (n, 2) of a road user's corners, shaking included; None if partly behind the camera."""
        places = projected(user.actor(t_s), self.camera_at(t_s))
        if places is not None and self.shake is not None:
            places = places + np.array(self.shake.offset(t_s))
        return places

    def box(self, user: RoadUser, t_s: float) -> tuple[float, float, float, float] | None:
        """Its whole box, clipped at the picture's edge."""
        places = self.places(user, t_s)
        return None if places is None else whole_box(places, self.camera)
