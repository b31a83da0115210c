"""The recorded cases of ``sim_fixtures/``, each replayed once by the command for all tests that read its results."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import ROOT, Outcome, stopline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = "plain_red_runner"


@dataclass(frozen=True, slots=True)
class Recording:
    """One folder of ``sim_fixtures/``."""

    name: str

    @property
    def folder(self) -> Path:
        return ROOT / "sim_fixtures" / self.name

    @property
    def video(self) -> Path:
        return self.folder / "video.mp4"

    @property
    def truth(self) -> Any:
        """What happened in it, from the simulation."""
        return json.loads((self.folder / "truth.json").read_text(encoding="utf-8"))

    def words(self, out: Path, *more: object) -> list[object]:
        """The command line that replays it."""
        site, lamps = self.folder / "site.toml", self.folder / "lamps.csv"
        return ["replay", self.video, "--site", site, "--signal", lamps, "--out", out, *more]


def recordings() -> list[str]:
    """The names of all recordings whose truth is known."""
    return sorted(file.parent.name for file in ROOT.glob("sim_fixtures/*/truth.json"))


class Replays:
    """Replays recordings two at a time, in the order in which the tests will ask for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="replays")
        self._outcomes: dict[str, Future[Outcome]] = {}

    def begin(self, name: str) -> None:
        """Have a recording replayed soon."""
        if name not in self._outcomes:
            words = Recording(name).words(self._folder / name, "--keep-tracks")
            self._outcomes[name] = self._pool.submit(stopline, *words, timeout_s=280)

    def of(self, name: str) -> Path:
        """The folder of a recording's results, once its replay has ended well."""
        self.begin(name)
        outcome = self._outcomes[name].result()
        assert outcome.code == 0, outcome.err
        return self._folder / name

    def end(self) -> None:
        """Begin no more."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def replays(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replays]:
    """Results of replays; those that the selected tests will want are begun at once."""
    shared = Replays(tmp_path_factory.mktemp("replays"))
    shared.begin(FIRST)  # which many tests look at
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if "recording" in parameters:
            shared.begin(parameters["recording"])
    yield shared
    shared.end()
