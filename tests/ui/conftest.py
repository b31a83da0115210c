from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.ui.pages import folder_of, served
from tests.verify.casefile import CaseFile, casefile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext

pytest.importorskip("starlette", reason="the page's extra is not installed: pip install 'stopline[ui]'")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens pages of its own in it."""
    from tests.ui.browsing import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def first_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site file of ``first``: the first recording's own."""
    from tests.ui.setuppage import RECORDING

    site = tmp_path_factory.mktemp("first") / "site.toml"
    shutil.copy(RECORDING.folder / "site.toml", site)
    return site


@pytest.fixture(scope="session")
def first(browser: Browser, first_site: Path) -> Iterator[BrowserContext]:
    """A browser that was let in to the set-up page over the first recording, with its site file and lamps.

    One page for all tests that leave behind nothing but a draft: who opens it draws the site file's first.
    """
    from tests.ui.browsing import PICTURES
    from tests.ui.setuppage import RECORDING, proposed

    with served(RECORDING.video, "--site", first_site, "--signal", RECORDING.folder / "lamps.csv") as running:
        context = browser.new_context(viewport={"width": 1200, "height": 960})
        page = context.new_page()
        page.goto(running.address)
        if PICTURES:
            proposed(page)  # pictures are of what a page looks like in the end
        yield context
        context.close()


@pytest.fixture
def one_case(tmp_path: Path) -> CaseFile:
    return casefile(tmp_path / "site").finish()


@pytest.fixture
def replayed(tmp_path: Path, one_case: CaseFile) -> Path:
    return folder_of(tmp_path / "out", one_case)
