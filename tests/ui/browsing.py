"""Debian's Chromium driven by Playwright, and what every page is held to; pictures of pages for the docs."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the extra browser is not installed: script/bootstrap browser"
)
CHROMIUM = shutil.which("chromium")
in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt install chromium)")
# What keeps Chromium from looking for its maker's servers; without a sandbox of its own it runs as root, too.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Where pictures for the docs go, if anywhere: docs/pictures, say.
PICTURES = os.environ.get("STOPLINE_PICTURES")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; Playwright's driver can run but once at a time."""
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@contextmanager
def shown(browser: Browser, address: str) -> Iterator[Page]:
    """A page in a browser of its own; what goes wrong in it, and what its policy forbids, fails at the end."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    troubles: list[str] = []
    page.on(
        "console",
        lambda said: troubles.append(f"{said.text} {said.location}") if said.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(address)
    yield page
    page.close()
    assert troubles == []


def fresh(page: Page, path: str = "/") -> Page:
    """The same page as if it had just been opened: in English, light and wide."""
    page.emulate_media(color_scheme="light", media="screen")
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto("/".join(page.url.split("/", 3)[:3]) + f"{path}{'&' if '?' in path else '?'}lang=en")
    return page


def picture(page: Page, name: str, *, full: bool = False) -> None:
    """Keep what is shown, where that was asked for."""
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.jpg", type="jpeg", quality=80, full_page=full)


def violations(page: Page) -> list[str]:
    """What axe-core finds that is serious or worse."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}" for one in found if one["impact"] in {"serious", "critical"}]
