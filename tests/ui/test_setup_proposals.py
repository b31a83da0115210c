"""Ten recordings set up in a browser by taking what the program proposes: opened, taken, saved; then replayed.

The ten are those of ``sim_fixtures/`` with three passages or more: a rule that was set before anything was measured.
"""

from __future__ import annotations

import tomllib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.command import Outcome, passages, stopline
from tests.recordings import Recording, recordings
from tests.ui.browsing import in_chromium
from tests.ui.pages import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

# Ten recordings are watched, and replayed once or twice each.
pytestmark = [in_chromium, pytest.mark.slow, pytest.mark.timeout(900)]
TEN = [name for name in recordings() if len(Recording(name).truth["passages"]) >= 3]
WITHIN_S = 0.35


def taken_and_saved(browser: Browser, name: str, site: Path) -> None:
    """What a person does who believes the program."""
    recording = Recording(name)
    with served(recording.video, "--site", site, "--signal", recording.folder / "lamps.csv") as running:
        page = browser.new_page()
        page.goto(running.address)
        page.get_by_role("button", name="Take the proposal").click(timeout=60_000)
        page.locator("#step-saving summary").click()
        page.locator("#saving").get_by_role("button", name="Save").click()
        page.locator("#saving").get_by_role("status").wait_for()
        page.close()


def gives_its_truth(name: str, out: Path) -> bool:
    """Whether every passage is there in its lane, at its time, with its verdict, and no other."""
    true = sorted((one["t_cross_s"], one["lane"], one["verdict"]) for one in Recording(name).truth["passages"])
    found = sorted((float(row["t_cross_s"]), row["lane"], row["verdict"]) for row in passages(out))
    return [one[1:] for one in true] == [one[1:] for one in found] and all(
        abs(a[0] - b[0]) <= WITHIN_S for a, b in zip(true, found, strict=True)
    )


def replayed(name: str, site: Path, signal: object, out: Path) -> Outcome:
    """The recording judged by the saved file and these lamps."""
    words = ["--site", site, "--signal", signal, "--out", out, "--no-evidence"]
    return stopline("replay", Recording(name).video, *words, timeout_s=280)


def has_head(site: Path) -> bool:
    """Whether the saved file says where the lamps of its lanes are in the picture."""
    tables = tomllib.loads(site.read_text("utf-8"))
    obeyed = tables["lanes"][0]["signal_group"]
    return any("view" in group for group in tables["signal_groups"] if group["id"] == obeyed)


class Judged:
    """The replays of all ten: by the recorded lamps, begun as each site is saved, then by those in the picture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="proposals")
        self._replays: dict[str, dict[str, Future[Outcome]]] = {"lamps": {}, "view": {}}

    def begin(self, kind: str, name: str, signal: object) -> None:
        """Have a recording judged by its saved site and these lamps."""
        out = self._folder / f"{name}-{kind}"
        self._replays[kind][name] = self.pool.submit(replayed, name, self.site(name), signal, out)

    def site(self, name: str) -> Path:
        """The site file that is saved for a recording."""
        return self._folder / f"{name}.toml"

    def right(self, kind: str) -> dict[str, bool]:
        """Of each recording that could be judged so, whether that gave its truth."""
        for name, done in self._replays[kind].items():
            assert done.result().code == 0, (name, done.result().err)
        return {name: gives_its_truth(name, self._folder / f"{name}-{kind}") for name in self._replays[kind]}


@pytest.fixture(scope="module")
def judged(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    replays = Judged(tmp_path_factory.mktemp("proposals"))
    for name in TEN:
        taken_and_saved(browser, name, replays.site(name))
        replays.begin("lamps", name, Recording(name).folder / "lamps.csv")
    for name in TEN:
        if has_head(replays.site(name)):
            replays.begin("view", name, "view")
    yield replays
    replays.pool.shutdown(cancel_futures=True)


def test_the_proposal_taken_and_saved_replays_to_the_truth_in_eight_of_ten(judged: Judged) -> None:
    right = judged.right("lamps")
    assert len(right) == 10
    assert sum(right.values()) >= 8, right


def test_it_does_by_the_picture_alone_in_four_of_the_six_whose_lamps_are_found_in_it(judged: Judged) -> None:
    """In one of the others the camera is turned away from the lamps; in one, turning on red is allowed."""
    right = judged.right("view")
    assert len(right) == 6
    assert sum(right.values()) >= 4, right
