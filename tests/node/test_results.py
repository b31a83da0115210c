from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge.approach import Judged
from edge.errors import SourceError
from edge.records import Judgement, Lamp, LampEdge, Passage, Phase, TrackPoint, VehicleClass, Verdict
from edge.results import HEADER, ResultFolder, passage_row

if TYPE_CHECKING:
    from pathlib import Path

_PASSAGE = Passage("through", 7, VehicleClass.CAR, 2_500_000_000, 40_000_000, None, None, (1.0, 2.0), ())
_ON_GREEN = Judged(_PASSAGE, Judgement(Verdict.ON_GREEN, Phase.GREEN, None, None, None, {}, None), ())
_ON_RED = Judged(
    replace(_PASSAGE, t_cross_ns=1_250_400_000, t_confirm_ns=2_000_000_000),
    Judgement(Verdict.VIOLATION, Phase.RED, None, 1.2504, 1.1, {}, 3.0),
    (),
)


def test_what_is_not_known_is_empty() -> None:
    assert passage_row(_ON_GREEN) == ("through", "7", "car", "2.500", "", "green", "", "on_green")
    assert passage_row(_ON_RED) == ("through", "7", "car", "1.250", "2.000", "red", "1.250", "violation")


def test_both_files_appear_together_in_the_order_of_crossing(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with ResultFolder(out) as results:
        results.record(_ON_GREEN)
        results.record(_ON_RED)
        results.event(b'{"an":"event"}')
        assert not (out / "passages.csv").exists()
    rows = list(csv.DictReader((out / "passages.csv").read_text().splitlines()))
    assert tuple(rows[0]) == HEADER
    assert [row["verdict"] for row in rows] == ["violation", "on_green"]
    assert (out / "events.jsonl").read_bytes() == b'{"an":"event"}\n'
    assert sorted(path.name for path in out.iterdir()) == ["events.jsonl", "passages.csv"]


def test_a_failed_replay_leaves_the_last_good_results_alone(tmp_path: Path) -> None:
    with ResultFolder(tmp_path) as results:
        results.record(_ON_RED)
        results.event(b"{}")
    before = (tmp_path / "passages.csv").read_bytes()

    def failing() -> None:
        with ResultFolder(tmp_path) as results:
            results.record(_ON_GREEN)
            raise SourceError("the recording ends early")

    with pytest.raises(SourceError):
        failing()
    assert (tmp_path / "passages.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "passages.csv"]


def test_raw_data_are_kept_on_request_with_the_figures_of_every_passage(tmp_path: Path) -> None:
    seen = TrackPoint(1_000_000_500, (1.006, 2.0, 3.0, 4.0), 0.98765)
    passage = replace(_PASSAGE, points=(seen,))
    with ResultFolder(tmp_path, b"schema = 1\n") as results:
        results.record(replace(_ON_GREEN, passage=passage))
        results.record(_ON_RED)
        results.event(b"{}")
        results.record_lamps([LampEdge(-2_000_000_000, "north", Lamp.RED, lit=True)])
    first, second = [json.loads(line) for line in (tmp_path / "tracks.jsonl").read_text().splitlines()]
    assert (first["verdict"], first["t_confirm_s"], first["red_elapsed_s"]) == ("on_green", None, None)
    assert first["points"] == [[1.000001, 1.01, 2.0, 3.0, 4.0, 0.988]]
    assert (second["t_cross_s"], second["red_at_least_s"], second["amber_s"]) == (1.2504, 1.1, 3.0)
    assert (tmp_path / "lamps.csv").read_text() == "t_s,group,lamp,lit\n-2.000000,north,red,1\n"
    assert (tmp_path / "site.toml").read_bytes() == b"schema = 1\n"


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(SourceError, match="--out"), ResultFolder(tmp_path / "out"):
        pass
