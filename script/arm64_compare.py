"""Compares two replays of one recording: arm64_compare.py HERE THERE. Exit code 1 where they judged differently."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

TIMES = ("t_cross_s", "t_confirm_s", "red_elapsed_s")
TOLERANCE_S = 0.002  # a passage's instants are printed in milliseconds: one unit of rounding either way


def main() -> int:
    here, there = (Path(name) for name in sys.argv[1:3])
    left, right = (folder.joinpath("passages.csv").read_bytes() for folder in (here, there))
    problems = compare(rows(left), rows(right))
    for problem in problems:
        print(f"  {problem}")
    if problems:
        return 1
    same = "byte for byte" if left == right else f"every verdict, times within {TOLERANCE_S * 1000:g} ms"
    print(f"  {len(rows(left))} passages as on this machine: {same}")
    print(f"  largest difference of a number in the events: {largest_difference(events(here), events(there)):g}")
    return 0


def rows(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(text.decode().splitlines()))


def compare(left: list[dict[str, str]], right: list[dict[str, str]]) -> list[str]:
    if len(left) != len(right):
        return [f"{len(left)} passages here, {len(right)} there"]
    return [
        f"passage {number}: {key} is {one[key]!r} here and {other[key]!r} there"
        for number, (one, other) in enumerate(zip(left, right, strict=True), 1)
        for key in one
        if not same(key, one[key], other[key])
    ]


def same(key: str, one: str, other: str) -> bool:
    if key in TIMES and one and other:
        return abs(float(one) - float(other)) <= TOLERANCE_S
    return one == other


def events(folder: Path) -> list[object]:
    """What was decided, without what differs by key, chance and picture."""
    lines = folder.joinpath("events.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = ("lane", "crossing", "red_time", "lamps", "verdict", "class", "amber", "track")
    return [{key: json.loads(line)["data"].get(key) for key in wanted} for line in lines]


def largest_difference(one: object, other: object) -> float:
    match one, other:
        case dict(), dict():
            return max((largest_difference(one[key], other[key]) for key in one), default=0.0)
        case list(), list():
            if len(one) != len(other):
                return float("inf")
            return max((largest_difference(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
        case ((int() | float()), (int() | float())):
            return abs(one - other)
        case _:
            return 0.0 if one == other else float("inf")


if __name__ == "__main__":
    sys.exit(main())
