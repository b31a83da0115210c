"""What the lamps show now, on the wires and in the picture: for whoever stands beside them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.approach import phase_times
from edge.commands.chain import wiring
from edge.glow import LAMPS
from edge.phases import SignalPhases
from edge.records import NS_PER_S, Lamp, Phase
from edge.sources.gpio import open_gpio
from edge.sources.lampview import LampView

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from edge.config import Site
    from edge.glow import LampReading
    from edge.records import Frame, LampEdge
    from edge.sources.gpio import GpioLamps, LampPins
    from edge.sources.lampview import Detailed

    OpenPins = Callable[[Sequence[LampPins], Callable[[LampEdge], None]], AbstractContextManager[GpioLamps]]

EVERY_S: Final = 0.25
# Lamps on mains chop: what is later than this may still be joined with what comes.
_SETTLED_NS = NS_PER_S // 20
_TOLD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Shown:
    """What is lit: each group in two words (``north red``), and for those that are not well what is wrong."""

    groups: tuple[str, ...]
    wrong: tuple[str, ...] = ()

    def __str__(self) -> str:
        """All groups in a line."""
        return ", ".join(self.groups)


def lamps_on_wires(site: Site, opened: OpenPins = open_gpio) -> Generator[Shown, None, None]:
    """What every wired group shows, four times a second for as long as somebody asks. SourceError where pins fail."""
    wired = [group for group in site.signal_groups if group.pins is not None]
    phases = {group.id: SignalPhases(phase_times(group), trust_start=True) for group in wired}
    lit: dict[str, dict[Lamp, bool]] = {group.id: {} for group in wired}
    waiting: list[LampEdge] = []
    with opened(wiring(site), waiting.append) as inputs:
        while True:
            threading.Event().wait(EVERY_S)
            inputs.check()
            now_ns = time.monotonic_ns()
            for edge in _settled(waiting, now_ns - _SETTLED_NS):
                phases[edge.group].feed(edge)
                lit[edge.group][edge.lamp] = edge.lit
            for one in phases.values():
                one.advance(now_ns - _SETTLED_NS)
            yield _shown(phases, lit)


def _settled(waiting: list[LampEdge], until_ns: int) -> list[LampEdge]:
    """Takes the edges up to an instant out of those that wait, in the order of their times."""
    come = sorted((edge for edge in waiting[: len(waiting)] if edge.t_ns <= until_ns), key=lambda edge: edge.t_ns)
    for edge in come:
        waiting.remove(edge)
    return come


def _shown(phases: dict[str, SignalPhases], lit: dict[str, dict[Lamp, bool]]) -> Shown:
    groups, wrong = [], []
    for group, one in phases.items():
        current = one.current
        groups.append(f"{group} {current.phase.value}")
        if current.phase in (Phase.FAULT, Phase.UNKNOWN):
            lamps = "+".join(lamp.value for lamp in Lamp if lit[group].get(lamp)) or "no lamp"
            fault = current.fault.value if current.fault else "unknown"
            wrong.append(f"{group} shows a fault ({fault}; lit: {lamps})")
    return Shown(tuple(groups), tuple(wrong))


class LampsInPicture:
    """What the groups that the site file has a ``view`` of show, frame by frame."""

    def __init__(self, site: Site, video: Detailed) -> None:
        self._view = LampView.on(video, site)
        self._last: dict[str, LampReading] = {}
        self._told: Counter[str] = Counter()
        self._frames = 0

    def look(self, frame: Frame) -> None:
        """Take one more frame."""
        self._frames += 1
        for reading in self._view.read(frame):
            if None not in (reading.red, reading.amber, reading.green):
                self._told[reading.group] += 1
                self._last[reading.group] = reading
            else:
                self._last.setdefault(reading.group, reading)

    @property
    def shown(self) -> Shown:
        """What was told last of each group; wrong is what cannot be told in half of the pictures."""
        wrong = [
            f"{group} can be told in {self._told[group]} of {self._frames} pictures"
            for group in self._last
            if self._told[group] < _TOLD_SHARE * self._frames
        ]
        return Shown(tuple(f"{group} {_lit(reading)}" for group, reading in self._last.items()), tuple(wrong))


def _lit(reading: LampReading) -> str:
    states = [reading.of(lamp) for lamp in LAMPS]
    if None in states:
        return "not to be told"
    return "+".join(lamp.value for lamp, state in zip(LAMPS, states, strict=True) if state) or "dark"
