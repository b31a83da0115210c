"""How often the node is right, on recordings whose truth is known; called by script/evaluate."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.chain import approach_for, detector_for
from edge.config import load_site
from edge.node import QueuedLamps, judge_stream
from edge.pipeline import detect_stream
from edge.records import NS_PER_S, Verdict
from edge.sources.timeline import read_timeline
from edge.sources.video import open_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.approach import Judged

ROOT = Path(__file__).parents[1]
_SAME_PASSAGE_S = 0.75


@dataclass(frozen=True)
class Pair:
    """A true passage and the one the node made of it, None where it made none."""

    condition: str
    fps: float
    truth: dict[str, Any]
    judged: Judged | None

    @property
    def error_s(self) -> float | None:
        """The node's crossing less the true one."""
        return self.judged and self.judged.passage.t_cross_ns / NS_PER_S - self.truth["t_cross_s"]


@dataclass
class Measured:
    """What came of a set of recordings."""

    seconds: float = 0.0
    recordings: int = 0
    pairs: list[Pair] = field(default_factory=list)
    invented: list[tuple[str, str, Judged]] = field(default_factory=list)
    not_above: int = 0
    red_times: int = 0


def judged_passages(case: Path) -> list[Judged]:
    """Everything the node finds in one recording, with the embedded detector."""
    site = load_site(case / "site.toml")
    detector = detector_for(site, None, 1)
    approach = approach_for(site, detector, trust_start=True)
    lamps = QueuedLamps(read_timeline(case / "lamps.csv"))
    with open_video(case / "video.mp4") as video:
        return [one for _, found in judge_stream(detect_stream(video, detector), lamps, approach) for one in found]


def measure(case: Path, into: Measured) -> None:
    """Add one recording."""
    truth = json.loads((case / "truth.json").read_text(encoding="utf-8"))
    free = judged_passages(case)
    for passage in truth["passages"]:
        near = [one for one in free if one.passage.lane == passage["lane"] and _apart_s(one, passage) < _SAME_PASSAGE_S]
        best = min(near, key=lambda one: _apart_s(one, passage), default=None)
        if best is not None:
            free.remove(best)
        into.pairs.append(Pair(truth["condition"], truth["fps"], passage, best))
        _compare_red(truth, passage, best, into)
    into.invented += [(case.name, truth["condition"], one) for one in free]
    into.seconds += truth["duration_s"]
    into.recordings += 1


def _apart_s(one: Judged, passage: dict[str, Any]) -> float:
    return abs(one.passage.t_cross_ns / NS_PER_S - float(passage["t_cross_s"]))


def _compare_red(truth: dict[str, Any], passage: dict[str, Any], judged: Judged | None, into: Measured) -> None:
    """Whether the red time that is reported is no more than the red in which the vehicle's front crossed."""
    if judged is None or judged.judgement.red_at_least_s is None or passage["red_elapsed_s"] is None:
        return
    vehicle = next(one for one in truth["vehicles"] if one["id"] == passage["vehicle"])
    red_onset_s = passage["t_cross_s"] - passage["red_elapsed_s"]
    into.red_times += 1
    into.not_above += judged.judgement.red_at_least_s <= max(0.0, vehicle["front_stop_s"] - red_onset_s)


def wilson(hits: int, of: int) -> str:
    """A share with its 95 % interval (Wilson, 1927)."""
    if not of:
        return "none to count"
    z, share = 1.96, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{share:.3f} ({max(0.0, middle - half):.3f} to {min(1.0, middle + half):.3f}; {hits} of {of})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, nearest rank."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(measured: Measured) -> Iterable[str]:
    """The figures of a set as lines of Markdown."""
    violations = [pair for pair in measured.pairs if pair.truth["verdict"] == "violation"]
    found = [pair for pair in violations if _is_violation(pair.judged)]
    others = [pair for pair in measured.pairs if pair.truth["verdict"] != "violation"]
    wrong = sum(_is_violation(pair.judged) for pair in others)
    wrong += sum(_is_violation(one) for _, _, one in measured.invented)
    agreed = sum(
        pair.judged is not None and pair.judged.judgement.verdict == pair.truth["verdict"] for pair in measured.pairs
    )
    yield f"{measured.recordings} recordings, {measured.seconds / 60:.1f} minutes, {len(measured.pairs)} true passages."
    yield ""
    yield "| what | share, 95 % interval |"
    yield "|---|---|"
    yield f"| violations found (recall) | {wilson(len(found), len(violations))} |"
    yield f"| events that are violations (precision) | {wilson(len(found), len(found) + wrong)} |"
    yield f"| passages with the right verdict | {wilson(agreed, len(measured.pairs))} |"
    yield f"| passages invented | {len(measured.invented)} |"
    rate = 1000 * wrong / max(1, len(others))
    yield f"| false violations in 1,000 passages that are none | {rate:.1f} ({wrong} of {len(others)}) |"
    yield f"| reported red times not above the true one | {wilson(measured.not_above, measured.red_times)} |"
    yield ""
    yield from _errors(measured)


def _is_violation(judged: Judged | None) -> bool:
    return judged is not None and judged.judgement.verdict is Verdict.VIOLATION


def _errors(measured: Measured) -> Iterable[str]:
    yield "| condition | true passages | missed | crossing time, absolute error p50 / p95 / p99 (ms) |"
    yield "|---|---|---|---|"
    counted = Counter(pair.condition for pair in measured.pairs)
    for condition in [*sorted(counted), "all"]:
        pairs = [pair for pair in measured.pairs if condition in {pair.condition, "all"}]
        errors_s = [abs(pair.error_s) for pair in pairs if pair.error_s is not None]
        figures = (
            " / ".join(f"{1000 * percentile(errors_s, share):.0f}" for share in (0.5, 0.95, 0.99)) if errors_s else ""
        )
        yield f"| {condition} | {len(pairs)} | {len(pairs) - len(errors_s)} | {figures} |"


def faults(measured: Measured) -> Iterable[str]:
    """Every passage that was missed, judged wrongly or invented, by name."""
    for pair in measured.pairs:
        name = f"{pair.condition}, {pair.truth['class']} {pair.truth['vehicle']} at {pair.truth['t_cross_s']:.2f} s"
        if pair.judged is None:
            yield f"- missed: {name}, in truth `{pair.truth['verdict']}`"
        elif pair.judged.judgement.verdict != pair.truth["verdict"]:
            yield f"- judged `{pair.judged.judgement.verdict}` in place of `{pair.truth['verdict']}`: {name}"
    for case, condition, one in measured.invented:
        at_s = one.passage.t_cross_ns / NS_PER_S
        what = f"{one.passage.vehicle_class} at {at_s:.2f} s, `{one.judgement.verdict}`"
        yield f"- invented: {case} ({condition}), {what}"


_HEAD = """# Accuracy

Made by `script/evaluate`; run it again to check. **Everything on this page is simulated**: recordings rendered from a
simulation that knows each vehicle's place to the millimetre. It says how the chain does on such pictures, not on a
street. What is known of real pictures is in the [detector's card](../models/README.md) and, for three real clips with
hand-made truth, in `tests/replay/test_real_clips.py`.

Intervals are 95 % (Wilson). A passage counts as found where the node has one of the same lane within 0.75 s.
"""


def page(parts: dict[str, Measured]) -> str:
    """The whole page."""
    lines = [_HEAD]
    for title, measured in parts.items():
        lines += [f"## {title}", "", *table(measured), "", "Every fault, by name:", ""]
        lines += [*(list(faults(measured)) or ["- none"]), ""]
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="script/evaluate", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with further cases below it")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "accuracy.md", help="the page to write")
    options = parser.parse_args()
    sets = {"The committed cases": ROOT / "sim_fixtures"}
    if options.folder:
        sets["Traffic of unseen seeds"] = options.folder
    parts = {}
    for title, folder in sets.items():
        parts[title] = Measured()
        for truth in sorted(folder.rglob("truth.json")):
            print(f"{truth.parent.name} …", file=sys.stderr, flush=True)
            measure(truth.parent, parts[title])
    text = page(parts)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
