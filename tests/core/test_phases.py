"""From lamp edges to phases: filtering, order, faults, and that what is settled stays so."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.phases import BEGINNING_NS, LampFilter, PhaseTimes, SignalPhases
from edge.records import Fault, Lamp, LampEdge, Phase
from tests.core.mains import (
    BARELY_DIMMED,
    DIMMED,
    FULL_WAVE_50_HZ,
    FULL_WAVE_60_HZ,
    HALF_WAVE_50_HZ,
    HALF_WAVE_60_HZ,
    Mains,
)
from tests.core.mains import edges_of as mains_edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.records import PhaseInterval

MS = 1_000_000
S = 1000 * MS
TIMES = PhaseTimes(
    debounce_ns=10 * MS, hold_ns=30 * MS, transition_ns=250 * MS, max_phase_ns=600 * S, min_amber_ns=3 * S
)
# Which lamps are lit, as letters: "ra" is red and amber together, "" all dark.
Stretch = tuple[str, int]
Shown = tuple[Phase, Fault | None]


def edge(t_ns: int, lamp: Lamp, *, lit: bool) -> LampEdge:
    return LampEdge(t_ns, "north", lamp, lit)


def edges_of(stretches: Iterable[Stretch], start_ns: int = 0) -> tuple[list[LampEdge], int]:
    """The raw edges of a sequence of lamp states and durations, and its end; every lamp is stated at the start."""
    edges: list[LampEdge] = []
    lit: dict[Lamp, bool] = {}
    t_ns = start_ns
    for letters, duration_ns in stretches:
        for lamp in Lamp:
            now = lamp.value[0] in letters
            if lit.get(lamp) is not now:
                edges.append(edge(t_ns, lamp, lit=now))
                lit[lamp] = now
        t_ns += duration_ns
    return edges, t_ns


def played(
    stretches: Iterable[Stretch], *, trust_start: bool = True, times: PhaseTimes = TIMES, start_ns: int = 0
) -> SignalPhases:
    edges, end_ns = edges_of(stretches, start_ns)
    phases = SignalPhases(times, trust_start=trust_start)
    for each in edges:
        phases.feed(each)
    phases.advance(end_ns)
    return phases


def shown(phases: SignalPhases) -> list[Shown]:
    """The phases after the unknown beginning."""
    return [(interval.phase, interval.fault) for interval in phases.intervals][1:]


def names(phases: SignalPhases) -> list[Phase]:
    return [phase for phase, _ in shown(phases)]


CYCLE: list[Stretch] = [("g", 10 * S), ("a", 3 * S), ("r", 20 * S), ("ra", S), ("g", 10 * S)]


# --- one lamp -------------------------------------------------------------------------------------------------------


def filtered(raw: Sequence[tuple[int, bool]], end_ns: int, times: PhaseTimes = TIMES) -> list[tuple[int, bool]]:
    lamp = LampFilter(times)
    changes: list[tuple[int, bool]] = []
    for t_ns, lit in raw:
        changes += lamp.feed(t_ns, lit=lit)
    return [*changes, *lamp.settle(end_ns)]


@pytest.mark.parametrize("hertz", [100, 120])
def test_a_lamp_chopped_by_the_mains_is_steadily_lit(hertz: int) -> None:
    half_ns = S // hertz
    raw = [(0, False)]
    for wave in range(hertz):
        raw += [(S + wave * half_ns, True), (S + wave * half_ns + half_ns * 6 // 10, False)]
    last_off_ns = raw[-1][0]
    assert filtered(raw, 5 * S) == [(0, False), (S, True), (last_off_ns, False)]


def test_bounce_at_both_ends_leaves_one_change_each_at_its_first_and_last_edge() -> None:
    raw = [(0, False), (S, True), (S + MS, False), (S + 3 * MS, True)]
    raw += [(2 * S, False), (2 * S + 2 * MS, True), (2 * S + 4 * MS, False)]
    assert filtered(raw, 3 * S) == [(0, False), (S, True), (2 * S + 4 * MS, False)]


def test_a_spark_shorter_than_the_debounce_is_dropped_and_counted() -> None:
    lamp = LampFilter(TIMES)
    changes = [*lamp.feed(0, lit=False), *lamp.feed(S, lit=True), *lamp.feed(S + 9 * MS, lit=False)]
    assert [*changes, *lamp.settle(2 * S)] == [(0, False)]
    assert lamp.glitches == 1


def test_a_pulse_of_exactly_the_debounce_counts() -> None:
    assert filtered([(0, False), (S, True), (S + 10 * MS, False)], 2 * S)[1:] == [(S, True), (S + 10 * MS, False)]


@pytest.mark.parametrize(("gap_ms", "changes"), [(30, 2), (31, 4)])
def test_a_gap_up_to_the_hold_is_bridged(gap_ms: int, changes: int) -> None:
    raw = [(0, False), (S, True), (2 * S, False), (2 * S + gap_ms * MS, True)]
    assert len(filtered(raw, 3 * S)) == changes


def test_a_first_spark_tells_that_the_lamp_is_off() -> None:
    assert filtered([(0, True), (5 * MS, False)], S) == [(0, False)]


def test_without_debounce_and_hold_every_edge_counts_even_two_at_one_instant() -> None:
    times = PhaseTimes(0, 0, 250 * MS, 600 * S)
    phases = SignalPhases(times, trust_start=True)
    for each in (
        *edges_of([("r", 0)])[0],
        edge(S, Lamp.GREEN, lit=True),
        edge(S, Lamp.GREEN, lit=False),
    ):
        phases.feed(each)
    phases.advance(5 * S)
    assert names(phases) == [Phase.RED]


# --- phases and their order -----------------------------------------------------------------------------------------


def test_a_whole_cycle_with_red_and_amber() -> None:
    phases = played(CYCLE)
    assert [(i.phase, i.start_ns, i.end_ns) for i in phases.intervals] == [
        (Phase.UNKNOWN, BEGINNING_NS, 0),
        (Phase.GREEN, 0, 10 * S),
        (Phase.AMBER, 10 * S, 13 * S),
        (Phase.RED, 13 * S, 33 * S),
        (Phase.RED_AMBER, 33 * S, 34 * S),
        (Phase.GREEN, 34 * S, None),
    ]
    assert [i.onset_seen for i in phases.intervals] == [False, False, True, True, True, True]
    assert [i.amber_ns for i in phases.intervals] == [None, None, None, 3 * S, None, None]


def test_a_whole_cycle_without_red_and_amber() -> None:
    phases = played([("r", 5 * S), ("g", 5 * S), ("a", 3 * S), ("r", 5 * S)])
    assert shown(phases) == [(p, None) for p in (Phase.RED, Phase.GREEN, Phase.AMBER, Phase.RED)]


@pytest.mark.parametrize(
    ("amber_ns", "fault"), [(3 * S, None), (3 * S - 1, Fault.SHORT_AMBER), (2 * S, Fault.SHORT_AMBER)]
)
def test_a_short_amber_marks_its_red(amber_ns: int, fault: Fault | None) -> None:
    phases = played([("g", 5 * S), ("a", amber_ns), ("r", 5 * S)])
    assert (phases.current.phase, phases.current.fault, phases.current.amber_ns) == (Phase.RED, fault, amber_ns)


def test_the_next_amber_of_full_length_is_trusted_again() -> None:
    phases = played([("g", 5 * S), ("a", S), ("r", 5 * S), ("g", 5 * S), ("a", 3 * S), ("r", 5 * S)])
    assert [fault for phase, fault in shown(phases) if phase is Phase.RED] == [Fault.SHORT_AMBER, None]


def test_an_amber_whose_beginning_was_not_seen_is_not_measured() -> None:
    phases = played([("a", S), ("r", 5 * S)])
    assert (phases.current.phase, phases.current.amber_ns, phases.current.fault) == (Phase.RED, None, None)


def test_a_missing_amber_is_a_fault_of_order() -> None:
    assert shown(played([("g", 5 * S), ("r", 5 * S)])) == [(Phase.GREEN, None), (Phase.FAULT, Fault.ORDER)]


@pytest.mark.parametrize("between", ["", "ga", "gr", "ar", "gar"])
@pytest.mark.parametrize("before_after", [("g", "a"), ("a", "r"), ("r", "g")])
def test_an_overlap_or_gap_at_a_change_is_tolerated(before_after: tuple[str, str], between: str) -> None:
    before, after = before_after
    phases = played([(before, 5 * S), (between, 250 * MS), (after, 5 * S)])
    first, second = phases.intervals[1], phases.current
    assert first.phase.value[0] == before
    assert second.phase.value[0] == after
    assert second.start_ns == 5 * S + 250 * MS
    assert second.fault is None


def test_an_amber_is_measured_only_while_it_shows_alone() -> None:
    phases = played([("g", 5 * S), ("ga", 100 * MS), ("a", 3 * S), ("ar", 200 * MS), ("r", 5 * S)])
    assert phases.current.amber_ns == 3 * S
    assert phases.current.start_ns == 5 * S + 100 * MS + 3 * S + 200 * MS


@pytest.mark.parametrize("loose", ["a", "r", "rg", "ag", "", "rag"])
def test_lamps_that_leave_red_and_amber_one_after_the_other_are_no_fault(loose: str) -> None:
    phases = played([("r", 5 * S), ("ra", S), (loose, 40 * MS), ("g", 5 * S)])
    assert shown(phases) == [(Phase.RED, None), (Phase.RED_AMBER, None), (Phase.GREEN, None)]


@pytest.mark.parametrize("letters", ["r", "a", "g"])
def test_a_flicker_shorter_than_the_transition_changes_nothing(letters: str) -> None:
    phases = played([(letters, 5 * S), ("", 200 * MS), (letters, 5 * S)])
    assert len(shown(phases)) == 1


@pytest.mark.parametrize(
    ("letters", "fault"), [("", Fault.DARK), ("rg", Fault.CONFLICT), ("ag", Fault.CONFLICT), ("rag", Fault.CONFLICT)]
)
def test_a_wrong_aspect_that_lasts_is_a_fault_from_when_it_began(letters: str, fault: Fault) -> None:
    phases = played([("r", 5 * S), (letters, 400 * MS), ("r", 5 * S)])
    assert shown(phases) == [(Phase.RED, None), (Phase.FAULT, fault)]
    assert phases.current.start_ns == 5 * S


def test_a_fault_ends_only_by_a_green_that_begins() -> None:
    phases = played([("r", S), ("", S), ("r", S), ("a", S), ("r", S), ("ra", S), ("g", S), ("a", 3 * S), ("r", S)])
    assert names(phases) == [Phase.RED, Phase.FAULT, Phase.GREEN, Phase.AMBER, Phase.RED]
    assert phases.intervals[3].start_ns == 6 * S


def test_a_green_that_only_flickers_does_not_end_a_fault() -> None:
    phases = played([("a", 5 * S), ("g", 5 * S), ("", 200 * MS), ("g", 5 * S)])
    assert shown(phases) == [(Phase.AMBER, None), (Phase.FAULT, Fault.ORDER)]


@pytest.mark.parametrize("letters", ["a", "r"])
def test_a_lamp_flashing_at_one_hertz_is_a_fault(letters: str) -> None:
    flashes = [(letters, 500 * MS), ("", 500 * MS)] * 30
    phases = played([("g", 5 * S), ("a", 3 * S), ("r", 5 * S), *flashes])
    assert names(phases) == [Phase.GREEN, Phase.AMBER, Phase.RED, Phase.FAULT]
    assert phases.at(phases.settled_ns).phase is Phase.FAULT


def test_a_stuck_lamp_is_a_fault_from_its_longest_time_on() -> None:
    phases = played([("r", 700 * S)])
    assert shown(phases) == [(Phase.RED, None), (Phase.FAULT, Fault.STUCK)]
    assert phases.current.start_ns == 600 * S


def test_a_phase_that_ends_in_time_is_not_stuck_though_its_overlap_runs_longer() -> None:
    phases = played([("r", 600 * S - 100 * MS), ("rg", 200 * MS), ("g", 5 * S)])
    assert shown(phases) == [(Phase.RED, None), (Phase.GREEN, None)]


def test_a_lost_input_is_a_fault_until_green_begins() -> None:
    phases = SignalPhases(TIMES, trust_start=True)
    for each in edges_of([("g", 5 * S), ("a", 3 * S), ("r", 5 * S)])[0]:
        phases.feed(each)
    phases.lost(10 * S)
    edges, end_ns = edges_of([("g", 5 * S), ("a", 3 * S), ("r", 5 * S), ("g", 5 * S)], 20 * S)
    for each in edges:
        phases.feed(each)
    phases.advance(end_ns)
    assert shown(phases)[2:] == [(Phase.RED, None), (Phase.FAULT, Fault.LOST_INPUT), (Phase.GREEN, None)]
    assert phases.intervals[4].start_ns <= 10 * S
    assert phases.current.start_ns == 33 * S  # the green in which the input came back was not seen to begin


def test_an_input_lost_twice_is_one_fault_and_may_come_back_at_the_same_instant() -> None:
    phases = played([("r", 5 * S)])
    for t_ns in (6 * S, 7 * S):
        phases.lost(t_ns)
    for each in edges_of([("r", S), ("g", 5 * S)], 7 * S)[0]:
        phases.feed(each)
    phases.advance(20 * S)
    assert shown(phases) == [(Phase.RED, None), (Phase.FAULT, Fault.LOST_INPUT), (Phase.GREEN, None)]
    assert phases.late_edges == 0


def test_glitches_of_all_lamps_are_counted_also_across_a_lost_input() -> None:
    phases = played([("r", 5 * S)])
    for lamp in (Lamp.AMBER, Lamp.GREEN):
        phases.feed(edge(6 * S, lamp, lit=True))
        phases.feed(edge(6 * S + 9 * MS, lamp, lit=False))
    phases.advance(7 * S)
    assert phases.glitches == 2
    phases.lost(8 * S)
    assert phases.glitches == 2


def test_an_edge_from_the_settled_past_means_a_lost_input() -> None:
    phases = played([("r", 5 * S)])
    before = phases.at(2 * S)
    phases.feed(edge(2 * S, Lamp.GREEN, lit=True))
    phases.advance(20 * S)
    assert phases.late_edges == 1
    assert phases.at(2 * S).phase is before.phase
    assert phases.at(10 * S).fault is Fault.LOST_INPUT


@pytest.mark.parametrize(
    ("stretches", "trusted", "untrusted"),
    [
        ([("r", 5 * S)], [Phase.RED], []),
        ([("r", 5 * S), ("g", 5 * S)], [Phase.RED, Phase.GREEN], [Phase.GREEN]),
        ([("a", S), ("r", 5 * S)], [Phase.AMBER, Phase.RED], []),
        ([("g", S), ("a", 3 * S), ("r", S)], [Phase.GREEN, Phase.AMBER, Phase.RED], [Phase.AMBER, Phase.RED]),
        ([("g", S), ("", 100 * MS), ("g", S)], [Phase.GREEN], []),
        ([("ra", S), ("g", S)], [Phase.RED_AMBER, Phase.GREEN], [Phase.GREEN]),
        ([("r", S), ("a", S)], [Phase.RED, Phase.FAULT], [Phase.FAULT]),
        ([("", S), ("r", S)], [Phase.FAULT], [Phase.FAULT]),
    ],
)
def test_how_far_the_beginning_is_trusted(
    stretches: list[Stretch], trusted: list[Phase], untrusted: list[Phase]
) -> None:
    assert names(played(stretches)) == trusted
    assert names(played(stretches, trust_start=False)) == untrusted


def test_nothing_is_known_before_the_first_edge_nor_beyond_what_is_settled() -> None:
    phases = played([("r", 5 * S)])
    assert phases.at(-1).phase is Phase.UNKNOWN
    assert phases.at(0).phase is Phase.RED
    assert phases.at(phases.settled_ns).phase is Phase.RED
    assert phases.at(phases.settled_ns + 1).phase is Phase.UNKNOWN


def test_a_lamp_never_stated_leaves_the_group_unknown() -> None:
    phases = SignalPhases(TIMES, trust_start=True)
    phases.feed(edge(0, Lamp.RED, lit=True))
    phases.feed(edge(0, Lamp.AMBER, lit=False))
    phases.advance(100 * S)
    assert shown(phases) == []


# --- every sequence of lamp states, against a table -----------------------------------------------------------------

ALONE = {"r": Phase.RED, "a": Phase.AMBER, "g": Phase.GREEN, "ra": Phase.RED_AMBER}
ORDER = {("g", "a"), ("a", "r"), ("r", "g"), ("r", "ra"), ("ra", "g")}
STATES = ["", "r", "a", "g", "ra", "rg", "ag", "rag"]


def by_table(states: Sequence[str], *, trust_start: bool) -> list[Shown]:
    """What a sequence of lamp states, each of them lasting, means: two states at a time looked up in a table."""
    history: list[Shown] = []
    mode = "unknown"
    for before, now in pairwise(["?", *states]):
        if now == before:
            continue
        wrong = Fault.CONFLICT if now else Fault.DARK
        if mode == "fault":
            mode = "lit" if now == "g" else "fault"
        elif now not in ALONE:
            mode, history = "fault", [*history, (Phase.FAULT, wrong)]
            continue
        elif before == "?":
            mode = "lit" if trust_start else "unknown"
        elif (before, now) not in ORDER:
            mode, history = "fault", [*history, (Phase.FAULT, Fault.ORDER)]
            continue
        elif now != "r":
            mode = "lit"
        if mode == "lit":
            history.append((ALONE[now], None))
    return history


@pytest.mark.parametrize("trust_start", [True, False])
def test_all_sequences_of_lamp_states_mean_what_the_table_says(*, trust_start: bool) -> None:
    times = PhaseTimes(10 * MS, 30 * MS, 250 * MS, 600 * S)
    for length in range(1, 6):
        for states in product(STATES, repeat=length):
            if any(a == b for a, b in pairwise(states)):
                continue  # the same as a shorter sequence
            phases = played([(letters, S) for letters in states], trust_start=trust_start, times=times)
            assert shown(phases) == by_table(states, trust_start=trust_start), states


# --- properties -----------------------------------------------------------------------------------------------------

DURATIONS = st.sampled_from(
    [1, 5 * MS, 10 * MS, 29 * MS, 30 * MS, 31 * MS, 100 * MS, 250 * MS, 251 * MS, S, 3 * S, 5 * S, 11 * S]
) | st.integers(1, 4 * S)
STRETCHES = st.lists(st.tuples(st.sampled_from(STATES), DURATIONS), min_size=1, max_size=10)
FEW = PhaseTimes(10 * MS, 30 * MS, 250 * MS, 10 * S, min_amber_ns=3 * S)


def history(phases: SignalPhases) -> list[PhaseInterval]:
    return list(phases.intervals)


@given(STRETCHES, st.lists(st.integers(0, 60 * S), max_size=12), st.booleans())
@settings(max_examples=300)
def test_how_the_calls_are_cut_never_changes_the_history(
    stretches: list[Stretch], instants: list[int], trust: bool
) -> None:
    whole = played(stretches, trust_start=trust, times=FEW)
    edges, end_ns = edges_of(stretches)
    cut = SignalPhases(FEW, trust_start=trust)
    calls: list[tuple[int, LampEdge | None]] = [(each.t_ns, each) for each in edges]
    calls += [(t_ns, None) for t_ns in instants if t_ns <= end_ns]
    for t_ns, each in sorted(calls, key=lambda call: call[0]):
        if each is None:
            cut.advance(t_ns)
        else:
            cut.feed(each)
    cut.advance(end_ns)
    assert history(cut) == history(whole)
    assert cut.settled_ns == whole.settled_ns


@given(STRETCHES, st.booleans(), st.integers(50 * MS, 700 * MS))
@settings(max_examples=200)
def test_what_is_settled_never_changes(stretches: list[Stretch], trust: bool, step_ns: int) -> None:
    edges, end_ns = edges_of(stretches)
    phases = SignalPhases(FEW, trust_start=trust)
    asked: list[tuple[int, Phase, int, Fault | None]] = []
    queue = list(edges)
    settled_ns = phases.settled_ns
    t_ns = 0
    while t_ns < end_ns + 2 * step_ns:
        while queue and queue[0].t_ns <= t_ns:
            phases.feed(queue.pop(0))
        phases.advance(t_ns)
        assert phases.settled_ns >= settled_ns
        settled_ns = phases.settled_ns
        found = phases.at(settled_ns)
        asked.append((settled_ns, found.phase, found.start_ns, found.fault))
        t_ns += step_ns
    for instant_ns, phase, start_ns, fault in asked:
        again = phases.at(instant_ns)
        assert (again.phase, again.start_ns, again.fault) == (phase, start_ns, fault)


@given(STRETCHES, st.integers(-(10**15), 10**18), st.booleans())
def test_a_shift_in_time_shifts_the_history(stretches: list[Stretch], shift_ns: int, trust: bool) -> None:
    def relative(phases: SignalPhases, zero_ns: int) -> list[tuple[Phase, int, Fault | None, int | None]]:
        return [(i.phase, i.start_ns - zero_ns, i.fault, i.amber_ns) for i in phases.intervals][1:]

    here = played(stretches, trust_start=trust, times=FEW)
    there = played(stretches, trust_start=trust, times=FEW, start_ns=shift_ns)
    assert relative(there, shift_ns) == relative(here, 0)


@given(STRETCHES, st.booleans())
def test_intervals_join_without_gap_and_red_never_comes_unannounced(stretches: list[Stretch], trust: bool) -> None:
    phases = played(stretches, trust_start=trust, times=FEW)
    for before, after in pairwise(phases.intervals):
        assert before.end_ns == after.start_ns
        assert before.start_ns < after.start_ns
        if after.phase is Phase.RED:
            assert before.phase is Phase.AMBER or (trust and before.phase is Phase.UNKNOWN)


def test_days_of_edges_are_held_in_bounded_memory() -> None:
    phases = SignalPhases(TIMES, trust_start=True)
    t_ns = 0
    for _ in range(4000):  # at 75 s a cycle this is three and a half days
        edges, t_ns = edges_of([("g", 30 * S), ("a", 3 * S), ("r", 41 * S), ("ra", S)], t_ns)
        for each in edges:
            phases.feed(each)
    phases.advance(t_ns)
    assert len(phases.intervals) <= 256
    assert len(phases.edges) <= 8192
    assert len(phases._waiting) <= 3
    assert phases.at(t_ns - 70 * S).phase is Phase.GREEN
    assert phases.at(0).phase is Phase.UNKNOWN


def test_a_lamp_chattering_for_hours_is_held_in_bounded_memory() -> None:
    phases = SignalPhases(TIMES, trust_start=True)
    for each in edges_of([("r", S)])[0]:
        phases.feed(each)
    for pulse in range(20_000):
        phases.feed(edge(S + pulse * 40 * MS, Lamp.GREEN, lit=pulse % 2 == 0))
    assert len(phases._waiting) <= 4
    assert len(phases.intervals) <= 4
    assert len(phases.edges) <= 8192


def test_edges_between_begin_with_the_state_at_the_start() -> None:
    phases = played([("g", 5 * S), ("a", 3 * S), ("r", 5 * S)])
    found = phases.edges_between(6 * S, 8 * S + 30 * MS)
    assert [(each.t_ns, each.lamp, each.lit) for each in found] == [
        (0, Lamp.RED, False),
        (5 * S, Lamp.AMBER, True),
        (5 * S, Lamp.GREEN, False),
        (8 * S, Lamp.RED, True),
        (8 * S, Lamp.AMBER, False),
    ]


# --- the edges that are kept ----------------------------------------------------------------------------------------


def fed(edges: Iterable[LampEdge], times: PhaseTimes = TIMES) -> SignalPhases:
    phases = SignalPhases(times, trust_start=True)
    for each in edges:
        phases.feed(each)
    return phases


def red_edges(*at: tuple[int, bool]) -> list[tuple[int, bool]]:
    """What is kept of a red lamp's edges."""
    kept = fed(edge(t_ns, Lamp.RED, lit=lit) for t_ns, lit in at).edges
    return [(each.t_ns, each.lit) for each in kept]


@pytest.mark.parametrize("gap_ns", [0, 1, 5 * MS, 10 * MS, 30 * MS])
def test_a_gap_up_to_the_hold_is_not_kept(gap_ns: int) -> None:
    assert red_edges((0, False), (S, True), (2 * S, False), (2 * S + gap_ns, True), (3 * S, False)) == [
        (0, False),
        (S, True),
        (3 * S, False),
    ]


def test_a_longer_gap_is_kept() -> None:
    raw = [(0, False), (S, True), (2 * S, False), (2 * S + 30 * MS + 1, True)]
    assert red_edges(*raw) == raw


def test_the_state_at_the_beginning_is_no_gap() -> None:
    raw = [(0, False), (5 * MS, True)]
    assert red_edges(*raw) == raw


def test_an_edge_that_says_nothing_new_is_not_kept() -> None:
    assert red_edges((0, False), (1, False), (S, True), (2 * S, True), (3 * S, False), (3 * S + MS, False)) == [
        (0, False),
        (S, True),
        (3 * S, False),
    ]
    assert red_edges((0, True), (S, False), (S + MS, False), (S + 2 * MS, True)) == [(0, True)]


def test_sparks_are_kept_and_counted() -> None:
    raw = [(0, False), (S, True), (S + 2 * MS, False), (2 * S, True), (2 * S + MS, False)]
    assert red_edges(*raw) == raw
    phases = fed(edge(t_ns, Lamp.RED, lit=lit) for t_ns, lit in raw)
    phases.advance(3 * S)
    assert phases.glitches == 2


def test_an_edge_of_another_lamp_within_a_gap_is_kept_in_its_place() -> None:
    raw = [edge(0, Lamp.RED, lit=True), edge(S, Lamp.RED, lit=False)]
    raw += [edge(S + MS, Lamp.GREEN, lit=True), edge(S + 2 * MS, Lamp.RED, lit=True)]
    assert list(fed(raw).edges) == [raw[0], raw[2]]


def test_after_a_lost_input_the_state_in_which_it_returns_is_kept() -> None:
    phases = fed([edge(0, Lamp.RED, lit=True), edge(S, Lamp.RED, lit=False)])
    phases.lost(S + MS)
    phases.feed(edge(S + 2 * MS, Lamp.RED, lit=True))
    assert [(each.t_ns, each.lit) for each in phases.edges] == [(0, True), (S, False), (S + 2 * MS, True)]


def test_a_lamp_that_may_be_in_a_gap_at_the_end_is_left_lit() -> None:
    phases = fed([edge(0, Lamp.RED, lit=True), edge(S, Lamp.RED, lit=False)])
    phases.advance(5 * S)
    assert [each.lit for each in phases.edges_between(0, S + 30 * MS - 1)] == [True]
    assert [each.lit for each in phases.edges_between(0, S + 30 * MS)] == [True, False]
    assert [each.lit for each in phases.edges_between(S - 1, S)] == [True]


def test_a_state_told_only_just_before_the_end_is_told() -> None:
    phases = fed([edge(0, Lamp.RED, lit=False)])
    assert [each.lit for each in phases.edges_between(-S, MS)] == [False]


@pytest.mark.parametrize("shape", [FULL_WAVE_50_HZ, HALF_WAVE_50_HZ, DIMMED, BARELY_DIMMED])
def test_minutes_on_the_mains_are_kept_as_if_the_lamps_shone_steadily(shape: Mains) -> None:
    cycles = [("g", 6 * S), ("a", 3 * S), ("r", 10 * S), ("ra", S)] * 20
    raw, end_ns = mains_edges(cycles, dict.fromkeys(Lamp, shape))
    kept = by_lamp(each for each in fed(raw).edges if each.t_ns < end_ns - S)
    steady = by_lamp(each for each in edges_of(cycles)[0] if each.t_ns < end_ns - S)
    assert len(raw) > 20 * len(steady)
    assert [(each.lamp, each.lit) for each in kept] == [(each.lamp, each.lit) for each in steady]
    assert all(abs(a.t_ns - b.t_ns) <= shape.dark_ns for a, b in zip(kept, steady, strict=True))


def by_lamp(edges: Iterable[LampEdge]) -> list[LampEdge]:
    return sorted(edges, key=lambda each: (each.lamp, each.t_ns))


def test_the_state_of_a_lamp_is_known_after_its_last_edge_has_made_room() -> None:
    phases = fed(edges_of([("g", S), ("a", 3 * S), ("r", S)])[0])
    start_ns = 5 * S
    for pulse in range(10_000):  # a green lamp that flickers too slowly for a gap, for minutes
        phases.feed(edge(start_ns + pulse * 40 * MS, Lamp.GREEN, lit=pulse % 2 == 0))
    assert len(phases.edges) == 8192
    found = phases.edges_between(start_ns + 300 * S, start_ns + 310 * S)
    assert {(each.lamp, each.lit) for each in found[:3]} >= {(Lamp.RED, True), (Lamp.AMBER, False)}
    assert {each.lamp for each in phases.edges_between(0, start_ns + 310 * S)[:3]} == set(Lamp)


@given(
    st.sampled_from([FULL_WAVE_50_HZ, FULL_WAVE_60_HZ, HALF_WAVE_50_HZ, HALF_WAVE_60_HZ]),
    st.integers(0, 20 * MS),
    st.integers(0, 20 * MS),
)
def test_on_the_mains_an_amber_is_short_by_at_most_twice_its_dark_part(shape: Mains, phase_ns: int, on_ns: int) -> None:
    """Why docs/site-file.md has ``min_amber_s`` set 0.02 s lower for such lamps; it is never measured too long."""
    stretches = [("g", S + on_ns), ("a", 3 * S), ("r", S)]
    times = replace(TIMES, min_amber_ns=3 * S - 20 * MS)
    raw, end_ns = mains_edges(stretches, dict.fromkeys(Lamp, replace(shape, phase_ns=phase_ns)))
    phases = fed(raw, times)
    phases.advance(end_ns)
    amber_ns = phases.current.amber_ns
    assert amber_ns is not None
    assert 3 * S - 2 * shape.dark_ns <= amber_ns <= 3 * S
    assert phases.current.fault is None
