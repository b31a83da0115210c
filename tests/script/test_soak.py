"""The soak's own plan and judgement; the soak itself takes hours and is not part of the suite."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge.health import whole_cycles
from edge.phases import PhaseTimes, SignalPhases
from edge.records import NS_PER_S, Fault, Phase
from edge.sources.timeline import read_timeline
from edge.sources.video import open_video
from tests.command import ROOT
from tests.live import free_udp_port

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


def test_a_long_run_must_have_shown_every_kind_of_fault(soak: ModuleType) -> None:
    shown_all = [soak.Timed(kind, 1.0, 0.5, 0.5) for kind in soak.KINDS]
    good = soak.Report(
        minutes=120.0, violations=5, slope_mb_h=0.9, slope_over_s=5000.0, armed_share=0.5, faults=shown_all, last_code=0
    )
    assert soak.problems(good) == []
    assert soak.problems(replace(good, faults=shown_all[1:])) == ["killed was never judged"]
    assert len(soak.problems(replace(good, not_judged=3))) == 1
    assert len(soak.problems(replace(good, slope_over_s=60.0))) == 1
    assert soak.problems(replace(good, minutes=20.0, faults=[])) == []


def test_a_busy_machine_makes_late_and_never_early(soak: ModuleType) -> None:
    assert soak.Timed("killed", 1.0, 4.9, 99.0).is_judged
    assert soak.Timed("killed", 1.0, 5.1, 0.5).is_judged
    assert not soak.Timed("killed", 1.0, 5.1, 99.0).is_judged
    assert not soak.Timed("killed", 1.0, None, 99.0).is_judged


def test_the_node_is_begun_anew_as_the_devices_unit_does_it(soak: ModuleType) -> None:
    from soak_bench import RESTART_S, restart_s

    assert restart_s("[Service]\nRestartSec=100ms\n") == 0.1
    assert restart_s("RestartSec=2\n") == 2.0
    assert 0 < RESTART_S <= 2


@pytest.mark.alone
@pytest.mark.parametrize("how", ["silent", "frozen", "covered"])
def test_the_camera_fails_as_told_and_only_so_long(soak: ModuleType, tmp_path: Path, how: str) -> None:
    """What it sends must go on to be one stream that can be decoded."""
    from soak_bench import Camera, covered_video, slower_video

    slower_video(tmp_path / "video.mp4")
    covered_video(tmp_path / "covered.mp4")
    port = free_udp_port()
    with Camera(tmp_path / "video.mp4", tmp_path / "covered.mp4", port) as camera:
        seen = []
        with open_video(f"udp://127.0.0.1:{port}", timeout_s=10.0) as video:
            began_s = None
            for frame in video:
                small = frame.picture.scaled((64, 36))
                seen.append((time.monotonic(), small.mean(), small.tobytes()))
                if len(seen) == 12:
                    began_s = camera.fail(how, 3.0)
                if began_s is not None and time.monotonic() > began_s + 6.0:
                    break
        assert video.stats.corrupt_frames == video.stats.corrupt_packets == 0
    assert began_s is not None
    during = [one for one in seen if began_s + 0.8 < one[0] < began_s + 2.5]
    after = [one for one in seen if one[0] > began_s + 4.5]
    assert len({one[2] for one in after}) > 10
    assert min(one[1] for one in after) > 40
    if how == "silent":
        assert during == []
    if how == "frozen":
        assert len(during) > 10
        assert len({one[2] for one in during}) == 1
    if how == "covered":
        assert len(during) > 10
        assert max(one[1] for one in during) < 20
        assert len({one[2] for one in during}) > 1
