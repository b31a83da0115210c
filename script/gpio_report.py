"""Prints what the suite for lamp inputs measured on the kernel: how far the onset of red is from when it was driven."""

from __future__ import annotations

import json
import sys
from pathlib import Path

KINDS = {"steady": "steady", "chopped": "chopped, 99.7 Hz", "bouncing": "bouncing contacts"}


def figures(times_ms: dict[str, float]) -> str:
    return " / ".join(f"{times_ms[name]:.2f}" for name in ("p50", "p95", "max"))


def main() -> None:
    folder = Path(sys.argv[1])
    print(
        f"{'lamps':<18} {'onsets':>7}  {'stamp, ms p50/p95/max':<24} {'phase, ms p50/p95/max':<24} {'read after':>10}"
    )
    for name, words in KINDS.items():
        measured = json.loads((folder / f"{name}.json").read_text())
        print(
            f"{words:<18} {measured['onsets']:>7}  {figures(measured['stamp_ms']):<24} "
            f"{figures(measured['phase_ms']):<24} {measured['read_ms']:>7.1f} ms"
        )


if __name__ == "__main__":
    main()
