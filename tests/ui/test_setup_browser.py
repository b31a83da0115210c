"""The set-up page in a real browser: from a bare recording to a saved site file, drawn by hand and by one click."""

from __future__ import annotations

import re
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import stopline
from tests.replay.test_fixtures import compared
from tests.ui.browsing import PICTURES, in_chromium, picture, violations
from tests.ui.pages import served
from tests.ui.setuppage import RECORDING, STATE, address, draft, draw_truth, opened, proposed, quiet, truth, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Locator, Route
    from playwright.sync_api import Page as BrowserPage

pytestmark = [in_chromium, pytest.mark.slow]

STEPS = ("lanes", "lamps", "ground", "masks", "trial", "saving")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Wizard:
    """The page as a person uses it."""

    page: BrowserPage

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def open(self, step: str) -> None:
        if not self.page.locator(f"#step-{step}").evaluate("details => details.open"):
            self.page.locator(f"#step-{step} > summary").click()

    def state(self, step: str) -> Locator:
        return self.page.locator(f"#state-{step}")

    def on_screen(self, point: Sequence[float]) -> Point:
        """Where a point of the picture is on the screen."""
        place = self.page.locator("#layers").bounding_box()
        assert place is not None
        factor = place["width"] / 640
        return place["x"] + point[0] * factor, place["y"] + point[1] * factor

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.on_screen(start))
        mouse.down()
        mouse.move(*self.on_screen(end), steps=3)
        mouse.up()

    def asked(self, words: str) -> None:
        """Wait until the page asks for something to be drawn."""
        self.page.locator("#asking p").filter(has_text=words).wait_for()

    def add_lane(self, stop: list[list[float]], confirm: list[list[float]]) -> None:
        self.button("Add a lane").click()
        self.asked("Drag along the stop line")
        self.drag(*stop)
        self.asked("Now drag the confirm line")
        self.drag(*confirm)

    def closer(self, point: Sequence[float], notches: int) -> None:
        """Zoom in at a point with the wheel."""
        self.page.mouse.move(*self.on_screen(point))
        for _ in range(notches):
            self.page.mouse.wheel(0, -300)
        self.page.wait_for_timeout(150)

    def save(self) -> None:
        self.open("saving")
        self.button("Save").click()
        self.page.get_by_role("status").filter(has_text="is written").wait_for()

    def draft(self) -> Any:
        return draft(self.page)

    def settled(self) -> Any:
        """The draft once the server knows of all that was done."""
        before = None
        while before != (now := self.draft()):
            before = now
            self.page.wait_for_timeout(250)
        return now

    def until(self, holds: Callable[[Any], bool], within_s: float = 10) -> Any:
        """The draft that the server judges by, once it is as it should be."""
        end_s = time.monotonic() + within_s
        while not holds(draft := self.draft()):
            assert time.monotonic() < end_s, draft
            self.page.wait_for_timeout(50)
        return draft


# Every word that ever stood in the place of the proposal.
OFFERED = """
window.offered = new Set();
new MutationObserver(() => window.offered.add(document.querySelector("#proposal")?.innerText))
  .observe(document, {childList: true, subtree: true, characterData: true});
"""


@contextmanager
def bare(browser: Browser, site: Path, *more: object) -> Iterator[Wizard]:
    """The page over a recording that has no site file yet."""
    with served(RECORDING.video, "--site", site, "--signal", RECORDING.folder / "lamps.csv", *more) as running:
        page = browser.new_page(viewport={"width": 1200, "height": 960})
        page.add_init_script(OFFERED)
        with quiet(page):
            page.goto(running.address)
            wizard = Wizard(page)
            wizard.button("Add a lane").wait_for()
            yield wizard
        page.close()


@pytest.fixture
def wizard(first: BrowserContext) -> Iterator[Wizard]:
    with opened(first) as page:
        yield Wizard(page)


def replays_to_the_truth(site: Path, out: Path) -> None:
    """Whether a replay by this file finds every passage of the recording with its verdict, and no other."""
    words = ["replay", RECORDING.video, "--site", site, "--signal", RECORDING.folder / "lamps.csv", "--out", out]
    done = stopline(*words, "--no-evidence")
    assert done.code == 0, done.err
    comparison = compared(RECORDING.name, out)
    assert not comparison.missed
    assert not comparison.invented
    for true, row in comparison.pairs:
        assert (row["verdict"], row["phase"]) == (true["verdict"], true["phase"]), (true, row)


def test_a_site_drawn_by_hand_judges_as_the_truth(browser: Browser, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    with bare(browser, site) as wizard:
        assert "no lane yet" in wizard.state("lanes").inner_text()
        wizard.open("saving")
        wizard.page.get_by_text("Not yet possible. Lanes: Add one first.").wait_for()
        wizard.open("lanes")
        for lane in truth()["lanes"]:
            wizard.add_lane(lane["stop_line_px"], lane["confirm_line_px"])
        wizard.state("lanes").filter(has_text="2 lanes").wait_for()
        wizard.open("lamps")
        wizard.page.get_by_label("Shortest lawful amber, in seconds").fill("3")
        wizard.button("Draw the three lamps").click()
        view = truth()["signal_groups"][0]["view"]
        wizard.closer(view["amber_px"][:2], 4)
        for lamp in ("Red", "Amber", "Green"):
            wizard.asked(f"{lamp} lamp")
            box = view[f"{lamp.lower()}_px"]
            wizard.drag(box[:2], box[2:])
        wizard.page.locator(".reading .now").filter(has_text="green").wait_for()
        if PICTURES:
            proposed(wizard.page)
            wizard.page.locator("#lamps").get_by_text("% of 26 s compared").wait_for()
            picture(wizard.page, "setup-lamps")
        wizard.save()
        wizard.state("saving").filter(has_text=re.compile("^\\W*saved")).wait_for()
        assert violations(wizard.page) == []
    drawn = tomllib.loads(site.read_text("utf-8"))
    for lane, true in zip(drawn["lanes"], truth()["lanes"], strict=True):
        assert (lane["id"], lane["signal_group"], lane["contact"]) == (true["id"], "north", "rear")
        assert lane["direction"] == pytest.approx(true["direction"], abs=0.03)
        for key in ("stop_line_px", "confirm_line_px"):
            assert [*lane[key][0], *lane[key][1]] == pytest.approx([*true[key][0], *true[key][1]], abs=0.7)
    north = drawn["signal_groups"][0]
    assert north["min_amber_s"] == 3
    assert all(north["view"][key] == pytest.approx(box, abs=0.2) for key, box in view.items())
    replays_to_the_truth(site, tmp_path / "out")


def test_the_proposal_taken_by_one_click_judges_as_the_truth(browser: Browser, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    with bare(browser, site) as wizard:
        wizard.button("Take the proposal").wait_for(timeout=90_000)
        offered = wizard.page.evaluate("[...window.offered].join(' ')")
        assert "the proposal is being made" in offered
        assert "Too few vehicles" not in offered
        assert wizard.page.locator(".shape.ghost.stop").count() == 2
        assert wizard.page.locator(".shape.ghost.way").count() == 2
        driven = wizard.page.locator("svg.stage path.driven")
        assert 2 <= driven.count() <= 40
        assert all(
            len(way.split("L")) <= 24 for way in driven.evaluate_all("all => all.map((one) => one.getAttribute('d'))")
        )
        assert "vehicles" in wizard.page.locator("#lanes .difference").first.inner_text()
        picture(wizard.page, "setup-proposal")
        wizard.button("Take the proposal").click()
        wizard.page.get_by_text("The proposal is taken. Check each step").wait_for()
        assert not wizard.page.locator(".shape.ghost").count()
        wizard.until(lambda draft: len(draft.get("lanes", [])) == 2)
        wizard.state("trial").filter(has_text="4 passages, 1 violation").wait_for()
        judged = wizard.page.evaluate(STATE)["judged"]["passages"]
        if PICTURES:
            wizard.button("Watch again").click()
            wizard.page.get_by_text("The detector's region is another now").wait_for(state="hidden")
            proposed(wizard.page)
            wizard.page.locator("#proposal progress").wait_for(state="detached")
            picture(wizard.page, "setup-lanes")
        wizard.save()
    true = sorted((one["t_cross_s"], one["lane"], one["verdict"]) for one in RECORDING.truth["passages"])
    found = sorted((one["t_s"], one["lane"], one["verdict"]) for one in judged)
    assert [one[1:] for one in found] == [one[1:] for one in true]
    assert [one[0] for one in found] == pytest.approx([one[0] for one in true], abs=0.35)
    assert len(tomllib.loads(site.read_text("utf-8"))["lanes"]) == 2


def test_who_commissions_a_node_must_be_said_and_what_is_drawn_meanwhile_is_not_saved(
    browser: Browser, tmp_path: Path
) -> None:
    assert stopline("keys", "new", tmp_path / "node.key").code == 0
    node = tmp_path / "node.toml"
    node.write_text('schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n', encoding="utf-8")
    site = tmp_path / "site.toml"
    with bare(browser, site, "--node", node) as wizard:
        lane = truth()["lanes"][0]
        wizard.add_lane(lane["stop_line_px"], lane["confirm_line_px"])
        wizard.until(lambda draft: len(draft.get("lanes", [])) == 1)
        wizard.open("saving")
        wizard.button("Save and commission").click()
        assert wizard.page.get_by_label("Who commissions it").evaluate("field => !field.validity.valid")
        assert not site.exists()
        wizard.page.get_by_label("Who commissions it").fill("A. Installer")
        held: list[Route] = []  # on its way until what is drawn after it has come before it
        wizard.page.route("**/api/save", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
        wizard.button("Save and commission").click()
        assert wizard.button("Saving and commissioning …").is_disabled()
        wizard.page.get_by_label("Its name in full").fill("North arm")
        wizard.page.keyboard.press("Tab")
        wizard.until(lambda draft: draft["site"].get("name") == "North arm")
        held[0].continue_()
        wizard.page.unroute("**/api/save")
        done = wizard.page.get_by_role("status")
        commissioned = done.filter(has_text="Commissioned by A. Installer")
        commissioned.filter(has_text="was changed meanwhile").wait_for(timeout=60_000)
        assert "not saved" in wizard.state("saving").inner_text()
        assert "name" not in tomllib.loads(site.read_text("utf-8"))["site"]
        wizard.button("Save and commission").click()
        wizard.state("saving").filter(has_text=re.compile("^\\W*saved")).wait_for(timeout=60_000)
        commissioned.wait_for()
        assert not wizard.page.get_by_text("was changed meanwhile").count()
        assert violations(wizard.page) == []
    assert tomllib.loads(site.read_text("utf-8"))["site"]["name"] == "North arm"


def handle(wizard: Wizard, place: str) -> Locator:
    return wizard.page.locator(f'[data-handle="{place}"]')


def test_handles_move_by_keys_and_each_change_is_undone_and_redone(wizard: Wizard) -> None:
    before = wizard.draft()["lanes"][0]["stop_line_px"]
    handle(wizard, "lanes.0.stop_line_px.0").focus()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowDown"):
        wizard.page.keyboard.press(key)
    x, y = before[0]
    after = wizard.until(lambda draft: draft["lanes"][0]["stop_line_px"][0] == [round(x - 2, 1), round(y + 10, 1)])
    assert after["lanes"][0]["stop_line_px"][1] == before[1]
    wizard.page.keyboard.press("Control+z")
    wizard.until(lambda draft: draft == truth())
    wizard.page.keyboard.press("Control+Shift+Z")
    wizard.until(lambda draft: draft == after)
    wizard.button("Undo").click()
    wizard.until(lambda draft: draft == truth())
    assert wizard.button("Undo").get_attribute("aria-disabled") == "true"


def test_a_drag_is_one_step_however_long_it_takes(wizard: Wizard) -> None:
    before = truth()["lanes"][0]["stop_line_px"][0]
    wizard.page.mouse.move(*wizard.on_screen(before))
    wizard.page.mouse.down()
    wizard.page.mouse.move(*wizard.on_screen((before[0] + 20, before[1])))
    wizard.page.wait_for_timeout(1600)
    wizard.page.mouse.move(*wizard.on_screen((before[0] + 40, before[1])))
    wizard.page.mouse.up()
    wizard.until(lambda draft: draft["lanes"][0]["stop_line_px"][0][0] > before[0] + 30)
    wizard.button("Undo").click()
    wizard.until(lambda draft: draft == truth())
    wizard.button("Redo").click()
    wizard.until(lambda draft: draft != truth())


def test_another_language_and_a_reload_keep_a_draft_that_is_refused_and_every_step(wizard: Wizard) -> None:
    wizard.drag(truth()["lanes"][0]["confirm_line_px"][0], (262, 230))
    wizard.page.locator("#finding-lanes").filter(has_text="Stop line and confirm line cross").wait_for()
    wizard.page.get_by_role("link", name="Deutsch").click()
    finding = wizard.page.locator("#finding-lanes").filter(has_text="kreuzen sich")
    finding.wait_for()
    wizard.page.reload()
    finding.wait_for()
    assert not wizard.page.get_by_text("in diesem Fenster gezeichnet").count()
    wizard.button("Rückgängig").click()
    finding.wait_for(state="hidden")
    wizard.until(lambda draft: draft == truth())
    wizard.page.get_by_role("link", name="English").click()
    wizard.button("Redo").click()
    wizard.page.locator("#finding-lanes").filter(has_text="Stop line and confirm line cross").wait_for()


def test_a_draft_that_the_server_lost_is_one_step_away(wizard: Wizard, first: BrowserContext) -> None:
    handle(wizard, "lanes.0.stop_line_px.0").focus()
    wizard.page.keyboard.press("ArrowLeft")
    drawn = wizard.settled()
    draw_truth(first)
    wizard.page.reload()
    wizard.page.get_by_text("Undo brings that back").wait_for()
    wizard.button("Undo").click()
    wizard.until(lambda draft: draft == drawn)


def test_a_lost_connection_is_told_and_the_draft_sent_when_it_is_back(first: BrowserContext, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 960})
    context.add_cookies(first.cookies())  # type: ignore[arg-type]
    draw_truth(first)
    page = context.new_page()
    refused: list[str] = []
    page.on("pageerror", lambda error: refused.append(str(error)))
    page.goto(f"{address(first)}?lang=en")
    wizard = Wizard(page)
    handle(wizard, "lanes.0.stop_line_px.0").focus()
    context.set_offline(True)
    page.keyboard.press("ArrowLeft")
    lost = page.locator("#connection p").filter(has_text="Connection lost. Your draft is kept here")
    lost.wait_for()
    assert violations(page) == []
    wizard.button("Snap it to the paint").click()
    page.locator("#asking").get_by_text("The program does not answer.").wait_for()
    assert not page.locator("#finding-lanes:not(:empty)").count()
    context.set_offline(False)
    lost.wait_for(state="detached")
    x, y = truth()["lanes"][0]["stop_line_px"][0]
    wizard.until(lambda draft: draft["lanes"][0]["stop_line_px"][0] == [round(x - 1, 1), y])
    handle(wizard, "lanes.0.stop_line_px.0").focus()
    context.clear_cookies()  # as after a new start of the server, which then knows this page no more
    page.keyboard.press("ArrowLeft")
    closed = page.locator("#connection p").filter(has_text="The program was started anew: open the address")
    closed.wait_for()
    context.add_cookies(first.cookies())  # type: ignore[arg-type]
    closed.wait_for(state="detached")
    wizard.until(lambda draft: draft["lanes"][0]["stop_line_px"][0] == [round(x - 2, 1), y])
    assert refused == []
    context.close()


def test_a_page_that_gets_no_answer_says_so(first: BrowserContext) -> None:
    page = first.new_page()
    page.route("**/api/state", lambda route: route.abort())
    page.goto(f"{address(first)}?lang=en")
    page.get_by_role("alert").filter(has_text="see whether stopline ui still runs").wait_for()
    assert not page.locator(".workspace").is_visible()
    page.close()


def test_the_way_follows_the_lines_until_it_is_turned_by_hand(wizard: Wizard) -> None:
    lane = wizard.draft()["lanes"][0]
    wizard.drag(lane["confirm_line_px"][0], (240, 178))
    moved = wizard.settled()["lanes"][0]
    assert moved["direction"][0] < lane["direction"][0] - 0.1
    handle(wizard, "lanes.0.direction.0").focus()
    wizard.page.keyboard.press("Shift+ArrowRight")
    turned = wizard.settled()["lanes"][0]
    assert turned["direction"][0] > moved["direction"][0] + 0.1
    handle(wizard, "lanes.0.stop_line_px.0").focus()
    wizard.page.keyboard.press("ArrowLeft")
    kept = wizard.settled()["lanes"][0]
    assert kept["stop_line_px"] != turned["stop_line_px"]
    assert kept["direction"] == turned["direction"]
    wizard.button("Let the arrow follow the lines").click()
    assert wizard.settled()["lanes"][0]["direction"] != turned["direction"]


def test_handles_keep_their_size_while_film_overlay_and_drawing_zoom_together(wizard: Wizard) -> None:
    dot = wizard.page.locator('[data-handle="lanes.0.stop_line_px.0"] .dot')
    wizard.page.locator("#view").focus()
    small, (x, y) = dot.bounding_box(), wizard.on_screen(truth()["lanes"][0]["stop_line_px"][0])
    for _ in range(3):
        wizard.page.keyboard.press("+")
    wizard.page.locator(".scale").filter(has_text="338 %").wait_for()
    large = dot.bounding_box()
    assert small is not None
    assert large is not None
    assert large["width"] == pytest.approx(small["width"], abs=1)
    places = [wizard.page.locator(f"#{name}").bounding_box() for name in ("film", "overlay", "stage")]
    assert places[0] == places[1] == places[2]
    at = wizard.on_screen(truth()["lanes"][0]["stop_line_px"][0])
    assert (large["x"] + large["width"] / 2, large["y"] + large["height"] / 2) == pytest.approx(at, abs=1)
    to = wizard.on_screen((300, 140))
    wizard.drag((320, 150), (300, 140))  # nothing is there: the picture goes along
    assert wizard.on_screen((320, 150)) == pytest.approx(to, abs=3)
    assert wizard.draft() == truth()
    wizard.page.keyboard.press("0")
    wizard.page.locator(".scale").filter(has_text="100 %").wait_for()
    assert wizard.on_screen(truth()["lanes"][0]["stop_line_px"][0]) == pytest.approx((x, y), abs=1)


def test_a_lane_can_be_added_by_keys_alone_and_given_up(wizard: Wizard) -> None:
    wizard.button("Add a lane").focus()
    wizard.page.keyboard.press("Enter")
    wizard.asked("Drag along the stop line")
    wizard.page.keyboard.press("Escape")
    wizard.page.locator("#asking").get_by_role("button").first.wait_for(state="detached")
    wizard.button("Add a lane").focus()
    wizard.page.keyboard.press("Enter")
    wizard.asked("Drag along the stop line")
    wizard.page.keyboard.press("Enter")
    wizard.asked("Now drag the confirm line")
    wizard.page.keyboard.press("Enter")
    lanes = wizard.until(lambda draft: len(draft["lanes"]) == 3)["lanes"]
    assert lanes[2]["id"] == "lane-3"
    assert lanes[2]["signal_group"] == "north"


def test_two_clicks_draw_as_well_as_a_drag(wizard: Wizard) -> None:
    wizard.button("Add a lane").click()
    wizard.asked("Drag along the stop line")
    for line in (((60, 300), (160, 300)), ((80, 260), (160, 260))):
        for point in line:
            wizard.page.mouse.click(*wizard.on_screen(point))
    lanes = wizard.until(lambda draft: len(draft["lanes"]) == 3)["lanes"]
    assert [*lanes[2]["stop_line_px"][0], *lanes[2]["stop_line_px"][1]] == pytest.approx([60, 300, 160, 300], abs=0.7)


def test_a_painted_edge_is_offered_and_taken_by_enter(wizard: Wizard) -> None:
    true = truth()["lanes"][1]["stop_line_px"]
    wizard.open("lanes")
    wizard.page.locator("#lanes .card-head").nth(1).click()
    wizard.button("Redraw stop line").click()
    wizard.asked("Drag along the stop line")
    wizard.drag((true[0][0], true[0][1] + 7), (true[1][0], true[1][1] + 6))
    wizard.button("Snap to it (Enter)").wait_for()
    wizard.page.keyboard.press("Enter")
    wizard.until(lambda draft: abs(draft["lanes"][1]["stop_line_px"][0][1] - true[0][1]) < 2)


def test_with_alt_a_line_snaps_at_once(wizard: Wizard) -> None:
    true = truth()["lanes"][0]["stop_line_px"]
    wizard.page.locator("#lanes .difference").first.wait_for(timeout=90_000)  # watched, so that the paint is known
    wizard.button("Redraw stop line").click()
    wizard.asked("Drag along the stop line")
    wizard.page.keyboard.down("Alt")
    wizard.drag((true[0][0], true[0][1] + 7), (true[1][0], true[1][1] + 6))
    wizard.page.keyboard.up("Alt")
    wizard.until(lambda draft: abs(draft["lanes"][0]["stop_line_px"][0][1] - true[0][1]) < 2)


def test_what_is_wrong_is_said_beside_its_step_and_marked(wizard: Wizard) -> None:
    handle(wizard, "lanes.0.confirm_line_px.0").focus()
    for _ in range(4):
        wizard.page.keyboard.press("Shift+ArrowDown")
    finding = wizard.page.locator("#finding-lanes").filter(has_text="Stop line and confirm line cross")
    finding.wait_for()
    assert "lane-1" in finding.inner_text()
    assert "to be mended" in wizard.state("lanes").inner_text()
    assert wizard.page.locator(".shape.wrong").count() == 3
    assert violations(wizard.page) == []
    wizard.open("saving")
    wizard.page.get_by_text("Not yet possible. lane-1: Stop line and confirm line cross").wait_for()
    assert not wizard.page.get_by_role("alert").filter(has_text="Not yet possible").count()
    wizard.button("Save").click()
    wizard.page.get_by_role("alert").filter(has_text="Not yet possible").wait_for()
    assert "_px" not in wizard.page.locator("#saving").inner_text()
    wizard.open("lanes")
    wizard.button("Undo").click()
    finding.wait_for(state="hidden")
    assert not wizard.page.locator(".shape.wrong").count()


def test_ground_and_masks_are_drawn(wizard: Wizard) -> None:
    wizard.open("ground")
    scale = wizard.page.locator(".scale")
    assert scale.inner_text() == "100 %"
    wizard.button("Lay a rectangle on the road").click()
    scale.filter(has_not_text="100 %").wait_for()
    wizard.page.get_by_label("Length along the road, in metres").fill("6")
    wizard.page.get_by_label("Width across the road, in metres").fill("3.2")
    wizard.page.keyboard.press("Tab")
    draft = wizard.until(lambda draft: draft.get("calibration", {}).get("points_m", [[0]])[2] == [3.2, 6])
    assert draft["calibration"]["points_px"][:2] == truth()["lanes"][0]["stop_line_px"]
    wizard.page.locator("#ground").get_by_text("lane-1: 3.2 m wide at the stop line").wait_for()
    assert wizard.page.locator(".grid-m").get_attribute("d").count("L") > 8  # type: ignore[union-attr]
    wizard.page.evaluate("document.activeElement.blur()")
    picture(wizard.page, "setup-ground")
    wizard.open("lanes")
    scale.filter(has_text="100 %").wait_for()
    wizard.open("ground")
    scale.filter(has_not_text="100 %").wait_for()
    wizard.button("Zoom out").click()
    wizard.button("Look closer").click()
    wizard.open("masks")
    scale.filter(has_text="100 %").wait_for()
    wizard.button("Add a mask").click()
    wizard.asked("Drag a box over")
    wizard.drag((500, 30), (600, 150))
    wizard.page.get_by_label("Mask 1: why").fill("windows of a house")
    wizard.page.keyboard.press("Tab")
    (mask,) = wizard.until(lambda draft: draft.get("masks", [{}])[0].get("why") is not None)["masks"]
    assert mask["why"] == "windows of a house"
    assert mask["region_px"] == pytest.approx([500, 30, 600, 150], abs=0.7)


# How an element is laid out over the next half second.
LAID_OUT = """async selector => {
  const found = new Set();
  for (const end = performance.now() + 500; performance.now() < end; ) {
    const element = document.querySelector(selector);
    if (element) found.add(getComputedStyle(element).display);
    await new Promise(requestAnimationFrame);
  }
  return [...found];
}"""


def test_boxes_beside_the_lamps_are_told(wizard: Wizard) -> None:
    wizard.open("lamps")
    wizard.button("Remove the lamps").click()
    wizard.button("Draw the whole head instead").click()
    wizard.asked("Drag a box round the whole signal head")
    wizard.drag((560, 20), (580, 60))
    wizard.page.locator("#lamps").get_by_text("No lamp was read there").wait_for()
    wizard.button("Divide it into three lamps").click()
    assert wizard.page.evaluate(LAID_OUT, "#lamps .reading") == ["block"]
    view = wizard.settled()["signal_groups"][0]["view"]
    assert list(view) == ["red_px", "amber_px", "green_px"]
    assert view["red_px"][3] < view["amber_px"][1]


def test_what_was_offered_or_asked_for_is_over_once_its_lane_is_gone(wizard: Wizard) -> None:
    true = truth()["lanes"][0]["stop_line_px"]
    wizard.page.locator("#lanes .difference").first.wait_for(timeout=90_000)  # watched, so that the paint is known
    wizard.button("Redraw stop line").click()
    wizard.asked("Drag along the stop line")
    wizard.drag((true[0][0], true[0][1] + 7), (true[1][0], true[1][1] + 6))
    wizard.button("Snap to it (Enter)").wait_for()
    wizard.button("Remove the lane").click()
    wizard.button("Snap to it (Enter)").wait_for(state="hidden")
    assert wizard.settled()["lanes"] == truth()["lanes"][1:]
    wizard.button("Redraw confirm line").click()
    wizard.asked("Drag the confirm line")
    wizard.button("Undo").click()  # of the drawing
    wizard.button("Redraw confirm line").click()
    wizard.button("Remove the lane").click()
    wizard.button("Cancel (Esc)").wait_for(state="hidden")
    for count in (1, 2):
        wizard.button("Undo").click()
        wizard.until(lambda draft: len(draft["lanes"]) == count)  # noqa: B023 - used at once
    assert wizard.draft()["lanes"][1] == truth()["lanes"][1]


def test_where_no_number_is_typed_the_one_that_was_there_stays(wizard: Wizard) -> None:
    wizard.open("lamps")
    field = wizard.page.get_by_label("Shortest lawful amber, in seconds")
    field.fill("3.2")
    field.press("Enter")
    wizard.until(lambda draft: draft["signal_groups"][0].get("min_amber_s") == 3.2)
    field.fill("")
    wizard.page.keyboard.type("3e")  # of which a browser makes no number
    field.press("Enter")
    assert field.input_value() == "3.2"
    assert wizard.settled()["signal_groups"][0]["min_amber_s"] == 3.2
    field.fill("")
    field.press("Enter")
    wizard.until(lambda draft: "min_amber_s" not in draft["signal_groups"][0])


def test_a_name_that_is_taken_and_given_back_leaves_every_lane_its_group(wizard: Wizard) -> None:
    wizard.open("lamps")
    wizard.button("Add a signal group").click()
    name = wizard.page.locator("#lamps").get_by_label("Name")
    for words in ("north", "left"):
        name.fill(words)
        name.press("Enter")
        wizard.page.wait_for_timeout(200)
    draft = wizard.until(lambda draft: [one["id"] for one in draft["signal_groups"]] == ["north", "cross", "left"])
    assert {lane["signal_group"] for lane in draft["lanes"]} == {"north"}


def test_a_renamed_group_takes_its_lanes_along(wizard: Wizard) -> None:
    wizard.open("lamps")
    name = wizard.page.locator("#lamps").get_by_label("Name")
    name.fill("main road")
    name.press("Enter")
    wizard.page.locator("#finding-lamps, #finding-lanes").filter(has_text="The name takes letters").first.wait_for()
    name.fill("main-road")
    name.press("Enter")
    draft = wizard.until(lambda draft: draft["signal_groups"][0]["id"] == "main-road")
    assert {lane["signal_group"] for lane in draft["lanes"]} == {"main-road"}


@contextmanager
def telephone(browser: Browser, first: BrowserContext) -> Iterator[Wizard]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    context.add_cookies(first.cookies())  # type: ignore[arg-type]
    draw_truth(first)
    page = context.new_page()
    with quiet(page):
        page.goto(f"{address(first)}?lang=en")
        shown = Wizard(page)
        shown.button("Add a lane").wait_for()
        yield shown
    context.close()


def test_fingers_draw_and_pinch_on_a_telephone(browser: Browser, first: BrowserContext) -> None:
    with telephone(browser, first) as wizard:
        touch = wizard.page.context.new_cdp_session(wizard.page)

        def fingers(kind: str, *points: Point) -> None:
            told = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

        x, y = wizard.on_screen((320, 180))
        fingers("touchStart", (x - 20, y), (x + 20, y))
        for apart in (40, 60, 80):
            fingers("touchMove", (x - apart, y), (x + apart, y))
        fingers("touchEnd")
        zoomed = int(re.sub(r"\D", "", wizard.page.locator(".scale").inner_text()))
        assert 300 <= zoomed <= 500
        picture(wizard.page, "setup-phone")
        end = truth()["lanes"][0]["stop_line_px"][0]
        start = wizard.on_screen(end)
        fingers("touchStart", start)
        fingers("touchMove", (start[0] + 12, start[1]))
        wizard.until(lambda draft: draft != truth())
        fingers("touchStart", (start[0] + 12, start[1]), (x + 60, y))  # a second finger: the drag is given up
        fingers("touchEnd")
        wizard.until(lambda draft: draft == truth())
        assert wizard.button("Undo").get_attribute("aria-disabled") == "true"
        fingers("touchStart", start)
        fingers("touchMove", (start[0] + 12, start[1]))
        fingers("touchMove", (start[0] + 24, start[1]))
        fingers("touchEnd")
        moved = wizard.until(lambda draft: draft["lanes"][0]["stop_line_px"][0] != end)["lanes"][0]["stop_line_px"][0]
        assert moved[0] > end[0] + 5
        assert wizard.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_proposal_stands_right_below_the_picture_on_a_telephone(browser: Browser, first: BrowserContext) -> None:
    watched(first.pages[0])
    with telephone(browser, first) as wizard:
        wizard.button("Take the proposal").wait_for(timeout=90_000)
        tops = [wizard.page.locator(name).bounding_box() for name in ("#view", "#proposal", "#transport", "#timeline")]
        assert [place["y"] for place in tops if place] == sorted(place["y"] for place in tops if place)
        assert wizard.page.locator("svg .caption").all_text_contents() == ["lane-1"]  # of the chosen one alone


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_no_serious_violation_in_any_step(wizard: Wizard, scheme: str, width: int) -> None:
    wizard.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    wizard.page.set_viewport_size({"width": width, "height": 844})
    for step in STEPS:
        wizard.open(step)
        wizard.page.wait_for_timeout(100)
        assert violations(wizard.page) == [], step
    assert wizard.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_read_in_german_and_french(wizard: Wizard) -> None:
    wizard.page.get_by_role("link", name="Deutsch").click()
    wizard.button("Fahrstreifen hinzufügen").click()
    wizard.asked("Die Haltlinie entlang ziehen")
    assert "2 Fahrstreifen" in wizard.state("lanes").inner_text()
    wizard.open("ground")
    wizard.button("Rechteck auf die Straße legen").click()
    wizard.page.locator("#ground").get_by_text("lane-1: 3,5 m breit an der Haltlinie, 9,0 m").wait_for()
    assert wizard.page.locator("svg .measure").first.text_content() == "3,5 m"
    wizard.page.get_by_role("link", name="Français").click()
    wizard.button("Ajouter une voie").wait_for()
    assert "2 voies" in wizard.state("lanes").inner_text()


def test_a_refusal_is_told_in_german(wizard: Wizard, first_site: Path) -> None:
    wizard.page.get_by_role("link", name="Deutsch").click()
    wizard.button("Fahrstreifen hinzufügen").wait_for()
    first_site.write_bytes(first_site.read_bytes() + b"# by somebody else\n")
    wizard.open("saving")
    wizard.button("Speichern").click()
    alert = wizard.page.get_by_role("alert").filter(has_text="von jemand anderem geändert")
    alert.wait_for()
    assert "nicht gespeichert" in wizard.state("saving").inner_text()
    assert violations(wizard.page) == []
    wizard.button("Speichern").click()  # once more: then it is meant
    wizard.page.get_by_role("status").filter(has_text="geschrieben").wait_for()
    assert not alert.count()
    assert first_site.read_bytes().endswith(b"# by somebody else\n")


def test_one_proposed_value_is_taken_and_says_what_it_rests_on(wizard: Wizard) -> None:
    row = wizard.page.locator("#lanes .difference").filter(has_text="Proposed: stop line")
    row.wait_for(timeout=90_000)
    rests_on = row.locator("p").inner_text()
    row.get_by_role("button", name="Take it").click()
    draft = wizard.settled()
    assert draft["lanes"][0]["stop_line_px"] != truth()["lanes"][0]["stop_line_px"]
    assert draft["lanes"][0]["confirm_line_px"] == truth()["lanes"][0]["confirm_line_px"]
    assert rests_on in wizard.page.locator("#lanes .hint").inner_text()
