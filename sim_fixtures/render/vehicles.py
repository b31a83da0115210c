"""Procedural road users. Local frame: x forward, y left, z up; the front bumper is at x = 0, the ground at z = 0."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from .mesh import (
    Array,
    Lamp,
    Material,
    Surface,
    Vertices,
    blob,
    box,
    cylinder,
    join,
    loft,
    mirrored_y,
    polygon,
    quad,
    tube,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PAINT = Surface((0.5, 0.5, 0.5), gloss=0.85, paint=1)
PAINT_2 = Surface((0.5, 0.5, 0.5), gloss=0.35, paint=2)
CLOTH = Surface((0.5, 0.5, 0.5), gloss=0.0, paint=1)
CLOTH_2 = Surface((0.5, 0.5, 0.5), gloss=0.0, paint=2)
GLASS = Surface((0.012, 0.015, 0.018), gloss=1.0, material=Material.GLASS)
PLASTIC = Surface((0.025, 0.025, 0.027), gloss=0.25)
RUBBER = Surface((0.012, 0.012, 0.012), gloss=0.08)
RIM = Surface((0.42, 0.43, 0.45), gloss=0.6)
CHROME = Surface((0.55, 0.56, 0.58), gloss=0.9)
PLATE = Surface((0.75, 0.75, 0.72), gloss=0.2)
HEADLAMP = Surface((0.8, 0.82, 0.85), gloss=0.9, lamp=Lamp.HEAD)
TAIL_LAMP = Surface((0.30, 0.008, 0.008), gloss=0.8, lamp=Lamp.TAIL)
BRAKE_LAMP = Surface((0.28, 0.008, 0.008), gloss=0.8, lamp=Lamp.BRAKE)
AMBER_LENS = Surface((0.45, 0.14, 0.01), gloss=0.7)
SKIN = Surface((0.42, 0.25, 0.17), gloss=0.05)
DARK_CLOTH = Surface((0.03, 0.035, 0.05), gloss=0.0)
HAIR = Surface((0.03, 0.02, 0.012), gloss=0.1)

CLASSES = ("car", "van", "truck", "bus", "motorcycle", "bicycle", "person")


@dataclass(frozen=True, slots=True)
class LampPoint:
    """A lamp's place (metres, local), the unit vector it shines along, which lamp it is."""

    place: tuple[float, float, float]
    along: float
    lamp: Lamp


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of road user, ready to draw."""

    name: str
    label: str
    mesh: Vertices
    length_m: float
    width_m: float
    height_m: float
    lamps: tuple[LampPoint, ...]

    def points(self) -> Array:
        """The mesh's distinct corner points, shape (n, 3): what boxes are projected from."""
        return np.unique(np.round(self.mesh[:, :3].astype(np.float64), 3), axis=0)


@dataclass(frozen=True, slots=True)
class CarShape:
    """A car's outline along its length: x is given as metres behind the front bumper."""

    length: float
    width: float
    height: float
    belt: float
    hood: float
    screen_base: float
    roof_front: float
    roof_rear: float
    rear_base: float
    tail: float
    wheel: float = 0.32
    side_windows: str = "all"
    bed_from: float = 0.0


SEDAN = CarShape(4.65, 1.82, 1.46, 0.93, 0.76, 1.15, 2.05, 3.35, 4.15, 0.98)
ESTATE = CarShape(4.75, 1.82, 1.50, 0.94, 0.78, 1.15, 2.0, 4.15, 4.62, 0.96)
HATCH = CarShape(4.05, 1.76, 1.52, 0.93, 0.80, 0.92, 1.75, 3.45, 3.95, 0.95)
MINI = CarShape(3.55, 1.64, 1.50, 0.92, 0.82, 0.72, 1.45, 3.05, 3.48, 0.93, 0.29)
SUV = CarShape(4.60, 1.90, 1.72, 1.06, 0.94, 1.15, 1.85, 4.0, 4.48, 1.06, 0.37)
JEEP = CarShape(4.35, 1.88, 1.85, 1.12, 1.06, 1.25, 1.55, 4.2, 4.33, 1.12, 0.40)
PICKUP = CarShape(5.25, 1.92, 1.80, 1.08, 0.98, 1.25, 1.95, 3.05, 3.3, 1.05, 0.39, "all", 3.35)
MINIVAN = CarShape(4.75, 1.88, 1.78, 1.02, 0.90, 0.80, 1.75, 4.35, 4.68, 1.02, 0.34)
CARGO_VAN = CarShape(5.4, 2.0, 2.35, 1.15, 1.02, 0.62, 1.45, 5.25, 5.38, 1.15, 0.36, "front")
MINIBUS = CarShape(5.8, 2.05, 2.55, 1.15, 1.05, 0.60, 1.35, 5.65, 5.78, 1.15, 0.36, "all")


def car(shape: CarShape) -> tuple[Vertices, tuple[LampPoint, ...]]:
    """A car, van or pickup from its outline."""
    parts = [_lower_body(shape), _greenhouse(shape), _glazing(shape), _trim(shape)]
    axles = (-0.19 * shape.length, -0.79 * shape.length if shape.length < 5.3 else -0.77 * shape.length)
    parts += [_wheel(x, side * shape.width / 2, shape.wheel) for x in axles for side in (-1, 1)]
    if shape.bed_from:
        parts.append(_bed(shape))
    lights, points = _car_lights(shape)
    return join([*parts, lights]), points


def _lower_body(s: CarShape) -> Vertices:
    half = s.width / 2
    stations = [
        (s.length, 0.86, 0.42, s.tail - 0.16),
        (s.length - 0.05, 0.93, 0.30, s.tail - 0.05),
        (s.length - 0.28, 0.985, 0.22, s.tail),
        (s.rear_base - 0.25, 1.0, 0.20, max(s.tail, s.belt)),
        (s.length * 0.5, 1.0, 0.20, s.belt),
        (s.screen_base + 0.05, 1.0, 0.20, s.belt),
        (s.screen_base * 0.55, 0.985, 0.21, (s.hood + s.belt) / 2 + 0.01),
        (0.30, 0.95, 0.23, s.hood - 0.02),
        (0.10, 0.90, 0.28, s.hood - 0.09),
        (0.0, 0.80, 0.36, s.hood - 0.20),
    ]
    rings = [_body_ring(-back, half * share, low, high) for back, share, low, high in stations]
    return loft(np.array(rings), PAINT, crease_deg=34)


def _body_ring(x: float, half: float, low: float, high: float) -> list[tuple[float, float, float]]:
    mid = low + (high - low) * 0.58
    right = [
        (0.86, low),
        (0.97, low + 0.10),
        (1.0, mid),
        (0.975, high - 0.10),
        (0.90, high - 0.015),
        (0.5, high + 0.02),
    ]
    ring = [(x, half * share, z) for share, z in right]
    return ring + [(x, -y, z) for x, y, z in reversed(ring)]


def _greenhouse(s: CarShape) -> Vertices:
    base, roof = s.width / 2 * 0.93, s.width / 2 * (0.74 if s.height < 2 else 0.86)
    low = s.belt - 0.06
    stations = [
        (s.rear_base, base, low + 0.02, base * 0.96),
        ((s.rear_base + s.roof_rear) / 2, base, (s.belt + s.height) / 2, (base + roof) / 2),
        (s.roof_rear, base, s.height - 0.02, roof),
        ((s.roof_front + s.roof_rear) / 2, base, s.height, roof),
        (s.roof_front, base, s.height - 0.025, roof),
        ((s.roof_front + s.screen_base) / 2, base, (s.belt + s.height) / 2 + 0.02, (base + roof) / 2),
        (s.screen_base, base, low + 0.02, base * 0.96),
    ]
    rings = []
    for back, bottom_half, top, top_half in stations:
        right = [
            (bottom_half, low),
            (top_half, top - 0.05),
            (top_half - 0.05, top - 0.01),
            (top_half * 0.5, top + 0.015),
        ]
        ring = [(-back, y, z) for y, z in right]
        rings.append(ring + [(x, -y, z) for x, y, z in reversed(ring)])
    return loft(np.array(rings), PAINT, crease_deg=36)


def _glazing(s: CarShape) -> Vertices:
    base, roof = s.width / 2 * 0.93, s.width / 2 * (0.74 if s.height < 2 else 0.86)
    low, high, lift = s.belt + 0.02, s.height - 0.09, 0.045
    span = max(s.height - s.belt, 0.1)

    def half(z: float) -> float:
        return base + (roof - base) * (z - s.belt + 0.06) / span

    def slope(x_low: float, x_high: float, z: float) -> float:
        return x_low + (x_high - x_low) * (z - s.belt + 0.04) / span

    front_low, front_high = slope(s.screen_base, s.roof_front, low), slope(s.screen_base, s.roof_front, high)
    rear_low, rear_high = slope(s.rear_base, s.roof_rear, low), slope(s.rear_base, s.roof_rear, high)
    screen = polygon(
        [
            (-front_low + lift, -half(low) * 0.93, low + lift),
            (-front_low + lift, half(low) * 0.93, low + lift),
            (-front_high + lift, half(high) * 0.90, high + lift),
            (-front_high + lift, -half(high) * 0.90, high + lift),
        ],
        GLASS,
    )
    rear_floor = low + (0.28 if s.height > 2.2 else 0.03)
    rear_floor_x = slope(s.rear_base, s.roof_rear, rear_floor)
    rear = polygon(
        [
            (-rear_floor_x - lift, half(rear_floor) * 0.90, rear_floor + lift),
            (-rear_floor_x - lift, -half(rear_floor) * 0.90, rear_floor + lift),
            (-rear_high - lift, -half(high) * 0.86, high + lift),
            (-rear_high - lift, half(high) * 0.86, high + lift),
        ],
        GLASS,
    )
    ends = (front_low + 0.16, front_high + 0.12, rear_low - 0.22, rear_high - 0.14)
    if s.side_windows == "front":
        ends = (ends[0], ends[1], s.roof_front + 0.75, s.roof_front + 0.75)
    panes = _side_panes(ends, low, high, half, lift)
    return join([screen, rear, panes, mirrored_y(panes)])


def _side_panes(
    ends: tuple[float, float, float, float], low: float, high: float, half: Callable[[float], float], lift: float
) -> Vertices:
    front_low, front_high, rear_low, rear_high = ends
    count = 1 if rear_low - front_low < 1.3 else 2 if rear_low - front_low < 3.0 else 4
    panes = []
    for i in range(count):
        a, b = i / count + (0.012 if i else 0), (i + 1) / count - (0.018 if i + 1 < count else 0)
        xs = [-(front_low + (rear_low - front_low) * f) for f in (a, b)]
        xt = [-(front_high + (rear_high - front_high) * f) for f in (a, b)]
        y_low, y_high = half(low) + lift * 0.4, half(high) + lift * 0.4
        panes.append(
            polygon([(xs[0], y_low, low), (xs[1], y_low, low), (xt[1], y_high, high), (xt[0], y_high, high)], GLASS)
        )
    return join(panes)


def _trim(s: CarShape) -> Vertices:
    half = s.width / 2
    parts = [
        box((-0.03, 0, 0.40), (0.10, s.width * 0.74, 0.18), PLASTIC),
        box((-0.012, 0, s.hood - 0.20), (0.06, s.width * 0.36, 0.11), PLASTIC),
        box((-s.length + 0.03, 0, 0.38), (0.10, s.width * 0.80, 0.16), PLASTIC),
        box((-s.length / 2, 0, 0.27), (s.length * 0.42, s.width * 0.985, 0.10), PLASTIC),
        box((0.03, 0, 0.50), (0.02, 0.50, 0.11), PLATE),
        box((-s.length - 0.02, 0, min(s.tail - 0.3, 0.72)), (0.03, 0.50, 0.11), PLATE),
    ]
    mirror = box((-s.screen_base - 0.32, half + 0.07, s.belt + 0.10), (0.12, 0.18, 0.13), PLASTIC)
    handle = box((-s.length * 0.52, half * 0.985, s.belt - 0.13), (0.17, 0.03, 0.03), CHROME)
    return join([*parts, mirror, mirrored_y(mirror), handle, mirrored_y(handle)])


def _wheel(x: float, y: float, radius: float, width: float = 0.21, arch: bool = True) -> Vertices:
    side = 1 if y > 0 else -1
    outer = y + side * 0.012
    parts = [
        cylinder((x, outer - side * width, radius), (x, outer, radius), radius, RUBBER, 14),
        cylinder((x, outer - side * 0.02, radius), (x, outer + side * 0.012, radius), radius * 0.64, RIM, 12),
        cylinder((x, outer, radius), (x, outer + side * 0.02, radius), radius * 0.16, PLASTIC, 8),
    ]
    if arch:
        parts.append(
            cylinder(
                (x, y - side * 0.05, radius + 0.03), (x, y + side * 0.004, radius + 0.03), radius * 1.17, PLASTIC, 14
            )
        )
    return join(parts)


def _bed(s: CarShape) -> Vertices:
    start, end, half = s.bed_from + 0.1, s.length - 0.12, s.width / 2 - 0.13
    return quad(
        (-end, -half, s.belt + 0.035),
        (-start, -half, s.belt + 0.035),
        (-start, half, s.belt + 0.035),
        (-end, half, s.belt + 0.035),
        PLASTIC,
    )


def _car_lights(s: CarShape) -> tuple[Vertices, tuple[LampPoint, ...]]:
    half = s.width / 2
    head_y, head_z = half * 0.68, s.hood - 0.14
    tall = s.height > 1.6
    tail_y, tail_z = half * 0.84, (s.tail - 0.16 if not tall else s.tail - 0.08)
    head = box((-0.075, head_y, head_z), (0.12, half * 0.30, 0.12), HEADLAMP)
    tail = box((-s.length + 0.03, tail_y, tail_z), (0.10, half * 0.20, 0.16 if not tall else 0.34), TAIL_LAMP)
    brake = box((-s.length + 0.025, tail_y - half * 0.20, tail_z), (0.10, half * 0.16, 0.12), BRAKE_LAMP)
    high = box((-s.roof_rear - 0.06, 0, s.height - 0.05), (0.05, 0.3, 0.025), BRAKE_LAMP)
    signal = box((-0.09, head_y + half * 0.19, head_z), (0.12, half * 0.07, 0.10), AMBER_LENS)
    parts = [head, tail, brake, signal]
    points = _lamp_pairs(s.length, head_y, head_z, tail_y - 0.05, tail_z)
    return join([*parts, *(mirrored_y(part) for part in parts), high]), points


def _lamp_pairs(length: float, head_y: float, head_z: float, tail_y: float, tail_z: float) -> tuple[LampPoint, ...]:
    heads = [LampPoint((0.02, side * head_y, head_z), 1.0, Lamp.HEAD) for side in (-1, 1)]
    tails = [LampPoint((-length - 0.02, side * tail_y, tail_z), -1.0, Lamp.TAIL) for side in (-1, 1)]
    return (*heads, *tails)


def lorry(length: float, height: float, tanker: bool = False) -> tuple[Vertices, tuple[LampPoint, ...]]:
    """A lorry: cab in the first paint, box body (or tank) in the second."""
    half, cab_top, body_from = 1.22, 2.75, 2.35
    cab_ring = [
        (-1.0, 0.5),
        (1.0, 0.5),
        (1.0, 1.9),
        (0.93, cab_top - 0.1),
        (0.8, cab_top),
        (-0.8, cab_top),
        (-0.93, cab_top - 0.1),
        (-1.0, 1.9),
    ]
    cab_stations = [(2.15, 1.0), (0.35, 1.0), (0.06, 0.97), (0.0, 0.92)]
    cab = loft(
        np.array(
            [[(-back, y * half * share, z if z > 0.6 else 0.5) for y, z in cab_ring] for back, share in cab_stations]
        ),
        PAINT,
        40,
    )
    screen = quad(
        (0.03, -half * 0.84, 1.55), (0.03, half * 0.84, 1.55), (0.0, half * 0.8, 2.45), (0.0, -half * 0.8, 2.45), GLASS
    )
    side = quad(
        (-1.45, half + 0.012, 1.55),
        (-1.35, half * 0.985 + 0.012, 2.4),
        (-0.45, half * 0.985 + 0.012, 2.4),
        (-0.35, half + 0.012, 1.55),
        GLASS,
    )
    if tanker:
        body = cylinder((-length + 0.15, 0, 2.2), (-body_from, 0, 2.2), 1.1, PAINT_2, 20)
    else:
        body = box(
            (-(length + body_from) / 2, 0, (1.05 + height) / 2), (length - body_from, 2.5, height - 1.05), PAINT_2
        )
    frame = box((-length / 2 - 0.2, 0, 0.82), (length - 0.7, 1.1, 0.34), PLASTIC)
    rail = [
        box((-length + 0.1, 0, 0.62), (0.12, 2.3, 0.16), PLASTIC),
        box((-length / 2, 1.15, 0.75), (length * 0.35, 0.05, 0.35), PLASTIC),
    ]
    rail.append(mirrored_y(rail[1]))
    doors = [box((-length - 0.01, 0, (1.05 + height) / 2), (0.03, 0.05, height - 1.2), PLASTIC)] if not tanker else []
    grille = [box((0.0, 0, 1.05), (0.05, 1.7, 0.5), PLASTIC), box((0.0, 0, 0.62), (0.08, 2.4, 0.3), PLASTIC)]
    axles = [-1.35, -length + 1.5, *([-length + 2.75] if length > 8.5 else [])]
    wheels = [_wheel(x, s * 1.2, 0.48, 0.34, arch=False) for x in axles for s in (-1, 1)]
    head = box((0.02, 0.92, 0.72), (0.06, 0.36, 0.2), HEADLAMP)
    tail = box((-length - 0.02, 0.98, 0.85), (0.06, 0.34, 0.16), TAIL_LAMP)
    brake = box((-length - 0.02, 0.70, 0.85), (0.06, 0.2, 0.16), BRAKE_LAMP)
    mirror = box((-0.1, half + 0.14, 1.95), (0.1, 0.16, 0.5), PLASTIC)
    plates = [box((0.05, 0, 0.62), (0.02, 0.5, 0.12), PLATE), box((-length + 0.02, 0, 0.82), (0.03, 0.5, 0.12), PLATE)]
    pairs = [side, head, tail, brake, mirror]
    mesh = join(
        [cab, screen, body, frame, *rail, *doors, *grille, *wheels, *plates, *pairs, *(mirrored_y(p) for p in pairs)]
    )
    return mesh, _lamp_pairs(length, 0.92, 0.72, 0.95, 0.85)


def coach(length: float, height: float) -> tuple[Vertices, tuple[LampPoint, ...]]:
    """A city bus, lower part in the first paint, a band in the second, with long overhangs."""
    half = 1.27
    profile = [
        (-0.97, 0.34),
        (0.97, 0.34),
        (1.0, 0.6),
        (1.0, 2.4),
        (0.96, height - 0.15),
        (0.84, height),
        (-0.84, height),
        (-0.96, height - 0.15),
        (-1.0, 2.4),
        (-1.0, 0.6),
    ]
    stations = [(length, 0.94), (length - 0.08, 0.99), (length - 0.3, 1.0), (0.35, 1.0), (0.1, 0.98), (0.0, 0.92)]
    body = loft(np.array([[(-back, y * half * share, z) for y, z in profile] for back, share in stations]), PAINT, 30)
    parts = [body]
    windows = int((length - 1.2) / 1.45)
    pitch = (length - 1.2) / windows
    for i in range(windows):
        x0, x1 = -0.75 - i * pitch, -0.75 - (i + 1) * pitch + 0.10
        low = 1.25 if i % 4 else 0.55
        pane = _bus_window(x0, x1, low, half)
        left = _bus_window(x0, x1, 1.25, half)
        parts += [mirrored_y(pane), left]
    band = box((-length / 2, 0, 1.08), (length * 0.985, half * 2 + 0.015, 0.14), PAINT_2)
    screen = quad(
        (0.02, -half * 0.86, 0.95),
        (0.02, half * 0.86, 0.95),
        (-0.02, half * 0.84, 2.45),
        (-0.02, -half * 0.84, 2.45),
        GLASS,
    )
    rear = quad(
        (-length - 0.015, half * 0.8, 1.55),
        (-length - 0.015, -half * 0.8, 1.55),
        (-length, -half * 0.78, 2.4),
        (-length, half * 0.78, 2.4),
        GLASS,
    )
    sign = box((0.0, 0, height - 0.32), (0.06, 1.5, 0.24), Surface((0.9, 0.55, 0.08), 0.3, lamp=Lamp.TAIL))
    roof_unit = box((-length * 0.6, 0, height + 0.08), (2.2, 1.5, 0.2), Surface((0.6, 0.6, 0.6), 0.2))
    vent = box((-length - 0.01, 0, 0.95), (0.04, 1.5, 0.6), PLASTIC)
    bumpers = [
        box((-0.02, 0, 0.45), (0.12, 2.42, 0.22), PLASTIC),
        box((-length + 0.02, 0, 0.45), (0.12, 2.42, 0.22), PLASTIC),
    ]
    wheels = [_wheel(x, s * 1.255, 0.48, 0.3) for x in (-2.75, -length + 3.3) for s in (-1, 1)]
    head = box((0.02, 0.92, 0.72), (0.06, 0.34, 0.2), HEADLAMP)
    tail = box((-length - 0.02, 1.05, 1.1), (0.06, 0.2, 0.5), TAIL_LAMP)
    brake = box((-length - 0.02, 1.05, 0.75), (0.06, 0.2, 0.16), BRAKE_LAMP)
    mirror = box((0.08, half + 0.05, 2.1), (0.14, 0.14, 0.4), PLASTIC)
    plates = [box((0.05, 0, 0.46), (0.02, 0.5, 0.12), PLATE), box((-length - 0.05, 0, 0.5), (0.03, 0.5, 0.12), PLATE)]
    pairs = [head, tail, brake, mirror]
    mesh = join(
        [
            *parts,
            band,
            screen,
            rear,
            sign,
            roof_unit,
            vent,
            *bumpers,
            *wheels,
            *plates,
            *pairs,
            *(mirrored_y(p) for p in pairs),
        ]
    )
    return mesh, _lamp_pairs(length, 0.92, 0.72, 1.0, 1.0)


def _bus_window(x0: float, x1: float, low: float, half: float) -> Vertices:
    top, y = 2.42, half + 0.012
    return quad((x1, y, low), (x1, y, top), (x0, y, top), (x0, y, low), GLASS)


def _person_parts(
    hip: tuple[float, float, float], lean: float, knees: float, hands: tuple[float, float]
) -> list[Vertices]:
    """A seated rider: hip place, forward lean (rad), knee height, hands' (x, z)."""
    hx, _, hz = hip
    sx, sz = hx + 0.52 * np.sin(lean), hz + 0.52 * np.cos(lean)
    head_x, head_z = sx + 0.2 * np.sin(lean), sz + 0.25
    parts = [
        tube((hx, 0, hz), (sx, 0, sz), 0.17, 0.19, CLOTH_2),
        blob((head_x, 0, head_z), (0.13, 0.12, 0.145), Surface((0.3, 0.3, 0.3), 0.8, paint=1)),
    ]
    parts.append(box((head_x + 0.10, 0, head_z + 0.01), (0.06, 0.15, 0.08), GLASS))
    elbow = ((sx + hands[0]) / 2 - 0.05, (sz + hands[1]) / 2 - 0.08)
    arm = [
        tube((sx, 0.19, sz - 0.02), (elbow[0], 0.3, elbow[1]), 0.065, 0.055, CLOTH_2, 6),
        tube((elbow[0], 0.3, elbow[1]), (hands[0], 0.3, hands[1]), 0.055, 0.045, SKIN, 6),
    ]
    leg = [
        tube((hx, 0.1, hz), (hx + 0.42, 0.15, knees), 0.09, 0.07, DARK_CLOTH, 6),
        tube((hx + 0.42, 0.15, knees), (hx + 0.22, 0.14, 0.32), 0.07, 0.05, DARK_CLOTH, 6),
    ]
    both = [*arm, *leg]
    return [*parts, *both, *(mirrored_y(p) for p in both)]


def motorcycle() -> tuple[Vertices, tuple[LampPoint, ...]]:
    """A motorcycle with its rider."""
    wheels = [
        cylinder((x, -w / 2, 0.31), (x, w / 2, 0.31), 0.31, RUBBER, 16) for x, w in ((-0.33, 0.12), (-1.72, 0.16))
    ]
    rims = [cylinder((x, -0.09, 0.31), (x, 0.09, 0.31), 0.19, RIM, 12) for x in (-0.33, -1.72)]
    tank = blob((-0.86, 0, 0.82), (0.34, 0.17, 0.15), PAINT)
    seat = blob((-1.38, 0, 0.80), (0.42, 0.14, 0.07), PLASTIC)
    tail = tube((-1.5, 0, 0.80), (-1.98, 0, 0.90), 0.13, 0.07, PAINT)
    engine = box((-1.02, 0, 0.47), (0.55, 0.34, 0.36), PLASTIC)
    fork = [tube((-0.33, y, 0.31), (-0.62, y, 0.95), 0.035, 0.035, CHROME, 6) for y in (-0.09, 0.09)]
    fairing = blob((-0.50, 0, 0.90), (0.16, 0.19, 0.19), PAINT)
    bar = tube((-0.68, -0.36, 1.02), (-0.68, 0.36, 1.02), 0.02, 0.02, PLASTIC, 6)
    pipe = tube((-1.15, -0.17, 0.36), (-1.85, -0.20, 0.46), 0.055, 0.075, CHROME, 8)
    guard = tube((-1.75, 0, 0.66), (-2.02, 0, 0.52), 0.07, 0.05, PLASTIC, 6)
    lights = [
        box((-0.345, 0, 0.91), (0.06, 0.18, 0.14), HEADLAMP),
        box((-2.04, 0, 0.86), (0.06, 0.16, 0.08), TAIL_LAMP),
        box((-2.05, 0, 0.62), (0.02, 0.2, 0.14), PLATE),
    ]
    rider = _person_parts((-1.30, 0, 0.92), 0.32, 0.78, (-0.70, 1.04))
    mesh = join([*wheels, *rims, tank, seat, tail, engine, *fork, fairing, bar, pipe, guard, *lights, *rider])
    points = (LampPoint((-0.28, 0, 0.91), 1.0, Lamp.HEAD), LampPoint((-2.08, 0, 0.86), -1.0, Lamp.TAIL))
    return mesh, points


def bicycle() -> tuple[Vertices, tuple[LampPoint, ...]]:
    """A bicycle with its rider."""
    parts = []
    for x in (-0.34, -1.38):
        angle = np.linspace(0, 2 * np.pi, 17)
        rim = [(x + 0.34 * np.cos(a), 0.0, 0.34 + 0.34 * np.sin(a)) for a in angle]
        parts += [tube(a, b, 0.022, 0.022, RUBBER, 5) for a, b in itertools.pairwise(rim)]
    frame = [
        ((-0.34, 0, 0.34), (-0.56, 0, 0.92)),
        ((-0.54, 0, 0.84), (-1.12, 0, 0.82)),
        ((-0.54, 0, 0.78), (-0.92, 0, 0.30)),
        ((-1.16, 0, 0.92), (-0.92, 0, 0.30)),
        ((-0.92, 0, 0.30), (-1.38, 0, 0.34)),
        ((-1.12, 0, 0.80), (-1.38, 0, 0.34)),
    ]
    parts += [tube(a, b, 0.022, 0.022, PAINT, 6) for a, b in frame]
    parts += [
        tube((-0.60, -0.28, 1.02), (-0.60, 0.28, 1.02), 0.018, 0.018, PLASTIC, 6),
        blob((-1.18, 0, 0.95), (0.14, 0.08, 0.04), PLASTIC),
    ]
    parts += [box((-0.44, 0, 0.88), (0.05, 0.06, 0.06), HEADLAMP), box((-1.30, 0, 0.80), (0.04, 0.06, 0.06), TAIL_LAMP)]
    parts += _person_parts((-1.15, 0, 1.03), 0.45, 0.80, (-0.62, 1.06))
    points = (LampPoint((-0.40, 0, 0.88), 1.0, Lamp.HEAD), LampPoint((-1.33, 0, 0.80), -1.0, Lamp.TAIL))
    return join(parts), points


def pedestrian(stride: float) -> tuple[Vertices, tuple[LampPoint, ...]]:
    """A walker; `stride` in -1..1 is how far the left leg stands forward. The frame's front lies at x = 0."""
    middle, swing = -0.25, 0.32 * stride
    parts = [
        tube((middle, 0, 0.98), (middle + 0.02, 0, 1.42), 0.16, 0.19, CLOTH),
        blob((middle + 0.02, 0, 1.66), (0.10, 0.095, 0.125), SKIN),
    ]
    parts.append(blob((middle - 0.01, 0, 1.70), (0.105, 0.10, 0.10), HAIR))
    for side in (-1, 1):
        step = swing * side
        knee = (middle + step * 0.7, side * 0.09, 0.52)
        parts += [
            tube((middle, side * 0.09, 0.95), knee, 0.095, 0.065, CLOTH_2, 6),
            tube(knee, (middle + step - 0.04, side * 0.09, 0.08), 0.065, 0.05, CLOTH_2, 6),
        ]
        parts.append(box((middle + step + 0.02, side * 0.09, 0.04), (0.25, 0.09, 0.08), PLASTIC))
        elbow = (middle - step * 0.5, side * 0.25, 1.15)
        parts += [
            tube((middle, side * 0.22, 1.40), elbow, 0.06, 0.05, CLOTH, 6),
            tube(elbow, (middle - step * 0.7 + 0.06, side * 0.25, 0.92), 0.05, 0.04, SKIN, 6),
        ]
    return join(parts), ()


_BUILDERS: dict[str, tuple[str, Callable[[], tuple[Vertices, tuple[LampPoint, ...]]]]] = {
    "sedan": ("car", lambda: car(SEDAN)),
    "estate": ("car", lambda: car(ESTATE)),
    "hatch": ("car", lambda: car(HATCH)),
    "mini": ("car", lambda: car(MINI)),
    "suv": ("car", lambda: car(SUV)),
    "jeep": ("car", lambda: car(JEEP)),
    "pickup": ("car", lambda: car(PICKUP)),
    "minivan": ("car", lambda: car(MINIVAN)),
    "van": ("van", lambda: car(CARGO_VAN)),
    "minibus": ("van", lambda: car(MINIBUS)),
    "lorry": ("truck", lambda: lorry(8.2, 3.5)),
    "long_lorry": ("truck", lambda: lorry(11.0, 3.8)),
    "tanker": ("truck", lambda: lorry(9.0, 3.3, tanker=True)),
    "bus": ("bus", lambda: coach(12.0, 3.05)),
    "short_bus": ("bus", lambda: coach(9.2, 3.0)),
    "motorcycle": ("motorcycle", motorcycle),
    "bicycle": ("bicycle", bicycle),
    "person_a": ("person", lambda: pedestrian(1.0)),
    "person_b": ("person", lambda: pedestrian(0.35)),
    "person_c": ("person", lambda: pedestrian(-1.0)),
    "person_d": ("person", lambda: pedestrian(-0.35)),
}
CARS = ("sedan", "estate", "hatch", "mini", "suv", "jeep", "pickup", "minivan")
KINDS = tuple(_BUILDERS)


@cache
def model(kind: str) -> Model:
    """The model of a kind named in `KINDS`."""
    label, build = _BUILDERS[kind]
    mesh, lamps = build()
    low, high = mesh[:, :3].min(axis=0), mesh[:, :3].max(axis=0)
    return Model(kind, label, mesh, float(-low[0]), float(high[1] - low[1]), float(high[2]), lamps)


@cache
def model_points(kind: str) -> Array:
    """`Model.points`, computed once."""
    return model(kind).points()
