"""A recording on the bench: its tracks are kept and judged anew whenever the draft of its site file changes."""

from __future__ import annotations

import threading
from itertools import chain, groupby
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Self

from edge.config import PlaceError, View, site_of
from edge.errors import ConfigError
from edge.proposals.lanes import LANE_WIDTHS, above_paint_px
from edge.proposals.paint import snapped
from edge.proposals.site_text import site_name
from edge.records import NS_PER_S, Contact
from edge.ui.draft import BY_HAND, merged, notes, sketch, tables_of, tidied
from edge.ui.lampreader import LampReader
from edge.ui.trial import Trial, group_by_green, metre_grid, spans, told, widths_at
from edge.ui.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from edge.config import Site
    from edge.detector import Model
    from edge.geometry import Segment
    from edge.records import LampEdge
    from edge.ui.draft import Tables
    from edge.ui.film import Film
    from edge.ui.lampreader import LampsSeen

_GROUP: Final = "signal-1"
_HEAD: Final = """\
# Set up with stopline ui over {name!a}, where every line was tried. A comment beside or above a value says
# what the program's proposal rests on; what a person drew or changed is "set by hand".

"""
_FRAMES_AT_ONCE: Final = 500
_SNAP_SHARE: Final = 0.035  # of the picture's height


class Bench:
    """Everything the set-up page asks for but saving; may be asked from any thread.

    ``timeline`` is what was recorded of the lamps, None where the picture is to tell. ``text`` is the site file to
    begin with, None where there is none yet.
    """

    def __init__(self, film: Film, model: Model, timeline: Sequence[LampEdge] | None, text: str | None) -> None:
        self.film = film
        self._timeline = {name: list(edges) for name, edges in groupby(_by_group(timeline), attrgetter("group"))}
        self._groups = list(dict.fromkeys(edge.group for edge in timeline or ())) or [_GROUP]
        self._given = text
        self._name = site_name(film.path.stem if film.path == film.played else film.name)
        self._base = text or sketch(self._name, self._groups, film.size_px)
        self._lock = threading.RLock()
        self.tables = tables_of(self._base)
        self.problem: dict[str, str] | None = None
        self._site: Site | None = None
        self._trial: Trial | None = None
        self._judged_by: tuple[object, ...] = ()
        width, height = self.tables["camera"]["size_px"]
        self._grid_px = (width, height)
        self._watcher = Watcher(film, model, self._grid_px)
        self._lamps = LampReader(film, self._grid_px)
        self._proposal: tuple[Tables, dict[str, str]] | None = None

    def __enter__(self) -> Self:
        try:
            self._take(self.tables)
        except PlaceError as error:
            self.problem = told_problem(error)
        self.watch_again()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.close()
        self._lamps.close()

    def watch_again(self) -> dict[str, Any]:
        """Watch from the start, with the region that the draft names. Raises ModelError."""
        with self._lock:
            self._watcher.begin(self._region)
            return self.watch()

    def change(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Take a draft and judge by it. Raises PlaceError, the draft before it being kept."""
        with self._lock:
            tables = tidied(wanted)
            try:
                self._take(tables)
            except PlaceError as error:
                self.problem = told_problem(error)
                raise
            return self.judged()

    def _take(self, tables: Tables) -> None:
        site = site_of(tables)
        if tuple(site.camera.size_px) != self._grid_px:
            raise PlaceError(("camera", "size_px"), "cannot be changed here: the lines are drawn in it")
        self._site, self.tables, self.problem = site, tables, None

    @property
    def _region(self) -> tuple[float, float, float, float] | None:
        return self._site.detector.region_px if self._site is not None else None

    def state(self) -> dict[str, Any]:
        """All that a page needs to begin with."""
        film = self.film
        with self._lock:
            return {
                "video": {
                    "name": film.name,
                    "size_px": self._grid_px,
                    "fps": round(film.fps, 3),
                    "duration_s": film.duration_s,
                    "first_s": film.first_s,
                    "frames": self._watcher.run.of,
                },
                "site": self.tables,
                **self.proposal(),
                "watch": self.watch(),
                "judged": self.judged(),
                "problem": self.problem,
            }

    def watch(self) -> dict[str, Any]:
        """How far the recording has been watched."""
        run = self._watcher.run
        return {
            "frames": len(run.steps),
            "of": run.of,
            "until_s": run.until_ns / NS_PER_S,
            "done": run.is_done,
            "fps": run.fps and round(run.fps, 1),
            "problem": run.problem,
        }

    def tracks(self, first: int) -> dict[str, Any]:
        """Some hundred of the watched pictures, from number ``first`` on: tracks with class and box."""
        steps = self._watcher.run.steps[max(0, first) : max(0, first) + _FRAMES_AT_ONCE]
        rows = [
            {
                "t": step.t_ns / NS_PER_S,
                "boxes": [
                    [one.track, one.vehicle_class.value, *(round(value, 1) for value in one.point.box_px)]
                    for one in step.updates
                ],
            }
            for step in steps
        ]
        return {"frames": rows}

    def proposal(self) -> dict[str, Any]:
        """What the recording shows by itself, once it has been watched, with what each value rests on."""
        with self._lock:
            if self._proposal is None and self._watcher.run.proposal is not None:
                text = self._proposed_text()
                self._proposal = (tables_of(text), notes(text))
                if self._given is None:
                    self._base = text
            found, rests_on = self._proposal or (None, {})
            return {"proposal": found, "notes": rests_on, "proposed": self._watcher.run.is_proposed}

    def _proposed_text(self) -> str:
        run, film = self._watcher.run, self.film
        assert run.proposal is not None
        seconds, frames = run.until_ns / NS_PER_S, len(run.steps)
        text = run.proposal.text(self._name, self._groups[0], film.name, self._grid_px, seconds, frames)
        tables = tables_of(text)
        tables["signal_groups"] += [{"id": name} for name in self._groups[1:]]
        if len(self._groups) > 1:
            group = group_by_green(tables, list(run.steps), self._known(()))
            tables["lanes"] = [{**lane, "signal_group": group} for lane in tables["lanes"]]
        _, first, rest = merged(text, tables, "on whose green most vehicles drove").partition("schema = ")
        return _HEAD.format(name=film.name) + first + rest

    def judged(self) -> dict[str, Any]:
        """All passages so far with their verdicts, the lamps, and what else is drawn."""
        with self._lock:
            seen = self._lamps.read(self._views(), self._watcher.run.watching.stack)
            self._judge(seen)
            trial = self._trial
            return {
                "until_s": (trial.until_ns if trial else 0) / NS_PER_S,
                "stale": self._watcher.run.region_px != self._region,
                "passages": [told(one) for one in trial.judged] if trial else [],
                "lamps": {group["id"]: self._lamps_of(group, seen) for group in self.tables["signal_groups"]},
                "grid": metre_grid(self._site.calibration, self._grid_px) if self._site else [],
            }

    def _judge(self, seen: LampsSeen) -> None:
        """Bring the trial up to what has been watched; begin it anew where site or lamps are others."""
        run, site = self._watcher.run, self._site
        if site is None:
            return
        basis = (run, site, seen)
        if [*map(id, basis)] != [*map(id, self._judged_by)]:
            edges = [edge for edge in seen.edges if edge.group not in self._timeline]
            # Lamps in the picture are known to a frame interval.
            self._trial = Trial(site, self._known(edges), 1 / self.film.fps if edges else 0.0)
            self._judged_by = basis
        assert self._trial is not None
        is_done = run.is_done  # asked first: then the steps are all there
        self._trial.take(run.steps[self._trial.taken :])
        if is_done:
            self._trial.finish()

    def _known(self, edges: Iterable[LampEdge]) -> list[LampEdge]:
        """What was recorded of the lamps, and what was seen of the others."""
        return sorted(chain(edges, *self._timeline.values()), key=attrgetter("t_ns"))

    def _views(self) -> dict[str, View]:
        found = ((group["id"], group.get("view")) for group in self.tables["signal_groups"])
        return {name: View.model_validate(view) for name, view in found if view}

    def _lamps_of(self, group: Tables, seen: LampsSeen) -> dict[str, Any]:
        name = group["id"]
        end_s = self._watcher.run.until_ns / NS_PER_S
        from_picture = spans([edge for edge in seen.edges if edge.group == name], end_s) if group.get("view") else None
        recorded = self._timeline.get(name)
        if self._trial is not None and name in self._trial.groups:
            bands = self._trial.bands(name)
        else:
            bands = [(*band, None) for band in (spans(recorded, end_s) if recorded else from_picture or [])]
        return {
            "source": "timeline" if recorded else "view" if group.get("view") else "none",
            "exact": bool(recorded) or seen.is_exact,
            "bands": bands,
            "seen": from_picture,
        }

    def lamps(self, view: Mapping[str, Any]) -> list[tuple[float, float, str]]:
        """What a head drawn here would show, by the few pictures that are kept. Raises ConfigError."""
        try:
            drawn = View.model_validate(tidied(view))
        except ValueError:
            raise ConfigError("Draw a box for each of the three lamps, or one round the whole head") from None
        run = self._watcher.run
        seen = self._lamps.glance({_GROUP: drawn}, run.watching.stack)
        return spans(seen.edges, run.until_ns / NS_PER_S)

    def snap(self, line: Segment) -> Segment | None:
        """The painted edge nearest to a line, None where there is none."""
        luma = self._watcher.run.watching.luma()
        if luma is None:
            return None
        scale = luma.shape[1] / self._grid_px[0]
        reach_px = _SNAP_SHARE * luma.shape[0]
        (x1, y1), (x2, y2) = line
        found = snapped(luma, ((x1 * scale, y1 * scale), (x2 * scale, y2 * scale)), reach_px)
        if found is None:
            return None
        higher = self._above_paint(found)
        first, last = ((round(x / scale, 1), round((y - higher) / scale, 1)) for x, y in found)
        return first, last

    def _above_paint(self, line: Segment) -> float:
        """By how much the line that boxes cross lies above the paint; none where it runs up the picture."""
        (x1, y1), (x2, y2) = line
        scale = self._watcher.run.watching.small_px[0] / self._grid_px[0]
        if abs(y2 - y1) > abs(x2 - x1):
            return 0.0
        drawn = self.tables.get("lanes") or (self._proposal[0]["lanes"] if self._proposal else [])
        contact = Contact(drawn[0]["contact"]) if drawn else Contact.REAR
        widths = widths_at(((x1 / scale, y1 / scale), (x2 / scale, y2 / scale)), self._watcher.run.steps)
        width_px = median(widths) * scale if widths else abs(x2 - x1) / LANE_WIDTHS
        return above_paint_px(width_px, contact)

    def text(self) -> str:
        """The site file as it would be saved. Raises ConfigError."""
        with self._lock:
            if self.problem is not None:
                raise ConfigError(f"{self.problem['at']}: {self.problem['words']}")
            return merged(self._base, self.tables, BY_HAND if self._given is None else None)


def told_problem(error: PlaceError) -> dict[str, str]:
    """A mistake for the page: where, and what to do."""
    return {"at": ".".join(str(part) for part in error.place), "words": str(error)}


def _by_group(timeline: Sequence[LampEdge] | None) -> list[LampEdge]:
    return sorted(timeline or (), key=attrgetter("group"))
