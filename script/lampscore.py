"""How well lamps are read in the picture: on labelled heads of real junctions and on recordings with known lamps."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import av

from edge.config import load_site
from edge.glow import LAMPS, read_head
from edge.records import NS_PER_S, Lamp
from edge.sources.lampview import LampView, edges_of
from edge.sources.timeline import read_timeline
from edge.sources.video import open_video
from script.evaluation.intervals import Share, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.config import Site
    from edge.glow import LampReading
    from edge.records import LampEdge

ROOT = Path(__file__).resolve().parents[1]
DATASET = ROOT.parent / "shared" / "datasets" / "junctions"
CASES = ROOT / "sim_fixtures"
PAGE = ROOT / "docs" / "lampview.md"
BEGIN, END = "<!-- figures: written by script/lampview -->", "<!-- end of figures -->"

_LABELS = {1: Lamp.GREEN, 3: Lamp.RED, 5: Lamp.AMBER}
# Boxes in which a person sees no lamp or digit that is lit, looked through before the reader was run on the test part:
# picture and the label's line, from 0. A kerb (5 x 5 pixels, the same place each time), leaves, or a head caught in the
# dark part of its flicker.
NO_LIGHT = {
    "valid": {(368, 0), (368, 1), (377, 0), (395, 0), (396, 0), (400, 1), (429, 5), (434, 0), (438, 12)},
    "test": {(442, 0), (452, 0), (466, 1), (472, 1), (486, 0), (488, 1), (497, 3), (506, 0), (508, 13)},
}
# The camera of this case is knocked aside at 20 s: from then on the regions show something else.
MOVED = {"camera_moved": 20 * NS_PER_S}
SHOWN_FOR_S = 1.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled head: its pixels, what it shows, and whether a person sees any light in it."""

    name: str
    pixels: NDArray[uint8]
    lamp: Lamp
    has_light: bool


def labelled(split: str) -> Iterator[Labelled]:
    """Every lamp box of a part of the junctions, cut from its picture as it is."""
    for file in sorted((DATASET / split / "labels").glob("*.txt")):
        boxes = [line.split() for line in file.read_text().splitlines()]
        if not any(int(box[0]) in _LABELS for box in boxes):
            continue
        picture = _picture(DATASET / split / "images" / f"{file.stem}.jpg")
        number = int(file.stem.removeprefix("jct"))
        for line, box in enumerate(boxes):
            if int(box[0]) in _LABELS:
                has_light = (number, line) not in NO_LIGHT.get(split, ())
                yield Labelled(f"{file.stem}.{line}", _cut(picture, box[1:]), _LABELS[int(box[0])], has_light)


def _picture(path: Path) -> NDArray[uint8]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="bgr24")  # type: ignore[return-value]


def _cut(picture: NDArray[uint8], words: Sequence[str]) -> NDArray[uint8]:
    height, width = picture.shape[:2]
    x, y, w, h = (float(word) for word in words)
    left, right = max(0, round((x - w / 2) * width)), min(width, round((x + w / 2) * width))
    top, bottom = max(0, round((y - h / 2) * height)), min(height, round((y + h / 2) * height))
    return picture[top:bottom, left:right]


@dataclass(slots=True)
class HeadScore:
    """Heads of one part: right, wrong, not told; by lamp; with the names of the wrong ones that show a light."""

    counts: Counter[tuple[Lamp, str, bool]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def share(self, *, light: bool, lamp: Lamp | None = None) -> Share:
        """Heads read rightly, of those with light to be seen in them or of all."""
        chosen = {
            key: number
            for key, number in self.counts.items()
            if (key[2] or not light) and (lamp is None or key[0] is lamp)
        }
        return Share(sum(number for key, number in chosen.items() if key[1] == "right"), sum(chosen.values()))


def score_heads(split: str) -> HeadScore:
    """``read_head`` on every labelled head of a part."""
    score = HeadScore()
    for head in labelled(split):
        shown = read_head(head.pixels).shown
        outcome = "right" if shown is head.lamp else "not told" if shown is None else "wrong"
        score.counts[head.lamp, outcome, head.has_light] += 1
        if outcome != "right" and head.has_light:
            score.wrong.append(f"{head.name} ({head.lamp.value} read as {shown.value if shown else 'none'})")
    return score


@dataclass(slots=True)
class ViewScore:
    """One recording: frames by outcome, the error of each onset in frames, onsets not seen, edges that are none."""

    name: str
    groups: int
    frames: Counter[str] = field(default_factory=Counter)
    onset_errors: list[float] = field(default_factory=list)
    missed: int = 0
    invented: int = 0
    spent_s: float = 0.0


def cases_in_view() -> list[str]:
    """The committed cases with the lamps of some group in view."""
    sites = sorted(CASES.glob("*/site.toml"))
    return [file.parent.name for file in sites if any(group.view for group in load_site(file).signal_groups)]


def score_case(name: str) -> ViewScore:
    """The lamps of a committed case."""
    return score_recording(CASES / name, load_site(CASES / name / "site.toml"))


def score_recording(folder: Path, site: Site) -> ViewScore:
    """The lamps of a recording read in all of its frames, against its timeline."""
    name, timeline = folder.name, read_timeline(folder / "lamps.csv")
    groups = {group.id for group in site.signal_groups if group.view}
    score = ViewScore(name, len(groups))
    seen: dict[str, list[LampReading]] = {group: [] for group in groups}
    with open_video(folder / "video.mp4", live=False) as video:
        view = LampView.for_site(site, video.size_px)
        for frame in video:
            if frame.t_ns >= MOVED.get(name, frame.t_ns + 1):
                break
            start = perf_counter()
            readings = view.read(frame)
            score.spent_s += perf_counter() - start
            for reading in readings:
                seen[reading.group].append(reading)
        interval_ns = video.interval_ns
    for group, of_group in seen.items():
        _score_group(score, [edge for edge in timeline if edge.group == group], of_group, interval_ns)
    return score


def _score_group(score: ViewScore, timeline: list[LampEdge], readings: list[LampReading], interval_ns: int) -> None:
    for reading in readings:
        shown = {edge.lamp: edge.lit for edge in timeline if edge.t_ns <= reading.t_ns}
        states = [reading.of(lamp) for lamp in LAMPS]
        right = states == [shown[lamp] for lamp in LAMPS]
        score.frames["right" if right else "not told" if None in states else "wrong"] += 1
    first_ns, last_ns = readings[0].t_ns, readings[-1].t_ns
    found = [edge for edge in _edges(readings) if edge.t_ns > first_ns]
    for true in timeline:
        if not first_ns < true.t_ns <= last_ns:
            continue
        near = [edge for edge in found if (edge.lamp, edge.lit) == (true.lamp, true.lit)]
        best = min(near, key=lambda edge: abs(edge.t_ns - true.t_ns), default=None)
        if best is None or abs(best.t_ns - true.t_ns) > SHOWN_FOR_S * NS_PER_S:
            score.missed += 1
            continue
        found.remove(best)
        if true.lit:
            score.onset_errors.append((best.t_ns - true.t_ns) / interval_ns)
    score.invented += len(found)


def _edges(readings: list[LampReading]) -> Iterator[LampEdge]:
    before = None
    for reading in readings:
        yield from edges_of(reading, before)
        states = (reading.red, reading.amber, reading.green)
        before = (False, False, False) if None in states else states


def made_again(folder: Path) -> Site:
    """The site of a generated recording, with its lamps' regions: made again from the seed in its truth."""
    from sim_fixtures.render.generate import chunk
    from sim_fixtures.render.site import site_toml

    truth = json.loads((folder / "truth.json").read_text())
    seed, index = divmod(truth["seed"], 1000)
    text = site_toml(chunk(seed, index, truth["condition"], truth["fps"], truth["duration_s"]))
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "site.toml"
        file.write_text(text)
        return load_site(file)


def score_generated(folder: Path) -> list[ViewScore]:
    """Every generated recording below a folder that has lamps in view."""
    scores = []
    for truth in sorted(folder.rglob("truth.json")):
        site = made_again(truth.parent)
        if any(group.view for group in site.signal_groups):
            scores.append(score_recording(truth.parent, site))
            print(scores[-1].name, dict(scores[-1].frames), scores[-1].missed, scores[-1].invented, flush=True)
    return scores


def compare_replays(name: str) -> tuple[int, int, list[str]]:
    """Passages judged alike by the timeline and by the picture, all of them, and what differs."""
    with tempfile.TemporaryDirectory() as folder:
        by = {signal: _judged(name, signal, Path(folder)) for signal in ("lamps.csv", "view")}
    rows, seen = by["lamps.csv"], by["view"]
    differs = [f"{name}: {row} by the timeline" for row in rows if row not in seen]
    differs += [f"{name}: {row} by the picture" for row in seen if row not in rows]
    return sum(row in seen for row in rows), len(rows), differs


def _judged(name: str, signal: str, out: Path) -> list[tuple[str, str, str]]:
    from rich.console import Console

    from edge.commands.chain import VIEW
    from edge.commands.replay import ReplayRequest, replay

    folder = CASES / name
    timeline = VIEW if signal == "view" else folder / signal
    request = ReplayRequest(str(folder / "video.mp4"), folder / "site.toml", timeline, out / signal, evidence=False)
    replay(request, Console(quiet=True))
    with (out / signal / "passages.csv").open(newline="") as file:
        return [(row["lane"], row["t_cross_s"], row["verdict"]) for row in csv.DictReader(file)]


def _page(lines: list[str]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


def _heads_table() -> Iterator[str]:
    yield "| part | lamp | heads with light to be seen, read rightly | all labelled boxes |"
    yield "|---|---|---|---|"
    for split in ("train", "valid", "test"):
        score = score_heads(split)
        for lamp in (None, *LAMPS):
            light = "not looked through" if split == "train" else str(score.share(light=True, lamp=lamp))
            yield f"| {split} | {lamp.value if lamp else 'all'} | {light} | {score.share(light=False, lamp=lamp)} |"
        if split == "test":
            yield ""
            yield f"Of `test`, not read rightly though there is light: {'; '.join(score.wrong) or 'none'}."


def _cases_table(scores: list[ViewScore]) -> Iterator[str]:
    yield "| recording | groups | frames read rightly | not told | wrong | onsets seen | edges missed | invented |"
    yield "|---|---|---|---|---|---|---|---|"
    for one in scores:
        frames = [one.frames[outcome] for outcome in ("right", "not told", "wrong")]
        cells = [f"`{one.name}`", one.groups, *frames, len(one.onset_errors), one.missed, one.invented]
        yield f"| {' | '.join(map(str, cells))} |"
    errors = [abs(error) for one in scores for error in one.onset_errors]
    total = sum((one.frames for one in scores), Counter[str]())
    within, right = Share(sum(error <= 2 for error in errors), len(errors)), Share(total["right"], sum(total.values()))
    yield ""
    yield f"- Frames in which every lamp is right: {right}; wrong: {total['wrong']}."
    yield f"- Onsets within two frames: {within}; p95 {percentile(errors, 0.95):.2f} frames, most {max(errors):.2f}."


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="script/lampview", description=__doc__)
    parser.add_argument("--replays", action="store_true", help="judge the cases by the picture too; takes minutes")
    parser.add_argument("--fresh", type=Path, help="also what 'python -m sim_fixtures.render --seed' made there")
    arguments = parser.parse_args()
    lines = ["", "### Real junctions", ""]
    lines += _heads_table() if DATASET.exists() else ["Not measured: the pictures are not there."]
    scores = [score_case(name) for name in cases_in_view()]
    lines += ["", "### The committed cases", "", *_cases_table(scores)]
    if arguments.fresh:
        lines += ["", "### Fresh recordings", "", *_cases_table(score_generated(arguments.fresh))]
    if arguments.replays:
        lines += ["", *_replays()]
    _page(lines)
    spent = sum(one.spent_s for one in scores) / sum(sum(one.frames.values()) / one.groups for one in scores)
    print(json.dumps({"cases": len(scores), "ms_a_frame": round(1000 * spent, 3)}))
    return 0


def _replays() -> Iterator[str]:
    alike, of = 0, 0
    differs: list[str] = []
    for name in cases_in_view():
        same, rows, other = compare_replays(name)
        alike, of, differs = alike + same, of + rows, differs + other
    yield f"- Passages judged alike by the picture and by the timeline: {Share(alike, of)}."
    yield from (f"- {line}" for line in differs)


if __name__ == "__main__":
    sys.exit(main())
