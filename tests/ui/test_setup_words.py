"""What is wrong with a draft is said to somebody who draws, in every language: by the page's own findings.js."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from edge.config import PlaceError, site_of
from edge.ui.bench import told_problem
from edge.ui.catalogue import LANGUAGES, Words
from tests.ui.browsing import in_chromium

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext

pytestmark = [in_chromium, pytest.mark.slow]

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

# What a hand can do wrong on the page, and in a file that is opened with it.
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
    "a mask over the lamps": lambda site: (
        site["signal_groups"][0].update(view={"head_px": [300, 20, 320, 60]}),
        site.update(masks=[{"region_px": [290, 10, 330, 50]}]),
    ),
    "too many lanes": lambda site: site.update(lanes=[{**LANE, "id": f"lane-{number}"} for number in range(33)]),
    "an arrow to nowhere": lambda site: site["lanes"][0].update(direction=[0, 0]),
    "a group that is none": lambda site: site["lanes"][0].update(signal_group="south"),
    "an amber below nought": lambda site: site["signal_groups"][0].update(min_amber_s=-1),
    "an amber of hours": lambda site: site["signal_groups"][0].update(min_amber_s=5000.5),
    "a phase of no length": lambda site: site["signal_groups"][0].update(max_phase_s=0),
    "words for a number": lambda site: site.update(rule={"grace_s": "long"}),
    "a number in quotation marks": lambda site: site["signal_groups"][0].update(min_amber_s="3"),
    "yes for a number": lambda site: site["signal_groups"][0].update(min_amber_s=True),
    "a number for yes": lambda site: site["signal_groups"][0].update(active_low=1),
    "a pin in quotation marks": lambda site: site["signal_groups"][0].update(pins={"red": "1", "amber": 2, "green": 3}),
    "a list for a number": lambda site: site.update(rule={"grace_s": [1]}),
    "no finite number": lambda site: site.update(rule={"grace_s": float("inf")}),
    "a pin of words": lambda site: site["signal_groups"][0].update(pins={"red": "a", "amber": 1, "green": 2}),
    "half a pin": lambda site: site["signal_groups"][0].update(pins={"red": 1.5, "amber": 1, "green": 2}),
    "a list for a pin": lambda site: site["signal_groups"][0].update(pins={"red": [1], "amber": 1, "green": 2}),
    "one pin twice": lambda site: site["signal_groups"][0].update(pins={"red": 1, "amber": 1, "green": 2}),
    "neither yes nor no": lambda site: site["signal_groups"][0].update(active_low="perhaps"),
    "a name of numbers": lambda site: site["site"].update(name=5),
    "a long name": lambda site: site["site"].update(name="x" * 201),
    "no end of a vehicle": lambda site: site["lanes"][0].update(contact="side"),
    "half a permission": lambda site: site["lanes"][0].update(turn_on_red="sometimes"),
    "a lane without a line": lambda site: site["lanes"][0].pop("stop_line_px"),
    "a line of one number": lambda site: site["lanes"][0].update(stop_line_px=1),
    "a word that means nothing": lambda site: site["lanes"][0].update(colour="red"),
    "an odd stream": lambda site: site["camera"].update(stream_px=[641, 360]),
    "a stream of another form": lambda site: site["camera"].update(stream_px=[640, 480]),
    "a small picture of another form": lambda site: site["camera"].update(detect_px=[320, 320]),
    "a large small picture": lambda site: site["camera"].update(detect_px=[1280, 720]),
    "one table for lanes": lambda site: site.update(lanes={}),
    "a number for a table": lambda site: site.update(rule=1),
    "another version": lambda site: site.update(schema=2),
    "too long an exposure": lambda site: site["camera"].update(max_exposure_us=150_000),
}

# findings.js with a page that knows no more than a problem, a draft and a language's words.
SAID = """async ({problems, words, site}) => {
  const { findingIn } = await import("/static/setup/findings.js");
  const fill = (words, values) => words.replace(/\\{(\\w+)\\}/g, (whole, name) => values[name] ?? whole);
  const knows = (key) => key in words;
  const t = (key, values = {}) => fill(words[key] ?? key, values);
  return problems.map((problem) => findingIn({ t, site, store: { problem, knows } }));
}"""


def told_in(context: BrowserContext, language: str, problems: list[dict[str, str]]) -> list[str]:
    sent = {"problems": problems, "words": Words(language).said, "site": DRAFT}
    told: list[str] = context.pages[0].evaluate(SAID, sent)
    return told


def test_what_is_wrong_with_a_draft_is_told_plainly_in_every_language(first: BrowserContext) -> None:
    site_of(DRAFT)
    problems = [problem_of(mistake) for mistake in MISTAKES.values()]
    told = {language: told_in(first, language, problems) for language in LANGUAGES}
    for language, all_said in told.items():
        lead = Words(language)("in the site file, {at}: {words}").partition("{")[0]
        assert [said for said in all_said if lead in said or "{" in said] == []
        for problem, said in zip(problems, all_said, strict=True):
            assert "_px" not in said or problem["at"].startswith("camera")
            assert language == "en" or problem["words"] not in said
        assert language == "en" or not set(all_said) & set(told["en"])


def problem_of(mistake: Callable[[Any], object]) -> dict[str, str]:
    draft = copy.deepcopy(DRAFT)
    mistake(draft)
    with pytest.raises(PlaceError) as found:
        site_of(draft)
    return told_problem(found.value)


@pytest.mark.parametrize(
    ("language", "lead"), [("en", "In the site file"), ("de", "auf Englisch"), ("fr", "en anglais")]
)
def test_what_nobody_translated_comes_behind_a_lead(first: BrowserContext, language: str, lead: str) -> None:
    problem = {"at": "rule.grace_s", "words": "is something new"}
    (told,) = told_in(first, language, [problem])
    assert lead in told
    assert told.endswith("rule.grace_s: is something new" if language == "en" else ": is something new")
