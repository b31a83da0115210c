"""Measures detector, tracker and node on material whose truth is known, and writes docs/accuracy.md.

The committed cases are always measured. Further recordings are made by `python -m sim_fixtures.render --seed`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import StoplineError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = {"type": Path, "metavar": "FOLDER", "action": "append", "default": []}
    parser.add_argument("--tuned", help="recordings of seeds that were looked at while tuning", **folder)  # type: ignore[arg-type]
    parser.add_argument("--fresh", help="recordings of seeds that nobody has looked at", **folder)  # type: ignore[arg-type]
    parser.add_argument("--cases", type=Path, metavar="FOLDER", default=ROOT / "sim_fixtures", help=argparse.SUPPRESS)
    parser.add_argument("--detector", action="store_true", help="measure the detectors first (needs their pictures)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="recordings at a time (default: cores)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "accuracy.md", help="the page to write")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Measure and write; bad input gives one sentence and exit code 2."""
    given = _parser().parse_args(words)
    try:
        _evaluate(given)
    except StoplineError as error:
        print(f"script/evaluate: {error}", file=sys.stderr)
        return 2
    return 0


def _evaluate(given: argparse.Namespace) -> None:
    try:
        from .run import Wanted, evaluate
    except ImportError as error:
        raise StoplineError(f"{error.name} is not installed: run script/bootstrap sim train first") from None
    evaluate(Wanted(given.cases, given.tuned, given.fresh, given.out, given.jobs, given.detector))


if __name__ == "__main__":
    sys.exit(main())
