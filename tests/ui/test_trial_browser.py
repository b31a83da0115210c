"""The trial of the set-up page in a real browser: what it draws and when, how fast, and that it judges as a replay."""

from __future__ import annotations

import csv
import json
import shutil
from contextlib import contextmanager
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from PIL import Image

from edge.ui.catalogue import Words
from tests.recordings import FIRST, Recording
from tests.ui import setuppage
from tests.ui.browsing import PICTURES, in_chromium, picture, violations
from tests.ui.pages import served
from tests.ui.setuppage import PUT, until, watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as BrowserPage

    from tests.recordings import Replays

pytestmark = [in_chromium, pytest.mark.slow]

WIDTH, HEIGHT = 1200, 1000
SMALL = (160, 90)


@contextmanager
def set_up(browser: Browser, name: str, folder: Path) -> Iterator[BrowserPage]:
    """The set-up page over a recording with its own site file and lamps, let in and watched to the end."""
    recording = Recording(name)
    site = folder / f"{name}.toml"
    shutil.copy(recording.folder / "site.toml", site)
    with served(recording.video, "--site", site, "--signal", recording.folder / "lamps.csv") as running:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(running.address)
        opened(page)
        watched(page)
        yield page
        page.close()


def opened(page: BrowserPage) -> None:
    page.locator(".transport").wait_for()
    page.evaluate("import('/static/setup/trial.js').then(trial => { window.player = trial.player })")


@pytest.fixture
def page(first: BrowserContext) -> Iterator[BrowserPage]:
    watched(first.pages[0])
    with setuppage.opened(first) as shown:
        shown.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        opened(shown)
        until(shown, "player.seen_s === player.last_s")  # all that was seen is known to this tab, too
        yield shown


def go(page: BrowserPage, t_s: float) -> None:
    page.evaluate("t_s => player.seek(t_s)", t_s)
    arrived(page, t_s)


def arrived(page: BrowserPage, t_s: float, within_s: float = 0.021) -> None:
    """Wait until the player is there: within half a picture."""
    there = "([t_s, within_s]) => Math.abs(player.time_s - t_s) <= within_s && !document.querySelector('#film').seeking"
    until(page, there, [t_s, within_s])


def rows(page: BrowserPage) -> list[tuple[str, str, str]]:
    """The list of passages: time, lane and verdict as they are written."""
    if not page.locator("#step-trial").evaluate("step => step.open"):
        page.locator("#step-trial > summary").click()
        page.locator("#step-trial[open]").wait_for()
    listed = page.locator(".passages li").all()
    parts = [[row.locator(name).inner_text() for name in (".at", ".more", ".verdict")] for row in listed]
    return [(at, more.split(" · ")[0], verdict.strip()) for at, more, verdict in parts]


def expected(folder: Path, language: str = "en") -> list[tuple[str, str, str]]:
    """The same of a replay."""
    said = Words(language)
    with (folder / "passages.csv").open(encoding="utf-8") as file:
        found = sorted((float(row["t_cross_s"]), row["lane"], row["verdict"]) for row in csv.DictReader(file))
    return [(f"{t_s:.2f} s", lane, said(f"verdict {verdict}")) for t_s, lane, verdict in found]


def track_at(folder: Path, verdict: str, t_s: float) -> tuple[float, list[float]]:
    """Of the passage with this verdict, in a replay's kept tracks: the observation nearest to an instant."""
    lines = [json.loads(line) for line in (folder / "tracks.jsonl").read_text(encoding="utf-8").splitlines()]
    [points] = [line["points"] for line in lines if line["verdict"] == verdict]
    nearest = min(points, key=lambda point: abs(point[0] - t_s))
    return nearest[0], nearest[1:5]


@pytest.mark.alone
def test_overlay_keeps_up_while_the_detector_runs_again(page: BrowserPage, record_property: Any) -> None:
    draft = setuppage.draft(page)
    again = page.get_by_role("button", name="Watch again")
    other = page.context.new_page()  # a second tab throws what it has seen away, too
    other.goto(setuppage.address(page.context))
    until(other, "document.querySelector('.transport .state')?.textContent === ''")
    for wanted in ({**draft, "detector": {"region_px": [100, 60, 560, 360]}}, draft):
        assert page.evaluate(PUT, wanted) == 200
        with other.expect_request(lambda request: request.url.endswith("from=0")):
            again.click()  # it is offered, since another region than the draft's was watched
        again.wait_for(state="detached")
        page.locator(".transport .state", has_text="watched").wait_for()
    other.close()
    page.keyboard.press(" ")
    until(page, "player.drawn > 3")
    drawn, seconds, longest_ms = page.evaluate(
        """async () => {
          const busy = () => player.seen_s < player.last_s;
          const [drawn, from] = [player.drawn, performance.now()];
          let [last, longest] = [from, 0];
          const shown = () => { longest = Math.max(longest, performance.now() - last); last = performance.now(); };
          player.addEventListener("time", shown);
          while (busy() && performance.now() - from < 6000) await new Promise((done) => setTimeout(done, 20));
          player.removeEventListener("time", shown);
          return [player.drawn - drawn, (performance.now() - from) / 1000, longest];
        }"""
    )
    record_property("overlay_fps", round(drawn / seconds, 1))
    record_property("overlay_seconds", round(seconds, 1))
    record_property("longest_gap_ms", round(longest_ms))
    assert seconds > 1
    assert drawn / seconds >= 20
    watched(page)


def test_a_picture_has_the_boxes_that_were_seen_in_it(page: BrowserPage, replays: Replays) -> None:
    [runner] = [one for one in Recording(FIRST).truth["passages"] if one["verdict"] == "violation"]
    t_s, (x1, y1, x2, y2) = track_at(replays.of(FIRST), "violation", runner["t_cross_s"] + 0.04)
    go(page, t_s)
    assert y2 == pytest.approx(197.3, abs=9)  # the truth: its rear is at the stop line within a picture's time
    edges = [(x1, (y1 + y2) / 2), (x2, (y1 + y2) / 2), ((x1 + x2) / 2, y2)]
    assert all(drawn(page, edges))
    before = track_at(replays.of(FIRST), "violation", t_s - 0.2)[1]
    assert not drawn(page, [(before[0], before[3])])[0]
    assert len(rows(page)) == 4
    go(page, t_s + 0.2)
    page.evaluate("scrollTo(0, 0)")
    picture(page, "trial-violation")


def drawn(page: BrowserPage, points: list[tuple[float, float]]) -> list[bool]:
    """Whether a violation's colour is drawn at these points of the recording's picture, or beside them."""
    script = """points => {
      const canvas = document.querySelector("#overlay");
      const k = canvas.width / 640;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const pixels = (x, y) => [...copy.getImageData(x * k - 2, y * k - 2, 5, 5).data];
      const is = ([r, g, b, a]) => a > 250 && Math.abs(r - 255) + Math.abs(g - 98) + Math.abs(b - 87) < 24;
      const any = (all) => all.some((_, at) => at % 4 === 0 && is(all.slice(at, at + 4)));
      return points.map(([x, y]) => any(pixels(x, y)));
    }"""
    found: list[bool] = page.evaluate(script, points)
    return found


def test_time_told_while_playing_is_that_of_the_picture_shown(page: BrowserPage, record_property: Any) -> None:
    go(page, 2)
    shots = page.evaluate(
        """size => new Promise((done) => {
          const film = document.querySelector("#film");
          const paper = new OffscreenCanvas(...size).getContext("2d", { willReadFrequently: true });
          const shots = [];
          player.addEventListener("time", () => {
            if (shots.length === 15) { player.pause(); done(shots); }
            paper.drawImage(film, 0, 0, ...size);
            const data = paper.getImageData(0, 0, ...size).data;
            shots.push([player.time_s, Array.from(data).filter((_, at) => at % 4 === 1)]);
          });
          player.play();
        })""",
        SMALL,
    )
    pictures = dict(small_pictures(Recording(FIRST).video, 4.5))
    off = [round((best(pictures, shot) - t_s) * 25) for t_s, shot in shots[1:]]
    record_property("pictures_off", off)
    assert max(map(abs, off)) <= 1
    assert off.count(0) >= 0.8 * len(off)


def small_pictures(video: Path, until_s: float) -> Iterator[tuple[float, NDArray[np.float64]]]:
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if frame.time > until_s:
                return
            image = Image.fromarray(frame.to_ndarray(format="rgb24")).resize(SMALL, Image.Resampling.BOX)
            yield frame.time, np.asarray(image, np.float64)[:, :, 1].ravel()


def best(pictures: dict[float, NDArray[np.float64]], shot: list[int]) -> float:
    """The time of the picture that was shown."""
    return min(pictures, key=lambda t_s: float(np.abs(pictures[t_s] - np.asarray(shot)).mean()))


def test_nothing_in_the_trial_is_written_over_anything_else(page: BrowserPage) -> None:
    assert page.locator("svg .caption").all_text_contents() == ["lane-1", "lane-2"]
    assert len(rows(page)) == 4
    assert not page.locator("svg .caption").count()  # the vehicles have names now, and what is drawn has none
    knob, *times = page.evaluate(
        """[document.querySelector(".axis .head"), ...document.querySelectorAll(".axis text.at")]
          .map((element) => element.getBoundingClientRect().toJSON())"""
    )
    assert knob["x"] == pytest.approx(times[0]["x"], abs=2)  # the play head is at the first tick, 0 s
    assert all(knob["y"] >= time["y"] + time["height"] - 3 for time in times)
    below = [page.locator(name).bounding_box() for name in ("#view", "#transport", "#timeline")]
    gaps = [after["y"] - one["y"] - one["height"] for one, after in pairwise(below) if one and after]
    assert all(0 <= gap < 16 for gap in gaps), gaps  # what is told now and then leaves no hole


def test_axis_is_clicked_dragged_and_steered_by_keys(page: BrowserPage) -> None:
    rail = page.locator(".axis .rail").first.bounding_box()
    assert rail is not None

    def x(t_s: float) -> float:
        return rail["x"] + rail["width"] * t_s / 26

    y = rail["y"] + rail["height"] / 2
    page.mouse.click(x(12), y)
    arrived(page, 12, 0.06)
    page.mouse.move(x(12), y)
    page.mouse.down()
    page.mouse.move(x(15), y, steps=6)
    page.mouse.up()
    arrived(page, 15, 0.06)
    go(page, 5)
    for keys, t_s in [
        (["ArrowRight", "ArrowRight", "ArrowLeft"], 5.04),
        (["Shift+ArrowRight"], 6.04),
        (["n"], 9.61),
        (["n"], 22.86),
        (["p", "p"], 2.42),
        (["Home"], 0),
        (["End"], 25.96),
    ]:
        for key in keys:
            page.locator(".axis").press(key)
            until(page, "!document.querySelector('#film').seeking")
        arrived(page, t_s, 0.03)
    page.locator(".axis").press("]")
    assert page.evaluate("document.querySelector('#film').playbackRate") == 2
    go(page, 10)
    said = page.locator(".axis").get_attribute("aria-valuetext")
    assert said == "10.00 s, north: red, cross: red"
    page.locator(".axis .crossing.is-violation").click()
    arrived(page, 9.61, 0.03)


def test_a_handle_keeps_its_keys(page: BrowserPage) -> None:
    go(page, 5)
    handle = page.locator("#stage [tabindex='0']").first
    handle.focus()
    handle.press("ArrowRight")
    handle.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert page.evaluate("player.time_s") == pytest.approx(5, abs=0.021)


def test_passages_are_those_of_a_replay(page: BrowserPage, replays: Replays) -> None:
    assert rows(page) == expected(replays.of(FIRST))


@pytest.mark.parametrize("recording", ["lamp_fault"])
def test_passages_under_lamps_at_fault_are_those_of_a_replay(
    browser: Browser, replays: Replays, recording: str, tmp_path: Path
) -> None:
    with set_up(browser, recording, tmp_path) as page:
        page.locator(".passages li").nth(3).wait_for(state="attached")
        assert rows(page) == expected(replays.of(recording))
        go(page, 12)
        if PICTURES:
            setuppage.proposed(page)
        picture(page, "trial-lamp-fault")


def test_a_passage_is_chosen_and_filtered(page: BrowserPage) -> None:
    assert len(rows(page)) == 4
    page.get_by_role("button", name="violation").click()
    arrived(page, 9.61, 0.03)
    page.get_by_label("Verdict").select_option("violation")
    assert [verdict for _, _, verdict in rows(page)] == ["violation"]
    assert page.locator(".crossing.faint").count() == 3
    page.locator(".axis").press("p")
    page.wait_for_timeout(200)
    assert page.evaluate("player.time_s") == pytest.approx(9.61, abs=0.03)  # there is no other before it


def test_a_moved_line_is_judged_at_once_from_what_was_stored(page: BrowserPage, record_property: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before = rows(page)
    moved = setuppage.draft(page)
    took_ms = []
    for turn in range(12):
        up = -2 if turn % 2 == 0 else 2
        for lane in moved["lanes"]:
            lane["stop_line_px"] = [[x, y + up] for x, y in lane["stop_line_px"]]
        started = page.evaluate("performance.now()")
        assert page.evaluate(PUT, moved) == 200
        took_ms.append(page.evaluate("performance.now()") - started)
    page.wait_for_timeout(600)
    assert rows(page) == before
    record_property("judged_again_median_ms", round(median(took_ms)))
    assert median(took_ms) < 500
    assert not [url for url in asked if "/api/watch" in url or "/api/tracks" in url]


def test_it_plays_where_the_browser_does_not_tell_of_pictures(page: BrowserPage) -> None:
    page.add_init_script("delete HTMLVideoElement.prototype.requestVideoFrameCallback")
    page.reload()
    opened(page)
    page.keyboard.press(" ")
    until(page, "player.drawn > 10 && player.time_s > 0.5")
    page.keyboard.press(" ")
    assert not page.evaluate("player.playing")


def test_the_last_verdict_is_told_while_playing(page: BrowserPage) -> None:
    go(page, 10.2)
    page.keyboard.press(" ")
    told = page.locator('[aria-live="polite"].news')
    told.filter(has_text="lane-2, car: violation · red for 2.61 s").wait_for()
    page.keyboard.press(" ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDTH, 390])
def test_axe_finds_no_serious_violation_in_the_trial(page: BrowserPage, scheme: Any, width: int) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    assert len(rows(page)) == 4
    go(page, 11)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if (scheme, width) in {("dark", WIDTH), ("light", 390)}:
        page.set_viewport_size({"width": width, "height": HEIGHT if width == WIDTH else 844})
        page.evaluate("scrollTo(0, 0)")
        picture(page, "trial-dark" if scheme == "dark" else "trial-phone")


def test_the_trial_is_read_in_german(page: BrowserPage, replays: Replays) -> None:
    page.goto(f"{setuppage.address(page.context)}?lang=de")
    opened(page)
    assert page.locator(".transport .clock").inner_text() == "0,00 s / 26,00 s"
    wanted = [(at.replace(".", ","), lane, said) for at, lane, said in expected(replays.of(FIRST), "de")]
    assert rows(page) == wanted
