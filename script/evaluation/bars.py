"""What was asked of detector and node, beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .intervals import percentile
from .scoring import by_condition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .scoring import Figures, Material, Scored

DARK_OR_WET = {"night": "at night", "rain": "in rain"}
DAY_RECALL, DARK_RECALL = 0.95, 0.90
LEAST_MINUTES = 60
TIMED_FPS, TIMED_P95_S = 25, 0.050
RED_SHARE = 0.999
PICTURES = ("road-views valid", "junctions test")
OURS, PEER = "stopline-s", "yolox_nano"


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing asked, what was found, and whether that is enough."""

    asked: str
    found: str
    reached: bool


def bars(sets: Sequence[Material], detector: Mapping[str, Any]) -> Iterator[Bar]:
    """All of them; the first set is that of the committed cases, the others are traffic of seeds."""
    yield from _of_cases(sets[0].figures()["all"])
    if len(sets) > 2:
        yield from _of_traffic("all seeds", [one for material in sets[1:] for one in material.parts])
    for material in sets[1:]:
        yield from _of_traffic(material.title.lower(), material.parts)
    for name in PICTURES:
        if name in detector:
            yield from _of_pictures(name, detector[name]["detectors"])


def _of_cases(cases: Figures) -> Iterator[Bar]:
    right, invented = cases.right(), len(cases.invented())
    found = f"{right.hits} of {right.of} right, {invented} invented"
    yield Bar("Every committed case gives exactly its truth", found, right.hits == right.of and not invented)
    fast = [pair for pair in cases.counted() if pair.recording.fps >= TIMED_FPS and pair.error_s is not None]
    errors_s = [abs(pair.error_s) for pair in fast if pair.error_s is not None]
    if errors_s:
        p95_s = percentile(errors_s, 0.95)
        yield Bar("Crossing time within 50 ms (p95) at 25 frames a second", _ms(p95_s), p95_s <= TIMED_P95_S)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _of_traffic(where: str, parts: Sequence[Scored]) -> Iterator[Bar]:
    found = by_condition(parts)
    every, minutes = found["all"], found["all"].minutes()
    yield Bar(f"At least {LEAST_MINUTES} minutes ({where})", f"{minutes:.0f} minutes", minutes >= LEAST_MINUTES)
    light = by_condition(one for one in parts if one.recording.condition not in DARK_OR_WET)["all"]
    asked = [("by day, in low sun and in fog", DAY_RECALL, light)]
    asked += [(when, DARK_RECALL, found[name]) for name, when in DARK_OR_WET.items() if name in found]
    for when, least, figures in asked:
        recall = figures.recall()
        reached = bool(recall.of) and recall.value >= least
        yield Bar(f"{least:.2f} of the violations found {when} ({where})", str(recall), reached)
    wrong = len(every.false_violations())
    yield Bar(f"No false violation ({where})", f"{wrong} in {minutes:.0f} minutes", not wrong)
    red = every.red_times(violations=True)
    enough = bool(red.of) and red.value >= RED_SHARE
    yield Bar(f"Red time of a violation not above the truth in 99.9 % ({where})", str(red), enough)


def _of_pictures(name: str, detectors: Mapping[str, Any]) -> Iterator[Bar]:
    ours, peer = detectors[OURS], detectors[PEER]
    found = f"{ours['ap50']:.3f} against {peer['ap50']:.3f}"
    yield Bar(f"AP50 on `{name}` at least that of YOLOX-nano", found, ours["ap50"] >= peer["ap50"])
    found = f"{ours['median_ms']:.1f} against {peer['median_ms']:.1f} ms"
    yield Bar(f"At no more time a picture (`{name}`)", found, ours["median_ms"] <= peer["median_ms"])
