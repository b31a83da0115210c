"""The node file (identity, broker, keys) and the site file (geometry, signal, rule): TOML in, frozen settings out.

Every message names the file and the line that a mistake stands on, as an editor counts lines.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticKnownError

from edge.errors import ConfigError
from edge.geometry import DirectedLine, GroundPlane, hull_meets_box, segments_cross, shared_area
from edge.mistakes import matching, tables_in, words_of
from edge.records import Contact, Point

if TYPE_CHECKING:
    from collections.abc import Iterator


NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What ids are made of: sites, nodes, lanes and signal groups stand in topics."""


def _counted(value: object) -> object:
    """What may be a whole number: neither yes nor no, and no text."""
    if isinstance(value, bool | str):
        raise PydanticKnownError("int_type")
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number, whole or not. A text or a yes is none: the verifier, too, reads the file as it is written."""

Whole = Annotated[int, BeforeValidator(_counted)]
Flag = Annotated[bool, Field(strict=True)]
Version = Annotated[Literal[1], BeforeValidator(_counted)]

Name = Annotated[
    str,
    matching(
        NAME,
        "is no name: take letters without accents, digits, dots, hyphens and underscores, at most 64, and begin with a "
        "letter or a digit",
    ),
]
Topic = Annotated[
    str,
    Field(max_length=100),
    matching(r"[^#+\s$/][^#+\s]*", "is no beginning of a topic: take words with slashes between, no blank, #, + or $"),
]
Seconds = Annotated[Number, Field(ge=0, le=3600)]
Pixel = Annotated[Number, Field(ge=-10_000, le=10_000)]
PixelPoint = tuple[Pixel, Pixel]
MetrePoint = tuple[Pixel, Pixel]
PixelBox = tuple[Pixel, Pixel, Pixel, Pixel]
Pin = Annotated[Whole, Field(ge=0, le=53)]


def _segment(value: tuple[PixelPoint, PixelPoint]) -> tuple[PixelPoint, PixelPoint]:
    (x1, y1), (x2, y2) = value
    if hypot(x2 - x1, y2 - y1) < 2:
        raise ValueError("its two ends lie on the same spot: draw a line from kerb to kerb of the lane")
    return value


Line = Annotated[tuple[PixelPoint, PixelPoint], AfterValidator(_segment)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SiteName(_Settings):
    """Which junction and approach this is; ``id`` becomes part of every topic."""

    id: Name
    name: str = Field(default="", max_length=200)


def _even(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] % 2 or value[1] % 2:
        raise ValueError("width and height must be even, since colour is stored for every second pixel")
    return value


Side = Annotated[Whole, Field(ge=16, le=16384)]
StreamSize = Annotated[tuple[Side, Side], AfterValidator(_even)]


class Camera(_Settings):
    """The pixel grid, width and height, in which the geometry is drawn, and what is asked of a Pi's own camera.

    ``stream_px`` is the picture kept as evidence (``size_px`` if left out), ``detect_px`` the smaller one that is
    judged (at most 640 wide). Exposure is automatic up to ``max_exposure_us`` and ``max_gain``.
    """

    size_px: tuple[Side, Side]
    frame_rate: Annotated[Number, Field(ge=5, le=120)] = 25.0
    stream_px: StreamSize | None = None
    detect_px: StreamSize | None = None
    max_exposure_us: Annotated[Whole, Field(ge=50, le=200_000)] | None = None
    max_gain: Annotated[Number, Field(ge=1, le=64)] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        width, height = self.size_px
        for key, size in (("stream_px", self.stream_px), ("detect_px", self.detect_px)):
            if size is not None and abs(size[0] * height / (size[1] * width) - 1) > 0.02:
                raise ValueError(f"{key} has another aspect than size_px: choose the same, or draw the lines anew")
        stream = self.stream_px or self.size_px
        if self.detect_px is not None and (self.detect_px[0] > stream[0] or self.detect_px[1] > stream[1]):
            raise ValueError("detect_px is larger than the stream that is kept: make it smaller")
        if self.max_exposure_us is not None and self.max_exposure_us * self.frame_rate > 1_000_000:
            raise ValueError("max_exposure_us is longer than one picture lasts at frame_rate: lower one of the two")
        return self


class Pins(_Settings):
    """BCM numbers of the three lamp inputs of a signal group."""

    red: Pin
    amber: Pin
    green: Pin

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({self.red, self.amber, self.green}) < 3:
            raise ValueError("one pin is named twice: each lamp needs an input of its own")
        return self


def _region(value: PixelBox) -> PixelBox:
    if value[2] - value[0] < 2 or value[3] - value[1] < 2:
        raise ValueError("must be [left, top, right, bottom] and at least 2 pixels in width and height")
    return value


Region = Annotated[PixelBox, AfterValidator(_region)]


class View(_Settings):
    """Where a signal group's lamps are seen in the picture: a box a lamp, or one round the whole head."""

    red_px: Region | None = None
    amber_px: Region | None = None
    green_px: Region | None = None
    head_px: Region | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        lamps = (self.red_px, self.amber_px, self.green_px)
        if (None in lamps) if self.head_px is None else any(lamps):
            raise ValueError("name a box for each lamp (red_px, amber_px, green_px), or head_px alone")
        return self

    @property
    def regions(self) -> dict[str, PixelBox]:
        """The boxes that are given, by their keys."""
        keys = ("red_px", "amber_px", "green_px", "head_px")
        return {key: box for key in keys if (box := getattr(self, key)) is not None}


class SignalGroup(_Settings):
    """How one signal group's lamps are read.

    ``debounce_s`` is how long a lamp must stay lit to count, ``hold_s`` how long it may vanish (AC mains chop lamps at
    100 or 120 Hz) before it counts as off, ``transition_s`` how long lamps may overlap or all be dark at a change.
    ``uncertainty_s`` bounds the error of an edge's time and is taken off the red time. ``min_amber_s`` is the shortest
    lawful amber: a shorter one suppresses its cycle. ``max_phase_s`` is how long a phase may last before it is stuck.
    ``pins`` are the inputs that the lamps are wired to, ``view`` is where the picture shows them.
    """

    id: Name
    min_amber_s: Seconds | None = None
    debounce_s: Seconds = 0.01
    hold_s: Seconds = 0.03
    transition_s: Seconds = 0.25
    uncertainty_s: Seconds = 0.02
    max_phase_s: Annotated[Number, Field(gt=0, le=86_400)] = 600.0
    pins: Pins | None = None
    active_low: Flag = False
    view: View | None = None


class Lane(_Settings):
    """One lane's stop line, confirm line and direction of travel, all in the camera's grid.

    ``contact`` says which end of a vehicle the bottom of its box shows. ``turn_on_red`` permits a turn out of this lane
    on red: a vehicle that passes the line but leaves to the side before the confirm line is no violation.
    """

    id: Name
    signal_group: Name
    stop_line_px: Line
    confirm_line_px: Line
    direction: tuple[Pixel, Pixel]
    contact: Contact
    turn_on_red: Literal["allowed", "forbidden"] = "forbidden"

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        if hypot(*self.direction) < 1e-6:
            raise ValueError(
                "direction is [0, 0]: give the way of travel in the picture, for example [0.0, -1.0] for upwards"
            )
        if segments_cross(self.stop_line_px, self.confirm_line_px):
            raise ValueError(
                "stop_line_px and confirm_line_px cross each other: the confirm line must lie past the stop line"
            )
        stop = DirectedLine.across(self.stop_line_px, self.direction)
        sine = abs(stop.normal[0] * self.direction[0] + stop.normal[1] * self.direction[1]) / hypot(*self.direction)
        if sine < 0.17:  # within 10 degrees
            raise ValueError("direction runs along the stop line: it must lead across it")
        if min(stop.distance(end) for end in self.confirm_line_px) <= 0:
            raise ValueError(
                "confirm_line_px lies before stop_line_px in the direction of travel: move it past, or turn direction"
            )
        return self


class Calibration(_Settings):
    """Four points of the road in the picture and on the ground, from which speed is measured."""

    points_px: tuple[PixelPoint, PixelPoint, PixelPoint, PixelPoint]
    points_m: tuple[MetrePoint, MetrePoint, MetrePoint, MetrePoint]

    @model_validator(mode="after")
    def _solvable(self) -> Self:
        GroundPlane.from_points(self.points_px, self.points_m)
        return self


class Rule(_Settings):
    """What counts as a violation.

    ``grace_s`` of red are forgiven; the confirm line must follow within ``confirm_within_s``; a vehicle must be seen
    for ``dwell_s`` on either side of the stop line. In rear view the front was over the line earlier: by
    ``vehicle_length_m`` (a generous one by class if left out) over the speed where the site is calibrated, else by
    ``rear_margin_s``.
    """

    grace_s: Seconds = 0.5
    confirm_within_s: Annotated[Number, Field(gt=0, le=60)] = 4.0
    dwell_s: Seconds = 0.1
    rear_margin_s: Seconds = 0.5
    vehicle_length_m: Annotated[Number, Field(gt=0, le=30)] | None = None


class DetectorRegion(_Settings):
    """The part of the picture that the detector is fed, ``[left, top, right, bottom]``; the whole of it if left out."""

    region_px: tuple[Pixel, Pixel, Pixel, Pixel] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        region = self.region_px
        if region is not None and (region[2] - region[0] < 16 or region[3] - region[1] < 16):
            raise ValueError("region_px must be [left, top, right, bottom] and at least 16 pixels in width and height")
        return self


class Mask(_Settings):
    """A part of the picture that no evidence ever shows; ``why`` is for people (a house's windows, a school)."""

    region_px: Region
    why: str = Field(default="", max_length=200)


class Site(_Settings):
    """A whole site file, consistent in itself. ``sha256`` is of the file's bytes as they were read."""

    schema_: Version = Field(alias="schema")
    site: SiteName
    camera: Camera
    signal_groups: Annotated[tuple[SignalGroup, ...], Field(min_length=1, max_length=16)]
    lanes: Annotated[tuple[Lane, ...], Field(min_length=1, max_length=32)]
    rule: Rule = Rule()
    calibration: Calibration | None = None
    detector: DetectorRegion = DetectorRegion()
    masks: Annotated[tuple[Mask, ...], Field(max_length=32)] = ()
    sha256: str = Field(default="", exclude=True)

    def group(self, name: str) -> SignalGroup:
        """The signal group of that name; it exists, since a lane can name no other."""
        return next(group for group in self.signal_groups if group.id == name)

    def lane(self, name: str) -> Lane:
        """The lane of that name."""
        return next(lane for lane in self.lanes if lane.id == name)


class Broker(_Settings):
    """Where events go. ``mqtts`` needs ``ca``, and ``cert`` with ``key`` where the broker asks for them."""

    url: Annotated[
        str, matching(r"mqtts?://[^\s/]+/?", "is no broker: write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
    ]
    prefix: Topic = "stopline"
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    username: str | None = None
    password_file: Path | None = None


def _recipient(value: str) -> str:
    """An age public key by its form; whether it was mistyped is seen when the chain is set up, with age's own eyes."""
    if value.upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError("this is a secret key: give the public key that belongs to it, and keep the secret one away")
    if not re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", value):
        raise ValueError('no age recipient: give the public key that age-keygen prints, "age1" and 58 characters')
    return value


class Evidence(_Settings):
    """What is kept of a violation, and who can open it.

    ``recipients`` are age public keys; each one's owner can open the bundle alone. The node keeps its own copy, sealed,
    for ``keep_hours`` after it was delivered. The clip covers ``before_s`` before and ``after_s`` after the crossing,
    out of at most ``ring_mb`` of compressed video kept in memory. A bundle over ``part_kb`` (of 1024 bytes) travels in
    parts.
    """

    seal: Literal["age", "none"] = "age"
    recipients: Annotated[tuple[Annotated[str, AfterValidator(_recipient)], ...], Field(max_length=16)] = ()
    keep_hours: Annotated[Number, Field(ge=0, le=8760)] = 0.0
    before_s: Annotated[Number, Field(ge=1, le=60)] = 6.0
    after_s: Annotated[Number, Field(ge=1, le=60)] = 6.0
    ring_mb: Annotated[Whole, Field(ge=1, le=1024)] = 64
    part_kb: Annotated[Whole, Field(ge=64, le=4096)] = 256

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if self.seal == "age" and not self.recipients:
            raise ValueError(
                'recipients is empty: name the age public key of whoever may open it, or say seal = "none"'
            )
        if self.seal == "none" and self.recipients:
            raise ValueError('seal is "none" though recipients are named: remove one of the two')
        return self


class Receiver(_Settings):
    """Whose receipts count: ``keys`` are files of public keys. What none of them has confirmed stays in the outbox."""

    keys: Annotated[tuple[Path, ...], Field(min_length=1, max_length=16)]


class Ledger(_Settings):
    """How often the node signs a checkpoint of its ledger.

    After ``every_events``, or ``every_minutes`` after the first event that no checkpoint counts yet.
    """

    every_events: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    every_minutes: Annotated[Number, Field(gt=0, le=10_080)] = 60.0


class Telemetry(_Settings):
    """Where the node's telemetry goes beside its own topics.

    ``home_assistant`` announces the node to a Home Assistant on the same broker, under ``home_assistant_prefix``;
    ``prometheus`` is a file for node_exporter's textfile collector.
    """

    home_assistant: Flag = False
    home_assistant_prefix: Topic = "homeassistant"
    prometheus: Path | None = None


class Health(_Settings):
    """Within which bounds the node may be armed; docs/arming.md says what else it must be."""

    clock_bound_ms: Annotated[Number, Field(gt=0, le=1000)] = 100.0
    view_shift_px: Annotated[Number, Field(gt=0, le=1000)] | None = None
    disk_free_mb: Annotated[Number, Field(ge=10)] = 200.0
    temperature_c: Annotated[Number, Field(gt=0, le=120)] = 85.0


class NodeName(_Settings):
    """Which node this is; ``id`` becomes part of every topic. ``key`` signs its events (PEM, mode 0600)."""

    id: Name
    key: Path = Path("node.key")
    state: Path = Path("state")


class Node(_Settings):
    """A whole node file."""

    schema_: Version = Field(alias="schema")
    node: NodeName
    broker: Broker | None = None
    receiver: Receiver | None = None
    evidence: Evidence | None = None
    ledger: Ledger = Ledger()
    telemetry: Telemetry = Telemetry()
    health: Health = Health()


class PlaceError(ConfigError):
    """A mistake in settings and where it stands: ``("lanes", 0, "direction")``."""

    def __init__(self, place: tuple[str | int, ...], words: str) -> None:
        super().__init__(words)
        self.place = place


def load_site(path: Path) -> Site:
    """Read and check a site file; ConfigError names the line of the first mistake and what to do."""
    raw, tables = _read_toml(path)
    with _lines_of(path, raw):
        site = site_of(tables)
    return site.model_copy(update={"sha256": hashlib.sha256(raw).hexdigest()})


def site_of(tables: object) -> Site:
    """The site that a file's tables, or their like in JSON, describe. Raises PlaceError for the first mistake."""
    site = _validated(tables, Site)
    _check_site(site)
    return site


def load_node(path: Path) -> Node:
    """Read and check a node file; paths in it are relative to its folder. ConfigError as for a site file."""
    raw, tables = _read_toml(path)
    with _lines_of(path, raw):
        node = _validated(tables, Node)
        if node.receiver is not None and node.broker is None:
            raise PlaceError(
                ("receiver",), "receipts come over a broker and none is named: add [broker], or remove this table"
            )
    return _resolved(node, path.parent)


def _resolved(node: Node, folder: Path) -> Node:
    """The node with every path made independent of the working directory."""
    name = node.node.model_copy(update={"key": folder / node.node.key, "state": folder / node.node.state})
    broker = node.broker
    if broker is not None:
        files = ("ca", "cert", "key", "password_file")
        given = {file: folder / value for file in files if (value := getattr(broker, file)) is not None}
        broker = broker.model_copy(update=given)
    receiver = node.receiver
    if receiver is not None:
        receiver = receiver.model_copy(update={"keys": tuple(folder / key for key in receiver.keys)})
    telemetry = node.telemetry
    if telemetry.prometheus is not None:
        telemetry = telemetry.model_copy(update={"prometheus": folder / telemetry.prometheus})
    return node.model_copy(update={"node": name, "broker": broker, "receiver": receiver, "telemetry": telemetry})


_File = TypeVar("_File", Site, Node)


def _validated(tables: object, kind: type[_File]) -> _File:
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = tuple("schema" if part == "schema_" else part for part in first["loc"])
        raise PlaceError(place, words_of(first)) from None


@contextmanager
def _lines_of(path: Path, raw: bytes) -> Iterator[None]:
    """Name the file and the line of a mistake that is found in here."""
    try:
        yield
    except PlaceError as error:
        raise ConfigError(_sentence(path, raw, error.place, str(error))) from None


def _read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    raw = _read(path)
    try:
        return raw, tables_in(raw)
    except ValueError as error:
        raise ConfigError(f"{path} {error}") from None


def _read(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: give the path of a TOML file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): give a file this user may read") from None
    if len(raw) > 1_000_000:
        raise ConfigError(f"{path} is over 1 MB: that is no site or node file")
    return raw


def _check_site(site: Site) -> None:
    """What no single table can know of itself: names that must be unique or exist, points inside the picture."""
    for table, items in (("signal_groups", site.signal_groups), ("lanes", site.lanes)):
        names = [item.id for item in items]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise PlaceError((table, index, "id"), f'"{name}" is used twice: give each its own id')
    for index, group in enumerate(site.signal_groups):
        for key, box in group.view.regions.items() if group.view else ():
            _check_region(site, index, key, box)
    groups = [group.id for group in site.signal_groups]
    for index, lane in enumerate(site.lanes):
        if lane.signal_group not in groups:
            known = ", ".join(groups)
            raise PlaceError(
                ("lanes", index, "signal_group"),
                f'"{lane.signal_group}" is no signal group of this file: name one of {known}, or add it',
            )
        for key in ("stop_line_px", "confirm_line_px"):
            _check_inside(site, index, key, getattr(lane, key))
    for index, mask in enumerate(site.masks):
        _check_mask(site, index, mask.region_px)


def _check_inside(site: Site, index: int, key: str, line: tuple[Point, Point]) -> None:
    width, height = site.camera.size_px
    if not any(0 <= x <= width and 0 <= y <= height for x, y in line):
        raise PlaceError(("lanes", index, key), f"lies outside of the {width} x {height} picture of camera.size_px")


def _check_region(site: Site, index: int, key: str, box: PixelBox) -> None:
    _check_within(site, ("signal_groups", index, "view", key), box)


def _check_mask(site: Site, index: int, box: PixelBox) -> None:
    """A mask may hide neither the lamps nor a lane between its two lines, since evidence must show both."""
    place, move = ("masks", index, "region_px"), "move the mask off it, or make it smaller"
    _check_within(site, place, box)
    for lane in site.lanes:
        if hull_meets_box((*lane.stop_line_px, *lane.confirm_line_px), box):
            hidden = f'the stretch between stop line and confirm line of lane "{lane.id}"'
            raise PlaceError(place, f"hides {hidden}, where evidence must show the vehicle: {move}")
    for group in site.signal_groups:
        for key, lamps in group.view.regions.items() if group.view else ():
            if shared_area(lamps, box) > 0:
                hidden = f'{key} of signal group "{group.id}"'
                raise PlaceError(place, f"hides {hidden}, where evidence must show the lamps: {move}")


def _check_within(site: Site, place: tuple[str | int, ...], box: PixelBox) -> None:
    width, height = site.camera.size_px
    if min(box[:2]) < 0 or box[2] > width or box[3] > height:
        raise PlaceError(place, f"reaches out of the {width} x {height} picture of camera.size_px: draw it inside")


def _sentence(path: Path, raw: bytes, place: tuple[str | int, ...], words: str) -> str:
    line = find_line(raw.decode("utf-8"), place)
    # A tagged place such as ("lanes", 0, "direction", 1) reads best as "lanes[1].direction".
    name = ""
    for part in place:
        name += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if name else part
    return f"{path}, line {line}: {name or 'the file'}: {words}"


def find_line(text: str, place: tuple[str | int, ...]) -> int:
    """The line, from 1, on which a key stands in TOML; that of the nearest table above where it is absent."""
    if not place:
        return 1
    table, index = place[0], next(iter(place[1:]), 0)
    occurrence = index if isinstance(index, int) else 0  # of an array of tables; later numbers count array items
    keys = [part for part in place[1:] if isinstance(part, str)] or [str(table)]
    found, seen, inside = 1, -1, True
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?", line)
        if header:
            seen += header[1] == table
            inside = header[1].split(".")[0] == table and seen == occurrence
            found = number if inside else found
        elif inside and _sets(keys[-1], line):
            return number
        elif inside and (_sets(keys[0], line) or _sets(table, line)):
            found = number
    return found


def _sets(key: str | int, line: str) -> bool:
    return re.match(rf"\s*{re.escape(str(key))}\s*=", line) is not None
