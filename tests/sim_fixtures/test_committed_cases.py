"""Every committed recording is whole and keeps the contract's formats; its truth agrees with its lamps and the rule."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

Row = dict[str, Any]
Changes = list[tuple[float, str]]
HOME = Path(__file__).resolve().parents[2] / "sim_fixtures"
FOLDERS = sorted(path.parent for path in HOME.glob("*/truth.json"))
LAMPS = {"100": "red", "010": "amber", "001": "green", "110": "red_amber"}

every_case = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def truth_of(folder: Path) -> Row:
    return json.loads((folder / "truth.json").read_text())


def site_of(folder: Path) -> Row:
    return tomllib.loads((folder / "site.toml").read_text())


def lamps_of(folder: Path, group: str) -> Changes:
    with (folder / "lamps.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [(float(r["t_s"]), r["red"] + r["amber"] + r["green"]) for r in rows if r["group"] == group]


def shown(changes: Changes, t_s: float) -> tuple[str, float, float | None]:
    """The phase at an instant, its onset, and the length of the phase before it if that was amber."""
    index = max(i for i, (t, _) in enumerate(changes) if t <= t_s)
    onset, lit = changes[index]
    amber_s = onset - changes[index - 1][0] if index > 1 and LAMPS.get(changes[index - 1][1]) == "amber" else None
    return LAMPS.get(lit, "fault"), onset, amber_s


def expected_verdict(passage: Row, lane: Row, site: Row, changes: Changes) -> str:  # noqa: PLR0911 - a table
    """The contract's rule, written anew from its text."""
    phase, onset, amber_s = shown(changes, passage["t_cross_s"])
    group = next(g for g in site["signal_groups"] if g["id"] == lane["signal_group"])
    elapsed = passage["t_cross_s"] - onset
    if phase == "fault" or elapsed > group.get("max_phase_s", 600):
        return "lamp_fault"
    if phase != "red":
        return f"on_{phase}"
    if amber_s is not None and amber_s < group["min_amber_s"]:
        return "short_amber"
    if elapsed <= site["rule"]["grace_s"]:
        return "within_grace"
    margin = site["rule"].get("rear_margin_s", 0.5) if lane["contact"] == "rear" else 0.0
    if elapsed - margin <= site["rule"]["grace_s"]:
        return "rear_margin"
    if passage["t_confirm_s"] is None:
        return "turn_permitted" if lane.get("turn_on_red") == "allowed" else "stopped_past_line"
    return "violation"


def test_there_are_enough_cases_and_they_show_every_kind_of_verdict() -> None:
    assert len(FOLDERS) >= 14
    seen = {p["verdict"] for folder in FOLDERS for p in truth_of(folder)["passages"]}
    assert seen >= {
        "violation", "on_green", "on_amber", "within_grace", "rear_margin", "stopped_past_line",
        "turn_permitted", "lamp_fault", "short_amber",
    }  # fmt: skip


@every_case
def test_the_folder_is_whole_and_small(folder: Path) -> None:
    for name in ("video.mp4", "lamps.csv", "site.toml", "truth.json", "README.md"):
        assert (folder / name).stat().st_size > 0, name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 720_000
    assert (folder / "video.mp4").stat().st_size <= 700_000


@every_case
def test_the_video_is_what_the_truth_says(folder: Path) -> None:
    import av

    truth = truth_of(folder)
    with av.open(str(folder / "video.mp4")) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        assert stream.codec_context.name == "h264"
        assert [stream.width, stream.height] == truth["size_px"] == site_of(folder)["camera"]["size_px"]
    assert len(packets) == round(truth["duration_s"] * truth["fps"])
    assert 15 <= truth["duration_s"] <= 40
    first = min(packet.pts for packet in packets)
    assert first == 0
    assert 5 <= truth["fps"] <= 30


@every_case
def test_lamps_keep_the_contracts_format(folder: Path) -> None:
    lines = (folder / "lamps.csv").read_text().splitlines()
    assert lines[0] == "t_s,group,red,amber,green"
    times = [float(line.split(",")[0]) for line in lines[1:]]
    assert times == sorted(times)
    for lane in site_of(folder)["lanes"]:
        assert lamps_of(folder, lane["signal_group"])[0][0] < 0, "the state before the recording must be known"


@every_case
def test_the_site_file_is_accepted_by_the_node(folder: Path) -> None:
    config = pytest.importorskip("edge.config")
    site = config.load_site(folder / "site.toml")
    assert site.site.id == folder.name.replace("_", "-")


@every_case
def test_the_truth_follows_from_lamps_and_rule(folder: Path) -> None:
    truth, site = truth_of(folder), site_of(folder)
    lanes = {lane["id"]: lane for lane in site["lanes"]}
    for passage in truth["passages"]:
        lane = lanes[passage["lane"]]
        changes = lamps_of(folder, lane["signal_group"])
        phase, onset, _ = shown(changes, passage["t_cross_s"])
        assert passage["verdict"] == expected_verdict(passage, lane, site, changes)
        if passage["phase"] == "red":
            assert phase == "red"
            assert passage["red_elapsed_s"] == pytest.approx(passage["t_cross_s"] - onset, abs=1e-3)


@every_case
def test_passages_lie_clear_of_every_bound_and_close_to_the_ground_truth(folder: Path) -> None:
    truth = truth_of(folder)
    vehicles = {vehicle["id"]: vehicle for vehicle in truth["vehicles"]}
    end = "rear_stop_s" if truth["view"] == "rear" else "front_stop_s"
    for passage in truth["passages"]:
        vehicle = vehicles[passage["vehicle"]]
        assert passage["clear_s"] >= 0.245
        assert vehicle["lane"] == passage["lane"]
        assert passage["t_cross_s"] == pytest.approx(vehicle[end], abs=0.12)
        assert 0.5 <= passage["t_cross_s"] <= truth["duration_s"] - 0.5


@every_case
def test_the_readme_tells_the_verdicts(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for passage in truth_of(folder)["passages"]:
        assert f"`{passage['verdict']}`" in text
    assert f"sim_fixtures.render {folder.name}" in text
