"""From lamp edges to phases: debounce and hold, phase order, faults, amber measured. Pure: time comes as an argument.

What a group showed at an instant is known only a little later, when no bounce, chopped mains half-wave or overlap of
lamps can change it any more. ``SignalPhases.settled_ns`` says how far the history is final; nothing final ever changes,
however the edges were cut into calls.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge.records import Fault, Lamp, LampEdge, Phase, PhaseInterval

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGINNING_NS = -(2**62)
"""Before every recording; the start of the stretch in which nothing was known yet."""

# The one valid order, with and without the red-and-amber that some countries show before green.
_NEXT = {
    Phase.GREEN: (Phase.AMBER,),
    Phase.AMBER: (Phase.RED,),
    Phase.RED: (Phase.RED_AMBER, Phase.GREEN),
    Phase.RED_AMBER: (Phase.GREEN,),
}
_ASPECTS = {
    (True, False, False): Phase.RED,
    (False, True, False): Phase.AMBER,
    (False, False, True): Phase.GREEN,
    (True, True, False): Phase.RED_AMBER,
}
_KEPT_INTERVALS = 256
_KEPT_EDGES = 8192


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """The times of one signal group, all in ns; their meaning is that of ``config.SignalGroup``."""

    debounce_ns: int
    hold_ns: int
    transition_ns: int
    max_phase_ns: int
    min_amber_ns: int | None = None

    @property
    def filter_ns(self) -> int:
        """How long after an instant its lamps are settled."""
        return self.debounce_ns + self.hold_ns


class LampFilter:
    """One lamp: merges gaps up to ``hold_ns`` (chopped mains) and then drops pulses shorter than ``debounce_ns``.

    Changes carry the instant of the raw edge, so that filtering shifts nothing.
    """

    def __init__(self, times: PhaseTimes) -> None:
        self._times = times
        self._raw: bool | None = None
        self._lit: bool | None = None
        self._pulse_ns: int | None = None
        self._off_ns = 0
        self.glitches = 0

    def feed(self, t_ns: int, *, lit: bool) -> Iterator[tuple[int, bool]]:
        """Take a raw edge; give the changes that have become certain by its time."""
        yield from self.settle(t_ns)
        first = self._raw is None
        if first and not lit:
            self._lit = False
            yield t_ns, False
        if lit and self._pulse_ns is None:
            self._pulse_ns = t_ns
        if not lit and self._raw:
            self._off_ns = t_ns
        self._raw = lit

    def settle(self, now_ns: int) -> Iterator[tuple[int, bool]]:
        """Give the changes that are certain at ``now_ns``, no edge having come since the last one fed."""
        if self._pulse_ns is None:
            return
        end_ns = now_ns if self._raw else self._off_ns
        if not self._lit and end_ns - self._pulse_ns >= self._times.debounce_ns:
            self._lit = True
            yield self._pulse_ns, True
        if not self._raw and now_ns - self._off_ns > self._times.hold_ns:
            if self._lit:
                yield self._off_ns, False
            else:
                self.glitches += 1
                if self._lit is None:
                    yield self._pulse_ns, False
            self._lit = False
            self._pulse_ns = None


class SignalPhases:
    """The phase history of one signal group.

    With ``trust_start`` the state in which a recording begins is believed as stated; otherwise (a live node that has
    just started) it stays ``UNKNOWN`` until the first change of phase has been seen.
    """

    def __init__(self, times: PhaseTimes, *, trust_start: bool) -> None:
        self._times = times
        self._trust_start = trust_start
        self._filters = {lamp: LampFilter(times) for lamp in Lamp}
        self._lit: dict[Lamp, bool] = {}
        self._waiting: list[tuple[int, Lamp, bool]] = []
        self._pending: tuple[int, Phase | Fault] | None = None
        self._now_ns = BEGINNING_NS
        self._settled_ns = BEGINNING_NS
        self.intervals: deque[PhaseInterval] = deque(
            [PhaseInterval(Phase.UNKNOWN, BEGINNING_NS, None, onset_seen=False)], maxlen=_KEPT_INTERVALS
        )
        self.edges: deque[LampEdge] = deque(maxlen=_KEPT_EDGES)

    @property
    def settled_ns(self) -> int:
        """Up to this instant the history is final."""
        return self._settled_ns

    @property
    def current(self) -> PhaseInterval:
        """The latest interval."""
        return self.intervals[-1]

    def feed(self, edge: LampEdge) -> None:
        """Take the next raw edge of this group; edges come in the order of their times."""
        self.advance(edge.t_ns)
        self.edges.append(edge)
        self._take(edge.lamp, self._filters[edge.lamp].feed(edge.t_ns, lit=edge.lit))

    def advance(self, now_ns: int) -> None:
        """Let time pass without an edge."""
        self._now_ns = max(self._now_ns, now_ns)
        for lamp, lamp_filter in self._filters.items():
            self._take(lamp, lamp_filter.settle(self._now_ns))
        self._combine(self._now_ns - self._times.filter_ns - 1)

    def lost(self, t_ns: int) -> None:
        """The lamp input has failed: a fault from now until a green is seen to begin."""
        self.advance(t_ns)
        self._combine(t_ns)
        self._pending = None
        self._begin_fault(t_ns, Fault.LOST_INPUT)

    def at(self, t_ns: int) -> PhaseInterval:
        """What the group showed at an instant; ``UNKNOWN`` where that is not settled or no longer kept."""
        if t_ns <= self._settled_ns:
            for interval in reversed(self.intervals):
                if interval.start_ns <= t_ns:
                    return interval
        return PhaseInterval(Phase.UNKNOWN, t_ns, None, onset_seen=False)

    def edges_between(self, start_ns: int, end_ns: int) -> tuple[LampEdge, ...]:
        """The raw edges in a stretch of time, preceded by the last one of each lamp before its start."""
        before: dict[Lamp, LampEdge] = {}
        within = []
        for edge in self.edges:
            if edge.t_ns <= start_ns:
                before[edge.lamp] = edge
            elif edge.t_ns <= end_ns:
                within.append(edge)
        return tuple(sorted(before.values(), key=lambda edge: (edge.t_ns, edge.lamp)) + within)

    def _take(self, lamp: Lamp, changes: Iterator[tuple[int, bool]]) -> None:
        self._waiting.extend((t_ns, lamp, lit) for t_ns, lit in changes)

    def _combine(self, horizon_ns: int) -> None:
        """Turn the lamp changes up to the horizon, all of them certain now, into phases."""
        if horizon_ns <= self._settled_ns:
            return
        due = sorted(change for change in self._waiting if change[0] <= horizon_ns)
        self._waiting = [change for change in self._waiting if change[0] > horizon_ns]
        for index, (t_ns, lamp, lit) in enumerate(due):
            self._resolve_pending(t_ns)
            self._check_stuck(t_ns)
            self._lit[lamp] = lit
            if index + 1 == len(due) or due[index + 1][0] != t_ns:
                self._show(t_ns)
        self._resolve_pending(horizon_ns)
        self._check_stuck(horizon_ns)
        self._settled_ns = self._pending[0] - 1 if self._pending else horizon_ns

    def _show(self, t_ns: int) -> None:
        """The lamps changed at ``t_ns``: begin a phase, or wait to see whether this is but an overlap."""
        if len(self._lit) < len(Lamp):
            return
        lit = (self._lit[Lamp.RED], self._lit[Lamp.AMBER], self._lit[Lamp.GREEN])
        aspect = _ASPECTS.get(lit, Fault.CONFLICT if any(lit) else Fault.DARK)
        # An overlap counts from when the lamps left the last pure aspect, whichever wrong aspects it runs through.
        pure_end_ns = self._pending[0] if self._pending else t_ns
        if aspect in (Phase.RED, Phase.AMBER, Phase.GREEN):
            self._pending = None
            self._begin(Phase(aspect), t_ns, pure_end_ns)
        else:
            self._pending = (pure_end_ns, aspect)

    def _resolve_pending(self, now_ns: int) -> None:
        """An overlap that outlasts the tolerated transition is a phase (red and amber) or a fault of its own."""
        if self._pending is None or now_ns - self._pending[0] <= self._times.transition_ns:
            return
        start_ns, aspect = self._pending
        self._pending = None
        if isinstance(aspect, Phase):
            self._begin(aspect, start_ns, start_ns)
        elif self.current.phase is not Phase.FAULT:
            self._begin_fault(start_ns, aspect)

    def _begin(self, phase: Phase, t_ns: int, pure_end_ns: int) -> None:
        current = self.current
        if phase is current.phase:
            return
        if current.phase is Phase.FAULT:
            if phase is Phase.GREEN:  # only a green that is seen to begin ends a fault
                self._push(PhaseInterval(phase, t_ns, None, onset_seen=True))
        elif current.phase is Phase.UNKNOWN:
            self._begin_from_unknown(phase, t_ns)
        elif phase not in _NEXT[current.phase]:
            self._begin_fault(t_ns, Fault.ORDER)
        elif phase is Phase.RED:
            self._begin_red(t_ns, current, pure_end_ns)
        else:
            self._push(PhaseInterval(phase, t_ns, None, onset_seen=True))

    def _begin_from_unknown(self, phase: Phase, t_ns: int) -> None:
        started = self.current.start_ns > BEGINNING_NS
        if self._trust_start or (started and phase is not Phase.RED):
            self._push(PhaseInterval(phase, t_ns, None, onset_seen=started))
        elif not started:
            self._push(PhaseInterval(Phase.UNKNOWN, t_ns, None, onset_seen=False))

    def _begin_red(self, t_ns: int, amber: PhaseInterval, pure_end_ns: int) -> None:
        """Red after amber: the amber is measured from its onset to where it was last shown alone."""
        amber_ns = pure_end_ns - amber.start_ns if amber.onset_seen else None
        minimum_ns = self._times.min_amber_ns
        short = amber_ns is not None and minimum_ns is not None and amber_ns < minimum_ns
        fault = Fault.SHORT_AMBER if short else None
        self._push(PhaseInterval(Phase.RED, t_ns, None, onset_seen=True, amber_ns=amber_ns, fault=fault))

    def _begin_fault(self, t_ns: int, fault: Fault) -> None:
        self._push(PhaseInterval(Phase.FAULT, t_ns, None, onset_seen=True, fault=fault))

    def _check_stuck(self, now_ns: int) -> None:
        current = self.current
        if current.phase in (Phase.FAULT, Phase.UNKNOWN):
            return
        stuck_ns = current.start_ns + self._times.max_phase_ns
        if now_ns > stuck_ns:
            self._begin_fault(stuck_ns, Fault.STUCK)

    def _push(self, interval: PhaseInterval) -> None:
        self.intervals[-1] = replace(self.intervals[-1], end_ns=interval.start_ns)
        self.intervals.append(interval)
