"""The data block below a still: what a reader of the picture must know, in text that a program can check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
        Entry("Verdict", "needs review by a person"),
        Entry("Node", node),
        Entry("Event", document["id"]),
    )


def _when(document: Mapping[str, Any], place: Place) -> Entry:
    data = document["data"]
    if "time" not in document:
        return Entry("Recording time", f"{place.t_s:.3f} s (UTC unknown)")
    crossed = datetime.fromisoformat(document["time"])
    taken = crossed + timedelta(seconds=place.t_s - data["crossing"]["t_cross_s"])
    bound_ms = data["clock"]["utc_bound_ms"]
    within = "" if bound_ms is None else f" ± {max(1, ceil(bound_ms))} ms"
    return Entry("Date and time", f"{taken:%Y-%m-%d %H:%M:%S}.{taken.microsecond // 1000:03d} UTC{within}")


def _red(data: Mapping[str, Any], place: Place) -> str:
    """The lower bound that the event states for the crossing, brought to this picture's instant."""
    at_least_s = data["red_time"]["at_least_s"] + place.t_s - data["crossing"]["t_cross_s"]
    return f"at least {floor(100 * max(0.0, at_least_s)) / 100:.2f} s"  # rounded down, in the driver's favour


def _interval(place: Place) -> str:
    return _seconds(place.times_s[-1] - place.times_s[0], "-") if len(place.times_s) > 1 else "no other image"


def _seconds(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.2f} s"


def _speed(mps: float | None) -> str:
    return "not measured" if mps is None else f"{mps * _KMH_PER_MPS:.0f} km/h ({mps:.1f} m/s)"


def with_block(picture: Image.Image, lines: Sequence[Entry]) -> Image.Image:
    """The picture, untouched, above a block with the lines. Its letters are a 48th of the width high."""
    sheet = _Sheet(picture.width)
    rows = sheet.rows(lines)
    block_height = len(rows) * sheet.row + 2 * sheet.margin
    whole = Image.new("RGB", (picture.width, picture.height + block_height), _GROUND)
    whole.paste(picture, (0, 0))
    draw = ImageDraw.Draw(whole)
    draw.rectangle((0, picture.height, picture.width, picture.height + sheet.margin // 4), fill=_ACCENT)
    for index, row in enumerate(rows):
        for column, entry in enumerate(row):
            left = sheet.margin + column * (sheet.half + sheet.margin)
            top = picture.height + sheet.margin + index * sheet.row
            draw.text((left, top), entry.label, font=sheet.font, fill=_LABEL)
            draw.text((left + sheet.label_px, top), entry.text, font=sheet.font, fill=_TEXT)
    return whole


class _Sheet:
    """Where lines go on a block of a width, all in pixels: ``half`` is the width of one of two columns."""

    def __init__(self, width: int) -> None:
        size = max(10, round(width / 48))
        self.font = ImageFont.load_default(size)
        self.row, self.margin = round(size * 1.55), round(size * 0.9)
        self.half = (width - 3 * self.margin) // 2
        self.whole = width - 2 * self.margin
        self.label_px = 0

    def rows(self, lines: Sequence[Entry]) -> list[list[Entry]]:
        """Two lines beside each other where both fit into half of the width, else one, over several rows if need be."""
        self.label_px = ceil(max(self.font.getlength(entry.label + "  ") for entry in lines))
        rows: list[list[Entry]] = []
        room = False
        for entry in lines:
            fits = self._fits(entry.text, self.half)
            if fits and room:
                rows[-1].append(entry)
            else:
                rows.extend([part] for part in self._wrapped(entry))
            room = fits and not room
        return rows

    def _fits(self, text: str, width: int) -> bool:
        return self.label_px + self.font.getlength(text) <= width

    def _wrapped(self, entry: Entry) -> Iterator[Entry]:
        label, rest = entry.label, entry.text
        while rest:
            count = next((n for n in range(len(rest), 1, -1) if self._fits(rest[:n], self.whole)), 1)
            if count < len(rest) and " " in rest[:count].strip():
                count = rest.rindex(" ", 0, count) + 1
            yield Entry(label, rest[:count].rstrip())
            label, rest = "", rest[count:].lstrip()
