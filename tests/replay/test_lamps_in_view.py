"""Replays that read the lamps in the picture: the verdicts of the truth, each time the same, or one clear sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import events, passages, stopline
from tests.recordings import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Outcome


def replayed(name: str, out: Path, *more: object) -> Outcome:
    folder = Recording(name).folder
    words = ["--site", folder / "site.toml", "--signal", "view", "--out", out, "--no-evidence", *more]
    return stopline("replay", folder / "video.mp4", *words)


@pytest.mark.replay
@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain_red_runner", "rain_runner", "low_frame_rate"])
def test_verdicts_are_those_of_the_truth(name: str, tmp_path: Path) -> None:
    assert replayed(name, tmp_path, "--keep-tracks").code == 0
    told = [(row["lane"], row["verdict"]) for row in passages(tmp_path)]
    assert told == [(one["lane"], one["verdict"]) for one in Recording(name).truth["passages"]]
    assert events(tmp_path)
    for event in events(tmp_path):
        frame_s = 1 / Recording(name).truth["fps"]
        assert event["data"]["red_time"]["deductions_s"]["clock"] == pytest.approx(frame_s, abs=1e-6)
        true = [one["red_elapsed_s"] for one in Recording(name).truth["passages"] if one["verdict"] == "violation"]
        assert event["data"]["red_time"]["at_least_s"] <= max(true)
    verified = stopline("verify", tmp_path / "events.jsonl", "--key", tmp_path / "node.pub.pem")
    assert verified.code == 0, verified.err
    again = stopline("verify", "--tracks", tmp_path)
    assert again.code == 0, again.out + again.err


@pytest.mark.replay
@pytest.mark.slow
def test_two_replays_write_the_same(tmp_path: Path) -> None:
    for out in ("first", "second"):
        assert replayed("short_amber", tmp_path / out, "--keep-tracks").code == 0
    for file in ("passages.csv", "tracks.jsonl", "lamps.csv"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_a_site_without_regions_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = replayed("within_grace", tmp_path / "out")
    assert done.code == 2
    assert "does not say where the lamps of signal group north are in the picture" in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_pins_cannot_play_what_the_picture_tells(tmp_path: Path) -> None:
    done = replayed("plain_red_runner", tmp_path / "out", "--via-gpio")
    assert done.code == 2
    assert "--via-gpio plays a recorded timeline" in done.err
