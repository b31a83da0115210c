"""The site file's lamp regions: what is taken, and the sentence with its line for each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.config import load_site
from edge.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from edge.config import Site

LAMPS = ("red_px = [10, 10, 15, 15]", "amber_px = [10, 17, 15, 22]", "green_px = [10, 24, 15, 29]")
HEAD = "head_px = [8, 8, 17, 31]"


def site(folder: Path, *view: str) -> Site:
    file = folder / "site.toml"
    lines = [
        "schema = 1",
        "[site]",
        'id = "here"',
        "[camera]",
        "size_px = [640, 360]",
        "[[signal_groups]]",
        'id = "north"',
    ]
    lines += ["[signal_groups.view]", *view]
    lines += ["[[lanes]]", 'id = "lane"', 'signal_group = "north"', "stop_line_px = [[100, 200], [200, 200]]"]
    lines += ["confirm_line_px = [[100, 150], [200, 150]]", "direction = [0, -1]", 'contact = "rear"']
    file.write_text("\n".join(lines) + "\n")
    return load_site(file)


def test_a_box_a_lamp_or_one_for_the_head(tmp_path: Path) -> None:
    by_lamp, by_head = site(tmp_path, *LAMPS).group("north").view, site(tmp_path, HEAD).group("north").view
    assert by_lamp is not None
    assert by_head is not None
    assert by_lamp.regions == {
        "red_px": (10, 10, 15, 15),
        "amber_px": (10, 17, 15, 22),
        "green_px": (10, 24, 15, 29),
    }
    assert by_head.regions == {"head_px": (8, 8, 17, 31)}


@pytest.mark.parametrize(
    ("view", "line", "words"),
    [
        ((), 8, "name a box for each lamp (red_px, amber_px, green_px), or head_px alone"),
        (LAMPS[:2], 8, "name a box for each lamp"),
        ((*LAMPS, HEAD), 8, "name a box for each lamp"),
        ((HEAD, LAMPS[0]), 8, "name a box for each lamp"),
        (("head_px = [8, 8, 9, 31]",), 9, "at least 2 pixels in width and height"),
        (("head_px = [17, 8, 8, 31]",), 9, "must be [left, top, right, bottom]"),
        (("head_px = [8, 8, 17]",), 9, "head_px"),
        ((*LAMPS[:2], "green_px = [10, 340, 15, 365]"), 11, "reaches out of the 640 x 360 picture"),
        (("head_px = [-1, 8, 17, 31]",), 9, "reaches out of the 640 x 360 picture"),
        (("heads_px = [8, 8, 17, 31]",), 9, "is not known here"),
    ],
)
def test_each_mistake_is_named_with_its_line(tmp_path: Path, view: tuple[str, ...], line: int, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        site(tmp_path, *view)
    assert words in str(error.value)
    assert f"line {line}:" in str(error.value)
    assert "signal_groups[1].view" in str(error.value)
