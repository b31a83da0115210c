"""Modules of the set-up page by themselves, in a real browser: that each can be read, and what some of them reckon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui.browsing import in_chromium
from tests.ui.test_scripts import SCRIPTS

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [in_chromium, pytest.mark.slow]


@pytest.fixture
def page(first: BrowserContext) -> Page:
    return first.pages[0]


def test_every_module_is_read_without_a_mistake(page: Page) -> None:
    reading = "names => Promise.all(names.map(name => import(`/static/setup/${name}`).then(() => null, String)))"
    said = page.evaluate(reading, [file.name for file in SCRIPTS])
    assert [trouble for trouble in said if trouble] == []


def test_a_proposal_that_is_taken_keeps_what_a_person_said(page: Page) -> None:
    lane = {"contact": "rear", "direction": [0, -1]}
    drawn = {
        "signal_groups": [{"id": "main", "min_amber_s": 3}, {"id": "left", "pins": {"red": 1}}],
        "lanes": [
            {**lane, **at(100), "id": "bus", "signal_group": "main", "turn_on_red": "allowed"},
            {**lane, **at(500), "id": "unseen", "signal_group": "left"},
        ],
        "detector": {"region_px": [0, 0, 9, 9]},
    }
    proposal = {
        "signal_groups": [{"id": "signal-1", "view": {"head_px": [1, 2, 3, 4]}}],
        "lanes": [
            {**lane, **at(104), "id": "lane-1", "signal_group": "signal-1", "turn_on_red": "forbidden"},
            {**lane, **at(300), "id": "bus", "signal_group": "signal-1", "turn_on_red": "forbidden"},
        ],
        "detector": {"region_px": [5, 5, 8, 8]},
    }
    reckon = """async ([drawn, proposal]) => {
      const { takeAll, isTaken } = await import("/static/setup/proposals.js");
      const taken = takeAll(drawn, proposal);
      return [taken, isTaken(drawn, proposal), isTaken(taken, proposal)];
    }"""
    taken, before, after = page.evaluate(reckon, [drawn, proposal])
    assert (before, after) == (False, True)
    assert taken["signal_groups"] == [
        {**drawn["signal_groups"][0], "view": {"head_px": [1, 2, 3, 4]}},
        drawn["signal_groups"][1],
    ]
    assert taken["lanes"] == [
        {**drawn["lanes"][0], **at(104)},
        drawn["lanes"][1],
        {**proposal["lanes"][1], "id": "lane-3", "signal_group": "main"},
    ]
    assert taken["detector"] == drawn["detector"]
    fresh = {"signal_groups": [{"id": "signal-1"}], "lanes": []}
    taken, _, after = page.evaluate(reckon, [fresh, proposal])
    assert (taken, after) == (proposal, True)


def at(x: int) -> dict[str, list[list[int]]]:
    """A lane's two lines."""
    return {"stop_line_px": [[x, 300], [x + 80, 300]], "confirm_line_px": [[x, 260], [x + 80, 260]]}


def test_lamps_agree_for_the_time_that_both_know_alone(page: Page) -> None:
    agreed = page.evaluate(
        """async () => {
          const { agreement } = await import("/static/setup/lampreading.js");
          const red = (...spans) => spans.map((span) => [...span, "red"]);
          return [
            agreement(red([0, 20]), red([0, 8]), 0, 26), // recorded as far as it has been watched
            agreement(red([0, 20]), red([0, 20]), 0, 8), // both, but watched only so far
            agreement([[0, 4, "red"], [4, 8, "unknown"]], red([0, 8]), 0, 8), // not read where it was red
            agreement(red([0, 8]), [[0, 2, "red"], [2, 8, "fault"]], 0, 8), // the record tells no phase
            agreement(red([0, 8]), [], 0, 8),
          ].map(({ share, compared_s }) => [share, compared_s]);
        }"""
    )
    assert agreed == [[1, 8], [1, 8], [0.5, 8], [1, 2], [None, 0]]


def test_lamps_seen_are_shown_as_far_as_the_recording_has_been_watched(page: Page) -> None:
    right_s = page.evaluate(
        """async () => {
          const { Timeline } = await import("/static/setup/timeline.js");
          const place = document.body.appendChild(document.createElement("div"));
          const north = { source: "timeline", bands: [[0, 8, "red", null]], seen: [[0, 20, "red"], [20, 26, "green"]] };
          const store = {
            t: (words) => words, site: { lanes: [] }, watch: { until_s: 8 },
            judged: { until_s: 8, lamps: { north }, passages: [] },
          };
          new Timeline(place, store, { time_s: 0, first_s: 0, last_s: 26, playing: false }).draw();
          const box = (selector) => place.querySelector(selector).getBoundingClientRect();
          const rail = box(".rail");
          const ends = [...place.querySelectorAll(".band")].map((band) => band.getBoundingClientRect().right);
          place.remove();
          return ends.map((end) => 26 * (end - rail.left) / rail.width);
        }"""
    )
    assert right_s == pytest.approx([8, 8], abs=0.1)


def test_what_lamps_showed_last_is_kept_for_each_group(page: Page) -> None:
    shown = page.evaluate(
        """async () => {
          const { LampReading } = await import("/static/setup/lampreading.js");
          const store = { watch: { done: true }, connection: "open", lamps: async (view) => [[0, 26, view.is]] };
          const reading = new LampReading(store, () => {});
          const [north, south] = ["green", "red"].map((is) => ({ id: is, view: { is } }));
          for (const group of [north, south]) reading.of(group);
          await new Promise((done) => setTimeout(done, 300));
          const moved = { ...north, view: { is: "amber" } };
          const said = ({ bands, fresh }) => [bands[0][2], fresh];
          return [north, south, moved].map((group) => said(reading.of(group)));
        }"""
    )
    assert shown == [["green", True], ["red", True], ["green", False]]


def test_no_label_lies_over_another(page: Page) -> None:
    fitted, captions = page.evaluate(
        """async () => {
          const { Labels } = await import("/static/setup/labels.js");
          const { captionsOf } = await import("/static/setup/captions.js");
          const canvas = document.body.appendChild(document.createElement("canvas"));
          const labels = new Labels(canvas);
          labels.fit(1);
          labels.begin();
          const [van, truck] = [labels.of("van 1", "#fff"), labels.of("truck 2", "#fff")];
          const fitted = [[van, [40, 40]], [truck, [60, 50]], [truck, [60, 70]]].map((one) => labels.fits(...one));
          canvas.remove();
          const line = (caption, x, chosen) =>
            ({ caption, chosen, kind: "line", value: [[x, 50], [x + 20, 50]] });
          const lines = [line("north-a", 100, false), line("north-b", 120, true), line("north-c", 300, false)];
          const shown = (width) => [...captionsOf(lines, { width, pixel: 1 }).keys()].map(({ caption }) => caption);
          return [fitted, [shown(712), shown(390)]];
        }"""
    )
    assert fitted == [True, False, True]
    assert captions == [["north-b", "north-c"], ["north-b"]]


def test_figures_are_written_as_the_reader_writes_them(page: Page) -> None:
    written = page.evaluate(
        """async () => {
          const { figure, seconds } = await import("/static/setup/figures.js");
          const before = document.documentElement.lang;
          const all = ["en", "de", "fr"].map((language) => {
            document.documentElement.lang = language;
            return [figure(3.5), figure(9, 1), figure(1102, 0), seconds(2.614)];
          });
          document.documentElement.lang = before;
          return all;
        }"""
    )
    assert written == [["3.5", "9.0", "1102", "2.61 s"], *[["3,5", "9,0", "1102", "2,61 s"]] * 2]


def test_lamps_drawn_where_they_are_proposed_are_not_proposed_again(page: Page) -> None:
    same = page.evaluate(
        """async () => {
          const { sameHead } = await import("/static/setup/proposals.js");
          const proposed = { red_px: [100, 20, 110, 30], amber_px: [100, 32, 110, 42], green_px: [100, 44, 110, 54] };
          const red = (box) => ({ ...proposed, red_px: box });
          return [red([101, 19, 111, 31]), red([102, 20, 112, 30]), { head_px: [100, 20, 110, 54] }]
            .map((view) => sameHead(view, proposed));
        }"""
    )
    assert same == [True, False, False]
