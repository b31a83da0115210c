"""The vocabulary that flows between the stages: frozen records and enums, units in their names.

Times named ``t_ns`` are integers on one monotonic timebase: for a file the container's presentation time, for live
sources the kernel's monotonic clock. Pictures are BGR, uint8, shape ``(height, width, 3)``. Boxes are
``(x1, y1, x2, y2)`` in pixels of the site file's grid unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy import uint8
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Size = tuple[int, int]

NS_PER_S = 1_000_000_000


class VehicleClass(StrEnum):
    """What the detector tells apart. Persons are detected for one purpose: to be masked out of evidence."""

    CAR = "car"
    VAN = "van"
    TRUCK = "truck"
    BUS = "bus"
    MOTORCYCLE = "motorcycle"
    BICYCLE = "bicycle"
    PERSON = "person"


class Lamp(StrEnum):
    """One lamp of a signal group."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"


class Phase(StrEnum):
    """What a signal group shows. ``UNKNOWN`` and ``FAULT`` are states of their own and never convict."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    RED_AMBER = "red_amber"
    UNKNOWN = "unknown"
    FAULT = "fault"


class Fault(StrEnum):
    """Why a signal group's phase is ``FAULT``."""

    DARK = "dark"
    CONFLICT = "conflict"
    ORDER = "order"
    SHORT_AMBER = "short_amber"
    STUCK = "stuck"
    LOST_INPUT = "lost_input"


class Verdict(StrEnum):
    """The outcome of every passage: a violation, or the reason why it is none."""

    VIOLATION = "violation"
    ON_GREEN = "on_green"
    ON_AMBER = "on_amber"
    ON_RED_AMBER = "on_red_amber"
    WITHIN_GRACE = "within_grace"
    REAR_MARGIN = "rear_margin"
    STOPPED_PAST_LINE = "stopped_past_line"
    TURN_PERMITTED = "turn_permitted"
    SHORT_AMBER = "short_amber"
    LAMP_FAULT = "lamp_fault"
    UNKNOWN_PHASE = "unknown_phase"
    DOUBTFUL_TRACK = "doubtful_track"


class Doubt(StrEnum):
    """Why a track may not be one vehicle's own around a crossing. Each keeps a passage from being a violation."""

    HIDDEN = "hidden"
    SEEN_LATE = "seen_late"
    RETURNED = "returned"
    JUMP = "jump"
    SHAPE = "shape"
    UNEVEN = "uneven"


class Contact(StrEnum):
    """Which end of a vehicle its box's bottom edge shows: the rear when filmed from behind, else the front."""

    REAR = "rear"
    FRONT = "front"


class Picture(Protocol):
    """A decoded picture that is scaled only when somebody asks, so that a large frame is converted once."""

    @property
    def size_px(self) -> Size:
        """Width and height of the stored picture."""
        ...

    def scaled(self, size_px: Size, crop_px: tuple[int, int, int, int] | None = None) -> NDArray[uint8]:
        """The picture, or its part ``crop_px``, as BGR uint8 ``(height, width, 3)`` at ``size_px`` (width, height).

        ``crop_px`` is left, top, right, bottom in the stored picture's pixels, inside it and on even coordinates.
        """
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture and its instant. ``sequence`` counts frames delivered by the source, from 0, drops included.

    ``detail`` are the parts that the source was asked to keep of a larger picture than the one judged, None where
    ``picture`` is the largest there is.
    """

    t_ns: int
    sequence: int
    picture: Picture
    detail: Picture | None = None


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What a decoder must know before the first packet; ``codec_tag`` and ``pixel_format`` are empty if not told."""

    codec: str
    codec_tag: str
    extradata: bytes
    size_px: Size
    pixel_format: str
    time_base: Fraction


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One picture as it was compressed; ``pts`` and ``dts`` in ticks of the stream's time base."""

    data: bytes
    pts: int | None
    dts: int | None
    is_key: bool


class PacketTap(Protocol):
    """What a source hands its stream to, beside decoding it; called in the thread that decodes."""

    def start(self, video_format: VideoFormat) -> None:
        """The stream begins."""
        ...

    def packet(self, packet: EncodedPacket) -> None:
        """The next packet in the order of the stream, before it is decoded."""
        ...

    def frame(self, pts: int | None, dts: int | None, t_ns: int, *, is_key: bool) -> None:
        """A decoded picture with its own stamps and the instant it was given; ``t_ns`` rises strictly."""
        ...

    def end(self) -> None:
        """No more comes: the stream has ended, failed or was closed."""
        ...


@dataclass(frozen=True, slots=True)
class LampEdge:
    """A lamp that changed (or the state it starts in) at ``t_ns``."""

    t_ns: int
    group: str
    lamp: Lamp
    lit: bool


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in one frame. ``score`` is 0 to 1."""

    box_px: Box
    score: float
    vehicle_class: VehicleClass


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """One observation of a track: the detector's own box, never a predicted one."""

    t_ns: int
    box_px: Box
    score: float


@dataclass(frozen=True, slots=True)
class TrackUpdate:
    """A track that was observed in the current frame; ``vehicle_class`` is its score-weighted majority so far."""

    track: int
    vehicle_class: VehicleClass
    point: TrackPoint


@dataclass(frozen=True, slots=True)
class TrackStep:
    """What the tracker makes of one frame: the tracks seen in it and those given up for good."""

    t_ns: int
    updates: tuple[TrackUpdate, ...]
    ended: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PhaseInterval:
    """A stretch ``[start_ns, end_ns)`` of one phase; ``end_ns`` is None while it lasts.

    ``onset_seen`` is false where recording began in the middle of it, so that its true start is earlier.
    ``amber_ns`` is the length of the amber that led into a red, None where it was not measured.
    """

    phase: Phase
    start_ns: int
    end_ns: int | None
    onset_seen: bool
    amber_ns: int | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A directed crossing of a lane's stop line by one track.

    ``t_cross_ns`` is when the box's bottom-centre crosses; the true instant lies within ``uncertainty_ns`` of it.
    ``t_confirm_ns`` is None where the confirm line was not reached in time. ``cross_px`` is where the bottom-centre
    met the line; ``points`` is the raw track that the crossing was computed from. Where the site is calibrated
    ``to_line_m`` holds, for each point before the crossing, its time and its metres on the ground to where it crossed.
    ``whole_before_ns`` is when all of a vehicle that drives away was last surely before the line, its front included
    (None: not told). ``doubts`` say why the track may not be one vehicle's.
    """

    lane: str
    track: int
    vehicle_class: VehicleClass
    t_cross_ns: int
    uncertainty_ns: int
    t_confirm_ns: int | None
    speed_mps: float | None
    cross_px: Point
    points: tuple[TrackPoint, ...]
    to_line_m: tuple[tuple[int, float], ...] = ()
    whole_before_ns: int | None = None
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one passage with everything it rests on; times in seconds.

    ``red_at_least_s`` is the lower bound of the red time: ``red_elapsed_s`` less every doubt in ``deductions_s``.
    """

    verdict: Verdict
    phase: Phase
    fault: Fault | None
    red_elapsed_s: float | None
    red_at_least_s: float | None
    deductions_s: dict[str, float]
    amber_s: float | None
