"""The monthly report in a real browser: to be read in any light and width, by keyboard, on one sheet, as CSV."""

from __future__ import annotations

import csv
import io
import re
import time
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest

from edge.messages import encoded
from edge.receive.hearing import hear
from edge.receive.store import open_store
from edge.receive.tallies import read_health
from edge.ui.decisions import Choice, Journal, Reason
from tests.receive.fleet_of_cases import made
from tests.receive.health_of_nodes import health
from tests.receive.messages import judged
from tests.ui.browsing import in_chromium, picture, violations
from tests.ui.pages import served
from tests.verify.casefile import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

pytestmark = [in_chromium, pytest.mark.slow]

MONTH = "2026-05"
START_MS = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000


def a_months_messages(node: int) -> Iterator[tuple[int, bytes]]:
    """A node's ``health`` at each hour of a month; one node is started anew in the middle, one loses a day."""
    dice = Random(node)  # noqa: S311 - the same month every time
    passages = {"on_green": 0, "on_amber": 0, "violation": 0, "within_grace": 0, "rear_margin": 0, "doubtful_track": 0}
    ambers: dict[str, int] = {}
    since, number = 0, 0
    for hour in range(1, 31 * 24):
        if node == 2 and hour == 300:
            since, number, ambers, passages = hour, 0, {}, dict.fromkeys(passages, 0)
        number += 1
        for verdict, at_most in (("on_green", 240), ("on_amber", 18), ("within_grace", 3)):
            passages[verdict] += dice.randint(0, at_most)
        passages["violation"] += hour % 120 == 0
        for name in ("rear_margin", "doubtful_track"):
            passages[name] += dice.random() < 0.05
        for _ in range(40):
            length = f"{dice.gauss(3.04, 0.015):.2f}"
            ambers[length] = ambers.get(length, 0) + 1
        if node == 2 and 500 <= hour < 524:
            continue
        is_night = node == 1 and hour % 24 < 2 and hour > 24
        said = health(
            number,
            (hour - since) * 3600.0 + 10,
            run=f"{node * 1000 + since:016x}",
            passages=passages,
            ambers=dict(ambers),
            faults={"short_amber": sum(n for name, n in ambers.items() if float(name) < 3), "dark": hour // 200},
            armed=not is_night,
            for_s=min(3600.0, (hour - since) * 3600.0),
            reasons=("picture",) if is_night else (),
            group="north",
            reopened=hour // 250,
        )
        yield START_MS + hour * HOUR_MS, encoded(said)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("monthly") / "archive"
    with open_store(str(folder)) as store:
        cases = [
            made(number, f"edge-{1 + number % 2}", time=f"{MONTH}-{number:02}T08:00:00.000000Z")
            for number in range(1, 13)
        ]
        store.take(judged(*(message for case in cases for message in case.messages)), time.time_ns() // 1_000_000)
        journal, at = Journal(folder / "decisions.jsonl"), datetime(2026, 6, 1, tzinfo=UTC)
        rejected = [Reason.PICTURE_UNCLEAR, Reason.MADE_WAY, Reason.PICTURE_UNCLEAR]
        for case, reason in zip(cases[:10], [*rejected, *[None] * 7], strict=True):
            journal.add(Choice.REJECT if reason else Choice.CONFIRM, reason, case.sha256, at, KEY)
        for node in (1, 2):
            origin = f"main-and-3rd/edge-{node}"
            heard = [read_health(origin, payload, at_ms) for at_ms, payload in a_months_messages(node)]
            assert None not in heard
            hear(store, [one for one in heard if one is not None], {origin})
    (folder / "node.pub.pem").write_bytes(KEY.public.pem)
    return folder


@pytest.fixture(scope="module")
def entered(browser: Browser, archive: Path) -> Iterator[BrowserPage]:
    """The page of the archive; what goes wrong in the browser, and what the policy forbids, fails the tests."""
    with served("--store", archive) as running:
        shown = browser.new_page(viewport={"width": 1200, "height": 900})
        troubles: list[str] = []
        shown.on("console", lambda said: troubles.append(said.text) if said.type in {"error", "warning"} else None)
        shown.on("pageerror", lambda error: troubles.append(str(error)))
        shown.goto(running.address)
        yield shown
        shown.close()
        assert troubles == []


@pytest.fixture
def page(entered: BrowserPage) -> BrowserPage:
    entered.emulate_media(color_scheme="light", media="screen")
    entered.set_viewport_size({"width": 1200, "height": 900})
    entered.goto(f"{entered.url.split('/', 3)[0]}//{entered.url.split('/')[2]}/?lang=en")
    entered.get_by_role("link", name="Monthly report").click()
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
    assert len(download.value.path().read_text("utf-8").splitlines()) == 13


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
