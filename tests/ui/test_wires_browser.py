"""A node set up in a browser before its own camera, its lamps on wires: seen while they are wired, tried, saved."""

from __future__ import annotations

import json
import tomllib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge.keys import create_key
from tests.live import free_udp_port, live
from tests.ui.browsing import in_chromium, picture, violations
from tests.ui.pins import NORTH, served_on_node
from tests.ui.setuppage import RECORDING, quiet, truth

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

pytestmark = [in_chromium, pytest.mark.slow, pytest.mark.alone]
STATE = "fetch('/api/state').then(answer => answer.json())"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The node file, and beside it a site file with lanes and no lamps."""
    create_key(tmp_path / "node.key")
    file = tmp_path / "node.toml"
    file.write_text('schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n', encoding="utf-8")
    lines = (RECORDING.folder / "site.toml").read_text(encoding="utf-8").splitlines()
    view = lines.index("[signal_groups.view]")
    (tmp_path / "site.toml").write_text("\n".join([*lines[:view], *lines[view + 4 :]]) + "\n", encoding="utf-8")
    return file


def state(page: BrowserPage) -> Any:
    return page.evaluate(STATE)


def open_lamps(page: BrowserPage) -> None:
    """Once the page's scripts are there: before that a step opens by itself and closes again."""
    page.get_by_role("button", name="Add a lane").wait_for()
    page.locator("#step-lamps > summary").click()


def test_wires_are_entered_seen_tried_and_saved(browser: Browser, node: Path) -> None:
    port = free_udp_port()
    camera = f"udp://127.0.0.1:{port}"
    site = node.with_name("site.toml")
    with ExitStack() as stack:
        with live(RECORDING.video, port, 25):
            words = ["--node", node, "--site", site, "--for", 5]
            wired = stack.enter_context(served_on_node(camera, *words, lit="red"))
        page = browser.new_page(viewport={"width": 1200, "height": 960})
        with quiet(page):
            page.goto(wired.page.address)
            open_lamps(page)
            card = page.locator("#lamps .card").first
            for lamp, number in NORTH.numbers():
                card.get_by_label(f"{lamp.capitalize()} lamp: GPIO (BCM)").fill(str(number))
            page.keyboard.press("Tab")
            wires = card.locator(".wire p")
            wires.filter(has_text="lit").wait_for()
            assert wires.all_inner_texts() == [" lit", " dark", " dark"]
            wired.show("green")
            wires.nth(2).filter(has_text="lit").wait_for()
            assert wires.all_inner_texts() == [" dark", " dark", " lit"]
            card.get_by_text("The camera was filmed before the lamps were wired like this").wait_for()
            page.locator("#state-lamps").filter(has_text="north: lamps not tried yet").wait_for()
            assert violations(page) == []
            page.locator("#rule").get_by_label("Red that is forgiven, in seconds").fill("0.7")
            page.keyboard.press("Tab")
            page.evaluate("document.activeElement.blur()")
            picture(page, "setup-wires")
            known = state(page)
            assert known["judged"]["lamps"]["north"]["source"] == "none"
            assert (known["video"]["duration_s"], known["take"]["number"]) == (pytest.approx(5, abs=0.3), 1)
        with quiet(page), live(RECORDING.video, port, 25), page.expect_navigation(timeout=40_000):
            card.get_by_role("button", name="Film the camera once more").click()
            page.locator("#taking").get_by_text("The camera is being filmed").wait_for()
        with quiet(page):
            open_lamps(page)
            card.get_by_text("As the inputs were").wait_for()
            page.locator("#state-lamps").filter(has_text="every lane's lamps are known").wait_for()
            known = state(page)
            assert known["judged"]["lamps"]["north"]["source"] == "wires"
            assert {band[2] for band in known["judged"]["lamps"]["north"]["bands"]} == {"green"}
            page.locator("#step-saving > summary").click()
            page.get_by_label("Who commissions it").fill("A. Installer")
            page.get_by_role("button", name="Save and commission").click()
            done = page.get_by_role("status").filter(has_text="Commissioned by A. Installer")
            done.wait_for(timeout=60_000)
            command = f"stopline run {camera} --site {site} --node {node}"
            assert done.locator("pre").inner_text() == command
        page.close()
    saved = tomllib.loads(site.read_text("utf-8"))
    north = truth()["signal_groups"][0]
    del north["view"]
    assert saved["signal_groups"][0] == {**north, "pins": {lamp.value: number for lamp, number in NORTH.numbers()}}
    assert saved["rule"]["grace_s"] == 0.7
    assert json.loads((node.parent / "state/commissioned.json").read_bytes())["by"] == "A. Installer"


@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has GPIO")
def test_without_inputs_the_page_says_so_and_goes_on(browser: Browser, node: Path) -> None:
    """This machine has no GPIO, as a laptop has none: the camera alone is set up."""
    from tests.command import running_stopline
    from tests.ui.pages import Page

    port = free_udp_port()
    words = ["--node", node, "--site", node.with_name("new.toml"), "--for", 5, "--no-browser"]
    with live(RECORDING.video, port, 15), running_stopline("ui", f"udp://127.0.0.1:{port}", *words) as process:
        assert process.stdout is not None
        running = Page(process.stdout.readline().strip())
        page = browser.new_page()
        with quiet(page):
            page.goto(running.address)
            open_lamps(page)
            for lamp, number in NORTH.numbers():
                page.get_by_label(f"{lamp.capitalize()} lamp: GPIO (BCM)").fill(str(number))
            page.keyboard.press("Tab")
            page.get_by_role("alert").filter(has_text="The lamp inputs cannot be read: this machine's GPIO").wait_for()
            assert state(page)["video"]["duration_s"] == pytest.approx(5, abs=0.3)
        page.close()
