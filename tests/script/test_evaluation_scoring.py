"""Which reported passage goes with which true one, what counts, and what is a fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from script.evaluation.recordings import Recording, TruePassage
from script.evaluation.records import Outcome, Reported, TrackScore
from script.evaluation.scoring import AT_THE_ENDS, HIDDEN, UNCLEAR, Scored, by_condition, faults, scored

NOTHING = TrackScore(((), (), (), ()), 0, 0, 0, 0, 0)
RUNNER = TruePassage("v1", "car", "lane-1", 10.0, "violation", 3.0, 2.6, 1.0, 0.9)
GREEN = TruePassage("v2", "van", "lane-1", 20.0, "on_green", None, None, 4.0, 0.9)


def reported(t_cross_s: float, verdict: str, red_s: float | None = None, lane: str = "lane-1") -> Reported:
    return Reported(lane, "car", t_cross_s, verdict, red_s, (0.0, 0.0, 10.0, 10.0))


def compared(truths: list[TruePassage], told: list[Reported], *, lenient: bool = True) -> Scored:
    recording = Recording(Path("some/night_1_00"), 1000, "night", "rear", 12.0, 120.0, tuple(truths), frozenset())
    return scored(recording, Outcome(tuple(told), NOTHING, NOTHING), lenient=lenient)


def test_what_is_right_is_counted_and_no_fault() -> None:
    one = compared([RUNNER, GREEN], [reported(10.02, "violation", 2.5), reported(19.95, "on_green")])
    figures = by_condition([one])["night"]
    assert (figures.recall().hits, figures.recall().of) == (1, 1)
    assert (figures.precision().hits, figures.precision().of) == (1, 1)
    assert (figures.right().hits, figures.right().of) == (2, 2)
    assert (figures.red_times(violations=True).hits, figures.red_times(violations=True).of) == (1, 1)
    assert figures.errors_s() == pytest.approx([0.02, 0.05])
    assert faults(figures) == []


def test_another_lane_or_a_second_away_is_missed_and_invented() -> None:
    for told in (reported(10.0, "on_green", lane="lane-2"), reported(10.9, "on_green")):
        figures = by_condition([compared([RUNNER], [told])])["all"]
        assert figures.recall().hits == 0
        assert figures.found().hits == 0
        assert len(figures.invented()) == 1
        assert not figures.false_violations()


def test_of_two_near_the_nearer_goes_with_the_true_one_and_no_report_serves_twice() -> None:
    one = compared([RUNNER], [reported(9.7, "on_amber"), reported(10.1, "violation", 1.0)])
    assert one.pairs[0].reported == reported(10.1, "violation", 1.0)
    twins = [RUNNER, replace(RUNNER, vehicle="v9", t_cross_s=10.2)]
    one = compared(twins, [reported(10.15, "violation", 1.0)])
    assert [pair.reported is None for pair in one.pairs] == [True, False]


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        (replace(GREEN, seen=0.4), HIDDEN),
        (replace(GREEN, clear_s=0.1), UNCLEAR),
        (replace(GREEN, t_cross_s=0.6), AT_THE_ENDS),
        (replace(GREEN, t_cross_s=119.5), AT_THE_ENDS),
        (replace(GREEN, seen=None), None),
    ],
)
def test_what_nobody_could_tell_is_left_out_of_traffic_and_of_no_committed_case(
    truth: TruePassage, reason: str | None
) -> None:
    [pair] = compared([truth], []).pairs
    assert pair.left_out == reason
    assert bool(faults(by_condition([compared([truth], [])])["all"])) == (reason is None)
    [pair] = compared([truth], [], lenient=False).pairs
    assert pair.left_out is None


def test_a_false_violation_is_never_left_out() -> None:
    hidden, early = replace(GREEN, seen=0.1), reported(0.3, "violation", 0.1)
    figures = by_condition([compared([hidden], [reported(20.0, "violation", 0.8), early])])["all"]
    assert len(figures.false_violations()) == 2
    assert figures.precision().value == 0
    assert figures.harmless() == 1
    assert [fault.rank for fault in faults(figures)] == [0, 0]
    assert {fault.left_out for fault in faults(figures)} == {HIDDEN, AT_THE_ENDS}


def test_a_red_time_above_that_of_the_front_is_a_fault_with_its_amount() -> None:
    figures = by_condition([compared([RUNNER], [reported(10.0, "violation", 2.75)])])["all"]
    assert figures.red_times(violations=True).hits == 0
    [fault] = faults(figures)
    assert "150 ms above" in fault.what
    assert fault.vehicle == "car v1"


def test_the_gravest_faults_come_first() -> None:
    told = [reported(19.9, "violation", 1.0), reported(50.0, "on_amber")]
    found = faults(by_condition([compared([RUNNER, GREEN], told)])["all"])
    assert [fault.rank for fault in found] == [0, 2, 4]
    assert "judged `violation`, in truth `on_green`" in found[0].what
