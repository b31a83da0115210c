"""Ten recordings set up in a browser by taking what the program proposes: opened, taken, saved; then replayed.

The ten are those of ``sim_fixtures/`` with three passages or more: a rule that was set before anything was measured.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.command import Outcome, passages, stopline
from tests.recordings import Recording, recordings
from tests.ui.browsing import in_chromium
from tests.ui.pages import served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = [in_chromium, pytest.mark.slow]
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


def test_the_proposal_taken_and_saved_replays_to_the_truth_in_eight_of_ten(browser: Browser, tmp_path: Path) -> None:
    assert len(TEN) == 10
    replays: dict[str, Future[Outcome]] = {}
    with ThreadPoolExecutor(1) as pool:
        for name in TEN:
            site = tmp_path / f"{name}.toml"
            taken_and_saved(browser, name, site)
            recording, out = Recording(name), tmp_path / name
            words = ["--site", site, "--signal", recording.folder / "lamps.csv", "--out", out, "--no-evidence"]
            replays[name] = pool.submit(stopline, "replay", recording.video, *words, timeout_s=280)
    for name, done in replays.items():
        assert done.result().code == 0, (name, done.result().err)
    right = [name for name in TEN if gives_its_truth(name, tmp_path / name)]
    assert len(right) >= 8, sorted(set(TEN) - set(right))
