from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gpiozero.pins.mock import MockFactory
from gpiozero.pins.pi import PiPin
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.records import Lamp, LampEdge
from edge.sources.gpio import GpioCounts, GpioLamps, LampPins, _TimelineFactory, open_gpio, play_through_pins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def test_an_input_that_changes_all_the_time_is_never_in_doubt() -> None:
    """A mains-driven lamp has always an edge on its way, so that what is read is often unlike the last one told."""
    factory = MockFactory()
    with GpioLamps([NORTH], factory, lambda _: None) as lamps:
        for _ in range(10):
            factory.pin(17)._state = not factory.pin(17)._state
            lamps.check()
            factory.pin(17)._call_when_changed()


@pytest.mark.skipif(Path("/dev/gpiochip0").exists(), reason="this machine has GPIO")
def test_a_machine_without_gpio_is_told_what_to_do() -> None:
    with pytest.raises(SourceError, match=r"GPIO cannot be used \(.+\): .*install lgpio"):
        open_gpio([NORTH], lambda _: None)


@pytest.fixture
def late() -> Iterator[tuple[Callable[[float, float, int], None], GpioLamps]]:
    """Lamps whose red is told by hand: stamped at one time, in s, and read at another."""
    factory = _TimelineFactory()
    factory.now_s = 100.0

    def edge(t_s: float, read_s: float, level: int) -> None:
        factory.now_s = read_s
        PiPin._call_when_changed(factory.pin(17), t_s, level)

    with GpioLamps([NORTH], factory, lambda _: None) as lamps:
        yield edge, lamps


def test_what_was_not_seen_is_counted(late) -> None:  # noqa: ANN001
    edge, lamps = late
    edge(101.0, 101.001, 1)
    edge(102.0, 102.003, 1)
    assert lamps.counts == GpioCounts(edges=4, unseen=1, overruns=0, slowest_ns=3_000_000)


@pytest.mark.parametrize(("waiting", "overruns"), [(15, 0), (16, 1), (31, 1), (32, 2)])
def test_as_many_edges_waiting_as_the_kernel_keeps_may_be_too_many(late, waiting: int, overruns: int) -> None:  # noqa: ANN001
    edge, lamps = late
    for number in range(20):
        edge(101.0 + number * 0.005, 101.001 + number * 0.005, 1 - number % 2)
    for number in range(waiting):
        edge(102.0 + number * 0.005, 103.0, 1 - number % 2)
    assert lamps.counts.overruns == overruns


def test_edges_from_before_the_state_at_the_start_are_left_out() -> None:
    factory, seen = _TimelineFactory(), []
    factory.now_s = 100.0
    with GpioLamps([NORTH], factory, seen.append):
        for t_s, lit in ((99.98, True), (99.99, False), (101.0, True)):
            PiPin._call_when_changed(factory.pin(17), t_s, lit)
    assert [(edge.t_ns, edge.lit) for edge in seen[3:]] == [(101_000_000_000, True)]


def test_stamps_of_another_clock_are_found_by_the_check(late) -> None:  # noqa: ANN001
    edge, lamps = late
    edge(1_700_000_000.0, 101.0, 0)
    with pytest.raises(SourceError, match=r"GPIO17 .* is not stamped with the monotonic clock"):
        lamps.check()


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to one user and become another")
def test_a_folder_that_the_user_may_not_go_back_to_is_left(tmp_path: Path) -> None:
    """``sudo -u stopline`` in somebody else's home, which is closed to others since Debian 13."""
    program = """
import os
import sys
from pathlib import Path
from edge.sources.gpio import _lent_working_folder
home = Path(sys.argv[1])
home.chmod(0o700)
os.chdir(home)
os.seteuid(65534)
with _lent_working_folder():
    os.chdir(os.environ["LG_WD"])
print(os.getcwd())
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("/\n", 0), done.stderr
