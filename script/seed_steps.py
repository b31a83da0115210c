#!/usr/bin/env python3
"""The commands of the unit that the seed writes, one a line, as a shell takes them: seed_steps.py USER-DATA."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml


def steps(user_data: str) -> list[str]:
    files = yaml.safe_load(user_data)["write_files"]
    lines = (line for file in files for line in file["content"].splitlines())
    return [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]


if __name__ == "__main__":
    print(*steps(Path(sys.argv[1]).read_text(encoding="utf-8")), sep="\n")
