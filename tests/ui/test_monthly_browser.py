"""The monthly report in a real browser: to be read in any light and width, by keyboard, on one sheet, as CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest

from tests.ui.archive import MONTH
from tests.ui.browsing import fresh, in_chromium, picture, shown, violations
from tests.ui.pages import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

    from tests.ui.archive import Replayed

pytestmark = [in_chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def entered(browser: Browser, replayed_sealed: Replayed, archive: Path) -> Iterator[BrowserPage]:
    """The page of the archive."""
    with served("--store", archive, *replayed_sealed.words) as running, shown(browser, running.address) as page:
        yield page


@pytest.fixture
def page(entered: BrowserPage) -> BrowserPage:
    fresh(entered).get_by_role("link", name="Monthly report").click()
    entered.get_by_label("Month").select_option(MONTH)
    entered.get_by_role("button", name="Show").click()
    entered.get_by_role("heading", name=f"Monthly report {MONTH}").wait_for()
    return entered


def test_the_month_is_told_with_what_it_rests_on(page: BrowserPage) -> None:
    for heading in ("Passages by verdict", "Amber lengths", "Faults", "Uptime", "What these figures rest on"):
        assert page.get_by_role("heading", name=heading, exact=True).is_visible()
    assert page.get_by_text("These messages are not signed").is_visible()
    decisions = page.locator("section[aria-labelledby=decisions] tbody tr").all_inner_texts()
    assert [row.split("\t")[-1].strip() for row in decisions] == ["7", "2", "3", "2", "1"]
    rows = page.locator("section[aria-labelledby=uptime] tbody tr")
    assert rows.count() == 2
    assert "picture" in rows.nth(0).inner_text()
    widths = page.locator("section[aria-labelledby=verdicts] rect.part").evaluate_all(
        "rects => rects.map(rect => rect.getBoundingClientRect().width)"
    )
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 100
    assert page.locator("svg.lengths rect.red").count() >= 1
    picture(page, "review-report", full=True)


def test_one_node_is_told_alone_by_keyboard(page: BrowserPage) -> None:
    page.get_by_label("Node").focus()
    page.keyboard.press("m")  # chooses the first that begins so
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**node=main-and-3rd**")
    assert page.locator("section[aria-labelledby=uptime] tbody tr").count() == 1


def test_it_fits_on_one_sheet_of_paper(page: BrowserPage) -> None:
    page.emulate_media(media="print")
    raw = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", raw)) == 1
    assert not page.get_by_role("button", name="Show").is_visible()
    assert page.get_by_role("heading", name="Amber lengths").is_visible()


def test_its_tables_and_the_list_are_downloaded(page: BrowserPage) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name="amber lengths").click()
    assert download.value.suggested_filename == f"stopline-ambers-{MONTH}.csv"
    rows = list(csv.reader(io.StringIO(download.value.path().read_text("utf-8"), newline="")))
    assert [row[1:3] for row in rows[1:]] == [["main-and-3rd/edge-1", "north"], ["main-and-3rd/edge-2", "north"]]
    page.get_by_role("link", name="Stopline").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="This list for a spreadsheet (CSV)").click()
    assert download.value.suggested_filename == "stopline-cases.csv"
    assert len(download.value.path().read_text("utf-8").splitlines()) == 14


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_no_serious_violation_in_the_report(page: BrowserPage, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("language", "heading"), [("Deutsch", "Gelbzeiten"), ("Français", "Durées du jaune")])
def test_it_is_read_in_other_languages(page: BrowserPage, language: str, heading: str) -> None:
    page.get_by_role("link", name=language).click()
    page.get_by_role("heading", name=heading).wait_for()
