"""Training frames: independent looks at random junctions, with YOLO labels.

python -m sim_fixtures.render.training OUT --count 3000 --seed 1
python -m sim_fixtures.render.training OUT --count 2500 --seed 51 --view node
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .actors import paints, vehicle_kind
from .boxes import boxes
from .gl import Renderer
from .pose import Actor, FrameLook
from .post import Sensor, damage
from .random_scene import node_camera, random_layout, random_light, wild_camera
from .vehicles import CLASSES, model
from .world import Layout, build

if TYPE_CHECKING:
    from .camera import Camera
    from .light import Light

LOOKS_A_WORLD = 4
LEAST_VISIBLE = 0.3
LEAST_PX = 8.0
UNSURE = len(CLASSES)
"""Label of a place where too little of a road user shows to say that there is one, or that there is none."""
NODE_LIGHTS = {
    "day": 0.28,
    "overcast": 0.10,
    "low_sun": 0.20,
    "night": 0.14,
    "night_wet": 0.10,
    "rain": 0.10,
    "fog": 0.04,
    "dusk": 0.04,
}


def queues(layout: Layout, rng: np.random.Generator) -> list[Actor]:
    """What a node looks at: queues at the stop line or starting from it, slow and passing vehicles, many large ones."""
    heavy, two_wheels = float(rng.choice([0.1, 0.35, 0.6])), float(rng.choice([0.03, 0.2]))
    out: list[Actor] = []
    for lane in range(layout.lanes_in):
        at, tight = float(rng.uniform(-4, 16)), rng.random() < 0.6
        while at > -60:
            kind = vehicle_kind(rng, two_wheels, heavy)
            weave = float(rng.normal(0, 0.25)) if model(kind).width_m > 1 else float(rng.uniform(-1.1, 1.1))
            place = (layout.lane_x(lane) + weave, at, math.pi / 2 + float(rng.normal(0, 0.03)))
            out.append(_actor(f"v{len(out)}", kind, *place, rng))
            gap = rng.uniform(0.7, 3.5) if tight else 1.5 + rng.exponential(9)
            at -= model(kind).length_m + gap
    for lane in range(layout.lanes_out):
        _fill(out, rng, 0.5, two_wheels, layout.out_x(lane), 70, -70, -math.pi / 2, queue_at=layout.box_far_m + 6.5)
    if rng.random() < 0.3:
        for lane in range(layout.cross_lanes):
            _fill_cross(out, rng, 0.4, two_wheels, layout, lane)
    _on_foot(out, rng, layout, int(rng.poisson(2)))
    return out


def scatter(layout: Layout, rng: np.random.Generator) -> list[Actor]:
    """Road users by chance: queues, free traffic, turning, parked, on foot; sometimes nobody."""
    mood = str(rng.choice(["empty", "sparse", "busy", "dense"], p=[0.07, 0.25, 0.40, 0.28]))
    density = {"empty": 0.0, "sparse": 0.25, "busy": 0.6, "dense": 1.0}[mood]
    out: list[Actor] = []
    two_wheels = float(rng.choice([0.06, 0.15, 0.35]))
    for lane in range(layout.lanes_in):
        _fill(out, rng, density, two_wheels, layout.lane_x(lane), -70, 70, math.pi / 2, queue_at=-1.0)
    for lane in range(layout.lanes_out):
        _fill(out, rng, density, two_wheels, layout.out_x(lane), 70, -70, -math.pi / 2, queue_at=layout.box_far_m + 6.5)
    for lane in range(layout.cross_lanes):
        _fill_cross(out, rng, density * 0.7, two_wheels, layout, lane)
    if mood != "empty":
        _turning(out, rng, layout)
        _on_foot(out, rng, layout, int(rng.poisson(4)))
        _parked(out, rng, layout)
    return out


def _actor(ident: str, kind: str, x: float, y: float, heading: float, rng: np.random.Generator) -> Actor:
    first, second = paints(kind, rng)
    return Actor(
        ident, kind, x, y, heading, first, second, braking=bool(rng.random() < 0.4), lamps_on=bool(rng.random() < 0.93)
    )


def _fill(
    out: list[Actor],
    rng: np.random.Generator,
    density: float,
    two: float,
    x: float,
    start: float,
    end: float,
    heading: float,
    queue_at: float,
) -> None:
    sign = 1 if end > start else -1
    if density <= 0 or rng.random() > density + 0.2:
        return
    queued = rng.random() < 0.5
    at = queue_at if queued else end
    while (at - start) * sign > 0:
        kind = vehicle_kind(rng, two)
        weave = float(rng.normal(0, 0.22)) if model(kind).width_m > 1 else float(rng.uniform(-1.1, 1.1))
        out.append(_actor(f"v{len(out)}", kind, x + weave, at, heading + float(rng.normal(0, 0.02)), rng))
        gap = rng.uniform(1.2, 4.0) if queued and density > 0.5 else rng.exponential(14 / density) + 2
        at -= sign * (model(kind).length_m + gap)


def _fill_cross(
    out: list[Actor], rng: np.random.Generator, density: float, two: float, layout: Layout, lane: int
) -> None:
    for rightwards in (True, False):
        if density <= 0 or rng.random() > density + 0.2:
            continue
        sign, heading = (1, 0.0) if rightwards else (-1, math.pi)
        crossing = rng.random() < 0.5 and not any(abs(a.x_m) < 12 and -5 < a.y_m < layout.box_far_m + 6 for a in out)
        at = (
            rng.uniform(0, 60) * sign
            if crossing
            else sign * (layout.left_m - 5.5 if rightwards else -layout.right_m - 5.5)
        )
        while at * sign > -65:
            kind = vehicle_kind(rng, two)
            out.append(_actor(f"v{len(out)}", kind, at, layout.cross_y(lane, rightwards), heading, rng))
            at -= sign * (model(kind).length_m + 1.5 + rng.exponential(7 / density))


def _turning(out: list[Actor], rng: np.random.Generator, layout: Layout) -> None:
    for _ in range(int(rng.poisson(0.7))):
        kind = vehicle_kind(rng, 0.1, 0.1)
        x, y = (
            rng.uniform(layout.left_m + 2, layout.right_m - 2),
            rng.uniform(layout.box_near_m + 1, layout.box_far_m - 1),
        )
        if all(math.hypot(a.x_m - x, a.y_m - y) > 11 for a in out):
            out.append(_actor(f"v{len(out)}", kind, x, y, float(rng.uniform(0, 2 * math.pi)), rng))


def _on_foot(out: list[Actor], rng: np.random.Generator, layout: Layout, count: int) -> None:
    for _ in range(count):
        kind = str(rng.choice(["person_a", "person_b", "person_c", "person_d"]))
        if layout.crossing and rng.random() < 0.35:
            x, y = rng.uniform(layout.left_m, layout.right_m), rng.uniform(1.6, 4.2)
            if any(abs(a.x_m - x) < 2 and -6 < a.y_m - y < 10 for a in out):
                continue
        else:
            side = layout.right_m + rng.uniform(0.4, 3) if rng.random() < 0.6 else layout.left_m - rng.uniform(0.4, 3)
            x, y = side, float(rng.choice([rng.uniform(-22, 3), rng.uniform(layout.box_far_m + 1, 40)]))
        out.append(_actor(f"p{len(out)}", kind, x, y, float(rng.uniform(0, 2 * math.pi)), rng))


def _parked(out: list[Actor], rng: np.random.Generator, layout: Layout) -> None:
    if rng.random() > 0.35:
        return
    x = layout.left_m - 1.4 if rng.random() < 0.5 else layout.right_m + 1.4
    y = rng.uniform(-45, -14)
    for _ in range(int(rng.integers(1, 6))):
        kind = vehicle_kind(rng, 0.0, 0.05)
        out.append(Actor(f"k{len(out)}", kind, x, y, math.pi / 2, *paints(kind, rng), lamps_on=False))
        y -= model(kind).length_m + rng.uniform(0.8, 2)


def yolo_lines(actors: list[Actor], renderer: Renderer) -> list[str]:
    """Label lines `class cx cy w h` of everybody seen; UNSURE where too little of one shows."""
    w, h = renderer.size
    lines = []
    for item in boxes(actors, renderer.camera, renderer.mask(actors)):
        x1, y1, x2, y2 = item.box_px
        least_px = LEAST_PX * (0.6 if item.label == "person" else 1.0)
        sure = item.visible >= LEAST_VISIBLE and item.inside >= 0.15 and min(x2 - x1, y2 - y1) >= least_px
        values = ((x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h)
        label = CLASSES.index(item.label) if sure else UNSURE
        lines.append(" ".join([str(label), *(f"{v:.5f}" for v in values)]))
    return lines


def random_look(rng: np.random.Generator) -> FrameLook:
    """Lamps by chance."""
    state = str(rng.choice(["r", "g", "a", "ra"], p=[0.45, 0.35, 0.1, 0.1]))
    return FrameLook({"approach": state, "cross": "r" if state == "g" else "g"})


def write_frame(renderer: Renderer, layout: Layout, seed: int, out: Path, view: str) -> None:
    """One labelled picture, `images/<seed>.jpg` and `labels/<seed>.txt`, as seen from a `view`: "wild" or "node"."""
    rng = np.random.default_rng([seed, 31])
    camera, light, actors = (_wild if view == "wild" else _node)(layout, seed, rng)
    renderer.set_view(camera, light)
    actors = actors[:250]
    picture = Sensor(light, seed, (renderer.size[1], renderer.size[0])).expose(renderer.frame(actors, random_look(rng)))
    picture = damage(picture, rng)
    name = f"{seed:08d}"
    lines = yolo_lines(actors, renderer)
    (out / "labels" / f"{name}.txt").write_text("".join(line + "\n" for line in lines))
    quality = int(rng.integers(45, 96))
    cv2.imwrite(str(out / "images" / f"{name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


def _wild(layout: Layout, seed: int, rng: np.random.Generator) -> tuple[Camera, Light, list[Actor]]:
    return wild_camera(layout, seed), light_of(seed, "wild"), scatter(layout, rng)


def _node(layout: Layout, seed: int, rng: np.random.Generator) -> tuple[Camera, Light, list[Actor]]:
    return node_camera(layout, seed), light_of(seed, "node"), queues(layout, rng)


def light_of(seed: int, view: str) -> Light:
    """The light of a training picture; a node's view has more hard shadows, night and rain."""
    if view == "wild":
        return random_light(seed)
    rng = np.random.default_rng([seed, 32])
    return random_light(seed, str(rng.choice(list(NODE_LIGHTS), p=list(NODE_LIGHTS.values()))))


def main() -> None:
    """Write frames of successive seeds; those already there are left alone, so that a run may be taken up again."""
    parser = argparse.ArgumentParser(description="Write training frames with YOLO labels.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--view", choices=("wild", "node"), default="wild", help="any camera, or one as a node has it")
    arguments = parser.parse_args()
    for name in ("images", "labels"):
        (arguments.out / name).mkdir(parents=True, exist_ok=True)
    renderer = Renderer()
    for index in range(arguments.count):
        seed = arguments.seed * 100_000 + index
        if (arguments.out / "images" / f"{seed:08d}.jpg").exists():
            continue
        layout = random_layout(seed // LOOKS_A_WORLD)
        if renderer.world_seed != layout.seed:
            renderer.set_world(build(layout))
        write_frame(renderer, layout, seed, arguments.out, arguments.view)
        if index % 100 == 0:
            print(index, flush=True)


if __name__ == "__main__":
    main()
