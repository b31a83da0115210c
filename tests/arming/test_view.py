"""The camera's view against its reference: what moves it, what does not, and what cannot be told."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.health import Finding, Outcome
from edge.view import VIEW_PX, Features, ViewCheck, features, match
from tests.arming.looked_at import greys, warped
from tests.command import ROOT

FIXTURES = ROOT / "sim_fixtures"
CLIPS = ROOT / ".." / "shared" / "clips"
GRID_PX = (640, 360)
CONDITIONS = ("plain_red_runner", "night_wet_headlights", "rain_runner", "fog_runner", "dense_queue_on_green")


@cache
def seen(case: str) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return greys(FIXTURES / case / "video.mp4", 0.5, 14.0, 0.5)


@cache
def check_of(case: str) -> ViewCheck:
    return ViewCheck(features(seen(case)[:12]), GRID_PX)


@pytest.mark.parametrize("case", [*CONDITIONS, "camera_shake", "bus_and_lorry", "empty_road_moving_shadows"])
def test_a_camera_that_stands_still_is_not_called_moved(case: str) -> None:
    pictures = seen(case)
    for start in range(12, len(pictures) - 7, 3):
        found = check_of(case).finding(pictures[start : start + 7])
        assert found.outcome is Outcome.OK, found
        assert found.value is not None
        assert found.value <= 2.0


@pytest.mark.parametrize("case", CONDITIONS)
@pytest.mark.parametrize("shift_px", [(3.0, 0.0), (0.0, -3.0), (-2.2, 2.2), (25.0, 10.0), (-90.0, 20.0)])
def test_a_shift_is_found_and_measured(case: str, shift_px: tuple[float, float]) -> None:
    found = check_of(case).finding([warped(picture, shift_px) for picture in seen(case)[14:21]])
    assert found.outcome is Outcome.NOT_OK
    assert found.value == pytest.approx(float(np.hypot(*shift_px)), abs=1.0)


@pytest.mark.parametrize("case", CONDITIONS)
@pytest.mark.parametrize("turn_deg", [1.0, -3.0])
def test_a_turn_about_the_line_of_sight_is_found(case: str, turn_deg: float) -> None:
    found = check_of(case).finding([warped(picture, (0, 0), turn_deg) for picture in seen(case)[14:21]])
    assert found.outcome is Outcome.NOT_OK


def test_a_move_in_the_fixture_is_found_and_nothing_before_it() -> None:
    pictures = greys(FIXTURES / "camera_moved" / "video.mp4", 0.5, 27.0, 0.5)
    check = ViewCheck(features(pictures[:12]), GRID_PX)
    before = [check.finding(pictures[start : start + 7]) for start in range(12, 31, 4)]
    assert [found.outcome for found in before] == [Outcome.OK] * len(before)
    after = check.finding(pictures[-7:])
    assert after.outcome is Outcome.NOT_OK


def test_what_can_hardly_be_seen_is_unknown_and_not_moved() -> None:
    grey = [np.clip(picture * 0.004 + 120, 0, 255).astype(np.uint8) for picture in seen("plain_red_runner")[:7]]
    assert check_of("plain_red_runner").finding(grey).outcome is Outcome.UNKNOWN


def test_dark_and_bright_that_change_sides_do_not_matter() -> None:
    other = [(255 - picture).astype(np.uint8) for picture in seen("plain_red_runner")[14:21]]
    assert check_of("plain_red_runner").finding(other).outcome is Outcome.OK


def test_another_junction_is_never_taken_for_this_one() -> None:
    assert check_of("plain_red_runner").finding(seen("front_view")[:7]).outcome is not Outcome.OK


def test_the_reference_keeps_no_picture_and_comes_back_as_it_was() -> None:
    reference = features(seen("plain_red_runner")[:12])
    packed = reference.packed()
    assert len(packed) < 2 * VIEW_PX[0] * VIEW_PX[1]
    again = Features.unpacked(packed)
    assert np.abs(again.edges - reference.edges).max() < 0.01
    with pytest.raises(ConfigError, match="commission"):
        Features.unpacked(packed[:-100])


HOUSES = ((0.0, 0.0, 250.4, 120.0), (500.0, 10.0, 640.0, 150.3))


@pytest.mark.parametrize("case", CONDITIONS)
def test_the_view_is_told_by_what_lies_outside_of_the_mask_regions(case: str) -> None:
    check = ViewCheck(features(seen(case)[:12]).without(HOUSES, GRID_PX), GRID_PX)
    assert check.finding(seen(case)[14:21]).outcome is Outcome.OK
    assert check.finding([warped(picture, (3.0, 0.0)) for picture in seen(case)[14:21]]).outcome is Outcome.NOT_OK


def test_nothing_of_a_mask_region_is_in_the_reference() -> None:
    """Whatever is drawn there, the same bytes are kept."""
    pictures = seen("plain_red_runner")[:12]
    other = [picture.copy() for picture in pictures]
    for picture in other:
        picture[:60, :126] = np.random.default_rng(1).integers(0, 256, (60, 126), np.uint8)
        picture[5:76, 250:] = np.random.default_rng(2).integers(0, 256, (71, 70), np.uint8)
    assert features(pictures).packed() != features(other).packed()
    kept, same = (features(one).without(HOUSES, GRID_PX) for one in (pictures, other))
    assert kept.packed() == same.packed()
    assert not kept.edges[:60, :126].any()
    assert kept.edges[100:].any()


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not here")
@pytest.mark.parametrize("name", ["side-road.mp4", "highway.avi"])
def test_real_cameras_stand_still_and_a_move_of_theirs_is_found(name: str) -> None:
    pictures = greys(CLIPS / name, 0.0, 20.0, 0.5)
    check = ViewCheck(features(pictures[:14]), GRID_PX)
    windows = [pictures[start : start + 7] for start in range(14, len(pictures) - 7, 4)]
    assert windows
    still: list[Finding] = [check.finding(window) for window in windows]
    assert all(found.outcome is Outcome.OK for found in still), still
    moved = [check.finding([warped(picture, (4.0, 0.0)) for picture in window]) for window in windows]
    assert all(found.outcome is Outcome.NOT_OK for found in moved), moved


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips are not here")
def test_bare_asphalt_tells_nothing_of_where_the_camera_looks() -> None:
    pictures = greys(CLIPS / "car-park.mp4", 0.0, 20.0, 0.5)
    reference = features(pictures[:14])
    assert match(reference, reference).agreeing == 0
    assert ViewCheck(reference, GRID_PX).finding(pictures[14:21]).outcome is Outcome.UNKNOWN
