"""What the set-up page says beyond its template: its scripts' sentences, and what is wrong with a draft."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import pytest

from edge.config import PlaceError, site_of
from edge.ui.catalogue import LANGUAGES, _messages
from tests.command import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS = sorted((ROOT / "edge/ui/static/setup").glob("*.js"))
SAID = {words for file in SCRIPTS for words in re.findall(r'\bt\(\s*"([^"]+)"', file.read_text("utf-8"))}
SAID |= {f"{name} of {{lane}}" for name in ("Stop line", "Confirm line")}

LANE = {
    "id": "lane-1",
    "signal_group": "north",
    "stop_line_px": [[100, 200], [200, 200]],
    "confirm_line_px": [[100, 100], [200, 100]],
    "direction": [0, -1],
    "contact": "rear",
}
DRAFT = {
    "schema": 1,
    "site": {"id": "site"},
    "camera": {"size_px": [640, 360]},
    "signal_groups": [{"id": "north"}],
    "lanes": [LANE],
}
FLAT = {"points_px": [[0, 0], [1, 0], [2, 0], [5, 5]], "points_m": [[0, 0], [1, 0], [1, 1], [0, 1]]}

# What a hand can do wrong on the page.
MISTAKES: dict[str, Callable[[Any], object]] = {
    "no lane": lambda site: site.update(lanes=[]),
    "name with a blank": lambda site: site["lanes"][0].update(id="lane 1"),
    "name twice": lambda site: site["lanes"].append(LANE),
    "arrow along the line": lambda site: site["lanes"][0].update(direction=[1, 0]),
    "arrow turned round": lambda site: site["lanes"][0].update(direction=[0, 1]),
    "lines that cross": lambda site: site["lanes"][0].update(confirm_line_px=[[100, 250], [200, 100]]),
    "a line of no length": lambda site: site["lanes"][0].update(stop_line_px=[[100, 200], [100, 200]]),
    "a line outside": lambda site: site["lanes"][0].update(stop_line_px=[[-100, 200], [-5, 200]]),
    "one lamp of three": lambda site: site["signal_groups"][0].update(view={"red_px": [1, 1, 5, 5]}),
    "a lamp of no size": lambda site: site["signal_groups"][0].update(view={"head_px": [1, 1, 2, 5]}),
    "a lamp outside": lambda site: site["signal_groups"][0].update(view={"head_px": [-5, 1, 9, 9]}),
    "a flat rectangle": lambda site: site.update(calibration=FLAT),
    "a mask over the lane": lambda site: site.update(masks=[{"region_px": [90, 90, 200, 210]}]),
    "too small a region": lambda site: site.update(detector={"region_px": [500, 90, 505, 210]}),
}


def as_the_page_asks(words: str) -> str:
    """The key of a finding in the catalogue, as findings.js forms it: names and sizes are carried over."""
    letters = iter("abc")
    return re.sub(r"\d+ x \d+", "{size}", re.sub(r'"[^"]*"', lambda _: f'"{{{next(letters)}}}"', words), count=1)


def test_the_scripts_say_something() -> None:
    assert len(SCRIPTS) > 15
    assert len(SAID) > 100


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_each_sentence_of_the_scripts_is_translated(language: str) -> None:
    assert not {words for words in SAID if language not in _messages().get(words, {})}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_with_a_draft_is_told_plainly_in_every_language(mistake: str) -> None:
    draft = copy.deepcopy(DRAFT)
    site_of(draft)
    MISTAKES[mistake](draft)
    with pytest.raises(PlaceError) as found:
        site_of(draft)
    said = _messages()[as_the_page_asks(str(found.value))]
    assert set(said) == set(LANGUAGES)
    assert "_px" not in said["en"]
