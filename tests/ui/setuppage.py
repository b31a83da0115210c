"""The set-up page as the browser tests use it: the draft that its server keeps, and a console that must stay empty."""

from __future__ import annotations

import time
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.recordings import FIRST, Recording
from tests.ui.browsing import playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

RECORDING = Recording(FIRST)
STATE = "fetch('/api/state').then(answer => answer.json())"
PUT = (
    "site => fetch('/api/site', {method: 'PUT', body: JSON.stringify(site),"
    " headers: {'content-type': 'application/json'}}).then(answer => answer.status)"
)
_OF_A_DRAFT_THAT_IS_NONE_YET = "the server responded with a status of 422"


def truth() -> Any:
    """The recording's own site file."""
    return tomllib.loads((RECORDING.folder / "site.toml").read_text("utf-8"))


def draft(page: Page) -> Any:
    """What the server judges by."""
    return page.evaluate(f"{STATE}.then(({{site}}) => site)")


def until(page: Page, expression: str, argument: Any = None, within_s: float = 20) -> None:
    """Wait until JavaScript says so. Playwright has a way that the page's policy forbids: words evaluated in it."""
    end_s = time.monotonic() + within_s
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end_s, expression
        page.wait_for_timeout(40)


def watched(page: Page) -> None:
    """Wait until the recording has been watched."""
    until(page, f"{STATE}.then(({{watch}}) => watch.done)", within_s=90)


def proposed(page: Page) -> None:
    """Wait until it has been watched and nothing more will be proposed."""
    until(page, f"{STATE}.then(({{proposed}}) => proposed)", within_s=90)


def address(context: BrowserContext) -> str:
    """Where the page of a context that was let in is."""
    return context.pages[0].url.partition("?")[0]


def draw_truth(context: BrowserContext) -> None:
    """Have the server judge by the recording's own site file."""
    origin = address(context).removesuffix("/setup")
    answer = context.request.put(f"{origin}/api/site", data=truth(), headers={"origin": origin})
    assert answer.status == 200, answer.text()


@contextmanager
def opened(context: BrowserContext) -> Iterator[Page]:
    """The page in a tab of its own, in English, the draft as the site file has it; its console must stay empty."""
    draw_truth(context)
    page = context.new_page()
    with quiet(page):
        page.goto(f"{address(context)}?lang=en")
        page.locator("#lanes .card").first.wait_for()
        yield page
    page.close()


@contextmanager
def quiet(page: Page) -> Iterator[list[str]]:
    """Nothing may be said on the page's console meanwhile, by its policy least of all."""
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.set_default_timeout(15_000)
    try:
        yield troubles
    except playwright.Error as error:
        raise AssertionError(troubles) from error
    assert [trouble for trouble in troubles if _OF_A_DRAFT_THAT_IS_NONE_YET not in trouble] == []
