"""The file for Prometheus, read back by Prometheus' own parser."""

from __future__ import annotations

import os
import re
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parsed

from edge.errors import ConfigError
from edge.exposition import PrometheusFile, exposition, families
from edge.messages import Frames, Health
from tests.telemetry.samples import LEAST, MOST

if TYPE_CHECKING:
    from pathlib import Path

LABELS = {"site": "main-and-3rd", "node": "edge-1"}


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels; a sample that stands there twice is an error."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in parsed(text):
        for sample in family.samples:
            place = (sample.name, frozenset(sample.labels.items()))
            assert place not in found, place
            assert sample.timestamp is None  # node_exporter refuses a file with times
            found[place] = sample.value
    return found


def value(text: str, name: str, **labels: str) -> float:
    return values(text)[f"stopline_{name}", frozenset({**LABELS, **labels}.items())]


@pytest.mark.parametrize("health", [LEAST, MOST], ids=["least", "most"])
def test_every_family_comes_out_of_the_parser_as_it_went_in(health: Health) -> None:
    text = exposition(health, LABELS)
    told = [family for family in families(health) if family.samples]
    assert len(values(text)) == sum(len(family.samples) for family in told)
    kinds = {family.name: family.type for family in parsed(text)}
    assert kinds == {f"stopline_{one.name.removesuffix('_total')}": one.kind for one in told}
    for family in told:
        assert (family.kind == "counter") == family.name.endswith("_total"), family.name
        assert re.fullmatch(r"[a-z][a-z_]*", family.name)


def test_values_are_those_of_health_in_base_units() -> None:
    text = exposition(MOST, LABELS)
    assert value(text, "armed") == 0
    assert value(text, "check_ok", check="clock") == 0
    assert value(text, "frames_judged_total") == 1500
    assert value(text, "latency_seconds", stage="judged", quantile="0.95") == pytest.approx(0.0802)
    assert value(text, "latency_seconds_count", stage="delivered") == 3
    assert value(text, "outbox_messages", state="refused") == 2
    assert value(text, "clock_bound_seconds") == pytest.approx(0.00125)
    assert value(text, "certificate_left_seconds") == pytest.approx(29.5 * 86_400)
    assert value(text, "throttling", limit="had_throttled") == 1
    assert value(text, "lamp_faults_total", group="north", fault="dark") == 1
    assert value(text, "passages_total", **{"class": "car", "verdict": "violation"}) == 2


def test_what_is_not_known_is_left_out() -> None:
    names = {name for name, _ in values(exposition(LEAST, LABELS))}
    assert not names & {
        "stopline_armed",
        "stopline_temperature_celsius",
        "stopline_silent_seconds",
        "stopline_certificate_left_seconds",
    }


@given(st.text(max_size=20), st.text(max_size=20))
def test_labels_are_escaped(site: str, node: str) -> None:
    labels = {"site": site.replace("\r", " "), "node": node.replace("\r", " ")}
    found = values(exposition(LEAST, labels))
    assert {place for _, place in found} >= {frozenset(labels.items())}


def test_the_file_is_whole_at_any_instant_and_readable_for_others(tmp_path: Path) -> None:
    path = tmp_path / "stopline.prom"
    file = PrometheusFile(path, LABELS)
    file.check()
    file(LEAST)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            for number in (1, 10**9):
                file(Health(1.0, Frames(number, number, number, 0.0, None)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            found = values(path.read_text(encoding="utf-8"))
            told = {found[f"stopline_frames_{what}_total", frozenset(LABELS.items())] for what in ("judged", "dropped")}
            assert len(told) == 1
    finally:
        over.set()
        writer.join(10)
    assert [one.name for one in tmp_path.iterdir()] == ["stopline.prom"]
    file.remove()
    assert not path.exists()


def test_a_file_that_cannot_be_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"end in \.prom"):
        PrometheusFile(tmp_path / "stopline.txt", LABELS).check()
    with pytest.raises(ConfigError, match="folder that this user may write"):
        PrometheusFile(tmp_path / "absent" / "stopline.prom", LABELS).check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        PrometheusFile(tmp_path / "stopline.prom", LABELS).check()


def test_a_disk_that_fails_later_ends_nothing_and_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = PrometheusFile(folder / "stopline.prom", LABELS)
    file.check()
    (folder / "stopline.prom").unlink()
    folder.rmdir()
    file(LEAST)
    assert file.failures == 1
