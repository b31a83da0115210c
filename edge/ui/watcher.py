"""The recording watched by the detector, once, on a thread of its own; its tracks are kept."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge.approach import follow
from edge.detector import Detector
from edge.errors import StoplineError
from edge.pipeline import detect_stream
from edge.proposals.watching import Watching
from edge.records import NS_PER_S
from edge.sources.video import open_video
from edge.tracker import Tracker, TrackerSettings

if TYPE_CHECKING:
    from edge.detector import Model
    from edge.proposals.watching import Proposal
    from edge.records import Box, TrackStep
    from edge.ui.film import Film

LONGEST_S: Final = 600.0


@dataclass(slots=True)
class Run:
    """One watch. All fields but ``stop`` are written by its thread alone, in the order in which they become true."""

    region_px: Box | None
    watching: Watching
    of: int | None = None
    began_s: float = field(default_factory=time.monotonic)
    steps: list[TrackStep] = field(default_factory=list)
    proposal: Proposal | None = None
    fps: float | None = None
    problem: str | None = None
    is_done: bool = False
    is_proposed: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def until_ns(self) -> int:
        """The time of the last picture so far."""
        return self.steps[-1].t_ns if self.steps else 0


class Watcher:
    """Watches a film with a detector; again, from the start, where its region has changed."""

    def __init__(self, film: Film, model: Model, grid_px: tuple[int, int]) -> None:
        self._film = film
        self._model = model
        self._grid_px = grid_px
        self._scores = TrackerSettings(high=model.thresholds.high, low=model.thresholds.low)
        self._thread: threading.Thread | None = None
        self.run = self._new(None)

    def begin(self, region_px: Box | None) -> None:
        """Watch from the start with this region, the whole picture if None. Raises ModelError."""
        detector = Detector(self._model, self._grid_px, region_px)
        self.close()
        run = self.run = self._new(region_px)
        self._thread = threading.Thread(target=self._watch, args=(run, detector), name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, if it still watches."""
        self.run.stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _new(self, region_px: Box | None) -> Run:
        return Run(region_px, Watching(self._scores, self._grid_px))

    def _watch(self, run: Run, detector: Detector) -> None:
        try:
            self._follow(run, detector)
            run.is_done = True
            run.proposal = None if run.stop.is_set() else run.watching.propose()
        except StoplineError as error:
            run.problem = str(error)
            run.is_done = True
        finally:
            run.is_proposed = True

    def _follow(self, run: Run, detector: Detector) -> None:
        tracker = Tracker(self._scores)
        with open_video(self._film.path, live=False) as video:
            run.of = video.frame_count
            for frame, detections in detect_stream(video, detector):
                if run.stop.is_set() or frame.t_ns > LONGEST_S * NS_PER_S:
                    break
                run.watching.frame(frame, detections)
                run.steps.append(follow(tracker, frame.t_ns, detections))
                run.fps = len(run.steps) / max(1e-3, time.monotonic() - run.began_s)
