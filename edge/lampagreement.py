"""Do the wires and the picture tell the same of every lamp? Pure: time comes as an argument.

The picture shows a lamp as it was at one instant a frame, the wires each change. A frame disagrees with the wires where
the picture is sure of a lamp and the wires showed the other state, and that state alone, from ``settle_s`` before the
frame to ``settle_s`` after it: a filament's glow, the length of an exposure and the shift between the two clocks are
covered by that. One frame proves little, so a disagreement is reported when frames over ``limit_s`` apart disagree with
none between them that agrees. What the picture cannot tell (a lorry before the head) neither begins nor ends one; after
``forget_s`` of it the disagreement is closed.

How a live node feeds it, between the pins and the phases::

    watch = LampWatch(LampView.on(video, site))
    agreement = LampAgreement({group.id: phase_times(group) for group in site.signal_groups if group.view})
    lamps = CheckedLamps(wired_lamps.until, watch.readings, agreement)
    for frame, judged in judge_stream(detect_stream(watch.frames(video), detector), lamps, approach):
        agreement_finding(agreement, frame.t_ns)    # for the check lamp_agreement; may be asked on another thread

Frames whose stamp is that of their arrival, as a network camera's, are late by its delay: add that to ``settle_s``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.health import CheckName, Finding, Outcome
from edge.phases import LampFilter
from edge.records import NS_PER_S, Lamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from edge.glow import LampReading
    from edge.phases import PhaseTimes
    from edge.records import LampEdge

_COMPARED_WITHIN_NS = 60 * NS_PER_S
_KEPT_CHANGES = 512
_KEPT_READINGS = 256


@dataclass(frozen=True, slots=True)
class AgreementTimes:
    """How much of a difference is explained; seconds, their meaning is told above."""

    limit_s: float = 0.1
    settle_s: float = 0.15
    forget_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The picture shows a lamp ``seen`` lit or dark, the wires the opposite, from ``since_ns`` to ``until_ns``.

    Both are times of frames: it lasted at least so long.
    """

    group: str
    lamp: Lamp
    seen: bool
    since_ns: int
    until_ns: int

    def __str__(self) -> str:
        """One sentence for an event or a screen."""
        states = ("lit in the picture, dark on the wires", "dark in the picture, lit on the wires")
        lasts_s = (self.until_ns - self.since_ns) / NS_PER_S
        return f"{self.lamp.value} of {self.group} is {states[not self.seen]}, for {lasts_s:.2f} s"


class LampAgreement:
    """Compares both sources for the groups it was given; others are left aside."""

    def __init__(self, groups: Mapping[str, PhaseTimes], times: AgreementTimes | None = None) -> None:
        self._groups = {name: _Group(name, filters, times or AgreementTimes()) for name, filters in groups.items()}
        self.dropped = 0

    def wired(self, edge: LampEdge) -> None:
        """Take a raw edge from the wires; edges come in the order of their times."""
        if edge.group in self._groups:
            self._groups[edge.group].lamps[edge.lamp].wired(edge.t_ns, lit=edge.lit)

    def seen(self, reading: LampReading) -> None:
        """Take what a frame showed; it is compared when the wires' state around it has become certain."""
        group = self._groups.get(reading.group)
        if group is not None:
            for lamp in Lamp:
                self.dropped += not group.lamps[lamp].seen(reading.t_ns, lit=reading.of(lamp))

    def advance(self, now_ns: int) -> None:
        """Let time pass: every edge up to ``now_ns`` has been fed."""
        for group in self._groups.values():
            for lamp in group.lamps.values():
                lamp.advance(now_ns)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that are compared."""
        return tuple(self._groups)

    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Those that last, in the order of the groups and lamps."""
        lamps = (lamp for group in self._groups.values() for lamp in group.lamps.values())
        return tuple(found for lamp in lamps if (found := lamp.disagreement()) is not None)

    def compared_ns(self, group: str) -> int | None:
        """The time of the last frame in which all of a group's lamps were compared; None before the first."""
        compared = [lamp.compared_ns for lamp in self._groups[group].lamps.values()]
        return min((t_ns for t_ns in compared if t_ns is not None), default=None) if None not in compared else None


def agreement_finding(agreement: LampAgreement, now_ns: int) -> Finding:
    """What the check of a live node says: failed where they disagree, unknown where nothing was compared of late."""
    check, found = CheckName.LAMP_AGREEMENT, agreement.disagreements
    if found:
        words = f"{found[0]}: look at its wire, its lamp and its place in the site file's view."
        return Finding(check, Outcome.NOT_OK, words[0].upper() + words[1:])
    compared = {group: agreement.compared_ns(group) for group in agreement.groups}
    for group, at_ns in compared.items():
        if at_ns is None or now_ns - at_ns > _COMPARED_WITHIN_NS:
            words = f"The lamps of {group} cannot be told in the picture: see whether their head is hidden."
            return Finding(check, Outcome.UNKNOWN, words)
    return Finding(check, Outcome.OK, "Wires and picture show the same lamps.")


class CheckedLamps:
    """A feed of wired lamps (``edge.node.LampFeed``) that has each edge compared on its way.

    ``until`` is the wires' own, ``readings`` what the picture has shown and nobody has taken out yet.
    """

    def __init__(
        self, until: Callable[[int], Iterable[LampEdge]], readings: deque[LampReading], agreement: LampAgreement
    ) -> None:
        self._until = until
        self._readings = readings
        self._agreement = agreement

    def until(self, t_ns: int) -> Iterator[LampEdge]:
        """The wires' edges up to an instant; exhausted, all that is known by then has been compared."""
        for edge in self._until(t_ns):
            self._agreement.wired(edge)
            yield edge
        while self._readings and self._readings[0].t_ns <= t_ns:
            self._agreement.seen(self._readings.popleft())
        self._agreement.advance(t_ns)


class _Group:
    def __init__(self, name: str, filters: PhaseTimes, times: AgreementTimes) -> None:
        self.lamps = {lamp: _Comparison(name, lamp, filters, times) for lamp in Lamp}


class _Comparison:
    """One lamp: its filtered changes on the wires, the frames that wait, the disagreement that runs."""

    def __init__(self, group: str, lamp: Lamp, filters: PhaseTimes, times: AgreementTimes) -> None:
        self._name = (group, lamp)
        self._filter = LampFilter(filters)
        self._settle_ns, self._limit_ns, self._forget_ns = (
            round(seconds * NS_PER_S) for seconds in (times.settle_s, times.limit_s, times.forget_s)
        )
        self._wait_ns = self._settle_ns + filters.filter_ns
        self._changes: deque[tuple[int, bool]] = deque(maxlen=_KEPT_CHANGES)
        self._readings: deque[tuple[int, bool]] = deque(maxlen=_KEPT_READINGS)
        self._running: tuple[bool, int, int] | None = None
        self.compared_ns: int | None = None

    def wired(self, t_ns: int, *, lit: bool) -> None:
        self._changes.extend(self._filter.feed(t_ns, lit=lit))

    def seen(self, t_ns: int, *, lit: bool | None) -> bool:
        """Keep a reading until it can be compared; tells whether there was room without dropping another."""
        room = len(self._readings) < _KEPT_READINGS
        if lit is not None:
            self._readings.append((t_ns, lit))
        return room

    def advance(self, now_ns: int) -> None:
        self._changes.extend(self._filter.settle(now_ns))
        while self._readings and self._readings[0][0] + self._wait_ns < now_ns:
            self._compare(*self._readings.popleft())
        if self._running is not None and now_ns - self._wait_ns - self._running[2] > self._forget_ns:
            self._running = None

    def _compare(self, t_ns: int, seen: bool) -> None:
        wired = self._shown(t_ns - self._settle_ns, t_ns + self._settle_ns)
        if not wired:
            return
        self.compared_ns = t_ns
        if seen in wired:
            self._running = None
        elif self._running is None or self._running[0] != seen:
            self._running = (seen, t_ns, t_ns)
        else:
            self._running = (seen, self._running[1], t_ns)

    def _shown(self, start_ns: int, end_ns: int) -> set[bool]:
        """The states that the wires had within a stretch; empty where it began before anything was known."""
        while len(self._changes) > 1 and self._changes[1][0] <= start_ns:
            self._changes.popleft()
        if not self._changes or self._changes[0][0] > start_ns:
            return set()
        return {lit for t_ns, lit in self._changes if t_ns <= end_ns}

    def disagreement(self) -> Disagreement | None:
        running = self._running  # taken once: another thread may ask
        if running is None or running[2] - running[1] <= self._limit_ns:
            return None
        (group, lamp), (seen, since_ns, until_ns) = self._name, running
        return Disagreement(group, lamp, seen, since_ns, until_ns)
