"""What the embedded detector sees in a recording, kept on disk: it costs a hundred times all that follows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge.commands.chain import detector_for
from edge.config import load_site
from edge.pipeline import detect_stream
from edge.records import Detection, VehicleClass
from edge.sources.video import open_video

from .recordings import CACHE, ROOT, code_of, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy import float64, int64
    from numpy.typing import NDArray

    from edge.detector import Detector

    from .recordings import Recording

_CLASSES = tuple(VehicleClass)
# Of the files as they are when they are loaded: they may change while recordings are measured.
_CODE = code_of(
    ROOT / "edge",
    "detector/heads.py",
    "detector/model.py",
    "detector/plan.py",
    "detector/session.py",
    "detector/suppression.py",
    "sources/picture.py",
    "sources/stamps.py",
    "sources/video.py",
    "pipeline.py",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The detections of a recording: `t_ns` (frames,), `counts` (frames,), `rows` (detections, 6).

    A row is x1, y1, x2, y2 in the site's grid, score, index of the class.
    """

    t_ns: NDArray[int64]
    counts: NDArray[int64]
    rows: NDArray[float64]

    def frames(self) -> Iterator[tuple[int, tuple[Detection, ...]]]:
        """Each frame's instant and its detections."""
        ends = self.counts.cumsum()
        for t_ns, count, end in zip(self.t_ns.tolist(), self.counts.tolist(), ends.tolist(), strict=True):
            yield t_ns, tuple(_detection(row) for row in self.rows[end - count : end].tolist())


def _detection(row: list[float]) -> Detection:
    x1, y1, x2, y2, score, kind = row
    return Detection((x1, y1, x2, y2), score, _CLASSES[int(kind)])


def detector_of(recording: Recording) -> Detector:
    """The embedded detector, as the node sets it up for this site."""
    return detector_for(load_site(recording.folder / "site.toml"), None, 1)


def key_of(recording: Recording, detector: Detector) -> str:
    """Names what the detections depend on: pictures, model and the code that runs it."""
    model, low = detector.model, detector.model.thresholds.low
    used = f"{model.head} {model.input} {model.classes} {low} {model.thresholds.nms_iou}"
    laid = f"{detector.grid_px} {detector.region_px}"
    return digest_of(recording.folder / "video.mp4", model.sha256, used, laid, _CODE)


def detections(recording: Recording, detector: Detector) -> Seen:
    """Those kept from an earlier run, or new ones."""
    path = CACHE / "detections" / f"{recording.name}-{key_of(recording, detector)}.npz"
    if path.exists():
        with np.load(path) as kept:
            return Seen(kept["t_ns"], kept["counts"], kept["rows"])
    seen = _look(recording, detector)
    save(path, t_ns=seen.t_ns, counts=seen.counts, rows=seen.rows)
    return seen


def _look(recording: Recording, detector: Detector) -> Seen:
    times: list[int] = []
    counts: list[int] = []
    rows: list[tuple[float, ...]] = []
    with open_video(recording.folder / "video.mp4") as video:
        for frame, found in detect_stream(video, detector):
            times.append(frame.t_ns)
            counts.append(len(found))
            rows += [(*one.box_px, one.score, float(_CLASSES.index(one.vehicle_class))) for one in found]
    return Seen(np.array(times, np.int64), np.array(counts, np.int64), np.array(rows, np.float64).reshape(-1, 6))


def save(path: Path, **arrays: NDArray[int64] | NDArray[float64]) -> None:
    """Write arrays whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_suffix(f".{os.getpid()}.part")
    with passing.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    passing.replace(path)
