from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.latency import WINDOW, Deliveries, Durations
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from edge.latency import Quantiles

MS = NS_PER_S // 1000


def quantiles(durations: Durations) -> Quantiles:
    found = durations.quantiles()
    assert found is not None
    return found


def test_none_before_the_first() -> None:
    assert Durations().quantiles() is None


@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=300))
def test_a_quantile_is_a_duration_that_its_share_does_not_exceed(given_ms: list[int]) -> None:
    durations = Durations()
    for one in given_ms:
        durations.add(one * MS)
    found = quantiles(durations)
    assert found.count == len(given_ms)
    for share, value in ((0.5, found.p50_ms), (0.95, found.p95_ms), (0.99, found.p99_ms)):
        assert value in given_ms
        assert sum(one <= value for one in given_ms) >= ceil(share * len(given_ms))
        assert sum(one < value for one in given_ms) < share * len(given_ms)


def test_only_the_latest_count_and_all_are_counted() -> None:
    durations = Durations()
    for one in [10_000] * WINDOW + [5] * WINDOW:
        durations.add(one * MS)
    found = quantiles(durations)
    assert (found.count, found.p50_ms, found.p99_ms) == (2 * WINDOW, 5.0, 5.0)


def test_an_event_is_timed_from_its_picture_to_its_delivery_and_its_evidence_is_not() -> None:
    deliveries = Deliveries()
    deliveries.expect("a", 2 * NS_PER_S)
    deliveries.delivered(["a/evidence", "someone else's"], 3 * NS_PER_S)
    assert deliveries.durations.quantiles() is None
    deliveries.delivered(["a"], 9 * NS_PER_S)
    deliveries.delivered(["a"], 20 * NS_PER_S)  # it came twice
    found = quantiles(deliveries.durations)
    assert (found.count, found.p50_ms) == (1, 7000.0)


def test_a_broker_that_stays_away_lets_nothing_grow() -> None:
    deliveries = Deliveries()
    for number in range(2 * WINDOW):
        deliveries.expect(str(number), number)
    assert len(deliveries._taken_ns) == WINDOW
    deliveries.delivered(["0", str(2 * WINDOW - 1)], 2 * WINDOW)
    assert quantiles(deliveries.durations).count == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_are_enough(count: int) -> None:
    durations = Durations()
    for _ in range(count):
        durations.add(7 * MS)
    assert quantiles(durations).p99_ms == 7.0
