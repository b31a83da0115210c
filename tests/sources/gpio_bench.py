"""Two benches to test lamp inputs on: gpiozero's mock pins, and lines that Linux simulates (gpio-sim) under lgpio."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gpiozero import GPIOZeroError

from edge.phases import PhaseTimes, SignalPhases
from edge.records import NS_PER_S, Lamp, LampEdge, Phase, PhaseInterval
from edge.sources.gpio import GpioLamps, LampPins, _TimelineFactory, open_gpio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MS = 1_000_000
CONFIG = Path("/sys/kernel/config/gpio-sim")
LINES = 28
# The site file's own times, but for a phase that is stuck after 2 s.
TIMES = PhaseTimes(10 * MS, 30 * MS, 250 * MS, 2_000 * MS)


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A lamp is switched this long after the beginning."""

    at_s: float
    lamp: Lamp
    lit: bool


class Bench(Protocol):
    """Wires that a test can drive, and what the node makes of them."""

    edges: list[LampEdge]

    def watch(self, *groups: LampPins) -> GpioLamps:
        """Drive all lamps dark and watch them; edges are appended to ``edges``."""
        ...

    def drive(self, number: int, *, high: bool) -> int:
        """Drive a wire now; the instant just before."""
        ...

    def wait_until(self, t_ns: int) -> None:
        """Let time pass, and every edge arrive."""
        ...

    def now_ns(self) -> int: ...

    def unplug(self) -> None:
        """The inputs vanish."""
        ...

    def close(self) -> None: ...


@dataclass
class MockBench:
    """gpiozero's mock pins and a clock that is set by hand."""

    edges: list[LampEdge] = field(default_factory=list)
    factory: Any = field(default_factory=_TimelineFactory)

    def __post_init__(self) -> None:
        self.factory.now_s = 1_000.0

    def watch(self, *groups: LampPins) -> GpioLamps:
        all_dark(self, groups)
        return GpioLamps(groups, self.factory, self.edges.append)

    def drive(self, number: int, *, high: bool) -> int:
        pin = self.factory.pin(number)
        pin.drive_high() if high else pin.drive_low()
        return self.now_ns()

    def wait_until(self, t_ns: int) -> None:
        self.factory.now_s = max(self.factory.now_s, t_ns / NS_PER_S)

    def now_ns(self) -> int:
        return round(self.factory.now_s * NS_PER_S)

    def unplug(self) -> None:
        def gone() -> bool:
            raise GPIOZeroError("bad GPIO read")

        for pin in self.factory.pins.values():
            pin._get_state = gone

    def close(self) -> None:
        self.factory.close()


class SimulatedBench:
    """Lines of a kernel with gpio-sim, read as on a Raspberry Pi."""

    def __init__(self) -> None:
        self.edges: list[LampEdge] = []
        self._device = CONFIG / "bench"
        (self._device / "bank0").mkdir(parents=True)
        (self._device / "bank0" / "num_lines").write_text(str(LINES))
        (self._device / "live").write_text("1")
        chip = (self._device / "bank0" / "chip_name").read_text().strip()
        name = (self._device / "dev_name").read_text().strip()
        lines = Path("/sys/devices/platform") / name / chip
        self.pulls = [lines / f"sim_gpio{number}" / "pull" for number in range(LINES)]
        self._files = [os.open(pull, os.O_WRONLY) for pull in self.pulls]

    def watch(self, *groups: LampPins) -> GpioLamps:
        all_dark(self, groups)
        return open_gpio(groups, self.edges.append)

    def drive(self, number: int, *, high: bool) -> int:
        t_ns = time.monotonic_ns()
        os.pwrite(self._files[number], b"pull-up" if high else b"pull-down", 0)
        return t_ns

    def wait_until(self, t_ns: int) -> None:
        time.sleep(max(0.0, (t_ns - self.now_ns()) / NS_PER_S))

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def unplug(self) -> None:
        self._close_files()
        (self._device / "live").write_text("0")

    def _close_files(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = []

    def close(self) -> None:
        self._close_files()
        with contextlib.suppress(OSError):
            (self._device / "live").write_text("0")
        (self._device / "bank0").rmdir()
        self._device.rmdir()


def all_dark(bench: Bench, groups: Sequence[LampPins]) -> None:
    for pins in groups:
        for _, number in pins.numbers():
            bench.drive(number, high=pins.active_low)


def play(
    bench: Bench, pins: LampPins, steps: Iterable[Step], meanwhile: Callable[[], None] = lambda: None
) -> list[LampEdge]:
    """Switch a group's lamps at their times, and wait until all has arrived; what was driven, at its real instants.

    ``meanwhile`` is called right after each step.
    """
    return play_groups(bench, [(pins, steps)], meanwhile)


def play_groups(
    bench: Bench, groups: Iterable[tuple[LampPins, Iterable[Step]]], meanwhile: Callable[[], None] = lambda: None
) -> list[LampEdge]:
    """The same for several groups at once."""
    start_ns = bench.now_ns() + 20 * MS
    driven: list[LampEdge] = []
    together = [(step, pins) for pins, steps in groups for step in steps]
    for step, pins in sorted(together, key=lambda each: each[0].at_s):
        bench.wait_until(start_ns + round(step.at_s * NS_PER_S))
        t_ns = bench.drive(dict(pins.numbers())[step.lamp], high=step.lit != pins.active_low)
        driven.append(LampEdge(t_ns, pins.group, step.lamp, step.lit))
        meanwhile()
    bench.wait_until(bench.now_ns() + 20 * MS)
    return driven


def played(bench: Bench, *groups: tuple[LampPins, Sequence[Step]]) -> list[LampEdge]:
    """Watch groups from dark while their lamps are switched; the lamps as they were driven."""
    with bench.watch(*(pins for pins, _ in groups)):
        return bench.edges[:] + play_groups(bench, groups)


def phases_of(edges: Iterable[LampEdge], group: str, end_ns: int, times: PhaseTimes = TIMES) -> list[PhaseInterval]:
    """What a node that has just started makes of the edges, from the first phase it knows."""
    phases = SignalPhases(times, trust_start=False)
    for edge in edges:
        if edge.group == group:
            phases.feed(edge)
    phases.advance(end_ns)
    return [interval for interval in phases.intervals if interval.phase is not Phase.UNKNOWN]
