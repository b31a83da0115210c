"""`python -m models.train.card`: puts measured figures into the model card, between its markers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

OURS = "stopline-s"


def _interval(pair: list[float]) -> str:
    return f"{pair[0]:.3f} to {pair[1]:.3f}"


def comparison(results: dict[str, Any]) -> str:
    """AP and time of every detector on every set."""
    lines = [
        "| pictures | detector | AP50 (95 % interval) | AP50-95 | ms a picture | of it in the net |",
        "|---|---|---|---|---|---|",
    ]
    for name, exam in results.items():
        for who, r in exam["detectors"].items():
            figure = f"{r['ap50']:.3f} ({_interval(r['ap50_interval'])})"
            lines.append(
                f"| {name} ({exam['pictures']}) | {who} | {figure} | {r['ap50_95']:.3f}"
                f" | {r['median_ms']:.1f} | {r['median_net_ms']:.1f} |"
            )
    return "\n".join(lines)


def conditions(results: dict[str, Any]) -> str:
    """AP50 of our model by condition."""
    lines = ["| pictures | condition | number | AP50 (95 % interval) |", "|---|---|---|---|"]
    for name, exam in results.items():
        for condition, r in exam["detectors"][OURS]["ap50_by_condition"].items():
            lines.append(f"| {name} | {condition} | {r['pictures']} | {r['ap50']:.3f} ({_interval(r['interval'])}) |")
    return "\n".join(lines)


def recalls(results: dict[str, Any]) -> str:
    """Recall and precision of our model at its `high` threshold, by class and by height in the picture."""
    lines = ["| pictures | what | boxes | recall |", "|---|---|---|---|"]
    for name, exam in results.items():
        ours = exam["detectors"][OURS]
        lines.append(f"| {name} | all (precision {ours['precision_at_high']:.3f}) | | {ours['recall_at_high']:.3f} |")
        groups = {**ours["recall_by_class"], **{f"{k} px high": v for k, v in ours["recall_by_height_px"].items()}}
        lines += [f"| {name} | {k} | {v['boxes']} | {v['recall']:.3f} |" for k, v in groups.items()]
    return "\n".join(lines)


def ground(results: dict[str, Any]) -> str:
    """How exact the middle of the lower side of our boxes is where the truth is exact."""
    lines = [
        "| what | vehicles | down, px: p5, p50, p95 | down, % of height: p5, p50, p95 | right, px: p5, p50, p95 |",
        "|---|---|---|---|---|",
    ]
    for name, exam in results.items():
        if exam["labels"] != "exact":
            continue
        for group, r in exam["detectors"][OURS]["ground"].items():
            down, right = (", ".join(f"{v:+.1f}" for v in r[key]) for key in ("down_px", "right_px"))
            share = ", ".join(f"{100 * v:+.0f}" for v in r["down_share"])
            lines.append(f"| {name}: {group} | {r['vehicles']} | {down} | {share} | {right} |")
    return "\n".join(lines)


def filled(card: str, results: dict[str, Any]) -> str:
    """The card with its tables renewed."""
    for part in (comparison, conditions, recalls, ground):
        begin, end = f"<!-- {part.__name__} -->\n", "<!-- end -->"
        before, found, rest = card.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"The card has no place for the table '{part.__name__}': add its markers.")
        card = f"{before}{begin}{part(results)}\n{end}{after}"
    return card


def main() -> None:
    """Renew the card."""
    parser = argparse.ArgumentParser(prog="python -m models.train.card")
    parser.add_argument("--results", type=Path, default=Path("models/evaluation.json"))
    parser.add_argument("--card", type=Path, default=Path("models/README.md"))
    given = parser.parse_args()
    card = filled(given.card.read_text("utf-8"), json.loads(given.results.read_text("utf-8")))
    given.card.write_text(card, "utf-8")


if __name__ == "__main__":
    main()
