from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.sources.stamps import LiveClock, Stamper, ticks_to_ns

STEP_NS = 40_000_000
TICK = Fraction(1, 1000)


def stamped(pts: list[int | None]) -> list[int]:
    stamper = Stamper(TICK, STEP_NS)
    return [stamper.stamp(ticks, None) for ticks in pts]


@given(st.integers(-(2**50), 2**50), st.integers(1, 100_000), st.integers(1, 10**9))
def test_ticks_become_the_nearest_nanosecond(ticks: int, numerator: int, denominator: int) -> None:
    exact = ticks * Fraction(numerator, denominator) * 1_000_000_000
    assert abs(ticks_to_ns(ticks, Fraction(numerator, denominator)) - exact) <= Fraction(1, 2)


@given(st.lists(st.none() | st.integers(-5000, 50_000), min_size=2, max_size=60))
def test_times_rise_whatever_the_container_says(pts: list[int | None]) -> None:
    times = stamped(pts)
    assert all(later > earlier for earlier, later in pairwise(times))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_stamps_that_rise_are_left_alone(steps: list[int]) -> None:
    pts: list[int | None] = [sum(steps[:index]) for index in range(1, len(steps) + 1)]
    assert stamped(pts) == [1_000_000 * (ticks or 0) for ticks in pts]


def test_a_small_step_back_harms_no_later_frame() -> None:
    assert stamped([0, 40, 30, 120, 160])[3:] == [120_000_000, 160_000_000]


def test_a_jump_back_is_a_new_start_that_follows_on() -> None:
    assert stamped([10_000, 10_040, 0, 40, 80]) == [ms * 1_000_000 for ms in (10_000, 10_040, 10_080, 10_120, 10_160)]


def test_frames_without_a_stamp_follow_at_the_nominal_rate() -> None:
    assert stamped([None, None, 80, None]) == [0, 40_000_000, 80_000_000, 120_000_000]


def test_decode_order_takes_the_packets_stamp() -> None:
    stamper = Stamper(Fraction(1, 25), STEP_NS, decode_order=True)
    times = [stamper.stamp(pts, dts) for pts, dts in ((1, 3), (4, 4), (6, 5), (5, 6), (749, None))]
    assert times == [STEP_NS * slot for slot in (3, 4, 5, 6, 7)]
    assert stamper.restamped == 0


@given(
    st.integers(-(10**15), 10**15),
    st.lists(st.integers(0, 200_000_000), min_size=30, max_size=100),
)
def test_the_live_clock_finds_the_offset_under_jitter(offset_ns: int, delays: list[int]) -> None:
    clock = LiveClock()
    delays[3] = 0
    for index, delay in enumerate(delays):
        taken = index * STEP_NS + offset_ns
        t_ns = clock.to_monotonic(index * STEP_NS, taken + delay)
        assert taken <= t_ns <= max(taken + delay, taken + 200_000_000)
        if index > 8:
            assert t_ns == taken


def test_the_live_clock_follows_a_camera_whose_crystal_drifts() -> None:
    clock = LiveClock()
    for index in range(25 * 600):
        taken = index * STEP_NS
        t_ns = clock.to_monotonic(taken + taken // 10_000, taken + 5_000_000)  # the camera runs 100 ppm fast
        assert -10_000_000 < t_ns - taken < 10_000_000


def test_a_monotonic_camera_is_taken_at_its_word() -> None:
    clock = LiveClock(is_monotonic=True)
    assert [clock.to_monotonic(stamp, stamp + 9) for stamp in (100, 200, 200)] == [100, 200, 201]
