"""Which pictures are of no use: fixtures as they are pass, spoilt ones do not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edge.health import Outcome
from edge.picture_check import FROZEN_AFTER_S, SMALL_PX, PictureCheck, PictureLimits, measure
from edge.records import NS_PER_S
from tests.arming.looked_at import blurred, greys
from tests.command import ROOT

TYPICAL = ("plain_red_runner", "night_wet_headlights", "rain_runner", "fog_runner")
JUNCTIONS = ROOT / ".." / "shared" / "datasets" / "junctions" / "test" / "images"


@pytest.mark.parametrize("case", sorted(folder.parent.name for folder in (ROOT / "sim_fixtures").glob("*/video.mp4")))
def test_every_fixture_is_usable(case: str) -> None:
    check = PictureCheck()
    for index, picture in enumerate(greys(ROOT / "sim_fixtures" / case / "video.mp4", 0.0, 6.0, 0.25)):
        t_ns = index * NS_PER_S // 4
        check.look(picture, t_ns)
        assert check.finding(t_ns, t_ns).outcome is Outcome.OK


@pytest.mark.parametrize("case", TYPICAL)
@pytest.mark.parametrize("spoilt", ["dark", "white", "covered", "blurred"])
def test_a_spoilt_picture_is_found(case: str, spoilt: str) -> None:
    picture = greys(ROOT / "sim_fixtures" / case / "video.mp4", 2.0, 2.1)[0]
    noise = np.random.default_rng(1).normal(0, 1.0, picture.shape)
    wrong = {
        "dark": (picture * 0.08).astype(np.uint8),
        "white": np.clip(picture.astype(np.int32) * 2 + 200, 0, 255).astype(np.uint8),
        "covered": (110 + noise).astype(np.uint8),
        "blurred": blurred(picture, 4.0),
    }[spoilt]
    word = {"dark": "dark", "white": "over-exposed", "covered": "shows nothing", "blurred": "blurred"}[spoilt]
    check = PictureCheck()
    check.look(wrong, 0)
    found = check.finding(0, 0)
    assert found.outcome is Outcome.NOT_OK
    assert word in found.words


def test_a_picture_that_never_changes_is_frozen() -> None:
    picture = greys(ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4", 2.0, 2.1)[0]
    check = PictureCheck()
    for step in range(round(FROZEN_AFTER_S * 4) + 1):
        check.look(picture.copy(), step * NS_PER_S // 4)
        assert check.finding(None, 0).outcome is Outcome.OK
    check.look(picture, round((FROZEN_AFTER_S + 0.25) * NS_PER_S))
    assert "frozen" in check.finding(0, 0).words
    other = picture.copy()
    other[90, 160] += 1
    check.look(other, 10 * NS_PER_S)
    assert check.finding(0, 0).outcome is Outcome.OK


def test_a_silent_camera_is_named() -> None:
    check = PictureCheck()
    assert check.finding(None, 100 * NS_PER_S).outcome is Outcome.UNKNOWN
    check.look(greys(ROOT / "sim_fixtures" / "plain_red_runner" / "video.mp4", 2.0, 2.1)[0], 0)
    assert check.finding(0, 2 * NS_PER_S).outcome is Outcome.OK
    assert "No picture has come" in check.finding(0, 2 * NS_PER_S + 1).words


@pytest.mark.skipif(not JUNCTIONS.is_dir(), reason="the junction pictures are not here")
def test_real_junctions_by_day_and_night_keep_far_from_every_limit() -> None:
    limits = PictureLimits()
    figures = [
        measure(np.asarray(Image.open(file).convert("L").resize(SMALL_PX, Image.Resampling.BOX)))
        for file in sorted(JUNCTIONS.iterdir())
    ]
    assert len(figures) >= 70
    assert min(one.light for one in figures) > 2 * limits.least_light
    assert max(one.white for one in figures) < limits.most_white / 2
    assert min(one.textured for one in figures) > 5 * limits.least_textured
    assert max(one.blur for one in figures) < limits.most_blur / 2
