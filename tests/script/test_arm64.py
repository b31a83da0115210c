"""What script/test-arm64 gives an emulated machine, and how it compares what came of it; the emulation takes long."""

from __future__ import annotations

import csv
import importlib
import io
import shutil
import sys
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from tests.command import ROOT, stopline

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

CASE = ROOT / "sim_fixtures" / "low_frame_rate"


def of_script(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(ROOT / "script"), *sys.path])
    return importlib.import_module(name)


@pytest.fixture
def cutter(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return of_script(monkeypatch, "arm64_cut")


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return of_script(monkeypatch, "arm64_compare")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cut recording, replayed here."""
    with pytest.MonkeyPatch.context() as patch:
        cutter = of_script(patch, "arm64_cut")
        folder = tmp_path_factory.mktemp("cut")
        patch.setattr(sys, "argv", ["arm64_cut.py", str(CASE), "13.5", str(folder)])
        assert cutter.main() == 0
    words = ("--site", folder / "site.toml", "--signal", folder / "lamps.csv", "--keep-tracks", "--no-evidence")
    done = stopline("replay", folder / "video.mp4", *words, "--out", folder / "out")
    assert done.code == 0, done.err
    return folder / "out"


def pictures(video: Path, count: int) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(video)) as recording:
        frames = [(frame.time, frame.to_ndarray(format="gray")) for frame in recording.decode(video=0)]
    return frames[:count]  # type: ignore[return-value]


def test_the_cut_has_the_same_pictures_at_the_same_times(cutter: ModuleType, tmp_path: Path) -> None:
    count = cutter.cut(CASE / "video.mp4", 13.5, tmp_path / "video.mp4")
    assert 60 <= count <= 68
    cut = pictures(tmp_path / "video.mp4", 1000)
    assert [t_s for t_s, _ in cut] == pytest.approx([index / 5 for index in range(count)])
    for (_, mine), (_, theirs) in zip(cut, pictures(CASE / "video.mp4", count), strict=True):
        assert np.array_equal(mine, theirs)


def test_the_cut_keeps_the_lamps_changes_up_to_its_end(cutter: ModuleType) -> None:
    whole = (CASE / "lamps.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(cutter.beginning(whole, 13.5))))
    assert ("9.000", "north", "1") in [(row["t_s"], row["group"], row["red"]) for row in rows]
    assert max(float(row["t_s"]) for row in rows) == 11.5
    assert cutter.beginning(whole, 1000.0) == whole


def test_the_cut_holds_a_violation_and_its_onset_of_red(comparison: ModuleType, replayed: Path) -> None:
    assert [row["verdict"] for row in comparison.passages(replayed)] == ["on_green", "violation"]
    (event,) = comparison.events(replayed)
    assert [9.0, "red", True] in event["lamps"]


def compared(comparison: ModuleType, here: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["arm64_compare.py", str(here), str(there)])
    return int(comparison.main())


def other(replayed: Path, folder: Path, file: str, old: str, new: str) -> Path:
    """The replay of a machine that saw one thing otherwise."""
    shutil.copytree(replayed, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_a_replay_is_like_itself(
    comparison: ModuleType, replayed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(comparison, replayed, replayed, monkeypatch) == 0
    assert "they differ by 0.00 px in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("passages.csv", ",violation", ",rear_margin", "verdict is 'violation' here and 'rear_margin' there"),
        ("passages.csv", "lane-2,", "lane-1,", "lane is 'lane-2' here"),
        ("passages.csv", ",van,", ",car,", "class is 'van' here"),
        ("events.jsonl", '"red",true', '"green",true', "event 1: lamps is"),
        ("events.jsonl", '"verdict":"violation"', '"verdict":"on_amber"', "event 1: verdict is violation here"),
    ],
)
def test_another_word_is_a_difference(
    comparison: ModuleType,
    replayed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
    said: str,
) -> None:
    there = other(replayed, tmp_path / "there", file, old, new)
    assert compared(comparison, replayed, there, monkeypatch) == 1
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("later_ms", "code"), [(1, 0), (9, 0), (12, 1), (100, 1)])
def test_a_time_may_differ_within_its_bound(
    comparison: ModuleType, replayed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later_ms: int, code: int
) -> None:
    crossing = comparison.passages(replayed)[1]["t_cross_s"]
    moved = f"{float(crossing) + later_ms / 1000:.3f}"
    there = other(replayed, tmp_path / "there", "passages.csv", crossing, moved)
    assert compared(comparison, replayed, there, monkeypatch) == code


@pytest.mark.parametrize(("moved_px", "code"), [(0.1, 0), (0.2, 1)])
def test_boxes_may_differ_within_their_bound(
    comparison: ModuleType, replayed: Path, moved_px: float, code: int
) -> None:
    left = comparison.records(replayed / "tracks.jsonl")
    right = [
        {**track, "points": [[t, x1, y1 + moved_px, *more] for t, x1, y1, *more in track["points"]]} for track in left
    ]
    assert len(comparison.beyond(comparison.apart(left, right))) == code


def test_one_box_of_another_cell_is_no_difference(comparison: ModuleType, replayed: Path) -> None:
    left = comparison.records(replayed / "tracks.jsonl")
    right = [
        {
            **track,
            "points": [
                [t, x1 + 3, *more] if not i else [t, x1, *more] for i, (t, x1, *more) in enumerate(track["points"])
            ],
        }
        for track in left
    ]
    assert comparison.beyond(comparison.apart(left, right)) == []


def test_a_missing_passage_event_or_box_is_a_difference(
    comparison: ModuleType, replayed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("passages.csv", "events.jsonl"):
        there = tmp_path / file.partition(".")[0]
        shutil.copytree(replayed, there)
        lines = (there / file).read_text(encoding="utf-8").splitlines(keepends=True)
        (there / file).write_text("".join(lines[:-1]), encoding="utf-8")
        assert compared(comparison, replayed, there, monkeypatch) == 1
    left = comparison.records(replayed / "tracks.jsonl")
    right = [{**track, "points": track["points"][len(track["points"]) // 3 :]} for track in left]
    assert comparison.beyond(comparison.apart(left, right))
