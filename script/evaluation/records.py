"""What is measured on one recording, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.records import Box


@dataclass(frozen=True, slots=True)
class TrackScore:
    """TrackEval's counts for one recording, which add up over recordings.

    `hota` holds for each of 19 overlaps: true and false positives, misses, association accuracy.
    """

    hota: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    id_hits: int
    id_misses: int
    id_false: int
    switches: int
    vehicles: int


@dataclass(frozen=True, slots=True)
class Reported:
    """A passage as the node reports it; `box_px` is the vehicle's box in the frame nearest to the crossing."""

    lane: str
    vehicle_class: str
    t_cross_s: float
    verdict: str
    red_at_least_s: float | None
    box_px: Box


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything measured on one recording; `tracks` of all vehicles, `approach` of the judged lanes' alone."""

    reported: tuple[Reported, ...]
    tracks: TrackScore
    approach: TrackScore
