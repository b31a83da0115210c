"""docs/adr: numbered, listed, and of one form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, table_rows

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "docs" / "adr"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))


def test_the_index_lists_every_decision_with_its_own_title() -> None:
    listed = {row[0]: row[1] for row in table_rows(FOLDER / "README.md", "# Decisions")}
    titles = {}
    for page in DECISIONS:
        number, title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(" ", 1)
        titles[f"[{number.rstrip(':')}]({page.name})"] = title
    assert listed == titles


def test_numbers_are_used_once() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# {page.name[:4]}:? \S", text)
    for part in ("Context", "Decision", "Consequences"):
        assert re.search(rf"^(## {part}$|\*\*{part}\.\*\* )", text, re.MULTILINE), f"{page.name} lacks {part}"
