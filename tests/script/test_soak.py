"""The soak's own plan and judgement; the soak itself takes hours and is not part of the suite."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge.health import whole_cycles
from edge.phases import PhaseTimes, SignalPhases
from edge.records import NS_PER_S, Fault, Phase
from edge.sources.timeline import read_timeline
from tests.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

MS = NS_PER_S // 1000


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(ROOT / "script"), *sys.path])
    import soak as module
    import soak_bench

    monkeypatch.setattr(module, "lamp_plan", soak_bench.lamp_plan, raising=False)
    return module


def shown(soak: ModuleType, folder: Path, duration_s: float) -> tuple[dict[str, SignalPhases], list[object]]:
    text, faults = soak.lamp_plan(duration_s)
    (folder / "lamps.csv").write_text(text, encoding="utf-8")
    times = PhaseTimes(10 * MS, 30 * MS, 250 * MS, 600 * NS_PER_S, 3 * NS_PER_S)
    phases = {group: SignalPhases(times, trust_start=False) for group in ("north", "cross")}
    for edge in read_timeline(folder / "lamps.csv"):
        phases[edge.group].feed(edge)
    return phases, faults


def test_the_lamps_have_the_planned_faults_and_no_other(soak: ModuleType, tmp_path: Path) -> None:
    phases, faults = shown(soak, tmp_path, 900.0)
    met = [
        (round(one.start_ns / NS_PER_S, 1), one.fault.value)
        for one in phases["north"].intervals
        if one.fault is not None
    ]
    assert met == [(fault.t_s, fault.kind) for fault in faults]  # type: ignore[attr-defined]
    assert {kind for _, kind in met} == {Fault.DARK, Fault.CONFLICT, Fault.SHORT_AMBER, Fault.ORDER}
    assert not any(one.fault for one in phases["cross"].intervals)


def test_between_two_faults_the_node_may_arm(soak: ModuleType, tmp_path: Path) -> None:
    phases, _ = shown(soak, tmp_path, 250.0)  # one fault, then a few cycles without
    for group in phases.values():
        assert whole_cycles(tuple(group.intervals)) >= 2
    first = next(one for one in phases["north"].intervals if one.phase is not Phase.UNKNOWN)
    assert (first.phase, round(first.start_ns / NS_PER_S, 1)) == (Phase.AMBER, soak.LAMPS_FIRST_SEEN_S)


def test_a_slope_is_that_of_the_line(soak: ModuleType) -> None:
    assert soak._slope([(at_s, 300.0 + at_s / 3600) for at_s in range(0, 5000, 5)]) == pytest.approx(1 / 3600)
    assert soak._slope([(1.0, 5.0), (1.0, 7.0)]) == 0.0


def test_what_must_not_be_is_named_and_a_busy_machine_is_not_blamed(soak: ModuleType) -> None:
    good = soak.Report(violations=5, events=9, last_code=0, slope_mb_h=0.9, slope_over_s=5000.0, armed_share=0.5)
    assert soak.problems(good) == []
    late = soak.Timed("clock", 1.0, 5.1, 0.5)
    busy = soak.Timed("clock", 1.0, 50.0, soak.MOST_LOAD + 0.1)
    for change in (
        {"crashes": 1},
        {"last_code": 1},
        {"faults": [late]},
        {"faults": [soak.Timed("clock", 1.0, None, 0.5)]},
        {"restarts": [late]},
        {"slope_mb_h": 1.1},
        {"events_missing": 1},
        {"events_doubled": 1},
        {"left_in_outbox": 1},
        {"violations": 0},
        {"armed_share": 0.0},
        {"late_to_arm": 1},
    ):
        assert len(soak.problems(replace(good, **change))) == 1, change
    assert soak.problems(replace(good, faults=[busy])) == []
