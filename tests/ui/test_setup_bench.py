"""The set-up page's bench in this very process: what it does when nothing changes, and when something goes wrong."""

from __future__ import annotations

import copy
import threading
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import pytest

from edge.config import PlaceError
from edge.detector import load_model
from edge.embedded import embedded_model
from edge.records import Lamp, LampEdge
from edge.sources.timeline import read_timeline
from edge.ui import judging, lampreader
from edge.ui.bench import Bench
from edge.ui.choosing import IN_VIEW
from edge.ui.draft import tables_of
from edge.ui.film import film_of
from edge.ui.taking import Taken
from tests.recordings import FIRST, Recording
from tests.ui.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge.ui.watcher import Run

pytestmark = pytest.mark.slow
RECORDING = Recording(FIRST)
SITE = (RECORDING.folder / "site.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two seconds of a recording."""
    target = tmp_path_factory.mktemp("short") / "short.mp4"
    with av.open(str(RECORDING.video)) as recording, av.open(str(target), "w") as out:
        stream: Any = out.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for frame in list(recording.decode(video=0))[:50]:
            picture = frame.reformat(format="yuv420p")
            picture.pict_type = 0
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return target


@contextmanager
def bench_over(video: Path, timeline: list[LampEdge] | None = None, text: str | None = SITE) -> Iterator[Bench]:
    model = load_model(embedded_model())
    with film_of(str(video), lambda _: None) as film, Bench(Taken(film), model, timeline, text) as bench:
        yield bench


def watched(bench: Bench) -> None:
    until(lambda: bench.watch()["state"] == "done")


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every trial that is begun."""
    begun: list[object] = []

    class Counted(judging.Trial):
        def __init__(self, *words: Any) -> None:
            begun.append(words)
            super().__init__(*words)

    monkeypatch.setattr(judging, "Trial", Counted)
    return begun


def without_view() -> Any:
    tables = tables_of(SITE)
    for group in tables["signal_groups"]:
        group.pop("view", None)
    return tables


def test_a_look_at_what_has_not_changed_judges_nothing(short: Path, trials: list[object]) -> None:
    with bench_over(short) as bench:
        bench.change(without_view())
        began = len(trials)
        while bench.watch()["state"] == "watching":
            bench.judged()
        watched(bench)
        judged = bench.judged()
        assert all(bench.judged() is judged for _ in range(20))
        assert bench.state()["judged"] is judged
        assert len(trials) == began
        assert judged["until_s"] == pytest.approx(1.96)


def test_lamps_that_are_not_read_exactly_yet_are_glanced_at_once(
    short: Path, trials: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read, glances = threading.Event(), []
    read_all, glanced = lampreader.LampReader._read_all, lampreader.LampReader._glanced
    monkeypatch.setattr(
        lampreader.LampReader, "_read_all", lambda self, *words: may_read.wait(60) and read_all(self, *words)
    )
    monkeypatch.setattr(
        lampreader.LampReader, "_glanced", lambda self, *words: glances.append(1) or glanced(self, *words)
    )
    with bench_over(short) as bench:
        watched(bench)
        bench.judged()
        began, glanced_at = len(trials), len(glances)
        for _ in range(20):
            assert not bench.judged()["lamps"]["north"]["exact"]
        assert (len(trials), len(glances)) == (began, glanced_at)
        may_read.set()
        until(lambda: bench.judged()["lamps"]["north"]["exact"])
        assert len(trials) <= began + 1
        assert len(glances) == glanced_at


def test_the_states_of_a_watch_are_told_apart(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.proposals.watching import Watching

    may_propose = threading.Event()
    propose = Watching.propose
    monkeypatch.setattr(Watching, "propose", lambda self: may_propose.wait(60) and propose(self))
    with bench_over(short) as bench:
        assert bench.watch()["state"] == "watching"
        assert not bench.watch()["done"]
        until(lambda: bench.watch()["state"] == "proposing")
        assert bench.watch()["done"]
        assert not bench.proposal()["proposed"]
        may_propose.set()
        watched(bench)
        assert bench.proposal()["proposed"]


def test_each_watch_has_its_number_and_its_own_tracks(short: Path) -> None:
    with bench_over(short) as bench:
        until(lambda: bench.watch()["frames"] > 5)
        first = bench.watch()["run"]
        assert bench.tracks(first, 0)["frames"]
        again = bench.watch_again()  # while the first is being watched still
        assert again["run"] == first + 1
        assert bench.tracks(first, 0) == {"run": first + 1, "frames": []}
        watched(bench)
        told = bench.tracks(None, 0)
        assert told["run"] == bench.judged()["run"] == first + 1
        assert [row["t"] for row in told["frames"]] == [pytest.approx(0.04 * number) for number in range(50)]
        assert bench.tracks(first + 1, 48)["frames"] == told["frames"][48:]


def test_what_nobody_foresaw_ends_a_watch_with_a_sentence(
    short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no more memory")

    monkeypatch.setattr("edge.ui.watcher.detect_stream", broken)
    with bench_over(short) as bench:
        watched(bench)
        problem = bench.state()["watch"]["problem"]
    assert problem["code"] == "not_watched"
    assert problem["words"] == "The recording cannot be watched: RuntimeError: no more memory"
    assert "Traceback" in capsys.readouterr().err


@pytest.fixture(scope="module")
def full() -> Run:
    """A watch of a whole recording that has come to its end."""
    with bench_over(RECORDING.video) as bench:
        watched(bench)
        return bench._watcher.run


def proposed_of(run: Run, timeline: Sequence[LampEdge]) -> Any:
    """The state of a bench without a site file that has watched so far, with these lamps."""
    with film_of(str(RECORDING.video), lambda _: None) as film:
        bench = Bench(Taken(film), load_model(embedded_model()), timeline, None)
        bench._watcher.run = replace(run)
        return bench.state()


def test_a_proposal_that_cannot_be_made_is_told_and_all_else_goes_on(full: Run) -> None:
    """Two groups of which one has a name that no site file takes; such a file of lamps is refused beforehand."""
    edges = [LampEdge(0, name, lamp, lit=lamp is Lamp.GREEN) for name in ("north", "main road") for lamp in Lamp]
    state = proposed_of(full, edges)
    assert state["watch"]["problem"]["code"] == "not_proposed"
    assert "is no name: take letters" in state["watch"]["problem"]["words"]
    assert (state["proposal"], state["proposed"]) == (None, True)
    assert state["watch"]["frames"] == 650


@pytest.mark.parametrize("order", [("north", "cross"), ("cross", "north")])
def test_the_head_in_view_and_the_lanes_are_of_the_group_whose_lamps_it_shows(
    full: Run, order: tuple[str, str]
) -> None:
    recorded = read_timeline(RECORDING.folder / "lamps.csv")
    state = proposed_of(full, sorted(recorded, key=lambda edge: (edge.t_ns, order.index(edge.group))))
    assert {edge.group for edge in recorded} == set(order)
    first, second = state["proposal"]["signal_groups"]
    assert (first["id"], second) == ("north", {"id": "cross"})
    assert set(first["view"]) == {"red_px", "amber_px", "green_px"}
    assert {lane["signal_group"] for lane in state["proposal"]["lanes"]} == {"north"}
    assert IN_VIEW in state["notes"]["signal_groups.0.id"]


def test_a_rejected_draft_is_kept_beside_the_one_that_is_judged_by(short: Path) -> None:
    with bench_over(short) as bench:
        good = bench.state()["site"]
        wanted = copy.deepcopy(good)
        wanted["lanes"][0]["direction"] = [1.0, 0.0]
        with pytest.raises(PlaceError):
            bench.change(wanted)
        state = bench.state()
        assert (state["site"], state["wanted"]) == (good, wanted)
        assert state["problem"]["at"].startswith("lanes.0")
        with pytest.raises(PlaceError):
            bench.text()
        bench.change(good)
        state = bench.state()
        assert (state["site"], state["wanted"], state["problem"]) == (good, None, None)


@pytest.mark.parametrize(
    "change",
    [{"lanes": 7}, {"signal_groups": [1]}, {"masks": [{"region_px": [float("nan"), 1, 2, 3]}]}, {"site": "x"}],
)
def test_a_draft_that_no_page_could_show_is_not_kept(short: Path, change: dict[str, Any]) -> None:
    with bench_over(short) as bench:
        with pytest.raises(PlaceError):
            bench.change({**tables_of(SITE), **change})
        state = bench.state()
        assert state["wanted"] is None
        assert state["problem"] is not None
