"""Compares two replays of one recording: arm64_compare.py HERE THERE. Exit code 1 where they judged differently.

What is a word must be the same: lane, class, phase, verdict. What is a number may differ, for two machines add the
products of a network, and turn a picture's colours, in another order and with other roundings. So a far vehicle may be
seen a picture sooner, and tracks be numbered otherwise.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Roundings move a box by hundredths of a pixel; but where two cells of the network are as sure of a vehicle as another
# the other one's box is kept, a pixel or three away. A crossing is fitted through many boxes and moves by milliseconds.
BOX_PX = 0.15  # the median
SHARED = 0.75  # of the boxes by which a passage was judged, at least
TIME_S = 0.01  # a twentieth of what the passages of this recording claim for themselves
TIMES = ("t_cross_s", "t_confirm_s", "red_elapsed_s")
# The parts of an event that hold what was measured and decided, without what differs by key, chance and picture.
DECIDED = (
    "amber", "clock", "contact", "crossing", "geometry", "lamps", "lane", "red_time",
    "rule", "signal", "signal_group", "vehicle_class", "verdict",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tracks:
    """How far the boxes lie apart by which both judged; ``shared`` of all ``boxes`` were seen by both."""

    boxes: int
    shared: int
    median_px: float
    largest_px: float
    largest_score: float


def main() -> int:
    """Compare as the command line says; print what was compared and what differs."""
    here, there = (Path(name) for name in sys.argv[1:3])
    left, right = passages(here), passages(there)
    problems = [*compare(left, right), *unlike(events(here), events(there))]
    if not problems:
        tracks = apart(records(here / "tracks.jsonl"), records(there / "tracks.jsonl"))
        problems = beyond(tracks)
        print(f"  {len(left)} passages with the same lane, class, phase and verdict:")
        for row, other in zip(left, right, strict=True):
            print(f"    {described(row)}; times differ by up to {1000 * furthest(row, other):.1f} ms")
        number = largest(events(here), events(there))
        print(f"  {len(events(here))} event(s), the same in every word; numbers differ by up to {number:g}")
        print(
            f"  {tracks.shared} of {tracks.boxes} boxes were seen by both; they differ by {tracks.median_px:.2f} px in"
        )
        print(f"    the median, by up to {tracks.largest_px:.2f} px and {tracks.largest_score:.3f} of score")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0


def passages(folder: Path) -> list[dict[str, str]]:
    """The rows of a replay's table."""
    return list(csv.DictReader((folder / "passages.csv").read_text(encoding="utf-8").splitlines()))


def records(file: Path) -> list[Any]:
    """A file of JSON, one record a line."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def events(folder: Path) -> list[dict[str, object]]:
    """What was decided in each event."""
    return [{key: line["data"][key] for key in DECIDED} for line in records(folder / "events.jsonl")]


def described(row: dict[str, str]) -> str:
    """A passage in a few words."""
    return f"{row['class']} in {row['lane']} at {row['t_cross_s']} s, {row['verdict']}"


def compare(left: list[dict[str, str]], right: list[dict[str, str]]) -> list[str]:
    """What differs between two tables of passages by more than it may."""
    if not left:
        return ["no passage here: nothing is compared"]
    if len(left) != len(right):
        return [f"{len(left)} passages here, {len(right)} there"]
    return [
        f"passage {number}: {key} is {one[key]!r} here and {other[key]!r} there"
        for number, (one, other) in enumerate(zip(left, right, strict=True), 1)
        for key in one
        if key != "track" and not same(key, one[key], other[key])
    ]


def same(key: str, one: str, other: str) -> bool:
    """Whether two cells agree: a time within its bound, all else to the letter."""
    if key in TIMES and one and other:
        return abs(float(one) - float(other)) <= TIME_S
    return one == other


def furthest(one: dict[str, str], other: dict[str, str]) -> float:
    """The largest difference of two passages' times, in seconds."""
    return max(abs(float(one[key]) - float(other[key])) for key in TIMES if one[key])


def unlike(left: list[dict[str, object]], right: list[dict[str, object]]) -> list[str]:
    """What differs between two replays' events in form or words; numbers are compared in the passages."""
    if len(left) != len(right):
        return [f"{len(left)} events here, {len(right)} there"]
    return [
        f"event {number}: {key} is {one[key]} here and {other[key]} there"
        for number, (one, other) in enumerate(zip(left, right, strict=True), 1)
        for key in DECIDED
        if largest(one[key], other[key]) == float("inf")
    ]


def largest(one: object, other: object) -> float:
    """The largest difference of two numbers at the same place; infinite where anything else differs."""
    match one, other:
        case (bool(), _) | (_, bool()):
            return 0.0 if one is other else float("inf")
        case ((int() | float()), (int() | float())):
            return abs(one - other)
        case (dict(), dict()) if one.keys() == other.keys():
            return max((largest(one[key], other[key]) for key in one), default=0.0)
        case (list(), list()) if len(one) == len(other):
            return max((largest(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
        case _:
            return 0.0 if one == other else float("inf")


def apart(left: list[Any], right: list[Any]) -> Tracks:
    """Compare the boxes of passages that agree."""
    count, boxes_px, scores = 0, [], [0.0]
    for one, other in zip(left, right, strict=True):
        mine, theirs = ({point[0]: point[1:] for point in track["points"]} for track in (one, other))
        count += len(mine.keys() | theirs.keys())
        both = mine.keys() & theirs.keys()
        boxes_px += [largest(mine[t_s][:4], theirs[t_s][:4]) for t_s in both]
        scores += [abs(mine[t_s][4] - theirs[t_s][4]) for t_s in both]
    median_px = statistics.median(boxes_px) if boxes_px else float("inf")
    return Tracks(count, len(boxes_px), median_px, max(boxes_px, default=0.0), max(scores))


def beyond(tracks: Tracks) -> list[str]:
    """What differs between the boxes by more than it may."""
    far = []
    if tracks.median_px > BOX_PX:
        far.append(f"boxes lie {tracks.median_px:.2f} px from the other machine's in the median, more than {BOX_PX} px")
    if tracks.shared < SHARED * tracks.boxes:
        far.append(f"only {tracks.shared} of {tracks.boxes} boxes were seen by both, less than {SHARED:.0%}")
    return far


if __name__ == "__main__":
    sys.exit(main())
