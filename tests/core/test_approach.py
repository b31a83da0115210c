"""The whole pure core on perfect boxes and simulated lamps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.approach import Approach
from edge.config import Site
from edge.records import Lamp, LampEdge, Verdict
from edge.tracker import TrackerSettings
from tests.core import motion as m
from tests.core.motion import MS, Motion, S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edge.approach import Judged

# Green for 10 s, amber 3 s, red 20 s, red and amber 1 s, green.
CYCLE = (("g", 0.0), ("a", 10.0), ("r", 13.0), ("ra", 33.0), ("g", 34.0))
END_S = 46.0


def site(**lane: Any) -> Site:
    through = {
        "id": "through",
        "signal_group": "north",
        "stop_line_px": [[220, 200], [420, 200]],
        "confirm_line_px": [[220, 140], [420, 140]],
        "direction": [0, -1],
        "contact": "front",
        **lane,
    }
    return Site.model_validate(
        {
            "schema": 1,
            "site": {"id": "main-and-3rd"},
            "camera": {"size_px": [640, 352]},
            "signal_groups": [{"id": "north", "min_amber_s": 3.0, "max_phase_s": 60}],
            "lanes": [through],
        }
    )


def lamps(states: Sequence[tuple[str, float]] = CYCLE) -> list[LampEdge]:
    edges: list[LampEdge] = []
    lit: dict[Lamp, bool] = {}
    for letters, t_s in states:
        for lamp in Lamp:
            if lit.get(lamp) is not (lamp.value[0] in letters):
                lit[lamp] = lamp.value[0] in letters
                edges.append(LampEdge(round(t_s * S), "north", lamp, lit[lamp]))
    return edges


def crossing(t_s: float, speed: float = 100.0) -> tuple[float, Motion]:
    """A vehicle that enters 1.4 s before it crosses the line at ``t_s``."""
    return t_s - 140 / speed, Motion(m.steady(speed))


def judged(
    vehicles: Sequence[tuple[float, Motion]],
    edges: Sequence[LampEdge] | None = None,
    *,
    on: Site | None = None,
    shift_ns: int = 0,
    early_ns: Callable[[int], int] = lambda _: 0,
    trust_start: bool = True,
    fps: float = 25,
    seen_s: float = 3.2,
) -> list[Judged]:
    """What an approach makes of vehicles, each with when it enters, and of lamps.

    ``early_ns`` says for each edge how long before the frame that needs it is it fed.
    """
    approach = Approach(on or site(), TrackerSettings(), trust_start=trust_start)
    queue = list(edges if edges is not None else lamps())
    index, results = 0, []
    for t_ns in m.frame_times(fps, END_S):
        while index < len(queue) and queue[index].t_ns - early_ns(index) <= t_ns:
            edge = queue[index]
            approach.lamp(LampEdge(edge.t_ns + shift_ns, edge.group, edge.lamp, edge.lit))
            index += 1
        present = [(t_ns / S - enters_s, motion) for enters_s, motion in vehicles if 0 <= t_ns / S - enters_s < seen_s]
        boxes = [m.detection(motion.box(since_s)) for since_s, motion in present]
        results += approach.frame(t_ns + shift_ns, boxes)
    return results + approach.finish(round(END_S * S) + shift_ns)


def verdicts(results: Sequence[Judged]) -> list[Verdict]:
    return [result.judgement.verdict for result in results]


@pytest.mark.parametrize(
    ("t_s", "reason"),
    [
        (5.0, Verdict.ON_GREEN),
        (11.0, Verdict.ON_AMBER),
        (13.3, Verdict.WITHIN_GRACE),
        (15.0, Verdict.VIOLATION),
        (32.0, Verdict.VIOLATION),
        (32.99, Verdict.UNKNOWN_PHASE),
        (33.5, Verdict.ON_RED_AMBER),
        (36.0, Verdict.ON_GREEN),
    ],
)
@pytest.mark.parametrize("fps", [5, 25])
def test_the_verdict_follows_the_phase_at_the_crossing(t_s: float, reason: Verdict, fps: float) -> None:
    (result,) = judged([crossing(t_s)], fps=fps)
    assert result.judgement.verdict is reason
    assert result.passage.t_cross_ns == pytest.approx(t_s * S, abs=2 * MS)


def test_stopping_past_the_line_is_no_violation_and_a_permitted_turn_neither() -> None:
    stops = (14.0, Motion(m.braking(200, 0.4, 180)))
    assert verdicts(judged([stops], seen_s=8)) == [Verdict.STOPPED_PAST_LINE]
    assert verdicts(judged([stops], seen_s=8, on=site(turn_on_red="allowed"))) == [Verdict.TURN_PERMITTED]


def test_the_rear_margin_in_rear_view() -> None:
    rear = site(contact="rear")
    assert verdicts(judged([crossing(13.9)], on=rear)) == [Verdict.REAR_MARGIN]
    assert verdicts(judged([crossing(13.9)])) == [Verdict.VIOLATION]


def test_a_short_amber_suppresses_its_cycle_and_a_fault_every_passage() -> None:
    short = lamps([("g", 0), ("a", 11), ("r", 13), ("g", 34)])
    assert verdicts(judged([crossing(20)], short)) == [Verdict.SHORT_AMBER]
    dark = lamps([("g", 0), ("a", 10), ("r", 13), ("", 17), ("r", 18), ("g", 34)])
    assert verdicts(judged([crossing(15), crossing(25)], dark)) == [Verdict.VIOLATION, Verdict.LAMP_FAULT]


def test_a_node_that_has_just_started_does_not_know_the_phase() -> None:
    only_red = lamps([("r", 0)])
    assert verdicts(judged([crossing(20)], only_red, trust_start=False)) == [Verdict.UNKNOWN_PHASE]
    assert verdicts(judged([crossing(20)], only_red)) == [Verdict.VIOLATION]
    assert verdicts(judged([crossing(20)], [])) == [Verdict.UNKNOWN_PHASE]


@pytest.mark.parametrize("rate", [30, 60, 100])
@pytest.mark.parametrize("top", [50, 100])
def test_one_that_waits_and_is_hidden_from_below_is_no_violation(rate: float, top: float) -> None:
    """What hides it rises over its box, whose bottom edge is past both lines in the end."""
    approach = Approach(site(), TrackerSettings(), trust_start=True)
    for edge in lamps():
        approach.lamp(edge)
    results = []
    for t_ns in m.frame_times(25, 22):
        hidden_px = min(max(0.0, (t_ns / S - 16) * rate), 100)
        boxes = [m.detection((280, top, 360, 230 - hidden_px))] if t_ns >= 14 * S else []
        results += approach.frame(t_ns, boxes)
    assert verdicts(results + approach.finish(22 * S)) == [Verdict.DOUBTFUL_TRACK]


def test_these_cases_reach_every_verdict() -> None:
    reached = {Verdict.ON_GREEN, Verdict.ON_AMBER, Verdict.ON_RED_AMBER, Verdict.WITHIN_GRACE, Verdict.VIOLATION}
    reached |= {Verdict.STOPPED_PAST_LINE, Verdict.TURN_PERMITTED, Verdict.REAR_MARGIN, Verdict.SHORT_AMBER}
    reached |= {Verdict.DOUBTFUL_TRACK}
    assert reached | {Verdict.LAMP_FAULT, Verdict.UNKNOWN_PHASE} == set(Verdict)  # a new one needs a case above


def test_the_lamps_that_a_verdict_rests_on_reach_back_to_its_amber() -> None:
    (result,) = judged([crossing(20)])
    assert [edge.t_ns for edge in result.lamps if edge.lamp is Lamp.AMBER and edge.lit] == [10 * S]
    assert [edge.t_ns for edge in result.lamps if edge.lamp is Lamp.RED and edge.lit] == [13 * S]


def test_the_lamps_that_a_verdict_rests_on_hold_no_gap_of_a_lamp_on_the_mains() -> None:
    chopped = [
        LampEdge(t_ms * MS + after_ms * MS, "north", Lamp.RED, lit=lit)
        for t_ms in range(13_000, 33_000, 10)
        for after_ms, lit in ((0, True), (6, False))
    ]
    others = [edge for edge in lamps() if edge.lamp is not Lamp.RED or not edge.lit]
    (result,) = judged([crossing(20.0)], sorted(others + chopped, key=lambda edge: edge.t_ns))
    assert result.judgement.verdict is Verdict.VIOLATION
    assert [(edge.t_ns, edge.lit) for edge in result.lamps if edge.lamp is Lamp.RED] == [(0, False), (13 * S, True)]


@pytest.mark.parametrize(("off_ms", "told"), [(20_601, True), (20_641, False)])
def test_the_lamps_that_a_verdict_rests_on_reach_beyond_the_confirm_line(off_ms: int, told: bool) -> None:
    off_s = off_ms / 1000
    (result,) = judged([crossing(20.0)], lamps([("g", 0), ("a", 10), ("r", 13), ("ra", off_s), ("g", off_s + 0.06)]))
    assert result.passage.t_confirm_ns == pytest.approx(20.6 * S, abs=MS)
    assert result.judgement.verdict is Verdict.VIOLATION
    assert (result.lamps[-1].t_ns == off_ms * MS) is told


def test_edges_of_another_group_change_nothing() -> None:
    foreign = [LampEdge(edge.t_ns, "south", edge.lamp, edge.lit) for edge in lamps()]
    assert verdicts(judged([crossing(20)], foreign)) == [Verdict.UNKNOWN_PHASE]


VEHICLES = st.lists(st.integers(0, 10), min_size=1, max_size=8).map(
    lambda gaps: [crossing(2 + sum(gaps[: index + 1]) * 0.4 + index * 3.5) for index in range(len(gaps))]
)


def essence(results: Sequence[Judged], shift_ns: int = 0) -> list[tuple[int, int, Verdict, float | None]]:
    return [
        (r.passage.track, r.passage.t_cross_ns - shift_ns, r.judgement.verdict, r.judgement.red_at_least_s)
        for r in results
    ]


@given(VEHICLES, st.lists(st.integers(0, 3000), min_size=12, max_size=12))
@settings(max_examples=25)
def test_how_long_before_their_frame_edges_come_does_not_matter(
    vehicles: list[tuple[float, Motion]], early_ms: list[int]
) -> None:
    late = judged(vehicles)
    early = judged(vehicles, early_ns=lambda index: early_ms[min(index, 11)] * MS)
    assert sorted(essence(early)) == sorted(essence(late))
    assert {result.passage.t_cross_ns: result.lamps for result in early} == {
        result.passage.t_cross_ns: result.lamps for result in late
    }


@given(VEHICLES, st.integers(-(10**15), 10**18))
@settings(max_examples=25)
def test_a_shift_in_time_gives_the_same_verdicts(vehicles: list[tuple[float, Motion]], shift_ns: int) -> None:
    assert essence(judged(vehicles, shift_ns=shift_ns), shift_ns) == essence(judged(vehicles))


@given(VEHICLES)
@settings(max_examples=25)
def test_every_vehicle_has_one_verdict(vehicles: list[tuple[float, Motion]]) -> None:
    seen = [vehicle for vehicle in vehicles if vehicle[0] + 1.8 < END_S]
    results = judged(seen)
    assert len(results) == len(seen)
    assert len({result.passage.track for result in results}) == len(seen)


def test_passages_that_wait_for_lost_lamps_are_judged_once_and_not_kept_for_ever() -> None:
    approach = Approach(site(), TrackerSettings(), trust_start=True)
    (result,) = judged([crossing(20)])
    approach._waiting = [replace(result.passage, track=track) for track in range(300)]
    assert len(approach._judge_settled()) == 44
    assert len(approach._waiting) == 256
    assert len(approach.finish(30 * S)) == 256
