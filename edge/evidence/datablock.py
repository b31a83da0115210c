"""The data block below a still: what a reader of the picture must know, in text that a program can check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Mapping

_KMH_PER_MPS = 3.6
_GROUND, _LABEL, _TEXT, _ACCENT = (17, 20, 24), (150, 158, 168), (244, 246, 248), (226, 62, 52)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the block: what, and its value."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a still stands among those of its event: its number from 1, its instant and what it shows.

    ``times_s`` are the instants of all of them, in order.
    """

    number: int
    times_s: tuple[float, ...]
    claim: str

    @property
    def t_s(self) -> float:
        """The instant of this one."""
        return self.times_s[self.number - 1]


def entries(document: Mapping[str, Any], place: Place, site_name: str = "") -> tuple[Entry, ...]:
    """The lines of a still's data block, from its event. ``site_name`` is the site's name in words, if it has one."""
    data = document["data"]
    site, node = document["source"].removeprefix("stopline://").split("/")
    return (
        Entry("Image", f"{place.number} of {len(place.times_s)}, {place.claim}"),
        Entry("Site", f"{site}, {site_name}" if site_name else site),
        Entry("Lane", f"{data['lane']}, signal group {data['signal_group']}"),
        _when(document, place),
        Entry("Red shown for", _red(data, place)),
        Entry("Amber before it", _seconds(data["amber"]["measured_s"], "not measured")),
        Entry("Between the images", _interval(place)),
        Entry("Speed", _speed(data["speed_mps"])),
        Entry("Node", node),
        Entry("Verdict", "needs review by a person"),
        Entry("Event", document["id"]),
    )


def _when(document: Mapping[str, Any], place: Place) -> Entry:
    data = document["data"]
    if "time" not in document:
        return Entry("Recording time", f"{place.t_s:.3f} s (UTC unknown)")
    crossed = datetime.fromisoformat(document["time"])
    taken = crossed + timedelta(seconds=place.t_s - data["crossing"]["t_cross_s"])
    bound_ms = data["clock"]["utc_bound_ms"]
    within = "" if bound_ms is None else f" ± {bound_ms:.0f} ms" if bound_ms >= 1 else " ± 1 ms"
    return Entry("Date and time", f"{taken:%Y-%m-%d %H:%M:%S}.{taken.microsecond // 1000:03d} UTC{within}")


def _red(data: Mapping[str, Any], place: Place) -> str:
    """The lower bound that the event states for the crossing, brought to this picture's instant."""
    at_least_s = data["red_time"]["at_least_s"] + place.t_s - data["crossing"]["t_cross_s"]
    return f"at least {max(0.0, at_least_s - 0.005):.2f} s"  # rounded down, in the driver's favour


def _interval(place: Place) -> str:
    return _seconds(place.times_s[-1] - place.times_s[0], "-") if len(place.times_s) > 1 else "no other image"


def _seconds(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.2f} s"


def _speed(mps: float | None) -> str:
    return "not measured" if mps is None else f"{mps * _KMH_PER_MPS:.0f} km/h ({mps:.1f} m/s)"


def with_block(picture: Image.Image, lines: tuple[Entry, ...]) -> Image.Image:
    """The picture, untouched, above a block with the lines."""
    width = picture.width
    size = max(12, round(width / 48))
    font = ImageFont.load_default(size)
    row, margin = round(size * 1.55), round(size * 0.9)
    rows = _rows(lines, font, (width - 3 * margin) // 2)
    sheet = Image.new("RGB", (width, picture.height + len(rows) * row + 2 * margin), _GROUND)
    sheet.paste(picture, (0, 0))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, picture.height, width, picture.height + max(2, size // 5)), fill=_ACCENT)
    for index, entries_of_row in enumerate(rows):
        top = picture.height + margin + index * row
        for column, entry in enumerate(entries_of_row):
            left = margin + column * (width - margin) // 2
            draw.text((left, top), entry.label, font=font, fill=_LABEL)
            draw.text((left + _label_px(lines, font), top), entry.text, font=font, fill=_TEXT)
    return sheet


def _rows(
    lines: tuple[Entry, ...], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, half_px: int
) -> list[list[Entry]]:
    """Two lines beside each other where both fit into half of the width, else one."""
    rows: list[list[Entry]] = []
    room = False
    for entry in lines:
        fits = _label_px(lines, font) + font.getlength(entry.text) <= half_px
        if fits and room:
            rows[-1].append(entry)
            room = False
        else:
            rows.append([entry])
            room = fits
    return rows


def _label_px(lines: tuple[Entry, ...], font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return round(max(font.getlength(entry.label + "  ") for entry in lines))
