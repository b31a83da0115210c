"""Whatever can go wrong under the pages of a review is told in every language, files and figures kept.

What can go wrong is read from the source, so a new sentence without its translation fails here.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from edge.ui import guard
from edge.ui.look import _WHAT_WENT_WRONG
from tests.command import ROOT
from tests.ui.test_findings_said import FIGURE, OTHERS, sentence_of, untold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ui.pages import Page

SOURCES = [
    *sorted((ROOT / "edge/ui").glob("*.py")),
    *(ROOT / f"edge/receive/{name}.py" for name in ("bundles", "database", "store")),
]
# Told on the terminal.
AT_THE_START = ("no PostgreSQL address", "cannot be made", "by a newer version", "is no store", "give the folder that")


def failures_of(file: Path) -> Iterator[str]:
    """What its StoreErrors and HTTPExceptions say."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"StoreError", "HTTPException"}:
            for given in node.args:
                said = sentence_of(given)
                if said is not None and not said.startswith(FIGURE + FIGURE):
                    yield said


def all_failures() -> set[str]:
    found = {said for file in SOURCES for said in failures_of(file)} | set(_WHAT_WENT_WRONG.values())
    found |= {said for name, said in vars(guard).items() if re.match("_[A-Z]", name) and isinstance(said, str)}
    return {said for said in found if not any(words in said for words in AT_THE_START)}


@pytest.mark.parametrize("language", OTHERS)
def test_every_failure_has_its_translation(language: str) -> None:
    said = all_failures()
    assert len(said) > 25
    assert "The address is too long." in said
    assert untold(said, language) == set()


def test_a_page_that_is_not_there_is_told_in_the_readers_language(entered: Page) -> None:
    for path, status, said in (
        ("/nothing?lang=de", 404, "An dieser Adresse ist nichts oder nichts mehr."),
        ("/case/x?lang=fr", 404, "Il n&#39;y a rien à cette adresse, ou plus rien."),
        ("/report?month=2026-05&lang=fr", 400, "Un mois s&#39;écrit comme 2026-05"),
    ):
        answer = entered.ask(path)
        assert answer.status == status
        assert said in answer.text
        assert '<a href="/">' in answer.text
    own = {"origin": f"http://127.0.0.1:{entered.port}", "accept-language": "de"}
    answer = entered.ask("/report", method="POST", headers=own)
    assert answer.status == 405
    assert "Diese Adresse wird nicht auf diese Art gefragt." in answer.text
