"""The review in a real browser, from the address that was printed to a signed decision; pictures of it for the docs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.keys import load_public_keys
from edge.ui.decisions import check_chain
from tests.command import stopline
from tests.recordings import Recording
from tests.ui.browsing import in_chromium, picture, violations
from tests.ui.pages import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

pytestmark = [in_chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def sealed_replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording replayed by a node that seals its evidence, with what it takes to review it."""
    folder = tmp_path_factory.mktemp("review")
    identity = pyrage.x25519.Identity.generate()
    (folder / "age.key").write_text(str(identity), encoding="utf-8")
    for name in ("node.key", "reviewer.key"):
        assert stopline("keys", "new", folder / name).code == 0
    recipient = identity.to_public()
    (folder / "node.toml").write_text(
        f'schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n[evidence]\nrecipients = ["{recipient}"]\n',
        encoding="utf-8",
    )
    recording = Recording("plain_red_runner")
    start = ("--start", "2026-05-04T06:00:00Z")
    done = stopline(*recording.words(folder / "out", "--node", folder / "node.toml", *start))
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def page(browser: Browser, sealed_replay: Path) -> Iterator[BrowserPage]:
    """The list of cases in a browser that has just used the address; what went wrong in it fails the test."""
    (sealed_replay / "out/decisions.jsonl").unlink(missing_ok=True)
    words = ["--key", sealed_replay / "node.pub.pem", "--identity", sealed_replay / "age.key"]
    with served(sealed_replay / "out", *words, "--sign-with", sealed_replay / "reviewer.key") as running:
        shown = browser.new_page(viewport={"width": 1200, "height": 900})
        troubles: list[str] = []
        shown.on(
            "console",
            lambda said: troubles.append(f"{said.text} {said.location}") if said.type in {"error", "warning"} else None,
        )
        shown.on("pageerror", lambda error: troubles.append(str(error)))
        shown.goto(running.address)
        yield shown
        shown.close()
        assert troubles == []


def test_from_the_address_to_a_signed_decision(page: BrowserPage, sealed_replay: Path) -> None:
    assert "token" not in page.url
    picture(page, "review-list")
    page.get_by_role("link", name="2026-05-04 06:00").click()
    page.get_by_text("unchanged since it was signed").first.wait_for()
    stills = page.locator("figure img")
    assert stills.count() == 2
    for number in range(2):
        assert stills.nth(number).evaluate("image => image.decode().then(() => image.naturalWidth)") >= 640
    film = page.locator("video")
    film.evaluate("video => { video.currentTime = 1; return new Promise(done => video.onseeked = done) }")
    assert film.evaluate("video => video.videoWidth") == 640
    assert film.evaluate("video => video.duration") > 8
    picture(page, "review-case")
    page.get_by_label("Why it is rejected").select_option(label="an emergency vehicle on duty")
    page.get_by_role("button", name="Reject").click()
    page.get_by_role("status").filter(has_text="rejected").wait_for()
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("status").filter(has_text="confirmed").wait_for()
    lines = (sealed_replay / "out/decisions.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["choice"] for line in lines] == ["reject", "confirm"]
    assert check_chain(lines, load_public_keys([sealed_replay / "reviewer.pub.pem"])) == []


def test_a_rejection_without_its_reason_is_held_back(page: BrowserPage, sealed_replay: Path) -> None:
    page.get_by_role("link", name="2026-05-04 06:00").click()
    page.get_by_role("button", name="Reject").click()
    assert not page.get_by_role("status").count()
    assert not (sealed_replay / "out/decisions.jsonl").exists()


def test_it_works_by_keyboard_alone(page: BrowserPage) -> None:
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/case/**")
    page.keyboard.press("u")
    page.wait_for_url(lambda url: url.endswith("/"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_no_serious_violation(page: BrowserPage, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    assert violations(page) == []
    page.get_by_role("link", name="2026-05-04 06:00").click()
    page.wait_for_url("**/case/**")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if (scheme, width) == ("dark", 390):
        picture(page, "review-phone")


def test_it_is_read_in_german_and_french(page: BrowserPage) -> None:
    page.get_by_role("link", name="Deutsch").click()
    page.get_by_role("heading", name="Fälle").wait_for()
    page.get_by_role("link", name="2026-05-04 06:00").click()
    page.get_by_role("button", name="Bestätigen").wait_for()
    page.get_by_role("link", name="Français").click()
    page.get_by_role("button", name="Confirmer").wait_for()
