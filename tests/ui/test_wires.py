"""The lamp inputs while a site is set up: shown as they are, recorded beside the film, judged by."""

from __future__ import annotations

import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge.commands.chain import wiring
from edge.config import site_of
from edge.detector import load_model
from edge.embedded import embedded_model
from edge.records import Lamp
from edge.ui import taking, wires
from edge.ui.bench import Bench
from edge.ui.draft import sketch, tables_of
from edge.ui.refused import RefusedError
from edge.ui.taking import Taker
from edge.ui.wires import Wires, as_wired
from tests.live import free_udp_port, live
from tests.recordings import FIRST, Recording
from tests.ui.pins import NORTH, Pins
from tests.ui.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING = Recording(FIRST)
DARK = {"red": False, "amber": False, "green": False}


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Pins:
    """This machine's inputs, all of ``NORTH`` dark."""
    mock = Pins()
    mock.show(NORTH)
    monkeypatch.setattr(wires, "open_gpio", mock.open)
    return mock


@pytest.fixture
def read(pins: Pins) -> Iterator[Wires]:
    with Wires() as inputs:
        inputs.wire([NORTH])
        yield inputs


def test_what_an_input_shows_is_told_at_once(pins: Pins, read: Wires) -> None:
    assert read.lit() == {"north": DARK}
    pins.show(NORTH, "red")
    assert read.told() == {"groups": {"north": {**DARK, "red": True}}, "problem": None}
    read.wire([replace(NORTH, red=NORTH.green, green=NORTH.red)])
    assert read.lit() == {"north": {**DARK, "green": True}}
    read.wire([replace(NORTH, active_low=True)])
    assert read.lit() == {"north": {"red": False, "amber": True, "green": True}}
    read.wire([])
    assert read.told() == {"groups": {}, "problem": None}


def test_inputs_that_cannot_be_read_are_told_and_tried_again(pins: Pins, read: Wires) -> None:
    read.wire([NORTH, replace(NORTH, group="cross", amber=5, green=6)])  # one wire for two lamps
    told = read.told()
    assert told["problem"]["code"] == "inputs"
    assert "GPIO17" in told["problem"]["words"]
    assert set(told["groups"]["north"].values()) == {None}
    read.wire([NORTH])
    assert read.problem is None
    with read.released():
        assert not pins.held
        pins.held = True  # somebody else has them
    assert read.problem is not None
    pins.held = False
    read.begin()
    assert read.problem is None
    assert read.lit() == {"north": DARK}


def test_an_input_that_vanishes_is_told(pins: Pins, read: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    read.lit()
    pins.unplug()
    monkeypatch.setattr(wires, "_CHECK_EVERY_S", 0.0)
    until(lambda: read.told()["problem"])
    assert "GPIO17 (red of north)" in read.told()["problem"]["words"]


def test_edges_are_recorded_from_the_state_at_the_begin_on(pins: Pins, read: Wires) -> None:
    pins.show(NORTH, "red")
    assert read.end() == {}
    began_ns = time.monotonic_ns()
    read.begin()
    pins.show(NORTH, "green")
    edges = read.end()[as_wired(NORTH)]
    assert [(edge.lamp, edge.lit) for edge in edges[:3]] == [(Lamp.RED, True), (Lamp.AMBER, False), (Lamp.GREEN, False)]
    assert sorted((edge.lamp.value, edge.lit) for edge in edges[3:]) == [("green", True), ("red", False)]
    assert all(began_ns <= edge.t_ns <= time.monotonic_ns() for edge in edges)
    assert read.end() == {}


def test_what_was_not_recorded_as_it_is_wired_or_not_whole_counts_as_nothing(
    pins: Pins, read: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    read.begin()
    read.wire([replace(NORTH, active_low=True)])
    assert read.end() == {}
    with read.released():
        read.begin()
        assert read.end() == {}
    monkeypatch.setattr(wires, "_MOST_EDGES", 20)
    read.begin()
    for _ in range(20):
        pins.show(NORTH, "red")
        pins.show(NORTH, "green")
    assert read.end() == {}
    assert read.told()["problem"]["code"] == "too_many_edges"


def bare() -> Any:
    """The recording's site with the lamps on wires in place of the picture; 3 s of amber are played to some ms."""
    tables = tomllib.loads((RECORDING.folder / "site.toml").read_text("utf-8"))
    north = tables["signal_groups"][0]
    del north["view"]
    north |= {"min_amber_s": 2.9, "pins": {"red": NORTH.red, "amber": NORTH.amber, "green": NORTH.green}}
    return tables


@pytest.mark.alone
@pytest.mark.slow
def test_passages_before_a_camera_are_judged_by_the_wires_and_another_film_can_be_taken(
    pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera and the lamps of a recording, live: a car runs a light that is red on the wires and nowhere else."""
    port = free_udp_port()
    lamps = RECORDING.folder / "lamps.csv"
    with Wires() as inputs, Taker(f"udp://127.0.0.1:{port}", 12.0, inputs) as taker:
        inputs.wire(wiring(site_of(bare())))
        with live(RECORDING.video, port, 20), pins.playing(lamps, NORTH, time.monotonic()):
            taken = taker.first(None)
        text = sketch("here", ["north"], (640, 360))
        with Bench(taken, load_model(embedded_model()), None, text, taker, inputs) as bench:
            until(lambda: bench.watch()["state"] == "done")
            with pytest.raises(Exception, match="missing"):  # no lane yet, and lamps already
                bench.change({**tables_of(text), "signal_groups": bare()["signal_groups"]})
            known = bench.judged()["lamps"]["north"]
            assert (known["source"], [band[2] for band in known["bands"]][-2:]) == ("wires", ["amber", "red"])
            judged = bench.change(bare())
            assert judged["passages"][-1]["verdict"] == "violation"
            assert judged["passages"][-1]["red_s"] == pytest.approx(2.6, abs=0.15)
            assert bench.wires() == {"groups": {"north": {**DARK, "red": True}}, "problem": None, "unrecorded": []}
            other = bare()
            other["signal_groups"][0]["active_low"] = True
            judged = bench.change(other)
            assert {one["verdict"] for one in judged["passages"]} == {"unknown_phase"}
            assert (bench.wires() or {})["unrecorded"] == ["north"]
            monkeypatch.setattr(taker, "_seconds", 2.0)
            film, run = bench.film, bench.watch()["run"]
            with live(RECORDING.video, port, 20):
                assert bench.take_again()["busy"]
                with pytest.raises(RefusedError) as refused:
                    bench.take_again()
                assert refused.value.code == "taking"
                until(lambda: (bench.take() or {})["number"] == 2)
            assert bench.film != film
            until(lambda: films() == 1)
            assert bench.watch()["run"] == run + 1
            assert (bench.wires() or {})["unrecorded"] == []
            until(lambda: not bench.is_taking)
            monkeypatch.setattr(taking, "film_taken", broken)
            bench.take_again()
            until(lambda: (bench.take() or {})["problem"])
            assert (bench.take() or {})["problem"]["code"] == "not_taken"
            assert bench.film.path.exists()


def films() -> int:
    """How many films this process holds in memory."""
    links = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    return sum("memfd:film" in str(link) for link in links)


def broken(*_: object) -> None:
    raise RuntimeError("no more memory")
