from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from edge.evidence.datablock import Entry, Place, entries, with_block
from tests.cases import EVENT_ID, unsigned

BEFORE = Place(1, (41.7, 42.3), "before the stop line on red")
PAST = Place(2, (41.7, 42.3), "past the confirm line on red")


def told(document: dict[str, Any], place: Place, site_name: str = "") -> dict[str, str]:
    return {entry.label: entry.text for entry in entries(document, place, site_name)}


def test_a_block_says_everything_that_a_reader_must_know() -> None:
    assert told(unsigned(), BEFORE, "Main Street and 3rd") == {
        "Image": "1 of 2, before the stop line on red",
        "Site": "main-and-3rd, Main Street and 3rd",
        "Lane": "through, signal group north",
        "Date and time": "2025-06-14 06:00:41.700 UTC ± 13 ms",
        "Red shown for": "at least 1.35 s",
        "Amber before it": "3.20 s",
        "Between the images": "0.60 s",
        "Speed": "not measured",
        "Verdict": "needs review by a person",
        "Node": "edge-1",
        "Event": EVENT_ID,
    }


def test_the_second_picture_was_taken_later() -> None:
    lines = told(unsigned(), PAST)
    assert lines["Image"] == "2 of 2, past the confirm line on red"
    assert lines["Site"] == "main-and-3rd"
    assert lines["Date and time"].startswith("2025-06-14 06:00:42.300 UTC")
    assert lines["Red shown for"] == "at least 1.95 s"


def test_red_is_never_said_to_have_lasted_longer_than_is_certain() -> None:
    document: Any = unsigned()
    for at_least_s in (0.009, 0.1234, 1.239, 1.2399999):
        document["data"]["red_time"]["at_least_s"] = at_least_s
        place = Place(1, (document["data"]["crossing"]["t_cross_s"],), "past the confirm line on red")
        stated_s = float(told(document, place)["Red shown for"].split()[2])
        assert at_least_s - 0.0101 <= stated_s <= at_least_s


def test_red_before_its_certain_beginning_is_no_negative_time() -> None:
    assert told(unsigned(), Place(1, (30.0,), "before the stop line"))["Red shown for"] == "at least 0.00 s"


def test_a_recording_without_utc_says_so() -> None:
    document: Any = unsigned()
    del document["time"]
    document["data"]["clock"] = {"basis": "recording", "utc_bound_ms": None}
    lines = told(document, BEFORE)
    assert lines["Recording time"] == "41.700 s (UTC unknown)"
    assert "Date and time" not in lines


def test_what_was_not_measured_is_not_made_up() -> None:
    document: Any = unsigned()
    document["data"]["amber"]["measured_s"] = None
    document["data"]["speed_mps"] = 13.9
    lines = told(document, Place(1, (41.7,), "before the stop line on red"))
    assert lines["Amber before it"] == "not measured"
    assert lines["Between the images"] == "no other image"
    assert lines["Speed"] == "50 km/h (13.9 m/s)"


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (1920, 1080)])
def test_the_picture_stays_as_it_was_above_the_block(size: tuple[int, int]) -> None:
    picture = Image.effect_noise(size, 80).convert("RGB")
    sheet = with_block(picture, entries(unsigned(), BEFORE, "Main Street and 3rd"))
    assert sheet.width == size[0]
    assert sheet.height > size[1] + 60
    assert (np.asarray(sheet)[: size[1]] == np.asarray(picture)).all()


@pytest.mark.parametrize("width", [320, 640, 1280, 1920])
def test_every_line_can_be_read_and_none_is_cut_off(width: int) -> None:
    lines = (
        *entries(unsigned(), BEFORE, "Main Street and 3rd"),
        Entry("Long", "w" * 30),
        Entry("Longer", "wide " * 60),
    )
    height = width * 9 // 16
    block = np.asarray(with_block(Image.new("RGB", (width, height)), lines))[height:].astype(int)
    text = (block.min(axis=2) > 120)[8:]
    margin = max(4, width // 100)
    assert text.any()
    assert not text[:, :margin].any()
    assert not text[:, -margin:].any()
    lines_high = runs(text.any(axis=1))
    assert len(lines_high) >= 7
    assert np.median(lines_high) >= width / 80


def runs(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> list[int]:
    """Heights of the stretches of rows in which there is text."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], rows.astype(int), [0]))))
    return [int(end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def test_the_font_is_one_that_scales() -> None:
    assert isinstance(ImageFont.load_default(20), ImageFont.FreeTypeFont)
