from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from edge.clock import (
    KNOWN_WITHIN_MS,
    ClockWatch,
    KnownUtc,
    Tracking,
    UtcMapping,
    chrony_bound_ms,
    monotonic_to_utc,
    read_tracking,
    stated_start,
)
from edge.errors import ConfigError
from edge.records import NS_PER_S

if TYPE_CHECKING:
    from pathlib import Path

# A line of `chronyc -c tracking` (chrony 4.3): offset 12 us, root delay 20 ms, root dispersion 1 ms.
_TRACKING = (
    "C0248F97,192.36.143.151,2,1762000000.123,0.000012000,-0.000001,0.000030,-11.9,0.001,0.02,0.020000000,0.001000000,"
    "1030.5,Normal"
)


def test_a_stated_start_maps_time_zero() -> None:
    mapping = stated_start("2026-05-04T10:00:00.25+02:00")
    assert mapping.utc_zero_ns == 1_777_881_600 * NS_PER_S + 250_000_000
    assert mapping.bound_ms is None


@pytest.mark.parametrize("text", ["yesterday", "2026-05-04T08:00:00", ""])
def test_a_start_without_its_zone_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="2026-05-04T08:00:00Z"):
        stated_start(text)


def test_the_monotonic_clock_is_placed_in_utc() -> None:
    mapping = monotonic_to_utc(12.5)
    assert mapping.bound_ms == 12.5
    assert abs(mapping.utc_zero_ns + time.monotonic_ns() - time.time_ns()) < NS_PER_S // 10


def test_chronys_bound_is_offset_and_dispersion_and_half_the_delay() -> None:
    said = read_tracking(_TRACKING)
    assert said is not None
    assert said.bound_ms == pytest.approx(0.012 + 1.0 + 10.0)
    assert said.measured == "1762000000.123"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "506 Cannot talk to daemon",
        _TRACKING.replace("Normal", "Not synchronised"),
        _TRACKING.replace("0.000012000", "soon"),
        _TRACKING.replace("0.020000000", "nan"),
        _TRACKING.replace("0.001000000", "inf"),
    ],
)
def test_no_bound_is_claimed_without_a_clock_in_step(line: str) -> None:
    assert read_tracking(line) is None


@pytest.mark.parametrize("script", ["printf '\\377\\n'", "exit 1"], ids=["no text", "fails"])
def test_a_chronyc_that_does_not_answer_leaves_the_bound_unknown(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "chronyc"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert chrony_bound_ms() is None


class Clocks:
    """A wall clock that somebody may set, and a chrony that learns of it when it measures."""

    def __init__(self) -> None:
        self.watch = ClockWatch()
        self.now_ns = 5 * NS_PER_S
        self.off_ms = 0.0
        self.said = Tracking(2.0, "100.0")

    def after(self, seconds: float, off_ms: float | None = None) -> float:
        """The bound at the next look, the clock being off by so much."""
        self.now_ns += round(seconds * NS_PER_S)
        self.off_ms = self.off_ms if off_ms is None else off_ms
        zero_ns = 1_777_881_600 * NS_PER_S + round(self.off_ms * 1e6)
        return self.watch.look(self.said, UtcMapping(zero_ns, self.said.bound_ms), self.now_ns)


@pytest.mark.parametrize("off_ms", [250.0, -250.0, 86_400_000.0])
def test_a_clock_that_somebody_set_is_known_to_what_it_was_set_by_until_chrony_has_measured(off_ms: float) -> None:
    clocks = Clocks()
    assert (clocks.after(0), clocks.after(2)) == (2.0, 2.0)
    assert clocks.after(2, off_ms) == abs(off_ms)
    assert clocks.after(60) == abs(off_ms)
    assert clocks.after(2, 0.0) == 2 * abs(off_ms), "set back, as far as anybody knows"
    clocks.said = Tracking(3.0, "164.0")
    assert clocks.after(2) == 3.0


def test_a_clock_that_drifts_or_is_led_by_chrony_was_not_set() -> None:
    clocks = Clocks()
    for second in range(0, 600, 2):
        assert clocks.after(2, 0.4 * second) == 2.0  # 400 ppm
    clocks.said = Tracking(900.0, "200.0")  # chrony finds it off, says so, and leads it back
    assert clocks.after(2) == 900.0
    for left_ms in (750, 600, 450, 300, 150, 5):
        clocks.said = Tracking(left_ms, "200.0")
        assert clocks.after(2, clocks.off_ms - 150.0) == left_ms


def test_where_chrony_said_nothing_meanwhile_nothing_is_contradicted() -> None:
    answers = iter([Tracking(2.0, "100.0"), None, Tracking(2.0, "100.0")])
    watch = ClockWatch(lambda: next(answers))
    assert [watch.bound_ms() for _ in range(3)] == [2.0, None, 2.0]


def test_utc_is_known_from_a_good_bound_until_a_bad_one() -> None:
    bound_ms: float | None = None
    utc = KnownUtc(lambda: bound_ms, lambda: 1_500_000_999)
    assert utc.now_ms() is None
    good_ms, bad_ms = KNOWN_WITHIN_MS, KNOWN_WITHIN_MS * 1.1
    told = ((None, None), (bad_ms, None), (good_ms, 1500), (None, 1500), (bad_ms, None), (None, None), (good_ms, 1500))
    for bound_ms, then_ms in told:
        assert utc.bound_ms() == bound_ms
        assert utc.now_ms() == then_ms
