from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.model import InputFormat
from edge.detector.plan import plan_input

FIXED = InputFormat(size_px=(416, 416))
DYNAMIC = InputFormat(size_px=(416, 256), dynamic=True, stride=32)

sides = st.integers(64, 2000)
shares = st.tuples(*(st.floats(0, 1),) * 4)


def region_of(grid: tuple[int, int], share: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x1, x2 = sorted((share[0] * (grid[0] - 32), share[2] * (grid[0] - 32)))
    y1, y2 = sorted((share[1] * (grid[1] - 32), share[3] * (grid[1] - 32)))
    return x1, y1, x2 + 32, y2 + 32


@given(sides, sides, shares, st.sampled_from([0.5, 1.0, 2.0, 3.0]), st.sampled_from([FIXED, DYNAMIC]))
def test_a_box_of_the_site_comes_back_from_the_input(width, height, share, zoom, form) -> None:  # noqa: ANN001
    grid = (width, height)
    region = region_of(grid, share)
    picture = (round(width * zoom / 2) * 2, round(height * zoom / 2) * 2)
    plan = plan_input(form, grid, region, picture)
    left, top, right, bottom = plan.crop_px
    assert left % 2 == top % 2 == 0
    assert 0 <= left < right <= picture[0]
    assert 0 <= top < bottom <= picture[1]
    assert all(plan.offset_px[axis] >= 0 for axis in (0, 1))
    assert all(plan.offset_px[axis] + plan.content_px[axis] <= plan.input_px[axis] for axis in (0, 1))
    x, y = plan.offset_px
    corners = np.array([(x, y, x + plan.content_px[0], y + plan.content_px[1])], np.float32)
    back = plan.to_grid(corners)[0]
    per_grid = picture[0] / width
    assert back[:2] == pytest.approx([left / per_grid, top / (picture[1] / height)])
    # The crop is the region, grown by less than two pixels of the picture.
    assert back[0] <= region[0] + 1e-6 and back[2] >= min(region[2], width) - 1e-6  # noqa: PT018
    assert back[0] > region[0] - 2.001 * width / picture[0]
    assert back[3] < region[3] + 2.001 * height / picture[1]


@given(sides, sides, shares)
def test_a_dynamic_input_keeps_the_regions_aspect_and_the_cost(width, height, share) -> None:  # noqa: ANN001
    region = region_of((width, height), share)
    plan = plan_input(DYNAMIC, (width, height), region, (width, height))
    assert plan.input_px[0] % 32 == plan.input_px[1] % 32 == 0
    aspect = (region[2] - region[0]) / (region[3] - region[1])
    if 0.4 < aspect < 2.5:
        filled = plan.content_px[0] * plan.content_px[1] / (plan.input_px[0] * plan.input_px[1])
        assert filled > 0.8
        assert 0.7 < plan.input_px[0] * plan.input_px[1] / (416 * 256) < 1.4


def test_a_fixed_input_is_padded_evenly() -> None:
    plan = plan_input(FIXED, (640, 320), None, (1280, 640))
    assert (plan.content_px, plan.offset_px, plan.crop_px) == ((416, 208), (0, 104), (0, 0, 1280, 640))
    assert plan.to_grid(np.array([(0, 104, 208, 208)], np.float32)).tolist() == [[0, 0, 320, 160]]


def test_a_small_region_is_enlarged() -> None:
    plan = plan_input(FIXED, (320, 240), (100, 60, 300, 240), (320, 240))
    assert plan.content_px == (416, 374)


def test_boxes_are_cut_off_at_the_regions_edge() -> None:
    plan = plan_input(FIXED, (640, 320), (0, 0, 320, 320), (640, 320))
    assert plan.to_grid(np.array([(-50, -50, 900, 900)], np.float32)).tolist() == [[0, 0, 320, 320]]
