"""The command line called inside the test's process, and small inputs that are good until a test spoils one."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from edge import cli
from tests.broker import MOSQUITTO, Mosquitto
from tests.command import Outcome
from tests.recordings import FIRST
from tests.sources.videos import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.recordings import Replays

SITE = """schema = 1

[site]
id = "main-and-3rd"

[camera]
size_px = [160, 96]

[[signal_groups]]
id = "north"

[[lanes]]
id = "through"
signal_group = "north"
stop_line_px = [[20, 60], [140, 60]]
confirm_line_px = [[20, 30], [140, 30]]
direction = [0.0, -1.0]
contact = "rear"
"""
LAMPS = "t_s,group,red,amber,green\n-4.0,north,0,0,1\n0.2,north,0,1,0\n"


class Command(Protocol):
    """Calls ``stopline`` with these words."""

    def __call__(self, *words: object) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a replay is given, in a folder of its own, and where its results go."""

    folder: Path

    @property
    def video(self) -> Path:
        return self.folder / "video.mp4"

    @property
    def site(self) -> Path:
        return self.folder / "site.toml"

    @property
    def lamps(self) -> Path:
        return self.folder / "lamps.csv"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def words(self, *more: object) -> list[object]:
        """The command line of a replay."""
        return ["replay", self.video, "--site", self.site, "--signal", self.lamps, "--out", self.out, *more]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``stopline`` in this process. An error that the command line does not know fails the test with its traceback."""

    def call(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["stopline", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("NO_COLOR", "1")
        capfd.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        out, err = capfd.readouterr()
        assert isinstance(code, int), code
        return Outcome(code, out, err)

    return call


@pytest.fixture(scope="session")
def small_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures with nothing in them."""
    return write_video(tmp_path_factory.mktemp("small-video") / "video.mp4", frames=10)


@pytest.fixture
def inputs(tmp_path: Path, small_video: Path) -> Inputs:
    """Good inputs, to be spoilt one by one."""
    given = Inputs(tmp_path)
    shutil.copyfile(small_video, given.video)
    given.site.write_text(SITE, encoding="utf-8")
    given.lamps.write_text(LAMPS, encoding="utf-8")
    return given


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A real broker in a folder of its own."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder / "broker") as running:
        yield running


@pytest.fixture
def with_waiting_event(inputs: Inputs, replays: Replays) -> Inputs:
    """Inputs whose result folder holds, from an earlier replay without a broker, an event that waits to be sent."""
    shutil.copytree(replays.of(FIRST), inputs.out)
    return inputs
