from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from edge.clock import bound_of_tracking, chrony_bound_ms, monotonic_to_utc, stated_start
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
    assert bound_of_tracking(_TRACKING) == pytest.approx(0.012 + 1.0 + 10.0)


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
    assert bound_of_tracking(line) is None


@pytest.mark.parametrize("script", ["printf '\\377\\n'", "exit 1"], ids=["no text", "fails"])
def test_a_chronyc_that_does_not_answer_leaves_the_bound_unknown(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "chronyc"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert chrony_bound_ms() is None
