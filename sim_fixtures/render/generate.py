"""Unlimited further cases: a junction, a light and traffic from one seed, in chunks of two minutes."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from .actors import paints
from .light import Light, light_for
from .motion import Motion, straight, weaving
from .motion import Path as Way
from .random_scene import random_camera, random_layout
from .scene import LanePlan, RoadUser, Scene
from .signals import Timeline, clipped
from .site import lane_lines
from .traffic import LaneTraffic, simulate
from .vehicles import model
from .video import Studio, record
from .world import KERB_M

if TYPE_CHECKING:
    from pathlib import Path

    from .world import Layout

CHUNK_S = 120.0
CONDITIONS = ("day", "night", "rain", "fog", "low_sun")
_LIGHTS = {
    "day": ("day", "overcast"),
    "night": ("night", "night_wet"),
    "rain": ("rain",),
    "fog": ("fog",),
    "low_sun": ("low_sun",),
}


def generated_light(condition: str, seed: int) -> Light:
    """A light of one of `CONDITIONS`, its grain moderate since it is video."""
    rng = np.random.default_rng([seed, 51])
    names = _LIGHTS[condition]
    light = light_for(names[int(rng.integers(len(names)))], seed)
    return dataclasses.replace(light, grain=min(light.grain, 3.0))


def usable(layout: Layout, seed: int, view: str) -> Scene | None:
    """A scene without traffic whose lines lie well inside the picture, or None."""
    lanes = tuple(LanePlan(f"lane-{i + 1}", "north", layout.lane_x(i), 5.0) for i in range(layout.lanes_in))
    camera = random_camera(layout, seed, view)
    empty = Scene("trial", seed, layout, camera, view, Light(), "day", 1.0, 15.0, lanes, (), ())
    try:
        lines = lane_lines(empty)
    except ValueError:
        return None
    ends = np.array([point for line in lines for segment in (line.stop_px, line.confirm_px) for point in segment])
    depth = min(abs(line.stop_px[0][1] - line.confirm_px[0][1]) for line in lines)
    inside = bool(
        (ends[:, 0] > 20).all() and (ends[:, 0] < 620).all() and (ends[:, 1] > 90).all() and (ends[:, 1] < 300).all()
    )
    return empty if inside and depth > 14 else None


def junction(seed: int) -> Scene:
    """The first usable junction and camera of a seed, its name and light still to be set."""
    for attempt in range(60):
        rng = np.random.default_rng([seed, 52, attempt])
        view = "rear" if rng.random() < 0.5 else "front"
        layout = dataclasses.replace(random_layout(seed * 100 + attempt), mast_arm=view == "rear")
        found = usable(layout, seed * 100 + attempt, view)
        if found is not None:
            return found
    raise RuntimeError(f"no usable junction for seed {seed}: take another seed")


def signal_plan(rng: np.random.Generator, duration_s: float) -> tuple[Timeline, Timeline]:
    """Timelines of the approach and of the cross street."""
    green, red = float(rng.uniform(10, 18)), float(rng.uniform(13, 20))
    amber, red_amber = float(rng.choice([3.0, 3.5, 4.0])), float(rng.choice([0.0, 1.0]))
    period = green + red + amber
    north: list[tuple[float, str]] = []
    cross: list[tuple[float, str]] = []
    start = -2 * period - float(rng.uniform(0, period))
    while start < duration_s + 60:
        north += [
            (start, "r"),
            *([(start + red - red_amber, "ra")] if red_amber else []),
            (start + red, "g"),
            (start + red + green, "a"),
        ]
        cross += [(start + 3.0, "g"), (start + red - 4.5, "a"), (start + red - 1.5, "r")]
        start += period
    return Timeline("north", tuple((round(t, 3), s) for t, s in north)), Timeline(
        "cross", tuple((round(t, 3), s) for t, s in cross)
    )


def chunk(seed: int, index: int, condition: str, fps: float, duration_s: float) -> Scene:
    """One recording: chunk `index` of a seed."""
    base = junction(seed)
    rng = np.random.default_rng([seed, 53, index])
    north, cross = signal_plan(rng, duration_s)
    layout = base.layout
    mood = float(rng.choice([7.0, 10.0, 14.0]))
    heavy, two = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.03, 0.15))
    rear = base.view == "rear"
    judged = [
        LaneTraffic(
            f"v{i + 1}",
            north,
            rng,
            per_minute=mood * float(rng.uniform(0.7, 1.2)),
            runner_share=0.7,
            rear=rear,
            heavy=heavy,
            two_wheels=two,
        )
        for i in range(layout.lanes_in)
    ]
    away = [
        LaneTraffic(
            f"o{i + 1}", north, rng, per_minute=mood * 0.6, runner_share=0.0, rear=False, heavy=heavy, two_wheels=two
        )
        for i in range(layout.lanes_out)
    ]
    simulate([*judged, *away], duration_s)
    users = _judged_users(judged, layout, rng, duration_s)
    ways = [straight(layout.out_x(i), layout.box_far_m + 6.5, -math.pi / 2) for i in range(layout.lanes_out)]
    for lane, way in zip(away, ways, strict=True):
        users += [
            _user(d.ident, d.kind, way, d.motion(), None, rng)
            for d in lane.done
            if len(d.trace) > 2 and d.trace[-1][0] > 0
        ]
    users += _cross_users(layout, cross, rng, mood * 0.5, heavy, users, duration_s)
    users += _walkers(layout, rng, duration_s)
    light = generated_light(condition, seed * 1000 + index)
    timelines = tuple(clipped(line.group, list(line.changes), duration_s) for line in (north, cross))
    return dataclasses.replace(
        base,
        name=f"{condition}_{seed}_{index:02d}",
        seed=seed * 1000 + index,
        light=light,
        condition=condition,
        duration_s=duration_s,
        fps=fps,
        timelines=timelines,
        users=tuple(users),
    )


def _user(ident: str, kind: str, way: Way, motion: Motion, lane: int | None, rng: np.random.Generator) -> RoadUser:
    first, second = paints(kind, rng)
    z_m = KERB_M if kind.startswith("person") else 0.0
    return RoadUser(ident, kind, way, motion, lane, first, second, z_m=z_m)


def _judged_users(
    lanes: list[LaneTraffic], layout: Layout, rng: np.random.Generator, duration_s: float
) -> list[RoadUser]:
    users = []
    for index, lane in enumerate(lanes):
        for driver in lane.done:
            if len(driver.trace) > 2 and driver.trace[-1][0] > 0 and driver.start_s < duration_s:
                way = weaving(layout.lane_x(index), 0.15, int(rng.integers(1 << 20)))
                users.append(_user(driver.ident, driver.kind, way, driver.motion(), index, rng))
    return users


def _cross_users(
    layout: Layout,
    cross: Timeline,
    rng: np.random.Generator,
    per_minute: float,
    heavy: float,
    others: list[RoadUser],
    duration_s: float,
) -> list[RoadUser]:
    """Traffic on the cross street; whoever would meet somebody in the junction stays at home."""
    users = []
    for index in range(layout.cross_lanes):
        for rightwards in (True, False):
            name = f"c{index}{'r' if rightwards else 'l'}"
            lane = LaneTraffic(
                name, cross, rng, per_minute=per_minute, runner_share=0.0, rear=False, heavy=heavy, two_wheels=0.05
            )
            simulate([lane], duration_s)
            x = layout.left_m - 6.0 if rightwards else layout.right_m + 6.0
            way = straight(x, layout.cross_y(index, rightwards), 0.0 if rightwards else math.pi)
            for driver in lane.done:
                if len(driver.trace) > 2 and driver.trace[-1][0] > 0:
                    user = _user(driver.ident, driver.kind, way, driver.motion(), None, rng)
                    if not _meets(user, others, layout):
                        users.append(user)
    return users


def _meets(user: RoadUser, others: list[RoadUser], layout: Layout) -> bool:
    """Whether it is in the junction at the same time as somebody of the approach or its opposite."""
    width = layout.right_m - layout.left_m + 12
    enters, leaves = user.motion.when(1.0), user.motion.when(width + model(user.kind).length_m)
    if enters is None:
        return False
    leaves = leaves if leaves is not None else float(user.motion.t_s[-1])
    for other in others:
        inside, outside = other.motion.when(2.0), other.motion.when(layout.box_far_m + model(other.kind).length_m + 1)
        if inside is not None and inside < leaves + 0.3 and (outside is None or outside > enters - 0.3):
            return True
    return False


def _walkers(layout: Layout, rng: np.random.Generator, duration_s: float) -> list[RoadUser]:
    users = []
    for index in range(int(rng.integers(0, 7))):
        side = 1 if rng.random() < 0.6 else -1
        edge = layout.right_m if side > 0 else layout.left_m
        x = edge + side * float(rng.uniform(0.7, max(0.9, layout.pavement_m - 0.4)))
        heading = math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
        start, speed = float(rng.uniform(-10, duration_s)), float(rng.uniform(1.0, 1.7))
        way = straight(x, -45.0 if heading > 0 else -1.0, heading)
        reach = 43.0 if heading > 0 else 50.0
        samples = np.array([0.0, reach / speed])
        motion = Motion(samples + start, np.array([0.0, reach]), np.array([speed, 0.0]))
        users.append(_user(f"p{index}", "person_a", way, motion, None, rng))
    return users


def generate(seed: int, minutes: float, out: Path, condition: str | None, fps: float, studio: Studio) -> None:
    """Write chunks under `out`, one folder each; those already whole are left alone."""
    count = max(1, math.ceil(minutes * 60 / CHUNK_S - 1e-9))
    for index in range(count):
        chosen = condition or CONDITIONS[(seed + index) % len(CONDITIONS)]
        duration = min(CHUNK_S, minutes * 60 - index * CHUNK_S)
        scene = chunk(seed, index, chosen, fps, round(duration * fps) / fps)
        folder = out / scene.name
        if (folder / "video.mp4").exists():
            continue
        record(scene, folder, studio, most_bytes=None, with_boxes=True)
        print(f"{scene.name}: {duration:.0f} s", flush=True)
