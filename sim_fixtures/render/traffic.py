"""Generated traffic: the intelligent driver model (Treiber, Hennecke, Helbing 2000); drivers decide at the lamp.

Some are told to run: the first who would have to stop holds its speed instead. Nothing here draws or knows a picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .actors import vehicle_kind
from .motion import Motion
from .vehicles import model

if TYPE_CHECKING:
    from .signals import Timeline

STEP_S = 0.05
ENTER_M = -110.0
LEAVE_M = 95.0
ACCELERATION = {"truck": 1.1, "bus": 1.2, "bicycle": 1.0, "motorcycle": 2.6}
SPEED = {"truck": 11.0, "bus": 10.5, "bicycle": 5.5, "motorcycle": 13.0}


@dataclass(slots=True)
class Driver:
    """One vehicle while it is simulated; distances are of the front bumper, 0 at the stop line."""

    ident: str
    kind: str
    length_m: float
    wish_mps: float
    s_m: float
    v_mps: float
    start_s: float
    runs: bool = False
    decided_at: float = -1.0
    goes: bool = True
    stop_m: float = -1.2
    trace: list[tuple[float, float, float]] = field(default_factory=list)

    def motion(self) -> Motion:
        """What it did."""
        array = np.array(self.trace)
        return Motion(array[:, 0], array[:, 1], array[:, 2])


def idm(driver: Driver, gap_m: float, ahead_mps: float) -> float:
    """Acceleration (m/s²) towards a leader `gap_m` ahead that drives `ahead_mps`."""
    top = ACCELERATION.get(model(driver.kind).label, 1.9)
    comfort, least, headway = 2.2, 1.8, 1.15
    wish = least + max(
        0.0, driver.v_mps * headway + driver.v_mps * (driver.v_mps - ahead_mps) / (2 * math.sqrt(top * comfort))
    )
    return top * (1 - (driver.v_mps / driver.wish_mps) ** 4 - (wish / max(gap_m, 0.2)) ** 2)


class LaneTraffic:
    """One lane before and past its stop line."""

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        rng: np.random.Generator,
        *,
        per_minute: float,
        runner_share: float,
        rear: bool,
        heavy: float,
        two_wheels: float,
    ) -> None:
        self.name, self.timeline, self.rng = name, timeline, rng
        self.per_minute, self.runner_share, self.rear, self.heavy, self.two_wheels = (
            per_minute,
            runner_share,
            rear,
            heavy,
            two_wheels,
        )
        self.drivers: list[Driver] = []
        self.done: list[Driver] = []
        self.next_s = -60.0 + float(rng.exponential(60 / per_minute))
        self.count = 0

    def step(self, t_s: float) -> None:
        """One step of `STEP_S`."""
        self._enter(t_s)
        self._decide(t_s)
        for index, driver in enumerate(self.drivers):
            self._move(driver, self.drivers[index - 1] if index else None, t_s)
        for driver in [d for d in self.drivers if d.s_m > LEAVE_M]:
            self.drivers.remove(driver)
            self.done.append(driver)

    def _enter(self, t_s: float) -> None:
        last = self.drivers[-1] if self.drivers else None
        if t_s < self.next_s or (last is not None and last.s_m - last.length_m < ENTER_M + 14):
            return
        kind = vehicle_kind(self.rng, self.two_wheels, self.heavy)
        wish = SPEED.get(model(kind).label, 12.5) * float(self.rng.uniform(0.88, 1.12))
        v = min(wish, last.v_mps + 1.0) if last is not None else wish
        self.count += 1
        self.drivers.append(
            Driver(
                f"{self.name}.{self.count}",
                kind,
                model(kind).length_m,
                wish,
                ENTER_M,
                v,
                t_s,
                stop_m=-float(self.rng.uniform(0.8, 2.0)),
            )
        )
        self.next_s = t_s + float(self.rng.exponential(60 / self.per_minute))

    def _decide(self, t_s: float) -> None:
        """Everybody before the line decides once a cycle whether to go; the first who would stop may run."""
        shown, since = self.timeline.shown(t_s), self.timeline.since(t_s)
        if shown == "g":
            return
        for index, driver in enumerate(self.drivers):
            if driver.s_m > 0 or driver.runs or driver.decided_at >= (since if shown == "a" else self._closing(t_s)):
                continue
            if -driver.s_m > (60 if shown == "a" else 45):
                continue
            driver.decided_at = t_s
            ahead_free = all(d.s_m > 0 for d in self.drivers[:index])
            driver.goes = shown == "a" and ahead_free and not self._can_stop(driver)
            if not driver.goes and ahead_free:
                driver.runs = self._may_run(driver, t_s, shown)

    def _closing(self, t_s: float) -> float:
        """When the amber before the red shown began: decisions since then stand."""
        return self.timeline.since(t_s) - (self.timeline.amber_before(t_s) or 0.0)

    def _can_stop(self, driver: Driver) -> bool:
        room = -driver.s_m + driver.stop_m
        return room > 1.0 and driver.v_mps**2 / (2 * room) < (3.2 if driver.length_m < 8 else 2.6)

    def _may_run(self, driver: Driver, t_s: float, shown: str) -> bool:
        """Whether this driver runs: it must be fast, and cross well clear of every bound of the rule."""
        if driver.v_mps < 6.5 or model(driver.kind).label == "bicycle" or self.rng.random() > self.runner_share:
            return False
        least = 1.7 + (0.5 if self.rear else 0.0)
        way = (driver.length_m if self.rear else 0.0) - driver.s_m
        red_at = self._red_at(t_s, shown)
        seen_at = t_s + way / driver.v_mps
        if seen_at - red_at < least:
            hesitant = way / max(red_at + least + 0.5 - t_s, 0.1)
            if hesitant < 6.0 or way < 22:
                return False
            driver.wish_mps = hesitant
        return seen_at - red_at < 12.0

    def _red_at(self, t_s: float, shown: str) -> float:
        if shown == "r":
            return self.timeline.since(t_s)
        return next((t for t, state in self.timeline.changes if t > t_s and state == "r"), math.inf)

    def _move(self, driver: Driver, leader: Driver | None, t_s: float) -> None:
        gap, ahead = (
            (leader.s_m - leader.length_m - driver.s_m, leader.v_mps) if leader else (math.inf, driver.wish_mps)
        )
        acceleration = idm(driver, gap, ahead)
        closed = self.timeline.shown(t_s) != "g"
        if (
            closed
            and driver.s_m < driver.stop_m + 0.5
            and not driver.runs
            and not (driver.goes and driver.decided_at >= self._closing_or_amber(t_s))
        ):
            acceleration = min(acceleration, self._towards_line(driver))
        if driver.runs and driver.s_m < 12 and gap > 12:
            acceleration = max(acceleration, 0.0)
        acceleration = max(-6.5, acceleration)
        speed = max(0.0, driver.v_mps + acceleration * STEP_S)
        driver.trace.append((t_s, driver.s_m, driver.v_mps))
        driver.s_m += (driver.v_mps + speed) / 2 * STEP_S
        driver.v_mps = speed
        if driver.s_m > 25:
            driver.runs = False

    def _closing_or_amber(self, t_s: float) -> float:
        return self.timeline.since(t_s) if self.timeline.shown(t_s) == "a" else self._closing(t_s)

    @staticmethod
    def _towards_line(driver: Driver) -> float:
        """Braking for the line: firm constant deceleration once it is due, the model's own before."""
        room = driver.stop_m - driver.s_m
        if room <= 0.05:
            return -6.0 if driver.v_mps > 0 else 0.0
        needed = driver.v_mps**2 / (2 * room)
        return -needed * 1.05 if needed > 1.6 else idm(driver, room + 1.9, 0.0)


def simulate(lanes: list[LaneTraffic], end_s: float) -> None:
    """Run all lanes from a minute before the recording to its end."""
    t = -60.0
    while t < end_s + 1.0:
        for lane in lanes:
            lane.step(t)
        t += STEP_S
    for lane in lanes:
        lane.done += lane.drivers
