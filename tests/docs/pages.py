"""Reads the project's Markdown pages: tables by heading, fenced blocks by language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the words after it, its text and the line it begins on."""

    page: str
    line: int
    language: str
    marks: tuple[str, ...]
    text: str


def pages() -> list[Path]:
    """Every page of the project that is for people."""
    deep = [page for folder in ("docs", "models", "sim_fixtures") for page in ROOT.glob(f"{folder}/**/*.md")]
    return sorted({*deep, *ROOT.glob("*.md"), *ROOT.glob("*/README.md")})


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found: list[Block] = []
    start, info, lines = 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = re.match(r"```(.*)", line)
        if fence and not start:
            start, info, lines = number, fence[1], []
        elif fence:
            language, *marks = info.split() or [""]
            found.append(Block(str(page.relative_to(ROOT)), start, language, tuple(marks), "\n".join(lines) + "\n"))
            start = 0
        elif start:
            lines.append(line)
    assert not start, f"{page}: the block that begins on line {start} never ends"
    return found


def table_rows(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, its first two rows left out; the heading is given in full."""
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    assert any(line == heading for line in lines), f"{page.name} has no heading {heading!r}"
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows or line.startswith("#"):
            break
    return rows[2:]
