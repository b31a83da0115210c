"""The state machine: what arms, what disarms, how long things must last; whole cycles of lamps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.health import (
    PATIENCE,
    ArmingMachine,
    CheckName,
    Finding,
    Outcome,
    Patience,
    State,
    judge_clock,
    judge_disk,
    judge_phases,
    judge_temperature,
    whole_cycles,
)
from edge.records import NS_PER_S, Fault, Phase, PhaseInterval

CLOCK, VIEW = CheckName.CLOCK, CheckName.VIEW
TIMES = {CLOCK: Patience(fail_s=1.0, return_s=5.0, keep_s=2.0), VIEW: Patience(return_s=3.0, keep_s=10.0)}


def at(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def found(check: CheckName, outcome: Outcome) -> Finding:
    return Finding(check, outcome, f"{check.value} is {outcome.value}.")


def armed_machine() -> ArmingMachine:
    machine = ArmingMachine((CLOCK, VIEW), 0, TIMES)
    first = machine.step(0)
    assert first is not None
    assert (first.state, first.previous) == (State.DISARMED, None)
    machine.report(found(CLOCK, Outcome.OK), at(1))
    assert machine.step(at(1)) is None
    machine.report(found(VIEW, Outcome.OK), at(2))
    change = machine.step(at(2))
    assert change is not None
    assert (change.state, change.previous, change.reasons) == (State.ARMED, State.DISARMED, ())
    return machine


def test_it_arms_only_when_every_check_is_good() -> None:
    assert armed_machine().status.state is State.ARMED


def test_something_bad_must_last_and_so_must_its_end() -> None:
    machine = armed_machine()
    machine.report(found(CLOCK, Outcome.NOT_OK), at(10))
    assert machine.step(at(10.9)) is None
    machine.report(found(CLOCK, Outcome.NOT_OK), at(10.95))
    change = machine.step(at(11))
    assert change is not None
    assert (change.state, change.words) == (State.DISARMED, "clock is not_ok.")
    machine.report(found(CLOCK, Outcome.OK), at(12))
    assert machine.step(at(16.9)) is None
    back = machine.step(at(17))
    assert back is not None
    assert (back.state, back.words) == (State.ARMED, "Every check is good.")


def test_a_check_at_its_threshold_does_not_flap() -> None:
    machine = armed_machine()
    changes = []
    for step in range(100):
        outcome = Outcome.OK if step % 2 else Outcome.NOT_OK
        machine.report(found(VIEW, outcome), at(10 + step * 0.5))
        changes.append(machine.step(at(10 + step * 0.5)))
    assert [change.state for change in changes if change] == [State.DISARMED]


def test_what_was_good_outlives_not_being_told_for_a_while() -> None:
    machine = armed_machine()
    machine.report(found(VIEW, Outcome.UNKNOWN), at(10))
    assert machine.step(at(19.9)) is None
    change = machine.step(at(20))
    assert change is not None
    assert change.reasons[0].outcome is Outcome.UNKNOWN


def test_what_was_bad_stays_bad_until_seen_good() -> None:
    machine = armed_machine()
    machine.report(found(VIEW, Outcome.NOT_OK), at(10))
    machine.step(at(10))
    machine.report(found(VIEW, Outcome.UNKNOWN), at(11))
    machine.step(at(500))
    assert machine.status.reasons[0].outcome is Outcome.NOT_OK


def test_a_check_that_is_not_needed_changes_nothing() -> None:
    machine = armed_machine()
    machine.report(found(CheckName.LAMP_AGREEMENT, Outcome.NOT_OK), at(3))
    assert machine.step(at(100)) is None


def test_armed_throughout_asks_for_the_whole_stretch() -> None:
    machine = armed_machine()
    machine.report(found(VIEW, Outcome.NOT_OK), at(10))
    machine.step(at(10))
    machine.report(found(VIEW, Outcome.OK), at(11))
    machine.step(at(14))
    assert machine.armed_throughout(at(2), at(9.9))
    assert machine.armed_throughout(at(14), at(100))
    for from_s, until_s in ((1.9, 5), (9, 10), (11, 12), (9, 20), (13.9, 15), (-1, 3)):
        assert not machine.armed_throughout(at(from_s), at(until_s)), (from_s, until_s)


@given(st.lists(st.tuples(st.sampled_from(CheckName), st.sampled_from(Outcome), st.integers(0, 40)), max_size=60))
def test_it_is_never_armed_unless_every_check_was_good_of_late(steps: list[tuple[CheckName, Outcome, int]]) -> None:
    machine = ArmingMachine(CheckName, 0)
    machine.step(0)
    last_good: dict[CheckName, int] = {}
    last: dict[CheckName, Outcome] = {}
    now_s = 0
    for check, outcome, pause_s in steps:
        now_s += pause_s
        for each, seen in last.items():  # what it sees goes on
            if seen is Outcome.OK:
                last_good[each] = now_s
        last[check] = outcome
        if outcome is Outcome.OK:
            last_good[check] = now_s
        machine.report(found(check, outcome), at(now_s))
        machine.step(at(now_s))
        if machine.status.state is State.ARMED:
            for each in CheckName:
                longest_s = max(PATIENCE[each].fail_s, PATIENCE[each].keep_s)
                assert each in last_good
                assert last[each] is Outcome.OK or now_s - last_good[each] <= longest_s + 40


def shown(*phases: Phase | Fault, first_seen: bool = True) -> list[PhaseInterval]:
    intervals = [PhaseInterval(Phase.UNKNOWN, -1, 0, onset_seen=False)]
    for index, phase in enumerate(phases):
        fault = phase if isinstance(phase, Fault) else None
        kind = Phase.FAULT if isinstance(phase, Fault) else phase
        seen = first_seen or index > 0
        intervals.append(PhaseInterval(kind, index, index + 1, onset_seen=seen, fault=fault))
    return intervals


G, A, R, RA = Phase.GREEN, Phase.AMBER, Phase.RED, Phase.RED_AMBER


@pytest.mark.parametrize(
    ("phases", "cycles"),
    [
        ((), 0),
        ((G,), 0),
        ((G, A, R), 0),
        ((G, A, R, G), 1),
        ((A, R, G, A, R, G), 1),
        ((A, R, G, A, R, G, A), 2),
        ((G, A, R, RA, G, A, R, RA, G), 2),
        ((G, A, R, G, A, R, G, Fault.DARK), 0),
        ((G, A, R, Fault.DARK, G, A, R, G), 1),
    ],
)
def test_a_cycle_is_whole_when_its_first_phase_begins_again(phases: tuple[Phase | Fault, ...], cycles: int) -> None:
    assert whole_cycles(shown(*phases)) == cycles


def test_a_phase_whose_beginning_was_not_seen_begins_no_cycle() -> None:
    assert whole_cycles(shown(G, A, R, G, first_seen=False)) == 0


def test_a_short_amber_breaks_the_row_of_cycles() -> None:
    red = PhaseInterval(R, 9, None, onset_seen=True, fault=Fault.SHORT_AMBER)
    assert whole_cycles([*shown(G, A, R, G, A, R, G, A), red]) == 0


def test_the_phases_of_every_group_count() -> None:
    good = shown(G, A, R, G, A, R, G)
    assert judge_phases({"a": good, "b": good}).outcome is Outcome.OK
    assert judge_phases({"a": good, "b": good[:-1]}).outcome is Outcome.UNKNOWN
    dark = judge_phases({"a": good, "b": shown(G, Fault.DARK)})
    assert dark.outcome is Outcome.NOT_OK
    assert "group b" in dark.words


def test_figures_are_held_to_their_bounds() -> None:
    assert judge_clock(100.0, 100.0).outcome is Outcome.OK
    assert judge_clock(100.1, 100.0).outcome is Outcome.NOT_OK
    assert "chrony" in judge_clock(None, 100.0).words
    assert judge_disk(200.0, 200.0).outcome is Outcome.OK
    assert judge_disk(199.0, 200.0).outcome is Outcome.NOT_OK
    assert judge_disk(None, 200.0).outcome is Outcome.NOT_OK
    full = judge_disk(200.0, 200.0, "is full with 3 unsent messages: reconnect")
    assert (full.outcome, full.value) == (Outcome.NOT_OK, 200.0)
    assert full.words == "The outbox is full with 3 unsent messages: reconnect."
    assert "MB free" in judge_disk(199.0, 200.0, "is full").words
    assert judge_temperature(85.0, 85.0).outcome is Outcome.OK
    assert judge_temperature(85.1, 85.0).outcome is Outcome.NOT_OK
    assert judge_temperature(None, 85.0).outcome is Outcome.OK
