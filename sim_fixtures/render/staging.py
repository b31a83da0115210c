"""Stage directions: short ways to put road users into a scripted scene."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .actors import paints, vehicle_kind
from .motion import Drive, Motion, Path, straight, turning, weaving
from .scene import RoadUser
from .vehicles import model
from .world import KERB_M

if TYPE_CHECKING:
    from .world import Layout

FAR_M = 90.0


class Stage:
    """Collects the road users of one scene; the seed decides looks and small deviations, never the plot."""

    def __init__(self, layout: Layout, view: str, seed: int) -> None:
        self.layout, self.view, self.seed = layout, view, seed
        self.rng = np.random.default_rng([seed, 41])
        self.users: list[RoadUser] = []

    def contact(self, kind: str) -> float:
        """Distance of the front bumper at which the end that the camera sees is over the stop line."""
        return model(kind).length_m if self.view == "rear" else 0.0

    def add(
        self,
        ident: str,
        kind: str,
        motion: Motion,
        path: Path,
        lane: int | None = None,
        paint: tuple[float, float, float] | None = None,
    ) -> None:
        """Put a road user in."""
        first, second = paints(kind, self.rng)
        z_m = KERB_M if kind.startswith("person") else 0.0
        self.users.append(RoadUser(ident, kind, path, motion, lane, paint or first, second, z_m=z_m))

    def lane_path(self, lane: int) -> Path:
        """A natural path up a lane."""
        return weaving(self.layout.lane_x(lane), 0.12, int(self.rng.integers(1 << 20)))

    def passes(
        self,
        ident: str,
        kind: str,
        lane: int,
        at_s: float,
        v_mps: float = 12.0,
        paint: tuple[float, float, float] | None = None,
    ) -> None:
        """Drives through at a steady speed, the end seen crossing the line at `at_s`."""
        motion = Drive(-FAR_M, v_mps).cruise_to(FAR_M).timed(self.contact(kind), at_s)
        self.add(ident, kind, motion, self.lane_path(lane), lane, paint)

    def slows_and_passes(self, ident: str, kind: str, lane: int, at_s: float, v_mps: float, slow_mps: float) -> None:
        """Brakes when it sees the lamp, thinks better of it and drives through."""
        drive = (
            Drive(-FAR_M, v_mps).cruise_to(-22).change_speed(slow_mps, 2.5).change_speed(v_mps, 2.2).cruise_to(FAR_M)
        )
        self.add(ident, kind, drive.timed(self.contact(kind), at_s), self.lane_path(lane), lane)

    def stops(
        self,
        ident: str,
        kind: str,
        lane: int,
        halt_s: float,
        go_s: float,
        stop_m: float = -1.3,
        v_mps: float = 12.0,
        away_mps: float = 11.0,
    ) -> None:
        """Stands still at `stop_m` from `halt_s` on and starts at `go_s`."""
        drive = Drive(-FAR_M, v_mps).stop_at(stop_m)
        start = halt_s - drive.t_s
        drive.wait(max(go_s - halt_s, 0.1)).change_speed(away_mps, 1.9).cruise_to(FAR_M)
        self.add(ident, kind, drive.motion().shifted(start), self.lane_path(lane), lane)

    def queue(self, lane: int, kinds: list[str], go_s: float, since_s: float = -20.0, first_m: float = -1.2) -> None:
        """A standing queue that starts one after another once the lamp turns green."""
        place = first_m
        for index, kind in enumerate(kinds):
            start = go_s + 1.1 + 1.05 * index + float(self.rng.uniform(0, 0.25))
            self.stops(f"q{lane}{index}", kind, lane, since_s - 1, start, place, away_mps=9.5)
            place -= model(kind).length_m + float(self.rng.uniform(1.6, 2.6))

    def turns_right(self, ident: str, kind: str, lane: int, at_s: float, v_mps: float = 5.0) -> None:
        """Slows down and turns right, the end seen crossing the line at `at_s`."""
        start = 3.0
        path = turning(
            self.layout.lane_x(lane), start, self.layout.cross_y(self.layout.cross_lanes - 1, rightwards=True) - start
        )
        drive = (
            Drive(-FAR_M, 11.0)
            .cruise_to(-24)
            .change_speed(v_mps, 2.0)
            .cruise_to(14)
            .change_speed(9, 1.5)
            .cruise_to(FAR_M)
        )
        self.add(ident, kind, drive.timed(self.contact(kind), at_s), path, lane)

    def oncoming(self, go_s: float, until_s: float, every_s: float = 3.5) -> None:
        """Opposite traffic while the approach is green: a waiting car, then free traffic."""
        far_stop = self.layout.box_far_m + 6.5
        for lane in range(self.layout.lanes_out):
            path = straight(self.layout.out_x(lane), far_stop, -math.pi / 2)
            t = go_s + float(self.rng.uniform(0.9, 1.6))
            if go_s > 0:
                self._waits(path, go_s)
                t += 3.0
            self._stream(path, t, until_s, every_s, (9, 12.5))

    def crossing_traffic(self, go_s: float, until_s: float, every_s: float = 3.0) -> None:
        """Traffic on the cross street between two times."""
        for lane in range(self.layout.cross_lanes):
            for rightwards in (True, False):
                x = self.layout.left_m - 6.0 if rightwards else self.layout.right_m + 6.0
                path = straight(x, self.layout.cross_y(lane, rightwards), 0.0 if rightwards else math.pi)
                if self.rng.random() < 0.8:
                    self._waits(path, go_s)
                self._stream(path, go_s + 4.5 + float(self.rng.uniform(0, 2)), until_s, every_s, (9, 12))

    def _waits(self, path: Path, go_s: float) -> None:
        kind = vehicle_kind(self.rng, 0.05, 0.15)
        drive = Drive(-FAR_M, 10.0).stop_at(-1.0)
        start = min(-3.0, go_s - 8) - drive.t_s
        drive.wait(go_s + 1.0 - start - drive.t_s).change_speed(10.0, 1.8).cruise_to(120)
        self.add(f"w{len(self.users)}", kind, drive.motion().shifted(start), path)

    def _stream(self, path: Path, t: float, until_s: float, every_s: float, speeds: tuple[float, float]) -> None:
        v = float(self.rng.uniform(*speeds))
        while t < until_s:
            kind = vehicle_kind(self.rng, 0.06, 0.14)
            self.add(f"o{len(self.users)}", kind, Drive(-120.0, v).cruise_to(140).timed(0.0, t), path)
            t += every_s * float(self.rng.uniform(0.7, 1.6)) + model(kind).length_m / v

    def walkers(self, count: int) -> None:
        """People on the pavements."""
        for index in range(count):
            side = 1 if self.rng.random() < 0.6 else -1
            edge = self.layout.right_m if side > 0 else self.layout.left_m
            x = edge + side * float(self.rng.uniform(0.8, max(1.0, self.layout.pavement_m - 0.5)))
            up = self.rng.random() < 0.5
            path = straight(x, 0.0, math.pi / 2 if up else -math.pi / 2)
            v = float(self.rng.uniform(1.1, 1.6))
            start = float(self.rng.uniform(-25, -2)) if up else float(self.rng.uniform(-6, 22)) * -1
            stop = -self.layout.box_near_m if not up else self.layout.box_near_m - 1.5
            drive = Drive(start - 10, v)
            if up:
                drive.cruise_to(stop)
                drive.wait(60)
            else:
                drive.cruise_to(60)
            motion = drive.motion().shifted(-8)
            self.add(f"p{index}", "person_a", motion, path)
