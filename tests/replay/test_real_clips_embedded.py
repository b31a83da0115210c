"""The real clips with the detector that ships with the project: the same bar as with YOLOX-nano."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest

from tests.command import ROOT, passages, stopline
from tests.replay.matching import matched
from tests.replay.test_real_clips import CLIPS, SHARED, WITHIN_S, lamps_file

pytestmark = [
    pytest.mark.replay,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (SHARED / "clips").exists(), reason="the real clips are not in ../shared: this test needs them"
    ),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[float], list[float]]]:
    """True and reported instants of crossing, clip by clip."""
    folder = tmp_path_factory.mktemp("real-clips-embedded")
    lamps = lamps_file(folder)

    def replay(clip: str) -> tuple[list[float], list[float]]:
        video, site = SHARED / "clips" / CLIPS[clip], ROOT / "tests" / "replay" / f"{clip}.toml"
        outcome = stopline("replay", video, "--site", site, "--signal", lamps, "--out", folder / clip)
        assert outcome.code == 0, outcome.err
        truth = json.loads((SHARED / "clips" / f"{clip}.json").read_text(encoding="utf-8"))
        true_s = [crossing["t_bottom_centre_s"] for crossing in truth["crossings"]]
        return true_s, [float(row["t_cross_s"]) for row in passages(folder / clip)]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CLIPS, pool.map(replay, CLIPS), strict=True))


def test_the_embedded_detector_reaches_the_bar_on_real_clips(found: dict[str, tuple[list[float], list[float]]]) -> None:
    errors_s: list[float] = []
    for true_s, reported_s in found.values():
        pairs = matched(true_s, reported_s, lambda true, reported: abs(reported - true), WITHIN_S)
        errors_s += [abs(reported_s[j] - true_s[i]) for i, j in pairs]
    assert len(errors_s) / sum(len(true_s) for true_s, _ in found.values()) >= 0.95, found
    assert len(errors_s) / sum(len(reported_s) for _, reported_s in found.values()) >= 0.95, found
    assert median(errors_s) <= 0.033, sorted(errors_s)
