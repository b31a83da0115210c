"""The review in a real browser, from the address that was printed to a signed decision; pictures of it for the docs."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from edge.decisions import check_chain
from edge.keys import load_public_keys
from tests.command import stopline
from tests.ui.browsing import fresh, in_chromium, picture, shown, violations
from tests.ui.pages import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Response
    from playwright.sync_api import Page as BrowserPage

    from tests.ui.archive import Replayed

pytestmark = [in_chromium, pytest.mark.slow]
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
WIDTHS = pytest.mark.parametrize("width", [1200, 390])
LEFT, RIGHT = (f"it => it.getBoundingClientRect().{side}" for side in ("left", "right"))
CROSSING = "2026-06-02 06:00"


@pytest.fixture(scope="module")
def replay_shown(browser: Browser, replayed_sealed: Replayed) -> Iterator[BrowserPage]:
    """The page of a replay, in which nothing is decided."""
    with (
        served(replayed_sealed.out, *replayed_sealed.words) as running,
        shown(browser, running.address) as page,
    ):
        yield page


@pytest.fixture(scope="module")
def archive_shown(browser: Browser, replayed_sealed: Replayed, archive: Path) -> Iterator[BrowserPage]:
    """The page of a receiver's archive, in which nothing is decided."""
    with (
        served("--store", archive, *replayed_sealed.words) as running,
        shown(browser, running.address) as page,
    ):
        yield page


@pytest.fixture
def page(replay_shown: BrowserPage) -> BrowserPage:
    return fresh(replay_shown)


def test_from_the_address_to_a_signed_decision(browser: Browser, replayed_sealed: Replayed, tmp_path: Path) -> None:
    words = [*replayed_sealed.words, "--decisions", tmp_path / "decisions.jsonl"]
    with served(replayed_sealed.out, *words) as running, shown(browser, running.address) as page:
        assert "token" not in page.url
        page.get_by_role("link", name=CROSSING).click()
        page.get_by_text("Unchanged since it was signed").first.wait_for()
        stills = page.locator("figure img")
        assert stills.count() == 2
        for number in range(2):
            assert stills.nth(number).evaluate("image => image.decode().then(() => image.naturalWidth)") >= 640
        film = page.locator("video")
        film.evaluate("async video => { await video.play(); video.pause(); }")
        film.evaluate("video => { video.currentTime = 6.4; return new Promise(done => video.onseeked = done) }")
        assert film.evaluate("video => video.videoWidth") == 640
        assert film.evaluate("video => video.duration") > 8
        picture(page, "review-case", full=True)
        page.get_by_label("Why it is rejected").select_option(label="an emergency vehicle on duty")
        page.get_by_role("button", name="Reject").click()
        page.get_by_role("status").filter(has_text="rejected").wait_for()
        page.get_by_role("button", name="Confirm").click()
        decided = page.get_by_role("status").filter(has_text="confirmed")
        decided.wait_for()
        assert "signed by the key" in decided.inner_text()
    lines = (tmp_path / "decisions.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["choice"] for line in lines] == ["reject", "confirm"]
    assert list(check_chain(lines, load_public_keys([replayed_sealed.folder / "reviewer.pub.pem"]))) == []


def test_a_case_is_erased_after_a_second_thought(browser: Browser, replayed_sealed: Replayed, tmp_path: Path) -> None:
    out = shutil.copytree(replayed_sealed.out, tmp_path / "out")
    with served(out, *replayed_sealed.words) as running, shown(browser, running.address) as page:
        page.get_by_role("link", name=CROSSING).click()
        button = page.get_by_role("button", name="Erase for good")
        assert not button.is_visible()
        page.get_by_text("Erase this case").click()
        assert page.get_by_text("gone from this folder for good").is_visible()
        assert violations(page) == []
        button.click()
        page.get_by_text("There is no such case.").wait_for()
    assert (out / "events.jsonl").read_bytes() == b""
    assert list((out / "evidence").iterdir()) == []


def test_a_rejection_without_its_reason_is_held_back(page: BrowserPage, replayed_sealed: Replayed) -> None:
    page.get_by_role("link", name=CROSSING).click()
    page.get_by_role("button", name="Reject").click()
    assert not page.get_by_role("status").count()
    assert not (replayed_sealed.out / "decisions.jsonl").exists()


def test_it_works_by_keyboard_alone(page: BrowserPage) -> None:
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/case/**")
    page.keyboard.press("u")
    page.wait_for_url(lambda url: url.endswith("/"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


@SCHEMES
@WIDTHS
@pytest.mark.parametrize("kind", ["replay", "archive"])
def test_axe_finds_no_serious_violation(
    request: pytest.FixtureRequest, replayed_sealed: Replayed, kind: str, scheme: str, width: int
) -> None:
    """The list, a case with the form that decides, and the report of the replay; the archive's has its own tests."""
    page = fresh(request.getfixturevalue(f"{kind}_shown"))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    paths = ["/", f"/case/{replayed_sealed.event_id}"] + ["/report"] * (kind == "replay")
    for path in paths:
        page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        if path.startswith("/case"):
            page.get_by_text("Erase this case").click()
            assert page.get_by_role("button", name="Confirm").is_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if (kind, scheme, width) == ("archive", "dark", 390) and path.startswith("/case"):
            page.evaluate("scrollTo(0, 0)")
            picture(page, "review-phone")


def test_the_list_shows_every_case_of_the_archive(archive_shown: BrowserPage) -> None:
    page = fresh(archive_shown)
    rows = page.locator("table.cases tbody tr")
    assert rows.count() == 13
    assert page.locator("p.lead").inner_text() == "archive"
    assert {row.split("\t")[-1].strip() for row in rows.all_inner_texts()} == {"open", "confirmed", "rejected"}
    picture(page, "review-list", full=True)
    page.get_by_label("State").select_option("reject")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**state=reject**")
    assert rows.count() == 3


def test_header_page_and_footer_stand_under_each_other(page: BrowserPage) -> None:
    """With room to spare, with none, and on a telephone."""
    for width in (1600, 1100, 390):
        page.set_viewport_size({"width": width, "height": 844})
        lefts = [page.locator(place).evaluate(LEFT) for place in (".brand", "main h1", "footer")]
        rights = [page.locator(place).evaluate(RIGHT) for place in ("header nav", "main form", "footer")]
        assert max(lefts) - min(lefts) < 1, (width, lefts)
        assert max(rights) - min(rights) < 1, (width, rights)


def test_it_is_read_in_german_and_french(page: BrowserPage) -> None:
    page.get_by_role("link", name="Deutsch").click()
    page.get_by_role("heading", name="Fälle").wait_for()
    assert re.fullmatch(r"\d,\d\d s", page.locator("td.number").first.inner_text())
    page.get_by_role("link", name=CROSSING).click()
    page.get_by_role("button", name="Bestätigen").wait_for()
    drawn = page.locator("svg text").all_text_contents()
    assert not [words for words in drawn if re.search(r"\d\.\d", words)]
    assert [words for words in drawn if re.fullmatch(r"-?\d,\d", words)]
    page.get_by_role("link", name="Français").click()
    page.get_by_role("button", name="Confirmer").wait_for()


def test_two_pages_in_one_browser_leave_each_other_alone(
    browser: Browser, replay_shown: BrowserPage, archive_shown: BrowserPage
) -> None:
    """The sessions of both in one browser, as if it had opened both addresses one after the other."""
    with browser.new_context() as both:
        for one in (replay_shown, archive_shown):
            both.add_cookies(one.context.cookies())  # type: ignore[arg-type]
        page = both.new_page()
        for one in (replay_shown, archive_shown, replay_shown):
            assert answer(page, fresh(one).url).status == 200
            assert page.get_by_role("heading", name="Cases").is_visible()


def answer(page: BrowserPage, address: str) -> Response:
    got = page.goto(address)
    assert got is not None
    return got


@SCHEMES
def test_the_page_for_printing_is_for_everybody(
    browser: Browser, replayed_sealed: Replayed, tmp_path: Path, scheme: str
) -> None:
    """What ``stopline report`` writes, opened as a file."""
    (bundle,) = (replayed_sealed.out / "evidence").iterdir()
    keys = ["--key", replayed_sealed.folder / "node.pub.pem", "--identity", replayed_sealed.folder / "age.key"]
    done = stopline("report", bundle, *keys, "-o", tmp_path / "case.html")
    assert done.code == 0, done.err
    with shown(browser, (tmp_path / "case.html").as_uri()) as page:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": 1000, "height": 2150})
        assert page.locator(".over").inner_text() == "RED-LIGHT CASE plain-red-runner/edge-1"
        assert violations(page) == []
        if scheme == "light":
            picture(page, "report")


@SCHEMES
def test_a_failure_and_a_closed_page_are_for_everybody(
    browser: Browser, replay_shown: BrowserPage, scheme: str
) -> None:
    address = fresh(replay_shown).url.partition("?")[0]
    with browser.new_context(locale="fr-FR", color_scheme=scheme) as stranger:  # type: ignore[arg-type]
        closed = stranger.new_page()
        assert answer(closed, address).status == 403
        assert closed.get_by_text("Cette page est fermée").is_visible()
        assert closed.evaluate("getComputedStyle(document.body).maxWidth") != "none"
        assert violations(closed) == []
        stranger.add_cookies(replay_shown.context.cookies())
        assert answer(closed, f"{address}case/x?lang=de").status == 404
        assert closed.get_by_text("An dieser Adresse ist nichts oder nichts mehr.").is_visible()
        assert violations(closed) == []
        closed.get_by_role("link", name="Zur ersten Seite").click()
        closed.get_by_role("heading", name="Fälle").wait_for()
