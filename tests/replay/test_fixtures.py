"""Every recorded case gives its truth: each violation found, none invented, every other passage with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import events, passages, stopline
from tests.recordings import Recording, recordings
from tests.replay.matching import matched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.recordings import Replays

pytestmark = [pytest.mark.replay, pytest.mark.slow]
every_recording = pytest.mark.parametrize("recording", recordings())

WITHIN_S = 1.0
# What truth gives to the ten-thousandth is written to the thousandth.
ROUNDING_S = 0.001


@dataclass(frozen=True, slots=True)
class Comparison:
    """True and reported passages of one recording, in pairs, and what is left over."""

    pairs: list[tuple[dict[str, Any], dict[str, str]]]
    missed: list[dict[str, Any]]
    invented: list[dict[str, str]]


def compared(recording: str, out: Path) -> Comparison:
    true, reported = Recording(recording).truth["passages"], passages(out)

    def error_s(truth: dict[str, Any], row: dict[str, str]) -> float:
        return abs(float(row["t_cross_s"]) - truth["t_cross_s"]) if row["lane"] == truth["lane"] else math.inf

    pairs = matched(true, reported, error_s, WITHIN_S)
    found, named = {i for i, _ in pairs}, {j for _, j in pairs}
    return Comparison(
        [(true[i], reported[j]) for i, j in pairs],
        [truth for i, truth in enumerate(true) if i not in found],
        [row for j, row in enumerate(reported) if j not in named],
    )


def late_s(truth: dict[str, Any], row: dict[str, str]) -> float:
    """By how much a crossing is reported too late; negative where too early."""
    return float(row["t_cross_s"]) - truth["t_cross_s"]


@every_recording
def test_each_passage_is_found_with_its_verdict_and_none_is_invented(recording: str, replays: Replays) -> None:
    comparison = compared(recording, replays.of(recording))
    assert not comparison.missed
    assert not comparison.invented
    for truth, row in comparison.pairs:
        assert (row["verdict"], row["phase"]) == (truth["verdict"], truth["phase"]), (truth, row)
        assert bool(row["t_confirm_s"]) == (truth["t_confirm_s"] is not None), (truth, row)


@every_recording
def test_each_violation_is_one_intact_event_and_nothing_else_is(recording: str, replays: Replays) -> None:
    out = replays.of(recording)
    violations = [row for row in passages(out) if row["verdict"] == "violation"]
    told = [(event["data"]["lane"], round(event["data"]["crossing"]["t_cross_s"], 3)) for event in events(out)]
    assert sorted(told) == sorted((row["lane"], float(row["t_cross_s"])) for row in violations)
    if violations:
        assert stopline("verify", out / "events.jsonl", "--key", out / "node.pub.pem").code == 0


@every_recording
def test_the_red_time_of_an_event_is_a_lower_bound(recording: str, replays: Replays) -> None:
    out = replays.of(recording)
    true = [truth for truth in Recording(recording).truth["passages"] if truth["verdict"] == "violation"]
    for event in events(out):
        t_cross_s = event["data"]["crossing"]["t_cross_s"]
        truth = min(true, key=lambda truth: abs(truth["t_cross_s"] - t_cross_s))
        assert 0 < event["data"]["red_time"]["at_least_s"] <= truth["red_elapsed_s"]


@pytest.mark.xfail(
    strict=True,
    reason="not reached yet: 95 in 100 are within 0.11 s. With perfect boxes it is 0.005 s; those of the embedded "
    "detector are off by a pixel or two below a vehicle, which takes 0.16 s where one sets off slowly",
)
def test_crossings_are_timed_within_50_ms_at_25_frames_a_second(replays: Replays) -> None:
    errors_s: list[float] = []
    for recording in recordings():
        if Recording(recording).truth["fps"] >= 25:
            pairs = compared(recording, replays.of(recording)).pairs
            errors_s += [abs(late_s(*pair)) - ROUNDING_S for pair in pairs]
    assert errors_s, "there is no recording of 25 frames a second"
    p95_s = sorted(errors_s)[math.ceil(0.95 * len(errors_s)) - 1]
    assert p95_s <= 0.05, [round(error_s, 3) for error_s in sorted(errors_s)]
