"""The installed ``stopline`` command as a user runs it, in a process of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
STOPLINE = Path(sys.executable).with_name("stopline")
_ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as a program would read it."""
        return json.loads(self.out)


def stopline(*words: object, timeout_s: float = 240.0, cwd: Path | None = None) -> Outcome:
    """Run the command to its end."""
    done = subprocess.run(
        [str(STOPLINE), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=_ENVIRONMENT,
        cwd=cwd,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def running_stopline(*words: object, path: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command running beside the test, with programs found on ``path``; ended with it, however the test ends."""
    process = subprocess.Popen(
        [str(STOPLINE), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**_ENVIRONMENT, "PATH": path or os.environ["PATH"]},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def passages(folder: Path) -> list[dict[str, str]]:
    """The rows of a replay's passages.csv, whose header is the contract."""
    with (folder / "passages.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == [
            "lane",
            "track",
            "class",
            "t_cross_s",
            "t_confirm_s",
            "phase",
            "red_elapsed_s",
            "verdict",
        ]
        return list(reader)


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of a replay's events.jsonl."""
    return [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
