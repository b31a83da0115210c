"""python -m sim_fixtures.render CASE | --all | --seed N --minutes M --out DIR [--condition NAME]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .cases import CASES
from .readme import readme
from .video import Studio, record

if TYPE_CHECKING:
    from .scene import Scene

HOME = Path(__file__).resolve().parent.parent
CONDITIONS = ("day", "night", "rain", "fog", "low_sun")


def make(scene: Scene, folder: Path, studio: Studio) -> None:
    """Render a committed case and say how large it became."""
    record(scene, folder, studio)
    (folder / "README.md").write_text(readme(scene))
    print(f"{scene.name}: {(folder / 'video.mp4').stat().st_size / 1000:.0f} kB", flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m sim_fixtures.render", description="Render recorded junctions with exactly known truth."
    )
    parser.add_argument("case", nargs="*", help=f"one of: {', '.join(CASES)}")
    parser.add_argument("--all", action="store_true", help="make every committed case again")
    parser.add_argument("--seed", type=int, help="make generated material from this seed instead")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, help="folder to write to (default: this package's own)")
    parser.add_argument("--condition", choices=CONDITIONS)
    parser.add_argument("--fps", type=float, default=15.0)
    arguments = parser.parse_args()
    studio = Studio(samples=0 if arguments.seed is not None else 4)
    if arguments.seed is not None:
        from .generate import generate

        if arguments.out is None:
            parser.error("--seed needs --out DIR")
        generate(arguments.seed, arguments.minutes, arguments.out, arguments.condition, arguments.fps, studio)
        return 0
    names = list(CASES) if arguments.all else arguments.case
    unknown = [name for name in names if name not in CASES]
    if not names or unknown:
        parser.error(f"no case named {unknown[0]}" if unknown else "name a case, or --all, or --seed")
    for name in names:
        make(CASES[name](), (arguments.out or HOME) / name, studio)
    return 0


if __name__ == "__main__":
    sys.exit(main())
