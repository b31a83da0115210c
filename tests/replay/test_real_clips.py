"""Real recordings with hand-made truth of line crossings, through the chain with a public detector.

They lie outside of the project, so these tests are skipped where they are absent.
"""

from __future__ import annotations

import json
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import pytest

from edge.records import NS_PER_S
from edge.sources.video import open_video
from tests.command import ROOT, Outcome, events, passages, stopline
from tests.evidence.bundles import check
from tests.replay.matching import matched

if TYPE_CHECKING:
    from pathlib import Path

SHARED = ROOT.parent / "shared"
CLIPS = {"car-park": "car-park.mp4", "highway": "highway.avi", "side-road": "side-road.mp4"}
WITHIN_S = 0.5

needs_shared = pytest.mark.skipif(
    not (SHARED / "models" / "yolox_nano.onnx").exists(),
    reason="the real clips and YOLOX-nano are not in ../shared: this test needs both",
)
pytestmark = [pytest.mark.replay, pytest.mark.slow, pytest.mark.timeout(900), needs_shared]


@dataclass(frozen=True, slots=True)
class Found:
    """Crossings of one clip: how many there are in truth, how many were reported, and the error of each match."""

    true: int
    reported: int
    errors_s: tuple[float, ...]
    interval_s: float


def model_file(folder: Path) -> Path:
    """The description that ships with the project, naming the network where it lies."""
    text = (ROOT / "models" / "examples" / "yolox_nano.toml").read_text(encoding="utf-8")
    named = f'file = "{tomllib.loads(text)["file"]}"'
    assert named in text
    file = folder / "yolox_nano.toml"
    file.write_text(text.replace(named, f'file = "{SHARED / "models" / "yolox_nano.onnx"}"'), encoding="utf-8")
    return file


def lamps_file(folder: Path) -> Path:
    """No signal can be seen in these clips, so a made-up one plays: green, amber, then red for the rest."""
    file = folder / "lamps.csv"
    rows = ["t_s,group,red,amber,green", "-5,approach,0,0,1", "9,approach,0,1,0", "12,approach,1,0,0"]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Outcome]]:
    folder = tmp_path_factory.mktemp("real-clips")
    model, lamps = model_file(folder), lamps_file(folder)

    def replay(clip: str) -> Outcome:
        video, site = SHARED / "clips" / CLIPS[clip], ROOT / "tests" / "replay" / f"{clip}.toml"
        return stopline(
            "replay", video, "--site", site, "--signal", lamps, "--model", model, "--out", folder / clip, "--json"
        )

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(CLIPS, pool.map(replay, CLIPS), strict=True))
    return {clip: (folder / clip, done[clip]) for clip in CLIPS}


@pytest.fixture(scope="module")
def found(outcomes: dict[str, tuple[Path, Outcome]]) -> dict[str, Found]:
    return {clip: _compare(clip, *outcomes[clip]) for clip in CLIPS}


def _compare(clip: str, folder: Path, outcome: Outcome) -> Found:
    assert outcome.code == 0, outcome.err
    truth = json.loads((SHARED / "clips" / f"{clip}.json").read_text(encoding="utf-8"))
    true_s = [crossing["t_bottom_centre_s"] for crossing in truth["crossings"]]
    rows = passages(folder)
    reported_s = [float(row["t_cross_s"]) for row in rows]
    for t_s, row in zip(reported_s, rows, strict=True):
        assert row["phase"] == ("green" if t_s < 9 else "amber" if t_s < 12 else "red"), row
    pairs = matched(true_s, reported_s, lambda true, reported: abs(reported - true), WITHIN_S)
    errors_s = tuple(abs(reported_s[j] - true_s[i]) for i, j in pairs)
    return Found(len(true_s), len(reported_s), errors_s, 1 / truth["nominal_fps"])


def test_crossings_are_found_and_none_is_invented(found: dict[str, Found]) -> None:
    matches = sum(len(clip.errors_s) for clip in found.values())
    assert matches / sum(clip.true for clip in found.values()) >= 0.95, found
    assert matches / sum(clip.reported for clip in found.values()) >= 0.95, found


def test_the_median_error_in_time_is_at_most_one_frame(found: dict[str, Found]) -> None:
    # In frames of each clip, since their rates differ.
    frames = [error_s / clip.interval_s for clip in found.values() for error_s in clip.errors_s]
    assert median(frames) <= 1.0, found
    shortest_s = min(clip.interval_s for clip in found.values())
    assert median(error_s for clip in found.values() for error_s in clip.errors_s) <= shortest_s, found


@pytest.mark.parametrize("clip", CLIPS)
def test_every_violation_has_its_bundle(clip: str, outcomes: dict[str, tuple[Path, Outcome]]) -> None:
    folder, outcome = outcomes[clip]
    assert outcome.code == 0, outcome.err
    with open_video(SHARED / "clips" / CLIPS[clip]) as video:
        times_s = [frame.t_ns / NS_PER_S for frame in video]
    for event in events(folder):
        check(event, folder, (times_s[0], times_s[-1]))
    assert len(events(folder)) == json.loads(outcome.out)["verdicts"].get("violation", 0)


def test_the_made_up_red_light_makes_violations(outcomes: dict[str, tuple[Path, Outcome]]) -> None:
    assert sum(len(events(folder)) for folder, _ in outcomes.values()) >= 5
