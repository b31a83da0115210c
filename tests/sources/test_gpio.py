from __future__ import annotations

import time

import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.records import Lamp, LampEdge
from edge.sources.gpio import GpioLamps, LampPins, open_gpio, play_through_pins

NORTH = LampPins("north", red=17, amber=27, green=22)


def states(edges: list[LampEdge]) -> list[tuple[str, Lamp, bool]]:
    return [(edge.group, edge.lamp, edge.lit) for edge in edges]


def test_the_first_state_and_then_every_change_is_told_with_the_pins_own_time() -> None:
    factory, seen = MockFactory(), []
    factory.pin(17).drive_high()
    before_ns = time.monotonic_ns()
    with GpioLamps([NORTH], factory, seen.append):
        assert states(seen) == [("north", Lamp.RED, False), ("north", Lamp.AMBER, False), ("north", Lamp.GREEN, False)]
        seen.clear()
        factory.pin(17).drive_high()
        factory.pin(27).drive_high()
        factory.pin(17).drive_low()
    assert states(seen) == [("north", Lamp.RED, True), ("north", Lamp.AMBER, True), ("north", Lamp.RED, False)]
    assert before_ns < seen[0].t_ns <= seen[1].t_ns <= seen[2].t_ns <= time.monotonic_ns()
    assert seen[2].t_ns == round(factory.pin(17)._last_change * 1e9)


def test_an_active_low_input_is_pulled_up_and_read_inverted() -> None:
    factory, seen = MockFactory(), []
    with GpioLamps([LampPins("north", 17, 27, 22, active_low=True)], factory, seen.append):
        assert factory.pin(17).pull == "up"
        assert [edge.lit for edge in seen] == [False] * 3
        factory.pin(17).drive_low()
        assert states(seen[3:]) == [("north", Lamp.RED, True)]


def test_nothing_is_told_after_closing_and_the_pins_are_free_again() -> None:
    factory, seen = MockFactory(), []
    with GpioLamps([NORTH], factory, seen.append):
        pass
    told = len(seen)
    factory.pin(17).drive_high()
    assert len(seen) == told
    GpioLamps([NORTH], factory, seen.append).close()


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([LampPins("north", 17, 27, 99)], r"GPIO99 \(green of north\) cannot be read"),
        ([NORTH, LampPins("south", 22, 5, 6)], r"GPIO22 \(red of south\) cannot be read"),
        ([LampPins("north", 2, 27, 22)], r"GPIO2 \(red of north\) cannot be read"),  # has a fixed pull-up
    ],
)
def test_a_pin_that_cannot_be_had_is_a_source_error_and_frees_the_others(groups: list[LampPins], words: str) -> None:
    factory = MockFactory()
    with pytest.raises(SourceError, match=words):
        GpioLamps(groups, factory, lambda _: None)
    GpioLamps([LampPins("again", 17, 27, 22)], factory, lambda _: None).close()


def test_a_pin_that_fails_or_changes_without_an_edge_is_found_by_the_check() -> None:
    factory = MockFactory()
    with GpioLamps([NORTH], factory, lambda _: None) as lamps:
        lamps.check()
        factory.pin(22)._state = True  # as if the kernel had dropped the edge
        lamps.check()
        with pytest.raises(SourceError, match="changed without an edge"):
            lamps.check()


def test_a_machine_without_gpio_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "native")
    with pytest.raises(SourceError, match="install lgpio"):
        open_gpio([NORTH], lambda _: None)


LAMPS = st.tuples(st.booleans(), st.booleans(), st.booleans())
ROWS = st.lists(
    st.tuples(st.integers(1, 5_000_000_000), st.sampled_from(["north", "south", "east"]), LAMPS),
    min_size=1,
    max_size=40,
)


def timeline(rows: list[tuple[int, str, tuple[bool, bool, bool]]]) -> tuple[LampEdge, ...]:
    edges: list[LampEdge] = []
    shown: dict[str, tuple[bool, ...]] = {}
    t_ns = -7_000_000_001
    for step_ns, group, lit in rows:
        t_ns += step_ns
        before = shown.get(group)
        for index, lamp in enumerate(Lamp):
            if before is None or before[index] != lit[index]:
                edges.append(LampEdge(t_ns, group, lamp, lit[index]))
        shown[group] = lit
    return tuple(edges)


@given(ROWS, st.booleans(), st.sampled_from(["up", "down", "floating", None]))
def test_a_timeline_played_through_the_gpio_code_comes_out_as_it_went_in(rows, active_low: bool, pull) -> None:  # noqa: ANN001
    edges = timeline(rows)
    assert play_through_pins(edges) == edges
    wiring = [LampPins("south", 17, 27, 22, active_low=active_low, pull=pull)]
    assert play_through_pins(edges, wiring) == edges


def test_more_groups_than_pins_is_a_source_error() -> None:
    edges = [LampEdge(0, f"group{index}", lamp, lit=False) for index in range(9) for lamp in Lamp]
    with pytest.raises(SourceError, match="more signal groups"):
        play_through_pins(edges)
