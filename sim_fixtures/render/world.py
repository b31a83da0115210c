"""The static world: roads, kerbs, markings, buildings, trees, poles, made from a layout and a seed.

The observed approach drives towards +y, right of x = 0; its stop line ends at y = 0; the cross street lies beyond.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from .mesh import Lamp, Material, Surface, Vertices, blob, box, cylinder, flat_rect, join, moved, polygon, quad, tube

KERB_M = 0.13
MARK_Z = 0.008


@dataclass(frozen=True, slots=True)
class Layout:
    """The junction's plan, in metres."""

    lanes_in: int = 2
    lanes_out: int = 2
    lane_m: float = 3.4
    cross_lanes: int = 2  # a direction
    pavement_m: float = 3.0
    crossing: bool = True
    median_m: float = 0.0
    marking: tuple[float, float, float] = (0.72, 0.72, 0.70)
    stop_m: float = 0.45
    asphalt: float = 0.11
    ground: Material = Material.GRASS
    building_share: float = 0.8
    trees: int = 10
    mast_arm: bool = True  # may lamps hang over the far side of the junction
    seed: int = 0

    @property
    def right_m(self) -> float:
        """x of the approach's right kerb."""
        return self.median_m / 2 + self.lanes_in * self.lane_m + 0.4

    @property
    def left_m(self) -> float:
        """x of the left kerb."""
        return -(self.median_m / 2 + self.lanes_out * self.lane_m + 0.4)

    @property
    def box_near_m(self) -> float:
        """y where the cross street begins."""
        return 5.6 if self.crossing else 3.2

    @property
    def box_far_m(self) -> float:
        """y where the cross street ends."""
        return self.box_near_m + 2 * self.cross_lanes * self.lane_m + 0.8

    def lane_x(self, lane: int) -> float:
        """Centre of an inbound lane; 0 is the one by the middle."""
        return self.median_m / 2 + (lane + 0.5) * self.lane_m

    def out_x(self, lane: int) -> float:
        """Centre of an outbound lane."""
        return -(self.median_m / 2 + (lane + 0.5) * self.lane_m)

    def cross_y(self, lane: int, rightwards: bool) -> float:
        """Centre of a lane of the cross street; rightwards traffic keeps to the near side."""
        middle = (self.box_near_m + self.box_far_m) / 2
        offset = (lane + 0.5) * self.lane_m
        return middle - offset if rightwards else middle + offset


@dataclass(frozen=True, slots=True)
class SignalHead:
    """One three-lamp head: place of its middle, the way it faces (rad), which group it shows."""

    place_m: tuple[float, float, float]
    facing_rad: float
    group: str


@dataclass(frozen=True, slots=True)
class World:
    """Everything that stands still."""

    layout: Layout
    mesh: Vertices
    crowns: Vertices
    heads: tuple[SignalHead, ...]
    street_lamps: tuple[tuple[float, float, float], ...]


def build(layout: Layout) -> World:
    """The world of a layout; the same layout gives the same world."""
    rng = np.random.default_rng(layout.seed)
    crowns: list[Vertices] = []
    heads, poles = _signals(layout, rng)
    lamps, lamp_posts = _street_lamps(layout, rng)
    parts = [
        _roads(layout),
        _pavements(layout),
        _markings(layout),
        _wear(layout, rng),
        _buildings(layout, rng),
        poles,
        lamp_posts,
    ]
    parts += [_trees(layout, rng, crowns), _furniture(layout, rng)]
    return World(layout, join(parts), join(crowns), tuple(heads), tuple(lamps))


def _roads(g: Layout) -> Vertices:
    asphalt = Surface((g.asphalt, g.asphalt, g.asphalt * 1.03), 0.12, Material.ASPHALT)
    far = 260.0
    ground = {Material.GRASS: (0.10, 0.15, 0.045), Material.SLABS: (0.32, 0.31, 0.29)}.get(g.ground, (0.25, 0.2, 0.14))
    parts = [flat_rect(-400, -300, 400, 500, -0.03, Surface(ground, 0.02, g.ground))]
    parts.append(flat_rect(g.left_m, -far, g.right_m, far, 0.0, asphalt))
    parts.append(flat_rect(-far, g.box_near_m, g.left_m, g.box_far_m, 0.0, asphalt))
    parts.append(flat_rect(g.right_m, g.box_near_m, far, g.box_far_m, 0.0, asphalt))
    if g.median_m > 0.3:
        island = Surface((0.33, 0.32, 0.30), 0.05, Material.SLABS)
        half = g.median_m / 2 - 0.1
        for y0, y1 in ((-far, -0.5 if not g.crossing else -1.0), (g.box_far_m + 6, far)):
            parts.append(box((0, (y0 + y1) / 2, KERB_M / 2), (half * 2, y1 - y0, KERB_M), island))
    return join(parts)


def _pavements(g: Layout) -> Vertices:
    slab = Surface((0.36, 0.35, 0.33), 0.04, Material.SLABS)
    kerb = Surface((0.42, 0.41, 0.39), 0.05, Material.SLABS)
    parts = []
    radius = 5.0
    for sx, edge_x in ((1, g.right_m), (-1, g.left_m)):
        for sy, edge_y in ((-1, g.box_near_m), (1, g.box_far_m)):
            centre = (edge_x + sx * radius, edge_y + sy * radius)
            parts.append(_corner(centre, radius, sx, sy, slab, kerb))
            far_x, far_y = edge_x + sx * 240, edge_y + sy * 240
            x0, x1 = sorted((edge_x, edge_x + sx * g.pavement_m))
            y0, y1 = sorted((centre[1], far_y))
            parts.append(_slab(x0, y0, x1, y1, slab, kerb))
            x0, x1 = sorted((centre[0], far_x))
            y0, y1 = sorted((edge_y, edge_y + sy * g.pavement_m))
            parts.append(_slab(x0, y0, x1, y1, slab, kerb))
            asphalt = Surface((g.asphalt, g.asphalt, g.asphalt * 1.03), 0.12, Material.ASPHALT)
            fill = [
                (centre[0] - sx * radius * math.cos(a), centre[1] - sy * radius * math.sin(a), -0.004)
                for a in np.linspace(0, math.pi / 2, 7)
            ]
            fan = [(edge_x, edge_y, -0.004), *(fill if sx * sy < 0 else fill[::-1])]
            parts.append(polygon(fan, asphalt))
    return join(parts)


def _slab(x0: float, y0: float, x1: float, y1: float, slab: Surface, kerb: Surface) -> Vertices:
    centre, size = ((x0 + x1) / 2, (y0 + y1) / 2, KERB_M / 2), (x1 - x0, y1 - y0, KERB_M)
    return box(centre, size, kerb, top=slab)


def _corner(centre: tuple[float, float], radius: float, sx: int, sy: int, slab: Surface, kerb: Surface) -> Vertices:
    angles = np.linspace(0, math.pi / 2, 9)
    arc = [(centre[0] - sx * radius * math.cos(a), centre[1] - sy * radius * math.sin(a)) for a in angles]
    top = [(centre[0], centre[1], KERB_M), *((x, y, KERB_M) for x, y in arc)]
    if sx * sy < 0:
        top = [top[0], *top[:0:-1]]
    walls = []
    for (xa, ya), (xb, yb) in itertools.pairwise(arc):
        wall = quad((xa, ya, -0.02), (xb, yb, -0.02), (xb, yb, KERB_M), (xa, ya, KERB_M), kerb)
        outward = np.array([(xa + xb) / 2 - centre[0], (ya + yb) / 2 - centre[1], 0.0])
        wall[:, 3:6] = outward / np.linalg.norm(outward)
        walls.append(wall)
    return join([polygon(top, slab), *walls])


def _markings(g: Layout) -> Vertices:
    paint = Surface(g.marking, 0.15, Material.MARKING)
    parts = [flat_rect(g.median_m / 2 + 0.1, -g.stop_m, g.right_m - 0.35, 0.0, MARK_Z, paint)]
    far_stop = g.box_far_m + (g.box_near_m if g.crossing else 3.0)
    parts.append(flat_rect(g.left_m + 0.35, far_stop, -g.median_m / 2 - 0.1, far_stop + g.stop_m, MARK_Z, paint))
    for lane in range(1, g.lanes_in):
        x = g.median_m / 2 + lane * g.lane_m
        parts.append(flat_rect(x - 0.07, -22, x + 0.07, -g.stop_m, MARK_Z, paint))
        parts += [flat_rect(x - 0.06, y, x + 0.06, y + 3, MARK_Z, paint) for y in np.arange(-140, -24, 7.5)]
        parts += [flat_rect(x - 0.06, y, x + 0.06, y + 3, MARK_Z, paint) for y in np.arange(far_stop + 2, 140, 7.5)]
    for lane in range(1, g.lanes_out):
        x = -(g.median_m / 2 + lane * g.lane_m)
        parts += [
            flat_rect(x - 0.06, y, x + 0.06, y + 3, MARK_Z, paint)
            for y in [*np.arange(-140, -4, 7.5), *np.arange(far_stop + 2, 140, 7.5)]
        ]
    if g.median_m < 0.3:
        for x in (-0.12, 0.12):
            parts += [
                flat_rect(x - 0.05, -160, x + 0.05, -g.stop_m, MARK_Z, paint),
                flat_rect(x - 0.05, far_stop, x + 0.05, 160, MARK_Z, paint),
            ]
    parts += _cross_street_marks(g, paint)
    if g.crossing:
        parts += _zebra(g, paint)
    parts += [_arrow(g.lane_x(lane), -9.0, paint) for lane in range(g.lanes_in)]
    return join(parts)


def _cross_street_marks(g: Layout, paint: Surface) -> list[Vertices]:
    parts = []
    middle = (g.box_near_m + g.box_far_m) / 2
    for sign, edge in ((1, g.right_m + 5.2), (-1, g.left_m - 5.2)):
        far = edge + sign * 150
        x0, x1 = sorted((edge, far))
        parts.append(flat_rect(x0, middle - 0.06, x1, middle + 0.06, MARK_Z, paint))
        for lane in range(1, g.cross_lanes):
            for side in (-1, 1):
                y = middle + side * lane * g.lane_m
                parts += [flat_rect(x, y - 0.06, x + 3, y + 0.06, MARK_Z, paint) for x in np.arange(x0, x1, 7.5)]
        s0, s1 = sorted((edge, edge + sign * g.stop_m))
        y0, y1 = (g.box_near_m + 0.3, middle - 0.1) if sign < 0 else (middle + 0.1, g.box_far_m - 0.3)
        parts.append(flat_rect(s0, y0, s1, y1, MARK_Z, paint))
    return parts


def _zebra(g: Layout, paint: Surface) -> list[Vertices]:
    parts = []
    for y0, y1 in ((1.5, 4.3), (g.box_far_m + 1.3, g.box_far_m + 4.1)):
        parts += [
            flat_rect(x, y0, x + 0.45, y1, MARK_Z, paint) for x in np.arange(g.left_m + 0.4, g.right_m - 0.6, 0.95)
        ]
    for x0, x1 in ((g.right_m + 1.3, g.right_m + 4.1), (g.left_m - 4.1, g.left_m - 1.3)):
        parts += [
            flat_rect(x0, y, x1, y + 0.45, MARK_Z, paint)
            for y in np.arange(g.box_near_m + 0.4, g.box_far_m - 0.6, 0.95)
        ]
    return parts


def _arrow(x: float, y: float, paint: Surface) -> Vertices:
    z = MARK_Z
    stem = flat_rect(x - 0.09, y - 3.0, x + 0.09, y - 0.9, z, paint)
    return join([stem, polygon([(x - 0.34, y - 1.0, z), (x + 0.34, y - 1.0, z), (x, y + 0.4, z)], paint)])


def _wear(g: Layout, rng: np.random.Generator) -> Vertices:
    parts = []
    for _ in range(int(rng.integers(2, 9))):
        shade = g.asphalt * rng.uniform(0.55, 1.25)
        surface = Surface((shade, shade, shade), 0.1, Material.ASPHALT)
        x, y = rng.uniform(g.left_m + 1, g.right_m - 2), rng.uniform(-35, g.box_far_m + 20)
        w, length = rng.uniform(0.6, 2.4), rng.uniform(0.8, 7)
        parts.append(flat_rect(x, y, min(x + w, g.right_m - 0.1), y + length, 0.003, surface))
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(g.left_m + 1, g.right_m - 1), rng.uniform(-25, g.box_far_m + 8)
        parts.append(
            cylinder((x, y, -0.05), (x, y, 0.005), 0.33, Surface((0.06, 0.055, 0.05), 0.3, Material.METAL), 14)
        )
    return join(parts)


_WALLS = [
    (0.45, 0.36, 0.28),
    (0.33, 0.30, 0.28),
    (0.50, 0.47, 0.42),
    (0.30, 0.14, 0.10),
    (0.42, 0.25, 0.16),
    (0.25, 0.27, 0.30),
    (0.55, 0.52, 0.47),
    (0.38, 0.33, 0.20),
]


def _buildings(g: Layout, rng: np.random.Generator) -> Vertices:
    parts: list[Vertices] = []
    for sx, edge_x in ((1, g.right_m), (-1, g.left_m)):
        for sy, edge_y in ((-1, g.box_near_m), (1, g.box_far_m)):
            setback = g.pavement_m + rng.uniform(1.0, 12.0)
            along = edge_y + sy * setback
            while abs(along - edge_y) < 170:
                depth, width = rng.uniform(10, 22), rng.uniform(10, 26)
                if rng.random() < g.building_share:
                    parts.append(
                        _building(rng, edge_x + sx * (setback + depth / 2), along + sy * width / 2, depth, width)
                    )
                along += sy * (width + rng.choice([0.0, 0.0, 4.0, 9.0]))
            across = edge_x + sx * (setback + 24)
            while abs(across - edge_x) < 150:
                depth, width = rng.uniform(10, 18), rng.uniform(10, 26)
                if rng.random() < g.building_share:
                    parts.append(
                        _building(rng, across + sx * width / 2, edge_y + sy * (setback + depth / 2), width, depth)
                    )
                across += sx * (width + rng.choice([0.0, 3.0, 8.0]))
    return join(parts)


def _building(rng: np.random.Generator, x: float, y: float, sx: float, sy: float) -> Vertices:
    height = float(rng.choice([4.5, 7, 9.5, 12, 15, 19, 26]) + rng.uniform(-0.5, 1.5))
    base = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.7, 1.15)
    colour = (float(base[0]), float(base[1]), float(base[2]))
    wall = Surface(colour, 0.05, Material.FACADE, paint=float(rng.uniform(0, 1)))
    roof = Surface((0.16, 0.15, 0.14), 0.02, Material.ROOFING)
    parts = [box((x, y, height / 2), (sx, sy, height), wall, top=roof)]
    trim = Surface((colour[0] * 0.7, colour[1] * 0.7, colour[2] * 0.7), 0.05)
    parts.append(box((x, y, height + 0.15), (sx + 0.5, sy + 0.5, 0.4), trim))
    if height < 11 and rng.random() < 0.5:
        tile = Surface((0.22, 0.09, 0.06), 0.05, Material.ROOFING)
        a, b, c, d = (
            (x - sx / 2 - 0.3, y - sy / 2 - 0.3),
            (x + sx / 2 + 0.3, y - sy / 2 - 0.3),
            (x + sx / 2 + 0.3, y + sy / 2 + 0.3),
            (x - sx / 2 - 0.3, y + sy / 2 + 0.3),
        )
        z, top = height + 0.3, height + min(sx, sy) * 0.32
        ridge0, ridge1 = (
            ((x - sx / 4, y, top), (x + sx / 4, y, top)) if sx > sy else ((x, y - sy / 4, top), (x, y + sy / 4, top))
        )
        if sx > sy:
            parts += [
                quad((*a, z), (*b, z), ridge1, ridge0, tile),
                quad((*c, z), (*d, z), ridge0, ridge1, tile),
                polygon([(*b, z), (*c, z), ridge1], tile),
                polygon([(*d, z), (*a, z), ridge0], tile),
            ]
        else:
            parts += [
                quad((*b, z), (*c, z), ridge1, ridge0, tile),
                quad((*d, z), (*a, z), ridge0, ridge1, tile),
                polygon([(*a, z), (*b, z), ridge0], tile),
                polygon([(*c, z), (*d, z), ridge1], tile),
            ]
    return join(parts)


def _trees(g: Layout, rng: np.random.Generator, crowns: list[Vertices]) -> Vertices:
    trunks = []
    for _ in range(g.trees):
        side = 1 if rng.random() < 0.5 else -1
        edge = g.right_m if side > 0 else g.left_m
        x = edge + side * (rng.uniform(0.8, 1.6) if rng.random() < 0.6 else g.pavement_m + rng.uniform(0.8, 7))
        y = float(rng.choice([rng.uniform(-60, g.box_near_m - 7), rng.uniform(g.box_far_m + 7, 90)]))
        height = rng.uniform(3.5, 9.0)
        if y < -10 and abs(x - edge) < 3:
            height = min(height, 5.0)
        trunk = Surface((0.10, 0.07, 0.045), 0.02)
        trunks.append(
            tube((x, y, 0), (x + rng.uniform(-0.2, 0.2), y, height * 0.55), 0.10 + height * 0.012, 0.07, trunk, 7)
        )
        green = Surface(
            (0.05 * rng.uniform(0.6, 1.8), 0.11 * rng.uniform(0.6, 1.3), 0.022),
            0.03,
            Material.FOLIAGE,
            paint=float(rng.random()),
        )
        for _ in range(int(rng.integers(3, 7))):
            r = height * rng.uniform(0.14, 0.26)
            off = rng.normal(0, height * 0.11, 3)
            crowns.append(
                blob(
                    (x + off[0], y + off[1], height * 0.72 + off[2]),
                    (r, r, r * 0.85),
                    green,
                    0.22,
                    int(rng.integers(1 << 30)),
                    9,
                )
            )
    return join(trunks)


def _signals(g: Layout, rng: np.random.Generator) -> tuple[list[SignalHead], Vertices]:
    steel = Surface((0.16, 0.17, 0.17), 0.4, Material.METAL)
    parts, heads = [], []
    near_x, far_y = g.right_m + 0.7, g.box_far_m + (5.2 if g.crossing else 2.6)
    style = int(rng.integers(3))

    def post(x: float, y: float, facing: float, group: str, height: float = 3.2) -> None:
        parts.append(cylinder((x, y, 0), (x, y, height + 0.6), 0.07, steel, 8))
        heads.append(SignalHead((x + 0.18 * math.cos(facing), y + 0.18 * math.sin(facing), height), facing, group))

    def arm(x: float, y: float, reach: float, facing: float, group: str, spots: list[float]) -> None:
        parts.append(cylinder((x, y, 0), (x, y, 6.2), 0.11, steel, 8, top=0.08))
        parts.append(cylinder((x, y, 5.9), (x + reach, y, 6.05), 0.06, steel, 6))
        heads.extend(
            SignalHead((x + spot, y + 0.16 * math.sin(facing), 5.6), facing, f"{group}{i}")
            for i, spot in enumerate(spots)
        )

    south = -math.pi / 2
    post(near_x, 0.3, south, "approach")
    if g.mast_arm and (style == 0 or g.lanes_in > 2):
        arm(
            near_x + 0.2,
            far_y,
            -(g.right_m + 0.9 - g.lane_x(0)),
            south,
            "approach",
            [g.lane_x(i) - near_x - 0.2 for i in range(g.lanes_in)],
        )
    elif style == 1:
        post(near_x, far_y, south, "approach", 3.6)
        post(g.left_m - 0.7, far_y, south, "approach", 3.4)
    else:
        post(near_x, far_y, south, "approach", 3.6)
    post(g.left_m - 0.7, far_y - 1.0, -south, "approach")
    post(g.left_m - 4.8, g.box_near_m - 0.8, math.pi, "cross")
    post(g.right_m + 4.8, g.box_far_m + 0.8, 0.0, "cross")
    return heads, join(parts)


def _street_lamps(g: Layout, rng: np.random.Generator) -> tuple[list[tuple[float, float, float]], Vertices]:
    steel, places, parts = Surface((0.2, 0.2, 0.2), 0.35, Material.METAL), [], []
    glow = Surface((1.0, 0.85, 0.6), 0.1, lamp=Lamp.STREET)
    start = rng.uniform(-14, -6)
    for y in (start, g.box_far_m + 9 + rng.uniform(0, 8), start - 30, g.box_far_m + 44):
        for side, edge in ((1, g.right_m), (-1, g.left_m)):
            x = edge + side * 0.9
            reach = -side * 2.0
            parts += [
                cylinder((x, y, 0), (x, y, 8.2), 0.09, steel, 8, top=0.06),
                cylinder((x, y, 8.1), (x + reach, y, 8.5), 0.045, steel, 6),
            ]
            parts += [
                box((x + reach, y, 8.5), (0.7, 0.3, 0.14), steel),
                box((x + reach, y, 8.42), (0.55, 0.22, 0.03), glow),
            ]
            places.append((x + reach, y, 8.35))
    return places, join(parts)


def _furniture(g: Layout, rng: np.random.Generator) -> Vertices:
    parts = []
    for _ in range(int(rng.integers(4, 12))):
        side = 1 if rng.random() < 0.5 else -1
        edge = g.right_m if side > 0 else g.left_m
        x = edge + side * rng.uniform(0.5, g.pavement_m - 0.3)
        y = float(rng.choice([rng.uniform(-40, g.box_near_m - 6), rng.uniform(g.box_far_m + 6, 70)]))
        parts.append(_FURNITURE[int(rng.integers(len(_FURNITURE)))](x, y, rng))
    if rng.random() < 0.4:
        y0 = rng.uniform(-40, -12)
        rail = Surface((0.35, 0.36, 0.36), 0.4, Material.METAL)
        x = g.right_m + 0.25
        parts += [box((x, y0 / 2 - 2, z), (0.05, abs(y0) - 4, 0.06), rail) for z in (0.6, 1.0)]
        parts += [box((x, y, 0.55), (0.06, 0.06, 1.1), rail) for y in np.arange(y0, -4, 2.0)]
    return join(parts)


def _sign(x: float, y: float, rng: np.random.Generator) -> Vertices:
    hue = [(0.5, 0.02, 0.02), (0.02, 0.1, 0.45), (0.6, 0.5, 0.05), (0.7, 0.7, 0.7)][int(rng.integers(4))]
    post = cylinder((x, y, 0), (x, y, 2.6), 0.035, Surface((0.3, 0.3, 0.3), 0.3), 6)
    return join([post, cylinder((x, y - 0.05, 2.3), (x, y - 0.02, 2.3), 0.32, Surface(hue, 0.3), 16)])


def _bin(x: float, y: float, _: np.random.Generator) -> Vertices:
    return cylinder((x, y, 0), (x, y, 1.0), 0.27, Surface((0.05, 0.12, 0.07), 0.2), 12)


def _cabinet(x: float, y: float, _: np.random.Generator) -> Vertices:
    return box((x, y, 0.65), (0.5, 0.9, 1.3), Surface((0.25, 0.28, 0.25), 0.2))


def _shelter(x: float, y: float, rng: np.random.Generator) -> Vertices:
    frame = Surface((0.12, 0.13, 0.14), 0.3)
    parts = [box((x, y, 2.45), (1.5, 3.6, 0.1), frame)]
    parts += [box((x + i * 0.65, y + j * 1.7, 1.2), (0.07, 0.07, 2.4), frame) for i in (-1, 1) for j in (-1, 1)]
    advert = Surface((float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.1, 0.6))), 0.4)
    return join([*parts, box((x, y + 1.72, 1.3), (1.2, 0.08, 1.8), advert), box((x, y, 0.45), (0.4, 2.2, 0.06), frame)])


def _bush(x: float, y: float, rng: np.random.Generator) -> Vertices:
    leaf = Surface((0.045, 0.09, 0.025), 0.02, Material.FOLIAGE, paint=float(rng.random()))
    return blob((x, y, 0.4), (0.6, 0.7, 0.55), leaf, 0.2, int(rng.integers(1 << 30)))


def _bollards(x: float, y: float, _: np.random.Generator) -> Vertices:
    surface = Surface((0.05, 0.05, 0.055), 0.3)
    return join([cylinder((x, y + i * 1.5, 0), (x, y + i * 1.5, 0.95), 0.07, surface, 8) for i in range(4)])


_FURNITURE = (_sign, _bin, _cabinet, _shelter, _bush, _bollards, _sign)


def signal_head_mesh() -> Vertices:
    """A three-lamp head that faces +x, its middle at the origin."""
    dark = Surface((0.018, 0.02, 0.018), 0.2)
    parts = [box((0, 0, 0), (0.24, 0.36, 1.02), dark), box((-0.13, 0, 0), (0.02, 0.62, 1.30), dark)]
    lenses = (
        (0.32, (0.20, 0.012, 0.012), Lamp.RED),
        (0.0, (0.20, 0.10, 0.01), Lamp.AMBER),
        (-0.32, (0.01, 0.14, 0.07), Lamp.GREEN),
    )
    for z, colour, lamp in lenses:
        parts.append(cylinder((0.10, 0, z), (0.14, 0, z), 0.125, Surface(colour, 0.5, lamp=lamp), 16))
        hood = [
            quad((0.12, a0, z + b0), (0.34, a0, z + b0), (0.34, a1, z + b1), (0.12, a1, z + b1), dark)
            for a0, b0, a1, b1 in _hood_edges()
        ]
        parts += hood
    return join(parts)


def _hood_edges() -> list[tuple[float, float, float, float]]:
    angle = np.linspace(-0.1, math.pi + 0.1, 9)
    points = [(0.145 * math.cos(a), 0.145 * math.sin(a)) for a in angle]
    return [(*p, *q) for p, q in itertools.pairwise(points)]


__all__ = ["Layout", "SignalHead", "World", "build", "moved", "signal_head_mesh"]
