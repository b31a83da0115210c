"""The verifier's phases, written anew from docs/judging.md, are those of the node, whatever the lamps do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from edge import verify
from edge.approach import phase_times
from edge.config import SignalGroup
from edge.phases import SignalPhases
from edge.records import Lamp, LampEdge

if TYPE_CHECKING:
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


def of_the_node(edges: list[LampEdge]) -> list[PhaseInterval]:
    phases = SignalPhases(phase_times(GROUP), trust_start=True)
    for edge in edges:
        phases.feed(edge)
    phases.advance(edges[-1].t_ns + 60_000_000_000)
    return list(phases.intervals)


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
