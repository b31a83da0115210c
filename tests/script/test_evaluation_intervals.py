"""The evaluation's shares, percentiles and their doubt."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from script.evaluation.intervals import Share, percentile, resampled


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # From Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_wilsons_interval(hits: int, of: int, low: float, high: float) -> None:
    assert Share(hits, of).interval() == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_says_so() -> None:
    assert str(Share(0, 0)) == "none to count"
    assert str(Share(1, 2)) == "0.500 (0.095 to 0.905; 1 of 2)"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_a_value_with_enough_below(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_the_doubt_of_recordings_that_agree_is_none_and_grows_with_their_difference() -> None:
    def mean(drawn: object) -> float:
        return float(sum(drawn) / len(drawn))  # type: ignore[arg-type]

    assert resampled([3.0, 3.0, 3.0], mean) == (3.0, 3.0)
    low, high = resampled([1.0, 2.0, 3.0, 4.0], mean)
    assert 1.0 < low < 2.5 < high < 4.0
    assert resampled([1.0, 2.0, 3.0, 4.0], mean) == (low, high)


def test_draws_without_anything_to_count_are_left_out() -> None:
    assert all(math.isnan(value) for value in resampled([1, 2], lambda _: math.nan))
