"""A film judged by a draft: its lamps, from whatever tells of them, and the trial of its tracks.

Asked several times a second, by each page that is open: what nothing has changed for is given again as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from edge.commands.chain import lamp_pins
from edge.records import NS_PER_S
from edge.ui.lampreader import LampReader
from edge.ui.trial import Trial, metre_grid, phase_bands, spans, told
from edge.ui.wires import as_wired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.config import SignalGroup, Site, View
    from edge.records import LampEdge, Size
    from edge.sources.gpio import LampPins
    from edge.ui.film import Film
    from edge.ui.lampreader import LampsSeen
    from edge.ui.taking import Wired
    from edge.ui.watcher import Run

    Edges = tuple[LampEdge, ...]


class Source(StrEnum):
    """What tells of a signal group's lamps, the first that does."""

    TIMELINE = "timeline"
    WIRES = "wires"
    VIEW = "view"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Lamps recorded beside a film: a timeline's by the name of their group, those on wires by how it is wired."""

    timeline: Mapping[str, Edges] = field(default_factory=dict)
    wired: Wired = field(default_factory=dict)
    _named: dict[LampPins, Edges] = field(default_factory=dict)

    def of(self, group: SignalGroup) -> tuple[Source, Edges]:
        """What tells of a group, and its edges where they were recorded."""
        if group.id in self.timeline:
            return Source.TIMELINE, self.timeline[group.id]
        pins = lamp_pins(group)
        if pins is None or as_wired(pins) not in self.wired:
            return (Source.VIEW if group.view else Source.NONE), ()
        if pins not in self._named:
            edges = self.wired[as_wired(pins)]
            self._named[pins] = tuple(replace(edge, group=group.id) for edge in edges)
        return Source.WIRES, self._named[pins]

    def by_name(self, names: Iterable[str], groups: Iterable[SignalGroup]) -> dict[str, Edges]:
        """The edges of those that were recorded, by the timeline or as ``groups`` are wired."""
        wired = {group.id: self.of(group)[1] for group in groups}
        found = ((name, self.timeline.get(name) or wired.get(name, ())) for name in names)
        return {name: edges for name, edges in found if edges}

    def all_of(self, groups: Iterable[SignalGroup]) -> Edges:
        """The edges of these groups, and of those that only the timeline knows, in the order of their times."""
        names = {group.id for group in groups}
        others = (edges for name, edges in self.timeline.items() if name not in names)
        return in_order(*others, *(self.of(group)[1] for group in groups))


def in_order(*edges: Iterable[LampEdge]) -> tuple[LampEdge, ...]:
    """Edges by their times."""
    return tuple(sorted(chain.from_iterable(edges), key=attrgetter("t_ns")))


class Judging:
    """What drafts make of one film, over one watch of it or several. For one thread at a time."""

    def __init__(self, film: Film, grid_px: Size, recorded: Recorded) -> None:
        self._film = film
        self._grid_px = grid_px
        self.recorded = recorded
        self._lamps = LampReader(film, grid_px)
        self._trial: Trial | None = None
        self._judged_by: tuple[object, ...] = ()
        self._told: dict[str, Any] = {}
        self._told_of: tuple[object, ...] = ()

    def close(self) -> None:
        """Stop, if lamps are being read still."""
        self._lamps.close()

    def glance(self, views: Mapping[str, View], run: Run) -> LampsSeen:
        """What heads at these places would show, by the few pictures that are kept."""
        return self._lamps.glance(views, run.watching.stack)

    def judged(self, run: Run, site: Site | None, groups: tuple[SignalGroup, ...]) -> dict[str, Any]:
        """All passages so far by ``site``, the lamps of ``groups``, and what else is drawn.

        ``groups`` are those of the newest draft, which may be none that a node could run with; ``site`` is the last
        that was one.
        """
        is_seen, count = run.is_seen, len(run.steps)  # in this order: then the steps are all there
        seen = self._lamps.read({group.id: group.view for group in groups if group.view}, run.watching.stack)
        basis = (run.number, is_seen, count, site, groups, seen)
        if basis != self._told_of:
            trial = None if site is None else self._tried(run, site, seen)
            if trial is not None:
                trial.take(run.steps[trial.taken : count])
                if is_seen:
                    trial.finish()
            self._told = self._tell(run, site, groups, seen, trial)
            self._told_of = basis
        return self._told

    def _tried(self, run: Run, site: Site, seen: LampsSeen) -> Trial:
        """The trial that has come as far as the last look; a new one where watch, site or lamps are others."""
        groups = site.signal_groups
        unrecorded = {group.id for group in groups if self.recorded.of(group)[0] is Source.VIEW}
        from_picture = tuple(edge for edge in seen.edges if edge.group in unrecorded)
        basis = (run.number, site, from_picture)
        if self._trial is None or basis != self._judged_by:
            edges = in_order(self.recorded.all_of(groups), from_picture)
            # Lamps in the picture are known to a frame interval.
            self._trial = Trial(site, edges, 1 / self._film.fps if from_picture else 0.0)
            self._judged_by = basis
        return self._trial

    def _tell(
        self, run: Run, site: Site | None, groups: Sequence[SignalGroup], seen: LampsSeen, trial: Trial | None
    ) -> dict[str, Any]:
        region_px = None if site is None else site.detector.region_px
        return {
            "run": run.number,
            "until_s": (trial.until_ns if trial else 0) / NS_PER_S,
            "stale": run.region_px != region_px,
            "passages": [told(one) for one in trial.judged] if trial else [],
            "lamps": {group.id: self._lamps_of(group, run, site, seen, trial) for group in groups},
            "grid": metre_grid(site.calibration, self._grid_px) if site else [],
        }

    def _lamps_of(
        self, group: SignalGroup, run: Run, site: Site | None, seen: LampsSeen, trial: Trial | None
    ) -> dict[str, Any]:
        source, edges = self.recorded.of(group)
        end_s = run.until_ns / NS_PER_S
        from_picture = spans([edge for edge in seen.edges if edge.group == group.id], end_s) if group.view else None
        if trial is not None and site is not None and group in site.signal_groups:
            bands = trial.bands(group.id)
        elif edges:
            bands = phase_bands(group, edges, run.until_ns)
        else:
            bands = [(*band, None) for band in from_picture or []]
        return {
            "source": source.value,
            "exact": bool(edges) or seen.is_exact,
            "bands": bands,
            "seen": from_picture,
        }
