"""Who and what is masked in a case's pictures, and for how long: persons, riders, windscreens, whole regions.

In doubt more is masked. What is never masked on purpose is the subject's body below its windscreen, unless it drives
through a region that the site file names: that is black in every picture, whatever is there.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING

from edge.detector import Detector
from edge.evidence.pixels import Veil
from edge.evidence.subject import Subject, ns_in_us
from edge.geometry import area, iou, shared_area
from edge.records import NS_PER_S, Box, Contact, Detection, Frame, Size, VehicleClass
from edge.sources.picture import DecodedPicture, Scalers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import av

    from edge.detector import Model

METHOD = (
    "persons, riders and windscreens found by the detector, replaced by block means; "
    "mask regions of the site file, blackened"
)
LOOK_EVERY_NS = 99 * NS_PER_S // 1000  # at 25 or 30 pictures a second every third is looked at

# Shares of the score from which the model's description says that a detection may continue a track.
_PERSON_SHARE, _TWO_WHEELED_SHARE, _VEHICLE_SHARE = 0.8, 0.66, 1.2
_CERTAIN_SHARE = 1.6  # less certain persons on the subject are mostly its lamps, its mirrors and what it drives over
_NMS_IOU = 0.6
_CLOSER = 1.5
_TILES = ((0.0, 0.55), (0.45, 1.0))  # left and right end, as shares of the picture's width
# A person stays masked so long before and after each sighting; in a vehicle, which moves, not so long.
_PERSON_FOR_NS, _RIDING_FOR_NS = 600 * NS_PER_S // 1000, 250 * NS_PER_S // 1000
_SAME_IOU = 0.3
_INSIDE = 0.7
_TWO_WHEELED = (VehicleClass.MOTORCYCLE, VehicleClass.BICYCLE)
_LARGE = (VehicleClass.TRUCK, VehicleClass.BUS)


class MaskKind(StrEnum):
    """Why something is masked."""

    PERSON = "person"
    POSSIBLE_PERSON = "possible_person"
    RIDER = "rider"
    WINDSCREEN = "windscreen"
    SUBJECT_RIDER = "subject_rider"
    SUBJECT_WINDSCREEN = "subject_windscreen"
    REGION = "region"


_YIELDING = (MaskKind.POSSIBLE_PERSON, MaskKind.RIDER, MaskKind.WINDSCREEN)


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
    """Finds what must be masked, with detectors of its own on the whole picture. One call at a time, others wait.

    Each picture is looked at twice, as it is and more closely: a network that takes any size is fed a larger one, else
    two halves.
    """

    def __init__(self, model: Model, *, threads: int = 1) -> None:
        low = model.thresholds.low
        thresholds = model.thresholds.model_copy(update={"low": low * _TWO_WHEELED_SHARE, "nms_iou": _NMS_IOU})
        self.low = low
        self._model = replace(model, thresholds=thresholds)
        self._threads = threads
        self._lock = threading.Lock()
        self._scalers = Scalers()
        self._size_px: Size = (0, 0)
        self._detectors: tuple[Detector, ...] = ()

    def look(self, t_ns: int, frame: av.VideoFrame) -> Sighting:
        """Everybody and every vehicle in a picture, some of them twice. ModelError where the model cannot run."""
        picture = Frame(t_ns, 0, DecodedPicture(frame, self._scalers))
        with self._lock:
            if self._size_px != picture.picture.size_px:
                self._size_px = picture.picture.size_px
                self._detectors = tuple(self._looks())
            found = [one for detector in self._detectors for one in detector.detect(picture)]
        return Sighting(t_ns, tuple(one for one in found if one.score >= self.low * _share(one.vehicle_class)))

    def _looks(self) -> Iterator[Detector]:
        (width, height), form = self._size_px, self._model.input
        yield Detector(self._model, self._size_px, threads=self._threads)
        if form.dynamic:
            sides = [form.stride * round(_CLOSER * side / form.stride) for side in form.size_px]
            larger = form.model_copy(update={"size_px": (sides[0], sides[1])})
            yield Detector(replace(self._model, input=larger), self._size_px, threads=self._threads)
            return
        for left, right in _TILES:
            yield Detector(self._model, self._size_px, (left * width, 0, right * width, height), threads=self._threads)


def _share(kind: VehicleClass) -> float:
    if kind is VehicleClass.PERSON:
        return _PERSON_SHARE
    return _TWO_WHEELED_SHARE if kind in _TWO_WHEELED else _VEHICLE_SHARE


def plan_masks(sightings: Sequence[Sighting], subject: Subject, size_px: Size, low: float) -> tuple[Mask, ...]:
    """All masks of pictures of ``size_px``, from what was detected in some of them.

    ``low`` is the score from which a detection may continue a track. A sighting holds until its neighbours, so that
    every picture is masked by at least two; persons, who are slow and easily missed, stay masked for longer.
    """
    masks = list(_subject_masks(subject, size_px))
    for index, seen in enumerate(sightings):
        around = sightings[max(0, index - 1)].t_ns, sightings[min(index + 1, len(sightings) - 1)].t_ns
        own = _Own.at(seen.t_ns, subject, size_px, low)
        for one in seen.detections:
            mask = None if own is not None and own.is_seen_in(one) else _mask(one, seen, size_px, low)
            if mask is not None:
                spread = _spread_ns(one, seen)
                from_ns, until_ns = min(around[0], seen.t_ns - spread), max(around[1], seen.t_ns + spread)
                masks.append(replace(mask, from_ns=from_ns, until_ns=until_ns))
    return tuple(dict.fromkeys(masks))


@dataclass(frozen=True, slots=True)
class _Own:
    """The subject at one instant, in pixels of the picture; ``person_score`` is what a person on it must reach."""

    box_px: Box
    person_score: float

    @classmethod
    def at(cls, t_ns: int, subject: Subject, size_px: Size, low: float) -> _Own | None:
        box = subject.box_near(ns_in_us(t_ns))
        if box is None:
            return None
        # A rider has a mask of its own kind, that leaves the machine to be seen.
        enough = 2.0 if subject.vehicle_class in _TWO_WHEELED else low * _CERTAIN_SHARE
        return cls(_in_picture(box, subject.grid_px, size_px), enough)

    def is_seen_in(self, one: Detection) -> bool:
        """Whether a detection is the subject itself, or a part of it taken for a person."""
        if one.vehicle_class is VehicleClass.PERSON:
            return _share_inside(one.box_px, self.box_px) >= _INSIDE and one.score < self.person_score
        return iou(one.box_px, self.box_px) >= _SAME_IOU


def _mask(one: Detection, seen: Sighting, size_px: Size, low: float) -> Mask:
    """The mask of one detection, at the instant of its sighting alone."""
    box, kind = one.box_px, one.vehicle_class
    if kind is VehicleClass.PERSON:
        certain = one.score >= low * _CERTAIN_SHARE
        why = MaskKind.PERSON if certain else MaskKind.POSSIBLE_PERSON
        return Mask(seen.t_ns, seen.t_ns, _grown(box, 0.15, 0.1, size_px), why)
    if kind in _TWO_WHEELED:
        return Mask(seen.t_ns, seen.t_ns, _grown(box, 0.1, 0.1, size_px), MaskKind.RIDER)
    return Mask(seen.t_ns, seen.t_ns, _upper(box, kind), MaskKind.WINDSCREEN)


def _spread_ns(one: Detection, seen: Sighting) -> int:
    """How long a sighting masks before and after itself, whatever else was seen."""
    if one.vehicle_class is not VehicleClass.PERSON:
        return 0
    vehicles = [other.box_px for other in seen.detections if other.vehicle_class is not VehicleClass.PERSON]
    rides = any(_share_inside(one.box_px, vehicle) >= _INSIDE for vehicle in vehicles)
    return _RIDING_FOR_NS if rides else _PERSON_FOR_NS


def region_masks(
    regions_px: Iterable[Box], subject: Subject, size_px: Size, span_ns: tuple[int, int]
) -> tuple[Mask, ...]:
    """The site file's mask regions (in its grid) in pictures of ``size_px``, to whole pixels outwards."""
    placed = (_in_picture(region, subject.grid_px, size_px) for region in regions_px)
    boxes = ((floor(x1), floor(y1), ceil(x2), ceil(y2)) for x1, y1, x2, y2 in placed)
    return tuple(Mask(*span_ns, box, MaskKind.REGION) for box in boxes)


def seen_outside(masks: Iterable[Mask], regions: Sequence[Mask]) -> tuple[Mask, ...]:
    """Those masks that do not lie wholly in a region: nobody shall be told from the record who was in one."""
    return tuple(mask for mask in masks if not any(_lies_in(mask.box_px, region.box_px) for region in regions))


def _lies_in(box: Box, other: Box) -> bool:
    return other[0] <= box[0] and other[1] <= box[1] and box[2] <= other[2] and box[3] <= other[3]


def veil_at(t_ns: int, masks: Sequence[Mask], subject: Subject, size_px: Size) -> Veil:
    """What is masked in the picture of an instant.

    Masks of other vehicles and of what may be no person yield to the subject's body: the lower half of its box, in
    rear view the lower four fifths. Regions of the site file yield to nothing, and no instant is without them.
    """
    shown = [mask for mask in masks if mask.from_ns <= t_ns <= mask.until_ns and mask.kind is not MaskKind.REGION]
    box = subject.box_near(ns_in_us(t_ns))
    return Veil(
        boxes=tuple(mask.box_px for mask in shown if mask.kind not in _YIELDING),
        yielding=tuple(mask.box_px for mask in shown if mask.kind in _YIELDING),
        kept=None if box is None else _body(_in_picture(box, subject.grid_px, size_px), subject.contact),
        black=tuple(mask.box_px for mask in masks if mask.kind is MaskKind.REGION),
    )


def _body(box: Box, contact: Contact) -> Box:
    share = 0.5 if contact is Contact.FRONT else 0.8
    return box[0], box[3] - share * (box[3] - box[1]), box[2], box[3]


def _subject_masks(subject: Subject, size_px: Size) -> Iterator[Mask]:
    """The subject's own windscreen in front view, or its rider in any: from each observation until the next."""
    two_wheeled = subject.vehicle_class in _TWO_WHEELED
    if subject.contact is not Contact.FRONT and not two_wheeled:
        return
    kind = MaskKind.SUBJECT_RIDER if two_wheeled else MaskKind.SUBJECT_WINDSCREEN
    times_us = [*subject.track, max(subject.track, default=0)]
    for t_us, next_us in pairwise(times_us):
        placed = _in_picture(subject.track[t_us], subject.grid_px, size_px)
        yield Mask(1000 * t_us - 500, 1000 * next_us + 500, _upper(placed, subject.vehicle_class), kind)


def _in_picture(box: Box, grid_px: Size, size_px: Size) -> Box:
    (width, height), (columns, rows) = size_px, grid_px
    return box[0] * width / columns, box[1] * height / rows, box[2] * width / columns, box[3] * height / rows


def _upper(box: Box, kind: VehicleClass) -> Box:
    """Where a vehicle's windows, or the body of its rider, are."""
    share = 0.6 if kind in _LARGE else 0.5
    return box[0], box[1], box[2], box[1] + share * (box[3] - box[1])


def _grown(box: Box, across: float, along: float, size_px: Size) -> Box:
    """A box grown by shares of its sides, and by a two-hundredth of the picture's width, on each side."""
    dx, dy = across * (box[2] - box[0]) + size_px[0] / 200, along * (box[3] - box[1]) + size_px[0] / 200
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy


def _share_inside(box: Box, other: Box) -> float:
    return shared_area(box, other) / max(area(box), 1e-9)


def masks_csv(masks: Iterable[Mask]) -> bytes:
    """The masks as text: from and until in seconds of the event, the box in pixels of the picture, and why."""
    rows = ["from_s,until_s,x1,y1,x2,y2,kind"]
    for mask in masks:
        times = f"{ns_in_us(mask.from_ns) / 1e6:.6f},{ns_in_us(mask.until_ns) / 1e6:.6f}"
        rows.append(f"{times},{','.join(f'{side:.1f}' for side in mask.box_px)},{mask.kind}")
    return ("\n".join(rows) + "\n").encode("ascii")
