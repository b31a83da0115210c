"""The rule: every doubt is the driver's."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Contact, Doubt, Fault, Passage, Phase, PhaseInterval, TrackPoint, VehicleClass, Verdict
from edge.rule import LONGEST_M, LaneRule, judge, latest_crossing_ns

S = 1_000_000_000
RULE = LaneRule(
    contact=Contact.FRONT,
    grace_s=0.5,
    rear_margin_s=0.5,
    vehicle_length_m=None,
    lamp_uncertainty_s=0.02,
    clock_uncertainty_s=0.01,
    turn_on_red=False,
)
RED = PhaseInterval(Phase.RED, 0, None, onset_seen=True, amber_ns=3 * S)
# Where the verdict on red ranks: the further on, the nearer to a violation.
ON_RED = [
    Verdict.UNKNOWN_PHASE,
    Verdict.WITHIN_GRACE,
    Verdict.REAR_MARGIN,
    Verdict.STOPPED_PAST_LINE,
    Verdict.VIOLATION,
]


def passage(
    t_s: float = 5.0, *, uncertainty_s: float = 0.05, confirmed: bool = True, speed_mps: float | None = None
) -> Passage:
    t_ns = round(t_s * S)
    return Passage(
        lane="through",
        track=1,
        vehicle_class=VehicleClass.CAR,
        t_cross_ns=t_ns,
        uncertainty_ns=round(uncertainty_s * S),
        t_confirm_ns=t_ns + S if confirmed else None,
        speed_mps=speed_mps,
        cross_px=(320.0, 200.0),
        points=(TrackPoint(t_ns - S, (0, 0, 1, 1), 0.9), TrackPoint(t_ns + 2 * S, (0, 0, 1, 1), 0.9)),
    )


def verdict(of: Passage, shown: PhaseInterval = RED, rule: LaneRule = RULE) -> Verdict:
    return judge(of, shown, rule).verdict


def test_a_crossing_well_into_red_is_a_violation_with_its_doubts_taken_off() -> None:
    judgement = judge(passage(), RED, RULE)
    assert judgement.verdict is Verdict.VIOLATION
    assert judgement.red_elapsed_s == 5.0
    assert judgement.red_at_least_s == pytest.approx(4.92)
    assert judgement.deductions_s == {"crossing": 0.05, "lamp": 0.02, "clock": 0.01}
    assert judgement.amber_s == 3.0


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("fault", [None, *Fault])
def test_only_an_unblemished_red_convicts(phase: Phase, fault: Fault | None) -> None:
    judgement = judge(passage(100.0), replace(RED, phase=phase, fault=fault), RULE)
    convicts = phase is Phase.RED and fault is not Fault.SHORT_AMBER
    assert (judgement.verdict is Verdict.VIOLATION) is convicts
    assert (judgement.phase, judgement.fault) == (phase, fault)
    if phase is not Phase.RED:
        assert (judgement.red_elapsed_s, judgement.red_at_least_s, judgement.amber_s) == (None, None, None)
        assert judgement.deductions_s == {}


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.GREEN, Verdict.ON_GREEN),
        (Phase.AMBER, Verdict.ON_AMBER),
        (Phase.RED_AMBER, Verdict.ON_RED_AMBER),
        (Phase.FAULT, Verdict.LAMP_FAULT),
        (Phase.UNKNOWN, Verdict.UNKNOWN_PHASE),
    ],
)
def test_each_other_phase_has_its_reason(phase: Phase, reason: Verdict) -> None:
    assert verdict(passage(), replace(RED, phase=phase)) is reason


def test_a_short_amber_goes_before_every_other_reason() -> None:
    short = replace(RED, fault=Fault.SHORT_AMBER, amber_ns=S)
    assert verdict(passage(0.1, confirmed=False), short) is Verdict.SHORT_AMBER


@pytest.mark.parametrize(
    ("t_s", "reason"), [(0.0, Verdict.WITHIN_GRACE), (0.58, Verdict.WITHIN_GRACE), (0.59, Verdict.VIOLATION)]
)
def test_grace_is_counted_after_the_doubts(t_s: float, reason: Verdict) -> None:
    assert verdict(passage(t_s)) is reason


def test_a_red_time_of_exactly_the_grace_is_forgiven() -> None:
    exact = replace(RULE, lamp_uncertainty_s=0.0, clock_uncertainty_s=0.0)
    assert verdict(passage(0.5, uncertainty_s=0.0), rule=exact) is Verdict.WITHIN_GRACE


def test_a_red_time_is_never_below_nought() -> None:
    assert judge(passage(0.01), RED, RULE).red_at_least_s == 0.0


def test_without_the_confirm_line_it_stopped_or_turned() -> None:
    assert verdict(passage(confirmed=False)) is Verdict.STOPPED_PAST_LINE
    assert verdict(passage(confirmed=False), rule=replace(RULE, turn_on_red=True)) is Verdict.TURN_PERMITTED
    assert verdict(passage(), rule=replace(RULE, turn_on_red=True)) is Verdict.VIOLATION


REAR = replace(RULE, contact=Contact.REAR)


@pytest.mark.parametrize(
    ("speed_mps", "length_m", "margin_s"),
    [(None, None, 0.5), (None, 4.0, 0.5), (10.0, None, 0.6), (10.0, 4.0, 0.4), (0.0, 4.0, 40.0), (0.05, 4.0, 40.0)],
)
def test_the_unseen_front_was_over_the_line_earlier(
    speed_mps: float | None, length_m: float | None, margin_s: float
) -> None:
    judgement = judge(passage(50, speed_mps=speed_mps), RED, replace(REAR, vehicle_length_m=length_m))
    assert judgement.deductions_s["rear_margin"] == pytest.approx(margin_s)
    assert judgement.red_at_least_s == pytest.approx(50 - 0.08 - margin_s)


def test_the_rear_margin_has_a_verdict_of_its_own() -> None:
    assert verdict(passage(0.58), rule=REAR) is Verdict.WITHIN_GRACE
    assert verdict(passage(1.07), rule=REAR) is Verdict.REAR_MARGIN
    assert verdict(passage(1.09), rule=REAR) is Verdict.VIOLATION


def test_every_class_has_a_length_that_the_law_or_the_road_allows() -> None:
    assert [LONGEST_M[name] for name in VehicleClass] == [6.0, 7.5, 18.75, 18.75, 3.0, 3.0, 1.0]


def test_a_crossing_that_may_have_come_after_the_red_is_none() -> None:
    def ended(t_ns: int) -> PhaseInterval:
        return replace(RED, end_ns=t_ns)

    assert verdict(passage(5.0), ended(5_050_000_000)) is Verdict.UNKNOWN_PHASE
    assert verdict(passage(5.0), ended(5_050_000_001)) is Verdict.VIOLATION


def test_the_crossing_was_over_when_the_track_was_last_seen() -> None:
    resting = passage(5.0, uncertainty_s=60.0)
    assert latest_crossing_ns(resting) == resting.points[-1].t_ns
    assert latest_crossing_ns(passage(5.0)) == 5_050_000_000


SECONDS = st.floats(0, 30)
RULES = st.builds(
    LaneRule,
    contact=st.sampled_from(Contact),
    grace_s=SECONDS,
    rear_margin_s=SECONDS,
    vehicle_length_m=st.none() | st.floats(1, 30),
    lamp_uncertainty_s=SECONDS,
    clock_uncertainty_s=SECONDS,
    turn_on_red=st.just(value=False),
)
PASSAGES = st.builds(
    passage,
    st.floats(0, 100),
    uncertainty_s=SECONDS,
    confirmed=st.booleans(),
    speed_mps=st.none() | st.floats(0, 60),
)
REDS = st.builds(replace, st.just(RED), end_ns=st.none() | st.integers(100 * S, 130 * S))


@given(PASSAGES, REDS, RULES)
def test_no_violation_unless_red_for_longer_than_grace_and_every_doubt(
    of: Passage, shown: PhaseInterval, rule: LaneRule
) -> None:
    judgement = judge(of, shown, rule)
    assert judgement.red_elapsed_s is not None
    assert judgement.red_at_least_s is not None
    assert 0 <= judgement.red_at_least_s <= judgement.red_elapsed_s
    if judgement.verdict is Verdict.VIOLATION:
        assert judgement.red_at_least_s > rule.grace_s
        assert judgement.red_elapsed_s > rule.grace_s + sum(judgement.deductions_s.values()) - 1e-9
        assert of.t_confirm_ns is not None
        assert shown.end_ns is None or latest_crossing_ns(of) < shown.end_ns


@given(PASSAGES, REDS, RULES, SECONDS, st.sampled_from(["crossing", "lamp", "clock", "grace", "margin", "speed"]))
def test_more_doubt_never_brings_a_passage_nearer_to_a_violation(
    of: Passage, shown: PhaseInterval, rule: LaneRule, more_s: float, where: str
) -> None:
    doubtful, stricter = of, rule
    match where:
        case "crossing":
            doubtful = replace(of, uncertainty_ns=of.uncertainty_ns + round(more_s * S))
        case "lamp":
            stricter = replace(rule, lamp_uncertainty_s=rule.lamp_uncertainty_s + more_s)
        case "clock":
            stricter = replace(rule, clock_uncertainty_s=rule.clock_uncertainty_s + more_s)
        case "grace":
            stricter = replace(rule, grace_s=rule.grace_s + more_s)
        case "margin":
            stricter = replace(rule, rear_margin_s=rule.rear_margin_s + more_s)
        case _:
            doubtful = replace(of, speed_mps=None if of.speed_mps is None else of.speed_mps / (1 + more_s))
    rank = ON_RED.index
    assert rank(verdict(doubtful, shown, stricter)) <= rank(verdict(of, shown, rule))


def test_every_verdict_on_red_is_reached_by_the_rule() -> None:
    cases = product([0.1, 0.9, 5.0], [True, False], [None, 5 * S], [False, True], [None, Fault.SHORT_AMBER])
    reached = {
        verdict(
            passage(t_s, confirmed=confirmed),
            replace(RED, end_ns=end_ns, fault=fault),
            replace(REAR, turn_on_red=turn),
        )
        for t_s, confirmed, end_ns, turn, fault in cases
    }
    assert reached == {*ON_RED, Verdict.SHORT_AMBER, Verdict.TURN_PERMITTED}


REAR_RULE = replace(RULE, contact=Contact.REAR)


def approaching(metres_at: list[tuple[float, float]], speed_mps: float) -> Passage:
    """A crossing at 5 s, with the seconds and the metres to the line at which the rear was seen before."""
    return replace(passage(speed_mps=speed_mps), to_line_m=tuple((round(t * S), metres) for t, metres in metres_at))


def test_one_whose_front_stood_past_the_line_at_red_onset_is_no_violation() -> None:
    """It waited with its rear 4 m before the line since before the red, then drove off at 8 m/s."""
    waited = approaching([(-2.0, 9.0), (-1.0, 4.0), (4.0, 4.0), (4.8, 1.0)], speed_mps=8.0)
    judgement = judge(waited, RED, REAR_RULE)
    assert judgement.verdict is Verdict.REAR_MARGIN
    assert judgement.deductions_s["rear_margin"] == pytest.approx(7.0)


def test_one_first_seen_near_the_line_may_have_been_over_it_since() -> None:
    seen_late = approaching([(0.2, 3.0), (4.9, 0.5)], speed_mps=8.0)
    assert judge(seen_late, RED, REAR_RULE).deductions_s["rear_margin"] == pytest.approx(4.8)


def test_one_that_drove_through_is_held_to_its_length_over_its_speed() -> None:
    drove = approaching([(5.0 - metres / 12, metres) for metres in (30.0, 20.0, 12.0, 6.0, 3.0, 1.0)], speed_mps=12.0)
    judgement = judge(drove, RED, REAR_RULE)
    assert judgement.verdict is Verdict.VIOLATION
    assert judgement.deductions_s["rear_margin"] == pytest.approx(LONGEST_M[VehicleClass.CAR] / 12)


@pytest.mark.parametrize(("whole_s", "margin_s"), [(4.8, 0.5), (4.5, 0.5), (3.0, 2.0), (-7.0, 12.0)])
def test_without_calibration_the_front_was_over_the_line_since_the_whole_box_was_before_it(
    whole_s: float, margin_s: float
) -> None:
    drove = replace(passage(5.0), whole_before_ns=round(whole_s * S))
    assert judge(drove, RED, REAR_RULE).deductions_s["rear_margin"] == pytest.approx(margin_s)
    assert "rear_margin" not in judge(drove, RED, RULE).deductions_s


@pytest.mark.parametrize("doubt", list(Doubt))
def test_a_doubtful_track_takes_from_the_violations_alone(doubt: Doubt) -> None:
    for of in (passage(), passage(0.1), passage(confirmed=False)):
        plain, doubtful = judge(of, RED, RULE), judge(replace(of, doubts=(doubt,)), RED, RULE)
        took = plain.verdict is Verdict.VIOLATION
        assert doubtful == (replace(plain, verdict=Verdict.DOUBTFUL_TRACK) if took else plain)
