"""The verifier's phases, written anew from docs/judging.md, are those of the node, whatever the lamps do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edge import verify
from edge.approach import phase_times
from edge.config import SignalGroup
from edge.phases import BEGINNING_NS, SignalPhases
from edge.records import Lamp, LampEdge, Phase
from tests.core.mains import (
    DIMMED,
    FULL_WAVE_50_HZ,
    FULL_WAVE_60_HZ,
    HALF_WAVE_50_HZ,
    HALF_WAVE_60_HZ,
    Mains,
    edges_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edge.records import PhaseInterval

GROUP = SignalGroup(id="north", min_amber_s=3.0, max_phase_s=40.0)
SIGNAL = {"debounce_s": 0.01, "hold_s": 0.03, "transition_s": 0.25, "max_phase_s": 40.0}
US = 1000

# Aspects as (red, amber, green); mostly a programme in its order, so that long histories come about.
PROGRAMME = [(False, False, True), (False, True, False), (True, False, False)]
ASPECTS = [*PROGRAMME, (True, True, False), (False, False, False), (True, False, True)]
PAUSES_US = st.one_of(
    st.sampled_from([1, 5_000, 10_000, 29_999, 30_000, 30_001, 100_000, 250_000, 250_001, 2_999_999, 3_000_000]),
    st.integers(1, 600_000),
    st.integers(2_000_000, 45_000_000),
)


@st.composite
def lamp_edges(draw: st.DrawFn) -> list[LampEdge]:
    """Edges of one group: aspects one after another, in order or out of it, with pauses of every kind."""
    edges, t_us, shown, place = [], draw(st.integers(-60_000_000, 0)), None, 0
    for _ in range(draw(st.integers(1, 25))):
        if draw(st.integers(0, 3)):
            place = (place + 1) % len(PROGRAMME)
            aspect = PROGRAMME[place]
        else:
            aspect = draw(st.sampled_from(ASPECTS))
        for index, lamp in enumerate((Lamp.RED, Lamp.AMBER, Lamp.GREEN)):
            if shown is None or shown[index] != aspect[index]:
                edges.append(LampEdge(t_us * US, "north", lamp, aspect[index]))
        shown = aspect
        t_us += draw(PAUSES_US)
    return edges


def fed(edges: Iterable[LampEdge], until_ns: int, group: SignalGroup = GROUP) -> SignalPhases:
    """The node's machine after these edges, and when nothing more has come until an instant."""
    phases = SignalPhases(phase_times(group), trust_start=True)
    for edge in edges:
        phases.feed(edge)
    phases.advance(until_ns)
    return phases


def of_the_node(edges: list[LampEdge]) -> list[PhaseInterval]:
    return list(fed(edges, edges[-1].t_ns + 60_000_000_000).intervals)


@settings(max_examples=400, deadline=None)
@given(lamp_edges())
def test_both_see_the_same_phases(edges: list[LampEdge]) -> None:
    rows = [(edge.t_ns / 1e9, edge.lamp.value, edge.lit) for edge in edges]
    ours = verify.phases(rows, SIGNAL, GROUP.min_amber_s)
    theirs = of_the_node(edges)
    assert [(p.name, p.fault, p.amber) for p in ours] == [
        (p.phase.value, p.fault and p.fault.value, None if p.amber_ns is None else p.amber_ns // US) for p in theirs
    ]
    assert [p.start for p in ours[1:]] == [p.start_ns // US for p in theirs[1:]]


def test_a_chopped_and_bouncing_lamp_is_read_alike() -> None:
    edges = [LampEdge(0, "north", lamp, lit=False) for lamp in (Lamp.RED, Lamp.AMBER)]
    edges += [
        LampEdge(t_us * US, "north", Lamp.GREEN, lit=lit)
        for start in range(0, 5_000_000, 10_000)
        for t_us, lit in ((start, True), (start + 6_000, False))
    ]
    edges += [
        LampEdge(5_100_000_000, "north", Lamp.AMBER, lit=True),
        LampEdge(5_104_000_000, "north", Lamp.AMBER, lit=False),
    ]
    edges += [
        LampEdge(5_180_000_000, "north", Lamp.AMBER, lit=True),
        LampEdge(8_200_000_000, "north", Lamp.AMBER, lit=False),
    ]
    edges += [LampEdge(8_300_000_000, "north", Lamp.RED, lit=True)]
    ours = verify.phases([(e.t_ns / 1e9, e.lamp.value, e.lit) for e in edges], SIGNAL, 3.0)
    theirs = of_the_node(edges)
    assert [(p.name, p.start) for p in ours[1:]] == [(p.phase.value, p.start_ns // US) for p in theirs[1:]]
    assert [p.name for p in ours[:4]] == ["unknown", "green", "amber", "red"]


# --- the edges that the node keeps, against all that came ------------------------------------------------------------

MS = 1000 * US
FAST = SignalGroup(id="north", min_amber_s=0.5, max_phase_s=4.0)
FAST_SIGNAL = SIGNAL | {"max_phase_s": 4.0}
LEAD_NS = 2_000_000_000
SHAPES = [
    None,
    FULL_WAVE_50_HZ,
    FULL_WAVE_60_HZ,
    HALF_WAVE_50_HZ,
    HALF_WAVE_60_HZ,
    DIMMED,
    Mains(40 * MS, 10 * MS),  # gaps of exactly the hold
    Mains(40 * MS + US, 10 * MS),  # and longer by the least
    Mains(39 * MS, 9 * MS),  # pulses shorter than the debounce that only together are a lamp's
]
INSTANTS_US = st.integers(0, 6_000_000)
LENGTHS_US = st.sampled_from([1, 1_000, 9_999, 10_000, 29_999, 30_000, 30_001]) | st.integers(1, 60_000)


@st.composite
def flickering(draw: st.DrawFn) -> tuple[list[LampEdge], int]:
    """What may come on the wires, and its end: lamps on the mains, each in its own phase, that bounce and spark."""
    cycle = [
        ("g", 700 * MS),
        ("a", draw(st.sampled_from([495, 500, 520, 600])) * MS),
        ("r", 900 * MS),
        ("ra", 400 * MS),
    ]
    stretches = (cycle * 3)[draw(st.integers(0, 3)) :][: draw(st.integers(1, 9))]
    if draw(st.integers(0, 3)) == 0:
        stretches.insert(draw(st.integers(0, len(stretches))), (draw(st.sampled_from(["", "rg", "g"])), 300 * MS))
    shapes = {}
    for lamp in Lamp:
        shape = draw(st.sampled_from(SHAPES))
        shapes[lamp] = shape and replace(shape, phase_ns=draw(st.integers(0, 20_000)) * US)
    bursts = st.lists(
        st.tuples(INSTANTS_US, st.lists(st.tuples(LENGTHS_US, LENGTHS_US), min_size=1, max_size=4)), max_size=3
    )
    sparks = {lamp: list(_pulses(draw(bursts))) for lamp in Lamp}
    edges, end_ns = edges_of(stretches, shapes, sparks=sparks)
    gone = {lamp: draw(st.lists(st.tuples(INSTANTS_US, LENGTHS_US), max_size=2)) for lamp in Lamp}
    return [edge for edge in edges if not _within(edge.t_ns, gone[edge.lamp])], end_ns


def _pulses(bursts: list[tuple[int, list[tuple[int, int]]]]) -> Iterator[tuple[int, int]]:
    for at_us, pulses in bursts:
        t_us = at_us
        for lit_us, dark_us in pulses:
            yield t_us * US, (t_us + lit_us) * US
            t_us += lit_us + dark_us


def _within(t_ns: int, spans_us: list[tuple[int, int]]) -> bool:
    """Whether an edge lies in a stretch in which none was told: the lamp is then said twice to be as it is."""
    return t_ns > 0 and any(at_us * US <= t_ns < (at_us + length_us) * US for at_us, length_us in spans_us)


def rows_of(edges: Iterable[LampEdge]) -> list[tuple[float, str, bool]]:
    return [(edge.t_ns / 1e9, edge.lamp.value, edge.lit) for edge in edges]


@settings(max_examples=300, deadline=None)
@given(flickering())
def test_the_edges_that_are_kept_amount_to_the_same_phases_in_both(case: tuple[list[LampEdge], int]) -> None:
    raw, end_ns = case
    node = fed(raw, end_ns + LEAD_NS, FAST)
    kept = node.edges_between(BEGINNING_NS, end_ns + LEAD_NS)
    again = fed(kept, end_ns + LEAD_NS, FAST)
    assert again.intervals == node.intervals
    assert again.glitches == node.glitches
    assert again.edges == node.edges  # nothing more can be left out
    assert verify.phases(rows_of(kept), FAST_SIGNAL, 0.5) == verify.phases(rows_of(raw), FAST_SIGNAL, 0.5)


@settings(max_examples=300, deadline=None)
@given(flickering(), st.integers(0, 8_000_000))
def test_the_edges_up_to_an_instant_depend_on_nothing_after_it(case: tuple[list[LampEdge], int], until_us: int) -> None:
    raw, end_ns = case
    end_of_stretch_ns = min(until_us * US, end_ns)
    until_then = [edge for edge in raw if edge.t_ns <= end_of_stretch_ns]
    early = fed(until_then, end_of_stretch_ns + 1, FAST).edges_between(BEGINNING_NS, end_of_stretch_ns)
    assert fed(raw, end_ns, FAST).edges_between(BEGINNING_NS, end_of_stretch_ns) == early


@settings(max_examples=300, deadline=None)
@given(flickering())
def test_every_red_and_its_amber_are_found_in_the_stretch_that_its_event_carries(
    case: tuple[list[LampEdge], int],
) -> None:
    raw, end_ns = case
    node = fed(raw, end_ns + LEAD_NS, FAST)
    for red in node.intervals:
        if red.phase is Phase.RED and red.amber_ns is not None:
            stretch = node.edges_between(red.start_ns - red.amber_ns - LEAD_NS, red.start_ns + 100 * MS)
            found = {p.start: p for p in verify.phases(rows_of(stretch), FAST_SIGNAL, 0.5)}[red.start_ns // US]
            assert (found.name, found.amber) == ("red", red.amber_ns // US)
            assert found.fault == (red.fault and red.fault.value)
