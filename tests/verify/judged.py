"""Tracks judged by the node, whose raw data the verifier then judges again."""

from __future__ import annotations

from math import cos, exp, sin
from typing import TYPE_CHECKING

from edge import approach
from edge.approach import Judged
from edge.passages import PassageFinder
from edge.phases import SignalPhases
from edge.records import Lamp, LampEdge, TrackPoint, TrackStep, TrackUpdate, VehicleClass
from edge.rule import judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from edge.config import Site

Row = tuple[float, ...]

SITE = """schema = 1

[site]
id = "main-and-3rd"

[camera]
size_px = [640, 360]

[[signal_groups]]
id = "north"
min_amber_s = 3.0

[[lanes]]
id = "through"
signal_group = "north"
stop_line_px = [[200, 202], [420, 198]]
confirm_line_px = [[240, 150], [400, 149]]
direction = [-0.1, -1.0]
contact = "rear"
"""
CALIBRATION = """
[calibration]
points_px = [[120, 340], [520, 340], [400, 140], [240, 140]]
points_m = [[0.0, 0.0], [8.0, 0.0], [8.0, 40.0], [0.0, 40.0]]
"""


def lamps(onset_s: float = 8.0, amber_s: float = 3.0) -> tuple[LampEdge, ...]:
    """Green, amber, and red from ``onset_s`` on."""
    first, amber, red = (round(t * 1e9) for t in (-20.0, onset_s - amber_s, onset_s))
    return (
        LampEdge(first, "north", Lamp.RED, lit=False),
        LampEdge(first, "north", Lamp.AMBER, lit=False),
        LampEdge(first, "north", Lamp.GREEN, lit=True),
        LampEdge(amber, "north", Lamp.AMBER, lit=True),
        LampEdge(amber, "north", Lamp.GREEN, lit=False),
        LampEdge(red, "north", Lamp.RED, lit=True),
        LampEdge(red, "north", Lamp.AMBER, lit=False),
    )


def drive(dice: Random, *, calm: bool = False, start_s: float = 10.0) -> list[Row]:
    """A vehicle that drives away, shrinking as it goes; unless ``calm`` it may stop, go back, hide, tremble, change."""
    t, way, rows = start_s, 0.0, []
    speed = dice.uniform(0.25, 0.5) if calm else dice.choice([0.05, 0.2, 0.4, 0.8])
    step, noise = dice.choice([0.04, 1 / 30, 0.1]), 0.0 if calm else dice.choice([0.0, 0.01, 0.05, 0.15])
    side, wide = dice.uniform(-20, 20), dice.uniform(0.8, 1.6)
    for _ in range(400):
        nearness = exp(-way)
        height = 20 + 90 * nearness
        x, y = 310 + side * nearness + 4 * sin(way), 100 + 250 * nearness
        width = wide * height
        box = (x - width / 2, y - height, x + width / 2, y)
        shaken = (round(value + dice.gauss(0, noise * height), 2) for value in box)
        rows.append((round(t, 6), *shaken, 0.8))
        pause = step if calm or dice.random() > 0.02 else dice.choice([0.3, 0.62, 1.5])
        t += pause
        way += speed * pause
        if not calm and dice.random() < 0.02:
            speed = dice.choice([-0.3, 0.0, 0.1, 0.5, cos(t)])
        if not calm and dice.random() < 0.005:
            wide *= dice.choice([0.5, 1.4, 2.0])
        if way > 2.2 or way < -0.2:
            break
    return rows


def judged(site: Site, track: Sequence[Row], edges: Sequence[LampEdge]) -> Judged | None:
    """What the node makes of a track that ends with its last row; None where it finds no passage."""
    lane = site.lane("through")
    finder = PassageFinder([approach._geometry(site, lane)])
    found = []
    for t_s, x1, y1, x2, y2, score in track:
        point = TrackPoint(round(t_s * 1e9), (x1, y1, x2, y2), score)
        found += finder.update(TrackStep(point.t_ns, (TrackUpdate(1, VehicleClass.CAR, point),), ()))
    found += finder.finish()
    if not found:
        return None
    phases = SignalPhases(approach.phase_times(site.group(lane.signal_group)), trust_start=True)
    for edge in edges:
        phases.feed(edge)
    phases.advance(round(track[-1][0] * 1e9) + 2_000_000_000)
    shown = phases.at(found[0].t_cross_ns)
    return Judged(found[0], judge(found[0], shown, approach._rule(site, lane, 0.0)), tuple(edges))
