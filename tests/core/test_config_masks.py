"""The site file's mask regions: what is taken, and the sentence with its line for each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.config import load_site
from edge.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Site

SITE = """schema = 1
[site]
id = "here"
[camera]
size_px = [640, 360]
[[signal_groups]]
id = "north"
[signal_groups.view]
head_px = [8, 8, 17, 31]
[[lanes]]
id = "left"
signal_group = "north"
stop_line_px = [[100, 200], [200, 220]]
confirm_line_px = [[210, 170], [110, 150]]
direction = [0, -1]
contact = "rear"
"""
FIRST_LINE = SITE.count("\n") + 1


def site(folder: Path, *masks: str) -> Site:
    file = folder / "site.toml"
    file.write_text(SITE + "".join(f"[[masks]]\n{mask}\n" for mask in masks))
    return load_site(file)


def test_a_site_needs_no_masks(tmp_path: Path) -> None:
    assert site(tmp_path).masks == ()


def test_regions_are_read_with_what_they_are_for(tmp_path: Path) -> None:
    house, corner = site(
        tmp_path, 'region_px = [300, 0, 640, 90.5]\nwhy = "a house"', "region_px = [0, 340, 2, 360]"
    ).masks
    assert (house.region_px, house.why) == ((300, 0, 640, 90.5), "a house")
    assert (corner.region_px, corner.why) == ((0, 340, 2, 360), "")


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("[300, 0, 641, 90]", "reaches out of the 640 x 360 picture of camera.size_px: draw it inside"),
        ("[-1, 0, 300, 90]", "reaches out of the 640 x 360 picture"),
        ("[300, 0, 301, 90]", "at least 2 pixels in width and height"),
        ("[300, 90, 640, 0]", "must be [left, top, right, bottom]"),
        ("[300, 0, 640]", "region_px"),
        (
            "[90, 195, 102, 205]",
            'between stop line and confirm line of lane "left", where evidence must show the vehicle',
        ),
        ("[150, 180, 160, 185]", 'of lane "left"'),  # between the lines, on neither
        ("[0, 0, 640, 360]", 'of lane "left"'),
        ("[200, 220, 300, 300]", 'of lane "left"'),  # touches an end
        (
            "[10, 30, 30, 60]",
            'hides head_px of signal group "north", where evidence must show the lamps: move the mask',
        ),
    ],
)
def test_each_mistake_is_named_with_its_line(tmp_path: Path, region: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        site(tmp_path, "region_px = [300, 0, 640, 90]", f"region_px = {region}")
    assert words in str(error.value)
    assert f"line {FIRST_LINE + 3}: masks[2].region_px" in str(error.value)


@pytest.mark.parametrize(
    "region",
    [
        "[17, 8, 60, 31]",  # beside the lamps
        "[8, 31, 17, 60]",
        "[90, 160, 100, 190]",  # its corner lies in the box round the lane, but left of the lane
        "[201, 221, 300, 300]",
    ],
)
def test_what_only_comes_near_is_taken(tmp_path: Path, region: str) -> None:
    assert len(site(tmp_path, f"region_px = {region}").masks) == 1


def test_at_most_32_with_short_words(tmp_path: Path) -> None:
    region = "region_px = [300, 0, 640, 90]"
    assert len(site(tmp_path, *[f'{region}\nwhy = "{"w" * 200}"'] * 32).masks) == 32
    with pytest.raises(ConfigError, match="at most 32"):
        site(tmp_path, *[region] * 33)
    with pytest.raises(ConfigError, match=r"masks\[1\].why: .* 200 characters"):
        site(tmp_path, f'{region}\nwhy = "{"w" * 201}"')
    with pytest.raises(ConfigError, match=r"masks\[1\].reason: is not known here"):
        site(tmp_path, f'{region}\nreason = "none"')
