"""The recording watched by the detector, once, on a thread of its own; its tracks are kept."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from edge.approach import follow
from edge.detector import Detector
from edge.pipeline import detect_stream
from edge.proposals.watching import Watching
from edge.records import NS_PER_S
from edge.sources.video import open_video
from edge.tracker import Tracker, TrackerSettings
from edge.ui.film import LONGEST_S
from edge.ui.refused import RefusedError, refusal_of

if TYPE_CHECKING:
    from edge.detector import Model
    from edge.proposals.watching import Proposal
    from edge.records import Box, TrackStep
    from edge.ui.film import Film


class RunState(StrEnum):
    """How far a watch has come: with ``DONE`` all pictures are seen and what there is to propose is proposed."""

    WATCHING = "watching"
    PROPOSING = "proposing"
    DONE = "done"


@dataclass(slots=True)
class Run:
    """One watch. All fields but ``stop`` are written by its thread alone, in the order in which they become true."""

    number: int
    region_px: Box | None
    watching: Watching
    of: int | None = None
    began_s: float = field(default_factory=time.monotonic)
    steps: list[TrackStep] = field(default_factory=list)
    proposal: Proposal | None = None
    fps: float | None = None
    problem: RefusedError | None = None
    state: RunState = RunState.WATCHING
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def until_ns(self) -> int:
        """The time of the last picture so far."""
        return self.steps[-1].t_ns if self.steps else 0

    @property
    def is_seen(self) -> bool:
        """Whether all pictures have been watched: then there are no more steps to come."""
        return self.state is not RunState.WATCHING


class Watcher:
    """Watches a film with a detector; again, from the start, where its region has changed."""

    def __init__(self, film: Film, model: Model, grid_px: tuple[int, int], number: int = 0) -> None:
        self._film = film
        self._model = model
        self._grid_px = grid_px
        self._scores = TrackerSettings(high=model.thresholds.high, low=model.thresholds.low)
        self._thread: threading.Thread | None = None
        self.run = self._new(number, None)

    def begin(self, region_px: Box | None) -> None:
        """Watch from the start with this region, the whole picture if None. Raises ModelError."""
        detector = Detector(self._model, self._grid_px, region_px)
        self.close()
        run = self.run = self._new(self.run.number + 1, region_px)
        self._thread = threading.Thread(target=self._watch, args=(run, detector), name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, if it still watches."""
        self.run.stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _new(self, number: int, region_px: Box | None) -> Run:
        return Run(number, region_px, Watching(self._scores, self._grid_px))

    def _watch(self, run: Run, detector: Detector) -> None:
        code = "not_watched"
        try:
            self._follow(run, detector)
            code, run.state = "not_proposed", RunState.PROPOSING
            run.proposal = None if run.stop.is_set() else run.watching.propose()
        except Exception as error:  # noqa: BLE001 - whatever it is, the page tells of it and waits no longer
            run.problem = refusal_of(code, error)
        finally:
            run.state = RunState.DONE

    def _follow(self, run: Run, detector: Detector) -> None:
        tracker = Tracker(self._scores)
        with open_video(self._film.path, live=False) as video:
            run.of = self._of(video.frame_count)
            for frame, detections in detect_stream(video, detector):
                if run.stop.is_set() or frame.t_ns > LONGEST_S * NS_PER_S:
                    break
                run.watching.frame(frame, detections)
                run.steps.append(follow(tracker, frame.t_ns, detections))
                run.fps = len(run.steps) / max(1e-3, time.monotonic() - run.began_s)

    def _of(self, count: int | None) -> int | None:
        """How many pictures there are to watch, of so many in all."""
        if count is None or self._film.used_s is None:
            return count
        return min(count, round(self._film.used_s * self._film.fps))
