"""A model as its TOML file describes it, with the very bytes whose hash was checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.config import Flag, Number, Version, Whole
from edge.detector.heads import HEADS
from edge.errors import ModelError
from edge.mistakes import matching, tables_in, words_of
from edge.records import VehicleClass

if TYPE_CHECKING:
    from pathlib import Path

Share = Annotated[Number, Field(ge=0, le=1)]
Side = Annotated[Whole, Field(ge=32, le=4096)]
Channels = tuple[Number, Number, Number]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputFormat(_Table):
    """What the network is fed: ``(value - mean) / std`` a channel, of values 0 to 255.

    ``size_px`` is width and height. A ``dynamic`` model takes any multiples of ``stride``; the area of ``size_px``, and
    so the cost, is kept. What the picture does not fill is ``pad``.
    """

    size_px: tuple[Side, Side]
    dynamic: Flag = False
    stride: Annotated[Whole, Field(ge=1, le=128)] = 32
    colour: Literal["bgr", "rgb"] = "bgr"
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)
    pad: Annotated[Whole, Field(ge=0, le=255)] = 114

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if min(self.std) <= 0:
            raise ValueError("std must be above zero in every channel")
        if any(side % self.stride for side in self.size_px):
            raise ValueError(f"size_px must be multiples of stride {self.stride}")
        return self


class Thresholds(_Table):
    """From which score a detection starts a track (``high``) or may keep one alive (``low``)."""

    high: Share = 0.45
    low: Share = 0.1
    nms_iou: Share = 0.6


class Release(_Table):
    """Where the publisher releases the ONNX file, and under which licence."""

    url: Annotated[
        str, matching(r"https://\S+", "is no address that is fetched from: give one that begins with https://")
    ]
    licence: Annotated[str, Field(min_length=1, max_length=100)]


class Description(_Table):
    """A model's TOML file."""

    schema_: Version = Field(alias="schema")
    name: Annotated[str, Field(min_length=1, max_length=64)]
    file: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, matching("[0-9a-f]{64}", "is no SHA-256 in hex: give what 'sha256sum' prints for the file")]
    head: str
    input: InputFormat
    classes: Annotated[dict[Annotated[int, Field(ge=0, le=9999)], VehicleClass], Field(min_length=1)]
    thresholds: Thresholds = Thresholds()
    release: Release | None = None

    @model_validator(mode="after")
    def _known_head(self) -> Self:
        if self.head not in HEADS:
            raise ValueError(f'head "{self.head}" is not known: use one of {", ".join(sorted(HEADS))}')
        return self


@dataclass(frozen=True, slots=True)
class Model:
    """A checked model. ``sha256`` is of the network's bytes, ``description_sha256`` of the TOML that tells its use.

    ``classes`` maps an index of the network's output to our class; indices left out are ignored.
    """

    name: str
    sha256: str
    description_sha256: str
    head: str
    input: InputFormat
    classes: dict[int, VehicleClass]
    thresholds: Thresholds
    weights: bytes = field(repr=False)


def load_model(path: Path, *, file: Path | None = None) -> Model:
    """Read a model's TOML file and its network, ``file`` in place of the one that it names.

    Raises ModelError, in one sentence, where either is missing, malformed or not what the other says.
    """
    raw, description = read_description(path)
    weights_path = file or path.parent / description.file
    weights = _read(weights_path, "the ONNX file named by the model's TOML")
    found = hashlib.sha256(weights).hexdigest()
    if found != description.sha256:
        raise ModelError(
            f"{weights_path} is not the file that {path.name} describes (SHA-256 {found[:12]}… instead of "
            f"{description.sha256[:12]}…): fetch the right one, or correct sha256 after checking where it came from"
        )
    return Model(
        name=description.name,
        sha256=found,
        description_sha256=hashlib.sha256(raw).hexdigest(),
        head=description.head,
        input=description.input,
        classes=description.classes,
        thresholds=description.thresholds,
        weights=weights,
    )


def read_description(path: Path) -> tuple[bytes, Description]:
    """Read a model's TOML file alone, bytes and meaning. Raises ModelError as ``load_model`` does."""
    raw = _read(path, "the model's TOML file")
    return raw, _describe(path, raw)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: give the path of {what}") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): give the path of {what}") from None


def _describe(path: Path, raw: bytes) -> Description:
    try:
        tables = tables_in(raw)
    except ValueError as error:
        raise ModelError(f"{path} {error}") from None
    if not {key for key, field in Description.model_fields.items() if field.is_required()} & {*tables}:
        raise ModelError(f"{path} describes no model: give the TOML file that stands beside an ONNX file")
    try:
        return Description.model_validate(tables)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part).removesuffix("_") for part in first["loc"] if part != "[key]")
        raise ModelError(f"{path}: {place + ': ' if place else ''}{words_of(first)}") from None
