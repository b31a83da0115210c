"""Pictures and boxes for training and validation: human labels, completed by what the teacher saw."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from models.train.boxes import Floats, covered, ious
from models.train.classes import (
    BICYCLE,
    DATASETS,
    IGNORED,
    MOTORCYCLE,
    PERSON,
    SOME_VEHICLE,
)
from models.train.teacher import cached, natural_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Picture: TypeAlias = NDArray[np.uint8]

SURE, UNSURE = 0.4, 0.15
"""The teacher's box counts as an object from SURE upwards; between the two, the place is left out of the loss."""
RIDEN = (MOTORCYCLE, BICYCLE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture.

    `rows` is `(n, 5)`: class (or SOME_VEHICLE, IGNORED), then x1, y1, x2, y2 as shares (0-1) of width and height.
    `bgr` is `(h, w, 3)`, not there until loaded.
    """

    path: Path
    dataset: str
    rows: Floats
    bgr: Picture | None = None

    def loaded(self) -> Sample:
        """The same with its picture, brought back to its natural aspect."""
        picture = cv2.imread(str(self.path))
        assert picture is not None, self.path
        size = natural_size(self.dataset, picture.shape[1], picture.shape[0])
        if size != (picture.shape[1], picture.shape[0]):
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return Sample(self.path, self.dataset, self.rows, np.asarray(picture, np.uint8))


def read_labels(path: Path, classes: dict[int, int]) -> Floats:
    """Rows of a YOLO label file in our classes; lines that are broken or of other classes are left out."""
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        fields = line.split()
        if len(fields) != 5 or int(fields[0]) not in classes:
            continue
        x, y, w, h = map(float, fields[1:])
        rows.append((classes[int(fields[0])], x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    found = np.array(rows, np.float32).reshape(-1, 5)
    found[:, 1:] = found[:, 1:].clip(0, 1)
    return found[(found[:, 3] > found[:, 1]) & (found[:, 4] > found[:, 2])]


def completed(human: Floats, teacher: Floats) -> Floats:
    """Human rows with their open classes decided, and what only the teacher saw.

    Args:
        human: `(n, 5)` class, box.
        teacher: `(m, 6)` class, score, box.

    """
    teacher = _with_riders(teacher[teacher[:, 1] >= UNSURE])
    people = teacher[:, 0] == PERSON
    vehicles, persons = teacher[~people], teacher[people]
    rows = _named(human, vehicles)
    new = vehicles[_apart(vehicles[:, 2:], human[:, 1:])]
    rows = np.concatenate([rows, _as_rows(new)])
    ridden = rows[np.isin(rows[:, 0], RIDEN)]
    on_foot = covered(persons[:, 2:], ridden[:, 1:]).max(1, initial=0) < 0.5
    return np.concatenate([rows, _as_rows(persons[on_foot])])


def _as_rows(found: Floats) -> Floats:
    """Teacher's rows as labels: unsure ones become IGNORED."""
    rows = found[:, [0, 2, 3, 4, 5]].copy()
    rows[found[:, 1] < SURE, 0] = IGNORED
    return rows


def _named(human: Floats, vehicles: Floats) -> Floats:
    """Human rows whose class is open, or a bicycle taken for a motorcycle, named as the teacher does."""
    rows = human.copy()
    overlap = ious(human[:, 1:], vehicles[:, 2:])
    for i in range(len(rows)):
        if rows[i, 0] not in (SOME_VEHICLE, MOTORCYCLE) or not len(vehicles):
            continue
        best = int(overlap[i].argmax())
        agrees = overlap[i, best] > 0.5 and vehicles[best, 1] > UNSURE
        two_wheels = vehicles[best, 0] in RIDEN
        if agrees and (rows[i, 0] == SOME_VEHICLE or two_wheels):
            rows[i, 0] = vehicles[best, 0]
    return rows


def _apart(boxes: Floats, others: Floats) -> NDArray[np.bool_]:
    """Which boxes are neither the same object as another nor a part of it nor a group around several."""
    same = ious(boxes, others).max(1, initial=0) > 0.35
    part = covered(boxes, others).max(1, initial=0) > 0.7
    around = covered(others, boxes).T.max(1, initial=0) > 0.7
    return np.asarray(~(same | part | around), np.bool_)


def _with_riders(found: Floats) -> Floats:
    """Boxes of ridden two-wheelers grown around their riders, who are then no persons on foot."""
    found = found.copy()
    gone = np.zeros(len(found), bool)
    for i in np.flatnonzero(np.isin(found[:, 0], RIDEN)):
        x1, y1, x2, y2 = found[i, 2:]
        centre_x = (found[:, 2] + found[:, 4]) / 2
        sits = (centre_x > x1) & (centre_x < x2) & (found[:, 5] > y1) & (found[:, 5] < y2 + 0.1 * (y2 - y1))
        riders = np.flatnonzero((found[:, 0] == PERSON) & sits & ~gone)
        for r in riders:
            found[i, 2:4] = np.minimum(found[i, 2:4], found[r, 2:4])
            found[i, 4:] = np.maximum(found[i, 4:], found[r, 4:])
            gone[r] = True
    return np.asarray(found[~gone], np.float32)


def real_samples(datasets: Path, splits: tuple[str, ...], cache: Path, only: str | None = None) -> list[Sample]:
    """Samples of the given splits, not loaded, with labels completed by the teacher's cached boxes."""
    seen = cached(cache)
    samples: list[Sample] = []
    for dataset, classes in DATASETS.items():
        if only not in (None, dataset):
            continue
        for split in splits:
            for path in sorted((datasets / dataset / split / "images").glob("*.jpg")):
                human = read_labels(path.parent.parent / "labels" / f"{path.stem}.txt", classes)
                name = str(path.relative_to(datasets))
                rows = completed(human, seen.get(name, np.zeros((0, 6), np.float32)))
                samples.append(Sample(path, dataset, rows))
    return samples


def rendered_samples(root: Path, known: set[Path]) -> Iterator[Sample]:
    """Samples below `root`, not loaded, that are not known yet.

    A picture without its label file, or younger than a few seconds, is still being written.
    """
    settled_s = time.time() - 5
    for path in sorted(root.rglob("images/*.jpg")):
        labels = path.parent.parent / "labels" / f"{path.stem}.txt"
        if path not in known and labels.exists() and path.stat().st_mtime < settled_s:
            yield Sample(path, "rendered", read_labels(labels, DATASETS["rendered"]))


def thumbnail(picture: Picture) -> Floats:
    """A grey 96x64 thumbnail, flat, by which near copies are known."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (96, 64), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()


def without_copies(samples: list[Sample], held_out: list[Sample], max_difference: float = 2.5) -> list[Sample]:
    """Loaded samples, less those that are (mirrored) near copies of a held-out picture.

    Copies differ by less than `max_difference` grey levels on average: the same or a neighbouring frame of one camera.
    """
    marks = []
    for other in held_out:
        picture = other.loaded().bgr
        assert picture is not None
        marks += [thumbnail(picture), thumbnail(np.ascontiguousarray(picture[:, ::-1]))]
    if not marks:
        return samples
    table = np.stack(marks)
    return [s for s in samples if s.bgr is not None and _difference(table, s.bgr) > max_difference]


def _difference(table: Floats, picture: Picture) -> float:
    """Mean difference of a picture's thumbnail to the most similar row of the table, in grey levels."""
    return float(np.abs(table - thumbnail(picture)).mean(1).min())
