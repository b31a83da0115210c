"""A recording on the bench: its tracks are kept and judged anew whenever the draft of its site file changes."""

from __future__ import annotations

import threading
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tomlkit.exceptions import TOMLKitError

from edge.commands.chain import lamp_pins
from edge.config import PlaceError, View, site_of
from edge.errors import ConfigError
from edge.proposals.lanes import LANE_WIDTHS, above_paint_px
from edge.proposals.paint import snapped
from edge.proposals.site_text import Recording, site_name
from edge.records import NS_PER_S, Contact
from edge.ui.choosing import BY_TRAFFIC, IN_VIEW, group_in_view, group_of_traffic
from edge.ui.draft import BY_HAND, groups_of, is_drawable, merged, notes, sketch, tables_of, tidied
from edge.ui.judging import Judging, Recorded, Source
from edge.ui.refused import RefusedError, refusal_of
from edge.ui.trial import spans, widths_at
from edge.ui.watcher import RunState, Watcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from edge.config import SignalGroup, Site
    from edge.detector import Model
    from edge.geometry import Segment
    from edge.records import LampEdge, Point
    from edge.ui.draft import Tables
    from edge.ui.film import Film
    from edge.ui.taking import Taken, Taker
    from edge.ui.watcher import Run
    from edge.ui.wires import Wires

_Row = TypeVar("_Row")

_GROUP: Final = "signal-1"
_HEAD: Final = """\
# Set up with stopline ui over {name!a}, where every line was tried. A comment beside or above a value says
# what the program's proposal rests on; what a person drew or changed is "set by hand".

"""
_FRAMES_AT_ONCE: Final = 500
_SNAP_SHARE: Final = 0.035  # of the picture's height
_PATHS_SHOWN: Final = 40
_POINTS_SHOWN: Final = 24


class Bench:
    """Everything the set-up page asks for but saving; may be asked from any thread.

    ``timeline`` is what was recorded of the lamps, None where inputs or the picture are to tell. ``text`` is the site
    file to begin with, None where there is none yet. ``taker`` takes another film of a camera, and ``wires`` reads the
    lamps' inputs; None for a recording.
    """

    def __init__(
        self,
        taken: Taken,
        model: Model,
        timeline: Sequence[LampEdge] | None,
        text: str | None,
        taker: Taker | None = None,
        wires: Wires | None = None,
    ) -> None:
        self._model = model
        self._timeline = _by_group(timeline or ())
        self._taker, self._wires = taker, wires
        self._given = text
        self._lock = threading.RLock()
        film = taken.film
        self._name = site_name(film.path.stem if film.path == film.played else film.name)
        self._base = text or sketch(self._name, list(self._timeline) or [_GROUP], film.size_px)
        self.tables = tables_of(self._base)
        self._groups = groups_of(self.tables)
        self._wanted: Tables | None = None
        self._mistake: PlaceError | None = None
        self._site: Site | None = None
        width, height = self.tables["camera"]["size_px"]
        self._grid_px = (width, height)
        self._lay(taken, 0)

    def _lay(self, taken: Taken, number: int) -> None:
        """Take a film to work on; ``number`` is that of the last watch."""
        self.film: Film = taken.film
        self._watcher = Watcher(taken.film, self._model, self._grid_px, number)
        self._judging = Judging(taken.film, self._grid_px, Recorded(self._timeline, taken.wired))
        self._proposal: tuple[Tables, dict[str, tuple[str, ...]], list[list[Point]]] | None = None

    def __enter__(self) -> Self:
        self._read_inputs(self._groups)
        try:
            self._take(self.tables)
        except PlaceError as error:
            self._mistake = error
        self.watch_again()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watcher.close()
        self._judging.close()

    # The film

    def watch_again(self) -> dict[str, Any]:
        """Watch from the start, with the region that the draft names. Raises ModelError."""
        with self._lock:
            self._watcher.begin(self._site.detector.region_px if self._site else None)
            return self.watch()

    def take_again(self) -> dict[str, Any]:
        """Take another film of the camera, which then takes the place of this one. Raises RefusedError."""
        if self._taker is None:
            raise RefusedError("not_taken", detail=f"{self.film.name} is a recording")
        return self._taker.again(self._site.camera if self._site else None, self._renew)

    def _renew(self, taken: Taken) -> None:
        """Go on with another film. Raises ConfigError where nothing drawn would fit it."""
        if taken.film.size_px != self.film.size_px:
            raise ConfigError("The camera gives pictures of another size than before: start the page anew")
        with self._lock:
            self._watcher.close()
            self._judging.close()
            self._lay(taken, self._watcher.run.number)
            self.watch_again()

    @property
    def is_taking(self) -> bool:
        """Whether another film is being taken."""
        return self._taker is not None and self._taker.is_busy

    # The draft

    def change(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Take a draft and judge by it. Raises PlaceError; what is judged by is then the one before."""
        with self._lock:
            tables = tidied(wanted)
            self._read_inputs(groups_of(tables))
            try:
                self._take(tables)
            except PlaceError as error:
                self._mistake, self._wanted = error, tables if is_drawable(tables) else None
                raise
            return self.judged()

    def _take(self, tables: Tables) -> None:
        self._site, self.tables, self._wanted, self._mistake = self._site_of(tables), tables, None, None

    def _site_of(self, tables: Tables) -> Site:
        site = site_of(tables)
        if tuple(site.camera.size_px) != self._grid_px:
            raise PlaceError(("camera", "size_px"), "cannot be changed here: the lines are drawn in it")
        return site

    def _read_inputs(self, groups: tuple[SignalGroup, ...]) -> None:
        self._groups = groups
        if self._wires is not None:
            self._wires.wire([pins for group in groups if (pins := lamp_pins(group)) is not None])

    def text(self, wanted: Mapping[str, Any] | None = None) -> str:
        """The site file as it would be saved, of the draft that is here or of another one.

        Raises PlaceError for what no node could run with, or RefusedError.
        """
        with self._lock:
            if wanted is not None:
                tables = tidied(wanted)
                self._site_of(tables)
            elif self._mistake is not None:
                raise self._mistake
            else:
                tables = self.tables
            return merged(self._base, tables, BY_HAND if self._given is None else None)

    def base_on(self, content: bytes) -> None:
        """What the site file holds by now: its comments are those to keep from here on, where it is one at all."""
        with suppress(UnicodeDecodeError, TOMLKitError):
            text = content.decode()
            tables_of(text)
            with self._lock:
                self._given = self._base = text

    # What a page is told

    def state(self) -> dict[str, Any]:
        """All that a page needs to begin with."""
        with self._lock:
            return {
                "video": self._video(),
                "site": self.tables,
                "wanted": self._wanted,
                "watch": self.watch(),
                **self.proposal(),
                "judged": self.judged(),
                "problem": self._mistake and told_problem(self._mistake),
                "take": self.take(),
                "wires": self.wires(),
            }

    def _video(self) -> dict[str, Any]:
        film = self.film
        return {
            "name": film.name,
            "size_px": self._grid_px,
            "fps": round(film.fps, 3),
            "duration_s": film.duration_s,
            "first_s": film.first_s,
            "used_s": film.used_s,
            "frames": self._watcher.run.of,
        }

    def watch(self) -> dict[str, Any]:
        """How far the recording has been watched; with the state ``done`` nothing more will be proposed of it."""
        run = self._watcher.run
        state = run.state  # asked first: then all that came before it is there
        if state is RunState.DONE:
            self.proposal()  # which may be the problem
        return {
            "run": run.number,
            "state": state.value,
            "frames": len(run.steps),
            "of": run.of,
            "until_s": run.until_ns / NS_PER_S,
            "done": state is not RunState.WATCHING,
            "fps": run.fps and round(run.fps, 1),
            "problem": run.problem and run.problem.told(),
        }

    def tracks(self, number: int | None, first: int) -> dict[str, Any]:
        """Some hundred of the pictures of a watch (None: the present one), from ``first`` on: tracks, class and box.

        None of a watch that is not the present one.
        """
        run = self._watcher.run
        steps = run.steps[first : first + _FRAMES_AT_ONCE] if number in {None, run.number} else []
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
        return {"run": run.number, "frames": rows}

    def take(self) -> dict[str, Any] | None:
        """How taking another film goes on; None where the film is a recording."""
        return None if self._taker is None else self._taker.told()

    def wires(self) -> dict[str, Any] | None:
        """What the inputs show now, and of which groups the film has no lamps though they are wired; None without."""
        if self._wires is None:
            return None
        recorded = self._judging.recorded
        wired = [group for group in self._groups if group.pins is not None]
        known = (Source.TIMELINE, Source.WIRES)
        return {
            **self._wires.told(),
            "unrecorded": [group.id for group in wired if recorded.of(group)[0] not in known],
        }

    def judged(self) -> dict[str, Any]:
        """All passages so far with their verdicts, the lamps, what else is drawn; the same object while it is so."""
        with self._lock:
            return self._judging.judged(self._watcher.run, self._site, self._groups)

    def lamps(self, view: Mapping[str, Any]) -> list[tuple[float, float, str]]:
        """What a head drawn here would show, by the few pictures that are kept. Raises RefusedError."""
        try:
            drawn = View.model_validate(tidied(view))
        except ValueError:
            raise RefusedError("no_lamp_boxes") from None
        run = self._watcher.run
        seen = self._judging.glance({_GROUP: drawn}, run)
        return spans(seen.edges, run.until_ns / NS_PER_S)

    # The proposal

    def proposal(self) -> dict[str, Any]:
        """What the recording shows by itself, once it has been watched, with what each value rests on."""
        with self._lock:
            run = self._watcher.run
            is_done = run.state is RunState.DONE
            if self._proposal is None and run.proposal is not None:
                self._propose(run)
            found, rests_on, paths = self._proposal or (None, {}, [])
            return {"proposal": found, "notes": rests_on, "paths": paths, "proposed": is_done}

    def _paths(self, run: Run) -> list[list[Point]]:
        """Where vehicles drove that the proposal rests on: of some of them the contact with the road, thinned."""
        assert run.proposal is not None
        scale = self._grid_px[0] / run.watching.small_px[0]
        return [
            [(round(x * scale, 1), round(y * scale, 1)) for x, y in _some(path.way_px, _POINTS_SHOWN)]
            for path in _some(run.proposal.approach.paths, _PATHS_SHOWN)
        ]

    def _propose(self, run: Run) -> None:
        try:
            text = self._proposed_text(run)
            self._proposal = (tables_of(text), notes(text), self._paths(run))
        except Exception as error:  # noqa: BLE001 - whatever it is, the page tells of it and goes on without
            run.problem, run.proposal = refusal_of("not_proposed", error), None
            return
        if self._given is None:
            self._base = text

    def _proposed_text(self, run: Run) -> str:
        assert run.proposal is not None
        seen = Recording(self.film.name, self._grid_px, run.until_ns / NS_PER_S, len(run.steps))
        names = list(self._timeline) or [group.id for group in self._groups] or [_GROUP]
        chosen = ""
        if len(names) > 1 and (recorded := self._judging.recorded.by_name(names, self._groups)):
            tables = tables_of(run.proposal.text(self._name, names[0], seen))
            group, chosen = self._chosen(run, tables, names, recorded)
            names.sort(key=group.__ne__)  # that one first
        text = run.proposal.text(self._name, names[0], seen, chosen)
        tables = tables_of(text)
        tables["signal_groups"] += [{"id": name} for name in names[1:]]
        _, first, rest = merged(text, tables).partition("schema = ")
        return _HEAD.format(name=self.film.name) + first + rest

    def _chosen(
        self, run: Run, tables: Tables, names: Sequence[str], recorded: Mapping[str, tuple[LampEdge, ...]]
    ) -> tuple[str, str]:
        """Which group the proposed lanes obey, and why that one."""
        assert run.proposal is not None
        view = tables["signal_groups"][0].get("view")
        if view is not None:
            seen = self._judging.glance({_GROUP: View.model_validate(view)}, run)
            shown = group_in_view(recorded, seen.edges, run.watching.stack.times_ns)
            if shown is not None:
                return shown, IN_VIEW
        tables["signal_groups"] += [{"id": name} for name in names[1:]]
        stops = [stop for path in run.proposal.approach.paths for stop in path.stops()]
        return group_of_traffic(tables, run.steps, recorded, stops), BY_TRAFFIC

    # Painted edges

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


def told_problem(error: PlaceError) -> dict[str, str]:
    """A mistake for the page: where, and what to do."""
    return {"at": ".".join(str(part) for part in error.place), "words": str(error)}


def _some(rows: Sequence[_Row], most: int) -> list[_Row]:
    """All of them, or so many that lie evenly between the first and the last."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place * (len(rows) - 1) // (most - 1)] for place in range(most)]


def _by_group(timeline: Sequence[LampEdge]) -> dict[str, tuple[LampEdge, ...]]:
    """The edges of each group, in the order in which the groups appear."""
    names = dict.fromkeys(edge.group for edge in timeline)
    return {name: tuple(edge for edge in timeline if edge.group == name) for name in names}
