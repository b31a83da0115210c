"""From lamp edges to phases: debounce and hold, phase order, faults, amber measured. Pure: time comes as an argument.

What a group showed at an instant is known only a little later, when no bounce, chopped mains half-wave or overlap of
lamps can change it any more. ``SignalPhases.settled_ns`` says how far the history is final; nothing final ever changes,
however the edges were cut into calls.

Of the edges those are kept that matter to whoever reads them into phases again: not the gaps up to the hold within a
pulse. A lamp on mains makes 200 edges a second, and no bounded number of them reaches back over a red.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from operator import itemgetter
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
_SHOWN_ALONE = (Phase.RED, Phase.AMBER, Phase.GREEN)
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

    @property
    def raw(self) -> bool | None:
        """Whether the last raw edge said that it is lit; None before the first."""
        return self._raw

    @property
    def in_gap(self) -> bool:
        """Whether it has gone dark within a pulse that goes on if it is lit again now."""
        return self._pulse_ns is not None and not self._raw

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
    just started) it stays ``UNKNOWN`` until a phase other than red has been seen to begin.
    """

    def __init__(self, times: PhaseTimes, *, trust_start: bool) -> None:
        self._times = times
        self._trust_start = trust_start
        self._now_ns = BEGINNING_NS
        self._settled_ns = BEGINNING_NS
        self.late_edges = 0
        self._forgotten_glitches = 0
        self._filters: dict[Lamp, LampFilter] = {}
        self.intervals: deque[PhaseInterval] = deque(
            [PhaseInterval(Phase.UNKNOWN, BEGINNING_NS, None, onset_seen=False)], maxlen=_KEPT_INTERVALS
        )
        self.edges: deque[LampEdge] = deque()
        self._let_go: dict[Lamp, LampEdge] = {}  # the last edge of each lamp that there was no more room for
        self._forget_lamps()

    def _forget_lamps(self) -> None:
        self._forgotten_glitches = self.glitches
        self._filters = {lamp: LampFilter(self._times) for lamp in Lamp}
        self._lit: dict[Lamp, bool] = {}
        self._waiting: list[tuple[int, Lamp, bool]] = []
        # The aspect last shown for good, whether or not the phase follows it, and one that may be but an overlap.
        self._shown: Phase | Fault | None = None
        self._pending: tuple[int, Phase | Fault] | None = None

    @property
    def times(self) -> PhaseTimes:
        """The times that this group is judged by."""
        return self._times

    @property
    def glitches(self) -> int:
        """How many pulses of its lamps were too short to count."""
        return self._forgotten_glitches + sum(lamp.glitches for lamp in self._filters.values())

    @property
    def settled_ns(self) -> int:
        """Up to this instant the history is final."""
        return self._settled_ns

    @property
    def current(self) -> PhaseInterval:
        """The latest interval."""
        return self.intervals[-1]

    def feed(self, edge: LampEdge) -> None:
        """Take the next raw edge of this group; edges come in the order of their times.

        One that comes so late that the history is final beyond it shows that the input cannot be relied on.
        """
        if edge.t_ns <= self._settled_ns:
            self.late_edges += 1
            self.lost(self._now_ns)
            return
        self.advance(edge.t_ns)
        self._keep(edge)
        self._take(edge.lamp, self._filters[edge.lamp].feed(edge.t_ns, lit=edge.lit))

    def advance(self, now_ns: int) -> None:
        """Let time pass without an edge."""
        self._now_ns = max(self._now_ns, now_ns)
        for lamp, lamp_filter in self._filters.items():
            self._take(lamp, lamp_filter.settle(self._now_ns))
        self._combine(self._now_ns - self._times.filter_ns - 1)

    def lost(self, t_ns: int) -> None:
        """The lamp input has failed: a fault from the last settled instant until a green is seen to begin.

        The lamps are forgotten, so that the state in which the input returns is not taken for a beginning.
        """
        self.advance(t_ns)
        self._forget_lamps()
        if self.current.fault is not Fault.LOST_INPUT:
            self._begin_fault(self._settled_ns + 1, Fault.LOST_INPUT)
        self._settled_ns = max(self._settled_ns, t_ns - 1)

    def at(self, t_ns: int) -> PhaseInterval:
        """What the group showed at an instant; ``UNKNOWN`` where that is not settled or no longer kept."""
        if t_ns <= self._settled_ns:
            for interval in reversed(self.intervals):
                if interval.start_ns <= t_ns:
                    return interval
        return PhaseInterval(Phase.UNKNOWN, t_ns, None, onset_seen=False)

    def edges_between(self, start_ns: int, end_ns: int) -> tuple[LampEdge, ...]:
        """The kept edges in a stretch of time, preceded by the last one of each lamp before its start.

        They amount to the same phases as the raw ones. A lamp that went dark less than the hold before the end is left
        lit, since it may but be in a gap: so the edges are the same whatever was fed after the end.
        """
        before: dict[Lamp, LampEdge] = {}
        within: list[LampEdge] = []
        for edge in (*sorted(self._let_go.values(), key=_in_order), *self.edges):
            if edge.t_ns <= start_ns:
                before[edge.lamp] = edge
            elif edge.t_ns <= end_ns:
                within.append(edge)
        last = {edge.lamp: edge for edge in within}
        was_lit = before.keys() | {edge.lamp for edge in within if edge.lit}
        for lamp, edge in last.items():
            if not edge.lit and edge.t_ns > end_ns - self._times.hold_ns and lamp in was_lit:
                within.remove(edge)
        return tuple(sorted(before.values(), key=_in_order) + within)

    def _keep(self, edge: LampEdge) -> None:
        """Keep an edge, unless it says nothing new, or ends a gap: then the edge that began the gap goes as well."""
        lamp = self._filters[edge.lamp]
        if lamp.raw is edge.lit or (edge.lit and lamp.in_gap and self._take_back(edge.lamp)):
            return
        self.edges.append(edge)
        if len(self.edges) > _KEPT_EDGES:
            oldest = self.edges.popleft()
            self._let_go[oldest.lamp] = oldest

    def _take_back(self, lamp: Lamp) -> bool:
        """Forget a lamp's latest edge; False where that is not kept any more."""
        for index in range(len(self.edges) - 1, -1, -1):  # it lies within the last hold, so near the end
            if self.edges[index].lamp is lamp:
                del self.edges[index]
                return True
        return False

    def _take(self, lamp: Lamp, changes: Iterator[tuple[int, bool]]) -> None:
        self._waiting.extend((t_ns, lamp, lit) for t_ns, lit in changes)

    def _combine(self, horizon_ns: int) -> None:
        """Turn the lamp changes up to the horizon, all of them certain now, into phases."""
        if horizon_ns <= self._settled_ns:
            return
        # A stable sort: the changes of one lamp at one instant keep their order.
        due = sorted((change for change in self._waiting if change[0] <= horizon_ns), key=itemgetter(0))
        self._waiting = [change for change in self._waiting if change[0] > horizon_ns]
        for index, (t_ns, lamp, lit) in enumerate(due):
            self._pass_time(t_ns)
            self._lit[lamp] = lit
            if index + 1 == len(due) or due[index + 1][0] != t_ns:
                self._show(t_ns)
        self._pass_time(horizon_ns)
        self._settled_ns = self._pending[0] - 1 if self._pending else horizon_ns

    def _pass_time(self, now_ns: int) -> None:
        """What changes by the mere passing of time: an overlap that lasts, a phase that never ends."""
        if self._pending is not None and now_ns - self._pending[0] > self._times.transition_ns:
            start_ns, aspect = self._pending
            self._pending = None
            self._accept(aspect, start_ns)
        self._check_stuck(self._pending[0] if self._pending else now_ns)

    def _show(self, t_ns: int) -> None:
        """The lamps changed at ``t_ns``: begin a phase, or wait to see whether this is but an overlap."""
        if len(self._lit) < len(Lamp):
            return
        lit = (self._lit[Lamp.RED], self._lit[Lamp.AMBER], self._lit[Lamp.GREEN])
        aspect = _ASPECTS.get(lit, Fault.CONFLICT if any(lit) else Fault.DARK)
        # An overlap counts from when the lamps left the last lasting aspect, whichever wrong aspects it runs through.
        left_ns = self._pending[0] if self._pending else t_ns
        self._pending = None
        if aspect is self._shown:
            return
        if aspect in _SHOWN_ALONE and self._follows(aspect):
            self._begin(Phase(aspect), t_ns, left_ns)
        else:
            self._pending = (left_ns, aspect)

    def _follows(self, aspect: Phase | Fault) -> bool:
        """Whether an aspect may come after the one shown; after none, or in a fault, any may."""
        if self.current.phase is Phase.FAULT or not isinstance(self._shown, Phase):
            return isinstance(aspect, Phase)
        return aspect in _NEXT[self._shown]

    def _accept(self, aspect: Phase | Fault, start_ns: int) -> None:
        """An aspect that outlasts the tolerated transition is a phase (red and amber) or a fault of its own."""
        if isinstance(aspect, Phase) and self._follows(aspect):
            self._begin(aspect, start_ns, start_ns)
            return
        self._shown = aspect
        if self.current.phase is not Phase.FAULT:
            self._begin_fault(start_ns, aspect if isinstance(aspect, Fault) else Fault.ORDER)

    def _begin(self, phase: Phase, t_ns: int, left_ns: int) -> None:
        """A phase that may follow begins at ``t_ns``; the one before was last shown alone at ``left_ns``."""
        first, self._shown = self._shown is None, phase
        current = self.current
        if current.phase is Phase.FAULT:
            begins = phase is Phase.GREEN and not first  # only a green that is seen to begin ends a fault
        elif current.phase is Phase.UNKNOWN:
            begins = self._trust_start or not (first or phase is Phase.RED)
        else:
            begins = True
        if begins and current.phase is Phase.AMBER:
            self._begin_red(t_ns, current, left_ns)
        elif begins:
            self._push(PhaseInterval(phase, t_ns, None, onset_seen=not first))

    def _begin_red(self, t_ns: int, amber: PhaseInterval, left_ns: int) -> None:
        """Red after amber: the amber is measured from its onset to where it was last shown alone."""
        amber_ns = left_ns - amber.start_ns if amber.onset_seen else None
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
        if now_ns >= stuck_ns:
            self._begin_fault(stuck_ns, Fault.STUCK)

    def _push(self, interval: PhaseInterval) -> None:
        self.intervals[-1] = replace(self.intervals[-1], end_ns=interval.start_ns)
        self.intervals.append(interval)


def _in_order(edge: LampEdge) -> tuple[int, Lamp]:
    return edge.t_ns, edge.lamp
