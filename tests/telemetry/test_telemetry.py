"""When health is told and what is in it: a real approach, recorder, outbox and thread; what is told is collected."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge.approach import Approach, Judged
from edge.health import ArmingMachine, CheckName, Finding, Outcome
from edge.latency import Deliveries
from edge.messages import Backlog, Health
from edge.node import EventsAlone, Identity, Recorder
from edge.outbox import Outbox
from edge.records import NS_PER_S, Judgement, Lamp, LampEdge, Phase, VehicleClass, Verdict
from edge.telemetry import SILENT_AFTER_S, Gauges, Telemetry
from edge.tracker import TrackerSettings
from tests.broker import wait_until
from tests.cases import SITE, case, signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.health import Status


class Bench:
    """A node's parts without camera and broker; ``told`` is all that telemetry said."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Health] = []
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.deliveries = Deliveries()
        self.approach = Approach(SITE, TrackerSettings(), trust_start=True)
        taker = EventsAlone(self.outbox, signing_key(), "a/b", lambda _id, _raw: None)
        identity = Identity("edge-1", signing_key(), "a7" * 32)
        self.recorder = Recorder(SITE, identity, taker, lambda: None, expect=self.deliveries.expect)
        self.machine = ArmingMachine([CheckName.CLOCK], time.monotonic_ns())
        self.dropped = 3
        gauges = Gauges(
            reopened=lambda: 1,
            queue=self.outbox.counts,
            backlog=lambda: Backlog(1, 2, 3),
            status=self.status,
            clock_bound_ms=lambda: 1.25,
            certificate_days_left=lambda: 12.5,
            state=folder,
        )
        self.telemetry = Telemetry(
            None,
            self.approach,
            self.recorder,
            lambda: self.dropped,
            gauges=gauges,
            deliveries=self.deliveries,
            also=self.told.append,
            live=True,
        )

    def status(self) -> Status:
        return self.machine.status

    def lamps(self, t_s: float, lit: Lamp | None) -> None:
        """One lamp of the group and no other, seen long enough to be sure."""
        t_ns = round(t_s * NS_PER_S)
        for lamp in Lamp:
            self.approach.lamp(LampEdge(t_ns, "north", lamp, lit=lamp is lit))
        self.approach.phases["north"].advance(t_ns + NS_PER_S)

    def judged(self, verdict: Verdict, kind: VehicleClass) -> None:
        violation = case()
        passage = replace(violation.passage, vehicle_class=kind)
        judgement = violation.judgement
        if verdict is not Verdict.VIOLATION:
            judgement = Judgement(verdict, Phase.GREEN, None, None, None, {}, None)
        self.recorder.record(Judged(passage, judgement, violation.lamp_edges))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with made.outbox:
        yield made


def test_health_says_what_the_parts_have_met(bench: Bench) -> None:
    bench.lamps(10.0, Lamp.RED)
    bench.lamps(20.0, None)
    bench.telemetry.frame(time.monotonic_ns() - NS_PER_S // 20)
    bench.judged(Verdict.VIOLATION, VehicleClass.CAR)
    bench.judged(Verdict.ON_GREEN, VehicleClass.BUS)
    bench.judged(Verdict.ON_GREEN, VehicleClass.CAR)
    (row,) = bench.outbox.pending(10)
    bench.deliveries.delivered([row.message.id], case().passage.t_confirm_ns or 0)
    bench.telemetry.health()
    (health,) = bench.told
    assert (health.frames.judged, health.frames.dropped, health.frames.reopened) == (1, 3, 1)
    assert health.latency.judged is not None
    assert 50 <= health.latency.judged.p50_ms < 1000
    assert health.latency.delivered is not None
    assert (health.latency.delivered.count, health.latency.delivered.p50_ms) == (1, 0.0)
    assert health.passages == {"on_green": 2, "violation": 1}
    assert health.classes == {"car": {"on_green": 1, "violation": 1}, "bus": {"on_green": 1}}
    assert health.lamps["north"].fault == "dark"
    assert health.lamps["north"].faults == {"dark": 1}
    assert (health.outbox.pending, health.backlog) == (1, Backlog(1, 2, 3))
    assert health.machine.clock_bound_ms == 1.25
    assert health.machine.certificate_days_left == 12.5
    assert health.machine.memory_bytes is not None
    assert health.arming is not None
    assert (health.arming.state, [one.outcome for one in health.arming.checks]) == ("disarmed", ["unknown"])


def test_the_rate_is_that_since_the_last_message(bench: Bench) -> None:
    for _ in range(10):
        bench.telemetry.frame(time.monotonic_ns())
    time.sleep(0.2)
    bench.telemetry.health()
    time.sleep(0.2)
    bench.telemetry.health()
    assert 10 < bench.told[0].frames.fps < 50
    assert bench.told[1].frames.fps == 0.0
    assert (bench.told[1].frames.silent_s or 0) >= 0.4


def test_what_matters_is_told_at_once_and_the_rest_is_not(bench: Bench) -> None:
    with bench.telemetry:
        wait_until(lambda: bench.told, what="the first message")
        bench.telemetry.frame(time.monotonic_ns())
        wait_until(lambda: bench.told[-1].frames.judged == 1, 10, what="the first frame")
        bench.dropped = 100
        now_ns = time.monotonic_ns()
        bench.machine.report(Finding(CheckName.CLOCK, Outcome.OK, "Good.", 1.0), now_ns)
        bench.machine.step(now_ns)
        wait_until(lambda: _state(bench) == "armed", 10, what="the arming")
        bench.lamps(10.0, Lamp.RED)
        bench.lamps(20.0, None)
        wait_until(lambda: bench.told[-1].lamps["north"].fault == "dark", 10, what="the fault")
        silent_s = SILENT_AFTER_S
        wait_until(lambda: (bench.told[-1].frames.silent_s or 0) > silent_s, 15, what="the silence")
        said = len(bench.told)
        time.sleep(1.5)
        assert len(bench.told) == said, "nothing changed, and ten seconds are not over"
    assert not any(thread.name == "telemetry" for thread in threading.enumerate())


def _state(bench: Bench) -> str | None:
    arming = bench.told[-1].arming
    return arming.state if arming else None


def test_without_anybody_to_tell_no_thread_runs(bench: Bench) -> None:
    silent = Telemetry(None, bench.approach, bench.recorder, lambda: 0)
    with silent:
        silent.frame(0)
        silent.health()
        assert not any(thread.name == "telemetry" for thread in threading.enumerate())


def test_each_amber_that_led_into_a_red_is_counted_by_its_length(bench: Bench) -> None:
    for start_s, amber_s in ((10.0, 3.0), (40.0, 3.0), (70.0, 2.996), (100.0, 25.0)):
        for lit, t_s in ((Lamp.GREEN, start_s), (Lamp.AMBER, start_s + 5), (Lamp.RED, start_s + 5 + amber_s)):
            bench.lamps(t_s, lit)
            bench.telemetry.frame(time.monotonic_ns())
    bench.telemetry.health()
    bench.telemetry.health()
    assert bench.told[-1].lamps["north"].ambers == {"3.00": 2, "2.99": 1, "10.00": 1}
    assert bench.told[-1].lamps["north"].min_amber_s == SITE.group("north").min_amber_s
    assert [one.number for one in bench.told] == [1, 2]
    assert len({one.run for one in bench.told}) == 1
