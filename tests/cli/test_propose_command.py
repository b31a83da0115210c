"""``stopline propose`` on recorded junctions: what it proposes, unchanged, gives the passages that truly happened."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from edge.config import load_site
from tests.command import ROOT, stopline
from tests.recordings import Recording

if TYPE_CHECKING:
    from pathlib import Path


def lamps_of(recording: Recording, group: str, folder: Path) -> Path:
    """The recording's timeline with the rows of one group: a proposed site has no other."""
    rows = (recording.folder / "lamps.csv").read_text(encoding="utf-8").splitlines()
    file = folder / "lamps.csv"
    file.write_text("\n".join(row for row in rows if row.startswith("t_s") or f",{group}," in row) + "\n")
    return file


@pytest.mark.slow
@pytest.mark.parametrize(("name", "contact"), [("rear_margin", "rear"), ("front_view", "front")])
def test_a_proposed_site_replays_to_the_truth(name: str, contact: str, tmp_path: Path) -> None:
    recording = Recording(name)
    site = tmp_path / "site.toml"
    done = stopline("propose", recording.video, "--out", site, "--group", "north", "--id", "proposed")
    assert done.code == 0, done.err
    assert "not checked" in done.out
    assert {lane.contact.value for lane in load_site(site).lanes} == {contact}
    lamps = lamps_of(recording, "north", tmp_path)
    out = tmp_path / "out"
    done = stopline("replay", recording.video, "--site", site, "--signal", lamps, "--out", out, "--no-evidence")
    assert done.code == 0, done.err
    with (out / "passages.csv").open(encoding="utf-8", newline="") as file:
        passages = sorted((float(row["t_cross_s"]), row["lane"], row["verdict"]) for row in csv.DictReader(file))
    truth = sorted((one["t_cross_s"], one["lane"], one["verdict"]) for one in recording.truth["passages"])
    assert [passage[1:] for passage in passages] == [one[1:] for one in truth]
    for passage, one in zip(passages, truth, strict=True):
        assert passage[0] == pytest.approx(one[0], abs=0.3)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("mine")
    done = stopline("propose", Recording("front_view").video, "--out", site)
    assert (done.code, done.out) == (2, "")
    assert "is there already" in done.err
    assert site.read_text() == "mine"


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    done = stopline("propose", ROOT / "pyproject.toml", "--out", tmp_path / "site.toml")
    assert done.code == 2
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("group", ["", "no blanks", 'a"b'])
def test_a_group_that_could_not_be_named_is_refused_before_the_video_is_watched(group: str, tmp_path: Path) -> None:
    done = stopline("propose", Recording("front_view").video, "--group", group, "--out", tmp_path / "site.toml")
    assert done.code == 2
    assert "--group" in done.err
    assert "Traceback" not in done.err
