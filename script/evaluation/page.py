"""The page docs/accuracy.md, put together from what was measured."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.train.card import comparison, conditions, recalls

from . import tracking
from .bars import bars
from .intervals import Share, percentile, resampled
from .scoring import AT_THE_ENDS, ENDS_S, LEAST_CLEAR_S, LEAST_SEEN, SAME_PASSAGE_S, faults
from .tracking import LEAST_HEIGHT_PX, LEAST_VISIBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .records import TrackScore
    from .scoring import Fault, Figures, Material

_PERCENTILES = (0.5, 0.95, 0.99)
FEWEST_TO_DRAW = 4
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Measured:
    """All that the page tells: model, detector's JSON, sets, how many failures are pictured and in which folder."""

    model: str
    detector: Mapping[str, Any]
    sets: tuple[Material, ...]
    pictured: int
    folder: str


def page(measured: Measured) -> str:
    """The whole page as Markdown."""
    lines = [*_head(measured), *_asked(measured), *_detector(measured), *_tracker(measured)]
    for material in measured.sets:
        lines += _node(material)
    lines += [*_plots(measured), *_how()]
    return "\n".join(map(_wrapped, lines)).rstrip() + "\n"


def _wrapped(line: str) -> str:
    """Prose as lines of the project's width; tables, headings and pictures as they are."""
    if len(line) <= WIDTH or line.startswith(("|", "#", "!")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _head(measured: Measured) -> Iterator[str]:
    yield "# Accuracy"
    yield ""
    yield (
        "Made by `script/evaluate`; run it again to check. Intervals are 95 %. The detector is measured on **real "
        "pictures** and on rendered ones, as each row says. The tracker and the node are measured on **simulated** "
        "recordings alone: rendered from scenes that know each vehicle's place to the millimetre. That says how the "
        "chain does on such pictures, not on a street; three real clips with hand-made truth are judged in "
        "`tests/replay/test_real_clips.py`."
    )
    yield ""
    yield f"Embedded model: {measured.model}."
    yield ""
    yield "| material | pictures | recordings | minutes | passages | of them violations |"
    yield "|---|---|---|---|---|---|"
    for material in measured.sets:
        every = material.figures()["all"]
        pairs = [pair for one in every.parts for pair in one.pairs]
        convicted = sum(pair.truth.verdict == "violation" for pair in pairs)
        length = f"{len(every.parts)} | {every.minutes():.1f}"
        yield f"| {material.title} | simulated | {length} | {len(pairs)} | {convicted} |"
    yield ""
    for material in measured.sets:
        aside = f" {material.skipped} folders without a part were left aside." if material.skipped else ""
        yield f"- **{material.title}**: {material.about}{aside}"
    yield ""


def _asked(measured: Measured) -> Iterator[str]:
    yield "## What was asked, and what is reached"
    yield ""
    yield "| asked | measured | reached |"
    yield "|---|---|---|"
    for bar in bars(measured.sets, measured.detector):
        yield f"| {bar.asked} | {bar.found} | {'yes' if bar.reached else '**no**'} |"
    yield ""


def _detector(measured: Measured) -> Iterator[str]:
    yield "## The detector"
    yield ""
    if not measured.detector:
        yield "Not measured yet: run `script/evaluate --detector`."
        yield ""
        return
    yield (
        "From `models/evaluation.json`, which `python -m models.train.evaluate` writes (`script/evaluate --detector` "
        'runs it): one class "vehicle", COCO\'s average precision, all detectors on the same pictures in turn, each on '
        "one thread of one machine. `road-views`, `road-night-day` and `junctions` are real pictures, `rendered` are "
        "simulated ones of unseen seeds. The [model card](../models/README.md) says where the labels come from and "
        "what is wrong with them."
    )
    for part in (comparison, conditions, recalls):
        yield ""
        yield from part(dict(measured.detector)).splitlines()
        yield ""
        if part is comparison:
            yield f"![AP50 of each detector on each set]({measured.folder}/detectors.svg)"
            yield ""
            yield "The embedded model by condition (of real pictures only the brightness is known):"
        elif part is conditions:
            yield "Its recall by class and size at the score that starts a track:"


def _tracker(measured: Measured) -> Iterator[str]:
    yield "## The tracker"
    yield ""
    yield (
        "The embedded detector and the node's tracker on simulated recordings, against the true box of every road user "
        f"in every frame, by TrackEval 1.3. A vehicle must be followed while it is {LEAST_HEIGHT_PX} pixels high or "
        f"more and at least {LEAST_VISIBLE:.0%} visible; a track on one that need not be followed counts neither way. "
        '"Approach" asks for vehicles of the judged lanes only, "all" for those of the cross street and the oncoming '
        "lanes too. Intervals: recordings drawn anew 1,000 times."
    )
    for material in measured.sets:
        yield ""
        yield f"{material.title}:"
        yield ""
        yield "| condition | vehicles | HOTA, approach | IDF1, approach | switches a hundred | HOTA, all | IDF1, all |"
        yield "|---|---|---|---|---|---|---|"
        for name, figures in material.figures().items():
            near = [one.outcome.approach for one in figures.parts]
            every = [one.outcome.tracks for one in figures.parts]
            cells = [_with_interval(near, figure) for figure in (tracking.hota, tracking.idf1)]
            cells.append(_with_interval(near, tracking.switches_per_100, 1))
            cells += [_with_interval(every, figure) for figure in (tracking.hota, tracking.idf1)]
            yield f"| {name} | {sum(one.vehicles for one in near)} | {' | '.join(cells)} |"
    yield ""


def _with_interval(
    scores: Sequence[TrackScore], figure: Callable[[Sequence[TrackScore]], float], digits: int = 3
) -> str:
    value = figure(scores)
    if math.isnan(value):
        return "nothing to follow"
    if len(scores) < FEWEST_TO_DRAW:
        return f"{value:.{digits}f}"
    low, high = resampled(scores, figure)
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _node(material: Material) -> Iterator[str]:
    every = material.figures()
    figures = every["all"]
    yield f"## The node: {material.title.lower()}"
    yield ""
    yield from _left_out(material, figures)
    yield "| what | share, 95 % interval |"
    yield "|---|---|"
    yield f"| violations found (recall) | {figures.recall()} |"
    yield f"| reported violations that are true (precision) | {figures.precision()} |"
    wrong = Share(len(figures.false_violations()), figures.harmless())
    low, high = (1000 * value for value in wrong.interval())
    rate = 1000 * wrong.value if wrong.of else 0.0
    yield (
        f"| false violations in 1,000 passages that are none | {rate:.1f} ({low:.1f} to {high:.1f}; {wrong.hits} of "
        f"{wrong.of}) |"
    )
    yield f"| passages found | {figures.found()} |"
    yield f"| passages with the right verdict | {figures.right()} |"
    yield f"| passages invented | {len(figures.invented())} |"
    yield f"| red times of violations not above the true one | {figures.red_times(violations=True)} |"
    yield f"| red times of all passages on red not above the true one | {figures.red_times(violations=False)} |"
    yield ""
    yield from _by_condition(every)
    yield from _named(faults(figures))


def _left_out(material: Material, figures: Figures) -> Iterator[str]:
    if not material.lenient:
        yield "Every passage counts."
        yield ""
        return
    reasons = Counter(pair.left_out for pair in figures.left_out())
    at_ends = sum(made.left_out is not None for made in figures.invented())
    total = sum(reasons.values())
    parts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=str))
    yield (
        f"{total} true passages are left out of recall, verdicts and times ({parts or 'none'}), and {at_ends} invented "
        f"{AT_THE_ENDS} are not named. A reported violation is never left out."
    )
    yield ""


def _by_condition(every: Mapping[str, Figures]) -> Iterator[str]:
    yield "| condition | passages | recall of violations | precision | false violations | invented |"
    yield "|---|---|---|---|---|---|"
    for name, figures in every.items():
        counts = f"{len(figures.false_violations())} | {len(figures.invented())}"
        yield f"| {name} | {len(figures.counted())} | {figures.recall()} | {figures.precision()} | {counts} |"
    yield ""
    yield "| condition | timed | error of the crossing time: p50 | p95 | p99 (ms, 95 % interval) |"
    yield "|---|---|---|---|---|"
    for name, figures in every.items():
        errors = figures.errors_s()
        cells = " | ".join(_error_cell(figures, errors, share) for share in _PERCENTILES)
        yield f"| {name} | {len(errors)} | {cells} |"
    yield ""


def _error_cell(figures: Figures, errors_s: Sequence[float], share: float) -> str:
    if not errors_s:
        return "none"
    if len(figures.parts) < FEWEST_TO_DRAW:
        return f"{1000 * percentile(errors_s, share):.0f}"
    low, high = figures.error_interval_s(share)
    return f"{1000 * percentile(errors_s, share):.0f} ({1000 * low:.0f} to {1000 * high:.0f})"


def _named(found: Sequence[Fault]) -> Iterator[str]:
    yield "Every fault by name, the gravest first:"
    yield ""
    for fault in found:
        where = f"{fault.recording.name} ({fault.condition}), {fault.vehicle} at {fault.t_s:.2f} s on {fault.lane}"
        excused = f"; otherwise left out as {fault.left_out}" if fault.left_out else ""
        yield f"- {where}: {fault.what}{excused}"
    if not found:
        yield "- none"
    yield ""


def _plots(measured: Measured) -> Iterator[str]:
    yield "## Pictures"
    yield ""
    yield (
        "Share of passages whose crossing time is off by no more than so much, by condition (in brackets how many were "
        "timed; the dotted line is 50 ms). Simulated."
    )
    yield ""
    yield f"![Errors of the crossing time by condition]({measured.folder}/crossing-errors.svg)"
    yield ""
    yield (
        "Red time reported against the true red time at which the vehicle's front crossed, for every passage on red. "
        "Above the line the node would claim too much. Seen from behind the front is never seen, and the node deducts "
        "for it. Simulated."
    )
    yield ""
    yield f"![Red times reported against true ones]({measured.folder}/red-times.svg)"
    yield ""
    if measured.pictured:
        yield (
            f"The {measured.pictured} gravest faults. Red: the node's box; green: the true one; white: the stop line; "
            "yellow: the confirm line. Simulated."
        )
        yield ""
        yield f"![The gravest faults]({measured.folder}/failures.jpg)"
        yield ""


def _how() -> Iterator[str]:
    yield "## How it is measured"
    yield ""
    yield (
        f"- A reported passage goes with a true one of the same lane at most {SAME_PASSAGE_S} s away, the nearest "
        "first. What is left is missed or invented."
    )
    yield (
        "- In traffic of seeds a true passage is left out, and counted above, where the scene itself leaves no fair "
        f"answer: less than {LEAST_SEEN:.0%} of the vehicle was visible about its crossing, another verdict lay within "
        f"{LEAST_CLEAR_S} s, or the recording began or ended within {ENDS_S} s. In the committed cases nothing is."
    )
    yield (
        "- The true red time is that at which the vehicle's front crossed the line on the ground; a crossing time is "
        "that of the middle of the lower side of its true box."
    )
    yield (
        "- Shares have Wilson's interval. Percentiles, HOTA and IDF1 have that of 1,000 draws of whole recordings, "
        f"since what happens in one recording hangs together; fewer than {FEWEST_TO_DRAW} recordings give none."
    )
    yield (
        "- Detections and scores are kept in `build/evaluation` by the hash of pictures, model and code: a second run "
        "is quick, and one that was broken off goes on."
    )
