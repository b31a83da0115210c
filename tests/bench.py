"""What a node on the bench needs to be armed: a commissioning, a clock that chrony vouches for, lamps with a past."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.command import stopline

if TYPE_CHECKING:
    from pathlib import Path

_CYCLE_S = 20.0


def path_with_chronyc(folder: Path, offset_s: float = 0.0005) -> str:
    """A search path on which a ``chronyc`` says that the clock is in step: the bound is ``offset_s`` and 1 ms."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = ["7F000001", "test", "2", "0", f"{offset_s:.9f}", *["0"] * 5, "0.001", "0.0005", "64.0", "Normal"]
    program = folder / "chronyc"
    program.write_text(f"#!/bin/sh\necho {','.join(fields)}\n", encoding="ascii")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def commission(case: Path, node: Path, *words: object) -> str:
    """Commission a node on a fixture's own recording; gives what was printed."""
    site = ("--site", case / "site.toml")
    done = stopline(
        "commission", case / "video.mp4", *site, "--node", node, "--by", "the test bench", "--for", 10, *words
    )
    assert done.code == 0, done.err
    return done.out


def lamps_with_past(case: Path, folder: Path) -> Path:
    """A fixture's timeline, its group ``north`` seen to run through three whole cycles before it."""
    header, *rows = (case / "lamps.csv").read_text(encoding="ascii").splitlines()
    first_s = min(float(row.split(",")[0]) for row in rows)
    past = []
    for cycle in (3, 2, 1):
        start_s = first_s - cycle * _CYCLE_S
        for at_s, lit in ((0.0, "0,0,1"), (10.0, "0,1,0"), (14.0, "1,0,0")):
            past.append(f"{start_s + at_s:.3f},north,{lit}")
    file = folder / "lamps_with_past.csv"
    file.write_text("\n".join([header, *past, *rows]) + "\n", encoding="ascii")
    return file
