"""One suite for lamp inputs on mock pins and on real ones, these where script/test-gpio has booted a kernel."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.errors import SourceError
from edge.phases import PhaseTimes
from edge.records import Fault, Lamp, LampEdge, Phase
from edge.sources.gpio import LampPins, open_gpio
from tests.sources.gpio_bench import MS, TIMES, Bench, MockBench, SimulatedBench, phases_of, play, played
from tests.sources.gpio_waves import CYCLE, bouncing, chopped, floating, shown, steady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sources.gpio_waves import Shape

ON_A_KERNEL = "STOPLINE_GPIO_SIM" in os.environ
REAL_ONLY = pytest.mark.skipif(not ON_A_KERNEL, reason="needs a kernel with gpio-sim: run script/test-gpio")
NORTH = LampPins("north", red=17, amber=27, green=22)
SOUTH = LampPins("south", red=5, amber=6, green=13, active_low=True)
AS_DRIVEN = [Phase.GREEN, Phase.AMBER, Phase.RED, Phase.GREEN]
UNCERTAINTY_MS = 20.0  # the site file's own uncertainty_s


@pytest.fixture(params=["mock", pytest.param("gpio-sim", marks=REAL_ONLY)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = MockBench() if request.param == "mock" else SimulatedBench()
    yield made
    made.close()


@pytest.fixture
def kernel_bench() -> Iterator[SimulatedBench]:
    made = SimulatedBench()
    yield made
    made.close()


def names(edges: list[LampEdge], end_ns: int, group: str = "north", times: PhaseTimes = TIMES) -> list[Phase | Fault]:
    return [each.fault or each.phase for each in phases_of(edges, group, end_ns, times)]


def test_edges_come_in_order_stamped_between_driving_and_reading(bench: Bench) -> None:
    driven = played(bench, (NORTH, shown([("r", 0.011), ("g", 0.007), ("a", 0.013), ("", 0.009)] * 5)))
    seen = bench.edges
    assert [(edge.lamp, edge.lit) for edge in seen[:3]] == [(lamp, False) for lamp in Lamp]
    assert [edge.t_ns for edge in seen] == sorted(edge.t_ns for edge in seen)
    for lamp in Lamp:
        of_seen, of_driven = ([edge for edge in edges if edge.lamp is lamp] for edges in (seen, driven))
        assert [edge.lit for edge in of_seen] == [edge.lit for edge in of_driven]
        assert all(0 <= late.t_ns - true.t_ns <= 2 * MS for late, true in zip(of_seen, of_driven, strict=True))


@pytest.mark.parametrize("shape", [steady, chopped(50), chopped(100), chopped(120), bouncing])
def test_lamps_are_read_steady_whatever_their_wires_do(bench: Bench, shape: Shape) -> None:
    driven = played(bench, (NORTH, shown(CYCLE, shape)))
    end_ns = bench.now_ns() + 60 * MS
    assert names(bench.edges, end_ns)[:4] == AS_DRIVEN
    seen, true = phases_of(bench.edges, "north", end_ns), phases_of(driven, "north", end_ns)
    assert all(abs(late.start_ns - early.start_ns) <= 2 * MS for late, early in zip(seen, true, strict=True))
    assert [interval.onset_seen for interval in seen[:4]] == [True] * 4


def test_two_groups_are_read_at_once_one_of_them_wired_active_low(bench: Bench) -> None:
    other = [("g", 0.4), ("a", 0.4), ("r", 0.4), ("g", 0.3)]
    played(bench, (NORTH, shown(CYCLE, chopped(100))), (SOUTH, shown(other, bouncing)))
    assert [(edge.group, edge.lit) for edge in bench.edges[:6]] == [("north", False)] * 3 + [("south", False)] * 3
    end_ns = bench.now_ns() + 60 * MS
    assert names(bench.edges, end_ns)[:4] == AS_DRIVEN
    assert names(bench.edges, end_ns, "south")[:3] == [Phase.AMBER, Phase.RED, Phase.GREEN]


def test_a_stuck_input_is_found(bench: Bench) -> None:
    played(bench, (NORTH, shown([("r", 0.3), ("g", 0.3), ("a", 0.3), ("r", 2.3)])))
    assert names(bench.edges, bench.now_ns() + 60 * MS) == [*AS_DRIVEN[:3], Fault.STUCK]


def test_a_red_that_stays_lit_with_green_is_found(bench: Bench) -> None:
    played(bench, (NORTH, shown([("r", 0.3), ("g", 0.3), ("a", 0.3), ("r", 0.3), ("gr", 0.5)])))
    assert names(bench.edges, bench.now_ns() + 60 * MS)[:4] == [*AS_DRIVEN[:3], Fault.CONFLICT]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("open_wires", [[Lamp.RED], list(Lamp)])
def test_floating_inputs_never_convict(bench: Bench, open_wires: list[Lamp], seed: int) -> None:
    """No red that counts: what a broken cable shows is no phase, a fault, or comes after far too short an amber."""
    times = PhaseTimes(10 * MS, 30 * MS, 250 * MS, 2_000 * MS, min_amber_ns=3_000 * MS)
    steps = [step for lamp in open_wires for step in floating(lamp, 0.0, 2.0, seed)]
    with bench.watch(NORTH):
        play(bench, NORTH, steps)
    found = phases_of(bench.edges, "north", bench.now_ns() + 60 * MS, times)
    assert len(bench.edges) > 20
    assert [each for each in found if each.phase is Phase.RED and each.fault is None] == []


def test_an_edge_on_its_way_is_no_doubt_however_often_the_check_meets_one(bench: Bench) -> None:
    with bench.watch(NORTH) as lamps:
        play(bench, NORTH, shown([("r", 1.0)], chopped(100)), meanwhile=lamps.check)
        assert lamps.counts.edges > 150


def test_nothing_is_told_after_closing_and_the_inputs_can_be_opened_again(bench: Bench) -> None:
    for _ in range(2):
        bench.edges.clear()
        with bench.watch(NORTH):
            play(bench, NORTH, shown([("r", 0.05)]))
        play(bench, NORTH, shown([("g", 0.05)]))
        assert [edge.lamp for edge in bench.edges] == [*Lamp, Lamp.RED, Lamp.RED]


def test_the_working_folder_is_left_alone(tmp_path: Path) -> None:
    """Importing lgpio makes a FIFO there; with or without GPIO, opening must not move the process or litter."""
    code = (
        "import os; from edge.errors import SourceError; from edge.sources.gpio import LampPins, open_gpio\n"
        "try: open_gpio([LampPins('north', 17, 27, 22)], print).close()\n"
        "except SourceError as error: print(error)\n"
        "print(os.getcwd(), os.listdir('.'), os.environ.get('LG_WD'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LG_WD": "/"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"{tmp_path} [] /"


HOLDER = "import lgpio; lgpio.gpio_claim_input(lgpio.gpiochip_open(0), 22); print(flush=True); input()"


@REAL_ONLY
@pytest.mark.usefixtures("kernel_bench")
def test_an_input_that_another_program_holds_is_a_source_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(SourceError, match=r"GPIO22 \(green of north\) cannot be read \(GPIO busy\)"):
            open_gpio([NORTH], lambda _: None)
        holder.communicate(b"\n")
    open_gpio([NORTH], lambda _: None).close()


DRIVER = """
import os, signal, sys, time
reader, pull, edges = int(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY), int(sys.argv[3])
os.kill(reader, signal.SIGSTOP)
for number in range(edges):
    os.pwrite(pull, b"pull-up" if number % 2 == 0 else b"pull-down", 0)
    time.sleep(0.005)
os.kill(reader, signal.SIGCONT)
"""


@REAL_ONLY
@pytest.mark.parametrize("edges", [100, 101])
def test_edges_lost_while_the_node_stood_still_are_noticed(kernel_bench: SimulatedBench, edges: int) -> None:
    """The kernel keeps the newest 16 edges of an input, so that the state is right; that it was full is counted."""
    bench = kernel_bench
    with bench.watch(NORTH) as lamps:
        play(bench, NORTH, shown([("r", 0.3), ("g", 0.3), ("a", 0.3)]))
        before = lamps.counts
        subprocess.run([sys.executable, "-c", DRIVER, str(os.getpid()), str(bench.pulls[17]), str(edges)], check=True)
        bench.wait_until(bench.now_ns() + 400 * MS)
        lamps.check()
        after = lamps.counts
    assert before.overruns == 0
    assert after.overruns >= 1
    assert after.edges - before.edges < edges
    assert after.slowest_ns > 70 * MS
    lit = [edge.lit for edge in bench.edges if edge.lamp is Lamp.RED][-1]
    assert lit is bool(edges % 2)


def milliseconds(errors_ns: list[int]) -> dict[str, float]:
    p50, p95, most = np.percentile(errors_ns, [50, 95, 100]) / MS
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "max": round(float(most), 2)}


@REAL_ONLY
@pytest.mark.parametrize(("name", "shape"), [("steady", steady), ("chopped", chopped(99.7)), ("bouncing", bouncing)])
def test_the_onset_of_red_is_measured(kernel_bench: SimulatedBench, name: str, shape: Shape) -> None:
    """80 onsets at random instants: the kernel's stamp and the phase, against the instants the wires were driven."""
    rng = random.Random(name)  # noqa: S311
    stretches = [("r", 0.1)] + [(letter, 0.08 + 0.02 * rng.random()) for _ in range(80) for letter in "gar"]
    with kernel_bench.watch(NORTH) as lamps:
        first = list(kernel_bench.edges)
        driven = play(kernel_bench, NORTH, shown(stretches, shape))
        counts = lamps.counts
    end_ns = kernel_bench.now_ns() + 60 * MS
    true, seen = onsets(first + driven, end_ns), np.array(onsets(kernel_bench.edges, end_ns))
    stamps = np.array([edge.t_ns for edge in kernel_bench.edges if edge.lamp is Lamp.RED and edge.lit])
    rises = [edge.t_ns for edge in driven if edge.lamp is Lamp.RED and edge.lit]
    report = {
        "onsets": len(true),
        "stamp_ms": milliseconds([nearest(stamps, rise) for rise in rises]),
        "phase_ms": milliseconds([nearest(seen, onset) for onset in true]),
        "read_ms": round(counts.slowest_ns / MS, 2),
        "unseen": counts.unseen,
    }
    Path(os.environ["STOPLINE_GPIO_SIM"], f"{name}.json").write_text(json.dumps(report))
    assert len(seen) == len(true) == 80
    assert report["phase_ms"]["max"] <= UNCERTAINTY_MS


def nearest(times_ns: np.ndarray, t_ns: int) -> int:
    return int(np.abs(times_ns - t_ns).min())


def onsets(edges: list[LampEdge], end_ns: int) -> list[int]:
    """The beginnings of the reds that follow an amber."""
    return [each.start_ns for each in phases_of(edges, "north", end_ns) if each.phase is Phase.RED]


# The last, since Linux 6.1 gives the number of a chip that vanished while it was in use to no other.
def test_inputs_that_vanish_are_found_by_the_check_and_let_go(bench: Bench) -> None:
    with bench.watch(NORTH) as lamps:
        lamps.check()
        bench.unplug()
        with pytest.raises(SourceError, match=r"GPIO17 \(red of north\) cannot be read \(bad GPIO read\)"):
            lamps.check()
