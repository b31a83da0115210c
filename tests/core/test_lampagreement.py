"""The wires and the picture compared: what is explained, what is a disagreement, and how long one lasts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from edge.glow import LampReading
from edge.health import Outcome
from edge.lampagreement import CheckedLamps, LampAgreement, agreement_finding
from edge.phases import PhaseTimes
from edge.records import Lamp, LampEdge

if TYPE_CHECKING:
    from collections.abc import Sequence

MS = 1_000_000
States = tuple[bool | None, bool | None, bool | None]
Frame = tuple[int, States]
TIMES = PhaseTimes(debounce_ns=10 * MS, hold_ns=30 * MS, transition_ns=250 * MS, max_phase_ns=600_000 * MS)
SHOWN: dict[Lamp, States] = {
    Lamp.RED: (True, False, False),
    Lamp.AMBER: (False, True, False),
    Lamp.GREEN: (False, False, True),
}


def edges(*changes: tuple[int, Lamp]) -> list[LampEdge]:
    """Raw edges of a group that shows one lamp at a time from each instant (ms) on."""
    out: list[LampEdge] = []
    before: dict[Lamp, bool] = {}
    for t_ms, shown in changes:
        now = {lamp: lamp is shown for lamp in Lamp}
        out += [LampEdge(t_ms * MS, "north", lamp, lit) for lamp, lit in now.items() if before.get(lamp) != lit]
        before = now
    return out


def fed(agreement: LampAgreement, wires: list[LampEdge], frames: Sequence[Frame]) -> None:
    """Everything in the order of its time, as a node feeds it."""
    wires = list(wires)
    for t_ms, states in frames:
        while wires and wires[0].t_ns <= t_ms * MS:
            agreement.wired(wires.pop(0))
        agreement.seen(LampReading(t_ms * MS, "north", *states))
        agreement.advance(t_ms * MS)


def compared(wires: list[LampEdge], frames: Sequence[Frame]) -> LampAgreement:
    agreement = LampAgreement({"north": TIMES})
    fed(agreement, wires, frames)
    return agreement


def shown_at(changes: list[tuple[int, Lamp]], t_ms: int) -> States:
    return SHOWN[[lamp for at, lamp in changes if at <= t_ms][-1]]


def test_a_lamp_that_the_wires_know_nothing_of_is_reported() -> None:
    frames = [(t, SHOWN[Lamp.RED]) for t in range(0, 2000, 40)]
    found = compared(edges((-1000, Lamp.GREEN)), frames).disagreements
    assert [(one.lamp, one.seen) for one in found] == [(Lamp.RED, True), (Lamp.GREEN, False)]
    assert found[0].until_ns - found[0].since_ns > 1500 * MS
    assert str(found[0]).startswith("red of north is lit in the picture, dark on the wires, for 1.")


def test_it_is_reported_after_a_tenth_of_a_second_and_gone_with_the_first_frame_that_agrees() -> None:
    wires = edges((-1000, Lamp.GREEN))
    wrong = [(t, SHOWN[Lamp.RED]) for t in range(0, 400, 40)]
    told = [bool(compared(wires, wrong[:count]).disagreements) for count in range(1, len(wrong) + 1)]
    # A frame is compared 190 ms later, when the wires' state around it is certain; the fourth is 120 ms after.
    assert told == [False] * 8 + [True] * 2
    right = [(t, SHOWN[Lamp.GREEN]) for t in range(400, 800, 40)]
    assert compared(wires, wrong + right).disagreements == ()


def test_what_the_picture_cannot_tell_neither_begins_nor_ends_a_disagreement() -> None:
    nothing: States = (None, None, None)
    wires = edges((-1000, Lamp.GREEN))
    hidden: list[Frame] = [(t, nothing) for t in range(0, 3000, 40)]
    assert compared(wires, hidden).disagreements == ()
    between = [(0, SHOWN[Lamp.RED]), *hidden[1:25], (1000, SHOWN[Lamp.RED]), *hidden[26:50]]
    assert compared(wires, between).disagreements
    assert compared(wires, hidden).compared_ns("north") is None


def test_a_disagreement_that_nothing_confirms_any_more_is_forgotten() -> None:
    frames: list[Frame] = [(t, SHOWN[Lamp.RED]) for t in range(0, 1000, 40)]
    frames += [(t, (None, None, None)) for t in range(1000, 14_000, 40)]
    assert compared(edges((-1000, Lamp.GREEN)), frames).disagreements == ()


def test_before_the_wires_have_told_anything_nothing_is_compared() -> None:
    agreement = compared([], [(t, SHOWN[Lamp.RED]) for t in range(0, 2000, 40)])
    assert agreement.disagreements == ()
    assert agreement.compared_ns("north") is None


def test_lamps_chopped_by_the_mains_are_lit() -> None:
    chopped = [LampEdge(t * MS, "north", Lamp.RED, t % 10 < 7) for t in range(-500, 2000) if t % 10 in (0, 7)]
    chopped += [LampEdge(-600 * MS, "north", lamp, lit=False) for lamp in (Lamp.AMBER, Lamp.GREEN)]
    chopped.sort(key=lambda edge: edge.t_ns)
    agreement = compared(chopped, [(t, SHOWN[Lamp.RED]) for t in range(0, 2000, 40)])
    assert agreement.disagreements == ()
    assert agreement.compared_ns("north") is not None
    dark = compared(chopped, [(t, (False, False, False)) for t in range(0, 2000, 40)])
    assert [(one.lamp, one.seen) for one in dark.disagreements] == [(Lamp.RED, False)]


def test_readings_that_nobody_compares_are_bounded_and_counted() -> None:
    agreement = LampAgreement({"north": TIMES})
    for t_ms in range(10_000):
        agreement.seen(LampReading(t_ms * MS, "north", *SHOWN[Lamp.RED]))
    assert agreement.dropped > 0
    agreement.seen(LampReading(0, "elsewhere", *SHOWN[Lamp.RED]))


def test_the_check_of_a_node_is_ok_failed_or_unknown() -> None:
    wires = edges((-1000, Lamp.GREEN))
    right = compared(wires, [(t, SHOWN[Lamp.GREEN]) for t in range(0, 2000, 40)])
    assert agreement_finding(right, 2000 * MS).outcome is Outcome.OK
    assert agreement_finding(right, 80_000 * MS).outcome is Outcome.UNKNOWN
    wrong = agreement_finding(compared(wires, [(t, SHOWN[Lamp.RED]) for t in range(0, 2000, 40)]), 2000 * MS)
    assert wrong.outcome is Outcome.NOT_OK
    assert wrong.words.startswith("Red of north is lit in the picture, dark on the wires")
    hidden = agreement_finding(compared(wires, [(t, (None, None, None)) for t in range(0, 2000, 40)]), 2000 * MS)
    assert hidden.outcome is Outcome.UNKNOWN


def test_a_feed_hands_the_wires_on_and_compares_them_on_the_way() -> None:
    agreement, readings = LampAgreement({"north": TIMES}), deque[LampReading]()
    wires = edges((-1000, Lamp.GREEN), (500, Lamp.AMBER))
    lamps = CheckedLamps(
        lambda t_ns: [edge for edge in wires if t_ns - 40 * MS < edge.t_ns <= t_ns or t_ns == 0 > edge.t_ns],
        readings,
        agreement,
    )
    handed: list[LampEdge] = []
    for t_ms in range(0, 1200, 40):
        readings.append(LampReading(t_ms * MS, "north", *SHOWN[Lamp.GREEN]))
        handed += lamps.until(t_ms * MS)
    assert handed == wires
    assert not readings
    assert [(one.lamp, one.seen) for one in agreement.disagreements] == [(Lamp.AMBER, False), (Lamp.GREEN, True)]


@given(
    lasting=st.lists(st.integers(300, 5000), min_size=2, max_size=8),
    shift_ms=st.integers(-120, 120),
    interval_ms=st.integers(15, 400),
)
def test_two_sources_of_one_signal_agree_whatever_the_frame_rate(
    lasting: list[int], shift_ms: int, interval_ms: int
) -> None:
    changes, at = [], -1000
    for index, length in enumerate(lasting):
        changes.append((at, (Lamp.GREEN, Lamp.AMBER, Lamp.RED)[index % 3]))
        at += length
    frames = [(t, shown_at(changes, t - shift_ms)) for t in range(-500, at, interval_ms)]
    agreement = LampAgreement({"north": TIMES})
    wires = edges(*changes)
    for frame in frames:
        due = [edge for edge in wires if edge.t_ns <= frame[0] * MS]
        wires = wires[len(due) :]
        fed(agreement, due, [frame])
        assert agreement.disagreements == ()
