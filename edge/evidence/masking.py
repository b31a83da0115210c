"""Making persons and windscreens unrecognisable: who is where, what is masked for how long, and the masking itself.

Pictures are masked as they come from the decoder, before anything is encoded. What was there is replaced by the mean of
each block, so it cannot be had back from the file.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import numpy as np

from edge.detector import Detector
from edge.evidence.subject import Subject, ns_in_us
from edge.records import NS_PER_S, Box, Contact, Detection, Frame, Size, VehicleClass
from edge.sources.picture import DecodedPicture, Scalers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy import bool_, uint8
    from numpy.typing import NDArray

    from edge.detector import Model

LOOK_EVERY_NS = 99 * NS_PER_S // 1000  # so that at 25 or 30 pictures a second every third is looked at
METHOD = "pixelated, block means"

_PERSON_SCORE = 0.08
_VEHICLE_SCORE = 0.25
_NMS_IOU = 0.6
_PERSON_FOR_NS = 600 * NS_PER_S // 1000  # a person stays masked so long before and after each sighting
_TWO_WHEELED = (VehicleClass.MOTORCYCLE, VehicleClass.BICYCLE)
_LARGE = (VehicleClass.TRUCK, VehicleClass.BUS)
_PLANAR_420 = ("yuv420p", "yuvj420p")
_BLOCKS_ACROSS = 54
_LEAST_BLOCK_PX = 8
_MOST_BLOCKS_A_MASK = 6


class MaskKind(StrEnum):
    """Why something is masked."""

    PERSON = "person"
    RIDER = "rider"
    WINDSCREEN = "windscreen"
    SUBJECT_WINDSCREEN = "subject_windscreen"


@dataclass(frozen=True, slots=True)
class Mask:
    """``box_px`` (in pixels of the picture) is masked in the pictures from ``from_ns`` until ``until_ns``."""

    from_ns: int
    until_ns: int
    box_px: Box
    kind: MaskKind


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was detected in one picture; boxes in its pixels."""

    t_ns: int
    detections: tuple[Detection, ...]


class Masker:
    """Finds what must be masked, with a detector of its own on the whole picture. One call at a time, others wait."""

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        thresholds = model.thresholds.model_copy(update={"low": _PERSON_SCORE, "nms_iou": _NMS_IOU})
        self._model = replace(model, thresholds=thresholds)
        self._threads = threads
        self._lock = threading.Lock()
        self._scalers = Scalers()
        self._detector: Detector | None = None

    def look(self, t_ns: int, frame: av.VideoFrame) -> Sighting:
        """Everybody and every vehicle in a picture. ModelError where the model cannot run."""
        size_px = frame.width, frame.height
        with self._lock:
            if self._detector is None or self._detector.grid_px != size_px:
                self._detector = Detector(self._model, size_px, threads=self._threads)
            found = self._detector.detect(Frame(t_ns, 0, DecodedPicture(frame, self._scalers)))
        return Sighting(t_ns, tuple(one for one in found if one.score >= _least(one.vehicle_class)))


def _least(kind: VehicleClass) -> float:
    return _PERSON_SCORE if kind is VehicleClass.PERSON else _VEHICLE_SCORE


def plan_masks(sightings: Sequence[Sighting], subject: Subject, size_px: Size) -> tuple[Mask, ...]:
    """All masks of a clip of pictures of ``size_px``, from what was detected in some of its pictures."""
    masks = [mask for seen, span in _with_spans(sightings) for mask in _masks_of(seen, span, subject, size_px)]
    return tuple(masks + _subject_masks(subject, size_px))


def _with_spans(sightings: Sequence[Sighting]) -> Iterable[tuple[Sighting, tuple[int, int]]]:
    """Each sighting with how long it holds: until the neighbouring ones, so that every picture has the union of two."""
    times = [seen.t_ns for seen in sightings]
    last_ns = len(times) - 1
    for index, seen in enumerate(sightings):
        yield seen, (times[max(0, index - 1)], times[min(last_ns, index + 1)])


def _masks_of(seen: Sighting, span: tuple[int, int], subject: Subject, size_px: Size) -> Iterable[Mask]:
    own = _in_picture(subject.box_at(ns_in_us(seen.t_ns)), subject.grid_px, size_px)
    for one in seen.detections:
        if one.vehicle_class is VehicleClass.PERSON:
            from_ns, until_ns = seen.t_ns - _PERSON_FOR_NS, seen.t_ns + _PERSON_FOR_NS
            yield Mask(from_ns, until_ns, _grown(one.box_px, 0.15, 0.1, size_px), MaskKind.PERSON)
        elif own is None or _overlap(own, one.box_px) < 0.4:
            kind = MaskKind.RIDER if one.vehicle_class in _TWO_WHEELED else MaskKind.WINDSCREEN
            yield Mask(*span, _upper(one.box_px, one.vehicle_class), kind)


def _subject_masks(subject: Subject, size_px: Size) -> list[Mask]:
    """The subject's own windscreen in front view, or its rider: at every observation until the next."""
    two_wheeled = subject.vehicle_class in _TWO_WHEELED
    if subject.contact is not Contact.FRONT and not two_wheeled:
        return []
    kind = MaskKind.RIDER if two_wheeled else MaskKind.SUBJECT_WINDSCREEN
    masks = []
    for (t_us, box), (next_us, _) in pairwise((*subject.track.items(), (max(subject.track), (0.0, 0.0, 0.0, 0.0)))):
        placed = _in_picture(box, subject.grid_px, size_px)
        assert placed is not None
        masks.append(Mask(1000 * t_us - 500, 1000 * next_us + 500, _upper(placed, subject.vehicle_class), kind))
    return masks


def _in_picture(box: Box | None, grid_px: Size, size_px: Size) -> Box | None:
    if box is None:
        return None
    x, y = size_px[0] / grid_px[0], size_px[1] / grid_px[1]
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def _upper(box: Box, kind: VehicleClass) -> Box:
    share = 0.6 if kind in _LARGE or kind in _TWO_WHEELED else 0.5
    return box[0], box[1], box[2], box[1] + share * (box[3] - box[1])


def _grown(box: Box, across: float, along: float, size_px: Size) -> Box:
    """A box grown by shares of its sides, and by a hundredth of the picture, on each side."""
    dx, dy = across * (box[2] - box[0]) + size_px[0] / 200, along * (box[3] - box[1]) + size_px[0] / 200
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def pixelated(frame: av.VideoFrame, boxes: Iterable[Box]) -> av.VideoFrame:
    """A copy of a picture (in 4:2:0) with the boxes replaced by the means of coarse blocks.

    The blocks lie on one grid over the whole picture, and every block that a box touches is masked whole. A mask of
    more than some blocks in width and height is made of larger ones, so that nearness shows no more of anybody.
    """
    plain = frame if frame.format.name in _PLANAR_420 else frame.reformat(format="yuv420p")
    levels = _levels(list(boxes), (frame.width, frame.height))
    masked = av.VideoFrame(frame.width, frame.height, plain.format.name)
    masked.colorspace, masked.color_range = plain.colorspace, plain.color_range
    for source, target, step in zip(plain.planes, masked.planes, (1, 2, 2), strict=True):
        width, height = -(-frame.width // step), -(-frame.height // step)
        pixels = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)[:height, :width]
        for block, cells in levels:
            pixels = _averaged(pixels, cells, block // step)
        room = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
        room[:height, :width] = pixels
    return masked


def block_px(width_px: int) -> int:
    """The side of the smallest blocks in a picture of a width; even, as 4:2:0 halves it."""
    return max(_LEAST_BLOCK_PX, 2 * -(-width_px // (2 * _BLOCKS_ACROSS)))


def _levels(boxes: list[Box], size_px: Size) -> list[tuple[int, NDArray[bool_]]]:
    """Sides of blocks, each with the cells of its grid that are masked; smallest first."""
    sorted_boxes: dict[int, list[Box]] = {}
    for box in boxes:
        side = block_px(size_px[0])
        while min(box[2] - box[0], box[3] - box[1]) > _MOST_BLOCKS_A_MASK * side:
            side *= 2
        sorted_boxes.setdefault(side, []).append(box)
    return [(side, _cells(among, side, size_px)) for side, among in sorted(sorted_boxes.items())]


def _cells(boxes: list[Box], side: int, size_px: Size) -> NDArray[bool_]:
    columns, rows = -(-size_px[0] // side), -(-size_px[1] // side)
    cells = np.zeros((rows, columns), np.bool_)
    for x1, y1, x2, y2 in boxes:
        left, top = max(0, int(x1 // side)), max(0, int(y1 // side))
        right, bottom = max(0, int(-(-x2 // side))), max(0, int(-(-y2 // side)))
        cells[top:bottom, left:right] = True
    return cells


def _averaged(pixels: NDArray[uint8], cells: NDArray[bool_], side: int) -> NDArray[uint8]:
    """A copy whose masked cells hold their mean; what an edge cell lacks is made up of its last row and column."""
    rows, columns = cells.shape
    height, width = pixels.shape
    work = np.empty((rows * side, columns * side), np.uint8)
    work[:height, :width] = pixels
    work[height:, :width] = pixels[-1]
    work[:, width:] = work[:, width - 1 : width]
    blocks = work.reshape(rows, side, columns, side).swapaxes(1, 2)
    means = blocks[cells].mean(axis=(1, 2)).round().astype(np.uint8)
    blocks[cells] = means[:, None, None]
    return work[:height, :width]


def masks_csv(masks: Iterable[Mask]) -> bytes:
    """The masks as text: from and until in seconds of the event, the box in pixels of the picture, and why."""
    rows = ["from_s,until_s,x1,y1,x2,y2,kind"]
    for mask in masks:
        times = f"{ns_in_us(mask.from_ns) / 1e6:.6f},{ns_in_us(mask.until_ns) / 1e6:.6f}"
        rows.append(f"{times},{','.join(f'{side:.1f}' for side in mask.box_px)},{mask.kind}")
    return ("\n".join(rows) + "\n").encode("ascii")
