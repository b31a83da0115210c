"""How much of the persons in pictures is left unmasked, what else is masked for it, and what it costs.

    .venv/bin/python -m script.masking [--shared ../shared] [--model FILE.toml]

Rendered recordings have their truth from the scene (whole boxes, what hides them left aside). Real pictures have no
labels of persons: a public detector that looks ten times, closely and mirrored, stands in for truth, and misses some.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np

from edge.detector import load_model
from edge.embedded import embedded_model
from edge.evidence.masking import LOOK_EVERY_NS, Mask, Masker, Sighting, plan_masks, veil_at
from edge.evidence.pixels import covered
from edge.evidence.subject import Subject
from edge.records import NS_PER_S, Box, Contact
from edge.sources.video import open_video
from models.train.classes import PERSON
from models.train.teacher import Teacher, natural_size
from sim_fixtures.render.boxes import boxes
from sim_fixtures.render.cases import CASES
from tests.cases import unsigned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
NOBODY = replace(Subject.of(unsigned()), track={}, contact=Contact.REAR)
CERTAIN = 0.4
SPAN_S = (6.0, 9.0)
CLIP_SPAN_S = (4.0, 16.0)
CHECK_EVERY = 5  # pictures
RESAMPLED = 400
COLUMNS = (
    "what",
    "pictures",
    "persons",
    "person area left unmasked (95 % interval)",
    "persons of whom half or more is masked",
    "share of the picture masked",
    "ms a look",
)


@dataclass(slots=True)
class Tally:
    """One row of the table: for each picture the persons' area and what of it is left unmasked, in pixels."""

    name: str
    persons: int = 0
    areas: list[tuple[int, int]] = field(default_factory=list)
    masked: list[float] = field(default_factory=list)
    hidden: int = 0
    cost_s: float = 0.0
    looks: int = 0

    def picture(self, people: Iterable[Box], shown: np.ndarray) -> None:
        """Count a picture, `shown` being where it is masked."""
        whole = left = 0
        for box in people:
            x1, y1, x2, y2 = (max(0, round(side)) for side in box)
            part = shown[y1:y2, x1:x2]
            if part.size:
                unmasked = int(np.count_nonzero(~part))
                self.persons += 1
                self.hidden += 2 * unmasked <= part.size
                whole, left = whole + part.size, left + unmasked
        self.areas.append((left, whole))
        self.masked.append(float(shown.mean()))

    def row(self) -> str:
        """The row, with the share's 95 % interval by drawing the pictures anew."""
        areas = np.array(self.areas)
        draws = np.random.default_rng(1).integers(0, len(areas), (RESAMPLED, len(areas)))
        shares = [drawn[:, 0].sum() / max(1, drawn[:, 1].sum()) for drawn in areas[draws]]
        low, high = np.percentile(shares, (2.5, 97.5))
        cells = (
            self.name,
            len(areas),
            self.persons,
            f"{100 * areas[:, 0].sum() / max(1, areas[:, 1].sum()):.1f} % ({100 * low:.1f} to {100 * high:.1f})",
            f"{100 * self.hidden / max(1, self.persons):.1f} %",
            f"{100 * np.mean(self.masked):.1f} %",
            f"{1000 * self.cost_s / max(1, self.looks):.0f}",
        )
        return f"| {' | '.join(map(str, cells))} |"

    def look(self, masker: Masker, t_ns: int, frame: av.VideoFrame) -> Sighting:
        """Look at a picture, and count what that costs."""
        start_s = time.thread_time()
        seen = masker.look(t_ns, frame)
        self.cost_s += time.thread_time() - start_s
        self.looks += 1
        return seen


def shown_at(masks: Sequence[Mask], t_ns: int, size: tuple[int, int]) -> np.ndarray:
    return covered(veil_at(t_ns, masks, NOBODY, size), size)


def frames_of(path: Path, span_s: tuple[float, float]) -> Iterator[tuple[int, np.ndarray]]:
    with open_video(path) as video:
        for frame in video:
            if frame.t_ns > span_s[1] * NS_PER_S:
                return
            if frame.t_ns >= span_s[0] * NS_PER_S:
                yield frame.t_ns, frame.picture.scaled(frame.picture.size_px)


def masked_span(
    tally: Tally, masker: Masker, path: Path, span_s: tuple[float, float]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Every few pictures of a span: instant, picture (BGR), and where it is masked, as in a case of that span."""
    sightings: list[Sighting] = []
    for t_ns, picture in frames_of(path, span_s):
        if not sightings or t_ns >= sightings[-1].t_ns + LOOK_EVERY_NS:
            sightings.append(tally.look(masker, t_ns, av.VideoFrame.from_ndarray(picture, format="bgr24")))
    size = (picture.shape[1], picture.shape[0])
    masks = plan_masks(sightings, NOBODY, size, masker.low)
    for index, (t_ns, picture) in enumerate(frames_of(path, span_s)):
        if index % CHECK_EVERY == 0:
            yield t_ns, picture, shown_at(masks, t_ns, size)


def rendered(masker: Masker) -> Tally:
    tally = Tally("rendered recordings, 3 s of each")
    for name, make in CASES.items():
        scene = make()
        if scene.shake is not None or scene.moved_camera is not None:
            continue
        for t_ns, _, shown in masked_span(tally, masker, ROOT / "sim_fixtures" / name / "video.mp4", SPAN_S):
            found = boxes(scene.actors(t_ns / NS_PER_S), scene.camera_at(t_ns / NS_PER_S))
            tally.picture([person.box_px for person in found if person.label == "person"], shown)
    return tally


def people(teacher: Teacher, picture: np.ndarray) -> list[Box]:
    found = teacher.look_closely(picture)
    certain = (found.classes == PERSON) & (found.scores >= CERTAIN)
    return [tuple(box) for box in found.boxes_px[certain].tolist()]


def pictures(masker: Masker, teacher: Teacher, dataset: Path, splits: tuple[str, ...]) -> Tally:
    """Single pictures: nobody is helped by a sighting just before or after."""
    tally = Tally(f"{dataset.name}, {' and '.join(splits)}, single pictures")
    for path in sorted(path for split in splits for path in (dataset / split / "images").glob("*.jpg")):
        stretched = cv2.imread(str(path))
        assert stretched is not None, path
        width, height = natural_size(dataset.name, stretched.shape[1], stretched.shape[0])
        size = (width - width % 2, height - height % 2)
        picture = np.asarray(cv2.resize(stretched, size), np.uint8)
        seen = tally.look(masker, 0, av.VideoFrame.from_ndarray(picture, format="bgr24"))
        tally.picture(people(teacher, picture), shown_at(plan_masks([seen], NOBODY, size, masker.low), 0, size))
    return tally


def clip(masker: Masker, teacher: Teacher, path: Path) -> Tally:
    tally = Tally(f"{path.name}, 12 s")
    for _, picture, shown in masked_span(tally, masker, path, CLIP_SPAN_S):
        tally.picture(people(teacher, picture), shown)
    return tally


def tallies(masker: Masker, shared: Path) -> Iterator[Tally]:
    yield rendered(masker)
    if not shared.is_dir():
        return
    teacher = Teacher(shared / "models" / "yolox_nano.onnx")
    yield pictures(masker, teacher, shared / "datasets" / "junctions", ("valid", "test"))
    yield pictures(masker, teacher, shared / "datasets" / "road-night-day", ("valid", "test"))
    for name in ("car-park.mp4", "side-road.mp4", "highway.avi"):
        yield clip(masker, teacher, shared / "clips" / name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the masking of evidence.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with datasets, clips and models")
    parser.add_argument("--model", type=Path, default=embedded_model(), help="the TOML file of the detector that masks")
    given = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for tally in tallies(Masker(load_model(given.model)), given.shared):
        print(tally.row(), flush=True)


main()
